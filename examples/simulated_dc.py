"""A simulated DC station that insists on TLS, and a simulated car that knows its V2G root.

The certificates are the test hierarchy of the repository. Shown are the voltage and the current at the
outlet: isolation test, pre-charge, charging, and off again.
"""

import asyncio
from pathlib import Path

from secc import EnergyConfig, EnergyMode, SeccConfig, Station, TlsConfig, TlsPolicy
from secc.sim import Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable, SimulatedDcEvse

PKI = Path(__file__).resolve().parents[1] / "certs/testpki"
PORT = 25119  # of discovery; a real station keeps to the 15118 of the standard


async def main() -> None:
    cable = SimulatedCable()
    outlet = SimulatedDcEvse(cable)
    config = SeccConfig(
        evse_id="ZZ*000*E2",
        interface="lo",
        energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)),
        tls=TlsConfig(
            policy=TlsPolicy.REQUIRED,
            certificate_chain=PKI / "secc_chain.pem",
            private_key=PKI / "secc_leaf_key.pem",
        ),
    )
    async with Station(config, outlet, SimulatedBackend(), sdp_port=PORT):
        car = ScriptedEvcc(
            Plan(loops=15),
            cable=cable,
            interface="lo",
            tls=True,
            roots=PKI / "v2g_root.pem",
            sdp_port=PORT,
        )
        watching = asyncio.create_task(watch(outlet))
        result = await car.charge()
        watching.cancel()
    assert result.completed, result.error
    assert result.tls
    print(f"{len(result.exchanges)} messages over TLS, {result.energy:.1f} Wh into the battery")


async def watch(outlet: SimulatedDcEvse) -> None:
    """Print the outlet's own measurement now and then."""
    while True:
        print(f"{outlet.voltage:6.1f} V {outlet.current:6.1f} A  {'on' if outlet.enabled else 'off'}")
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())
