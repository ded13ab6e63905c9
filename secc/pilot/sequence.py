"""The signal of the control pilot from plugging in to unplugging: a pure machine around matching and session.

    A ──► PREPARING ──► OFFERING (5 %) ──► CONNECTED ──► FINISHED        EV terminates
           (X1, until     │  ▲               │   │ ▲
            the modem     │  │ E/F           │   ▼ │                     EV pauses: X1; either side wakes: 5 %
            has its key)  │  └─ X1 ◄── error ┘  PAUSED, WAKING
                          └──► BASIC (nominal duty cycle, AC only)       no communication, or the state of
                                                                         charge is read (`soc.read`)

In X1 the oscillator is off; 5 % requests digital communication; 10 % and more permits basic charging by IEC
61851. State A, E or F ends everything from any state. The machine never closes a contactor: in BASIC it
reports that the pilot permits charging without messages, and the logic of the outlet decides.

The duty cycle changes through X1 during or after matching, otherwise through E/F [V2G3-M06-05]
[V2G3-M06-06]. At a nominal duty cycle a communication error interrupts nothing [V2G3-M07-10] [V2G3-M07-12].
"""

import enum
from collections.abc import Callable

from secc.pilot.events import (
    Authorized,
    BasicCharging,
    BasicWanted,
    Expect,
    GiveUp,
    InitTimeout,
    Input,
    Leave,
    LimitChanged,
    LinkDown,
    LinkUp,
    MatchingChanged,
    Output,
    Pause,
    PilotSeen,
    ResponseFailed,
    Resume,
    SessionOver,
    SetupOver,
    Show,
    StationLink,
    WakeUp,
)
from secc.pilot.signals import DIGITAL, ERROR, LEAST_CURRENT, STEADY, Drive, PilotSignal, nominal_duty
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings.slac import AuthorizedDuty, Fallback, SlacConfig
from secc.settings.soc import SocConfig, SocStep, SocThen
from secc.slac import timing

__all__ = ["PilotSequence", "PilotState"]


class PilotState(enum.Enum):
    """State of the sequence."""

    UNPLUGGED = "nothing plugged in"
    PREPARING = "plugged in, the modem has no key yet"
    OFFERING = "5 %, waiting for a link"
    CONNECTED = "5 %, link up"
    STEP_X1 = "X1 before the next signal"
    STEP_EF = "E/F before the next signal"
    PAUSED = "session paused"
    WAKING = "5 %, waiting for the link of the paused session"
    BASIC = "nominal duty cycle"
    FINISHED = "finished, waiting until the plug is pulled"
    FAULT = "the pilot shows an error of the cable"


_LASTING = 60.0  # s of link after which errors are counted from zero
_SETTLING = 1.0  # s after E/F in which the measurement may still show it
_CALM = 5.0  # s for the EV to follow a duty cycle before a higher one


class PilotSequence:
    """The sequence of one connector: inputs and the time go in, orders come out."""

    def __init__(
        self, config: SlacConfig, *, dc: bool, max_current: float = 32.0, soc: SocConfig | None = None
    ) -> None:
        """`dc`: no basic charging. `max_current`: A per phase that the nominal duty cycle offers. `soc`: what
        follows a session that only reads the state of charge."""
        self._config = config
        self._soc = SocConfig() if soc is None else soc
        self._dc = dc
        self._current = max_current
        self._outputs: list[Output] = []
        self._now = 0.0
        self._after: Callable[[], None] = self._offer
        self._deadline: float | None = None
        self._signal: PilotSignal | None = None
        self._shown_at = -timing.T_STEP_X1
        self._hold_until = 0.0
        self._allowed = False
        self._pilot: ControlPilot | None = None
        self._ready = False
        self._running = False
        self._link_since: float | None = None
        self._blind_until = 0.0
        self._toggle_at = 0.0
        self._waking = False
        self._silences = 0
        self._errors = 0
        self._spoken = False
        self._first_offer: float | None = None
        self._nominal = False
        """The session continues at the nominal duty cycle."""
        self.state = PilotState.UNPLUGGED

    @property
    def deadline(self) -> float | None:
        """When to call `handle(Tick(), now)` at the latest."""
        return self._deadline

    @property
    def signal(self) -> PilotSignal:
        """The current signal."""
        return self._signal if self._signal is not None else STEADY

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """Process one input and return the outputs; `now` is monotonic seconds."""
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
            case MatchingChanged(ready, running):
                self._ready, self._running = ready, running
                self._prepared()
            case InitTimeout():
                self._no_ev_started()
            case LinkUp():
                self._link_up()
            case LinkDown(reason, failed):
                self._link_down(reason, failed=failed)
            case SessionOver(only_read=True):
                self._battery_read()
            case SessionOver(reason, spoken):
                self._session_over(reason, spoken=spoken)
            case SetupOver():
                self._error("communication setup time over")
            case WakeUp():
                self._wake()
            case Authorized():
                self._authorized()
            case ResponseFailed():
                self._response_failed()
            case BasicWanted():
                self._basic_wanted()
            case LimitChanged(current):
                self._current = current
                self._follow_limit()
        return tuple(self._outputs)

    # --- the pilot -----------------------------------------------------------------------------------------

    def _pilot_seen(self, pilot: ControlPilot) -> None:
        broken = pilot in (ControlPilot.E, ControlPilot.F)
        if broken and (self.state is PilotState.STEP_EF or self._now < self._blind_until):
            return  # the station drives it
        before, self._pilot = self._pilot, pilot
        if pilot is before:
            return
        if pilot.connected:
            if self.state in (PilotState.UNPLUGGED, PilotState.FAULT):
                self.state = PilotState.PREPARING
                self._prepared()
            elif self.state is PilotState.PAUSED and not self._waking:
                self._toggled(pilot.wants_energy)
        elif self.state is not (away := PilotState.FAULT if broken else PilotState.UNPLUGGED):
            self._stop_all("control pilot error" if broken else "unplugged")
            self.state = away

    def _toggled(self, wants_energy: bool) -> None:
        """Wake on a toggle B, C, B of the EV; ignore a bounce shorter than a phase."""
        if wants_energy:
            self._toggle_at = self._now
            self._later(self._now + timing.DEBOUNCE, self._wake)
        elif self._now < self._toggle_at + timing.DEBOUNCE:
            self._deadline = None

    def _stop_all(self, reason: str) -> None:
        self._deadline = None
        self._silences = self._errors = 0
        self._spoken = self._waking = self._nominal = False
        self._first_offer = None
        self._drop_link(reason)
        self._basic(allowed=False)
        self._outputs.append(GiveUp())
        self._show(STEADY)

    def _prepared(self) -> None:
        """Start the oscillator after the key is set: some cars send a request 100 ms after it starts."""
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
            self._first_offer = self._now if self._first_offer is None else self._first_offer
            self._outputs.append(Expect(digital=True, within=self.wait_for_ev))

    # --- basic charging ------------------------------------------------------------------------------------

    def _no_ev_started(self) -> None:
        """Wake the EV with E/F, C_sequ_retry times, then continue without [V2G3-M06-05] [V2G3-M06-07]."""
        if self.state is not PilotState.OFFERING:
            return
        self._silences += 1
        if self._silences <= timing.C_SEQU_RETRY and self.wait_for_ev is None:
            self._step_ef(self._offer)
        elif self._may_fall_back:
            self._step_ef(self._begin_basic)
        else:
            self._finish()

    def _basic_wanted(self) -> None:
        if (
            self._dc
            or self._nominal
            or self.state
            not in (
                PilotState.PREPARING,
                PilotState.OFFERING,
                PilotState.CONNECTED,
                PilotState.FINISHED,
            )
        ):
            return
        if self._running or self.state is PilotState.CONNECTED:
            self._step_x1(self._begin_basic)  # [V2G3-M06-06]
        else:
            self._step_ef(self._begin_basic)  # [V2G3-M06-08]

    @property
    def _may_fall_back(self) -> bool:
        return not self._dc and self._config.fallback is Fallback.BASIC and not self._spoken

    @property
    def wait_for_ev(self) -> float | None:
        """Seconds at 5 %, so that nominal duty follows within `fallback_within`; None: not configured."""
        within = self._config.fallback_within
        return within - self._config.step_ef if within and self._may_fall_back else None

    @property
    def _late(self) -> bool:
        """Whether basic charging is due, as matching has failed for long enough."""
        begun = self._first_offer
        return self.wait_for_ev is not None and begun is not None and self._now >= begun + self.wait_for_ev

    def _begin_basic(self) -> None:
        self.state = PilotState.BASIC
        self._hold_until = self._now  # the step to this state was long enough
        self._follow_limit()
        if self._ready and not self._running:
            self._outputs.append(Expect(digital=False))

    def _continue_basic(self) -> None:
        """Keep the nominal duty cycle: an error interrupts no authorized charging [V2G3-M07-10]."""
        self.state = PilotState.BASIC
        in_x1 = self.signal.drive is Drive.STEADY
        self._hold_until = self._shown_at + timing.T_STEP_X1 if in_x1 else self._now
        self._follow_limit()

    def _follow_limit(self) -> None:
        """Show a lower limit at once, a higher one at the earliest `_CALM` after the last change.

        No current at all is X1: the EV has T_step_X1 to stop before the outlet switches off, and X1 lasts at
        least as long before the oscillator runs again [V2G3-M07-33].
        """
        if self.state is not PilotState.BASIC and not self._nominal:
            return
        self._deadline = None
        enough = self._current >= LEAST_CURRENT
        wanted = PilotSignal(Drive.PWM, nominal_duty(self._current)) if enough else STEADY
        rises = enough and (self.signal.drive is Drive.STEADY or wanted.duty > self.signal.duty)
        if rises and self._now < self._hold_until:
            self._later(self._hold_until, self._follow_limit)
            return
        if wanted != self.signal:
            self._hold_until = self._now + (_CALM if enough else timing.T_STEP_X1)
            self._show(wanted)
        if not enough and self._allowed and self._now < self._hold_until:
            self._later(self._hold_until, self._follow_limit)
        else:
            self._basic(allowed=enough)

    def _basic(self, *, allowed: bool) -> None:
        allowed = allowed and not self._nominal  # the session operates the contactor
        if allowed is not self._allowed:
            self._allowed = allowed
            self._outputs.append(BasicCharging(allowed))

    # --- the link and the session --------------------------------------------------------------------------

    def _link_up(self) -> None:
        if self.state in (PilotState.OFFERING, PilotState.WAKING):
            self.state = PilotState.CONNECTED
        elif self.state not in (PilotState.BASIC, PilotState.STEP_X1):
            return
        self._silences = 0
        if self._link_since is None:  # it may be repeated
            self._link_since = self._now
            self._outputs.append(StationLink(up=True))

    def _authorized(self) -> None:
        """Show the nominal duty cycle for the rest of the session, if configured [V2G2-853] [V2G2-931].

        It changes through X1, as matching is done [V2G3-M06-06].
        """
        wanted = self._config.authorized_duty is AuthorizedDuty.NOMINAL and not self._dc
        if wanted and self.state is PilotState.CONNECTED and not self._nominal:
            self._nominal = True
            self._show(STEADY)
            self._later(self._now + timing.T_STEP_X1, self._begin_nominal)

    def _begin_nominal(self) -> None:
        self._hold_until = self._now
        self._follow_limit()

    def _end_nominal(self) -> None:
        """The session at the nominal duty cycle is over."""
        if self._nominal:
            self._nominal = False
            self._deadline = None

    def _link_down(self, reason: str, *, failed: bool) -> None:
        if failed:
            self._error(reason, leave=False)  # the matching has left already [V2G3-M09-18]
        else:
            self._drop_link(reason)
            if self.state in (PilotState.CONNECTED, PilotState.WAKING):
                self.state = PilotState.OFFERING  # the EV matches again, at 5 %

    def _drop_link(self, reason: str) -> None:
        if self._link_since is not None:
            self._link_since = None
            self._outputs.append(StationLink(up=False, reason=reason))

    def _session_over(self, reason: EndReason, *, spoken: bool) -> None:
        if reason in (EndReason.TERMINATED, EndReason.PAUSED):
            self._end_nominal()
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
            lost = reason in (EndReason.SEQUENCE_TIMEOUT, EndReason.LINK_LOST)
            self._error(reason.value, refused=not lost)  # [V2G2-727]

    def _response_failed(self) -> None:
        """Switch the oscillator off; the session is over when its connection closes [V2G-DC-942]."""
        if self.state is PilotState.CONNECTED:
            self._show(STEADY)

    def _battery_read(self) -> None:
        """The state of charge is read, or the EV has not reported one: charging follows, by `[soc]`."""
        self._end_nominal()
        self._silences = self._errors = 0
        had_link = self._link_since is not None
        self._drop_link("state of charge read")
        if had_link:
            self._outputs.append(Leave("D-LINK_TERMINATE"))
        if self.state is not PilotState.CONNECTED:
            return
        after = self._begin_basic if self._soc.then is SocThen.BASIC else self._offer
        step = self._step_x1 if self._soc.step is SocStep.X1 else self._step_ef
        step(after)

    def _wake(self) -> None:
        """Start the oscillator again [V2G3-M07-24] after its shortest pause [V2G3-M07-33]."""
        if self.state not in (PilotState.PAUSED, PilotState.FINISHED):
            return
        due = self._shown_at + timing.T_STEP_X1
        self._waking = self._now < due
        if self._waking:
            self._later(due, self._wake)
        elif self.state is PilotState.PAUSED:
            self.state = PilotState.WAKING
            self._show(PilotSignal(Drive.PWM, DIGITAL))
            self._outputs.append(Resume())
        else:
            self._silences = self._errors = 0
            self._offer()

    def _error(self, reason: str, *, leave: bool = True, refused: bool = False) -> None:
        """D-LINK_ERROR: show X1, E/F, X1 and start again, C_conn_max_match times [V2G3-M07-05].

        `refused`: more than the communication failed; the EV must not charge without messages.
        """
        if self._link_since is not None and self._now >= self._link_since + _LASTING:
            self._errors, self._first_offer = 0, None
        had_link = self._link_since is not None
        authorized = self._nominal and not refused
        self._end_nominal()
        self._drop_link(reason)
        if leave and had_link:
            self._outputs.append(Leave("D-LINK_ERROR", failed=True))
        if authorized and self._config.fallback is Fallback.BASIC:
            self._continue_basic()
        if self.state not in (PilotState.OFFERING, PilotState.CONNECTED, PilotState.WAKING):
            return  # with a nominal duty cycle nothing is interrupted [V2G3-M07-12]
        self._errors += 1
        if self._errors < timing.C_CONN_MAX_MATCH and not self._late:
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
        self._later(self._now + timing.T_STEP_X1, after)

    def _step_ef(self, after: Callable[[], None]) -> None:
        """Show E/F for at least T_step_EF [V2G3-M06-09] [V2G3-M07-08]."""

        def release() -> None:
            self._blind_until = self._now + _SETTLING
            self._show(STEADY)
            after()

        self.state = PilotState.STEP_EF
        self._show(ERROR)
        self._later(self._now + self._config.step_ef, release)

    def _finish(self) -> None:
        self.state = PilotState.FINISHED
        self._show(STEADY)

    def _later(self, due: float, after: Callable[[], None]) -> None:
        self._deadline, self._after = due, after

    def _show(self, signal: PilotSignal) -> None:
        if signal != self._signal:
            if self._signal is not None:
                self._shown_at = self._now
            self._signal = signal
            self._outputs.append(Show(signal))
