"""Eight outlets in one process: one station each, one event loop for all, eight simulated cars at once.

In a charger each station has the interface of its charging cable (eth1, eth2, ...) and an EVSE id. Here
they live side by side on the loopback interface, each with a port for discovery.
"""

import asyncio
import contextlib
import gc

from secc import EnergyConfig, EnergyMode, SeccConfig, Station
from secc.sim import Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable, SimulatedDcEvse

OUTLETS = 8
FIRST_PORT = 25200  # of discovery; real stations have an interface each and keep to port 15118
SITE_POWER = 80_000.0  # W for all outlets together


async def main() -> None:
    async with contextlib.AsyncExitStack() as stack:
        stations, cables = [], []
        for number in range(OUTLETS):
            config = SeccConfig(
                evse_id=f"ZZ*000*E{number + 1}",
                interface="lo",
                energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)),
            )
            cable = SimulatedCable()
            outlet = SimulatedDcEvse(cable)  # reports changes, so it is never polled
            station = Station(config, outlet, SimulatedBackend(), sdp_port=FIRST_PORT + number)
            stations.append(await stack.enter_async_context(station))
            cables.append(cable)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not visited by each full collection

        cars = [
            ScriptedEvcc(Plan(loops=10), cable=cable, interface="lo", sdp_port=FIRST_PORT + number)
            for number, cable in enumerate(cables)
        ]
        charging = [asyncio.create_task(car.charge()) for car in cars]
        for station in stations:  # shared power: each outlet gets its part, in the same event loop
            station.limit_power(SITE_POWER / OUTLETS)
        results = await asyncio.gather(*charging)
        late = max(station.health.loop_lag for station in stations)

    assert all(result.completed for result in results), [result.error for result in results]
    energy = sum(result.energy for result in results)
    print(f"{OUTLETS} cars charged {energy:.0f} Wh; the event loop was late by {late * 1e3:.0f} ms at most")


if __name__ == "__main__":
    asyncio.run(main())
