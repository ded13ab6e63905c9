"""An AC outlet on the power line: contactor, meter and control pilot of your own, SLAC before the session.

`drive_pilot` and `basic_charging` are what SLAC adds; put your driver into the methods. Modems are simulated;
leave `modem=` out for real ones.
"""

import asyncio
from time import monotonic, time

from secc.messages.iso2 import EnergyTransferMode
from secc.pilot import Drive, PilotSignal
from secc.ports import ChargesBasically, DrivesPilot, EvseController
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel, MeterReading
from secc.settings import SeccConfig, SlacConfig
from secc.sim import Plan, PowerLine, ScriptedEvcc, SimulatedBackend, SimulatedCable, SimulatedPlc, SlacEv
from secc.station.plc import PlcStation

PORT = 25121  # of discovery; a real station keeps to the 15118 of the standard


class Outlet(EvseController, DrivesPilot, ChargesBasically):
    def __init__(self, cable: SimulatedCable) -> None:
        self.cable, self.closed, self.on_until, self.energy = cable, False, 0.0, 0.0
        self.oscillating = asyncio.Event()

    def snapshot(self) -> EvseSnapshot:
        self.closed = self.closed and monotonic() < self.on_until  # better in hardware
        self.energy += 2.5 * self.closed  # your meter
        pilot, now = self.cable.pilot, time()  # your measurement
        meter = MeterReading(meter_id="METER-1", energy=int(self.energy), utc=int(now))
        return EvseSnapshot(control_pilot=pilot, utc=now, contactor_closed=self.closed, meter=meter)

    def drive_pilot(self, signal: PilotSignal) -> None:
        if signal.drive is Drive.PWM:
            self.oscillating.set()
        print("pilot:", f"{signal.duty:.0%}" if signal.drive is Drive.PWM else signal.drive.value)

    def basic_charging(self, allowed: bool) -> None:
        print("a car that does not speak may charge:", allowed)

    def lease(self, seconds: float) -> None:
        self.on_until = monotonic() + seconds

    async def close_contactor(self) -> bool:
        self.closed = True
        return self.snapshot().contactor_closed is True

    async def open_contactor(self) -> bool:
        await self.make_safe()
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.INVALID  # AC: never asked

    async def set_output(self, voltage: float, current: float) -> None:
        """AC: never asked."""

    async def make_safe(self) -> None:
        self.closed = False


async def main() -> None:
    line, cable = PowerLine(), SimulatedCable(ControlPilot.A)
    outlet = Outlet(cable)
    ours = SimulatedPlc(line, bytes.fromhex("0200000000c1"), modem_mac=bytes.fromhex("0200000000aa"))
    theirs = SimulatedPlc(line, bytes.fromhex("0200000000e1"), modem_mac=bytes.fromhex("0200000000ab"))
    config = SeccConfig(interface="lo", slac=SlacConfig(enabled=True))
    async with PlcStation(config, outlet, SimulatedBackend(), modem=ours, sdp_port=PORT):
        cable.plug_in()
        await outlet.oscillating.wait()  # a car sees it on its own side
        print(f"matched in {(await SlacEv(theirs).match()).duration:.1f} s")
        plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=5)
        result = await ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=PORT, patience=4.0).charge()
        assert result.completed, result.error
    print(f"charged: {int(outlet.energy)} Wh")


if __name__ == "__main__":
    asyncio.run(main())
