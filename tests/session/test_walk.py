"""Random walks: for any messages in any order, the safety oracle finds no violation."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import BodyElement, ChargeProgress, ChargingSession, DCEVErrorCode, PaymentOption
from secc.pki.contract import Evidence
from secc.pki.provisioning import Action, ProvisioningAnswer, Refusal
from secc.session.contract_events import (
    ContractDecided,
    ContractProvisioned,
    RevocationReported,
    Verdict,
)
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    Input,
    LinkLost,
    Received,
    RenegotiationRequested,
    SchedulesOffered,
    StopRequested,
    Tick,
)
from secc.session.iso2.states import State
from secc.session.latch import FaultLatch
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel
from secc.session.outputs import AskSchedules, EndSession, Send
from secc.session.pause import PauseMemory
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Stage
from secc.session.ticket import Ticket
from secc.settings import EnergyConfig, EnergyMode, OfflinePolicy, Payment, SeccConfig, TimingConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, Bench
from tests.support.lasting import Lasting
from tests.support.outlet_walk import LIMITS, ODDLY, OutletWalk
from tests.support.pnc import PNC_AC, PNC_DC, PncBench, bundle, terms, with_pnc
from tests.support.safety import SafetyOracle

ASKING_DC = SeccConfig(
    evse_id="DE*AAA*E3",
    energy=EnergyConfig(modes=DC_MODES, ask_backend_for_schedules=True),
    timing=TimingConfig(stop_delay=1.0, sequence=5.0),
)
OFFER = ScheduleOffer(
    (
        PowerSchedule(3, (PowerStep(0, 20_000), PowerStep(10, 8_000)), 3600),
        PowerSchedule(7, (PowerStep(0, 0),), 60),
    )
)
NEXT: dict[Stage, list[BodyElement]] = {
    State.WAIT_SESSION_SETUP: [r.session_setup()],
    State.WAIT_SERVICE_DISCOVERY: [r.service_discovery()],
    State.WAIT_SERVICE_SELECTION: [r.payment_selection(), r.service_detail()],
    State.WAIT_AUTHORIZATION: [r.authorization()],
    State.WAIT_CHARGE_PARAMETERS: [
        r.ac_parameters(),
        r.dc_parameters(),
        r.dc_parameters(max_power=r.watts(9000)),
    ],
    State.WAIT_POWER_ON_AC: [r.start()],
    State.WAIT_FIRST_STATUS: [r.charging_status()],
    State.WAIT_STATUS: [r.charging_status(), r.charging_status(), r.renegotiate(), r.stop()],
    State.WAIT_STOP_AC: [r.session_stop(), r.session_stop(ChargingSession.PAUSE)],
    State.WAIT_CABLE_CHECK: [r.cable_check()],
    State.WAIT_CABLE_CHECK_RESULT: [r.cable_check()],
    State.WAIT_PRE_CHARGE: [r.pre_charge()],
    State.WAIT_POWER_ON_DC: [r.pre_charge(), r.start(), r.power_delivery(schedule_id=3)],
    State.WAIT_FIRST_DEMAND: [r.current_demand()],
    State.WAIT_DEMAND: [
        r.current_demand(),
        r.current_demand(r.volts(900), r.amperes(900)),
        r.current_demand(complete=True),
        r.current_demand(status=r.dc_ev_status(error=DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION)),
        r.current_demand(max_current=r.amperes(10), max_power=r.watts(500)),
        r.renegotiate(),
        r.stop(),
    ],
    State.WAIT_STOP_DC: [r.welding_detection(), r.session_stop(), r.dc_parameters()],
    State.WAIT_WELDING: [
        r.welding_detection(),
        r.session_stop(),
        r.session_stop(ChargingSession.PAUSE),
    ],
}
ODD: list[BodyElement | None] = [
    *r.EACH.values(),
    r.power_delivery(ChargeProgress.RENEGOTIATE),
    r.power_delivery(schedule_id=99),
    r.power_delivery(profile=((0, r.watts(30_000, 2)),)),
    r.dc_parameters(max_current=r.amperes(-1)),
    r.pre_charge(r.volts(-5), r.amperes(1)),
    r.pre_charge(r.volts(32767, 3), r.amperes(32767, 3)),
    r.current_demand(r.volts(-1), r.amperes(1)),
    r.pre_charge(r.volts(0)),
    r.pre_charge(r.volts(100)),
    r.pre_charge(r.volts(200)),
    r.ac_parameters(),
    r.dc_parameters(),
    iso2.SessionStopRes(response_code=iso2.ResponseCode.OK),
    None,
]
RECEIPTS = {"receipt_interval": 0.3}
BOTH = SeccConfig(
    evse_id="DE*AAA*E6",
    energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED)),
    timing=TimingConfig(stop_delay=1.0),
)
CONFIGS = [
    AC,
    DC,
    BOTH,
    ASKING_DC,
    with_pnc(PNC_AC, **RECEIPTS),
    with_pnc(PNC_DC, offline=OfflinePolicy.CHAIN, offline_energy=100.0, **RECEIPTS),
]
BUNDLE = {action: bundle(action) for action in Action}
BUNDLES = [
    ProvisioningAnswer(refusal=Refusal.UNKNOWN),
    ProvisioningAnswer(b"garbage"),
    ProvisioningAnswer(BUNDLE[Action.INSTALL]),
]


def _bench(config: SeccConfig, **extra: Any) -> Bench:
    if Payment.CONTRACT not in config.service.payment_options:
        return Bench(config, **extra)
    return PncBench(config, contracts=terms(finds_revocation=config.energy.offers_dc), **extra)


def _contract_step(bench: PncBench, choice: int) -> bool:
    """What a car with a contract does here, mostly right; False where it is no affair of the contract."""
    car, pnc = bench.car, bench.session.pnc
    match bench.session.state:
        case State.WAIT_SERVICE_SELECTION if choice % 4:
            bench.request(r.payment_selection(PaymentOption.CONTRACT))
        case State.WAIT_CONTRACT if choice % 3 == 0:
            bench.signed(car.installation() if choice % 2 else car.update())
        case State.WAIT_CONTRACT | State.WAIT_PAYMENT_DETAILS:
            bench.show()
        case State.WAIT_CONTRACT_AUTHORIZATION if pnc.claim is not None and choice % 10:
            bench.prove()
        case State.WAIT_CONTRACT_AUTHORIZATION:
            bench.request(r.authorization())
        case State.WAIT_RECEIPT_AC | State.WAIT_RECEIPT_DC:
            bench.signed(bench.receipt(**({} if choice % 10 else {"session_id": bytes(8)})))
        case State.WAIT_AFTER_RECEIPT:
            following: list[BodyElement] = [r.current_demand(), r.stop(), r.dc_parameters()]
            bench.request(following[choice % 3])
        case _:
            return False
    return True


class Walk(OutletWalk):
    """Mostly plausible steps, so that the walk gets somewhere; some odd ones at each place."""

    bench: Bench
    oracle: SafetyOracle
    config: SeccConfig
    seen: int
    paused_id: bytes | None
    steps = 0
    """Of all walks in this process."""

    @initialize(config=st.sampled_from(CONFIGS), steps=st.integers(0, 16), choice=st.integers(0, 99))
    def begin(self, config: SeccConfig, steps: int, choice: int) -> None:
        self.config = config
        self.latch, self.pauses, self.lasting = FaultLatch(), PauseMemory(config.timing.pause), Lasting()
        self.cars = 0
        self._plug_in(1000.0, closed=(None, False)[choice % 2])
        self.good_run(steps, choice)

    def _plug_in(self, now: float, *, closed: bool | None) -> None:
        """A car; the outlet and what lasts of it stay."""
        paused = self.pauses.paused(now)
        self.bench = _bench(self.config, now=now, paused=paused, blocked=self.latch.blocked)
        self.oracle = SafetyOracle(self.config, self.bench.evse, self.bench.session.session_id, self.lasting)
        self.seen = 0
        self.paused_id = None if paused is None else paused.session_id
        self.cars += 1
        self.bench.outlet(contactor_closed=closed)

    @rule(unplugged=st.booleans(), reset=st.booleans(), pause=st.sampled_from([1.0, 400.0]))
    def next_car(self, unplugged: bool, reset: bool, pause: float) -> None:
        """After an end: the cable out or not, the fault reset or not, and the next session."""
        if not self.bench.session.state.ended:
            return
        self.safe()
        snapshot = msgspec.structs.replace(self.bench.evse, control_pilot=ControlPilot.A, fault=None)
        if reset:
            self.latch.reset()
            self.lasting.reset_by_hand()
        if unplugged:
            self._observe(snapshot)
            self.lasting.observe(snapshot)
        self._plug_in(self.bench.clock.now + pause, closed=self.bench.evse.contactor_closed)

    def _observe(self, snapshot: EvseSnapshot) -> None:
        self.latch.observe(snapshot)
        self.pauses.observe(snapshot)

    @invariant()
    def safe(self) -> None:
        for now, event, outputs in self.bench.trace[self.seen :]:
            self.oracle.step(now, event, outputs)
            if isinstance(event, (Received, Tick)):
                self._observe(event.snapshot)
            for output in outputs:
                if isinstance(output, EndSession):
                    self.latch.session_ended(output)
                    self.pauses.session_ended(output, now)
                if isinstance(output, Send):
                    exi.ISO2.encode(output.message)  # schema-valid [INV-34]
        self.seen = len(self.bench.trace)
        type(self).steps += 1
        session = self.bench.session
        assert (session.deadline is None) == (session.state is State.ENDED)
        assert session.state.waits_for_ev or session.state is State.ENDED or session.owed is not None

    @rule(choice=st.integers(0, 99))
    def plausible(self, choice: int) -> None:
        if isinstance(self.bench, PncBench) and _contract_step(self.bench, choice):
            return
        known = NEXT.get(self.bench.session.state, [])
        kind = iso2.DCEVChargeParameter if self.bench.session.is_dc else iso2.ACEVChargeParameter
        known = [
            body for body in known if isinstance(getattr(body, "ev_charge_parameter", kind), (kind, type))
        ]
        if known:
            body = known[choice % len(known)]
            if isinstance(body, iso2.PowerDeliveryReq) and body.sa_schedule_tuple_id == 1:
                body = r.power_delivery(body.charge_progress, schedule_id=self.bench.session.schedule_id)
            if isinstance(body, iso2.SessionSetupReq) and self.paused_id is not None and choice % 4:
                self.bench.request(body, self.paused_id)
            else:
                self.bench.request(body)
            self.bench.follow()

    @rule(steps=st.integers(1, 14), choice=st.integers(0, 99))
    def good_run(self, steps: int, choice: int) -> None:
        """A few steps with a world that cooperates, to get to the later states."""
        for step in range(steps):
            state = self.bench.session.state
            if state is State.AWAITING_PILOT_B or state is State.WAIT_STOP_DC:
                self.bench.outlet(control_pilot=ControlPilot.B)
            elif not self.bench.evse.control_pilot.wants_energy:
                self.bench.outlet(control_pilot=ControlPilot.C)
            self.plausible(choice + step)
            self.decision(True)
            self.contactor(True)
            self.isolation(IsolationLevel.VALID)
            self.schedules(OFFER)
            self.contract(Verdict.ACCEPTED)
            self.bench.tick(0.1)
            self.bench.follow()

    @rule(body=st.sampled_from(ODD), odd=ODDLY)
    def odd(self, body: BodyElement | None, odd: int) -> None:
        if odd == 0:
            self.bench.request(body)

    @rule(session_id=st.binary(max_size=8), odd=ODDLY)
    def foreign_id(self, session_id: bytes, odd: int) -> None:
        if odd == 0:
            self.bench.request(r.service_discovery(), session_id)

    @rule(voltage=st.sampled_from([0.0, 380.0, 400.0]))
    def voltage(self, voltage: float) -> None:
        self.bench.outlet(present_voltage=voltage)

    @rule(offer=st.sampled_from([OFFER, None]))
    def schedules(self, offer: ScheduleOffer | None) -> None:
        self._answer(AskSchedules, lambda ticket: SchedulesOffered(ticket, offer))

    @rule(verdict=st.sampled_from(Verdict), odd=ODDLY)
    def contract(self, verdict: Verdict, odd: int = 0) -> None:
        """The back end speaks about a contract, or has a bundle, or revocation data."""
        if not isinstance(self.bench, PncBench):
            return
        if self.bench.session.state is State.PROVISIONING:
            answer = BUNDLES[odd % len(BUNDLES)] if odd else ProvisioningAnswer(BUNDLE[self._action()])
            self.bench.provision(answer)
        elif self.bench.session.state is State.CHECKING_CONTRACT:
            self.bench.report_revocation(Evidence() if odd else None)
        elif self.bench.session.pnc.payer is not None and (verdict is Verdict.ACCEPTED or odd == 0):
            self.bench.decide(verdict)

    def _action(self) -> Action:
        question = self.bench.session.pnc.provisioning_question
        return Action.INSTALL if question is None else question.request.action

    @rule(number=st.integers(0, 5), generation=st.integers(0, 2))
    def stale_answers(self, number: int, generation: int) -> None:
        ticket = Ticket(generation + 1, number)
        self.bench.feed(ContractDecided(ticket, Verdict.ACCEPTED))
        self.bench.feed(RevocationReported(ticket, Evidence()))
        self.bench.feed(ContractProvisioned(ticket, ProvisioningAnswer(BUNDLE[Action.INSTALL])))
        self.bench.feed(AuthorizationDecided(ticket, True))
        self.bench.feed(ContactorReported(ticket, True))
        self.bench.feed(CableCheckReported(ticket, IsolationLevel.VALID))
        self.bench.feed(SchedulesOffered(ticket, OFFER))

    @rule(event=st.sampled_from([StopRequested(), RenegotiationRequested()]), odd=ODDLY)
    def station(self, event: Input, odd: int) -> None:
        if odd == 0:
            self.bench.feed(event)


Walk.TestCase.settings = settings(
    max_examples=max(200, settings().max_examples),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWalk = Walk.TestCase


def test_the_walk_was_long_enough() -> None:
    if Walk.steps == 0:
        pytest.skip("the walk itself was not asked for")
    print(f"{Walk.steps} steps")
    assert Walk.steps >= 50 * max(200, min(settings().max_examples, 20_000))


@pytest.mark.parametrize("seed", range(8))
def test_long_seeded_walks_stay_safe_and_reach_the_charge_loops(seed: int) -> None:
    dice = random.Random(seed)
    reached: set[Stage] = set()
    proved = 0
    for _ in range(40):
        walk = Walk()
        walk.begin(dice.choice(CONFIGS), dice.randrange(24), dice.randrange(100))
        for _ in range(60):
            _step(walk, dice)
            walk.safe()
            reached.add(walk.bench.session.state)
        proved += walk.bench.session.pnc.payer is not None
    assert reached >= {State.WAIT_STATUS, State.WAIT_DEMAND, State.ENDED}
    assert proved > 0


def _step(walk: Walk, dice: random.Random) -> None:
    odd = dice.randrange(30)
    if walk.bench.session.state.ended:
        walk.next_car(dice.random() < 0.7, dice.random() < 0.7, dice.choice([1.0, 400.0]))
    match dice.randrange(16):
        case 0 | 1 | 2 | 3 | 4:
            walk.plausible(dice.randrange(100))
        case 5 | 6:
            walk.good_run(dice.randrange(4), dice.randrange(100))
        case 7:
            walk.limits(dice.choice(LIMITS), dice.choice(LIMITS), dice.choice(LIMITS))
            walk.load_management(dice.choice(LIMITS))
        case 8:
            walk.time_with_ticks(dice.choice([0.0, 0.05, 0.3, 1.0, 3.1]))
        case 9:
            walk.time_without_ticks(dice.choice([0.19, 0.45, 0.6, 10.0]), odd)
        case 10:
            walk.pilot(dice.choice(list(ControlPilot)), odd)
        case 11:
            walk.voltage(dice.choice([0.0, 380.0, 400.0]))
            walk.feedback(dice.choice([None, False, True]), odd)
        case 12:
            walk.odd(dice.choice(ODD), odd)
        case 13:
            walk.stale_answers(dice.randrange(6), dice.randrange(3))
        case 14:
            walk.decision(dice.random() < 0.5, odd)
            walk.contract(dice.choice(list(Verdict)), odd)
            walk.contactor(dice.random() < 0.5, odd)
            walk.isolation(dice.choice(list(IsolationLevel)), odd)
        case _:
            walk.station(dice.choice([StopRequested(), RenegotiationRequested()]), odd)
            walk.breakdown(dice.choice([LinkLost(), ControllerFault("driver")]), odd)
            walk.fault(dice.choice(list(EvseFault)), odd)
