"""What a version of OCPP has to be able to say; `v201` and `v16` say it. All of it is pure."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Protocol

from secc.ocpp.model import (
    AuthorizeAnswer,
    BootAnswer,
    ConnectorStatus,
    IdToken,
    Payload,
    SecurityEvent,
    TokenInfo,
    TransactionEvent,
)
from secc.pki.contract import OcspRequestData
from secc.settings.ocpp import OcppVersion

Request = tuple[str, Payload]
"""Action and body."""


@dataclasses.dataclass(frozen=True, slots=True)
class StationLabel:
    """What BootNotification tells."""

    vendor: str
    model: str
    serial: str
    version: str


@dataclasses.dataclass(frozen=True, slots=True)
class EventAnswer:
    """What the answer to an event of a transaction says."""

    info: TokenInfo | None = None
    number: int | None = None
    """The id that a CSMS of 1.6 gives to the transaction."""


class OcppDialect(Protocol):
    """How one version says things. `read_…` take answers that the schema has let pass."""

    version: OcppVersion

    def boot(self, label: StationLabel, reason: str) -> Request:
        """The station is there."""
        ...

    def read_boot(self, answer: Payload) -> BootAnswer:
        """May it speak?"""
        ...

    def read_heartbeat(self, answer: Payload) -> float | None:
        """The clock of the CSMS."""
        ...

    def status(self, status: ConnectorStatus, at: float, fault: str) -> Request:
        """How the connector is."""
        ...

    def authorize(self, token: IdToken, hashes: tuple[OcspRequestData, ...], pem: str) -> Request:
        """May this one charge? `hashes` and `pem` belong to a contract."""
        ...

    def read_authorize(self, answer: Payload) -> AuthorizeAnswer | None:
        """None: the CSMS does not deal with contracts."""
        ...

    def provision(self, action: str, namespace: str, exi: bytes) -> Request:
        """A car wants a contract."""
        ...

    def read_provision(self, answer: Payload) -> bytes | None:
        """EXI, or None where there is none."""
        ...

    def certificate_status(self, data: OcspRequestData) -> Request:
        """Is it revoked?"""
        ...

    def read_certificate_status(self, answer: Payload) -> bytes | None:
        """An OCSP response in DER."""
        ...

    def sign_certificate(self, csr: str, kind: str) -> Request:
        """Sign this request (PEM) for `V2GCertificate` or `ChargingStationCertificate`."""
        ...

    def read_sign_certificate(self, answer: Payload) -> bool:
        """It will come."""
        ...

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        """None: this version has no message for it. `number`: see `EventAnswer`."""
        ...

    def read_event(self, answer: Payload) -> EventAnswer:
        """What the CSMS makes of it."""
        ...

    def security(self, event: SecurityEvent) -> Request:
        """Something for the security people."""
        ...


def to_iso(at: float) -> str:
    """Unix seconds as RFC 3339 with milliseconds, UTC."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: object) -> float | None:
    """The reverse; None for what is no time. Without a zone it is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace("z", "Z"))
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
        return aware.timestamp()
    except (ValueError, OverflowError):
        return None
