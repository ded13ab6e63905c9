"""Prices of a back end in ISO 15118-20: what an EV is offered, what it has cost, and a picture of the offer.

The station is a laboratory without TLS. The EV selects a parameter set with absolute prices and charges for a
moment; the trace of the session is drawn to `offers.svg` in a temporary folder.
"""

import asyncio
import tempfile
from pathlib import Path

from secc import Backend, EnergyNeed, ScheduleOffer, SeccConfig, Station
from secc.ports import PricesEnergy
from secc.records import OutputRecord, Record
from secc.session.outputs import EndSession
from secc.session.prices import AbsolutePrices, PriceBand, PriceNeed, PriceOffer, PriceStep, Tax, TuplePrices
from secc.settings import EnergyConfig, EnergyMode, Iso20Config, Pricing, ProtocolName
from secc.sim import ScriptedEvcc, SimulatedCable, SimulatedDcEvse
from secc.sim.iso20 import Iso20Plan
from secc.trace import read
from secc.trace.offer_picture import offer_svg
from secc.trace.offers import offers
from secc.trace.recorder import Recorder
from secc.trace.summary import summarize

PORT = 25126  # of discovery; a real station keeps to the 15118 of the standard
NIGHT = AbsolutePrices(
    currency="EUR",
    language="eng",
    steps=(
        PriceStep(0, (PriceBand(0, 390_000), PriceBand(22_000, 490_000))),  # dearer above 22 kW
        PriceStep(2 * 3600, (PriceBand(0, 290_000),)),
    ),
    taxes=(Tax(1, 19_000, "VAT", included=True),),
)


class Utility(Backend, PricesEnergy):
    """Every EV may charge, at the same prices."""

    async def authorize_external(self, evse_id: str) -> bool:
        return True

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        return None

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        return PriceOffer((TuplePrices(charging=NIGHT),))


def report(record: Record) -> None:
    if isinstance(record, OutputRecord) and isinstance(record.output, EndSession):
        found = record.output.costs
        assert found is not None
        print(f"{found.used / 1000:.1f} Wh, {found.total / 1_000_000:.4f} {found.currency}")


async def main(folder: Path) -> None:
    energy = EnergyConfig(modes=(EnergyMode.DC_EXTENDED,))
    lab = Iso20Config(insecure_lab=True, prices=(Pricing.ABSOLUTE,))
    config = SeccConfig(interface="lo", protocols=(ProtocolName.ISO15118_20,), energy=energy, iso20=lab)
    cable, trace = SimulatedCable(), folder / "session.trace"
    evse = SimulatedDcEvse(cable)
    with trace.open("w") as file:
        recorder = Recorder(file.write, config, now=0.0, wall=0.0)
        async with Station(config, evse, Utility(), reporter=report, recorder=recorder, sdp_port=PORT):
            plan = Iso20Plan(pricing=Pricing.ABSOLUTE, loops=20)
            result = await ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=PORT).charge()
    session = read(trace).sessions[0]
    (folder / "offers.svg").write_text(offer_svg(offers(summarize(session, config))))
    print(result.error or f"charged; {(folder / 'offers.svg').stat().st_size} bytes of picture")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
