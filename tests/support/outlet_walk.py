"""Rules of a random walk that are the same for every protocol: time, outlet, its answers, operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    Input,
    LinkLost,
    PowerLimited,
)
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import Authorize, CloseContactor, StartCableCheck
from secc.session.ticket import Ticket
from tests.support.bench import Question

ODDLY = st.integers(0, 9)
"""An odd step is taken at 0."""
LIMITS = (None, 0.0, 5.0, 150.0, 3000.0, float("nan"), float("inf"), -1.0)


class OutletWalk(RuleBasedStateMachine):
    """What happens besides the messages of the EV."""

    bench: Any
    """`Bench` or `Bench20`."""

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3, 1.0, 3.1]))
    def time_with_ticks(self, seconds: float) -> None:
        self.bench.tick(seconds)

    @rule(seconds=st.sampled_from([0.19, 0.45, 0.6, 10.0]), odd=ODDLY)
    def time_without_ticks(self, seconds: float, odd: int) -> None:
        if seconds < 0.5 or odd == 0:
            self.bench.clock.advance(seconds)

    @rule(pilot=st.sampled_from(ControlPilot), odd=ODDLY)
    def pilot(self, pilot: ControlPilot, odd: int) -> None:
        if pilot.wants_energy or odd == 0:
            self.bench.outlet(control_pilot=pilot)

    @rule(closed=st.sampled_from([None, False, True]), odd=ODDLY)
    def feedback(self, closed: bool | None, odd: int) -> None:
        """The contactor shows something else than it was commanded."""
        if odd == 0:
            self.bench.outlet(contactor_closed=closed)

    @rule(volts=st.sampled_from(LIMITS), amperes=st.sampled_from(LIMITS), watts=st.sampled_from(LIMITS))
    def limits(self, volts: float | None, amperes: float | None, watts: float | None) -> None:
        self.bench.outlet(max_voltage=volts, max_current=amperes, max_power=watts)

    @rule(fault=st.sampled_from(EvseFault), odd=ODDLY)
    def fault(self, fault: EvseFault, odd: int) -> None:
        if odd == 0:
            self.bench.outlet(fault=fault)

    @rule(granted=st.booleans(), odd=ODDLY)
    def decision(self, granted: bool, odd: int = 0) -> None:
        if granted or odd == 0:
            self._answer(Authorize, lambda ticket: AuthorizationDecided(ticket, granted))

    @rule(closed=st.booleans(), odd=ODDLY)
    def contactor(self, closed: bool, odd: int = 0) -> None:
        if closed or odd == 0:
            self._answer(CloseContactor, lambda ticket: ContactorReported(ticket, closed))

    @rule(level=st.sampled_from([IsolationLevel.VALID, IsolationLevel.VALID, *IsolationLevel]), odd=ODDLY)
    def isolation(self, level: IsolationLevel, odd: int = 0) -> None:
        if level is IsolationLevel.FAULT and odd != 0:  # at any time it is the end
            return
        self._answer(StartCableCheck, lambda ticket: CableCheckReported(ticket, level))

    @rule(event=st.sampled_from([LinkLost(), ControllerFault("driver")]), odd=ODDLY)
    def breakdown(self, event: Input, odd: int) -> None:
        if odd == 0:
            self.bench.feed(event)

    @rule(watts=st.sampled_from(LIMITS))
    def load_management(self, watts: float | None) -> None:
        self.bench.feed(PowerLimited(watts))

    def _answer(self, question: Question, answer: Callable[[Ticket], Input]) -> None:
        try:
            ticket = self.bench.ticket(question)
        except IndexError:  # not asked yet
            return
        self.bench.feed(answer(ticket))
