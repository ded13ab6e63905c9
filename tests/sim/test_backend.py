"""A back end that decides by itself. Time is a number."""

import asyncio

from secc.ports import Backend
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyMode
from secc.sim import SimulatedBackend
from tests.support.clock import Clock

NEED = EnergyNeed(mode=EnergyMode.DC_EXTENDED, departure=None, energy=None, max_power=50_000.0, max_steps=24)
OFFER = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 11_000.0),), 3600),))


async def test_it_grants_after_the_delay() -> None:
    clock = Clock(10.0)
    backend: Backend = SimulatedBackend(delay=2.5, sleep=clock.sleep)
    assert await backend.authorize_external("ZZ*000*E0")
    assert clock.now == 12.5


async def test_it_denies() -> None:
    backend = SimulatedBackend(grant=False, sleep=Clock().sleep)
    assert not (await backend.authorize_external("ZZ*000*E0"))
    assert backend.asked == 1


async def test_it_withdraws_and_denies_from_then_on() -> None:
    backend = SimulatedBackend(sleep=Clock().sleep)
    called: list[str] = []
    backend.on_withdraw = lambda: called.append("withdrawn")
    backend.withdraw()
    assert called == ["withdrawn"]
    assert not (await backend.authorize_external("ZZ*000*E0"))


async def test_it_withdraws_by_itself_after_a_grant() -> None:
    backend = SimulatedBackend(withdraw_after=3.0, sleep=Clock().sleep)
    called: list[str] = []
    backend.on_withdraw = lambda: called.append("withdrawn")

    async def grant_and_wait() -> bool:
        granted = await backend.authorize_external("ZZ*000*E0")
        for _ in range(5):
            await asyncio.sleep(0)
        return granted

    assert await grant_and_wait()
    assert called == ["withdrawn"]


async def test_it_offers_schedules_after_their_delay_or_none() -> None:
    clock = Clock(10.0)
    backend = SimulatedBackend(offer=OFFER, offer_delay=1.0, sleep=clock.sleep)
    assert (await backend.schedules("ZZ*000*E0", NEED)) == OFFER
    assert clock.now == 11.0
    assert backend.needs == [NEED]
    assert (await SimulatedBackend(sleep=clock.sleep).schedules("ZZ*000*E0", NEED)) is None


async def test_schedules_may_depend_on_the_need() -> None:
    backend = SimulatedBackend(offer=lambda need: OFFER if need.mode.is_dc else None, sleep=Clock().sleep)
    assert (await backend.schedules("ZZ*000*E0", NEED)) == OFFER
