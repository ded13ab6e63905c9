"""The ecosystem of Plug and Charge as this library uses it: pools of roots, cars and contracts.

The port is independent of the protocol: `secc.operator.opcp.client.OpcpClient` uses OPCP. Calls block, for a
time that the implementation bounds; they run in threads.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Protocol

from secc.errors import SeccError
from secc.pki.certificates import Certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, Kind

__all__ = ["Ecosystem", "EcosystemError", "Forbidden", "NotFoundThere", "PoolRoot", "PoolVehicle"]


class EcosystemError(SeccError):
    """The ecosystem did not answer, or its answer is not as documented; a retry may succeed."""


class NotFoundThere(EcosystemError):
    """The ecosystem has answered that it does not have the requested object; a retry now does not help."""


class Forbidden(EcosystemError):
    """The ecosystem knows the caller and refuses the operation."""


@dataclasses.dataclass(frozen=True, slots=True)
class PoolRoot:
    """A root of the root pool."""

    kind: Kind
    certificate: Certificate


@dataclasses.dataclass(frozen=True, slots=True)
class PoolVehicle:
    """What the pool of provisioning certificates contains about a car."""

    leaf: Certificate
    above: tuple[Certificate, ...]
    """Sub-CAs of the manufacturer, starting with the issuer of the leaf."""


class Ecosystem(Protocol):
    """Root pool, provisioning certificate pool, contract data pool, and the service that fills it."""

    def roots(self) -> tuple[PoolRoot, ...]:
        """Return every root of the pool. Raises EcosystemError."""
        ...

    def vehicle(self, pcid: PCID) -> PoolVehicle:
        """Return the provisioning certificate of a car. Raises NotFoundThere, EcosystemError."""
        ...

    def signed_contract_data(self, request: bytes) -> bytes:
        """Return the signed answer (EXI) to a CertificateInstallationReq (EXI).

        Raises NotFoundThere when the car has no contract, EcosystemError.
        """
        ...

    def signed_contracts(self, request: bytes) -> tuple[bytes, ...]:
        """Return the signed answers (EXI) to a CertificateInstallationReq of ISO 15118-20 (EXI): one for each
        contract of the car.

        Raises NotFoundThere when the car has no contract, EcosystemError.
        """
        ...

    def generate(
        self,
        emaid: EMAID,
        pcid: PCID,
        begins: datetime.datetime,
        ends: datetime.datetime,
        generation: Generation = Generation.ISO2,
    ) -> None:
        """Order a new bundle for the pool, the first one or a renewal; there is no separate update.

        Raises NotFoundThere for an unknown car, Forbidden for a car of another party, EcosystemError.
        """
        ...
