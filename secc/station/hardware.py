"""The hardware of a station, across its sessions: commands, the fault latch, and readings between
sessions."""

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable

from secc.boundary.calls import Complaints
from secc.boundary.controller import CheckedController
from secc.records import LinkEvent
from secc.session.latch import FaultLatch, IdleOutlet
from secc.session.outlet import EvseFault, EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig
from secc.station.actuator import Actuator
from secc.station.lag import LoopLag
from secc.station.pulse import each_beat
from secc.station.reporting import LinkReports


class Hardware:
    """One per station; give it a task for `run`. Between two sessions it reads the outlet, see `leave`."""

    def __init__(
        self,
        controller: CheckedController,
        config: SeccConfig,
        *,
        observe: Callable[[EvseSnapshot], None],
        reports: LinkReports,
    ) -> None:
        """`observe` gets each snapshot between two sessions."""
        timing = config.timing
        self._controller = controller
        self._observe = observe
        self._reports = reports
        self._last_reason = ""
        self._judged_at = -_JUDGEMENT
        self._watch: asyncio.Task[None] | None = None
        self._making_safe: asyncio.Task[None] | None = None
        self.latch = FaultLatch()
        self._idle = IdleOutlet(config, self._trip)
        self.actuator = Actuator(
            controller,
            timing,
            reports=self._reports,
            trip=self._trip,
            discharge=controller.discharge,
        )
        self.lag = LoopLag(
            timing.lease - timing.lease_renewal, functools.partial(reports.link, LinkEvent.SLOW)
        )

    @property
    def problem(self) -> str:
        """Why no session may begin; a latched fault is none, as it is the session that refuses energy."""
        return self.actuator.problem

    async def run(self) -> None:
        """Read the outlet, measure the loop, retry a failed `make_safe`; until cancelled."""
        self.leave()
        await asyncio.gather(self.actuator.run(), each_beat(self._beat))

    async def stop(self) -> None:
        """Switch everything off and end all tasks."""
        self.take()
        await self.actuator.make_safe()
        await self.actuator.close()

    def reset_fault(self) -> None:
        """A person has examined the outlet."""
        self.latch.reset()
        self.actuator.give_up()

    def observed(self, snapshot: EvseSnapshot) -> None:
        """A snapshot was taken, in a session or between two."""
        before = self.latch.reason
        self.latch.observe(snapshot)
        if self.latch.reason != before:
            self._report_block(before)

    def session_ended(self, end: EndSession) -> None:
        """It may have known of a fault that latches."""
        before = self.latch.reason
        self.latch.session_ended(end)
        self._report_block(before)

    def distrust(self, why: str) -> None:
        """A command to switch off has failed outside a session: blocked, and made safe."""
        self._trip(EvseFault.SWITCH_OFF, why)
        self._making_safe = asyncio.get_running_loop().create_task(self.actuator.make_safe())

    def take(self) -> None:
        """A session starts and reads the outlet itself."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def leave(self) -> None:
        """There is no session: read the outlet often enough not to miss a short unplug."""
        self.take()
        self._idle.switched_off(asyncio.get_running_loop().time())
        self._watch = asyncio.get_running_loop().create_task(
            watch(self._controller, lambda _: self._look(), self._reports, interval=_IDLE_INTERVAL)
        )

    def _beat(self, now: float, late: float) -> None:
        """An output that must be off and stays on is no change, so it is checked here."""
        self.lag.measured(now, late)
        if self._watch is not None and now >= self._judged_at + _JUDGEMENT:
            self._judged_at = now
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(Exception):  # the boundary reports once what is wrong with a snapshot
            snapshot = self._controller.snapshot()
            self._observe(snapshot)
            self._idle.observe(snapshot, asyncio.get_running_loop().time())

    def _trip(self, fault: EvseFault, why: str) -> None:
        """The outlet is not reliably off, with or without a session."""
        if self.latch.blocked and why not in self.latch.reason and why != self._last_reason:
            self._last_reason = why  # the first reason stays
            self._reports.complaint(why)
        before = self.latch.reason
        self.latch.trip(fault, why)
        self._report_block(before)

    def _report_block(self, before: str) -> None:
        """The reason why the latch blocks is reported once."""
        if self.latch.reason and self.latch.reason != before:
            self._reports.link(LinkEvent.BLOCKED, self.latch.reason)


async def watch(
    controller: CheckedController,
    look: Callable[[bool], None],
    reports: Complaints,
    *,
    interval: float = 0.02,
    looked_at: Callable[[], float] = lambda: -math.inf,
) -> None:
    """Call `look` often enough to switch off in time when the pilot changes [INV-03], until cancelled.

    With True when the controller reports a change, else with False `interval` seconds after the last reading.
    `looked_at` returns the loop time of a reading for other reasons, a message or a deadline.
    """
    if (reporting := controller.changes) is not None:
        try:
            look(False)
            while True:
                await reporting.changed()
                look(True)
                await asyncio.sleep(_PAUSE)
        except Exception as error:
            reports.complaint(f"changed: {type(error).__name__}: {error}; polling instead")
    await _poll(look, interval, looked_at)


async def _poll(look: Callable[[bool], None], interval: float, looked_at: Callable[[], float]) -> None:
    """By a timer: a task that sleeps costs two turns of the loop for each reading."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def due() -> None:
        nonlocal timer
        now = loop.time()
        at = looked_at() + interval
        looks = at <= now + _EARLY
        timer = loop.call_at(now + interval if looks else at, due)
        if looks:
            look(False)

    timer = loop.call_at(loop.time() + interval, due)
    try:
        await loop.create_future()
    finally:
        timer.cancel()  # the one that is set now


_IDLE_INTERVAL = 0.05  # s between two looks without a session: an unplug of 120 ms is seen, at half the cost
_JUDGEMENT = 0.15  # s, so each second beat: between two looks whether what was switched off is off
_EARLY = 0.001  # s; a look that is due so soon is not worth another timer
_PAUSE = 0.002  # s at least between two reported changes
