"""The messages that a version of OCPP must provide; `v201` and `v16` implement them. Everything is pure."""

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
    Reading,
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
    """Data of BootNotification."""

    vendor: str
    model: str
    serial: str
    version: str


@dataclasses.dataclass(frozen=True, slots=True)
class EventAnswer:
    """Content of the answer to a transaction event."""

    info: TokenInfo | None = None
    number: int | None = None
    """The transaction id that a CSMS of 1.6 assigns."""


class OcppDialect(Protocol):
    """The messages of one version. The `read_…` methods take answers that match the schema."""

    version: OcppVersion

    def boot(self, label: StationLabel, reason: str) -> Request:
        """Return BootNotification."""
        ...

    def read_boot(self, answer: Payload) -> BootAnswer:
        """Return the registration status."""
        ...

    def read_heartbeat(self, answer: Payload) -> float | None:
        """Return the time of the CSMS in Unix seconds."""
        ...

    def status(self, status: ConnectorStatus, at: float, fault: str) -> Request:
        """Return StatusNotification."""
        ...

    def authorize(self, token: IdToken, hashes: tuple[OcspRequestData, ...], pem: str) -> Request:
        """Return Authorize; `hashes` and `pem` belong to a contract."""
        ...

    def read_authorize(self, answer: Payload) -> AuthorizeAnswer | None:
        """Return the result; None: the CSMS does not support contracts."""
        ...

    def provision(self, action: str, namespace: str, exi: bytes) -> Request:
        """Return the request for a contract certificate."""
        ...

    def read_provision(self, answer: Payload) -> bytes | None:
        """Return the EXI answer, or None."""
        ...

    def certificate_status(self, data: OcspRequestData) -> Request:
        """Return the question for the revocation status of a certificate."""
        ...

    def read_certificate_status(self, answer: Payload) -> bytes | None:
        """Return the OCSP response in DER, or None."""
        ...

    def sign_certificate(self, csr: str, kind: str, number: int) -> Request:
        """Return the request to sign a CSR (PEM) as `V2GCertificate`, `V2G20Certificate` (2.1) or
        `ChargingStationCertificate`; `number` identifies it in 2.1."""
        ...

    def read_sign_certificate(self, answer: Payload) -> bool:
        """Return whether the CSMS has accepted the request; the certificate follows later."""
        ...

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        """Return the message for a transaction event; None: this version has none.

        `number`: see `EventAnswer`.
        """
        ...

    def read_event(self, answer: Payload) -> EventAnswer:
        """Return the content of the answer to a transaction event."""
        ...

    def meter_values(self, reading: Reading, at: float, context: str) -> Request:
        """Return MeterValues, which belongs to no transaction."""
        ...

    def security(self, event: SecurityEvent) -> Request:
        """Return a security event."""
        ...


def to_iso(at: float) -> str:
    """Return Unix seconds as RFC 3339 with milliseconds, in UTC."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: object) -> float | None:
    """Return Unix seconds; None for an invalid time. A time without a zone is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace("z", "Z"))
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
        return aware.timestamp()
    except (ValueError, OverflowError):
        return None
