"""Simulated outlets: AC with a contactor, DC with power electronics and an isolation monitor.

They implement `secc.ports.EvseController` and obey it to the letter, in particular the lease: when it is not
renewed the output goes off by itself, at that moment, independent of the rest of the program.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable

from secc.pilot import STEADY, PilotSignal
from secc.ports import ChargesBasically, Discharges, DrivesPilot, EvseController, ReportsChanges
from secc.session.outlet import EvseFault, EvseSnapshot, IsolationLevel, MeterReading
from secc.sim.cable import SimulatedCable
from secc.sim.physics import Contactor, DcOutput, Lease, Meter

__all__ = ["Clock", "SimulatedAcEvse", "SimulatedDcEvse", "Sleep"]

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class _Outlet(EvseController, ReportsChanges, DrivesPilot, ChargesBasically):
    """The common part of AC and DC: cable, lease, meter, faults, and reports of changes."""

    def __init__(
        self,
        cable: SimulatedCable | None = None,
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
        meter_id: str = "SIM00001",
        meter_start: float = 0.0,
    ) -> None:
        """`cable` is shared with the EV; without one a vehicle in state B is assumed. Clocks in seconds."""
        self.cable = cable if cable is not None else SimulatedCable()
        self.commands: collections.deque[tuple[float, str]] = collections.deque(maxlen=1000)
        """What was ordered lately, with the moment, the lease left aside: for tests and displays."""
        self.pilot_signal = STEADY
        """What the control pilot shows, with SLAC."""
        self.basic_charging_allowed = False
        """Whether the control pilot allows charging without a message."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._meter = Meter(start=meter_start)
        self._meter_id = meter_id
        self._lease = Lease()
        self._fault: EvseFault | None = None
        self._limits: tuple[float | None, float | None] = (None, None)
        self._now = clock()
        self._change = asyncio.Event()
        self.cable.watch(before=self._settle, after=self._change.set)

    @property
    def energy(self) -> float:
        """Wh on the meter, delivered to vehicles."""
        self._settle()
        return self._meter.energy

    @property
    def exported(self) -> float:
        """Wh on the meter, taken from vehicles."""
        self._settle()
        return self._meter.exported

    def lease(self, seconds: float) -> None:
        """The output may stay on this long from now."""
        self._settle()
        self._lease.renew(seconds, self._now)

    def inject(self, fault: EvseFault) -> None:
        """A fault: the output goes off by itself, and the snapshot shows the fault."""
        self._settle()
        self._fault = fault
        self._switch_off()
        self._change.set()

    def repair(self) -> None:
        """The fault is gone. A latched one blocks the station until it is reset."""
        self._settle()
        self._fault = None
        self._change.set()

    def derate(self, *, max_current: float | None = None, max_power: float | None = None) -> None:
        """A momentary limit below the configured one, in A and W; None lifts it."""
        self._limits = (max_current, max_power)
        self._change.set()

    def drive_pilot(self, signal: PilotSignal) -> None:
        """What the control pilot shows from now on; see `secc.ports.DrivesPilot`."""
        self.pilot_signal = signal

    def basic_charging(self, allowed: bool) -> None:
        """Only noted: the simulated contactor closes in sessions; see `secc.ports.ChargesBasically`."""
        self.basic_charging_allowed = allowed

    async def changed(self) -> None:
        """Return when pilot, fault or limits have changed; see `secc.ports.ReportsChanges`."""
        await self._change.wait()
        self._change.clear()

    def _settle(self) -> None:
        """Bring the models to the present; the output falls at the very moment the lease ends."""
        now = self._clock()
        if self._now <= self._lease.until < now and self._on():
            self._advance(self._lease.until)
            self._switch_off()
            self._order("lease lapsed")
        self._advance(now)

    def _advance(self, now: float) -> None:
        if now > self._now:
            self._flow(now - self._now, now)
            self._now = now

    def _order(self, what: str) -> None:
        self.commands.append((self._now, what))

    def _reading(self) -> MeterReading:
        meter = self._meter
        utc = int(self._wall_clock())
        return MeterReading(self._meter_id, int(meter.energy), utc=utc, exported=int(meter.exported))

    def _on(self) -> bool:
        raise NotImplementedError

    def _flow(self, seconds: float, until: float) -> None:
        raise NotImplementedError

    def _switch_off(self) -> None:
        raise NotImplementedError


class SimulatedAcEvse(_Outlet):
    """One AC outlet: a contactor and a meter."""

    def __init__(
        self,
        cable: SimulatedCable | None = None,
        *,
        nominal_voltage: float = 230.0,
        contactor: Contactor | None = None,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
        meter_start: float = 0.0,
    ) -> None:
        """`nominal_voltage`: V, phase to neutral. Set `contactor.welded` or `.stuck` for a broken one."""
        self.contactor = contactor if contactor is not None else Contactor()
        self._nominal_voltage = nominal_voltage
        super().__init__(cable, clock=clock, wall_clock=wall_clock, sleep=sleep, meter_start=meter_start)

    @property
    def voltage(self) -> float:
        """V at the connector, phase to neutral."""
        self._settle()
        return self._nominal_voltage if self.contactor.closed else 0.0

    @property
    def current(self) -> float:
        """A per phase into the vehicle; below zero out of it."""
        self._settle()
        return self.cable.draw[0] if self.contactor.closed else 0.0

    @property
    def _power(self) -> float:
        return sum(self._phase_powers)

    @property
    def _phase_powers(self) -> tuple[float, float, float]:
        if not self.contactor.closed:
            return 0.0, 0.0, 0.0
        first, second, third = (self._nominal_voltage * current for current in self.cable.lines)
        return first, second, third

    def snapshot(self) -> EvseSnapshot:
        """The outlet now."""
        self._settle()
        return EvseSnapshot(
            control_pilot=self.cable.pilot,
            utc=self._wall_clock(),
            present_power=self._power,
            phase_powers=self._phase_powers,
            contactor_closed=self.contactor.closed,
            max_current=self._limits[0],
            max_power=self._limits[1],
            fault=self._fault,
            meter=self._reading(),
        )

    async def close_contactor(self) -> bool:
        """Drive the coil and wait for the contacts, or for the time in which they should have come."""
        self._settle()
        self._order("close")
        if self._fault is not None or not self._lease.holds(self._now):
            return False
        self.contactor.command(close=True, now=self._now)
        await self._wait_for_contacts()
        return self.contactor.closed

    async def open_contactor(self) -> bool:
        """Release the coil and wait for the contacts; False when they are welded."""
        self._settle()
        self._order("open")
        self.contactor.command(close=False, now=self._now)
        await self._wait_for_contacts()
        if self.contactor.closed:
            self._fault = EvseFault.CONTACTOR
            self._change.set()
        return not self.contactor.closed

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        """There is no isolation monitor in an AC outlet."""
        return IsolationLevel.NO_IMD

    async def set_output(self, voltage: float, current: float) -> None:
        """An AC outlet has no set-point."""

    async def make_safe(self) -> None:
        """Contactor open, and no lease; raises when the contacts are welded."""
        self._lease.drop()
        if not await self.open_contactor():
            raise RuntimeError("the contactor does not open")

    async def _wait_for_contacts(self) -> None:
        due = self.contactor.due
        if due is not None:
            await self._sleep(max(0.0, due - self._clock()))
            self._settle()
            self._change.set()

    def _on(self) -> bool:
        return self.contactor.closed or self.contactor.due is not None

    def _flow(self, seconds: float, until: float) -> None:
        due = self.contactor.due
        first = max(0.0, min(seconds, due - (until - seconds))) if due is not None else seconds
        for part in (first, seconds - first):
            self._meter.add(self._power, part)
            if due is not None and due <= until:
                self.contactor.advance(due)

    def _switch_off(self) -> None:
        self.contactor.command(close=False, now=self._now)


class SimulatedDcEvse(_Outlet, Discharges):
    """One DC outlet: power electronics with ramps, an isolation monitor, a meter.

    Its voltage is read on the inner side of a diode: the battery of a vehicle is not seen while it is off.
    """

    def __init__(
        self,
        cable: SimulatedCable | None = None,
        *,
        output: DcOutput | None = None,
        isolation: IsolationLevel = IsolationLevel.VALID,
        isolation_time: float = 0.3,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
        meter_start: float = 0.0,
    ) -> None:
        """`isolation` is what a test will find, `isolation_time` seconds after the voltage is there;
        it can be set later as well."""
        self.isolation = isolation
        self._isolation_time = isolation_time
        self._measured = IsolationLevel.INVALID
        self._output = output if output is not None else DcOutput()
        super().__init__(cable, clock=clock, wall_clock=wall_clock, sleep=sleep, meter_start=meter_start)

    @property
    def voltage(self) -> float:
        """V at the connector."""
        self._settle()
        return self._output.voltage

    @property
    def current(self) -> float:
        """A into the vehicle; below zero out of it."""
        self._settle()
        return self._output.current

    @property
    def enabled(self) -> bool:
        """The power electronics are driven."""
        self._settle()
        return self._output.enabled

    def snapshot(self) -> EvseSnapshot:
        """The outlet now."""
        self._settle()
        return EvseSnapshot(
            control_pilot=self.cable.pilot,
            utc=self._wall_clock(),
            present_voltage=self._output.voltage,
            present_current=self._output.current,
            contactor_closed=self._output.enabled,
            max_current=self._limits[0],
            max_power=self._limits[1],
            fault=self._fault,
            isolation=self._measured,
            meter=self._reading(),
        )

    async def close_contactor(self) -> bool:
        """The session drives a DC outlet by its set-point alone."""
        return False

    async def open_contactor(self) -> bool:
        """Take the energy off."""
        self._settle()
        self._order("open")
        self._output.set(0.0, 0.0)
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        """Raise the voltage, measure, take it off again, and wait until it has gone.

        Without a lease for the whole time, or with the output switched off in between, there is no result.
        """
        self._settle()
        self._order(f"check cable, up to {max_voltage:g} V")
        self._measured = IsolationLevel.INVALID
        if self._fault is not None:
            return IsolationLevel.INVALID
        voltage = min(max_voltage, _TEST_VOLTAGE)
        self._output.set(voltage, 0.0)
        while self.voltage < voltage and self._output.target_voltage == voltage:
            await self._sleep(0.02)
        await self._sleep(self._isolation_time)
        self._settle()
        if self._output.voltage < voltage or self._output.target_voltage != voltage:
            return IsolationLevel.INVALID
        self._measured = self.isolation
        self._output.set(0.0, 0.0)
        while self.voltage > _SAFE_VOLTAGE:
            await self._sleep(0.02)
        return self._measured

    async def set_output(self, voltage: float, current: float) -> None:
        """New set-point; the ramps begin at once."""
        self._settle()
        self._order(f"set {voltage:g} V {current:g} A")
        if voltage > 0.0 and (self._fault is not None or not self._lease.holds(self._now)):
            return
        self._output.set(voltage, current)

    async def set_discharge(self, least_voltage: float, current: float) -> None:
        """Take energy out of the vehicle; the ramps begin at once. See `secc.ports.Discharges`."""
        self._settle()
        self._order(f"discharge {least_voltage:g} V {current:g} A")
        if self._fault is not None or not self._lease.holds(self._now):
            return
        self._output.discharge(least_voltage, current)

    async def make_safe(self) -> None:
        """Output off, and no lease."""
        self._lease.drop()
        await self.open_contactor()

    def _on(self) -> bool:
        return self._output.enabled

    def _flow(self, seconds: float, until: float) -> None:
        self._meter.add(self._output.advance(seconds, self.cable.load), 1.0)

    def _switch_off(self) -> None:
        self._output.set(0.0, 0.0)


_TEST_VOLTAGE = 500.0  # V, the usual ceiling of an isolation test
_SAFE_VOLTAGE = 60.0  # V; below this a DC output counts as without voltage
