"""The loop that commands an outlet, by its timeline: calls, leases, reports.

Virtual time: a lease of 0.5 s, 1 s for a call, 2 s more for an isolation test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from secc.ports import Discharges
from secc.session.inputs import CableCheckReported, ContactorReported, ControllerFault
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel
from secc.session.outputs import CloseContactor, OpenContactor, SetOutput, StartCableCheck
from secc.session.ticket import Ticket
from secc.settings import TimingConfig
from secc.station.actuator import Actuator, Answer, what
from secc.station.orders import Command
from tests.support.reports import HeardReports

pytestmark = pytest.mark.loop("virtual")

OFF, HIGH, LOW = SetOutput(0.0, 0.0), SetOutput(400.0, 50.0), SetOutput(400.0, 10.0)
CLOSE, OPEN = CloseContactor(Ticket(1, 1)), OpenContactor()
TEST = StartCableCheck(Ticket(1, 2), 500.0)
TIMING = TimingConfig(lease=0.5, controller_call=1.0, cable_check=2.0)


class Outlet:
    """Each call takes its time and gives its result; an exception is raised."""

    def __init__(self) -> None:
        self.began = asyncio.get_running_loop().time()
        self.calls: list[tuple[float, str]] = []
        self.leases: list[tuple[float, float]] = []
        self.takes: dict[str, float] = {}
        self.gives: dict[str, object] = {}
        self.cancelled: list[str] = []

    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.began, 2)

    def snapshot(self) -> EvseSnapshot:
        return EvseSnapshot(control_pilot=ControlPilot.C)

    def lease(self, seconds: float) -> None:
        if isinstance(error := self.gives.get("lease"), Exception):
            raise error
        self.leases.append((self.now(), round(seconds, 2)))

    async def call(self, name: str, usual: object) -> object:
        self.calls.append((self.now(), name))
        try:
            await asyncio.sleep(self.takes.get(name, 0.0))
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        result = self.gives.get(name, usual)
        if isinstance(result, BaseException):
            raise result
        return result

    async def close_contactor(self) -> bool:
        return await self.call("close", True)  # type: ignore[return-value]

    async def open_contactor(self) -> bool:
        return await self.call("open", True)  # type: ignore[return-value]

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return await self.call("test", IsolationLevel.VALID)  # type: ignore[return-value]

    async def set_output(self, voltage: float, current: float) -> None:
        await self.call("off" if (voltage, current) == (0.0, 0.0) else f"set {current:g}", None)

    async def make_safe(self) -> None:
        await self.call("safe", None)


class Scene:
    """An actuator in a session, and its reports."""

    def __init__(self) -> None:
        self.outlet = Outlet()
        self.answers: list[Answer] = []
        self.complaints: list[str] = []
        self.trips: list[tuple[EvseFault, str]] = []
        self.actuator = Actuator(
            self.outlet,
            TIMING,
            reports=HeardReports(self.complaints),
            trip=lambda fault, why: self.trips.append((fault, why)),
        )
        self.actuator.begin(self.answers.append)

    def renew(self, seconds: float = 0.5) -> None:
        self.actuator.renew(asyncio.get_running_loop().time() + seconds)

    async def energise(self, *commands: Command, seconds: float = 0.5) -> None:
        """With a lease; the first one is called before this returns."""
        self.renew(seconds)
        for command in commands:
            self.actuator.order(command)
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.actuator.close()


# --- an off in the way of what is in progress ---


@pytest.mark.inv("INV-03")
async def test_an_off_waits_half_a_second_for_a_call_in_progress_then_make_safe_goes_beside_it() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 0.8
        await scene.energise(CLOSE)
        scene.actuator.order(OPEN)
        assert scene.actuator.off_pending
        await scene.actuator.off_heard()
        assert scene.outlet.now() == 0.5
        assert not scene.actuator.off_pending
        await asyncio.sleep(1.0)
        assert scene.outlet.calls == [(0.0, "close"), (0.5, "safe"), (0.8, "open")]
        assert scene.outlet.cancelled == []
        assert scene.complaints == ["close_contactor: returned 0.8 s after its call, superseded"]
        assert scene.answers == []
        assert scene.trips == []


@pytest.mark.inv("INV-03")
async def test_an_off_does_not_wait_for_a_call_that_is_older_than_its_patience() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 0.9
        await scene.energise(CLOSE)
        await asyncio.sleep(0.59)
        scene.actuator.order(OPEN)
        await asyncio.sleep(0.01)
        assert scene.outlet.calls == [(0.0, "close"), (0.6, "safe")]
        scene.actuator.order(OFF)  # no second way of last resort beside the same call
        await asyncio.sleep(0.01)
        assert scene.outlet.calls == [(0.0, "close"), (0.6, "safe")]
        await asyncio.sleep(0.5)
        assert [name for _, name in scene.outlet.calls] == ["close", "safe", "open", "off"]


@pytest.mark.inv("INV-03")
async def test_an_off_does_not_wait_for_an_isolation_test() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["test"] = 0.7
        await scene.energise(TEST)
        scene.actuator.order(OFF)
        await asyncio.sleep(0.01)
        assert scene.outlet.calls == [(0.0, "test"), (0.01, "safe")]
        await asyncio.sleep(1.0)
        assert scene.outlet.calls[2:] == [(0.7, "off")]
        assert scene.answers == []


@pytest.mark.inv("INV-03")
async def test_a_superseded_isolation_test_has_only_the_time_of_a_call() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["test"] = 50.0
        await scene.energise(TEST)
        await asyncio.sleep(0.09)
        scene.actuator.order(OFF)
        await asyncio.sleep(0.99)
        assert scene.trips == []
        await asyncio.sleep(0.02)
        assert scene.trips == [(EvseFault.SWITCH_OFF, "check_cable: no answer in time")]
        assert scene.actuator.problem == "check_cable has not returned"
        assert [name for _, name in scene.outlet.calls].count("safe") == 2


@pytest.mark.inv("INV-06", "INV-30")
async def test_a_fault_of_the_isolation_counts_after_the_test_was_superseded() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["test"], scene.outlet.gives["test"] = 0.7, IsolationLevel.FAULT
        await scene.energise(TEST)
        scene.actuator.order(OFF)
        await asyncio.sleep(1.0)
        why = "check_cable: Fault, after it was given up"
        assert scene.trips == [(EvseFault.ISOLATION, why)]
        assert scene.answers == [ControllerFault(why, EvseFault.ISOLATION)]


@pytest.mark.inv("INV-06", "INV-30")
async def test_a_fault_of_the_isolation_counts_after_the_end_of_the_session() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["test"], scene.outlet.gives["test"] = 0.7, IsolationLevel.FAULT
        await scene.energise(TEST)
        await scene.actuator.end()
        assert scene.trips == [(EvseFault.ISOLATION, "check_cable: Fault, after it was given up")]
        assert scene.answers == []


@pytest.mark.inv("INV-03")
async def test_a_superseded_call_keeps_the_limit_that_it_had() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 50.0
        await scene.energise(CLOSE)
        await asyncio.sleep(0.79)
        scene.actuator.order(OPEN)
        await asyncio.sleep(0.19)
        assert scene.trips == []
        await asyncio.sleep(0.03)
        assert scene.trips == [(EvseFault.SWITCH_OFF, "close_contactor: no answer in time")]
        assert scene.answers == [ControllerFault("close_contactor: no answer in time", EvseFault.SWITCH_OFF)]


async def test_an_off_behind_an_off_is_heard_already() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["off"] = 0.3
        scene.actuator.order(OFF)
        await asyncio.sleep(0.01)
        scene.actuator.order(OPEN)
        assert not scene.actuator.off_pending
        await asyncio.sleep(0.5)
        assert scene.outlet.calls == [(0.0, "off"), (0.3, "open")]


async def test_a_new_actuator_owes_no_off() -> None:
    async with open_scene() as scene:
        assert not scene.actuator.off_pending
        assert scene.actuator.problem == ""


# --- a call that does not return ---


@pytest.mark.inv("INV-03", "INV-30")
async def test_a_call_past_its_limit_blocks_is_answered_and_goes_unleased() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 3.0
        await scene.energise(CLOSE)
        await asyncio.sleep(1.0)
        why = "close_contactor: no answer in time"
        assert scene.trips == [(EvseFault.SWITCH_OFF, why)]
        assert scene.answers == [
            ControllerFault(why, EvseFault.SWITCH_OFF),
            ContactorReported(Ticket(1, 1), closed=False),
        ]
        assert scene.outlet.calls == [(0.0, "close"), (1.0, "safe")]
        assert scene.actuator.problem == "close_contactor has not returned"
        leases = len(scene.outlet.leases)
        scene.renew()
        scene.actuator.order(OFF)
        await asyncio.sleep(0.01)
        assert len(scene.outlet.leases) == leases
        assert [name for _, name in scene.outlet.calls] == ["close", "safe", "safe"]
        await asyncio.sleep(3.0)
        assert scene.actuator.problem == ""
        assert scene.outlet.calls[3:] == [(3.0, "safe"), (3.0, "off")]
        assert scene.complaints == ["close_contactor: returned after 3.0 s, too late to count"]
        assert len(scene.answers) == 2


async def test_an_isolation_test_has_its_time_and_that_of_a_call() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["test"] = 2.9
        await scene.energise(TEST, seconds=9.0)
        await asyncio.sleep(3.0)
        assert scene.trips == []
        assert scene.answers == [CableCheckReported(Ticket(1, 2), IsolationLevel.VALID)]
        scene.outlet.takes["test"] = 3.1
        await scene.energise(TEST, seconds=9.0)
        await asyncio.sleep(3.05)
        assert scene.trips == [(EvseFault.SWITCH_OFF, "check_cable: no answer in time")]
        assert scene.answers[-1] == CableCheckReported(Ticket(1, 2), IsolationLevel.INVALID)


@pytest.mark.parametrize("result", ["valid", True, None, 1])
async def test_a_result_that_is_no_level_is_invalid(result: object) -> None:
    async with open_scene() as scene:
        scene.outlet.gives["test"] = result
        await scene.energise(TEST)
        assert scene.answers == [CableCheckReported(Ticket(1, 2), IsolationLevel.INVALID)]


@pytest.mark.parametrize("result", ["yes", 1, None, False])
async def test_only_true_is_a_closed_contactor(result: object) -> None:
    async with open_scene() as scene:
        scene.outlet.gives["close"] = result
        await scene.energise(CLOSE)
        assert scene.answers == [ContactorReported(Ticket(1, 1), closed=False)]


async def test_a_call_that_hangs_is_given_up_by_hand_only_after_its_limit() -> None:
    async with open_scene() as scene:
        scene.actuator.give_up()
        scene.outlet.takes["close"] = 50.0
        await scene.energise(CLOSE)
        scene.actuator.give_up()
        await asyncio.sleep(0.1)
        assert scene.outlet.cancelled == []
        await asyncio.sleep(1.0)
        scene.actuator.give_up()
        await asyncio.sleep(0.1)
        assert scene.outlet.cancelled == ["close"]
        assert scene.complaints == ["close_contactor: given up after 1.1 s, too late to count"]
        assert scene.actuator.problem == ""
        await scene.energise(LOW)
        assert scene.outlet.calls[-1][1] == "set 10"


async def test_a_loop_that_is_cancelled_ends() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 50.0
        await scene.energise(CLOSE)
        began = scene.outlet.now()
        await scene.actuator.close()
        assert scene.outlet.now() == began
        assert scene.outlet.cancelled == ["close"]
        await asyncio.sleep(5.0)
        assert scene.trips == []
        assert scene.outlet.calls == [(0.0, "close")]


# --- the end of a session ---


@pytest.mark.inv("INV-03")
async def test_the_end_waits_for_a_call_and_makes_safe() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["set 50"] = 0.3
        await scene.energise(HIGH)
        await scene.actuator.end()
        assert scene.outlet.calls == [(0.0, "set 50"), (0.3, "safe")]


@pytest.mark.inv("INV-03", "INV-30")
async def test_the_end_gives_a_call_half_a_second_then_resorts_and_blocks_after_its_limit() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["set 50"] = 50.0
        await scene.energise(HIGH)
        await scene.actuator.end()
        assert scene.outlet.now() == pytest.approx(1.0, abs=0.02)
        assert scene.outlet.calls[:2] == [(0.0, "set 50"), (0.5, "safe")]
        assert scene.trips == [(EvseFault.SWITCH_OFF, "set_output: no answer in time")]
        assert scene.answers == []
        assert scene.actuator.problem == "set_output has not returned"


async def test_after_the_end_faults_go_to_the_log_and_answers_nowhere() -> None:
    async with open_scene() as scene:
        await scene.actuator.end()
        scene.outlet.gives["lease"] = RuntimeError("no wire")
        scene.renew()
        scene.actuator.order(CLOSE)
        await asyncio.sleep(0.1)
        assert scene.answers == []
        assert scene.complaints[0] == "lease: RuntimeError: no wire"


async def test_a_failed_make_safe_is_a_problem_until_it_succeeds() -> None:
    async with open_scene() as scene:
        again = asyncio.get_running_loop().create_task(scene.actuator.run())
        scene.outlet.gives["safe"] = OSError("no wire")
        await scene.actuator.make_safe()
        assert scene.actuator.problem == "make_safe: OSError: no wire"
        del scene.outlet.gives["safe"]
        await asyncio.sleep(0.6)
        assert scene.actuator.problem == ""
        assert scene.outlet.calls == [(0.0, "safe"), (0.5, "safe")]
        again.cancel()


# --- the lease ---


@pytest.mark.inv("INV-31")
async def test_what_waits_longer_than_its_lease_is_not_called_and_only_an_off_frees_the_outlet() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["open"] = 0.7
        scene.actuator.order(OPEN)
        await asyncio.sleep(0.01)
        scene.renew(0.5)
        scene.actuator.order(CLOSE)
        scene.actuator.order(LOW)
        await asyncio.sleep(1.0)
        assert scene.outlet.calls == [(0.0, "open")]
        assert scene.answers[:2] == [
            ControllerFault("close_contactor: not called, the lease has lapsed before its turn"),
            ContactorReported(Ticket(1, 1), closed=False),
        ]
        leases = len(scene.outlet.leases)
        scene.renew()
        assert len(scene.outlet.leases) == leases
        scene.actuator.order(OFF)
        await asyncio.sleep(0.01)
        await scene.energise(LOW)
        assert [name for _, name in scene.outlet.calls] == ["open", "off", "set 10"]


@pytest.mark.inv("INV-31")
async def test_the_lease_comes_with_the_order_that_it_waited_for() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["off"] = 0.2
        scene.actuator.order(OFF)
        await asyncio.sleep(0.01)
        scene.renew(0.5)
        assert scene.outlet.leases == []
        scene.actuator.order(LOW)
        await asyncio.sleep(0.3)
        assert scene.outlet.leases == [(0.2, 0.31)]
        assert scene.outlet.calls == [(0.0, "off"), (0.2, "set 10")]


@pytest.mark.inv("INV-08")
async def test_a_lower_set_point_behind_a_slow_one_takes_the_lease_and_is_a_fault_then() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["set 50"] = 0.9
        await scene.energise(HIGH)
        scene.actuator.order(LOW)
        scene.renew(0.8)
        await asyncio.sleep(0.48)
        assert scene.answers == []
        await asyncio.sleep(0.02)
        assert scene.answers == [
            ControllerFault("set_output: so slow that a lower set-point came too late [INV-08]")
        ]
        assert scene.outlet.leases == [(0.0, 0.5)]


async def test_a_lease_that_the_session_lets_lapse_is_no_fault() -> None:
    async with open_scene() as scene:
        await scene.energise(HIGH)
        await asyncio.sleep(3.0)
        assert scene.answers == []
        assert scene.complaints == []


async def test_a_lease_that_could_not_be_passed_on_is_passed_on_with_the_next() -> None:
    async with open_scene() as scene:
        scene.outlet.gives["lease"] = RuntimeError("no wire")
        scene.renew()
        assert scene.answers == [ControllerFault("lease: RuntimeError: no wire")]
        del scene.outlet.gives["lease"]
        scene.renew()
        assert scene.outlet.leases == [(0.0, 0.5)]


# --- words ---


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "no answer in time"),
        (TimeoutError("bus"), "TimeoutError: bus"),
        (OSError(), "OSError"),
        (OSError("no wire"), "OSError: no wire"),
    ],
)
def test_an_error_as_text(error: Exception, expected: str) -> None:
    assert what(error) == expected


async def test_a_loop_that_is_cancelled_calls_nothing_more() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 50.0
        await scene.energise(CLOSE, LOW, seconds=99.0)
        await scene.actuator.close()
        await asyncio.sleep(1.0)
        assert scene.outlet.calls == [(0.0, "close")]
        assert scene.answers == []


async def test_a_call_that_was_given_up_leaves_a_loop_like_any_other() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 50.0
        await scene.energise(CLOSE)
        await asyncio.sleep(1.1)
        scene.actuator.give_up()
        scene.outlet.gives["close"] = asyncio.CancelledError()
        scene.outlet.takes.clear()
        await scene.energise(CLOSE, LOW)
        assert scene.outlet.calls[-1][1] == "set 10"
        assert ControllerFault("close_contactor: cancelled within the driver") in scene.answers
        scene.outlet.takes["set 50"] = 50.0
        await scene.energise(HIGH)
        calls = len(scene.outlet.calls)
        await scene.actuator.close()
        assert scene.outlet.cancelled == ["close", "set 50"]
        assert len(scene.outlet.calls) == calls


@pytest.mark.inv("INV-03")
async def test_an_off_within_its_patience_resorts_no_more_once_the_call_has_returned() -> None:
    async with open_scene() as scene:
        scene.outlet.takes["close"] = 0.3
        await scene.energise(CLOSE)
        scene.actuator.order(OPEN)
        await asyncio.sleep(3.0)
        assert scene.outlet.calls == [(0.0, "close"), (0.3, "open")]
        assert scene.trips == []


# --- discharge ---------------------------------------------------------------------------------------------


class BothWays(Outlet, Discharges):
    """A power stage that takes energy out of the vehicle as well."""

    async def set_discharge(self, least_voltage: float, current: float) -> None:
        await self.call(f"discharge {least_voltage:g} V {current:g} A", None)


async def test_a_negative_set_point_is_a_discharge_with_its_magnitude() -> None:
    async with open_scene() as scene:
        outlet = BothWays()
        answers: list[Answer] = []
        actuator = Actuator(outlet, TIMING, reports=HeardReports(scene.complaints), discharge=outlet)
        actuator.begin(answers.append)
        actuator.renew(asyncio.get_running_loop().time() + 0.5)
        for command in (HIGH, SetOutput(350.0, -20.0), OFF):
            actuator.order(command)
            await asyncio.sleep(0.01)
        assert [name for _, name in outlet.calls] == ["set 50", "discharge 350 V 20 A", "off"]
        assert answers == []
        assert scene.complaints == []
        await actuator.close()


async def test_a_controller_that_cannot_discharge_fails_and_is_not_called() -> None:
    async with open_scene() as scene:
        await scene.energise(SetOutput(350.0, -20.0))
        assert scene.outlet.calls == []
        assert [type(answer) for answer in scene.answers] == [ControllerFault]
