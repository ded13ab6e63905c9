"""Random walks through sessions of DIN SPEC 70121, watched by the oracle that watches ISO 15118-2."""

import dataclasses
import random
from collections.abc import Callable

import pytest

from secc import exi
from secc.messages import din
from secc.messages.din import BodyElement, DCEVErrorCode
from secc.session.din.states import DinState as S
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    Input,
    LinkLost,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
    StopRequested,
)
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import AskSchedules, Authorize, Send, StartCableCheck
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Stage
from secc.session.ticket import Ticket
from secc.settings import SeccConfig, TimingConfig
from tests.support import din as d
from tests.support.bench import Question
from tests.support.din import DIN, DinBench
from tests.support.din_safety import DinOracle

ASKING = dataclasses.replace(
    DIN,
    energy=dataclasses.replace(DIN.energy, ask_backend_for_schedules=True),
    timing=TimingConfig(stop_delay=1.0),
)
OFFER = ScheduleOffer(
    (
        PowerSchedule(3, (PowerStep(0, 20_000), PowerStep(10, 8_000)), 3600),
        PowerSchedule(7, (PowerStep(0, 0),), 60),
    )
)
NEXT: dict[Stage, list[BodyElement]] = {
    S.WAIT_SESSION_SETUP: [d.session_setup()],
    S.WAIT_SERVICE_DISCOVERY: [din.ServiceDiscoveryReq()],
    S.WAIT_SERVICE_SELECTION: [d.payment_selection()],
    S.WAIT_AUTHORIZATION: [din.ContractAuthenticationReq()],
    S.WAIT_CHARGE_PARAMETERS: [
        d.parameters(),
        d.parameters(max_power=d.watts(9000)),
        d.parameters(max_power=d.watts(0), max_voltage=d.volts(3900, -1, None)),
    ],
    S.WAIT_CABLE_CHECK: [d.cable_check()],
    S.WAIT_CABLE_CHECK_RESULT: [d.cable_check()],
    S.WAIT_PRE_CHARGE: [d.pre_charge()],
    S.WAIT_POWER_ON_DC: [d.pre_charge(), d.power(True), d.power(True, schedule_id=3), d.power(True)],
    S.WAIT_FIRST_DEMAND: [d.current_demand()],
    S.WAIT_DEMAND: [
        d.current_demand(),
        d.current_demand(d.volts(900), d.amperes(900)),
        d.current_demand(d.volts(400, 0, None), d.amperes(70, 0, None)),
        d.current_demand(complete=True),
        d.current_demand(status=d.ev_status(error=DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION)),
        d.current_demand(max_current=d.amperes(10), max_power=d.watts(500)),
        d.current_demand(status=d.ev_status(ready=False)),
        d.power(False),
    ],
    S.WAIT_STOP_DC: [d.welding_detection(), din.SessionStop()],
    S.WAIT_WELDING: [d.welding_detection(), din.SessionStop()],
}
ODD: list[BodyElement | None] = [
    *d.EACH.values(),
    d.power(True, schedule_id=99),
    d.power(True, schedule_id=1, profile=((0, 32767),)),
    d.parameters(max_current=d.amperes(-1)),
    d.ac_parameters(),
    d.pre_charge(d.volts(-5), d.amperes(1)),
    d.pre_charge(d.volts(32767, 3), d.amperes(32767, 3)),
    d.current_demand(d.volts(-1), d.amperes(1)),
    d.current_demand(d.volts(400, 0, din.UnitSymbol.W), d.amperes(1)),
    din.SessionStopRes(response_code=din.ResponseCode.OK),
    None,
]
_LIVE = (S.WAIT_POWER_ON_DC, S.AWAITING_VOLTAGE, S.WAIT_FIRST_DEMAND, S.WAIT_DEMAND)
LIMITS = (None, 0.0, 5.0, 150.0, 3000.0, float("nan"), float("inf"), -1.0)


class Walk:
    """Mostly plausible steps, so that the walk gets somewhere; some odd ones at each place."""

    def __init__(self, config: SeccConfig, dice: random.Random) -> None:
        self.bench = DinBench(config)
        self.oracle = DinOracle(config, self.bench.evse, self.bench.session.session_id)
        self.dice = dice
        self.seen = 0
        self.good_run(dice.randrange(24))

    def look(self) -> Stage:
        """Everything since the last look was safe, and every response can be sent [INV-34]."""
        for now, event, outputs in self.bench.trace[self.seen :]:
            self.oracle.step(now, event, outputs)
            for output in outputs:
                if isinstance(output, Send):
                    exi.codec("din").encode(output.message)
        self.seen = len(self.bench.trace)
        session = self.bench.session
        assert (session.deadline is None) == session.state.ended
        assert session.state.waits_for_ev or session.state.ended or session.owed is not None
        return session.state

    def plausible(self) -> None:
        known = NEXT.get(self.bench.session.state, [])
        if known:
            self.bench.ask(self.dice.choice(known))

    def good_run(self, steps: int) -> None:
        """A few steps with a world that cooperates, to get to the later states."""
        for _ in range(steps):
            state = self.bench.session.state
            if state in (S.AWAITING_PILOT_B, S.WAIT_STOP_DC):
                self.bench.outlet(control_pilot=ControlPilot.B)
            elif not self.bench.evse.control_pilot.wants_energy:
                self.bench.outlet(control_pilot=ControlPilot.C)
            self.plausible()
            self.answer(Authorize, lambda ticket: AuthorizationDecided(ticket, True))
            self.answer(StartCableCheck, lambda ticket: CableCheckReported(ticket, IsolationLevel.VALID))
            self.answer(AskSchedules, lambda ticket: SchedulesOffered(ticket, OFFER))
            live = self.bench.session.state in _LIVE and self.dice.randrange(6) != 0
            self.bench.outlet(present_voltage=380.0 if live else 0.0)
            self.bench.tick(0.1)

    def answer(self, question: Question, made: Callable[[Ticket], Input]) -> None:
        try:
            ticket = self.bench.ticket(question)
        except IndexError:  # not asked yet
            return
        self.bench.feed(made(ticket))

    def step(self) -> None:
        dice, bench = self.dice, self.bench
        rarely = dice.randrange(30) == 0
        match dice.randrange(14):
            case 0 | 1 | 2 | 3 | 4:
                self.plausible()
            case 5 | 6:
                self.good_run(dice.randrange(4))
            case 7:
                volts, amperes, watts = (dice.choice(LIMITS) for _ in range(3))
                bench.outlet(max_voltage=volts, max_current=amperes, max_power=watts)
                bench.feed(PowerLimited(dice.choice(LIMITS)))
            case 8:
                bench.tick(dice.choice([0.0, 0.05, 0.3, 1.0, 3.1]))
            case 9:
                bench.clock.advance(dice.choice([0.19, 0.45, 10.0 if rarely else 0.0]))
            case 10:
                pilot = dice.choice(list(ControlPilot))
                bench.outlet(control_pilot=pilot if pilot.wants_energy or rarely else ControlPilot.C)
            case 11:
                bench.outlet(present_voltage=dice.choice([0.0, 380.0, 400.0, 500.0]))
            case 12 if rarely:
                bench.ask(dice.choice(ODD))
            case 12:
                self._answers_nobody_waits_for()
            case _ if rarely:
                trouble: list[Input] = [
                    StopRequested(),
                    RenegotiationRequested(),
                    LinkLost(),
                    ControllerFault("x"),
                ]
                bench.feed(dice.choice(trouble))
            case _:
                self.answer(
                    StartCableCheck,
                    lambda ticket: CableCheckReported(ticket, dice.choice(list(IsolationLevel))),
                )
                if dice.randrange(8) == 0:
                    bench.outlet(fault=dice.choice([None, *EvseFault]))
                    self.answer(Authorize, lambda ticket: AuthorizationDecided(ticket, False))

    def _answers_nobody_waits_for(self) -> None:
        ticket = Ticket(self.dice.randrange(2) + 1, self.dice.randrange(6))
        self.bench.feed(AuthorizationDecided(ticket, True))
        self.bench.feed(ContactorReported(ticket, True))
        self.bench.feed(CableCheckReported(ticket, IsolationLevel.VALID))
        self.bench.feed(SchedulesOffered(ticket, OFFER))


@pytest.mark.inv("INV-03", "INV-04", "INV-05", "INV-06", "INV-07", "INV-10", "INV-15", "INV-31", "INV-34")
@pytest.mark.parametrize("seed", range(5))
def test_seeded_walks_stay_safe_and_reach_the_charge_loop(seed: int) -> None:
    dice = random.Random(seed)
    reached: set[Stage] = set()
    for _ in range(60):
        walk = Walk(dice.choice([DIN, ASKING]), dice)
        for _ in range(50):
            walk.step()
            reached.add(walk.look())
    assert reached >= {S.WAIT_DEMAND, S.WAIT_WELDING, S.AWAITING_VOLTAGE, S.ENDED}
