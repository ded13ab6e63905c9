"""A custom Backend: a card reader decides who may charge, a house connection decides how much.

Two cars arrive. The first driver presents a known card after a moment; the card of the second one is unknown.
While the back end has not decided, the EV receives Ongoing.
"""

import asyncio

from secc import EnergyConfig, EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer, SeccConfig, Station
from secc.messages.iso2 import EnergyTransferMode
from secc.sim import Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable

PORT = 25121  # of discovery; a real station keeps to the 15118 of the standard


class House:
    """Cards and a limit of 11 kW for an hour, then 3.7 kW."""

    def __init__(self, known_cards: set[str]) -> None:
        self._known = known_cards
        self._cards: asyncio.Queue[str] = asyncio.Queue()

    def card_seen(self, uid: str) -> None:
        """To be called by the reader."""
        self._cards.put_nowait(uid)

    async def authorize_external(self, evse_id: str) -> bool:
        return await self._cards.get() in self._known

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        steps = (PowerStep(start=0, max_power=11_000.0), PowerStep(start=3600, max_power=3_700.0))
        return ScheduleOffer((PowerSchedule(schedule_id=1, steps=steps, duration=7200),))


async def main() -> None:
    house = House({"04A2"})
    cable = SimulatedCable()
    config = SeccConfig(interface="lo", energy=EnergyConfig(ask_backend_for_schedules=True))
    plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=5)
    async with Station(config, SimulatedAcEvse(cable), house, sdp_port=PORT):
        for card in ("04A2", "FFFF"):
            asyncio.get_running_loop().call_later(0.5, house.card_seen, card)
            result = await ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=PORT).charge()
            ongoing = result.requests.count("AuthorizationReq")
            print(f"card {card}: {ongoing} AuthorizationReq, then", result.error or "charged")


if __name__ == "__main__":
    asyncio.run(main())
