"""What goes into a session and what comes out of it.

Everything the session decides depends on these inputs and on the time that is handed in with them; a list of
(now, input) replayed through `Session.handle` gives the same outputs again [INV-35]. Volts, amperes, watts,
seconds; never wire types, except in `Received` and `Send`.

A question to the outside (`Authorize`, `AskSchedules`, `StartCableCheck`, `CloseContactor`) carries a
`Ticket`; its answer brings the ticket back. An answer with another ticket is late, belongs to an earlier
session or to an earlier pass of this one, and changes nothing [INV-20].
"""

import dataclasses
import enum
import itertools

from secc.messages.iso2 import SalesTariff
from secc.messages.xmldsig import Signature
from secc.session.contract_events import ContractInput, ContractOutput
from secc.session.dialect import Code, Message
from secc.session.service_events import ChosenService, ServicesChosen
from secc.session.ticket import Ticket as Ticket
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment


class ControlPilot(enum.StrEnum):
    """Control pilot state of IEC 61851-1, duty cycle left aside."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"

    @property
    def wants_energy(self) -> bool:
        """The EV has closed its switch: states C and D."""
        return self in (ControlPilot.C, ControlPilot.D)

    @property
    def connected(self) -> bool:
        """A vehicle is plugged in and the pilot is sound: B, C, D."""
        return self in (ControlPilot.B, ControlPilot.C, ControlPilot.D)


class IsolationLevel(enum.StrEnum):
    """Result of an isolation test."""

    INVALID = "Invalid"
    """Not tested, or no result."""
    VALID = "Valid"
    WARNING = "Warning"
    """Low but acceptable: charging may go on."""
    FAULT = "Fault"
    NO_IMD = "No_IMD"
    """No isolation monitor: never accepted as a result [INV-06]."""


class EvseFault(enum.StrEnum):
    """Why the outlet must not deliver energy."""

    EMERGENCY_STOP = "emergency stop"
    """Latched: needs a reset by hand and an unplugged cable [INV-30]."""
    ISOLATION = "isolation fault"
    """Latched as well."""
    RESIDUAL_CURRENT = "residual current"
    """The RCD has tripped."""
    CONTACTOR = "contactor does not follow"
    """Latched: closed when it has to be open (welded), open when it has to be closed, or stuck."""
    SWITCH_OFF = "output did not switch off"
    """Latched: a command to switch off failed, or voltage or current stayed at the output after it."""
    MALFUNCTION = "malfunction"
    """Anything else: over-temperature, another driver error."""

    @property
    def latched(self) -> bool:
        """Outlives the session: no output until a reset by hand and an unplugged cable [INV-30]."""
        return self in _LATCHED


_LATCHED = frozenset(
    {EvseFault.EMERGENCY_STOP, EvseFault.ISOLATION, EvseFault.CONTACTOR, EvseFault.SWITCH_OFF}
)


@dataclasses.dataclass(frozen=True, slots=True)
class MeterReading:
    """What the meter itself says. Put None into the snapshot when the meter is stale or silent [INV-33]."""

    meter_id: str
    """At most 32 characters."""
    energy: int
    """Wh, never falling within a session."""
    utc: int | None = None
    """Unix seconds of the reading."""
    signature: bytes | None = None
    """At most 64 bytes."""
    status: int | None = None
    """The meter's own status word, 16 bits signed."""

    def __post_init__(self) -> None:
        if not 0 < len(self.meter_id) <= 32:
            raise ValueError(f"meter_id has {len(self.meter_id)} characters, expected 1 to 32")
        if not 0 <= self.energy < 2**64:
            raise ValueError(f"energy is {self.energy} Wh, expected 0 or more")
        if self.signature is not None and len(self.signature) > 64:
            raise ValueError(f"signature has {len(self.signature)} bytes, expected at most 64")
        if self.status is not None and not -(2**15) <= self.status < 2**15:
            raise ValueError(f"status is {self.status}, expected 16 bits signed")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvseSnapshot:
    """The outlet as its controller sees it at one moment; must cost nothing to take.

    A snapshot with a field of another type, out of range, NaN or infinite is refused as a whole: the session
    ends with the output off, and none begins until there is a good one (`secc.station.boundary`).
    """

    control_pilot: ControlPilot
    utc: float = 0.0
    """Wall clock, Unix seconds. Never used for a protocol timer."""
    present_voltage: float = 0.0
    """V at the output, DC; finite, at least -60: an offset of the sensor may show below 0."""
    present_current: float = 0.0
    """A at the output, DC; as above."""
    contactor_closed: bool | None = None
    """Feedback of the contactor, by level: of the contacts themselves, not of the coil. None: there is
    none; then what `close_contactor` and `open_contactor` return is all there is, and a welded contactor goes
    unnoticed."""
    ready: bool = True
    """False while the power electronics cannot deliver."""
    max_voltage: float | None = None
    """V, momentary limit below the configured one, 0 or more and finite; None: the configured one."""
    max_current: float | None = None
    """A (AC: per phase), as above."""
    max_power: float | None = None
    """W, as above."""
    fault: EvseFault | None = None
    isolation: IsolationLevel = IsolationLevel.INVALID
    """What the isolation monitor says now, for information; for the test see `CableCheckReported`."""
    meter: MeterReading | None = None


# --- schedules ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class PowerStep:
    """From `start` on, and until the next step, at most `max_power`."""

    start: int
    """Seconds from the moment the schedule is offered, 0..16777214 [V2G2-328]."""
    max_power: float
    """W, the total over all phases [V2G2-315]."""


@dataclasses.dataclass(frozen=True, slots=True)
class PowerSchedule:
    """One tuple to choose from; steps in rising order, the first at 0."""

    schedule_id: int
    """1..255, unique in the session [V2G2-300] [V2G2-773]."""
    steps: tuple[PowerStep, ...]
    duration: int
    """Seconds that the last step lasts, 1..86400; it marks the end of the schedule [V2G2-331]."""
    tariff: SalesTariff | None = None
    """What the energy costs, as the mobility operator has made it; sent as it is."""

    def __post_init__(self) -> None:
        if not 1 <= self.schedule_id <= 255:
            raise ValueError(f"schedule_id is {self.schedule_id}, expected 1..255 [V2G2-773]")
        if not 1 <= len(self.steps) <= 1024:
            raise ValueError(f"{len(self.steps)} steps, expected 1..1024")
        starts = [step.start for step in self.steps]
        if starts[0] != 0 or any(a >= b for a, b in itertools.pairwise(starts)):
            raise ValueError(f"steps start at {starts[:5]}…, expected 0 and then rising")
        if starts[-1] > 16_777_214:
            raise ValueError(f"a step starts at {starts[-1]} s, expected at most 16777214")
        if not 1 <= self.duration <= 86_400:
            raise ValueError(f"duration is {self.duration} s, expected 1..86400")
        if not all(0 <= step.max_power <= 10_000_000 for step in self.steps):
            raise ValueError("max_power outside 0..10 MW")

    @property
    def end(self) -> int:
        """Seconds from the offer to the end of the schedule."""
        return self.steps[-1].start + self.duration


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleOffer:
    """One to three schedules; the first is the default one [V2G2-297]."""

    schedules: tuple[PowerSchedule, ...]
    tariff_signature: Signature | None = None
    """Of the mobility operator, with a reference to every tariff; see `pnc.sales_tariffs`."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.schedules) <= 3:
            raise ValueError(f"{len(self.schedules)} schedules, expected 1..3")
        ids = [schedule.schedule_id for schedule in self.schedules]
        if len(set(ids)) != len(ids):
            raise ValueError(f"schedule ids {ids} repeat [V2G2-300]")

    def __contains__(self, schedule_id: object) -> bool:
        return any(schedule.schedule_id == schedule_id for schedule in self.schedules)

    def __getitem__(self, schedule_id: int) -> PowerSchedule:
        for schedule in self.schedules:
            if schedule.schedule_id == schedule_id:
                return schedule
        raise KeyError(schedule_id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EnergyNeed:
    """What the EV has said about the charge to come."""

    mode: EnergyMode
    departure: int | None
    """Seconds from now; None when the EV did not say."""
    energy: float | None
    """Wh wanted; None when the EV did not say (DC)."""
    max_power: float | None
    """W that the EV can take, as far as it can be told."""
    max_steps: int
    """Steps per schedule the EV can store, at least 1 [V2G2-310]."""
    continued: int | None = None
    """Id of the schedule that goes on after a pause [V2G2-741]: a tariff for what is left is asked for."""
    gone: int = 0
    """Seconds of it that are over."""


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """Schedules that were sent to the EV, and which of them is followed."""

    schedules: ScheduleOffer
    offered_at: float
    """Monotonic seconds; the schedules count from here [V2G2-328]."""
    schedule_id: int
    """The EV's choice, or the default one until it has chosen [V2G2-297]."""
    held: float | None = None
    """W to which the limits of that moment have cut the schedules; None: nothing was cut."""

    @property
    def followed(self) -> PowerSchedule:
        return self.schedules[self.schedule_id]


@dataclasses.dataclass(frozen=True, slots=True)
class PausedSession:
    """What is kept of a session that the EV has paused [V2G2-741]."""

    session_id: bytes
    offer: Offer | None
    """The schedule that was followed; None when the EV paused before there was one."""
    emaid: str = ""
    """Normal form of the contract that paid; the one who continues has to show the same [V2G2-754]."""
    payment: Payment | None = None
    """The payment option in use: the only one that is offered again. None when none was chosen."""
    mode: EnergyMode | None = None
    """The energy transfer mode in use, likewise."""
    services: tuple[ChosenService, ...] = ()
    """The services chosen besides charging, with their parameter sets, likewise once there was a choice."""
    departure_at: float | None = None
    """Monotonic seconds of the departure that the EV has told; None when it told none."""


# --- inputs ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """A complete, decoded message of the EV."""

    message: Message
    snapshot: EvseSnapshot
    payload: bytes = dataclasses.field(default=b"", repr=False)
    """The same as it came, EXI: a back end that provisions gets it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: hand it in at `Session.deadline` at the latest.

    Also the way to report a changed pilot, fault or limit at once: more ticks than needed do no harm.
    """

    snapshot: EvseSnapshot


@dataclasses.dataclass(frozen=True, slots=True)
class ContactorReported:
    """Answer to `CloseContactor`, by the level of the feedback. `closed=False`: it failed."""

    ticket: Ticket
    closed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class CableCheckReported:
    """Answer to `StartCableCheck`: result of the isolation test that this request began."""

    ticket: Ticket
    level: IsolationLevel


@dataclasses.dataclass(frozen=True, slots=True)
class AuthorizationDecided:
    """Answer to `Authorize`. `granted=False` may come later too: it withdraws, finally [INV-11]."""

    ticket: Ticket
    granted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SchedulesOffered:
    """Answer to `AskSchedules`. None: the back end has none or failed; the outlet's own limit is offered."""

    ticket: Ticket
    offer: ScheduleOffer | None


@dataclasses.dataclass(frozen=True, slots=True)
class StopRequested:
    """The station or the operator ends the charge; final for this session [INV-29]."""

    reason: str = "stop requested"


@dataclasses.dataclass(frozen=True, slots=True)
class RenegotiationRequested:
    """The station wants other schedules: the EV is asked, it may decline [V2G2-680] [V2G2-841]."""


@dataclasses.dataclass(frozen=True, slots=True)
class PowerLimited:
    """A limit from outside the outlet (load management); None lifts it."""

    max_power: float | None
    """W in total."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkLost:
    """TCP, TLS or the data link has ended."""

    reason: str = "link lost"


@dataclasses.dataclass(frozen=True, slots=True)
class PeerMisbehaved:
    """Bytes came that are no message of this protocol, or no common protocol exists."""

    detail: str
    no_protocol: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerFault:
    """A call of the controller raised or never came back."""

    reason: str
    fault: EvseFault = EvseFault.MALFUNCTION


Input = (
    Received
    | Tick
    | ContactorReported
    | CableCheckReported
    | AuthorizationDecided
    | SchedulesOffered
    | StopRequested
    | RenegotiationRequested
    | PowerLimited
    | LinkLost
    | PeerMisbehaved
    | ControllerFault
    | ContractInput
)


# --- outputs -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """The response to the request at hand; exactly one per request [INV-15]."""

    message: Message
    payload: bytes | None = dataclasses.field(default=None, repr=False)
    """Send these bytes as they are: somebody else has signed what is in them. They say `message`."""


@dataclasses.dataclass(frozen=True, slots=True)
class CloseContactor:
    """AC: energise. Answer with `ContactorReported` when the feedback says so, or after giving up."""

    ticket: Ticket


@dataclasses.dataclass(frozen=True, slots=True)
class OpenContactor:
    """Take all energy off, now. Comes at every end, whatever was closed before; needs no answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class StartCableCheck:
    """DC: test the isolation, now and anew. Answer with `CableCheckReported`."""

    ticket: Ticket
    max_voltage: float
    """V that the test may apply: the lower of the EV's and the outlet's maximum."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetOutput:
    """DC: the set-point, already below every limit [INV-07]. (0, 0) switches the output off."""

    voltage: float
    """V, rounded down to mV."""
    current: float
    """A, rounded down to mA."""


@dataclasses.dataclass(frozen=True, slots=True)
class RenewLease:
    """The output may stay energised this long from now; unrenewed it must switch itself off [INV-31]."""

    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Authorize:
    """May the person at this outlet charge (external identification)? Answer with `AuthorizationDecided`."""

    ticket: Ticket


@dataclasses.dataclass(frozen=True, slots=True)
class AskSchedules:
    """Which power, when? Answer with `SchedulesOffered`."""

    ticket: Ticket
    need: EnergyNeed


class NoticeKind(enum.StrEnum):
    """What a `Notice` is about; the text is for people."""

    STATE = "state"
    REFUSED = "refused"
    STALE = "stale"
    """An answer with a ticket that nobody waits for."""
    LENIENT = "lenient"
    """Accepted only because of a compatibility setting."""
    OUTPUT = "output"
    """The output was switched off for a reason outside the message sequence."""
    STOP = "stop"
    IGNORED = "ignored"


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """The session is over and the output is off; call `make_safe`, close the connection."""

    reason: EndReason
    code: Code | None = None
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
    """Wh between the first reading and the last."""
    paused: PausedSession | None = None
    """What a next session needs to continue this one, with PAUSED."""


Output = (
    Send
    | CloseContactor
    | OpenContactor
    | StartCableCheck
    | SetOutput
    | RenewLease
    | Authorize
    | AskSchedules
    | Notice
    | EndSession
    | ContractOutput
    | ServicesChosen
)
