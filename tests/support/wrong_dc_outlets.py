"""DC outlets that break one row of the contract each."""

from __future__ import annotations

import asyncio

from secc.session.outlet import IsolationLevel
from tests.support.outlets import DcOutlet, now


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
