"""What comes out of a session: a response, orders to the outlet, questions, notices, the end.

A question to the outside (`Authorize`, `AskSchedules`, `StartCableCheck`, `CloseContactor`) carries a
`Ticket`; its answer brings the ticket back (`secc.session.inputs`).
"""

import enum

import msgspec

from secc.session.battery_events import BatteryRead, SocReadingBegun
from secc.session.contract_events import ContractOutput
from secc.session.costs import Costs
from secc.session.facts import Message
from secc.session.identity import EvIdentity
from secc.session.needs import NeedsReported
from secc.session.outlet import EvseFault, MeterReading
from secc.session.paused import PausedSession
from secc.session.prices import PriceNeed, TuplePrices
from secc.session.schedules import EnergyNeed, PowerSchedule
from secc.session.service_events import ServicesChosen
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from secc.session.vehicle_events import AskVehicleStatus

__all__ = [
    "AskGridCode",
    "AskPrices",
    "AskSchedules",
    "Authorize",
    "CloseContactor",
    "EndReason",
    "EndSession",
    "GridEventSeen",
    "Notice",
    "NoticeKind",
    "OfferChosen",
    "OfferSent",
    "OpenContactor",
    "OutletCommand",
    "Output",
    "RenewLease",
    "Send",
    "SetOutput",
    "SetReactivePower",
    "StartCableCheck",
]


class Send(msgspec.Struct, frozen=True, gc=False):
    """The response to the request at hand; exactly one per request [INV-15]."""

    message: Message
    payload: bytes | None = None
    """Send these bytes as they are: what is in them is signed by others. They say `message`."""
    stream: Stream = Stream.MAIN
    """On which the request came."""

    def __repr__(self) -> str:
        """Without the bytes, which say the same as the message."""
        return f"Send({self.message!r}, stream={self.stream!r})"


class CloseContactor(msgspec.Struct, frozen=True):
    """AC: energise. Answer with `ContactorReported` when the feedback says so, or after giving up."""

    ticket: Ticket


class OpenContactor(msgspec.Struct, frozen=True):
    """Switch all energy off now. Emitted at every end, even if nothing was closed; needs no answer."""


class StartCableCheck(msgspec.Struct, frozen=True):
    """DC: run a new isolation test now. Answer with `CableCheckReported`."""

    ticket: Ticket
    max_voltage: float
    """V that the test may apply: the lower of the EV's and the outlet's maximum."""


class SetOutput(msgspec.Struct, frozen=True, gc=False):
    """DC: the set-point, already below every limit [INV-07]. (0, 0) switches the output off."""

    voltage: float
    """V, rounded down to mV: the most while the current is 0 or more, the least of the battery while it is
    below 0."""
    current: float
    """A, rounded towards 0 to mA; below 0 it flows from the EV to the station."""


class RenewLease(msgspec.Struct, frozen=True, gc=False):
    """The output may stay energised this long from now; unrenewed it must switch itself off [INV-31]."""

    seconds: float


class Authorize(msgspec.Struct, frozen=True):
    """May the person at this outlet charge (external identification)? Answer with `AuthorizationDecided`."""

    ticket: Ticket
    ev: EvIdentity | None = None
    """What the EV says it is; None before it has said anything."""


class AskSchedules(msgspec.Struct, frozen=True):
    """Which power, when? Answer with `SchedulesOffered`."""

    ticket: Ticket
    need: EnergyNeed


class AskPrices(msgspec.Struct, frozen=True):
    """What do these schedules cost? Answer with `PricesOffered`."""

    ticket: Ticket
    need: PriceNeed


class AskGridCode(msgspec.Struct, frozen=True):
    """By which rules may the EV feed the grid (AC_DER_IEC)? Answer with `GridCodeGiven`."""

    ticket: Ticket


class GridEventSeen(msgspec.Struct, frozen=True):
    """The EV reports another GridEventCondition, for the grid operator; needs no answer."""

    condition: int
    """0..255, as the EV has sent it."""


class SetReactivePower(msgspec.Struct, frozen=True):
    """AC_DER_IEC: the EV is asked for this reactive power, within every limit."""

    power: float
    """var in total, above zero over-excited."""


class OfferSent(msgspec.Struct, frozen=True):
    """For the record: schedules with prices that the EV may choose from; needs no answer."""

    schedules: tuple[PowerSchedule, ...]
    """Empty in Dynamic mode."""
    prices: tuple[TuplePrices, ...]
    discharge: float
    """W that may flow back; 0: there is no discharging schedule."""
    signed: bool
    """By the mobility operator."""


class OfferChosen(msgspec.Struct, frozen=True):
    """For the record: the prices in force from now on; needs no answer."""

    schedule_id: int | None
    """The EV's choice; None in Dynamic mode, where there is none."""
    prices: TuplePrices


class NoticeKind(enum.StrEnum):
    """What a `Notice` is about; the text is for people."""

    STATE = "state"
    REFUSED = "refused"
    STALE = "stale"
    """An answer with a ticket that nothing waits for."""
    LENIENT = "lenient"
    """Accepted only because of a compatibility setting."""
    OUTPUT = "output"
    """The output was switched off for a reason outside the message sequence."""
    STOP = "stop"
    IGNORED = "ignored"


class Notice(msgspec.Struct, frozen=True, gc=False):
    """Something the log should say; the core itself never logs."""

    kind: NoticeKind
    text: str


class EndReason(enum.StrEnum):
    """Why a session ended; exactly one per session [INV-36]."""

    TERMINATED = "terminated by the EV"
    PAUSED = "paused by the EV"
    REFUSED = "request refused"
    SEQUENCE_TIMEOUT = "sequence timeout"
    SETUP_TIMEOUT = "communication setup timeout"
    NO_PROTOCOL = "no common protocol"
    PROTOCOL_ERROR = "not a request"
    LINK_LOST = "link lost"
    UNPLUGGED = "unplugged"
    PILOT_ERROR = "control pilot error"
    LEASE_LAPSED = "lease lapsed"


class EndSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session is over and the output is off; call `make_safe`, close the connection."""

    reason: EndReason
    code: enum.StrEnum | None = None
    """The refusing response code, with REFUSED."""
    detail: str = ""
    session_id: bytes = b""
    established: bool = False
    """SessionSetupReq was answered: the EV knows the id."""
    fault: EvseFault | None = None
    """Seen during the session; a latched one blocks the outlet, see `secc.session.latch`."""
    fault_detail: str = ""
    """What exactly was seen, where there is more to say than the name of the fault."""
    meter: MeterReading | None = None
    """The last reading seen."""
    energy: int | None = None
    """Wh to the EV, between the first reading and the last."""
    exported: int | None = None
    """Wh from the EV, likewise; None where the meter has no such register."""
    costs: Costs | None = None
    """By the absolute prices that the EV has chosen, ISO 15118-20; None without them. Not a bill: the back
    end decides what is billed."""
    paused: PausedSession | None = None
    """What a next session needs to continue this one, with PAUSED."""
    only_read: bool = False
    """It was for the state of charge alone, and ended with or without it: what follows is charging."""


OutletCommand = (
    CloseContactor
    | OpenContactor
    | StartCableCheck
    | SetOutput
    | RenewLease
    | Authorize
    | AskSchedules
    | AskPrices
    | AskGridCode
    | GridEventSeen
    | SetReactivePower
    | OfferSent
    | OfferChosen
    | ContractOutput
    | AskVehicleStatus
    | ServicesChosen
    | NeedsReported
    | SocReadingBegun
    | BatteryRead
)
"""What the outlet and the back end carry out, answer or take note of."""

Output = Send | OutletCommand | Notice | EndSession
