"""Outlets that break one row of the contract each: calls, snapshot, make_safe, lease and contactor."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

import msgspec

from secc.session.outlet import EvseSnapshot, MeterReading
from tests.support.outlets import AcOutlet, now

# --- AC and DC: methods ------------------------------------------------------------------------------------


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


# --- snapshot, changed -------------------------------------------------------------------------------------


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


# --- make_safe ---------------------------------------------------------------------------------------------


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


# --- lease -------------------------------------------------------------------------------------------------


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


# --- contactor ---------------------------------------------------------------------------------------------


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
