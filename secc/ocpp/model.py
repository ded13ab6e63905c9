"""What a station and its central system have to say to each other, whatever the version of OCPP.

Times are Unix seconds by the clock that the CSMS knows; energy is Wh, power W.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from secc.errors import IdentifierError
from secc.pki.identifiers import EMAID

Payload = dict[str, Any]
"""The body of a message, with the names and types of the wire; checked against its schema on both ways."""


class TokenKind(enum.StrEnum):
    """What identifies a person, by the literals of 2.0.1."""

    EMAID = "eMAID"
    CENTRAL = "Central"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class IdToken(msgspec.Struct, frozen=True):
    """Who wants to charge."""

    text: str
    kind: TokenKind = TokenKind.ISO14443

    @property
    def key(self) -> str:
        """Equal for spellings of the same token: hyphens of an eMAID and case do not count."""
        return comparable(self.text)


def comparable(text: str) -> str:
    """An eMAID without hyphens and its check digit, anything else without case.

    Local lists and 1.6 do not say reliably what is an eMAID, so its form decides.
    """
    try:
        return EMAID.parse(text).normal[:14]
    except IdentifierError:
        return text.casefold()


class TokenStatus(enum.StrEnum):
    """What the CSMS thinks of a token; only ACCEPTED may charge."""

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
    """What the CSMS thinks of a contract certificate."""

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    NO_CERTIFICATE = "NoCertificateAvailable"
    CHAIN_ERROR = "CertChainError"
    CANCELLED = "ContractCancelled"


class TokenInfo(msgspec.Struct, frozen=True):
    """An answer about a token, as it is kept in list and cache."""

    status: TokenStatus
    expires: float | None = None
    """Unix seconds; none: it does not say."""
    group: str = ""


class AuthorizeAnswer(msgspec.Struct, frozen=True):
    """What Authorize brought."""

    info: TokenInfo
    certificate: CertificateStatus | None = None


class ListEntry(msgspec.Struct, frozen=True):
    """One line of the local list; without `info` it is to be deleted."""

    token: IdToken
    info: TokenInfo | None = None


class Registration(enum.StrEnum):
    """Answer to BootNotification."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootAnswer(msgspec.Struct, frozen=True):
    """What BootNotification brought."""

    status: Registration
    interval: float
    """Between heartbeats when accepted, until the next try otherwise; 0: our choice."""
    now: float | None
    """Clock of the CSMS; none: unreadable."""


class ConnectorStatus(enum.StrEnum):
    """By the literals of 1.6, which knows more of them."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


# --- transactions ------------------------------------------------------------------------------------------


class EventKind(enum.StrEnum):
    """Where in its life a transaction is."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


class Trigger(enum.StrEnum):
    """Why there is an event."""

    AUTHORIZED = "Authorized"
    REMOTE_START = "RemoteStart"
    CHARGING_STATE = "ChargingStateChanged"
    METER_PERIODIC = "MeterValuePeriodic"
    TRIGGER = "Trigger"
    DEAUTHORIZED = "Deauthorized"
    REMOTE_STOP = "RemoteStop"
    RESET = "ResetCommand"
    EV_DEPARTED = "EVDeparted"
    EV_LOST = "EVCommunicationLost"
    STOP_AUTHORIZED = "StopAuthorized"
    ABNORMAL = "AbnormalCondition"


class ChargingState(enum.StrEnum):
    """What the outlet does."""

    CHARGING = "Charging"
    CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class StopReason(enum.StrEnum):
    """Why a transaction ended."""

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
    OTHER = "Other"


class Reading(msgspec.Struct, frozen=True):
    """What the meter said."""

    energy: int
    """Wh."""
    power: float | None = None
    """W at this moment, where it can be told."""


class TransactionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a transaction; written down before it is sent, and the same whenever it is sent again."""

    kind: EventKind
    transaction: str
    """Our own id of the transaction."""
    seq: int
    """Counts the events of a transaction from 0, without gaps."""
    at: float
    trigger: Trigger
    state: ChargingState
    token: IdToken | None = None
    """Where it is told: at the start, and when it ends."""
    reading: Reading | None = None
    meter_start: int | None = None
    offline: bool = False
    """It happened while the CSMS was away."""
    reason: StopReason | None = None
    remote_start_id: int | None = None


class SecurityEvent(msgspec.Struct, frozen=True):
    """Something an operator's security people want to know."""

    kind: str
    at: float
    text: str = ""


# --- charging profiles -------------------------------------------------------------------------------------


class ProfilePurpose(enum.StrEnum):
    """What a profile is for."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class ProfileKind(enum.StrEnum):
    """What its times count from."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Period(msgspec.Struct, frozen=True):
    """From `start` on, at most `limit`."""

    start: float
    """Seconds from the begin of the schedule."""
    limit: float
    """In the schedule's unit."""
    phases: int | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over time."""

    unit: str
    """W or A (per phase)."""
    periods: tuple[Period, ...]
    start: float | None = None
    """Unix seconds; none: the begin of the transaction."""
    duration: float | None = None


class ChargingProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile."""

    id: int
    stack: int
    purpose: ProfilePurpose
    kind: ProfileKind
    schedules: tuple[Schedule, ...]
    """One to three; the first is the one that limits."""
    evse: int = 0
    """0: the whole station."""
    weekly: bool = False
    """Recurs each week and not each day."""
    valid_from: float | None = None
    valid_to: float | None = None
    transaction: str = ""
    """The transaction it is for, by our id; empty: whichever runs."""


class ProfileFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which profiles to clear; none of the fields: all."""

    id: int | None = None
    evse: int | None = None
    purpose: ProfilePurpose | None = None
    stack: int | None = None
