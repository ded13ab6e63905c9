"""Execution of the outputs of a session: order, overtaking, failures that become inputs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from secc.session.battery_events import SocReadingBegun
from secc.session.contract_events import AuthorizeContract, ContractDecided, Verdict
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    SchedulesOffered,
)
from secc.session.outlet import EvseFault, IsolationLevel
from secc.session.outputs import (
    AskSchedules,
    Authorize,
    CloseContactor,
    OpenContactor,
    RenewLease,
    SetOutput,
    StartCableCheck,
)
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.ticket import Ticket
from secc.settings import EnergyMode
from secc.station.actuator import Actuator
from secc.station.contracts import StationContracts
from secc.station.outlet import Answer, Outlet
from tests.support.reports import HeardReports
from tests.support.wire import GrantingBackend, RecordingOutlet, config, eventually

pytestmark = pytest.mark.loop("virtual")

TICKET = Ticket(1, 1)
NEED = EnergyNeed(mode=EnergyMode.DC_CORE, departure=None, energy=None, max_power=None, max_steps=1)
OFFER = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 11_000.0),), 3600),))


class Scene:
    """An outlet with everything it touches."""

    def __init__(self) -> None:
        self.controller = RecordingOutlet()
        self.backend = GrantingBackend()
        self.answers: list[Answer] = []
        self.complaints: list[str] = []
        self.tripped: list[tuple[EvseFault, str]] = []
        made = config(controller_call=0.1, backend_call=0.1, cable_check=0.1)
        self.actuator = Actuator(
            self.controller,
            made.timing,
            reports=HeardReports(self.complaints),
            trip=lambda fault, why: self.tripped.append((fault, why)),
        )
        self.outlet = Outlet(
            made,
            self.controller,
            self.backend,
            report=self.answers.append,
            reports=HeardReports(self.complaints),
            actuator=self.actuator,
        )

    def energise(self, *commands: CloseContactor | StartCableCheck | SetOutput) -> None:
        """With a lease, as the session does it."""
        self.outlet.perform(RenewLease(0.5))
        for command in commands:
            self.outlet.perform(command)

    async def until_answered(self, *answers: Answer) -> None:
        await eventually(lambda: self.answers == list(answers))


@contextlib.asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.outlet.release()
    await scene.actuator.close()


async def test_a_closed_contactor_is_reported() -> None:
    async with open_scene() as scene:
        scene.energise(CloseContactor(TICKET))
        await scene.until_answered(ContactorReported(TICKET, closed=True))


async def test_a_contactor_that_fails_is_reported_as_not_closed() -> None:
    async with open_scene() as scene:
        scene.controller.fail.add("close_contactor")
        scene.energise(CloseContactor(TICKET))
        await scene.until_answered(
            ControllerFault("close_contactor: RuntimeError: close_contactor failed"),
            ContactorReported(TICKET, closed=False),
        )


async def test_a_contactor_that_hangs_is_reported_as_not_closed() -> None:
    async with open_scene() as scene:
        scene.controller.hang.add("close_contactor")
        scene.energise(CloseContactor(TICKET))
        await scene.until_answered(
            ControllerFault("close_contactor: no answer in time", EvseFault.SWITCH_OFF),
            ContactorReported(TICKET, closed=False),
        )
        assert scene.tripped == [(EvseFault.SWITCH_OFF, "close_contactor: no answer in time")]


async def test_opening_waits_for_a_closing_in_progress_and_make_safe_does_not_wait_without_end() -> None:
    async with open_scene() as scene:
        scene.controller.hang.add("close_contactor")
        scene.energise(CloseContactor(TICKET))
        await eventually(lambda: scene.controller.calls == ["close_contactor"])
        scene.outlet.perform(OpenContactor())
        await eventually(lambda: scene.controller.calls == ["close_contactor", "make_safe"])
        assert scene.answers == [ControllerFault("close_contactor: no answer in time", EvseFault.SWITCH_OFF)]


@pytest.mark.parametrize(
    ("trouble", "fault", "why"),
    [
        ("hang", EvseFault.SWITCH_OFF, "open_contactor: no answer in time"),
        ("fail", EvseFault.SWITCH_OFF, "open_contactor: RuntimeError: open_contactor failed"),
        ("weld", EvseFault.CONTACTOR, "open_contactor: the contactor did not open"),
    ],
)
async def test_a_contactor_that_does_not_open_blocks_the_outlet(
    trouble: str, fault: EvseFault, why: str
) -> None:
    async with open_scene() as scene:
        getattr(scene.controller, trouble).add("open_contactor")
        scene.outlet.perform(OpenContactor())
        await scene.until_answered(ControllerFault(why, fault))
        assert scene.tripped == [(fault, why)]
        await eventually(lambda: scene.controller.calls == ["open_contactor", "make_safe"])


async def test_a_cable_check_is_reported() -> None:
    async with open_scene() as scene:
        scene.energise(StartCableCheck(TICKET, 500.0))
        await scene.until_answered(CableCheckReported(TICKET, IsolationLevel.VALID))


async def test_a_cable_check_that_hangs_has_no_valid_result() -> None:
    async with open_scene() as scene:
        scene.controller.hang.add("check_cable")
        scene.energise(StartCableCheck(TICKET, 500.0))
        await scene.until_answered(
            ControllerFault("check_cable: no answer in time", EvseFault.SWITCH_OFF),
            CableCheckReported(TICKET, IsolationLevel.INVALID),
        )


async def test_of_many_set_points_only_the_newest_waits() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["set_output 400 1"] = asyncio.Event()
        scene.energise(SetOutput(400.0, 1.0))
        await eventually(lambda: len(scene.controller.calls) == 1)
        for current in (2.0, 3.0, 4.0):
            scene.energise(SetOutput(400.0, current))
        gate.set()
        await eventually(lambda: len(scene.controller.calls) == 2)
        await asyncio.sleep(0.01)
        assert scene.controller.calls == ["set_output 400 1", "set_output 400 4"]


async def test_switching_off_goes_ahead_of_what_waits_and_drops_it() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["set_output 400 1"] = asyncio.Event()
        scene.energise(SetOutput(400.0, 1.0))
        await eventually(lambda: scene.controller.calls == ["set_output 400 1"])
        scene.outlet.perform(SetOutput(400.0, 2.0))
        scene.outlet.perform(SetOutput(0.0, 0.0))
        scene.outlet.perform(OpenContactor())
        await scene.outlet.off_heard(by=0.0)
        assert scene.outlet.off_pending
        gate.set()
        await eventually(lambda: not scene.outlet.off_pending)
        assert scene.controller.calls == ["set_output 400 1", "set_output 0 0", "open_contactor"]
        assert scene.answers == []


async def test_what_is_ordered_after_an_off_that_waits_comes_after_it() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["set_output 400 1"] = asyncio.Event()
        scene.energise(SetOutput(400.0, 1.0))
        await eventually(lambda: scene.controller.calls == ["set_output 400 1"])
        scene.outlet.perform(SetOutput(0.0, 0.0))
        scene.energise(SetOutput(400.0, 2.0))
        leases = scene.controller.leases
        gate.set()
        await eventually(lambda: len(scene.controller.calls) == 3)
        assert scene.controller.calls == ["set_output 400 1", "set_output 0 0", "set_output 400 2"]
        assert scene.controller.leases == leases + 1
        assert scene.answers == []


async def test_closing_waits_for_an_opening_in_progress() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["open_contactor"] = asyncio.Event()
        scene.outlet.perform(OpenContactor())
        await eventually(lambda: scene.controller.calls == ["open_contactor"])
        scene.energise(CloseContactor(TICKET))
        await asyncio.sleep(0.02)
        assert scene.controller.calls == ["open_contactor"]
        assert scene.answers == []
        gate.set()
        await scene.until_answered(ContactorReported(TICKET, closed=True))
        assert scene.controller.closed


async def test_an_off_with_nothing_in_its_way_is_heard_in_the_next_turn_of_the_loop() -> None:
    async with open_scene() as scene:
        scene.outlet.perform(SetOutput(0.0, 0.0))
        assert scene.outlet.off_pending
        await scene.outlet.off_heard(by=0.0)
        assert not scene.outlet.off_pending
        assert scene.controller.calls == ["set_output 0 0"]


async def test_a_set_point_that_fails_is_a_fault() -> None:
    async with open_scene() as scene:
        scene.controller.fail.add("set_output 400 1")
        scene.energise(SetOutput(400.0, 1.0))
        await scene.until_answered(ControllerFault("set_output: RuntimeError: set_output 400 1 failed"))


async def test_a_lease_is_renewed_at_once() -> None:
    async with open_scene() as scene:
        scene.outlet.perform(RenewLease(0.5))
        assert scene.controller.leases == 1


async def test_a_lease_counts_from_the_decision() -> None:
    async with open_scene() as scene:
        now = asyncio.get_running_loop().time()
        scene.outlet.perform(RenewLease(0.5), now - 0.6)
        scene.outlet.perform(CloseContactor(TICKET))
        fault = "close_contactor: not called, the lease has lapsed before its turn"
        await scene.until_answered(ControllerFault(fault), ContactorReported(TICKET, closed=False))
        assert scene.controller.calls == []
        assert scene.controller.leases == 0


async def test_a_lease_that_fails_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: RecordingOutlet, seconds: float) -> None:
        raise OSError("no driver")

    monkeypatch.setattr(RecordingOutlet, "lease", broken)

    async with open_scene() as scene:
        scene.outlet.perform(RenewLease(0.5))
        assert scene.answers == [ControllerFault("lease: OSError: no driver")]


@pytest.mark.parametrize("granted", [True, False])
async def test_the_back_end_decides_who_may_charge(granted: bool) -> None:
    async with open_scene() as scene:
        scene.backend.granted = granted
        scene.outlet.perform(Authorize(TICKET))
        await scene.until_answered(AuthorizationDecided(TICKET, granted=granted))


async def test_a_back_end_that_fails_grants_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: GrantingBackend, evse_id: str) -> bool:
        raise ConnectionError("offline")

    monkeypatch.setattr(GrantingBackend, "authorize_external", broken)

    async with open_scene() as scene:
        scene.outlet.perform(Authorize(TICKET))
        await scene.until_answered(AuthorizationDecided(TICKET, granted=False))
        assert scene.complaints == ["authorize_external: ConnectionError: offline"]


async def test_an_authorization_can_be_withdrawn() -> None:
    async with open_scene() as scene:
        scene.outlet.perform(Authorize(TICKET))
        await scene.until_answered(AuthorizationDecided(TICKET, granted=True))
        scene.outlet.withdraw()
        assert scene.answers[1:] == [AuthorizationDecided(TICKET, granted=False)]


@pytest.mark.inv("INV-11")
async def test_an_authorization_can_be_withdrawn_before_it_is_asked_for() -> None:
    async with open_scene() as scene:
        scene.outlet.withdraw()
        assert scene.answers == []
        scene.outlet.perform(Authorize(TICKET))
        await asyncio.sleep(0)
        assert scene.answers == [AuthorizationDecided(TICKET, granted=False)]
        assert scene.backend.asked == []


@pytest.mark.inv("INV-11")
async def test_a_contract_is_not_asked_about_after_a_withdrawal() -> None:
    async with open_scene() as scene:
        scene.outlet._contracts = cast(StationContracts, object())  # is not asked
        scene.outlet.withdraw()
        scene.outlet.perform(AuthorizeContract(TICKET, cast(Any, None)))
        assert scene.answers == [ContractDecided(TICKET, Verdict.WITHDRAWN)]


async def test_schedules_come_from_the_back_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def offer(self: GrantingBackend, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        assert need == NEED
        return OFFER

    monkeypatch.setattr(GrantingBackend, "schedules", offer)

    async with open_scene() as scene:
        scene.outlet.perform(AskSchedules(TICKET, NEED))
        await scene.until_answered(SchedulesOffered(TICKET, OFFER))


async def test_a_back_end_that_is_slow_has_no_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(self: GrantingBackend, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(GrantingBackend, "schedules", slow)

    async with open_scene() as scene:
        scene.outlet.perform(AskSchedules(TICKET, NEED))
        await scene.until_answered(SchedulesOffered(TICKET, None))
        assert scene.complaints == ["schedules: no answer in time"]


async def test_release_waits_for_what_is_in_progress_then_off_then_make_safe() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["close_contactor"] = asyncio.Event()
        scene.energise(CloseContactor(TICKET))
        await eventually(lambda: scene.controller.calls == ["close_contactor"])
        scene.energise(SetOutput(400.0, 1.0))
        scene.outlet.perform(OpenContactor())
        released = asyncio.create_task(scene.outlet.release())
        await asyncio.sleep(0.01)
        assert scene.controller.calls == ["close_contactor"]
        gate.set()
        await released
        assert scene.controller.calls == ["close_contactor", "open_contactor", "make_safe"]
        assert scene.answers == []


async def test_a_call_that_outlasts_its_session_blocks_the_outlet_and_its_late_return_changes_nothing() -> (
    None
):
    async with open_scene() as scene:
        gate = scene.controller.gates["check_cable"] = asyncio.Event()
        scene.energise(StartCableCheck(TICKET, 500.0))
        await eventually(lambda: scene.controller.calls == ["check_cable"])
        scene.outlet.perform(SetOutput(0.0, 0.0))
        await scene.outlet.release()
        assert scene.tripped == [(EvseFault.SWITCH_OFF, "check_cable: no answer in time")]
        assert scene.actuator.problem == "check_cable has not returned"
        assert set(scene.controller.calls) == {"check_cable", "make_safe"}
        gate.set()
        await eventually(lambda: not scene.actuator.problem)
        assert scene.controller.calls[-2:] == ["make_safe", "set_output 0 0"]
        assert "returned after" in scene.complaints[-1]
        assert scene.answers == []


async def test_a_call_past_its_limit_is_given_up_only_when_it_is_looked_at() -> None:
    async with open_scene() as scene:
        scene.controller.hang.add("open_contactor")
        scene.outlet.perform(OpenContactor())
        await scene.outlet.release()
        await asyncio.sleep(0.2)
        assert scene.actuator.problem == "open_contactor has not returned"
        scene.actuator.give_up()
        await eventually(lambda: not scene.actuator.problem)
        assert scene.controller.calls[-1] == "make_safe"


async def test_a_driver_that_is_cancelled_from_within_has_failed() -> None:
    async with open_scene() as scene:
        gate = scene.controller.gates["close_contactor"] = asyncio.Event()
        inner: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        inner.cancel()
        gate.wait = lambda: inner  # type: ignore[method-assign, assignment, return-value]
        scene.energise(CloseContactor(TICKET))
        await scene.until_answered(
            ControllerFault("close_contactor: cancelled within the driver"),
            ContactorReported(TICKET, closed=False),
        )


async def test_after_release_nothing_is_performed() -> None:
    async with open_scene() as scene:
        await scene.outlet.release()
        scene.energise(CloseContactor(TICKET))
        scene.outlet.perform(RenewLease(0.5))
        await asyncio.sleep(0.01)
        assert scene.controller.calls == ["make_safe"]
        assert scene.controller.leases == 0


async def test_an_answer_that_cannot_be_taken_is_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_scene() as scene:

        def refuse(answer: Answer) -> None:
            raise RuntimeError("no inbox")

        monkeypatch.setattr(scene.actuator, "_report", refuse)
        scene.energise(CloseContactor(TICKET))
        await eventually(lambda: scene.complaints == ["RuntimeError: no inbox"])


async def test_once_a_session_only_reads_nothing_that_energises_is_passed_on() -> None:
    scene = Scene()
    scene.outlet.perform(SocReadingBegun())
    scene.energise(CloseContactor(Ticket(1, 1)), StartCableCheck(Ticket(1, 2), 400.0), SetOutput(400.0, 10.0))
    await asyncio.sleep(0.02)
    assert scene.controller.calls == []
    assert scene.controller.leases == 0
    scene.outlet.perform(OpenContactor())
    await eventually(lambda: scene.controller.calls == ["open_contactor"])
