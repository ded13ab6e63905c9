"""What expires when, and what is done about it before it does.

Pure but for the store: `look` takes the time. Contracts are renewed in advance: a new bundle is made for the
car and waits for its next installation; a car that asks for an update gets one of its own. Certificates of
stations are watched here and renewed by `secc.aio.renewal`. What failed is told with its reason, at every
look.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from secc.errors import SeccError
from secc.pki.certificates import Certificate
from secc.pnc.local import LocalBackend
from secc.pnc.store import Event, Status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """When to tell and when to act."""

    levels: tuple[int, ...] = (30, 14, 7)
    """Days before the end at which it is told."""
    renew: int = 30
    """Days before the end at which a new bundle is made."""


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """One certificate that ends soon."""

    what: str
    """`contract` or `station`."""
    identity: str
    not_after: datetime.datetime
    level: int
    """The narrowest level reached, in days; 0: it has ended."""
    prepared: bool
    """A new bundle waits for the car."""
    failure: str = ""
    """Why there is none."""


class RenewalMonitor:
    """Looks over all contracts of a site, and the certificates of its stations."""

    def __init__(
        self,
        backend: LocalBackend,
        *,
        stations: Sequence[Certificate] = (),
        policy: WatchPolicy | None = None,
    ) -> None:
        """`stations`: the leaves in use."""
        self._backend = backend
        self._stations = tuple(stations)
        self._policy = policy or WatchPolicy()

    def look(self, now: datetime.datetime) -> tuple[Expiry, ...]:
        """Renew what is due; tell everything that ends within the widest level, the first at the front."""
        store = self._backend.store
        found: list[Expiry] = []
        for certificate in store.certificates():
            level = self._level(certificate.not_after, now)
            contract = store.contract(certificate.emaid)
            if level is None or contract is None or contract.status is not Status.ACTIVE:
                continue
            failure = self._renew(str(certificate.emaid), certificate.not_after, now)
            prepared = contract.pcid is not None and store.has_bundle(contract.pcid)
            who = str(certificate.emaid)
            found.append(Expiry("contract", who, certificate.not_after, level, prepared, failure))
        for leaf in self._stations:
            level = self._level(leaf.not_after, now)
            if level is not None:
                found.append(Expiry("station", str(leaf), leaf.not_after, level, False))
        return tuple(sorted(found, key=lambda one: one.not_after))

    def _level(self, end: datetime.datetime, now: datetime.datetime) -> int | None:
        if end <= now:
            return 0
        return min((days for days in self._policy.levels if end - now <= _days(days)), default=None)

    def _renew(self, emaid: str, end: datetime.datetime, now: datetime.datetime) -> str:
        """Make the next bundle where it is due; why that failed."""
        store = self._backend.store
        contract = next(one for one in store.contracts() if str(one.emaid) == emaid)
        if end - now > _days(self._policy.renew):
            return ""
        if contract.pcid is not None and store.has_bundle(contract.pcid):
            return ""
        try:
            self._backend.prepare(contract.emaid)
        except SeccError as error:
            store.add_event(Event(now, "renewal failed", emaid, "", getattr(error, "rule", ""), str(error)))
            return str(error)
        store.add_event(Event(now, "renewed", emaid, "", "prepared", "waits for the car's next installation"))
        return ""


def _days(days: int) -> datetime.timedelta:
    return datetime.timedelta(days=days)
