"""A back end that decides by itself, after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from secc.ports import Backend, PricesEnergy
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer

__all__ = ["PricingBackend", "SimulatedBackend"]


class SimulatedBackend(Backend):
    """Grants or denies after a delay, offers schedules, and may change its mind."""

    def __init__(
        self,
        *,
        grant: bool = True,
        delay: float = 0.0,
        offer: ScheduleOffer | Callable[[EnergyNeed], ScheduleOffer | DynamicOffer | None] | None = None,
        offer_delay: float = 0.0,
        withdraw_after: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Delays in seconds. `offer`: schedules, or how to make them; None leaves the outlet's own limit.

        `withdraw_after`: so long after a grant `on_withdraw` is called.
        """
        self.grant = grant
        self.asked = 0
        """How often an authorization was asked for."""
        self.needs: list[EnergyNeed] = []
        """What schedules were asked for."""
        self.on_withdraw: Callable[[], None] | None = None
        """Set it to what withdraws the authorization at the station."""
        self._delay = delay
        self._offer = offer
        self._offer_delay = offer_delay
        self._withdraw_after = withdraw_after
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()

    async def authorize_external(self, evse_id: str) -> bool:
        """Decide after the delay."""
        self.asked += 1
        await self._sleep(self._delay)
        if self.grant and self._withdraw_after is not None:
            task = asyncio.get_running_loop().create_task(self._withdraw_later(self._withdraw_after))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self.grant

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        """Offer after the delay."""
        self.needs.append(need)
        await self._sleep(self._offer_delay)
        return self._offer(need) if callable(self._offer) else self._offer

    def withdraw(self) -> None:
        """Take the grant back now, and deny from now on."""
        self.grant = False
        if self.on_withdraw is not None:
            self.on_withdraw()

    async def _withdraw_later(self, seconds: float) -> None:
        await self._sleep(seconds)
        self.withdraw()


class PricingBackend(SimulatedBackend, PricesEnergy):
    """The same, with prices for ISO 15118-20."""

    def __init__(
        self,
        prices: PriceOffer | Callable[[PriceNeed], PriceOffer | None] | None,
        *,
        grant: bool = True,
        offer: ScheduleOffer | Callable[[EnergyNeed], ScheduleOffer | DynamicOffer | None] | None = None,
        price_delay: float = 0.0,
        delay: float = 0.0,
    ) -> None:
        """`prices`: an offer, or how to make one; None: there is none. `price_delay`, `delay` of the
        grant: seconds."""
        super().__init__(grant=grant, offer=offer, delay=delay)
        self.price_needs: list[PriceNeed] = []
        """What prices were asked for."""
        self._prices = prices
        self._price_delay = price_delay

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        """Offer prices after the delay."""
        self.price_needs.append(need)
        await self._sleep(self._price_delay)
        return self._prices(need) if callable(self._prices) else self._prices
