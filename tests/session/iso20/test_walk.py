"""Random walks through ISO 15118-20: for any messages in any order, the oracle finds no violation."""

import dataclasses
import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from secc import payloads
from secc.messages.iso20_common import ChargingSession, Processing
from secc.session import ending, limits, output
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    DischargePermitted,
    EnergyTargeted,
    Input,
    LinkLost,
    PauseRequested,
    Received,
    RenegotiationRequested,
    SchedulesOffered,
    ServiceRenegotiationRequested,
    StopRequested,
    Tick,
)
from secc.session.iso20 import discharge, steering
from secc.session.iso20.states import Iso20State as S
from secc.session.latch import FaultLatch
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel
from secc.session.outputs import AskSchedules, EndSession, Send
from secc.session.pause import PauseMemory
from secc.session.quantities import Milli
from secc.session.schedules import DynamicOffer, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Stage
from secc.session.ticket import Ticket
from secc.settings import Iso20Config, SeccConfig, TimingConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, Bench20
from tests.support.lasting import Lasting
from tests.support.outlet_rules import Broken
from tests.support.outlet_walk import LIMITS, ODDLY, OutletWalk
from tests.support.safety20 import Oracle20
from tests.support.vehicles import EVCCID, vehicle_identity

OTHER = "WMIV0000000000ABCDEX"
OFFER = ScheduleOffer(
    (
        PowerSchedule(3, (PowerStep(0, 20_000), PowerStep(10, 8_000)), 3600),
        PowerSchedule(1, (PowerStep(0, 0),), 60),
    )
)
TARGETS = (None, 0.0, 5000.0, -5000.0, 200_000.0, -200_000.0)
PERMISSIONS = (None, 0.0, 2000.0)
SOCS = ((None, None), (80, 20), (20, 30))
ORDERS: list[Input] = [
    StopRequested(),
    RenegotiationRequested(),
    ServiceRenegotiationRequested(),
    PauseRequested(),
]


def _asking(config: SeccConfig) -> SeccConfig:
    """Schedules and targets come from the back end; short timers."""
    energy = dataclasses.replace(config.energy, ask_backend_for_schedules=True)
    return dataclasses.replace(
        config,
        energy=energy,
        iso20=Iso20Config(discharge=config.iso20.discharge, mobility_needs=True, schedules=5.0, standby=True),
        timing=TimingConfig(stop_delay=1.0, sequence=5.0),
    )


CONFIGS = [AC, DC, AC_BPT, DC_BPT, _asking(AC_BPT), _asking(DC_BPT)]
ODD: list[Any] = [
    *r.EACH.values(),
    r.contract_authorization(),
    r.selection(2, 9),
    r.selection(65, 1),
    r.selection(6, 2),
    r.selection(5, 1),
    r.dc_parameters(ev_maximum_charge_current=-1),
    r.dc_bpt_parameters(1),
    r.ac_bpt_parameters(1),
    r.dynamic(v2x=(-1000, 1000)),
    r.dynamic(energies=(20_000, 10_000, 30_000)),
    r.start(r.profile(tuple_id=77)),
    r.start(r.profile((3600, 90_000))),
    r.start(r.profile((3600, -15_000))),
    r.standby(),
    r.renegotiate(),
    r.pre_charge(0),
    r.pre_charge(-5),
    r.pre_charge(900),
    r.dc_loop(-1, 5),
    r.dc_loop(400, -50),
    r.dc_dynamic_loop(),
    r.dc_bpt_dynamic_loop(1),
    r.ac_dynamic_loop(),
    r.ac_bpt_dynamic_loop(1),
    r.session_stop(ChargingSession.SERVICE_RENEGOTIATION),
    r.session_stop(ChargingSession.PAUSE),
]


_WIRE = {dc: payloads.iso20("iso20-dc" if dc else "iso20-ac") for dc in (False, True)}


def following(bench: Bench20, choice: int) -> list[Any]:
    """Requests that an EV may send in the state at hand: those of the services of the outlet, in the control
    mode that was selected."""
    session, side = bench.session, bench.side
    dc, both = session.config.energy.offers_dc, session.config.iso20.discharge
    selected = side.selection
    dynamic = selected is not None and selected.dynamic
    bidirectional = selected is not None and selected.service.bidirectional
    schedule = r.dynamic() if dynamic else r.scheduled()
    offer = session.latest_offer
    numbers = [1] if offer is None else [one.schedule_id for one in offer.schedules.schedules]
    # With the power of zero every profile is within the schedule.
    profile = None if dynamic else r.profile((3600, 0), tuple_id=numbers[choice % len(numbers)])
    start = r.dynamic_start() if dynamic else r.start(profile)
    service = {(False, False): 1, (True, False): 2, (False, True): 5, (True, True): 6}[
        dc, both and choice % 3 > 0
    ]
    known: dict[Stage, list[Any]] = {
        S.WAIT_SESSION_SETUP: [r.session_setup()],
        S.WAIT_AUTHORIZATION_SETUP: [r.authorization_setup()],
        S.WAIT_AUTHORIZATION: [r.authorization()],
        S.WAIT_SERVICE_DISCOVERY: [r.service_discovery()],
        S.WAIT_SERVICE_DETAIL: [r.service_detail(service), r.selection(service, 1 + choice % 2)],
        S.WAIT_SERVICE_SELECTION: [r.selection(service, 1 + choice % 2)],
        S.WAIT_PARAMETERS_AC: [r.ac_bpt_parameters() if bidirectional else r.ac_parameters()],
        S.WAIT_PARAMETERS_DC: [r.dc_bpt_parameters() if bidirectional else r.dc_parameters()],
        S.WAIT_SCHEDULE_AC: [schedule],
        S.WAIT_SCHEDULE_DC: [schedule],
        S.WAIT_POWER_ON_AC: [start],
        S.WAIT_FIRST_LOOP_AC: [_ac_loop(choice, dynamic, bidirectional)],
        S.WAIT_LOOP_AC: [*[_ac_loop(choice, dynamic, bidirectional)] * 4, *_LEAVING],
        S.WAIT_STANDBY_AC: [start, _ac_loop(choice, dynamic, bidirectional), r.stop()],
        S.WAIT_STANDBY_DC: [start, _dc_loop(choice, dynamic, bidirectional), r.stop()],
        S.WAIT_NEW_SCHEDULE_AC: [schedule],
        S.WAIT_NEW_PROFILE_AC: [r.renegotiate(profile)],
        S.WAIT_CABLE_CHECK: [r.cable_check()],
        S.WAIT_CABLE_CHECK_RESULT: [r.cable_check()],
        S.WAIT_PRE_CHARGE: [r.pre_charge(), r.pre_charge(processing=Processing.ONGOING)],
        S.WAIT_PRE_CHARGE_AGAIN: [r.pre_charge()],
        S.WAIT_POWER_ON_DC: [start],
        S.WAIT_FIRST_LOOP_DC: [_dc_loop(choice, dynamic, bidirectional)],
        S.WAIT_LOOP_DC: [*[_dc_loop(choice, dynamic, bidirectional)] * 4, *_LEAVING],
        S.WAIT_NEW_SCHEDULE_DC: [schedule],
        S.WAIT_NEW_PROFILE_DC: [r.renegotiate(profile)],
        S.WAIT_WELDING: [r.welding()],
        S.WAIT_SESSION_STOP: [
            r.session_stop(),
            r.session_stop(ChargingSession.PAUSE),
            r.session_stop(ChargingSession.SERVICE_RENEGOTIATION),
        ],
    }
    return known.get(session.state, [])


_LEAVING = (r.renegotiate(), r.stop(), r.standby())


def _more(choice: int) -> dict[str, Any]:
    present, least = SOCS[choice % len(SOCS)]
    return {"display_parameters": r.display(present_soc=present, minimum_soc=least)}


def _dc_loop(choice: int, dynamic: bool, both: bool) -> Any:
    if dynamic:
        return (r.dc_bpt_dynamic_loop if both else r.dc_dynamic_loop)(**_more(choice))
    amperes = (20, -20, 80, 0, 900)[choice % 5]
    return (r.dc_bpt_loop if both else r.dc_loop)((400, 0, 900)[choice % 3], amperes, **_more(choice))


def _ac_loop(choice: int, dynamic: bool, both: bool) -> Any:
    if dynamic:
        return (r.ac_bpt_dynamic_loop if both else r.ac_dynamic_loop)(**_more(choice))
    return (r.ac_bpt_loop if both else r.ac_loop)(**_more(choice))


class Walk20(OutletWalk):
    """Mostly plausible steps, so that the walk gets somewhere; some odd ones at each place."""

    bench: Bench20
    oracle: Oracle20
    config: SeccConfig
    seen: int
    paused_id: bytes | None
    steps = 0
    """Of all walks in this process."""

    @initialize(config=st.sampled_from(CONFIGS), steps=st.integers(0, 16), choice=st.integers(0, 99))
    def begin(self, config: SeccConfig, steps: int, choice: int) -> None:
        self.config = config
        self.latch, self.pauses, self.lasting = FaultLatch(), PauseMemory(config.timing.pause), Lasting()
        self.reached: set[Stage] = set()
        self.energy = [0.0, 0.0]
        self._plug_in(1000.0, closed=(None, False)[choice % 2], stranger=False)
        self.good_run(steps, choice)

    def _plug_in(self, now: float, *, closed: bool | None, stranger: bool) -> None:
        """A car; the outlet and what lasts of it stay."""
        paused = self.pauses.paused(now)
        who = vehicle_identity(OTHER if stranger else EVCCID)
        self.bench = self.plugged(now=now, paused=paused, blocked=self.latch.blocked, vehicle=who)
        session_id = self.bench.session.session_id
        self.oracle = Oracle20(self.config, self.bench.evse, session_id, self.lasting, stranger=stranger)
        self.seen = 0
        self.paused_id = None if paused is None else paused.session_id
        self.bench.outlet(contactor_closed=closed)

    def plugged(self, **session: Any) -> Bench20:
        """The outlet with the next car."""
        return Bench20(self.config, **session)

    @rule(
        unplugged=st.booleans(),
        reset=st.booleans(),
        stranger=st.booleans(),
        pause=st.sampled_from([1.0, 400.0]),
    )
    def next_car(self, unplugged: bool, reset: bool, stranger: bool, pause: float) -> None:
        """After an end: the cable out or not, the fault reset or not, the same car or another one."""
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
        now = self.bench.clock.now + pause
        self._plug_in(now, closed=self.bench.evse.contactor_closed, stranger=stranger)

    @property
    def wire(self) -> payloads.Payloads:
        """The schema sets of the session."""
        return _WIRE[self.config.energy.offers_dc]

    def _observe(self, snapshot: EvseSnapshot) -> None:
        self.latch.observe(snapshot)
        self.pauses.observe(snapshot)

    @invariant()
    def safe(self) -> None:
        for now, event, outputs in self.bench.trace[self.seen :]:
            self.oracle.step(now, event, outputs)
            if isinstance(event, (Received, Tick)):
                self._observe(event.snapshot)
            for output_ in outputs:
                if isinstance(output_, EndSession):
                    self.latch.session_ended(output_)
                    self.pauses.session_ended(output_, now)
                if isinstance(output_, Send):
                    self.wire.encode(output_.message)  # schema-valid [INV-34]
        self.seen = len(self.bench.trace)
        type(self).steps += 1
        session = self.bench.session
        self.reached.add(session.state)
        self.energy = [min(self.energy[0], self.oracle.current), max(self.energy[1], self.oracle.current)]
        assert (session.deadline is None) == session.state.ended
        assert session.state.waits_for_ev or session.state.ended or session.owed is not None

    # --- the EV ---

    @rule(choice=st.integers(0, 99))
    def plausible(self, choice: int) -> None:
        session = self.bench.session
        known = following(self.bench, choice)
        if not known:
            return
        request = known[choice % len(known)]
        joins = session.state is S.WAIT_SESSION_SETUP and self.paused_id is not None and choice % 4
        self.bench.ask(request, self.paused_id if joins else None)
        self._follow()

    def _follow(self) -> None:
        """The outlet reads what it was commanded; while the EV gives, its battery holds the voltage."""
        held = self.bench.evse.present_voltage
        self.bench.follow()
        if self.bench.evse.present_current < 0 < held:
            self.bench.outlet(present_voltage=held)

    @rule(steps=st.integers(1, 14), choice=st.integers(0, 99))
    def good_run(self, steps: int, choice: int) -> None:
        """A few steps with a world that cooperates, to get to the later states."""
        for step in range(steps):
            state = self.bench.session.state
            if state is S.WAIT_WELDING or state is S.WAIT_SESSION_STOP:
                self.bench.outlet(control_pilot=ControlPilot.B)
            elif not self.bench.evse.control_pilot.wants_energy and state.waits_for_ev:
                self.bench.outlet(control_pilot=ControlPilot.C)
            self.plausible(choice + step)
            self.decision(True)
            self.contactor(True)
            self.isolation(IsolationLevel.VALID)
            self.schedules(choice)
            self.others(choice)
            self.bench.tick(0.1)
            self._follow()

    @rule(body=st.sampled_from(ODD), odd=ODDLY)
    def odd(self, body: Any, odd: int) -> None:
        if odd == 0:
            self.bench.ask(body)

    @rule(session_id=st.binary(min_size=8, max_size=8), odd=ODDLY)
    def foreign_id(self, session_id: bytes, odd: int) -> None:
        if odd == 0:
            self.bench.ask(r.service_discovery(), session_id)

    # --- time and the outlet ---

    @rule(voltage=st.sampled_from([0.0, 180.0, 380.0, 400.0]), current=st.sampled_from([0.0, 20.0, -20.0]))
    def reading(self, voltage: float, current: float) -> None:
        self.bench.outlet(present_voltage=voltage, present_current=current if voltage else 0.0)

    # --- answers ---

    def others(self, choice: int) -> None:
        """Answers to what only some stations ask."""

    @rule(choice=st.integers(0, 99))
    def schedules(self, choice: int) -> None:
        selection = self.bench.side.selection
        dynamic = selection is not None and selection.dynamic
        offers = (DynamicOffer(TARGETS[choice % len(TARGETS)]), None) if dynamic else (OFFER, None)
        self._answer(AskSchedules, lambda ticket: SchedulesOffered(ticket, offers[choice % 5 == 0]))

    @rule(number=st.integers(0, 5), generation=st.integers(0, 2))
    def stale_answers(self, number: int, generation: int) -> None:
        ticket = Ticket(generation + 1, number)
        self.bench.feed(AuthorizationDecided(ticket, True))
        self.bench.feed(ContactorReported(ticket, True))
        self.bench.feed(CableCheckReported(ticket, IsolationLevel.VALID))
        self.bench.feed(SchedulesOffered(ticket, OFFER))

    # --- the operator ---

    @rule(watts=st.sampled_from(TARGETS))
    def target(self, watts: float | None) -> None:
        self.bench.feed(EnergyTargeted(watts))

    @rule(watts=st.sampled_from(PERMISSIONS))
    def permission(self, watts: float | None) -> None:
        self.bench.feed(DischargePermitted(watts))

    @rule(event=st.sampled_from(ORDERS), odd=ODDLY)
    def station(self, event: Input, odd: int) -> None:
        if odd == 0:
            self.bench.feed(event)


Walk20.TestCase.settings = settings(
    max_examples=max(60, settings().max_examples // 4),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWalk20 = Walk20.TestCase


def test_the_walk_was_long_enough() -> None:
    if Walk20.steps == 0:
        pytest.skip("the walk itself was not asked for")
    print(f"{Walk20.steps} steps")
    assert Walk20.steps >= 2000


def walked(seed: int, walks: int = 80) -> tuple[set[Stage], list[float]]:
    """Some walks from this seed: the states that were reached, and the lowest and the highest DC current."""
    dice = random.Random(seed)
    reached: set[Stage] = set()
    energy = [0.0, 0.0]
    for _ in range(walks):
        walk = Walk20()
        walk.begin(dice.choice(CONFIGS), dice.randrange(24), dice.randrange(100))
        for _ in range(60):
            _step(walk, dice)
            walk.safe()
        reached |= walk.reached
        energy = [min(energy[0], walk.energy[0]), max(energy[1], walk.energy[1])]
    return reached, energy


def test_long_seeded_walks_stay_safe_and_reach_the_charge_loops_in_both_directions() -> None:
    reached: set[Stage] = set()
    currents = [0.0]
    for seed in range(5):
        states, energy = walked(seed)
        reached |= states
        currents += energy
    assert reached >= {S.WAIT_LOOP_AC, S.WAIT_LOOP_DC, S.WAIT_NEW_PROFILE_AC, S.WAIT_NEW_PROFILE_DC, S.ENDED}
    assert min(currents) < 0 < max(currents)


def _step(walk: Walk20, dice: random.Random) -> None:
    odd = dice.randrange(30)
    if walk.bench.session.state.ended:
        walk.next_car(
            dice.random() < 0.5, dice.random() < 0.7, dice.random() < 0.3, dice.choice([1.0, 400.0])
        )
    match dice.randrange(16):
        case 0 | 1 | 2 | 3 | 4:
            walk.plausible(dice.randrange(100))
        case 5 | 6:
            walk.good_run(dice.randrange(6), dice.randrange(100))
        case 7:
            walk.limits(dice.choice(LIMITS), dice.choice(LIMITS), dice.choice(LIMITS))
            walk.load_management(dice.choice(LIMITS))
        case 8:
            walk.time_with_ticks(dice.choice([0.0, 0.05, 0.3, 1.0]))
        case 9:
            walk.time_without_ticks(dice.choice([0.19, 0.45, 0.6, 10.0]), odd)
        case 10:
            walk.pilot(dice.choice(list(ControlPilot)), odd)
            walk.feedback(dice.choice([None, False, True]), odd)
        case 11:
            walk.reading(dice.choice([0.0, 380.0, 400.0]), dice.choice([0.0, 20.0, -20.0]))
        case 12:
            walk.odd(dice.choice(ODD), odd)
            walk.foreign_id(bytes(8), odd)
        case 13:
            walk.stale_answers(dice.randrange(6), dice.randrange(3))
            walk.target(dice.choice(TARGETS))
        case 14:
            walk.decision(dice.random() < 0.5, odd)
            walk.contactor(dice.random() < 0.5, odd)
            walk.isolation(dice.choice(list(IsolationLevel)), odd)
            walk.permission(dice.choice(PERMISSIONS))
        case _:
            walk.station(dice.choice(ORDERS), odd)
            walk.breakdown(dice.choice([LinkLost(), ControllerFault("driver")]), odd)
            walk.fault(dice.choice(list(EvseFault)), odd)


# --- planted defects ---------------------------------------------------------------------------------------

_TARGET, _PLAN = steering.target, limits.plan


def _mirrored(demand: Any, *rest: Any) -> Any:
    point = _PLAN(demand, *rest)
    return msgspec.structs.replace(point, current=Milli(-point.current))


DEFECTS: dict[str, tuple[Any, str, Any]] = {
    "a target of the other sign": (steering, "target", lambda wanted, room: -_TARGET(wanted, room)),
    "a set-point of the other sign": (limits, "plan", _mirrored),
    "discharge without permission": (discharge, "permitted", lambda session: discharge.hardware(session)),
    "energised without a lease": (output, "watch_lease", lambda _: None),
    "a stop that does not switch off": (ending, "overtake", lambda *_: None),
    "a direction that changes at once": (output, "_through_zero", lambda _, current: current),
    "a limit that is not looked at again": (output, "renew", lambda session: output._extend(session)),
    "a paused session that stays after an unplugged cable": (PauseMemory, "observe", lambda *_: None),
}


@pytest.mark.parametrize(("owner", "name", "replacement"), DEFECTS.values(), ids=DEFECTS)
def test_a_walk_finds_a_planted_defect(
    owner: Any, name: str, replacement: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, replacement)
    with pytest.raises(Broken):
        _many_walks()


def _many_walks() -> None:
    for seed in range(20):
        walked(seed)
