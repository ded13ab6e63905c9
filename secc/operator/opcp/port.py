"""The ecosystem of Plug and Charge as this library sees it: pools of roots, cars and contracts.

One port, whatever the protocol behind it: `secc.operator.opcp.client.OpcpClient` speaks OPCP. Calls block,
for a time that the implementation bounds; they run in threads.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Protocol

from secc.errors import SeccError
from secc.pki.certificates import Certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Kind


class EcosystemError(SeccError):
    """The ecosystem did not answer, or not with what it promises: another try may help."""


class NotFoundThere(EcosystemError):
    """The ecosystem has answered: it does not have that. Another try now does not help."""


class Forbidden(EcosystemError):
    """The ecosystem knows us and does not let us do that."""


@dataclasses.dataclass(frozen=True, slots=True)
class PoolRoot:
    """A root of the root pool."""

    kind: Kind
    certificate: Certificate


@dataclasses.dataclass(frozen=True, slots=True)
class Vehicle:
    """What the pool of provisioning certificates tells about a car."""

    leaf: Certificate
    above: tuple[Certificate, ...]
    """The Sub-CAs of its manufacturer, the nearest first."""


class Ecosystem(Protocol):
    """Root pool, provisioning certificate pool, contract data pool, and the service that fills it."""

    def roots(self) -> tuple[PoolRoot, ...]:
        """Every root of the pool. Raises EcosystemError."""
        ...

    def vehicle(self, pcid: PCID) -> Vehicle:
        """The provisioning certificate of a car. Raises NotFoundThere, EcosystemError."""
        ...

    def signed_contract_data(self, request: bytes) -> bytes:
        """The signed answer (EXI) to a CertificateInstallationReq (EXI).

        Raises NotFoundThere when there is no contract for that car, EcosystemError.
        """
        ...

    def generate(self, emaid: EMAID, pcid: PCID, begins: datetime.datetime, ends: datetime.datetime) -> None:
        """Have a new bundle made and put into the pool: a first one, or a renewal; there is no update.

        Raises NotFoundThere for an unknown car, Forbidden for another one's, EcosystemError.
        """
        ...
