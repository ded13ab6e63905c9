"""The run: it never energises without permission, and always leaves the output off."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.settings import SeccConfig, TimingConfig
from secc.testing import ControllerReport, Rig, RowState, check_controller
from tests.support.fasttime import play_fast
from tests.support.outlets import AcOutlet, DcOutlet
from tests.support.wrong_outlets import MakeSafeLeavesOn, NoWatchdog


def play(scenario: Coroutine[Any, Any, ControllerReport]) -> ControllerReport:
    return play_fast(scenario, sockets=False)


class Recorded(AcOutlet):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def lease(self, seconds: float) -> None:
        self.calls.append("lease")
        super().lease(seconds)

    async def close_contactor(self) -> bool:
        self.calls.append("close_contactor")
        return await super().close_contactor()

    async def open_contactor(self) -> bool:
        self.calls.append("open_contactor")
        return await super().open_contactor()

    async def make_safe(self) -> None:
        self.calls.append("make_safe")
        await super().make_safe()


def test_without_leave_nothing_is_called_that_could_switch_on() -> None:
    outlet = Recorded()
    report = play(check_controller(outlet, rig=outlet.rig()))
    assert set(outlet.calls) == {"make_safe", "open_contactor"}
    assert report.good
    assert report.state("lease-lapse") is RowState.NOT_TRIED


def test_without_leave_a_dc_outlet_gets_no_set_point_and_no_isolation_test() -> None:
    async def checked() -> ControllerReport:
        outlet = DcOutlet()
        report = await check_controller(outlet, dc=True)
        assert {what for _, what in outlet.commands} == {"open", "set 0 V 0 A"}
        return report

    assert play(checked()).good


def test_make_safe_is_the_last_call() -> None:
    outlet = Recorded()
    play(check_controller(outlet, energise=True))
    assert outlet.calls[-1] == "make_safe"


@pytest.mark.loop("virtual")
async def test_a_cancelled_run_leaves_the_output_off() -> None:
    async def cancelled() -> list[str]:
        outlet = Recorded()
        run = asyncio.create_task(check_controller(outlet, energise=True))
        while not outlet.closed:  # noqa: ASYNC110  it is looked at
            await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not outlet.closed
        return outlet.calls

    assert (await cancelled())[-1] == "make_safe"


class CannotSwitchOff(MakeSafeLeavesOn, NoWatchdog):
    """Neither `make_safe` nor the end of the lease switches off; `open_contactor` does."""


class NeverOff(CannotSwitchOff):
    async def open_contactor(self) -> bool:
        return False


def test_open_contactor_is_the_way_out_when_make_safe_does_not_switch_off() -> None:
    outlet = CannotSwitchOff()
    report = play(check_controller(outlet, energise=True))
    assert not outlet.shut
    assert report.evidence.unsafe == ""
    assert not report.good


def test_an_output_that_stays_on_ends_the_run_and_is_reported() -> None:
    report = play(check_controller(NeverOff(), energise=True))
    assert "contactor closed" in report.evidence.unsafe
    assert "after make_safe" in report.evidence.stopped
    assert not report.good
    with pytest.raises(AssertionError, match="the output may be on"):
        report.raise_for_failures()


async def never() -> None:
    await asyncio.Event().wait()


class HangingClose(AcOutlet):
    async def close_contactor(self) -> bool:
        await never()
        return True


class HangingOpen(AcOutlet):
    async def open_contactor(self) -> bool:
        await never()
        return True


class HangingMakeSafe(AcOutlet):
    async def make_safe(self) -> None:
        await never()


class HangingSetOutput(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> None:
        if voltage:
            await never()


class HangingCheck(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await never()
        return IsolationLevel.VALID


@pytest.mark.parametrize(
    ("make", "row", "method"),
    [
        (HangingClose, "close-time", "close_contactor"),
        (HangingOpen, "open-time", "open_contactor"),
        (HangingMakeSafe, "make-safe-time", "make_safe"),
        (HangingSetOutput, "set-output-time", "set_output"),
        (HangingCheck, "check-time", "check_cable"),
    ],
)
def test_a_call_that_does_not_return_ends_the_run(
    make: type[AcOutlet | DcOutlet], row: str, method: str
) -> None:
    async def checked() -> ControllerReport:
        return await check_controller(make(), CONFIG, dc=issubclass(make, DcOutlet), energise=True)

    report = play(checked())
    assert {one.row.id for one in report.failed} == {row}
    assert report.evidence.stopped == f"{method} did not return"


CONFIG = SeccConfig(timing=TimingConfig(cable_check=5.0))


class NoFeedback(AcOutlet):
    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(super().snapshot(), contactor_closed=None)


def test_an_outlet_without_feedback_gets_a_warning_and_no_failure() -> None:
    report = play(check_controller(NoFeedback(), energise=True))
    assert report.good
    assert report.state("feedback") is RowState.WARNING
    assert report.state("close") is RowState.OK
    assert report.state("lease-lapse") is RowState.NOT_TRIED


class Waits(AcOutlet):
    async def close_contactor(self) -> bool:
        time.sleep(0.08)  # noqa: ASYNC251  that is the fault
        return await super().close_contactor()


class Computes(AcOutlet):
    async def close_contactor(self) -> bool:
        end = time.thread_time() + 0.08
        while time.thread_time() < end:
            pass
        return await super().close_contactor()


@pytest.mark.parametrize("make", [Waits, Computes])
def test_waiting_and_computing_hold_up_the_loop_alike(make: type[AcOutlet]) -> None:
    report = play(check_controller(make(), energise=True))
    # On a busy machine a loop that is held up may also renew a lease too late.
    assert {one.row.id for one in report.failed} - {"lease-lapse"} == {"blocking"}


class RaisingSnapshot(AcOutlet):
    def snapshot(self) -> EvseSnapshot:
        raise OSError("no answer")


def test_a_snapshot_that_raises_is_one_failure() -> None:
    report = play(check_controller(RaisingSnapshot(), energise=True))
    assert {one.row.id: one.seen for one in report.failed} == {"snapshot-values": "raised OSError: no answer"}


class ClosesInStateC(AcOutlet):
    async def close_contactor(self) -> bool:
        return self.pilot.wants_energy and await super().close_contactor()


def test_an_outlet_that_wants_control_pilot_c_is_not_failed_without_it() -> None:
    report = play(check_controller(ClosesInStateC(), energise=True))
    assert report.good
    assert report.state("close") is report.state("lease-lapse") is RowState.NOT_TRIED


def test_a_rig_that_moves_the_pilot_gives_it_control_pilot_c() -> None:
    outlet = ClosesInStateC()
    report = play(check_controller(outlet, energise=True, rig=Rig(pilot=outlet.move)))
    assert report.state("close") is report.state("lease-lapse") is RowState.OK
    assert outlet.pilot == "B", "the rig is left as it was found"


class NoMonitor(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.NO_IMD


def test_an_outlet_without_isolation_monitor_gets_a_warning() -> None:
    async def checked() -> ControllerReport:
        return await check_controller(NoMonitor(), dc=True, energise=True)

    report = play(checked())
    assert report.good
    assert report.state("check") is RowState.WARNING


def test_progress_is_reported_for_every_exercise() -> None:
    seen: list[tuple[str, int, int]] = []
    play(check_controller(AcOutlet(), energise=True, progress=lambda *what: seen.append(what)))
    assert [name for name, _, _ in seen][:3] == ["rest", "switch", "lapse"]
    assert [number for _, number, _ in seen] == list(range(1, seen[0][2] + 1))


class ThreadDriver:
    """Writes in a thread: a call that is overtaken still writes. `guarded` looks before it writes."""

    def __init__(self, *, guarded: bool) -> None:
        self.guarded = guarded
        self.lock = threading.Lock()
        self.orders = 0
        self.shut = False
        self.until = 0.0

    def snapshot(self) -> EvseSnapshot:
        with self.lock:
            self.shut = self.shut and time.monotonic() < self.until
            return msgspec.structs.replace(_AT_REST, utc=time.time(), contactor_closed=self.shut)

    def lease(self, seconds: float) -> None:
        with self.lock:
            self.shut = self.shut and time.monotonic() < self.until
            self.until = time.monotonic() + seconds

    async def close_contactor(self) -> bool:
        return await asyncio.to_thread(self.write, self.orders)

    def write(self, order: int) -> bool:
        time.sleep(0.1)
        with self.lock:
            lapsed = time.monotonic() >= self.until
            if lapsed or (self.guarded and order != self.orders):
                return False
            self.shut = True
            return True

    async def open_contactor(self) -> bool:
        await self.make_safe()
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.INVALID

    async def set_output(self, voltage: float, current: float) -> None:
        pass

    async def make_safe(self) -> None:
        with self.lock:
            self.orders += 1
            self.shut = False


_AT_REST = EvseSnapshot(control_pilot=AcOutlet().pilot)


@pytest.mark.parametrize(("guarded", "failed"), [(False, {"make-safe-overtakes"}), (True, set())])
async def test_a_real_thread_that_writes_late_is_seen(guarded: bool, failed: set[str]) -> None:
    config = SeccConfig(timing=TimingConfig(lease=0.4, lease_renewal=0.1))
    report = await check_controller(ThreadDriver(guarded=guarded), config, energise=True)
    assert {one.row.id for one in report.failed} == failed
