"""The scripted EV with any station: `python examples/scripted_ev.py INTERFACE [--dc] [--tls]`.

It finds the station by SDP on that interface, as a car does. Without an interface it charges at a simulated
station on the loopback interface.
"""

import argparse
import asyncio
import contextlib

from secc import EnergyConfig, EnergyMode, SeccConfig, Station
from secc.messages.iso2 import EnergyTransferMode
from secc.sdp import SDP_PORT
from secc.sim import (
    Exchange,
    Plan,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedDcEvse,
)


async def main() -> int:
    parser = argparse.ArgumentParser(description="charge at a station")
    parser.add_argument("interface", nargs="?", help="network interface that leads to the station")
    parser.add_argument("--dc", action="store_true", help="DC instead of AC")
    parser.add_argument("--tls", action="store_true", help="with TLS; any certificate is accepted")
    options = parser.parse_args()

    cable, port = SimulatedCable(), SDP_PORT
    mode = EnergyTransferMode.DC_EXTENDED if options.dc else EnergyTransferMode.AC_THREE_PHASE_CORE
    async with contextlib.AsyncExitStack() as stack:
        if options.interface is None:
            port = 25122
            outlet = SimulatedDcEvse(cable) if options.dc else SimulatedAcEvse(cable)
            config = SeccConfig(interface="lo", energy=EnergyConfig(modes=(EnergyMode(mode.value),)))
            await stack.enter_async_context(Station(config, outlet, SimulatedBackend(), sdp_port=port))
        car = ScriptedEvcc(
            Plan(mode=mode, loops=10, pace=0.2),
            cable=cable,
            interface=options.interface or "lo",
            tls=options.tls,
            sdp_port=port,
            on_exchange=show,
        )
        result = await car.charge()
    print(result.error or f"charged {result.energy:.1f} Wh at {result.peer}")
    return 0 if result.completed else 1


def show(exchange: Exchange) -> None:
    """One request with its response."""
    name, code = type(exchange.request).__name__, getattr(exchange.response, "response_code", "")
    print(f"{exchange.at:6.2f} s  {name:<28} {code}  {exchange.response_time * 1000:.1f} ms")


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
