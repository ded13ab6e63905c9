"""A simulated AC station and a simulated car in one process, over real sockets on the loopback interface.

Station and car share a `SimulatedCable`: it carries the control pilot and the current, the sockets carry the
messages. Each message is printed with its time as the station sees it.
"""

import asyncio

from secc import Record, SeccConfig, Station
from secc.messages.iso2 import EnergyTransferMode, V2GMessage
from secc.records import MessageRecord
from secc.sim import Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedBackend, SimulatedCable

PORT = 25118  # of discovery; a real station keeps to the 15118 of the standard


async def main() -> None:
    cable = SimulatedCable()
    outlet = SimulatedAcEvse(cable)
    config = SeccConfig(evse_id="ZZ*000*E1", interface="lo")
    async with Station(config, outlet, SimulatedBackend(delay=0.2), reporter=show, sdp_port=PORT):
        plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=10)
        car = ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=PORT)
        result = await car.charge()
    assert result.completed, result.error
    print(f"{result.duration:.1f} s, {outlet.energy:.2f} Wh on the meter")


def show(record: Record) -> None:
    """Called by the station for everything that happens; has to return at once."""
    if isinstance(record, MessageRecord):
        body = record.message.body if isinstance(record.message, V2GMessage) else record.message
        print(f"{record.at:10.3f}  {record.direction.value:<8}  {type(body).__name__}")


if __name__ == "__main__":
    asyncio.run(main())
