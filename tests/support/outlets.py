"""Outlets for the checks of controllers: two that keep the contract, and one for each way to break it.

Each wrong driver breaks exactly one row of the contract. Times are those of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable

import msgspec

from secc.ports import EvseController, ReportsChanges
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel, MeterReading
from secc.sim import SimulatedDcEvse
from secc.sim.physics import DcOutput
from secc.testing import Rig


def now() -> float:
    return asyncio.get_running_loop().time()


class AcOutlet(EvseController, ReportsChanges):
    """Keeps the contract: contacts with a delay, a lease, one generation of commands."""

    closing, opening = 0.05, 0.02

    def __init__(self) -> None:
        self.pilot = ControlPilot.B
        self.shut = False
        self.until = -math.inf
        self.held_open = False
        self.broken = False
        self.orders = 0
        self.moved = asyncio.Event()

    @property
    def closed(self) -> bool:
        self.shut = self.shut and now() <= self.until
        return self.shut

    def snapshot(self) -> EvseSnapshot:
        return EvseSnapshot(
            control_pilot=self.pilot, utc=time.time(), contactor_closed=self.closed, meter=self.meter()
        )

    def meter(self) -> MeterReading | None:
        return MeterReading("M1", 1000)

    def lease(self, seconds: float) -> None:
        if not self.closed:
            self.shut = False
        self.until = now() + seconds

    async def close_contactor(self) -> bool:
        self.reach()
        order = self.orders
        if now() > self.until:
            return False
        await asyncio.sleep(self.closing)
        if order == self.orders and not self.held_open and now() <= self.until:
            self.shut = True
        return self.closed

    async def open_contactor(self) -> bool:
        self.reach()
        self.orders += 1
        await asyncio.sleep(self.opening)
        self.shut = False
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.INVALID

    async def set_output(self, voltage: float, current: float) -> None:
        pass

    async def make_safe(self) -> None:
        self.reach()
        self.orders += 1
        self.until = -math.inf
        self.shut = False

    async def changed(self) -> None:
        await self.moved.wait()
        self.moved.clear()

    def reach(self) -> None:
        if self.broken:
            raise OSError("no answer from the contactor board")

    def move(self, pilot: ControlPilot) -> None:
        self.pilot = pilot
        self.moved.set()

    def hold(self, held: bool) -> None:
        self.held_open = held

    def fail(self, broken: bool) -> None:
        self.broken = broken

    def rig(self) -> Rig:
        return Rig(pilot=self.move, hold_contactor=self.hold, fail_hardware=self.fail)


class DcOutlet(SimulatedDcEvse):
    """The simulated one, on the clock of the loop."""

    discharge = 2000.0

    def __init__(self) -> None:
        self.broken = False
        super().__init__(clock=now, output=DcOutput(discharge=self.discharge))

    async def set_output(self, voltage: float, current: float) -> None:
        self.reach()
        await super().set_output(voltage, current)

    async def open_contactor(self) -> bool:
        self.reach()
        return await super().open_contactor()

    def reach(self) -> None:
        if self.broken:
            raise OSError("no answer from the power stage")

    def fail(self, broken: bool) -> None:
        self.broken = broken

    def rig(self) -> Rig:
        return Rig(pilot=self.cable.set_pilot, fail_hardware=self.fail)


# --- AC and DC: methods -------------------------------------------------------------------------------------


class Misspelt(AcOutlet):
    open_contactor = None  # type: ignore[assignment]

    async def open_contacter(self) -> bool:
        return True


class SyncMakeSafe(AcOutlet):
    def make_safe(self) -> None:  # type: ignore[override]
        self.shut = False


class NoSeconds(AcOutlet):
    def lease(self) -> None:  # type: ignore[override]
        self.until = now() + 0.5


class NearlyChanged(AcOutlet):
    changed = None  # type: ignore[assignment]

    async def change(self) -> None:
        await asyncio.sleep(1.0)


class Blocking(AcOutlet):
    async def close_contactor(self) -> bool:
        time.sleep(0.1)  # noqa: ASYNC251  that is the fault
        return await super().close_contactor()


class Swallows(AcOutlet):
    async def make_safe(self) -> None:
        with contextlib.suppress(OSError):
            await super().make_safe()


class KeepsLock(AcOutlet):
    """A cancelled call leaves the lock locked."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def close_contactor(self) -> bool:
        await self.lock.acquire()
        closed = await super().close_contactor()
        self.lock.release()
        return closed


# --- snapshot, changed --------------------------------------------------------------------------------------


class NotANumber(AcOutlet):
    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(super().snapshot(), max_power=math.nan)


class SlowSnapshot(AcOutlet):
    def snapshot(self) -> EvseSnapshot:
        time.sleep(0.004)
        return super().snapshot()


class MeterFalls(AcOutlet):
    count = 0

    def meter(self) -> MeterReading:
        self.count += 1
        return MeterReading("M1", 1000 - self.count % 2)


class ChangesAllTheTime(AcOutlet):
    async def changed(self) -> None:
        await asyncio.sleep(0.001)


class NeverChanges(AcOutlet):
    async def changed(self) -> None:
        await asyncio.Event().wait()


# --- make_safe ----------------------------------------------------------------------------------------------


class MakeSafeRaises(AcOutlet):
    async def make_safe(self) -> None:
        raise OSError("no answer")


class MakeSafeOnce(AcOutlet):
    safe = False

    async def make_safe(self) -> None:
        if self.safe and not self.closed:
            raise RuntimeError("already safe")
        self.safe = True
        await super().make_safe()


class SlowMakeSafe(AcOutlet):
    async def make_safe(self) -> None:
        await super().make_safe()
        await asyncio.sleep(5.5)


class MakeSafeLeavesOn(AcOutlet):
    async def make_safe(self) -> None:
        self.reach()


class MakeSafeReturnsFalse(AcOutlet):
    async def make_safe(self) -> bool:  # type: ignore[override]
        await super().make_safe()
        return False


class LateWrite(AcOutlet):
    """Closes in a thread, regardless of other calls."""

    closing = 0.3

    async def close_contactor(self) -> bool:
        self.reach()
        if now() > self.until:
            return False
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(self.closing, self.write, done)
        await done.wait()
        return self.closed

    def write(self, done: asyncio.Event) -> None:
        self.shut = not self.held_open
        done.set()


# --- lease --------------------------------------------------------------------------------------------------


class SlowLease(AcOutlet):
    def lease(self, seconds: float) -> None:
        time.sleep(0.004)
        super().lease(seconds)


class LeaseFromClosing(AcOutlet):
    """Counts from `close_contactor` on, regardless of renewals."""

    async def close_contactor(self) -> bool:
        closed = await super().close_contactor()
        asyncio.get_running_loop().call_later(0.5, self.lapse)
        return closed

    def lapse(self) -> None:
        self.shut = False


class NoWatchdog(AcOutlet):
    @property
    def closed(self) -> bool:
        return self.shut


class LeaseRevives(AcOutlet):
    wanted = False

    def lease(self, seconds: float) -> None:
        super().lease(seconds)
        self.shut = self.shut or self.wanted

    async def close_contactor(self) -> bool:
        self.wanted = await super().close_contactor()
        return self.wanted

    async def open_contactor(self) -> bool:
        self.wanted = False
        return await super().open_contactor()

    async def make_safe(self) -> None:
        self.wanted = False
        await super().make_safe()


class ClosesWithoutLease(AcOutlet):
    """The watchdog runs from the first lease on, not from the closing on."""

    async def close_contactor(self) -> bool:
        if now() > self.until:
            self.until = math.inf
        return await super().close_contactor()

    async def open_contactor(self) -> bool:
        return await super().open_contactor()


# --- contactor ----------------------------------------------------------------------------------------------


class NeverCloses(AcOutlet):
    async def close_contactor(self) -> bool:
        self.reach()
        return False


class SlowClose(AcOutlet):
    closing = 3.5


class AnswersAtOnce(AcOutlet):
    async def close_contactor(self) -> bool:
        self.reach()
        if now() > self.until or self.held_open:
            return False
        asyncio.get_running_loop().call_later(0.2, self.write, self.orders)
        return True

    def write(self, order: int) -> None:
        if order == self.orders:
            self.shut = True


class AlwaysClosed(AcOutlet):
    """Says True by the coil; the feedback is not asked."""

    async def close_contactor(self) -> bool:
        return await super().close_contactor() or self.held_open


class OpenAnswersFalse(AcOutlet):
    async def open_contactor(self) -> bool:
        was_closed = self.closed
        await super().open_contactor()
        return was_closed


class SlowOpen(AcOutlet):
    async def open_contactor(self) -> bool:
        opened = await super().open_contactor()
        await asyncio.sleep(5.5)
        return opened


class OpenAnswersAtOnce(AcOutlet):
    async def open_contactor(self) -> bool:
        self.reach()
        asyncio.get_running_loop().call_later(0.1, self.write)
        return True

    def write(self) -> None:
        self.shut = False


class ClosesAgain(AcOutlet):
    async def open_contactor(self) -> bool:
        was_closed = self.closed
        opened = await super().open_contactor()
        if was_closed:
            asyncio.get_running_loop().call_later(0.4, self.write)
        return opened

    def write(self) -> None:
        self.shut = True


# --- DC -----------------------------------------------------------------------------------------------------


class HalfTheVoltage(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage / 2, current)


class SlowSetOutput(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage, current)
        await asyncio.sleep(0.7)


class Overshoots(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage + 60.0 if voltage else 0.0, current)


class NoDischarge(DcOutlet):
    discharge = 20.0


class LateSetPoint(DcOutlet):
    """Every set-point is repeated after 0.3 s, as by a queue in front of the power stage."""

    async def set_output(self, voltage: float, current: float) -> None:
        before = self._output.target_voltage
        await super().set_output(voltage, current)
        if before and not voltage:
            asyncio.get_running_loop().call_later(0.3, self._output.set, before, current)


class LateSetPointAfterSafe(DcOutlet):
    """The set-point takes effect after 0.3 s, also after later commands."""

    async def set_output(self, voltage: float, current: float) -> None:
        self.reach()
        if not voltage or not self._lease.holds(now()):
            await super().set_output(0.0, 0.0)
            return
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, self.write, voltage, current, done)
        await done.wait()

    def write(self, voltage: float, current: float, done: asyncio.Event) -> None:
        self._settle()
        self._output.set(voltage, current)
        done.set()


class CheckReturnsTrue(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level = await super().check_cable(max_voltage)
        return level is IsolationLevel.VALID  # type: ignore[return-value]


class SlowCheck(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level = await super().check_cable(max_voltage)
        await asyncio.sleep(6.0)
        return level


class CheckLeavesVoltage(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level = await super().check_cable(max_voltage)
        if level is IsolationLevel.VALID:
            self._output.set(max_voltage, 0.0)
            await asyncio.sleep(0.2)
        return level


class CheckGoesTooHigh(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level = await super().check_cable(max_voltage)
        if level is IsolationLevel.VALID and self._lease.holds(now()):
            self._output.set(600.0, 0.0)
            await asyncio.sleep(0.4)
            self._settle()
            self._output.set(0.0, 0.0)
            await asyncio.sleep(0.4)
        return level


class CheckIgnoresLease(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        self._lease.renew(60.0, now())
        self._isolation_time = 3.0
        return await super().check_cable(max_voltage)


class CheckSaysValid(DcOutlet):
    """The result is that of before, when the test was broken off."""

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        await super().check_cable(max_voltage)
        return IsolationLevel.VALID


class CheckGoesOn(DcOutlet):
    """`make_safe` in the middle of it: the test sets its voltage once more."""

    def __init__(self) -> None:
        super().__init__()
        self.safe = 0

    async def make_safe(self) -> None:
        self.safe += 1
        await super().make_safe()

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        before = self.safe
        level = await super().check_cable(max_voltage)
        if before != self.safe:
            self._output.set(max_voltage, 0.0)
        return level


# --- the same rows, broken in another way -------------------------------------------------------------------


class ChangedRaises(AcOutlet):
    async def changed(self) -> None:
        raise OSError("no answer")


class MakeSafeRaisesWhenOn(AcOutlet):
    async def make_safe(self) -> None:
        if self.closed:
            raise OSError("the contactor is closed")
        await super().make_safe()


class MakeSafeRaisesBeside(AcOutlet):
    closing_now = False

    async def close_contactor(self) -> bool:
        self.closing_now = True
        try:
            return await super().close_contactor()
        finally:
            self.closing_now = False

    async def make_safe(self) -> None:
        if self.closing_now:
            raise RuntimeError("busy")
        await super().make_safe()


class LeaseRaises(AcOutlet):
    count = 0

    def lease(self, seconds: float) -> None:
        super().lease(seconds)
        self.count += 1
        if self.count == 3:
            raise OSError("no answer")


class CloseReturnsNone(AcOutlet):
    async def close_contactor(self) -> bool:
        await super().close_contactor()
        return None  # type: ignore[return-value]


class CloseRaises(AcOutlet):
    async def close_contactor(self) -> bool:
        raise OSError("no answer")


class OpenRaises(AcOutlet):
    async def open_contactor(self) -> bool:
        was_closed = self.closed
        await super().open_contactor()
        if was_closed:
            raise OSError("no answer")
        return True


class OpenReturnsNone(AcOutlet):
    async def open_contactor(self) -> bool:
        was_closed = self.closed
        await super().open_contactor()
        return None if was_closed else True  # type: ignore[return-value]


class SetOutputRaises(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> None:
        if voltage:
            raise OSError("no answer")


class SetOutputReturnsFalse(DcOutlet):
    async def set_output(self, voltage: float, current: float) -> bool:  # type: ignore[override]
        await super().set_output(voltage, current)
        return not voltage


class LateOff(DcOutlet):
    """(0, 0) completes when no task waits for it any more."""

    async def set_output(self, voltage: float, current: float) -> None:
        if voltage:
            await super().set_output(voltage, current)
        elif self._output.target_voltage:
            asyncio.get_running_loop().call_later(1.4, self._output.set, 0.0, 0.0)


class CheckRaises(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        raise OSError("no answer")


class CheckVoltageComesBack(DcOutlet):
    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        level = await super().check_cable(max_voltage)
        if level is IsolationLevel.VALID:
            asyncio.get_running_loop().call_later(0.1, self._output.set, max_voltage, 0.0)
        return level


WRONG: tuple[tuple[Callable[[], AcOutlet | DcOutlet], str], ...] = (
    (Misspelt, "methods"),
    (SyncMakeSafe, "methods"),
    (NoSeconds, "methods"),
    (NearlyChanged, "methods"),
    (Blocking, "blocking"),
    (Swallows, "raises"),
    (KeepsLock, "cancel"),
    (NotANumber, "snapshot-values"),
    (SlowSnapshot, "snapshot-quick"),
    (MeterFalls, "meter"),
    (ChangesAllTheTime, "changed-quiet"),
    (NeverChanges, "changed"),
    (MakeSafeRaises, "make-safe"),
    (MakeSafeReturnsFalse, "make-safe"),
    (MakeSafeOnce, "make-safe-repeats"),
    (SlowMakeSafe, "make-safe-time"),
    (MakeSafeLeavesOn, "make-safe-on"),
    (LateWrite, "make-safe-overtakes"),
    (LateSetPointAfterSafe, "make-safe-overtakes"),
    (SlowLease, "lease-quick"),
    (LeaseFromClosing, "lease-keeps"),
    (NoWatchdog, "lease-lapse"),
    (LeaseRevives, "lease-revives"),
    (ClosesWithoutLease, "lease-none"),
    (NeverCloses, "close"),
    (SlowClose, "close-time"),
    (AnswersAtOnce, "close-answer"),
    (AlwaysClosed, "close-false"),
    (OpenAnswersFalse, "open-off"),
    (SlowOpen, "open-time"),
    (OpenAnswersAtOnce, "open"),
    (ClosesAgain, "open-stays"),
    (HalfTheVoltage, "set-output"),
    (SlowSetOutput, "set-output-time"),
    (Overshoots, "set-output-limit"),
    (NoDischarge, "off"),
    (LateSetPoint, "off-stays"),
    (CheckReturnsTrue, "check"),
    (SlowCheck, "check-time"),
    (CheckLeavesVoltage, "check-off"),
    (CheckGoesTooHigh, "check-limit"),
    (CheckIgnoresLease, "check-lease"),
    (CheckGoesOn, "check-overtaken"),
    (ChangedRaises, "changed-quiet"),
    (MakeSafeRaisesWhenOn, "make-safe-on"),
    (MakeSafeRaisesBeside, "make-safe-overtakes"),
    (LeaseRaises, "lease-quick"),
    (CloseReturnsNone, "close-answer"),
    (CloseRaises, "close"),
    (OpenRaises, "open"),
    (OpenReturnsNone, "open"),
    (SetOutputRaises, "set-output"),
    (SetOutputReturnsFalse, "set-output"),
    (LateOff, "off"),
    (CheckRaises, "check"),
    (CheckVoltageComesBack, "check-off"),
)
"""Each driver with the row that it breaks."""
