"""A station and an EV in one process, with a simulated clock: the cost of each message.

The EV acts in the selector, when the loop of the station is idle, so that its instructions can be separated
from those of the station. The clock stands still while there is work and then jumps to the next timer:
between two messages of the charge loop everything runs that a station does in these 100 ms.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING

# Everything that `secc serve` imports before it listens, and nothing else: the row "start" counts it.
import secc.cli.serve  # noqa: F401
from secc.ports import ReportsChanges
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.station.station import Station

if TYPE_CHECKING:
    from secc.connection import Connection
    from secc.session.schedules import EnergyNeed, ScheduleOffer

Mark = Callable[[str], None]

AC = SeccConfig(interface="lo")
DC = SeccConfig(interface="lo", energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))


def run(mark: Mark) -> None:
    """Start a station, which ends the row "start"; then the rows of the charge loops."""
    loop = Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_rows(loop, mark))


async def _rows(loop: Loop, mark: Mark) -> None:
    async with Station(AC, ReportingOutlet(), Backend(), sdp_port=0):
        mark("start")
    from tools.bench import car  # the EV is no part of that row

    await car.run(loop, mark)


class Loop(asyncio.SelectorEventLoop):
    """Asks `idle` what the EV does whenever the station has nothing to do."""

    def __init__(self) -> None:
        self._idling = _Selector()
        super().__init__(self._idling)

    def time(self) -> float:
        """Seconds by the clock that jumps."""
        return self._idling.now

    def when_idle(self, act: Callable[[float], float] | None) -> None:
        """`act` takes the time and returns when it wants to act next: now, if it has done something."""
        self._idling.act = act


class _Selector(selectors.EpollSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.act: Callable[[float], float] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        due = _NEVER if timeout is None else self.now + timeout
        while not (ready := super().select(0)) and due > self.now:
            wanted = _NEVER if self.act is None else self.act(self.now)
            if ready := super().select(_IN_FLIGHT):  # what the EV has sent, or a thread has done
                return ready
            if wanted == due == _NEVER:
                return super().select(None)
            self.now = max(self.now, min(wanted, due))
        return ready


_NEVER = float("inf")
_IN_FLIGHT = 0.0005  # s


class Outlet:
    """A controller that costs as little as one can: what is ordered is there at once."""

    def __init__(self) -> None:
        self._pilot = ControlPilot.B
        self._output = (0.0, 0.0)
        self._closed = False

    def show(self, pilot: ControlPilot) -> None:
        """The EV changes the pilot."""
        self._pilot = pilot

    def snapshot(self) -> EvseSnapshot:
        """The outlet now."""
        return EvseSnapshot(
            control_pilot=self._pilot,
            utc=1_700_000_000.0,
            present_voltage=self._output[0],
            present_current=self._output[1],
            contactor_closed=self._closed,
        )

    def lease(self, seconds: float) -> None:
        """Without effect."""

    async def close_contactor(self) -> bool:
        """At once."""
        self._closed = True
        return True

    async def open_contactor(self) -> bool:
        """At once."""
        self._closed = False
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        """The cable is good."""
        return IsolationLevel.VALID

    async def set_output(self, voltage: float, current: float) -> None:
        """At once."""
        self._output = (voltage, current)
        self._closed = voltage > 0.0

    async def make_safe(self) -> None:
        """Everything off."""
        self._output = (0.0, 0.0)
        self._closed = False


class ReportingOutlet(Outlet, ReportsChanges):
    """The same, and it reports changes: the station does not poll it."""

    def __init__(self) -> None:
        super().__init__()
        self._change = asyncio.Event()

    def show(self, pilot: ControlPilot) -> None:
        """The EV changes the pilot."""
        super().show(pilot)
        self._change.set()

    async def changed(self) -> None:
        """Return when the pilot has changed."""
        await self._change.wait()
        self._change.clear()


class Backend:
    """Authorizes each charge, without a schedule."""

    async def authorize_external(self, evse_id: str) -> bool:
        """Yes."""
        return True

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        """None: the outlet's limit."""
        return None


class WatchedStation(Station):
    """Shows the core of its session."""

    @property
    def core(self) -> Connection | None:
        """The core of the session in progress."""
        active = self._sessions.active
        return None if active is None else active.connection
