"""Listeners and discovery of a station, opened and closed as interface, link and outlet allow.

With SLAC the link is up from `link_up` to `link_down`; when the setup time is over without a session the
station stops answering until the next `link_up` [V2G2-723]. Without SLAC the link counts as up while the
interface has an address, and the setup time runs per connection.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from secc.boundary.controller import CheckedController
from secc.errors import LinkError
from secc.records import LinkEvent
from secc.sdp import Endpoint
from secc.settings.config import SeccConfig
from secc.station.discovery import Discovery
from secc.station.endpoints import Endpoints
from secc.station.hardware import Hardware
from secc.station.interface import LinkLocal, link_local_now
from secc.station.reporting import Reports


class Connections(Protocol):
    """What the supervision needs of the sessions."""

    @property
    def active(self) -> object | None:
        """The link that has the outlet."""
        ...

    def drop(self, reason: str) -> None:
        """End every connection."""
        ...


class Supervision:
    """One per station; give it a task for `run`."""

    def __init__(
        self,
        config: SeccConfig,
        controller: CheckedController,
        hardware: Hardware,
        endpoints: Endpoints,
        discovery: Discovery,
        connections: Connections,
        reports: Reports,
    ) -> None:
        """Everything stays closed until `look`."""
        self._config = config
        self._controller = controller
        self._hardware = hardware
        self._endpoints = endpoints
        self._discovery = discovery
        self._connections = connections
        self._reports = reports
        self._interface: LinkLocal | None = None
        self._link_up_at: float | None = None  # only with SLAC
        self.problem = "not started"
        """Why no EV can connect; empty while listeners are open."""

    async def run(self) -> None:
        """Look often enough, until cancelled."""
        trouble = ""
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                self.look()
                if suspicion := self._discovery.suspicion():
                    self._reports.link(LinkEvent.SUSPICIOUS, suspicion)
                trouble = ""
            except Exception as error:  # discovery must go on
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    self._reports.complaint(f"supervision: {trouble}")

    @property
    def announced(self) -> Endpoint | None:
        """What discovery announces; None while there is nothing to announce."""
        return self._endpoints.announced

    def setup_begins(self) -> float:
        """Loop time at which the setup time of a new connection begins: the link, or now [V2G2-716]."""
        now = asyncio.get_running_loop().time()
        return now if self._link_up_at is None else self._link_up_at

    def link_up(self) -> None:
        """The data link is up; the setup time begins."""
        self._link_up_at = asyncio.get_running_loop().time()
        self.look()

    def link_down(self, reason: str) -> None:
        """The data link is gone."""
        self._link_up_at = None
        self._drop_everything(reason)

    def session_over(self, *, running: bool) -> None:
        """New ports for the next session; with SLAC a new match comes first [V2G2-727]."""
        if self._config.slac.enabled:
            self._link_up_at = None
        if not running or not self._endpoints.open:
            return
        if self._config.slac.enabled:
            self.close("between two sessions")
        else:
            self._endpoints.retire()
        self.look()

    def close(self, reason: str) -> None:
        """Announce nothing and listen on nothing."""
        self.problem = reason
        self._endpoints.close()

    def look(self) -> None:
        """Bring listeners and discovery in line with interface, link and outlet."""
        found = link_local_now(self._config.interface)
        if found != self._interface:
            self._drop_everything(f"the address of {self._config.interface} has changed or gone")
            self._interface = found
        self._discovery.ensure_open(found)
        if found is None:
            self.problem = f"{self._config.interface} has no link-local address"
        elif self._config.slac.enabled and self._link_up_at is None:
            self.problem = "no data link"
        elif self._setup_expired():
            self._link_up_at = None
            self._drop_everything("communication setup time over")
            self._reports.link(LinkEvent.SETUP_EXPIRED)
        elif self._hardware.problem:
            self.close(self._hardware.problem)
        elif self._controller.problem:
            if self._connections.active is None:
                self.close(self._controller.problem)
        elif self._endpoints.announced is None:
            self._open(found)

    def _setup_expired(self) -> bool:
        """The setup time is over without a session: only with SLAC [V2G2-716]."""
        if self._link_up_at is None or self._connections.active is not None:
            return False
        now = asyncio.get_running_loop().time()
        return now >= self._link_up_at + self._config.timing.communication_setup

    def _open(self, link: LinkLocal) -> None:
        try:
            ports = self._endpoints.open_on(link)
        except LinkError as error:
            self.problem = str(error)
            self._reports.not_receiving(str(error))
            return
        self.problem = ""
        self._reports.link(LinkEvent.LISTENING, f"[{link.address}] of {link.interface}: {ports}")

    def _drop_everything(self, reason: str) -> None:
        """The link is gone: nothing on it can go on."""
        self.close(reason)
        self._connections.drop(reason)


_INTERVAL = 0.25  # s between two looks at the interface
