"""One TCP connection: bytes through TLS into the core, outputs of the core to the socket and the outlet.

A link lives through three stages, each with a deadline that no partial input re-arms: the TLS handshake, the
wait for the first byte of a message, the session. Only at that first byte does the owner decide whether this
link may have the outlet, so a silent connection costs a socket and a task, and no session.

There is one inbox and one loop, and nothing in here knows what a message means. Reading pauses while a chunk
is being handled: a peer cannot queue more than one chunk. However a session ends, its outlet is made safe
before the link is closed.
"""

import asyncio
import dataclasses
import enum
from collections.abc import Callable
from typing import Any, Protocol, cast

from secc.connection import (
    Close,
    Connection,
    ConnectionInput,
    ConnectionOutput,
    Data,
    EndOfStream,
    Heard,
    Write,
)
from secc.errors import LinkError
from secc.pki.vehicle import VehicleIdentity
from secc.records import (
    Direction,
    LinkEvent,
    LinkRecord,
    MessageRecord,
    NoticeRecord,
    OutputRecord,
    Record,
)
from secc.session.inputs import LinkLost, Tick
from secc.session.outlet import EvseFault, EvseSnapshot
from secc.session.outputs import (
    CloseContactor,
    EndSession,
    Notice,
    OpenContactor,
    RenewLease,
    SetOutput,
    StartCableCheck,
)
from secc.settings.config import SeccConfig
from secc.station.hardware import watch
from secc.station.outlet import Outlet
from secc.tls import TlsEngine


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What a link gets when it may have the outlet."""

    connection: Connection
    outlet: Outlet
    snapshot: EvseSnapshot
    """The snapshot the session was made with."""
    observe: Callable[[EvseSnapshot], None] = lambda _snapshot: None
    """Hears of every snapshot taken."""
    early: tuple[ConnectionInput, ...] = ()
    """Inputs to hand in before the first bytes."""


class LinkOwner(Protocol):
    """What a link needs of the station."""

    async def admit(self, link: "Link") -> Grant | None:
        """The first byte of a message is here: may this link have the outlet?"""
        ...

    def session_ended(self, link: "Link", end: EndSession | None) -> None:
        """The outlet is safe again and free for another; `end` is None when the core itself failed."""
        ...

    def link_closed(self, link: "Link") -> None:
        """Nothing is left of it."""
        ...

    def record(self, record: Record) -> None:
        """Something to tell."""
        ...


class Link(asyncio.BufferedProtocol):
    """Give it to `loop.connect_accepted_socket`; it runs by itself and tells its owner how it goes."""

    def __init__(
        self, owner: LinkOwner, engine: TlsEngine, config: SeccConfig, *, peer: str, setup_deadline: float
    ) -> None:
        """`setup_deadline`: loop time by which a session has to have begun [V2G2-716]."""
        self.peer = peer
        self.heard = False
        """The peer has sent something."""
        self._owner = owner
        self._engine = engine
        self._config = config
        self.setup_deadline = setup_deadline
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[_Event] = asyncio.Queue()
        self._buffer = bytearray(_CHUNK)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = False  # the socket is closed
        self._peer_closed = False  # end of stream: nothing more will come
        self._hung_up = False  # by the station
        self._finished = False  # nothing more will be read or written by us
        self._session: _Session | None = None

    @property
    def secure(self) -> bool:
        """TLS protects it."""
        return self._engine.secure

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be in TLS."""
        return self._engine.vehicle

    @property
    def connection(self) -> Connection | None:
        """The core, once the link has the outlet."""
        return self._session.connection if self._session else None

    def post(self, event: ConnectionInput) -> None:
        """Hand in an input of the session; without a session it is forgotten."""
        if self._session is not None:
            self._inbox.put_nowait(event)

    def withdraw_authorization(self) -> None:
        """The authorization ends, finally [INV-11]."""
        if self._session is not None:
            self._session.outlet.withdraw()

    @property
    def ending(self) -> bool:
        """The session is over or about to be: the outlet will be free in a moment."""
        return self._hung_up or (self._session is not None and self._session.close_at is not None)

    def hang_up(self, reason: str) -> None:
        """End the session, if there is one, make the outlet safe, close."""
        self._hung_up = True
        self._inbox.put_nowait(_Stop(reason))

    async def shut_down(self, reason: str) -> None:
        """`hang_up`, and wait until nothing is left."""
        self.hang_up(reason)
        if self._task is not None:
            await asyncio.wait([self._task])

    def abort(self) -> None:
        """Drop a link that has no session, without farewell."""
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
        self._inbox.put_nowait(_Bytes(bytes(self._buffer[:nbytes]), self._loop.time()))
        if self._transport is not None and not self._gone:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._peer_closed = True
        self._inbox.put_nowait(_Eof.CLOSED)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._inbox.put_nowait(_Eof.BROKEN if exc is not None else _Eof.CLOSED)

    # --- the life of a link --------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            self._record(LinkEvent.OPENED)
            first = await self._first_bytes()
            if first is not None:
                await self._converse(first)
        except Exception as error:  # a defect of ours ends this link and nothing else [INV-28]
            self._record(LinkEvent.FAILED, f"{type(error).__name__}: {error}")
        finally:
            await self._end()

    async def _first_bytes(self) -> "_Plaintext | None":
        """The first plaintext; before it the handshake, where there is one."""
        handshake_deadline = self._loop.time() + self._config.tls.handshake_timeout
        while not self._finished:
            done = self._engine.handshake_done
            deadline = self.setup_deadline if done else min(handshake_deadline, self.setup_deadline)
            event = await self._next(deadline)
            if event is None:
                if done:
                    self._record(LinkEvent.FAILED, "nothing said in the setup time")
                else:
                    self._record(LinkEvent.TLS_FAILED, "not finished in time")
            if not isinstance(event, _Bytes):
                return None
            plaintext = self._decrypt(event)
            if self._engine.handshake_done and not done:
                self._record(LinkEvent.SECURED, self._engine.summary)
            if plaintext.data:
                return plaintext
        return None

    async def _converse(self, first: "_Plaintext") -> None:
        grant = await self._owner.admit(self)
        if grant is None:
            return
        session = self._session = _Session(grant.connection, grant.outlet, grant.snapshot, grant.observe)
        session.watch = self._watch(session)
        try:
            await self._serve(session, [*grant.early, first])
        finally:
            await self._release(session)

    async def _serve(self, session: "_Session", first: "list[_Event]") -> None:
        """The loop: one input in, its outputs done, until the core hangs up."""
        events: list[_Event | None] = [*first]
        while session.close_at is None:
            for item in (item for event in events for item in self._inputs(session, event)):
                decided = self._loop.time()
                outputs = session.connection.handle(item, decided)
                for output in outputs:  # the hardware first, before anything that may take time
                    if isinstance(output, _HARDWARE):
                        session.outlet.perform(output, decided)
                for output in outputs:
                    if isinstance(output, Write) and session.outlet.off_pending:
                        # the outlet hears first, then the EV [INV-02]
                        await session.outlet.off_heard(session.connection.session.answer_by)
                    self._perform(session, output)
            if session.close_at is None:
                events = [await self._next(session.connection.deadline)]
        await self._release(session)
        await self._wait_for_the_peer(session.close_at)

    def _inputs(self, session: "_Session", event: "_Event | None") -> list[ConnectionInput]:
        """What an event of the inbox means to the core; None stands for a deadline."""
        match event:
            case None | _Look():
                session.look_queued = False
                return session.ticks()
            case _Bytes():
                inputs = self._inputs(session, self._decrypt(event))
                if self._finished:
                    inputs.append(EndOfStream("TLS closed by the EV or failed"))
                return inputs
            case _Plaintext():
                session.request_at = event.at
                *passed, _ = session.ticks()
                return [*passed, Data(event.data, session.seen)] if event.data else [*passed]
            case _Eof():
                self._finished = self._finished or self._gone
                return [EndOfStream(event.value)]
            case _Stop():
                return [LinkLost(event.reason)]
            case _:
                return [event]

    def _perform(self, session: "_Session", output: ConnectionOutput) -> None:
        now = self._loop.time()
        name = session.connection.session.session_id.hex().upper()
        match output:
            case Heard():
                heard = MessageRecord(now, Direction.RECEIVED, output.message, session=name)
                self._owner.record(heard)
            case Write():
                self._send(output.data)
                waited = now - session.request_at
                self._owner.record(MessageRecord(now, Direction.SENT, output.message, waited, name))
            case Close():
                session.close_at = now + output.after
            case Notice():
                self._owner.record(NoticeRecord(now, output, name))
            case EndSession():
                session.end = output
                self._owner.record(OutputRecord(now, output, name))
            case _:
                if not isinstance(output, _HARDWARE):
                    session.outlet.perform(output)
                self._owner.record(OutputRecord(now, output, name))

    async def _release(self, session: "_Session") -> None:
        """Once per session: the outlet is made safe, then somebody else may have it."""
        if not session.released:
            session.released = True
            try:
                await session.outlet.release()
            finally:
                if session.watch is not None:
                    session.watch.cancel()
                self._owner.session_ended(self, session.end)

    async def _wait_for_the_peer(self, close_at: float) -> None:
        """The EV should hang up first [V2G2-025]; what it still sends is thrown away."""
        while not (self._gone or self._peer_closed):
            event = await self._next(close_at)
            if event is None or isinstance(event, (_Eof, _Stop)):
                return
            self._resume()

    def _watch(self, session: "_Session") -> asyncio.Task[None]:
        """Look at the outlet for as long as the session has it."""

        def look(reported: bool) -> None:
            if session.notices_change() or reported:
                self._queue_look(session)

        def complain(text: str) -> None:
            self._record(LinkEvent.COMPLAINT, text)

        return self._loop.create_task(watch(session.outlet.controller, look, complain))

    def _queue_look(self, session: "_Session") -> None:
        if not session.look_queued:
            session.look_queued = True
            self._inbox.put_nowait(_Look())

    # --- the socket ----------------------------------------------------------------------------------------

    async def _next(self, deadline: float | None) -> "_Event | None":
        """The next event, or None at the deadline."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._inbox.get()
        except TimeoutError:
            return None

    def _decrypt(self, event: "_Bytes") -> "_Plaintext":
        progress = self._engine.feed(event.data)
        self._send_raw(progress.to_send)
        if progress.failure is not None:
            done = self._engine.handshake_done
            self._record(LinkEvent.FAILED if done else LinkEvent.TLS_FAILED, str(progress.failure))
        self._finished = self._finished or progress.closed
        self._resume()
        return _Plaintext(progress.plaintext, event.at)

    def _resume(self) -> None:
        transport = self._transport
        if transport is not None and not self._gone and not transport.is_closing():
            transport.resume_reading()

    def _send(self, plaintext: bytes) -> None:
        try:
            self._send_raw(self._engine.send(plaintext))
        except LinkError as error:
            self._inbox.put_nowait(_Stop(str(error)))

    def _send_raw(self, data: bytes) -> None:
        transport = self._transport
        if not data or self._gone or transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _MAX_UNSENT:
            self._inbox.put_nowait(_Stop("the EV does not read"))

    async def _end(self) -> None:
        """Farewell, end of stream, a short wait for the peer to read it, then nothing is left."""
        transport = self._transport
        try:
            if transport is not None and not self._gone:
                self._send_raw(self._engine.close())
                transport.write_eof()
                self._resume()
                await self._wait_for_the_peer(self._loop.time() + _LINGER)
        except (OSError, RuntimeError):  # gone in this very moment
            pass
        finally:
            if transport is not None:
                transport.abort()
            self._record(LinkEvent.CLOSED)
            self._owner.link_closed(self)

    def _record(self, event: LinkEvent, text: str = "") -> None:
        self._owner.record(LinkRecord(self._loop.time(), event, text, self.peer))


_HARDWARE = (RenewLease, SetOutput, OpenContactor, CloseContactor, StartCableCheck)
_CHUNK = 4096
_MAX_UNSENT = 65536  # several of the largest responses: the peer has stopped reading
_LINGER = 0.5  # s; without it an answer or an alert can be lost to bytes that cross it


@dataclasses.dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of the peer and when they came."""

    data: bytes
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class _Plaintext:
    """What the bytes said, after TLS where there is TLS."""

    data: bytes
    at: float


class _Eof(enum.Enum):
    CLOSED = "closed by the EV"
    BROKEN = "connection reset"


@dataclasses.dataclass(frozen=True, slots=True)
class _Stop:
    """The station ends the link."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """The outlet has changed."""


_Event = _Bytes | _Plaintext | _Eof | _Stop | _Look | ConnectionInput


@dataclasses.dataclass(slots=True)
class _Session:
    """What a link holds while it has the outlet."""

    connection: Connection
    outlet: Outlet
    seen: EvseSnapshot
    observe: Callable[[EvseSnapshot], None]
    request_at: float = 0.0
    close_at: float | None = None
    end: EndSession | None = None
    released: bool = False
    look_queued: bool = False
    changes: list[EvseSnapshot] = dataclasses.field(default_factory=list)
    """What the watch has seen and the core has not."""
    watch: asyncio.Task[None] | None = None

    def look(self) -> EvseSnapshot:
        """The outlet now; a controller that cannot say is a fault of the outlet."""
        try:
            self.seen = self.outlet.controller.snapshot()
        except Exception:
            self.seen = dataclasses.replace(self.seen, fault=EvseFault.MALFUNCTION, ready=False)
        self.observe(self.seen)
        return self.seen

    def notices_change(self) -> bool:
        """Something that cannot wait for the next message or timer is not as it was: the core gets to know
        it, also when it has passed by then. A fault register may clear itself when it is read."""
        before = self.seen
        changed = _urgent(before) != _urgent(self.look())
        if changed:
            self.changes = [*self.changes, self.seen][-_MAX_CHANGES:]
        return changed

    def ticks(self) -> list[ConnectionInput]:
        """The outlet now, and before it what it was for a moment since the last look."""
        now = self.look()
        passed, self.changes = self.changes, []
        moments = [dataclasses.replace(now, **_urgent(one)) for one in passed]
        return [Tick(one) for one in (*moments, now)]


def _urgent(snapshot: EvseSnapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in _URGENT}


_URGENT = (
    "control_pilot",
    "fault",
    "contactor_closed",
    "ready",
    "max_voltage",
    "max_current",
    "max_power",
)
_MAX_CHANGES = 16  # a look follows each at once; more of them only while the loop stands still
