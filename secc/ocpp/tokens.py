"""Cards and remote starts that wait for a car."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from secc.ocpp.model import IdToken
from secc.ocpp.profile_model import ChargingProfile

REMOTE_START_TIME = 120.0
"""Seconds that a remote start or a card waits for an EV."""


@dataclasses.dataclass(frozen=True, slots=True)
class PresentedToken:
    """A request to charge without a contract."""

    token: IdToken
    until: float
    """End of the wait, in seconds of the event loop."""
    remote_start_id: int | None = None
    """Set for a remote start, which needs no further authorization by the CSMS."""
    profile: ChargingProfile | None = None
    group: str = ""


class PresentedTokens:
    """The waiting tokens of one outlet, in order."""

    def __init__(self, wait: Callable[[], float] = lambda: REMOTE_START_TIME) -> None:
        """`wait` returns the seconds that a token waits for an EV."""
        self._wait = wait
        self.waiting: list[PresentedToken] = []
        self._arrived = asyncio.Event()

    def present(
        self,
        token: IdToken,
        *,
        remote_start_id: int | None = None,
        profile: ChargingProfile | None = None,
        group: str = "",
    ) -> None:
        """Add a token."""
        until = asyncio.get_running_loop().time() + self._wait()
        self.waiting.append(PresentedToken(token, until, remote_start_id, profile, group))
        self._arrived.set()

    async def next(self) -> PresentedToken:
        """Wait for a token, and remove it."""
        loop = asyncio.get_running_loop()
        while True:
            self.waiting = [one for one in self.waiting if one.until > loop.time()]
            if self.waiting:
                return self.waiting.pop(0)
            self._arrived.clear()
            await self._arrived.wait()

    def clear(self) -> None:
        """Remove all tokens: the outlet is in use."""
        self.waiting.clear()
