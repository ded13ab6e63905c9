"""One TCP connection: bytes through TLS into the core, outputs of the core to the socket and the outlet.

A link has three stages, each with a deadline that no partial input restarts: the TLS handshake, the wait for
the first byte of a message, the session. Only at that first byte does the owner decide whether this link may
have the outlet, so a silent connection costs a socket and a task, and no session.

This module does not interpret messages. Before and after the session one task waits for its next event, and
reading pauses until a chunk is handled: a peer cannot queue more than one chunk. In the session chunks are
handled as they come, see `secc.station.conversation`. After every kind of end the outlet is made safe before
the link is closed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from secc.connection import Connection, ConnectionInput
from secc.errors import LinkError
from secc.pki.transport import TlsVersion
from secc.records import LinkEvent, LinkRecord, Record
from secc.session.inputs import StopRequested
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig
from secc.station.conversation import Chunk, Conversation, HangUp, LinkInput, Plaintext, StreamEnd
from secc.station.outlet import Outlet
from secc.station.shielded import finish

if TYPE_CHECKING:
    from secc.pki.vehicle import VehicleIdentity
    from secc.tls import TlsEngine, TlsProgress


@dataclasses.dataclass(frozen=True, slots=True)
class LinkGrant:
    """What a link gets when it may have the outlet."""

    connection: Connection
    outlet: Outlet
    snapshot: EvseSnapshot
    """The snapshot the session was made with."""
    observe: Callable[[EvseSnapshot], None] = lambda _snapshot: None
    """Called with each snapshot."""
    early: tuple[ConnectionInput, ...] = ()
    """Inputs to hand in before the first bytes."""


class LinkOwner(Protocol):
    """What a link needs of the station."""

    async def admit(self, link: Link) -> LinkGrant | None:
        """The first byte of a message is here: may this link have the outlet?"""
        ...

    def session_ended(self, link: Link, end: EndSession | None) -> None:
        """The outlet is safe again and free for another; `end` is None when the core itself failed."""
        ...

    def link_closed(self, link: Link) -> None:
        """Nothing is left of it."""
        ...

    def record(self, record: Record) -> None:
        """Report a record."""
        ...


class Link(asyncio.BufferedProtocol):
    """Give it to `loop.connect_accepted_socket`; it runs by itself and reports to its owner."""

    def __init__(
        self, owner: LinkOwner, engine: TlsEngine, config: SeccConfig, *, peer: str, setup_deadline: float
    ) -> None:
        """`setup_deadline`: loop time by which a session must have begun [V2G2-716]."""
        self.peer = peer
        self.heard = False
        """The peer has sent something."""
        self._owner = owner
        self._engine = engine
        self._config = config
        self.setup_deadline = setup_deadline
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[LinkInput] = asyncio.Queue()
        self._buffer = bytearray(_CHUNK)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = False  # the socket is closed
        self._peer_closed = False  # end of stream: nothing more will come
        self._hung_up = False  # by the station
        self._finished = False  # nothing more will be read or written by us
        self._session: Conversation | None = None

    @property
    def secure(self) -> bool:
        """TLS protects it."""
        return self._engine.secure

    @property
    def tls13(self) -> bool:
        """TLS 1.3 protects it."""
        return self._engine.version is TlsVersion.TLS_1_3

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be in TLS."""
        return self._engine.vehicle

    @property
    def connection(self) -> Connection | None:
        """The core, once the link has the outlet."""
        return self._session.connection if self._session else None

    def post(self, event: ConnectionInput) -> None:
        """Pass an input to the session; without a session it is dropped."""
        if self._session is not None and not self._session.over:
            self._session.post(event)

    def withdraw_authorization(self) -> None:
        """The authorization ends, finally [INV-11]."""
        if self._session is not None:
            self._session.outlet.withdraw()
            if self._session.connection.session.may_continue:  # no question of this session has a ticket
                self.post(StopRequested("authorization withdrawn", at_once=True))

    @property
    def ending(self) -> bool:
        """The session is over or ends now: the outlet will be free shortly."""
        return self._hung_up or (self._session is not None and self._session.close_at is not None)

    def hang_up(self, reason: str) -> None:
        """End the session, if there is one, make the outlet safe, close."""
        self._hung_up = True
        self._stop(reason)

    async def shut_down(self, reason: str) -> None:
        """`hang_up`, and wait until nothing is left."""
        self.hang_up(reason)
        if self._task is not None:
            await asyncio.wait([self._task])

    def abort(self) -> None:
        """Drop a link that has no session, without a closing message."""
        self.hang_up("dropped")
        if self._transport is not None:
            self._transport.abort()

    # --- called by the transport ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._task = self._loop.create_task(self._run())

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard = True
        if not self._deliver(Chunk(bytes(self._buffer[:nbytes]), self._loop.time())):
            self.pause()

    def eof_received(self) -> bool:
        self._peer_closed = True
        self._deliver(StreamEnd.CLOSED)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._deliver(StreamEnd.BROKEN if exc is not None else StreamEnd.CLOSED)

    def _deliver(self, event: LinkInput) -> bool:
        """To the session, which handles it now, or to the task of the link; True for the session."""
        session = self._session
        if session is None or session.over:
            self._inbox.put_nowait(event)
            return False
        session.take(event)
        return True

    def _stop(self, reason: str) -> None:
        """End the session, if there is one, or the wait; in the next turn of the loop."""
        session = self._session
        if session is None or session.over:
            self._inbox.put_nowait(HangUp(reason))
        else:
            session.post(HangUp(reason))

    # --- the life of a link --------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            self._record(LinkEvent.OPENED)
            first = await self._first_bytes()
            if first is not None:
                await self._converse(first)
        except Exception as error:  # an internal error ends this link and nothing else [INV-28]
            self._record(LinkEvent.FAILED, f"{type(error).__name__}: {error}")
        finally:
            await self._end()

    async def _first_bytes(self) -> Plaintext | None:
        """The first plaintext; before it the handshake, where there is one."""
        handshake_deadline = self._loop.time() + self._config.tls.handshake_timeout
        while not self._finished:
            done = self._engine.handshake_done
            deadline = self.setup_deadline if done else min(handshake_deadline, self.setup_deadline)
            event = await self._next(deadline)
            if event is None:
                if done:
                    self._record(LinkEvent.FAILED, "no message in the setup time")
                else:
                    self._record(LinkEvent.TLS_FAILED, "not finished in time")
            if not isinstance(event, Chunk):
                return None
            plaintext = await self._shake(event) if self._engine.slow else self.decrypt(event)
            if self._engine.handshake_done and not done:
                self._record(LinkEvent.SECURED, self._engine.summary)
            if plaintext.data:
                return plaintext
        return None

    async def _shake(self, chunk: Chunk) -> Plaintext:
        """`decrypt` for a handshake that computes for milliseconds: in a thread, so that the loop is free for
        other connections and outlets. It is finished even if this link is cancelled: nothing else may use the
        engine before.
        """
        done: list[TlsProgress] = []

        async def feed() -> None:
            done.append(await asyncio.to_thread(self._engine.feed, chunk.data))

        await finish(feed())
        return self._take(done[0], chunk)

    async def _converse(self, first: Plaintext) -> None:
        grant = await self._owner.admit(self)
        if grant is None:
            return
        session = self._session = Conversation(
            self, grant.connection, grant.outlet, grant.snapshot, grant.observe
        )
        waiting = [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        if waiting:
            self.resume()
        try:
            close_at = await session.run([*grant.early, first, *waiting])
        finally:
            self._owner.session_ended(self, session.end)
        for event in session.left():
            self._inbox.put_nowait(event)
        await self._wait_for_the_peer(close_at)

    async def _wait_for_the_peer(self, close_at: float) -> None:
        """The EV should close first [V2G2-025]; what it still sends is discarded."""
        while not (self._gone or self._peer_closed):
            event = await self._next(close_at)
            if event is None or isinstance(event, (StreamEnd, HangUp)):
                return
            self.resume()

    # --- the socket ----------------------------------------------------------------------------------------

    async def _next(self, deadline: float | None) -> LinkInput | None:
        """The next event, or None at the deadline."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._inbox.get()
        except TimeoutError:
            return None

    @property
    def finished(self) -> bool:
        """Nothing more will be read or written."""
        return self._finished

    def decrypt(self, chunk: Chunk) -> Plaintext:
        """The content of a chunk; what TLS answers is sent."""
        return self._take(self._engine.feed(chunk.data), chunk)

    def _take(self, progress: TlsProgress, chunk: Chunk) -> Plaintext:
        self._send_raw(progress.to_send)
        if progress.failure is not None:
            done = self._engine.handshake_done
            self._record(LinkEvent.FAILED if done else LinkEvent.TLS_FAILED, str(progress.failure))
        self._finished = self._finished or progress.closed
        if self._session is None:
            self.resume()
        return Plaintext(progress.plaintext, chunk.at)

    def pause(self) -> None:
        """Read nothing until `resume`."""
        if self._transport is not None and not self._gone:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        transport = self._transport
        if transport is not None and not self._gone and not transport.is_closing():
            transport.resume_reading()

    def send(self, plaintext: bytes) -> None:
        """Send it, through TLS where there is TLS."""
        try:
            self._send_raw(self._engine.send(plaintext))
        except LinkError as error:
            self._stop(str(error))

    def _send_raw(self, data: bytes) -> None:
        transport = self._transport
        if not data or self._gone or transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _MAX_UNSENT:
            self._stop("the EV does not read")

    async def _end(self) -> None:
        """Close notify, end of stream, a short wait for the peer to read it, then release everything."""
        transport = self._transport
        try:
            if transport is not None and not self._gone:
                self._send_raw(self._engine.close())
                transport.write_eof()
                self.resume()
                await self._wait_for_the_peer(self._loop.time() + _LINGER)
        except (OSError, RuntimeError):  # gone in this very moment
            pass
        finally:
            if transport is not None:
                transport.abort()
            self._record(LinkEvent.CLOSED)
            self._owner.link_closed(self)

    def record(self, record: Record) -> None:
        """Report what has happened in the session."""
        self._owner.record(record)

    def complaint(self, text: str) -> None:
        """Report what only a log needs."""
        self._record(LinkEvent.COMPLAINT, text)

    def _record(self, event: LinkEvent, text: str = "") -> None:
        self._owner.record(LinkRecord(self._loop.time(), event, text, self.peer))


_CHUNK = 4096
_MAX_UNSENT = 65536  # several of the largest responses: the peer has stopped reading
_LINGER = 0.5  # s; without it an answer or an alert can be lost to bytes that cross it
