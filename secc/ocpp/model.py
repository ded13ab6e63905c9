"""Data types of the conversation between station and CSMS, independent of the version of OCPP.

Times are Unix seconds by the clock of the CSMS; energy is in Wh, power in W.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from secc.errors import IdentifierError
from secc.pki.identifiers import EMAID, DinContractId
from secc.settings.ocpp import EmaidForm

__all__ = [
    "AuthorizeAnswer",
    "BootAnswer",
    "CertificateStatus",
    "ChargingState",
    "ConnectorStatus",
    "EventKind",
    "IdToken",
    "ListEntry",
    "OutgoingCall",
    "Payload",
    "Reading",
    "Registration",
    "SecurityEvent",
    "StopReason",
    "TokenInfo",
    "TokenKind",
    "TokenStatus",
    "TransactionEvent",
    "Trigger",
    "comparable",
    "contract_id",
    "emaid_token",
]

Payload = dict[str, Any]
"""The body of a message with the names and types of the wire; checked against its schema in both
directions."""


class TokenKind(enum.StrEnum):
    """Kinds of identification, with the literals of 2.0.1."""

    EMAID = "eMAID"
    CENTRAL = "Central"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class IdToken(msgspec.Struct, frozen=True):
    """Identification of a user."""

    text: str
    kind: TokenKind = TokenKind.ISO14443

    @property
    def key(self) -> str:
        """Equal for different spellings of the same token: hyphens in an eMAID and case are ignored."""
        return comparable(self.text)


def comparable(text: str) -> str:
    """Return an eMAID without hyphens and check digit, any other text in folded case.

    Local lists and 1.6 do not reliably mark eMAIDs, so the format decides. The older format of DIN SPEC 91286
    is the eMAID of the same contract.
    """
    found = contract_id(text)
    return text.casefold() if found is None else found.normal[:14]


def contract_id(text: str) -> EMAID | None:
    """Return the eMAID that a text names in any spelling, or None."""
    try:
        return EMAID.parse(text)
    except IdentifierError:
        pass
    try:
        return DinContractId.parse(text).emaid
    except IdentifierError:
        return None


def emaid_token(emaid: EMAID, form: EmaidForm) -> IdToken:
    """Return the token of a contract, in the spelling for the CSMS."""
    match form:
        case EmaidForm.PLAIN:
            text = emaid.normal
        case EmaidForm.HYPHENS:
            text = emaid.format(check_digit=emaid.check_digit is not None)
        case _:
            text = emaid.text
    return IdToken(text, TokenKind.EMAID)


class TokenStatus(enum.StrEnum):
    """Status of a token at the CSMS; only ACCEPTED may charge."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_TYPE = "NotAllowedTypeEVSE"
    NOT_HERE = "NotAtThisLocation"
    NOT_NOW = "NotAtThisTime"
    UNKNOWN = "Unknown"


class CertificateStatus(enum.StrEnum):
    """Status of a contract certificate at the CSMS."""

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    NO_CERTIFICATE = "NoCertificateAvailable"
    CHAIN_ERROR = "CertChainError"
    CANCELLED = "ContractCancelled"


class TokenInfo(msgspec.Struct, frozen=True):
    """Status of a token, as stored in list and cache."""

    status: TokenStatus
    expires: float | None = None
    """Unix seconds; None: not specified."""
    group: str = ""


class AuthorizeAnswer(msgspec.Struct, frozen=True):
    """Result of Authorize."""

    info: TokenInfo
    certificate: CertificateStatus | None = None
    transfer: tuple[str, ...] = ()
    """allowedEnergyTransfer of 2.1; empty: charging only."""
    tariff: Payload | None = None
    """TariffType of 2.1, for this driver."""


class ListEntry(msgspec.Struct, frozen=True):
    """One entry of the local list; without `info` the token is deleted from the list."""

    token: IdToken
    info: TokenInfo | None = None


class Registration(enum.StrEnum):
    """Answer to BootNotification."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootAnswer(msgspec.Struct, frozen=True):
    """Result of BootNotification."""

    status: Registration
    interval: float
    """Seconds between heartbeats if accepted, otherwise until the next attempt; 0: the station chooses."""
    now: float | None
    """Time of the CSMS; None: unreadable."""


class ConnectorStatus(enum.StrEnum):
    """Status of the connector with the literals of 1.6, which has more of them."""

    AVAILABLE = "Available"
    RESERVED = "Reserved"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


# --- transactions ------------------------------------------------------------------------------------------


class EventKind(enum.StrEnum):
    """Position of an event in its transaction."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


class Trigger(enum.StrEnum):
    """Cause of an event."""

    AUTHORIZED = "Authorized"
    REMOTE_START = "RemoteStart"
    CHARGING_STATE = "ChargingStateChanged"
    METER_PERIODIC = "MeterValuePeriodic"
    METER_CLOCK = "MeterValueClock"
    RATE_CHANGED = "ChargingRateChanged"
    TRIGGER = "Trigger"
    DEAUTHORIZED = "Deauthorized"
    REMOTE_STOP = "RemoteStop"
    RESET = "ResetCommand"
    EV_DEPARTED = "EVDeparted"
    EV_LOST = "EVCommunicationLost"
    STOP_AUTHORIZED = "StopAuthorized"
    ABNORMAL = "AbnormalCondition"


class ChargingState(enum.StrEnum):
    """State of the outlet."""

    CHARGING = "Charging"
    CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class StopReason(enum.StrEnum):
    """Reason for the end of a transaction."""

    STOPPED_BY_EV = "StoppedByEV"
    EV_DISCONNECTED = "EVDisconnected"
    REMOTE = "Remote"
    DEAUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    POWER_LOSS = "PowerLoss"
    TIMEOUT = "Timeout"
    LOCAL = "Local"
    TRANSFER_REJECTED = "ReqEnergyTransferRejected"
    """2.1; `Other` in older versions."""
    OTHER = "Other"


class Reading(msgspec.Struct, frozen=True):
    """A meter reading."""

    energy: int
    """Wh."""
    power: float | None = None
    """Present power in W, if known."""
    voltage: float | None = None
    """V at the output, if measured."""
    current: float | None = None
    """A at the output, if measured; positive to the EV."""
    exported: int | None = None
    """Wh taken from vehicles, if the meter counts them."""
    soc: int | None = None
    """State of charge, percent, as the EV reports it."""


class TransactionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a transaction; stored before it is sent, and identical in every repetition."""

    kind: EventKind
    transaction: str
    """Id of the transaction, assigned by the station."""
    seq: int
    """Counts the events of a transaction from 0, without gaps."""
    at: float
    trigger: Trigger
    state: ChargingState
    token: IdToken | None = None
    """Set in the first and last event."""
    reading: Reading | None = None
    meter_start: int | None = None
    offline: bool = False
    """The event happened while the CSMS was not connected."""
    reason: StopReason | None = None
    remote_start_id: int | None = None
    measurands: tuple[str, ...] | None = None
    """What is sent of the reading; None: energy and power."""
    evccid: str = ""
    """What the EV says it is, in the first event of a transaction of ISO 15118-20."""
    reservation: int | None = None
    """Id of the reservation that the transaction uses."""


class SecurityEvent(msgspec.Struct, frozen=True):
    """A security event for the operator."""

    kind: str
    at: float
    text: str = ""


class OutgoingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A report that must reach the CSMS and belongs to no transaction: firmware, logs, monitoring, limits."""

    action: str
    body: Payload
    versions: tuple[str, ...]
    """Versions of OCPP that the body is for; a connection of another version drops it."""
