"""One outlet: discovery, a listener per security mode, at most one session, orderly start and end.

Admission. Connections wait, few and each with a deadline, until the first byte of a message comes; the first
one to speak gets the outlet and the others are dropped. While the outlet is taken a second connection is
refused at accept, unless it comes from the same EV and the session has not got past SessionSetup: then the EV
has given the first one up, and the new one takes its place. When too many wait, the oldest silent one gives
way.

Ports. The listeners are opened with the link, announced by discovery, and replaced by fresh ones after each
session; while a setup phase lasts the same request gets the same answer. They are bound to the link-local
address of the charging interface and to nothing else.

Links. With SLAC switched on, whoever matches tells `link_up` and `link_down`; the setup time runs from
`link_up`, and when it is over without a session the station falls silent until the next one [V2G2-723].
Without SLAC the link counts as up while the interface has an address; the setup time runs per connection.
"""

import asyncio
import collections
import contextlib
import functools
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from types import TracebackType

from secc.aio.admission import gives_way
from secc.aio.books import Books
from secc.aio.contracts import ContractDesk
from secc.aio.discovery import Discovery
from secc.aio.expiry import ExpiryWatch
from secc.aio.health import StationHealth
from secc.aio.insight import Insight
from secc.aio.interface import LinkLocal, find_link_local
from secc.aio.journal import Journal
from secc.aio.link import Grant, Link
from secc.aio.listener import Listener
from secc.aio.outlet import Outlet
from secc.aio.records import Chatter, LinkEvent, LinkRecord, Record
from secc.aio.renewal import renewal_for
from secc.aio.safety import Safety
from secc.aio.services import ServiceDesk
from secc.aio.tls import TlsKeeper
from secc.config import SeccConfig
from secc.errors import LinkError
from secc.ports import Backend, EvseController, OcspSource
from secc.sdp import SDP_PORT, Endpoint, SdpResponder, TlsPolicy, Verdict
from secc.session.contract_events import ContractRecord
from secc.session.events import EndSession, EvseSnapshot, PowerLimited, RenegotiationRequested, StopRequested
from secc.session.latch import FaultLatch
from secc.session.pause import PauseMemory
from secc.session.states import Stage
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
    ) -> None:
        """Raises ConfigError when TLS is wanted and cannot be had: there is no fallback to less [INV-21].

        `on_event` is called from the event loop for everything that happens and must return at once.
        `sdp_port` other than 15118 is for tests. `ocsp` fetches OCSP responses.
        `recorder` and `journal` write down every session, each in its way.
        """
        self._config = config
        self._controller = controller
        self._backend = backend
        self._on_event = on_event
        self._random_bytes = random_bytes
        self._tls = TlsKeeper(config, tell=self._tell, ocsp=ocsp)
        self._renewal = renewal_for(config, backend, self._tell, self._tls)
        self._desk = ContractDesk(config, backend, complain=self._complain, note=self._note, ocsp=ocsp)
        self._expiry = ExpiryWatch(config, backend, self._tls, self._desk, tell=self._tell)
        self._responder = SdpResponder(config.tls.policy)
        self._discovery = Discovery(
            self._responder, port=sdp_port, on_problem=functools.partial(self._tell, LinkEvent.DEAF)
        )
        self.insight = Insight(controller, self._discovery, self._responder, self._tls)
        self._books = Books(recorder, journal, complain=self._complain)
        self._services = ServiceDesk(config, backend, self._complain)
        self._safety = Safety(controller, config.timing.controller_call, self._complain)
        self._latch = FaultLatch()
        self._pauses = PauseMemory(config.timing.pause)
        self._recent_ids: collections.deque[bytes] = collections.deque(maxlen=1000)
        self._generation = 0
        self._power_limit: float | None = None
        self._rivals = 0

        self._interface: LinkLocal | None = None
        self._link_up_at: float | None = None  # only with SLAC
        self._listeners: list[Listener] = []
        self._retired: list[Listener] = []
        self._endpoint: Endpoint | None = None
        self._problem = "not started"
        self._links: list[Link] = []  # in the order of their coming
        self._active: Link | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._supervisor: asyncio.Task[None] | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._chatter = Chatter()

    # --- life ----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Start, run until cancelled, stop."""
        async with self:
            await asyncio.Event().wait()

    async def start(self) -> None:
        """Make the outlet safe first [INV-32], then listen, or wait for an address to listen on."""
        await self._safety.make()
        self._look()
        keepers = [self._supervise(), self._tls.run(), self._safety.run(), self._expiry.run()]
        keepers += [self._renewal.run()] if self._renewal is not None else []
        self._keepers = [asyncio.get_running_loop().create_task(keeper) for keeper in keepers]
        self._supervisor = self._keepers[0]

    async def stop(self) -> None:
        """Output off, then farewell to the EV, then nothing is left; takes a second or two."""
        for task in self._keepers:
            task.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._supervisor, self._keepers = None, []
        self._close_endpoint("stopped")
        await asyncio.gather(*[link.shut_down("the station stops") for link in self._links])
        await self._desk.stop()
        if self._tasks:  # connections that were just being accepted
            await asyncio.wait(self._tasks)
            await asyncio.gather(*[link.shut_down("the station stops") for link in self._links])
        self._discovery.close()
        await self._safety.make()

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
        return self._endpoint

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
        discovery = self._discovery.health
        supervised = self._supervisor is not None and not self._supervisor.done()
        running = self._safety.problem or self._problem if supervised else "not running"
        problem = self._tls.problem or running or self._books.problem
        return StationHealth(
            serving=not problem and discovery.listening and not self._latch.blocked,
            reason=problem
            or discovery.reason
            or (f"fault not reset: {self._latch.reason}" if self._latch.blocked else ""),
            discovery=discovery,
            in_session=self._active is not None,
            blocked=self._latch.blocked,
            ends_soon=self._expiry.found,
        )

    def link_up(self) -> None:
        """SLAC: the data link is there, D-LINK_READY; the setup time begins."""
        self._link_up_at = asyncio.get_running_loop().time()
        self._look()

    def link_down(self, reason: str = "data link lost") -> None:
        """SLAC: the data link is gone; a session on it ends."""
        self._link_up_at = None
        self._drop_everything(reason)

    def stop_charging(self, reason: str = "stop requested") -> None:
        """Ask the EV to end; the output is forced off after the stop delay."""
        if self._active is not None:
            self._active.post(StopRequested(reason))

    def renegotiate(self) -> None:
        """Ask the EV to negotiate a new schedule."""
        if self._active is not None:
            self._active.post(RenegotiationRequested())

    def limit_power(self, max_power: float | None) -> None:
        """At most this many W from now on, also for later sessions; None lifts it."""
        self._power_limit = max_power
        if self._active is not None:
            self._active.post(PowerLimited(max_power))

    def withdraw_authorization(self) -> None:
        """The running session is not authorized any more."""
        if self._active is not None:
            self._active.withdraw_authorization()

    def renew_tls(self) -> None:
        """Read the certificate files again, for connections to come; running ones keep what they have.

        Raises ConfigError when they cannot be used, and goes on with the old ones.
        """
        self._tls.renew()
        self._desk.renew_trust()

    @property
    def contract_refusals(self) -> dict[str, int]:
        """How often something about a contract was refused since the start, by the rule that was broken."""
        return dict(self._desk.refusals)

    def reset_fault(self) -> None:
        """Somebody has looked at the outlet; with an unplugged cable this ends a latched fault."""
        self._latch.reset()

    # --- what links need (LinkOwner) -----------------------------------------------------------------------

    async def admit(self, link: Link) -> Grant | None:
        """The first one to speak gets the outlet; one that is just being left is waited for."""
        if self._active is not None and self._active.ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.timing.controller_call):
                    await self._free.wait()
        if self._active is not None or link not in self._links or self._safety.problem:
            self._tell(LinkEvent.REFUSED, self._safety.problem or "the outlet is taken", link.peer)
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
            self._latch.session_ended(end)
            self._pauses.session_ended(end, asyncio.get_running_loop().time())
            self._recent_ids.append(end.session_id)
        if self._active is link:
            self._books.end(self._generation, end)
            self._active = None
            self._free.set()
            if self._config.slac.enabled:
                self._link_up_at = None  # the next session needs a new match [V2G2-727]
            if self._supervisor is not None and self._listeners:
                self._renew_endpoint()

    def link_closed(self, link: Link) -> None:
        """Forget it."""
        if link in self._links:
            self._links.remove(link)
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
            blocked=self._latch.blocked,
            paused=self._pauses.paused(now),
            services=self._services.offered(),
            max_payload=self._config.network.max_payload,
        )
        connection = self._books.begin(beginning, self._config, self._random_bytes, link.peer)
        outlet = Outlet(
            self._config,
            self._controller,
            self._backend,
            report=link.post,
            complain=self._complain,
            desk=self._desk,
            safety=self._safety,
            services=self._services,
        )
        early = () if self._power_limit is None else (PowerLimited(self._power_limit),)
        return Grant(connection, outlet, snapshot, self._observe, early)

    def _observe(self, snapshot: EvseSnapshot) -> None:
        """What outlives a session looks at every snapshot: fault latch, paused session, journal."""
        self._latch.observe(snapshot)
        self._pauses.observe(snapshot)
        self._books.observe(snapshot)

    # --- connections ---------------------------------------------------------------------------------------

    def _accept(self, connected: socket.socket, address: str, *, secure: bool) -> None:
        if not self._may_wait(address):
            connected.close()
            self._tell(LinkEvent.REFUSED, "the outlet is taken", address)
            return
        now = asyncio.get_running_loop().time()
        due = (
            now if self._link_up_at is None else self._link_up_at
        ) + self._config.timing.communication_setup
        engine = self._tls.engine() if secure else PlainEngine()
        link = Link(self, engine, self._config, peer=address, setup_deadline=due)
        self._links.append(link)
        self._spawn(self._adopt(link, connected))

    async def _adopt(self, link: Link, connected: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: link, connected)
        except OSError as error:
            connected.close()
            self._tell(LinkEvent.FAILED, str(error), link.peer)
            self.link_closed(link)

    def _may_wait(self, address: str) -> bool:
        """Whether one more connection may wait for the outlet; makes room where it can."""
        active = self._active
        if active is not None and not active.ending:
            core = active.connection
            setting_up = core is not None and core.session.state is core.session.dialect.begin
            if not setting_up or active.peer != address:
                return False
            active.hang_up("replaced by a new connection of the same EV")
        waiting = [link for link in self._links if link.connection is None]
        if len(waiting) < self._config.network.max_pending:
            return True
        victim = gives_way(waiting, address)
        if victim is None:
            return False
        self._links.remove(victim)
        victim.abort()
        return True

    # --- the link and its endpoint -------------------------------------------------------------------------

    async def _supervise(self) -> None:
        trouble = ""
        while True:
            await asyncio.sleep(_SUPERVISION)
            try:
                self._look()
                self._look_for_rivals()
                self._observe(self._controller.snapshot())
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
        elif self._safety.problem:
            self._close_endpoint(self._safety.problem)
        elif self._endpoint is None:
            self._open_endpoint(found)

    def _look_for_rivals(self) -> None:
        answers = self._responder.counts.get(Verdict.FOREIGN_RESPONSE, 0)
        if answers > self._rivals:
            self._rivals = answers
            self._tell(LinkEvent.SUSPICIOUS, f"somebody else answers SDP on our link, {answers} times so far")

    def _setup_expired(self) -> bool:
        """The time for the setup is over, and nobody has a session: only with SLAC [V2G2-716]."""
        if self._link_up_at is None or self._active is not None:
            return False
        now = asyncio.get_running_loop().time()
        return now >= self._link_up_at + self._config.timing.communication_setup

    def _open_endpoint(self, link: LinkLocal) -> None:
        """One listener per security mode the policy allows, then announce them."""
        network, policy = self._config.network, self._config.tls.policy
        plain_port = tls_port = None
        try:
            if policy is not TlsPolicy.REQUIRED:
                plain_port = self._listen(link, network.tcp_port, secure=False)
            if policy is not TlsPolicy.OFF:
                tls_port = self._listen(link, network.tls_port, secure=True)
        except LinkError as error:
            self._close_endpoint(str(error))
            self._tell(LinkEvent.DEAF, str(error))
            return
        self._endpoint = Endpoint(link.address, link.scope_id, plain_port=plain_port, tls_port=tls_port)
        self._responder.activate(self._endpoint)
        self._problem = ""
        ports = f"plain {plain_port}" * (plain_port is not None) + f" TLS {tls_port}" * (tls_port is not None)
        self._tell(LinkEvent.LISTENING, f"[{link.address}] of {link.interface}: {ports.strip()}")

    def _listen(self, link: LinkLocal, port: int, *, secure: bool) -> int:
        def accept(connected: socket.socket, address: str) -> None:
            self._accept(connected, address, secure=secure)

        listener = Listener(link, accept, port=port)
        self._listeners.append(listener)
        return listener.port

    def _renew_endpoint(self) -> None:
        """Fresh ports; who was told the old ones just now may still come. With SLAC a match comes first."""
        if self._config.slac.enabled:
            self._close_endpoint("between two sessions")
        elif self._config.network.tcp_port == self._config.network.tls_port == 0:
            for listener in self._listeners:  # ports that are configured stay open
                listener.retire()
            self._retired = [*(one for one in self._retired if not one.closed), *self._listeners]
            self._listeners, self._endpoint = [], None
        self._look()

    def _close_endpoint(self, reason: str) -> None:
        self._problem = reason
        self._responder.deactivate()
        self._endpoint = None
        for listener in [*self._listeners, *self._retired]:
            listener.close()
        self._listeners.clear()
        self._retired.clear()

    def _drop_everything(self, reason: str) -> None:
        """The link is gone: nothing on it can go on."""
        self._close_endpoint(reason)
        for link in list(self._links):
            link.hang_up(reason)

    # --- telling -------------------------------------------------------------------------------------------

    def _note(self, record: ContractRecord) -> None:
        self._books.contract(self._generation, record)

    def _complain(self, text: str) -> None:
        self._tell(LinkEvent.COMPLAINT, text)

    def _tell(self, event: LinkEvent, text: str = "", peer: str = "") -> None:
        self.record(LinkRecord(asyncio.get_running_loop().time(), event, text, peer))

    def _spawn(self, call: Coroutine[object, object, object]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_NEVER_DROPPED = (LinkEvent.TLS_RENEWED, LinkEvent.TLS_ALARM, LinkEvent.EXPIRY)  # not for a peer to drown

_SUPERVISION = 0.25  # s between two looks at the interface
