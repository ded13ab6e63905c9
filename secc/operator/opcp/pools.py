"""What the pools of the simulated ecosystem contain, and who may change it."""

from __future__ import annotations

import dataclasses

from secc.errors import SeccError
from secc.pki.certificates import Certificate
from secc.pki.identifiers import EMAID, PCID

__all__ = ["Party", "PoolError", "PooledContract", "PooledVehicle", "check_manufacturer", "check_provider"]


class PoolError(SeccError):
    """The pool refuses; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A client of the ecosystem and the part of it that the client may use."""

    client_id: str
    secret: str = dataclasses.field(repr=False)
    roles: frozenset[str]
    """Any of `cpo`, `mo`, `oem`, `cps`."""
    manufacturers: frozenset[str] = frozenset()
    """World manufacturer identifiers of an OEM."""
    providers: frozenset[str] = frozenset()
    """Country and provider of a mobility operator, for example `DEABC`."""


@dataclasses.dataclass(slots=True)
class PooledVehicle:
    """A car in the pool of provisioning certificates."""

    chain: tuple[Certificate, ...]
    default: str | None = None
    """Key of the contract that the car receives in ISO 15118-2."""
    revoked: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class PooledContract:
    """A bundle in the contract pool."""

    emaid: EMAID
    pcid: str
    payload: bytes = dataclasses.field(repr=False)
    leaf: Certificate


def check_manufacturer(party: Party, pcid: PCID) -> None:
    """Raise PoolError for a car of another manufacturer."""
    if pcid.manufacturer not in party.manufacturers:
        raise PoolError(403, "a car of another manufacturer")


def check_provider(party: Party, emaid: EMAID) -> None:
    """Raise PoolError for a contract of another mobility operator."""
    if emaid.country + emaid.provider not in party.providers:
        raise PoolError(403, "a contract of another operator")
