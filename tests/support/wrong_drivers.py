"""All wrong drivers with the row that each breaks; some break a row in another way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from secc.session.outlet import IsolationLevel
from tests.support.outlets import AcOutlet, DcOutlet
from tests.support.wrong_dc_outlets import (
    CheckGoesOn,
    CheckGoesTooHigh,
    CheckIgnoresLease,
    CheckLeavesVoltage,
    CheckReturnsTrue,
    HalfTheVoltage,
    LateSetPoint,
    LateSetPointAfterSafe,
    NoDischarge,
    Overshoots,
    SlowCheck,
    SlowSetOutput,
)
from tests.support.wrong_outlets import (
    AlwaysClosed,
    AnswersAtOnce,
    Blocking,
    ChangesAllTheTime,
    ClosesAgain,
    ClosesWithoutLease,
    KeepsLock,
    LateWrite,
    LeaseFromClosing,
    LeaseRevives,
    MakeSafeLeavesOn,
    MakeSafeOnce,
    MakeSafeRaises,
    MakeSafeReturnsFalse,
    MeterFalls,
    Misspelt,
    NearlyChanged,
    NeverChanges,
    NeverCloses,
    NoSeconds,
    NotANumber,
    NoWatchdog,
    OpenAnswersAtOnce,
    OpenAnswersFalse,
    SlowClose,
    SlowLease,
    SlowMakeSafe,
    SlowOpen,
    SlowSnapshot,
    Swallows,
    SyncMakeSafe,
)


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
