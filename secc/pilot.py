"""What the control pilot shows, from plugging in to unplugging: a pure machine around matching and session.

    A ──► PREPARING ──► OFFERING (5 %) ──► CONNECTED ──► FINISHED        EV terminates
           (X1, until     │  ▲               │   │ ▲
            the modem     │  │ E/F           │   ▼ │                     EV pauses: X1; either side wakes: 5 %
            has its key)  │  └─ X1 ◄── error ┘  PAUSED, WAKING
                          └──► BASIC (nominal duty cycle, AC only)       nobody speaks

X1 is the oscillator off, 5 % means "digital communication wanted", 10 % and more allows basic charging by IEC
61851. State A, E or F ends everything from anywhere. The machine never closes a contactor: in BASIC it tells
that charging without a message is allowed by the pilot, and the outlet's own logic does it, or does not.

Which way to another duty cycle: with matching running or done through X1, otherwise through E/F [V2G3-M06-05]
[V2G3-M06-06]. With a nominal duty cycle an error of the communication interrupts nothing [V2G3-M07-10]
[V2G3-M07-12].
"""

import dataclasses
import enum
from collections.abc import Callable

from secc.session.events import ControlPilot, EndReason
from secc.slac import timing
from secc.slac.settings import Fallback, SlacConfig

DIGITAL = 0.05
"""Duty cycle that asks for digital communication."""


class Drive(enum.Enum):
    """What the oscillator does."""

    STEADY = "X1"
    """Off: +12, +9 or +6 V."""
    PWM = "X2"
    ERROR = "E/F"
    """State F, -12 V; an outlet that cannot drive it may drive state E."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSignal:
    """What the outlet has to show."""

    drive: Drive
    duty: float = 1.0
    """With PWM: 0.05 or nominal."""


STEADY = PilotSignal(Drive.STEADY)
ERROR = PilotSignal(Drive.ERROR)


def nominal_duty(current: float) -> float:
    """The duty cycle of IEC 61851-1 that offers this many A per phase; 6 A is the least it can say."""
    amperes = min(max(current, 6.0), 80.0)
    return (amperes / 0.6 if amperes <= 51.0 else amperes / 2.5 + 64.0) / 100.0


# --- inputs -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSeen:
    """The state as it is measured; may be told again and again."""

    pilot: ControlPilot


@dataclasses.dataclass(frozen=True, slots=True)
class MatchingTold:
    """The matching has changed its state."""

    ready: bool
    """The modem has its key."""
    running: bool = False
    """An EV is being measured, or matched."""


@dataclasses.dataclass(frozen=True, slots=True)
class NobodyBegan:
    """TT_EVSE_SLAC_init is over."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkUp:
    """D-LINK_READY(link established)."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkDown:
    """D-LINK_READY(no link)."""

    reason: str
    failed: bool = True
    """False: it was wanted."""


@dataclasses.dataclass(frozen=True, slots=True)
class SessionOver:
    """The session has ended and its connection is closed."""

    reason: EndReason
    spoken: bool = True
    """The EV had got as far as a session; its refusal is no reason for charging without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetupOver:
    """The communication setup time is over without a session [V2G2-723]."""


@dataclasses.dataclass(frozen=True, slots=True)
class WakeUp:
    """The station wants the paused, or finished, EV to come back."""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicWanted:
    """AC: authorized without a message (EIM), offer the nominal duty cycle now [V2G3-M06-08]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come."""


Input = (
    PilotSeen
    | MatchingTold
    | NobodyBegan
    | LinkUp
    | LinkDown
    | SessionOver
    | SetupOver
    | WakeUp
    | BasicWanted
    | Tick
)

# --- outputs ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Show:
    """Drive the pilot."""

    signal: PilotSignal


@dataclasses.dataclass(frozen=True, slots=True)
class Expect:
    """To the matching: EVs may begin."""

    digital: bool


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """To the matching: the EV is unplugged or the pilot is broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """To the matching: leave the logical network."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """To the matching: the EV sleeps."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resume:
    """To the matching: the EV wakes."""


@dataclasses.dataclass(frozen=True, slots=True)
class StationLink:
    """To the station: `link_up` or `link_down`."""

    up: bool
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BasicCharging:
    """To the outlet: charging by IEC 61851 alone is allowed by the pilot, or not any more."""

    allowed: bool


Output = Show | Expect | GiveUp | Leave | Pause | Resume | StationLink | BasicCharging


class PilotState(enum.Enum):
    """Where the sequence stands."""

    UNPLUGGED = "nothing plugged in"
    PREPARING = "plugged in, the modem has no key yet"
    OFFERING = "5 %, waiting for a link"
    CONNECTED = "5 %, link up"
    STEP_X1 = "X1 on the way to something else"
    STEP_EF = "E/F on the way to something else"
    PAUSED = "session paused"
    WAKING = "5 %, waiting for the link of the paused session"
    BASIC = "nominal duty cycle"
    FINISHED = "done, waiting for the plug to be pulled"
    FAULT = "the pilot shows an error of the cable"


_LASTING = 60.0  # s of link after which an error is a new story
_SETTLING = 1.0  # s in which a pilot just released from E/F may still be measured as such


class PilotSequence:
    """One connector's sequence; inputs and the time go in, orders come out."""

    def __init__(self, config: SlacConfig, *, dc: bool, max_current: float = 32.0) -> None:
        """`dc`: no basic charging. `max_current`: A per phase that the nominal duty cycle offers."""
        self._config = config
        self._dc = dc
        self._nominal = PilotSignal(Drive.PWM, nominal_duty(max_current))
        self._outputs: list[Output] = []
        self._now = 0.0
        self._after: Callable[[], None] = self._offer
        self._deadline: float | None = None
        self._signal: PilotSignal | None = None
        self._pilot: ControlPilot | None = None
        self._ready = False
        self._running = False
        self._link_since: float | None = None
        self._blind_until = 0.0
        self._silences = 0
        self._errors = 0
        self._spoken = False
        self.state = PilotState.UNPLUGGED

    @property
    def deadline(self) -> float | None:
        """When to call `handle(Tick(), now)` at the latest."""
        return self._deadline

    @property
    def signal(self) -> PilotSignal:
        """What the pilot shows."""
        return self._signal if self._signal is not None else STEADY

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """One input; `now` is monotonic seconds."""
        self._now = now
        self._outputs = []
        if self._signal is None:
            self._show(STEADY)
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._after()
        match event:
            case PilotSeen(pilot):
                self._pilot_seen(pilot)
            case MatchingTold(ready, running):
                self._ready, self._running = ready, running
                self._prepared()
            case NobodyBegan():
                self._nobody_began()
            case LinkUp():
                self._link_up()
            case LinkDown(reason, failed):
                self._link_down(reason, failed=failed)
            case SessionOver(reason, spoken):
                self._session_over(reason, spoken=spoken)
            case SetupOver():
                self._error("communication setup time over")
            case WakeUp():
                self._wake()
            case BasicWanted():
                self._basic_wanted()
            case Tick():
                pass
        return tuple(self._outputs)

    # --- the pilot -----------------------------------------------------------------------------------------

    def _pilot_seen(self, pilot: ControlPilot) -> None:
        broken = pilot in (ControlPilot.E, ControlPilot.F)
        if broken and (self.state is PilotState.STEP_EF or self._now < self._blind_until):
            return  # it is us
        before, self._pilot = self._pilot, pilot
        if pilot is before:
            return
        if pilot.connected:
            if self.state in (PilotState.UNPLUGGED, PilotState.FAULT):
                self.state = PilotState.PREPARING
                self._prepared()
            elif self.state is PilotState.PAUSED and pilot.wants_energy:
                self._wake()  # the EV wakes us by a toggle
        elif self.state is not (away := PilotState.FAULT if broken else PilotState.UNPLUGGED):
            self._stop_all("control pilot error" if broken else "unplugged")
            self.state = away

    def _stop_all(self, reason: str) -> None:
        self._deadline = None
        self._silences = self._errors = 0
        self._spoken = False
        self._drop_link(reason)
        self._basic(allowed=False)
        self._outputs.append(GiveUp())
        self._show(STEADY)

    def _prepared(self) -> None:
        """The key first, then the oscillator: some cars ask 100 ms after it appears."""
        if self._ready and self.state is PilotState.PREPARING:
            self._offer()
        elif self._ready and self.state is PilotState.BASIC and not self._running:
            self._outputs.append(Expect(digital=False))

    def _offer(self) -> None:
        if not self._ready:
            self.state = PilotState.PREPARING
        elif self._config.nominal_first and not self._dc:
            self._begin_basic()
        else:
            self.state = PilotState.OFFERING
            self._show(PilotSignal(Drive.PWM, DIGITAL))
            self._outputs.append(Expect(digital=True))

    # --- basic charging ------------------------------------------------------------------------------------

    def _nobody_began(self) -> None:
        """Wake the EV by E/F, C_sequ_retry times, then do without [V2G3-M06-05] [V2G3-M06-07]."""
        if self.state is not PilotState.OFFERING:
            return
        self._silences += 1
        if self._silences <= timing.C_SEQU_RETRY:
            self._step_ef(self._offer)
        elif self._may_fall_back:
            self._step_ef(self._begin_basic)
        else:
            self._finish()

    def _basic_wanted(self) -> None:
        if self._dc or self.state not in (
            PilotState.PREPARING,
            PilotState.OFFERING,
            PilotState.CONNECTED,
            PilotState.FINISHED,
        ):
            return
        if self._running or self.state is PilotState.CONNECTED:
            self._step_x1(self._begin_basic)  # [V2G3-M06-06]
        else:
            self._step_ef(self._begin_basic)  # [V2G3-M06-08]

    @property
    def _may_fall_back(self) -> bool:
        return not self._dc and self._config.fallback is Fallback.BASIC and not self._spoken

    def _begin_basic(self) -> None:
        self.state = PilotState.BASIC
        self._show(self._nominal)
        self._basic(allowed=True)
        if self._ready and not self._running:
            self._outputs.append(Expect(digital=False))

    def _basic(self, *, allowed: bool) -> None:
        if allowed or self.state is PilotState.BASIC:
            self._outputs.append(BasicCharging(allowed))

    # --- the link and the session --------------------------------------------------------------------------

    def _link_up(self) -> None:
        if self.state in (PilotState.OFFERING, PilotState.WAKING):
            self.state = PilotState.CONNECTED
        elif self.state not in (PilotState.BASIC, PilotState.STEP_X1):
            return
        self._silences = 0
        self._link_since = self._now
        self._outputs.append(StationLink(up=True))

    def _link_down(self, reason: str, *, failed: bool) -> None:
        if failed:
            self._error(reason, leave=False)  # the matching has left already [V2G3-M09-18]
        else:
            self._drop_link(reason)

    def _drop_link(self, reason: str) -> None:
        if self._link_since is not None:
            self._link_since = None
            self._outputs.append(StationLink(up=False, reason=reason))

    def _session_over(self, reason: EndReason, *, spoken: bool) -> None:
        self._spoken = self._spoken or spoken
        if self.state is not PilotState.CONNECTED:
            if self._link_since is not None:
                self._drop_link("session over")
                self._outputs.append(Leave("session over"))
        elif reason is EndReason.PAUSED:
            self._drop_link("paused")
            self._outputs.append(Pause())  # [V2G2-725]
            self._show(STEADY)  # [V2G3-M07-20]
            self.state = PilotState.PAUSED
        elif reason is EndReason.TERMINATED:
            self._drop_link("terminated")
            self._outputs.append(Leave("D-LINK_TERMINATE"))  # [V2G3-M09-17]
            self._finish()
        else:
            self._error(reason.value)  # [V2G2-727]

    def _wake(self) -> None:
        if self.state is PilotState.PAUSED:
            self.state = PilotState.WAKING
            self._show(PilotSignal(Drive.PWM, DIGITAL))  # [V2G3-M07-24]
            self._outputs.append(Resume())
        elif self.state is PilotState.FINISHED:
            self._silences = self._errors = 0
            self._offer()

    def _error(self, reason: str, *, leave: bool = True) -> None:
        """D-LINK_ERROR: X1, E/F, X1, and all over again, C_conn_max_match times [V2G3-M07-05]."""
        if self._link_since is not None and self._now >= self._link_since + _LASTING:
            self._errors = 0
        had_link = self._link_since is not None
        self._drop_link(reason)
        if leave and had_link:
            self._outputs.append(Leave("D-LINK_ERROR"))
        if self.state not in (PilotState.OFFERING, PilotState.CONNECTED, PilotState.WAKING):
            return  # with a nominal duty cycle nothing is interrupted [V2G3-M07-12]
        self._errors += 1
        if self._errors < timing.C_CONN_MAX_MATCH:
            if self._config.rearm_instead_of_error:
                self.state = PilotState.PREPARING  # the pilot stays at 5 %
                self._ready = False
            else:
                self._step_x1(lambda: self._step_ef(self._offer))
        elif self._may_fall_back:
            self._step_x1(self._begin_basic)
        else:
            self._finish()

    # --- steps ---------------------------------------------------------------------------------------------

    def _step_x1(self, after: Callable[[], None]) -> None:
        self.state = PilotState.STEP_X1
        self._show(STEADY)
        self._deadline = self._now + timing.T_STEP_X1
        self._after = after

    def _step_ef(self, after: Callable[[], None]) -> None:
        """At least T_step_EF [V2G3-M06-09] [V2G3-M07-08]."""

        def release() -> None:
            self._blind_until = self._now + _SETTLING
            self._show(STEADY)
            after()

        self.state = PilotState.STEP_EF
        self._show(ERROR)
        self._deadline = self._now + self._config.step_ef
        self._after = release

    def _finish(self) -> None:
        self.state = PilotState.FINISHED
        self._show(STEADY)

    def _show(self, signal: PilotSignal) -> None:
        if signal != self._signal:
            self._signal = signal
            self._outputs.append(Show(signal))
