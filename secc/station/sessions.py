"""The outlet and its sessions: which connection has it, and the state at start and end of a session.

The first connection on which a message starts gets the outlet; at most one session is in progress. Fault
latch, paused session, power limit and recent SessionIDs remain after a session and are kept here or in
`hardware`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from secc.boundary.backend import CheckedBackend
from secc.boundary.controller import CheckedController
from secc.connection import Beginning, ConnectionInput
from secc.records import Direction, LinkEvent, MessageRecord, Record
from secc.session.battery_events import EvBattery
from secc.session.inputs import ChargingHeld, DischargePermitted, PowerLimited, StopRequested
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.pause import PauseMemory
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.station.admission import Admission
from secc.station.battery import BatteryWatch
from secc.station.contracts import StationContracts
from secc.station.hardware import Hardware
from secc.station.link import Link, LinkGrant
from secc.station.outlet import Outlet
from secc.station.recording import SessionRecording
from secc.station.reporting import Reports
from secc.station.services import ValueAddedServices

if TYPE_CHECKING:
    from secc.tls import TlsEngine


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """The parts of a station that a session is made of."""

    config: SeccConfig
    controller: CheckedController
    backend: CheckedBackend
    hardware: Hardware
    contracts: StationContracts
    services: ValueAddedServices
    recording: SessionRecording
    random_bytes: Callable[[int], bytes]
    reports: Reports
    engine: Callable[[bool], TlsEngine]
    """Makes the TLS engine of a connection: True with TLS, False plain."""


class Sessions:
    """One per station, the owner of its links (`LinkOwner`)."""

    def __init__(self, parts: SessionParts, *, setup_begins: Callable[[], float], freed: Callable[[], None]):
        """`setup_begins`: loop time at which the setup time of a new connection begins. `freed` is called
        when a session has ended and the outlet is safe."""
        self._parts = parts
        self._config = parts.config
        self._hardware = parts.hardware
        self._setup_begins = setup_begins
        self._freed = freed
        self._pauses = PauseMemory(parts.config.timing.pause)
        self._recent_ids: collections.deque[bytes] = collections.deque(maxlen=1000)
        self._generation = 0
        self._battery = BatteryWatch(parts.config, parts.backend, parts.reports)
        self.power_limit: float | None = None
        """W; None for no limit."""
        self.held = False
        """The operator holds the charge of the EV that is plugged in."""
        self.discharge: float | None = None
        """W that may flow back, by the last permission; None: by the configuration."""
        self.active: Link | None = None
        """The link that has the outlet."""
        self.admission = Admission(
            parts.config.network.max_pending, self._make_link, lambda: self.active, parts.reports.link
        )
        """The connections of the station."""
        self._free = asyncio.Event()
        self._free.set()

    @property
    def links(self) -> list[Link]:
        """Every connection, in the order in which they came."""
        return self.admission.links

    @property
    def state(self) -> Stage | None:
        """State of the session in progress; None without one."""
        core = self.active.connection if self.active is not None else None
        return core.session.state if core is not None else None

    @property
    def generation(self) -> int:
        """Number of the last session that began."""
        return self._generation

    def post(self, event: ConnectionInput) -> None:
        """Pass an input to the session in progress, if there is one."""
        if self.active is not None:
            self.active.post(event)

    def limit_power(self, max_power: float | None) -> None:
        """Limit the session in progress and later ones; None lifts the limit."""
        self.power_limit = max_power
        self.post(PowerLimited(max_power))

    @property
    def limit(self) -> float | None:
        """W that may flow now by load management and operator; None for no limit."""
        return 0.0 if self.held else self.power_limit

    def hold(self, held: bool) -> None:
        """Hold the charge at no energy, also in a session that begins now; or let it go on."""
        self.held = held
        self.post(ChargingHeld(held))

    def permit_discharge(self, max_power: float | None) -> None:
        """Permit discharge in the session in progress and later ones; None leaves it to the configuration."""
        self.discharge = max_power
        self.post(DischargePermitted(max_power))

    def withdraw_authorization(self) -> None:
        """End the authorization of the session in progress, or of the paused one."""
        if self.active is not None:
            self.active.withdraw_authorization()
        else:
            self._pauses.forget()

    def stop(self, reason: str) -> None:
        """End the charge in progress; a paused one is not continued."""
        if self.active is None:
            self._pauses.forget()
        self.post(StopRequested(reason))

    @property
    def battery(self) -> EvBattery | None:
        """The last report of the EV that is plugged in."""
        return self._battery.battery

    def _battery_read(self, battery: EvBattery) -> None:
        self._parts.recording.battery(self._generation, battery)
        self._battery.read(battery)

    def drop(self, reason: str) -> None:
        """End every connection; a session ends in order."""
        for link in list(self.links):
            link.hang_up(reason)

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Evaluate a snapshot for state beyond a session: fault latch, paused session, journal."""
        self._hardware.observed(snapshot)
        self._pauses.observe(snapshot)
        self._battery.observe(snapshot)
        if self.held and snapshot.control_pilot is ControlPilot.A:
            self.hold(held=False)
        self._parts.recording.observe(snapshot)

    # --- what links need (LinkOwner) -----------------------------------------------------------------------

    async def admit(self, link: Link) -> LinkGrant | None:
        """The first to send a message gets the outlet; a session that is about to end is waited for."""
        if self.active is not None and self.active.ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.timing.controller_call):
                    await self._free.wait()
        problem = self._hardware.problem or self._unreadable()
        if self.active is not None or link not in self.links or problem:
            self._parts.reports.link(LinkEvent.REFUSED, problem or "the outlet is taken", link.peer)
            return None
        self.active = link
        self._free.clear()
        for other in self.links:
            if other is not link and other.connection is None:
                other.abort()
        return self._begin(link)

    def session_ended(self, link: Link, end: EndSession | None) -> None:
        """The outlet is safe: free it for the next session."""
        if end is not None:
            self._hardware.session_ended(end)
            self._pauses.session_ended(end, asyncio.get_running_loop().time())
            self._recent_ids.append(end.session_id)
            self._battery.session_ended(end)
        if self.active is link:
            self._parts.recording.end(self._generation, end)
            self.active = None
            self._free.set()
            self._hardware.leave()
            self._freed()

    def link_closed(self, link: Link) -> None:
        """Forget it."""
        self.admission.forget(link)
        if self.active is link:  # its session could not even begin
            self.session_ended(link, None)
        if self.active is None:
            self._parts.reports.end()

    def record(self, record: Record) -> None:
        """Report it; a message of the EV may have its state of charge."""
        self._parts.reports.record(record)
        core = self.active.connection if self.active is not None else None
        if isinstance(record, MessageRecord) and record.direction is Direction.RECEIVED and core is not None:
            self._battery.heard(record.message, core.session)

    # --- a new session -------------------------------------------------------------------------------------

    def _make_link(self, address: str, secure: bool) -> Link:
        due = self._setup_begins() + self._config.timing.communication_setup
        engine = self._parts.engine(secure)
        return Link(self, engine, self._config, peer=address, setup_deadline=due)

    def _unreadable(self) -> str:
        """Why the outlet cannot be read now; empty when it can."""
        with contextlib.suppress(Exception):
            self.observe(self._parts.controller.snapshot())
        return self._parts.controller.problem

    def _begin(self, link: Link) -> LinkGrant:
        parts = self._parts
        self._generation += 1
        self._hardware.take()
        snapshot = parts.controller.snapshot()
        self.observe(snapshot)
        beginning = self._beginning(link, snapshot)
        connection = parts.recording.begin(beginning, parts.config, parts.random_bytes, link.peer)
        parts.reports.begin(connection.session.session_id.hex().upper(), link.peer)
        outlet = Outlet(
            parts.config,
            parts.controller,
            parts.backend,
            report=link.post,
            reports=parts.reports,
            contracts=parts.contracts,
            actuator=self._hardware.actuator,
            services=parts.services,
            battery=self._battery_read,
        )
        return LinkGrant(connection, outlet, snapshot, self.observe, self._early())

    def _early(self) -> tuple[ConnectionInput, ...]:
        """What was ordered before the session, and holds in it."""
        limited = () if self.power_limit is None else (PowerLimited(self.power_limit),)
        held = (ChargingHeld(held=True),) if self.held else ()
        permitted = () if self.discharge is None else (DischargePermitted(self.discharge),)
        return (*limited, *held, *permitted)

    def _beginning(self, link: Link, snapshot: EvseSnapshot) -> Beginning:
        now = asyncio.get_running_loop().time()
        return Beginning(
            snapshot=snapshot,
            now=link.setup_deadline - self._config.timing.communication_setup,  # when the link came up
            generation=self._generation,
            tls=link.secure,
            tls13=link.tls13,
            vehicle=link.vehicle,
            asks_vehicle=self._parts.contracts.asks_vehicle,
            contracts=self._parts.contracts.terms(now),
            recent_ids=self._recent_ids,
            blocked=self._hardware.latch.blocked,
            paused=self._pauses.paused(now),
            services=self._parts.services.offered(),
            soc_reading=self._battery.reading(link.peer),
            max_payload=self._config.network.max_payload,
        )
