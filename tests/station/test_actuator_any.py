"""Any order of commands, any driver: what reaches the hardware, judged from its log alone.

The judge knows the contract of `secc.ports` and nothing of how the actuator keeps it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.session.inputs import ControllerFault
from secc.session.outlet import EvseFault, EvseSnapshot, IsolationLevel
from secc.session.outputs import CloseContactor, OpenContactor, SetOutput, StartCableCheck
from secc.session.ticket import Ticket
from secc.settings import TimingConfig
from secc.station.actuator import Actuator, Answer
from tests.support.fasttime import play_fast
from tests.support.reports import HeardReports

LEASE, LIMIT, TEST = 0.5, 1.0, 2.0
TIMING = TimingConfig(lease=LEASE, controller_call=LIMIT, cable_check=TEST)
SLACK = 1e-6  # s, rounding: turns of the loop take no time
INSTANT = 0.002  # s: a lease and the call it is for
FOREVER = 1e6

Command = CloseContactor | OpenContactor | StartCableCheck | SetOutput


@dataclasses.dataclass
class Call:
    """One call of the driver."""

    name: str
    began: float
    first: int
    """Its place among everything that happened; `last` is that of its end."""
    value: object = None
    ended: float = math.inf
    last: float = math.inf
    good: bool = False


@dataclasses.dataclass(frozen=True)
class Lease:
    """One renewal."""

    place: int
    at: float
    until: float


@dataclasses.dataclass(frozen=True)
class Order:
    """One command of the session."""

    place: int
    at: float
    command: Command


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What the driver does in one call."""

    lasts: float
    trouble: str  # "", "raise", "false"


class Driver:
    """Notes everything, and does in each call what it was given to do."""

    def __init__(self, behaviours: list[Behaviour]) -> None:
        self._behaviours = itertools.chain(behaviours, itertools.repeat(Behaviour(0.0, "")))
        self.calls: list[Call] = []
        self.leases: list[Lease] = []
        self.place = itertools.count()

    def snapshot(self) -> EvseSnapshot:
        raise NotImplementedError

    def lease(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        assert 0.0 < seconds <= LEASE + 1e-6
        self.leases.append(Lease(next(self.place), now, now + seconds))

    async def close_contactor(self) -> bool:
        return await self._call("close_contactor", CloseContactor)

    async def open_contactor(self) -> bool:
        return await self._call("open_contactor", OpenContactor)

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await self._call("check_cable", max_voltage)
        return IsolationLevel.VALID

    async def set_output(self, voltage: float, current: float) -> None:
        await self._call("set_output", SetOutput(voltage, current))

    async def make_safe(self) -> None:
        call = Call("make_safe", asyncio.get_running_loop().time(), next(self.place))
        self.calls.append(call)
        call.ended, call.last, call.good = call.began, next(self.place), True

    async def _call(self, name: str, value: object) -> bool:
        behaviour = next(self._behaviours)
        loop = asyncio.get_running_loop()
        call = Call(name, loop.time(), next(self.place), value)
        self.calls.append(call)
        if behaviour.lasts:
            await asyncio.sleep(behaviour.lasts)
        call.ended, call.last = loop.time(), next(self.place)
        if behaviour.trouble == "raise":
            raise OSError("broken")
        call.good = not (behaviour.trouble == "false" and name == "open_contactor")
        return call.good


@dataclasses.dataclass(frozen=True)
class Step:
    """After a pause: a command, with a lease before it where it energises, or only the lease."""

    pause: float
    command: Command | None
    lease: bool = True
    stall: float = 0.0
    """The session decided so long ago: the loop was busy meanwhile."""


@dataclasses.dataclass
class Log:
    """What was ordered and what came of it."""

    orders: list[Order] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)
    leases: list[Lease] = dataclasses.field(default_factory=list)
    answers: list[Answer] = dataclasses.field(default_factory=list)
    trips: list[tuple[EvseFault, str]] = dataclasses.field(default_factory=list)
    ending: float = 0.0
    ended: float = 0.0
    problem: str = ""


async def run(steps: list[Step], behaviours: list[Behaviour]) -> Log:
    """One session."""
    loop, driver, log = asyncio.get_running_loop(), Driver(behaviours), Log()
    actuator = Actuator(
        driver,
        TIMING,
        reports=HeardReports(),
        trip=lambda fault, why: log.trips.append((fault, why)),
    )
    actuator.begin(log.answers.append)
    for step in steps:
        await asyncio.sleep(step.pause)
        now = loop.time()
        if step.lease and not (step.command is not None and is_off(step.command)):
            actuator.renew(now - step.stall + LEASE)
        if step.command is not None:
            log.orders.append(Order(next(driver.place), now, step.command))
            actuator.order(step.command)
    log.ending = loop.time()
    await actuator.end()
    log.ended, log.problem = loop.time(), actuator.problem
    log.calls, log.leases = [dataclasses.replace(call) for call in driver.calls], driver.leases
    await actuator.close()
    return log


def is_off(command: Command) -> bool:
    return isinstance(command, OpenContactor) or command == SetOutput(0.0, 0.0)


def off_call(call: Call) -> bool:
    return call.name in ("open_contactor", "make_safe") or call.value == SetOutput(0.0, 0.0)


def commands(log: Log) -> list[Call]:
    return [call for call in log.calls if call.name != "make_safe"]


# --- the judge ---------------------------------------------------------------------------------------------


def judge(log: Log) -> None:
    one_after_the_other(log)
    energy_needs_a_lease(log)
    energy_needs_an_order_after_the_last_off(log)
    an_off_is_heard_in_time(log)
    no_lease_for_what_is_not_allowed(log)
    trouble_with_an_off_blocks(log)
    the_end_leaves_nothing(log)


def one_after_the_other(log: Log) -> None:
    for before, after in itertools.pairwise(commands(log)):
        assert before.ended <= after.began, (before, after)


def energy_needs_a_lease(log: Log) -> None:
    for call in commands(log):
        if not off_call(call):
            assert any(lease.place < call.first and call.began < lease.until for lease in log.leases), call


def energy_needs_an_order_after_the_last_off(log: Log) -> None:
    offs = [order.place for order in log.orders if is_off(order.command)]
    for call in commands(log):
        if off_call(call):
            continue
        assert call.began <= log.ending + INSTANT, call
        ordered = [o.place for o in log.orders if o.place < call.first and same(o.command, call)]
        assert ordered, call
        assert not any(max(ordered) < off < call.first for off in offs), (call, ordered, offs)


def same(command: Command, call: Call) -> bool:
    match command:
        case SetOutput():
            return command == call.value
        case CloseContactor():
            return call.name == "close_contactor"
        case StartCableCheck():
            return call.name == "check_cable"
    return call.name == "open_contactor"


def an_off_is_heard_in_time(log: Log) -> None:
    """By an off command or by make_safe, within the time of a lease; at once if nothing delays it."""
    for order in log.orders:
        if not is_off(order.command):
            continue
        in_progress = [c for c in commands(log) if c.first < order.place < c.last]
        since = min((call.first for call in in_progress), default=order.place)
        if any(off_call(call) and since <= call.first < order.place for call in log.calls):
            continue  # the off in progress will do, or make_safe beside what is in progress
        heard = min((c.began for c in log.calls if c.first > order.place and off_call(c)), default=math.inf)
        if any(call.name != "check_cable" for call in in_progress):
            heard -= LEASE
        assert heard <= order.at + SLACK, (order, heard, log.calls)


def leaves_nothing_on(call: Call) -> bool:
    """An isolation test takes its voltage off again; after a call past its limit there is `make_safe`."""
    return call.name == "make_safe" or (call.name == "check_cable" and call.good)


def no_lease_for_what_is_not_allowed(log: Log) -> None:
    for lease in log.leases:
        before = [order for order in log.orders if order.place < lease.place]
        off = max((order.place for order in before if is_off(order.command)), default=-1)
        running = [c for c in commands(log) if c.first <= lease.place + 1 and lease.place < c.last]
        if off >= 0:
            assert any(off_call(c) and off < c.last < lease.place for c in log.calls), (lease, "an off waits")
            assert not any(off_call(c) for c in running), (lease, "an off is in progress")
        points = [o for o in before if isinstance(o.command, SetOutput) and o.place > off]
        bare = max([off, *(c.last for c in log.calls if leaves_nothing_on(c) and c.last < lease.place)])
        applied = [c for c in commands(log) if c.name == "set_output" and bare < c.first <= lease.place + 1]
        if not points or not applied:
            continue
        newest = points[-1]
        present = applied[-2:] if applied[-1] in running else applied[-1:]
        if not any(lower(newest.command, call.value) for call in present if call.value != newest.command):
            continue
        assert applied[-1].value == newest.command, (lease, "a lower set-point waits")
        assert lease.until <= newest.at + LEASE + SLACK, (lease, "a lower set-point takes too long")


def lower(one: Any, other: Any) -> bool:
    return bool(one.voltage < other.voltage or one.current < other.current)


def trouble_with_an_off_blocks(log: Log) -> None:
    for call in commands(log):
        if call.ended > log.ended:
            assert log.trips, call
        elif off_call(call) and not call.good and call.ended <= call.began + LIMIT:
            wanted = EvseFault.SWITCH_OFF
            if call.name == "open_contactor" and (EvseFault.CONTACTOR in dict(log.trips)):
                wanted = EvseFault.CONTACTOR
            assert wanted in dict(log.trips), (call, log.trips)
    healthy = all(call.good and call.ended - call.began < LIMIT for call in commands(log))
    if healthy:
        assert not log.trips


def the_end_leaves_nothing(log: Log) -> None:
    assert log.ended <= log.ending + LIMIT + SLACK
    assert log.calls[-1].name == "make_safe"
    assert bool(log.problem) == any(call.ended > log.ended for call in commands(log))


# --- any session -------------------------------------------------------------------------------------------

_currents = itertools.count()


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    made = []
    for number in range(draw(st.integers(2, 12))):
        ticket = Ticket(1, number)
        kind = draw(st.sampled_from(["set", "set", "set", "set", "zero", "open", "close", "check", "renew"]))
        command: Command | None
        match kind:
            case "set":
                amperes = draw(st.integers(0, 5)) * 10 + 1 + number / 100  # each one is distinguishable
                command = SetOutput(draw(st.sampled_from([200.0, 400.0])), amperes)
            case "zero":
                command = SetOutput(0.0, 0.0)
            case "open":
                command = OpenContactor()
            case "close":
                command = CloseContactor(ticket)
            case "check":
                command = StartCableCheck(ticket, 500.0)
            case _:
                command = None
        made.append(
            Step(
                draw(st.sampled_from([0.0, 0.001, 0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.6])),
                command,
                lease=draw(st.integers(0, 9)) < 9,
                stall=draw(st.sampled_from([0.0, 0.0, 0.0, 0.2, 0.6])),
            )
        )
    return made


LASTING = [0.0, 0.0107, 0.0711, 0.1513, 0.3317, 0.4519, 0.7023, 0.9029, 1.3031, 3.1037, FOREVER]
"""Seconds that no sum of pauses and limits equals: the clock is exact, and a tie decides nothing."""

behaviours = st.lists(
    st.builds(
        Behaviour,
        st.sampled_from(LASTING),
        st.sampled_from(["", "", "", "", "", "raise", "false"]),
    ),
    min_size=3,
    max_size=8,
)


@pytest.mark.inv("INV-03", "INV-08", "INV-31")
@settings(max_examples=300, deadline=None)
@given(steps(), behaviours)
def test_for_any_orders_and_any_driver_the_contract_holds(
    steps: list[Step], behaviours: list[Behaviour]
) -> None:
    judge(play_fast(run(steps, behaviours), sockets=False, frozen=True))


@pytest.mark.inv("INV-31")
@pytest.mark.loop("loopback")
async def test_faults_of_the_driver_reach_the_session_while_there_is_one() -> None:
    steps = [Step(0.0, SetOutput(400.0, 10.0)), Step(2.0, None)]
    log = await run(steps, [Behaviour(FOREVER, "")])
    assert log.answers == [ControllerFault("set_output: no answer in time", EvseFault.SWITCH_OFF)]
    assert log.trips == [(EvseFault.SWITCH_OFF, "set_output: no answer in time")]
    assert log.problem == "set_output has not returned"
