"""One outlet: discovery, a listener per security mode, at most one session, orderly start and end.

Links. With SLAC switched on, whoever matches tells `link_up` and `link_down`; the setup time runs from
`link_up`, and when it is over without a session the station falls silent until the next one [V2G2-723].
Without SLAC the link counts as up while the interface has an address; the setup time runs per connection.

Ownership. Before anything touches the hardware the station claims interface and outlet, see `ownership`.
What comes from the integrator's code is checked at the boundary, see `boundary`; from other threads only
`Station.threadsafe` may be called, see `threads`.
"""

import asyncio
import collections
import contextlib
import functools
import logging
import os
from collections.abc import Callable
from types import TracebackType

from secc.errors import LinkError
from secc.ports import Backend, EvseController, OcspSource
from secc.records import LinkEvent, LinkRecord, Record
from secc.sdp import SDP_PORT, Endpoint, SdpResponder
from secc.session.contract_events import ContractRecord
from secc.session.inputs import PowerLimited, RenegotiationRequested, StopRequested
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.pause import PauseMemory
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.station.admission import Admission
from secc.station.boundary import results
from secc.station.boundary.backend import checked_backend
from secc.station.boundary.controller import checked_controller
from secc.station.boundary.sources import checked_ocsp, checked_random
from secc.station.boundary.start import check_arguments, check_contracts, check_discharge
from secc.station.contracts import ContractDesk
from secc.station.diagnostics import Diagnostics
from secc.station.discovery import Discovery
from secc.station.endpoints import Endpoints
from secc.station.expiry import ExpiryWatch
from secc.station.hardware import Hardware
from secc.station.health import StationHealth, health_of
from secc.station.interface import LinkLocal, find_link_local
from secc.station.journal import Journal
from secc.station.link import Grant, Link
from secc.station.outlet import Outlet
from secc.station.ownership import Claim
from secc.station.recording import SessionRecording
from secc.station.renewal import renewal_for
from secc.station.reporting import Chatter
from secc.station.services import ServiceDesk
from secc.station.threads import LoopThread, ThreadsafeStation
from secc.station.tls import TlsKeeper
from secc.tls import PlainEngine
from secc.trace.recorder import Beginning, Recorder

_log = logging.getLogger(__name__)


class Station:
    """Serves one outlet; use it as an async context manager, or `await serve()`."""

    def __init__(
        self,
        config: SeccConfig,
        controller: EvseController,
        backend: Backend,
        *,
        on_event: Callable[[Record], None] | None = None,
        sdp_port: int = SDP_PORT,
        random_bytes: Callable[[int], bytes] = os.urandom,
        ocsp: OcspSource | None = None,
        recorder: Recorder | None = None,
        journal: Journal | None = None,
        claim: Claim | None = None,
    ) -> None:
        """Raises ConfigError when TLS is wanted and cannot be had: there is no fallback to less [INV-21].
        It is raised as well for a controller or back end with a method that is missing, misspelt or cannot be
        called as its port says, and where Contract is offered and the back end cannot decide about it.

        `on_event` is called from the event loop for everything that happens and must return at once.
        `sdp_port` other than 15118 is for tests. `ocsp` fetches OCSP responses.
        `recorder` and `journal` write down every session, each in its way. `claim`: of interface and outlet,
        where it has been acquired before the controller was made.
        """
        check_arguments(config, on_event, random_bytes, sdp_port)
        self._controller = controller = checked_controller(controller)
        self._backend = backend = checked_backend(backend)
        ocsp = checked_ocsp(ocsp)
        controller.complain = self._complain
        check_contracts(config, backend)
        check_discharge(config, controller)
        self._config = config
        self._claim = claim or Claim(config, sdp_port)
        self.thread = LoopThread("station.threadsafe")
        """Where the methods of the station may be called."""
        self.threadsafe = ThreadsafeStation(self, self.thread)
        """The methods of the station for calls from other threads."""
        self._on_event = on_event
        self._random_bytes = checked_random(random_bytes, self._complain)
        self._tls = TlsKeeper(config, tell=self._tell, ocsp=ocsp)
        self._renewal = renewal_for(config, backend, self._tell, self._tls)
        self._desk = ContractDesk(config, backend, complain=self._complain, note=self._note, ocsp=ocsp)
        self._expiry = ExpiryWatch(config, backend, self._tls, self._desk, tell=self._tell)
        self._responder = SdpResponder(config.tls.policy)
        self._discovery = Discovery(
            self._responder, port=sdp_port, on_problem=functools.partial(self._tell, LinkEvent.DEAF)
        )
        self.diagnostics = Diagnostics(controller, self._discovery, self._responder, self._tls)
        self.recording = SessionRecording(recorder, journal, complain=self._complain)
        self._services = ServiceDesk(config, backend, self._complain)
        self._hardware = Hardware(controller, config, observe=self._observe, tell=self._tell)
        self._pauses = PauseMemory(config.timing.pause)
        self._recent_ids: collections.deque[bytes] = collections.deque(maxlen=1000)
        self._generation = 0
        self._power_limit: float | None = None

        self._interface: LinkLocal | None = None
        self._link_up_at: float | None = None  # only with SLAC
        self._problem = "not started"
        self._active: Link | None = None
        self._admission = Admission(
            config.network.max_pending, self._make_link, lambda: self._active, self._tell
        )
        self._endpoints = Endpoints(config, self._responder, self._admission.accept)
        self._free = asyncio.Event()
        self._free.set()
        self._supervisor: asyncio.Task[None] | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._chatter = Chatter()

    # --- life ----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Start, run until cancelled, stop."""
        async with self:
            await asyncio.Event().wait()

    async def start(self) -> None:
        """Make the outlet safe first [INV-32], then listen, or wait for an address to listen on.

        Raises InUseError, and touches nothing, when another station has the interface or the outlet.
        """
        self._claim.acquire(self._controller.inner)
        try:
            self._claim.answer()
            self.thread.enter()
            await self._hardware.actuator.make_safe()
            self._look()
        except BaseException:  # cancelled, or no station at all: another one may have the outlet
            self._close_endpoint("not started")
            self._discovery.close()
            self.thread.leave()
            self._claim.release()
            raise
        keepers = [self._supervise(), self._tls.run(), self._hardware.run(), self._expiry.run()]
        keepers += [self._renewal.run()] if self._renewal is not None else []
        self._keepers = [asyncio.get_running_loop().create_task(keeper) for keeper in keepers]
        self._supervisor = self._keepers[0]

    async def stop(self) -> None:
        """Output off, then farewell to the EV, then nothing is left; takes a second or two."""
        self.thread.check("stop")
        for task in self._keepers:
            task.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._supervisor, self._keepers = None, []
        self._close_endpoint("stopped")
        await self._admission.shut_down("the station stops")
        await self._desk.stop()
        self._discovery.close()
        await self._hardware.stop()
        self.thread.leave()
        self._claim.release()

    async def __aenter__(self) -> "Station":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- for the owner -------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint | None:
        """What discovery announces; None while there is nothing to announce."""
        return self._endpoints.announced

    @property
    def sdp_port(self) -> int | None:
        """The UDP port of discovery; None while deaf."""
        return self._discovery.port

    @property
    def state(self) -> Stage | None:
        """Where the running session stands, for displays; None without one."""
        core = self._active.connection if self._active is not None else None
        return core.session.state if core is not None else None

    @property
    def health(self) -> StationHealth:
        """The state of things, for a supervisor."""
        supervised = self._supervisor is not None and not self._supervisor.done()
        problem = self._hardware.problem or self._controller.problem or self._problem
        running = problem if supervised else "not running"
        return health_of(
            self._tls.problem or running,
            self._discovery.health,
            self._hardware,
            in_session=self._active is not None,
            ends_soon=self._expiry.found,
            warnings=self._tls.warnings,
            reports=self.recording.reports,
        )

    def link_up(self) -> None:
        """SLAC: the data link is there, D-LINK_READY; the setup time begins."""
        self.thread.check("link_up")
        self._link_up_at = asyncio.get_running_loop().time()
        self._look()

    def link_down(self, reason: str = "data link lost") -> None:
        """SLAC: the data link is gone; a session on it ends."""
        self.thread.check("link_down")
        reason = results.reason("link_down", reason)
        self._link_up_at = None
        self._drop_everything(reason)

    def stop_charging(self, reason: str = "stop requested") -> None:
        """Ask the EV to end; the output is forced off after the stop delay."""
        self.thread.check("stop_charging")
        reason = results.reason("stop_charging", reason)
        if self._active is not None:
            self._active.post(StopRequested(reason))

    def renegotiate(self) -> None:
        """Ask the EV to negotiate a new schedule."""
        self.thread.check("renegotiate")
        if self._active is not None:
            self._active.post(RenegotiationRequested())

    def limit_power(self, max_power: float | None) -> None:
        """At most this many W from now on, also for later sessions; None lifts it.

        Raises IntegrationError for anything but None and numbers from 0 to 10 MW; the limit stays as it was.
        """
        self.thread.check("limit_power")
        self._power_limit = max_power = results.power_limit("limit_power", max_power)
        if self._active is not None:
            self._active.post(PowerLimited(max_power))

    def withdraw_authorization(self) -> None:
        """The running session is not authorized any more."""
        self.thread.check("withdraw_authorization")
        if self._active is not None:
            self._active.withdraw_authorization()

    def renew_tls(self) -> None:
        """Read the certificate files again, for connections to come; running ones keep what they have.

        Raises ConfigError when they cannot be used, and goes on with the old ones.
        """
        self.thread.check("renew_tls")
        self._tls.renew()
        self._desk.renew_trust()

    @property
    def contract_refusals(self) -> dict[str, int]:
        """How often something about a contract was refused since the start, by the rule that was broken."""
        return dict(self._desk.refusals)

    def reset_fault(self) -> None:
        """Somebody has looked at the outlet; with an unplugged cable this ends a latched fault."""
        self.thread.check("reset_fault")
        self._hardware.reset_fault()

    def distrust(self, why: str) -> None:
        """The outlet may be on although it must be off: it is blocked, and made safe."""
        self._hardware.distrust(why)

    # --- what links need (LinkOwner) -----------------------------------------------------------------------

    async def admit(self, link: Link) -> Grant | None:
        """The first one to speak gets the outlet; one that is just being left is waited for."""
        if self._active is not None and self._active.ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.timing.controller_call):
                    await self._free.wait()
        problem = self._hardware.problem or self._unreadable()
        if self._active is not None or link not in self._links or problem:
            self._tell(LinkEvent.REFUSED, problem or "the outlet is taken", link.peer)
            return None
        self._active = link
        self._free.clear()
        for other in self._links:
            if other is not link and other.connection is None:
                other.abort()
        return self._begin_session(link)

    def session_ended(self, link: Link, end: EndSession | None) -> None:
        """The outlet is safe: make ready for the next one."""
        if end is not None:
            self._hardware.session_ended(end)
            self._pauses.session_ended(end, asyncio.get_running_loop().time())
            self._recent_ids.append(end.session_id)
        if self._active is link:
            self.recording.end(self._generation, end)
            self._active = None
            self._free.set()
            self._hardware.leave()
            if self._config.slac.enabled:
                self._link_up_at = None  # the next session needs a new match [V2G2-727]
            if self._supervisor is not None and self._endpoints.open:
                self._renew_endpoint()

    def link_closed(self, link: Link) -> None:
        """Forget it."""
        self._admission.forget(link)
        if self._active is link:  # its session could not even begin
            self.session_ended(link, None)

    def record(self, record: Record) -> None:
        """Pass it on; what the callback raises is its own affair."""
        if self._on_event is None:
            return
        quiet = isinstance(record, LinkRecord) and record.event not in _NEVER_DROPPED
        if quiet and not self._chatter.allow(record.at):
            return
        try:
            self._on_event(record)
        except Exception:
            _log.exception("on_event failed")

    # --- sessions ------------------------------------------------------------------------------------------

    def _begin_session(self, link: Link) -> Grant:
        self._generation += 1
        self._hardware.take()
        snapshot = self._controller.snapshot()
        self._observe(snapshot)
        now = asyncio.get_running_loop().time()
        beginning = Beginning(
            snapshot=snapshot,
            now=link.setup_deadline - self._config.timing.communication_setup,  # when the link came up
            generation=self._generation,
            tls=link.secure,
            vehicle=link.vehicle,
            contracts=self._desk.terms(now),
            recent_ids=self._recent_ids,
            blocked=self._hardware.latch.blocked,
            paused=self._pauses.paused(now),
            services=self._services.offered(),
            max_payload=self._config.network.max_payload,
        )
        connection = self.recording.begin(beginning, self._config, self._random_bytes, link.peer)
        outlet = Outlet(
            self._config,
            self._controller,
            self._backend,
            report=link.post,
            complain=self._complain,
            desk=self._desk,
            actuator=self._hardware.actuator,
            services=self._services,
        )
        early = () if self._power_limit is None else (PowerLimited(self._power_limit),)
        return Grant(connection, outlet, snapshot, self._observe, early)

    def _observe(self, snapshot: EvseSnapshot) -> None:
        """What outlives a session looks at every snapshot: fault latch, paused session, journal."""
        self._hardware.observed(snapshot)
        self._pauses.observe(snapshot)
        self.recording.observe(snapshot)

    # --- connections ---------------------------------------------------------------------------------------

    @property
    def _links(self) -> list[Link]:
        return self._admission.links

    def _make_link(self, address: str, secure: bool) -> Link:
        now = asyncio.get_running_loop().time()
        due = (
            now if self._link_up_at is None else self._link_up_at
        ) + self._config.timing.communication_setup
        engine = self._tls.engine() if secure else PlainEngine()
        return Link(self, engine, self._config, peer=address, setup_deadline=due)

    def _unreadable(self) -> str:
        """Why nothing is known about the outlet now; empty when it can be read."""
        with contextlib.suppress(Exception):
            self._observe(self._controller.snapshot())
        return self._controller.problem

    # --- the link and its endpoint -------------------------------------------------------------------------

    async def _supervise(self) -> None:
        trouble = ""
        while True:
            await asyncio.sleep(_SUPERVISION)
            try:
                self._look()
                if suspicion := self._discovery.suspicion():
                    self._tell(LinkEvent.SUSPICIOUS, suspicion)
                trouble = ""
            except Exception as error:  # whatever it was, discovery has to go on
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    self._complain(f"supervision: {trouble}")

    def _look(self) -> None:
        """Bring sockets in line with the interface and the link."""
        found = find_link_local(self._config.interface)
        if found != self._interface:
            self._drop_everything(f"the address of {self._config.interface} has changed or gone")
            self._interface = found
        self._discovery.ensure_open(found)
        if found is None:
            self._problem = f"{self._config.interface} has no link-local address"
        elif self._config.slac.enabled and self._link_up_at is None:
            self._problem = "no data link"
        elif self._setup_expired():
            self._link_up_at = None
            self._drop_everything("communication setup time over")
            self._tell(LinkEvent.SETUP_EXPIRED)
        elif self._hardware.problem:
            self._close_endpoint(self._hardware.problem)
        elif self._controller.problem:
            if self._active is None:
                self._close_endpoint(self._controller.problem)
        elif self._endpoints.announced is None:
            self._open_endpoint(found)

    def _setup_expired(self) -> bool:
        """The time for the setup is over, and nobody has a session: only with SLAC [V2G2-716]."""
        if self._link_up_at is None or self._active is not None:
            return False
        now = asyncio.get_running_loop().time()
        return now >= self._link_up_at + self._config.timing.communication_setup

    def _open_endpoint(self, link: LinkLocal) -> None:
        try:
            ports = self._endpoints.open_on(link)
        except LinkError as error:
            self._problem = str(error)
            self._tell(LinkEvent.DEAF, str(error))
            return
        self._problem = ""
        self._tell(LinkEvent.LISTENING, f"[{link.address}] of {link.interface}: {ports}")

    def _renew_endpoint(self) -> None:
        """New ports for the next session. With SLAC a match comes first."""
        if self._config.slac.enabled:
            self._close_endpoint("between two sessions")
        else:
            self._endpoints.retire()
        self._look()

    def _close_endpoint(self, reason: str) -> None:
        self._problem = reason
        self._endpoints.close()

    def _drop_everything(self, reason: str) -> None:
        """The link is gone: nothing on it can go on."""
        self._close_endpoint(reason)
        for link in list(self._links):
            link.hang_up(reason)

    # --- telling -------------------------------------------------------------------------------------------

    def _note(self, record: ContractRecord) -> None:
        self.recording.contract(self._generation, record)

    def _complain(self, text: str) -> None:
        self._tell(LinkEvent.COMPLAINT, text)

    def _tell(self, event: LinkEvent, text: str = "", peer: str = "") -> None:
        self.record(LinkRecord(asyncio.get_running_loop().time(), event, text, peer))


_NEVER_DROPPED = (LinkEvent.BLOCKED, LinkEvent.TLS_RENEWED, LinkEvent.TLS_ALARM, LinkEvent.EXPIRY)

_SUPERVISION = 0.25  # s between two looks at the interface
