"""A small central system for tests and demonstrations: 2.0.1 and 1.6J, with faults that can be switched on.

It keeps books as a real one has to: an event of a transaction counts once, however often it comes. It is no
product: no users, no database, no roaming.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import dataclasses
import hmac
import json
import ssl
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from secc.ocpp.double_answers import ANSWERS
from secc.ocpp.ecosystem import Accounts, Ecosystem
from secc.ocpp.rpc import CallFailed, NoAnswer, Rpc
from secc.ocpp.words import Payload, Registration
from secc.settings.ocpp import OcppVersion


@dataclasses.dataclass(slots=True)
class Faults:
    """What goes wrong on purpose; change it while it runs."""

    slow: float = 0.0
    """s before every answer."""
    silent: bool = False
    """Nothing is answered."""
    wrong: bool = False
    """Answers break the schema."""
    refusing: bool = False
    """Everything is answered with an error."""
    twice: bool = False
    """Every command is sent twice, with the same id."""
    lost_answers: int = 0
    """So many answers to transaction events are lost with their connection, after the event was booked."""
    clock: float = 0.0
    """s that the clock is ahead."""
    registration: Registration = Registration.ACCEPTED
    """Answer to BootNotification."""


@dataclasses.dataclass(slots=True)
class Booked:
    """A transaction in the books."""

    station: str
    id: str
    token: str = ""
    number: int = 0
    seqs: list[int] = dataclasses.field(default_factory=list)
    """Of the events, in the order of their first coming."""
    meter_start: int | None = None
    meter_stop: int | None = None
    reason: str = ""
    ended: bool = False
    repeats: int = 0
    """Events that came again."""
    times: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A message of a station."""

    station: str
    action: str
    payload: Payload


class CsmsDouble:
    """`async with csms.serving():` while it is up; it may go down and come up again with its books."""

    def __init__(
        self,
        ecosystem: Ecosystem | None = None,
        *,
        versions: Sequence[OcppVersion] = tuple(OcppVersion),
        password: str | None = None,
        context: ssl.SSLContext | None = None,
        show: Callable[[str], None] = lambda _line: None,
        heartbeat: int = 300,
    ) -> None:
        """`password`: what every station has to show; none: anybody may come. `context` for TLS. `show` gets
        a line for each message."""
        self.ecosystem: Ecosystem = Accounts() if ecosystem is None else ecosystem
        self.faults = Faults()
        self.heard: collections.deque[Heard] = collections.deque(maxlen=10_000)
        self.books: dict[str, Booked] = {}
        """By transaction."""
        self.seen: set[tuple[Any, ...]] = set()
        """What of each event makes it that event."""
        self.numbers = 0
        self.heartbeat = heartbeat
        self.port = 0
        self.connections = 0
        """How often a station has connected."""
        self._versions = versions
        self.password = password
        self._context = context
        self._show = show
        self.lines: dict[str, tuple[Rpc, ServerConnection]] = {}
        """Who is connected."""
        self._server: Server | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- up and down ---------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Up; gives the URL for stations."""
        await self.start(host, port)
        scheme = "wss" if self._context is not None else "ws"
        try:
            yield f"{scheme}://{'localhost' if self._context else host}:{self.port}/ocpp"
        finally:
            await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; 0 takes a free port, and the same one again after a restart."""
        self._server = await serve(
            self._serve,
            host,
            port or self.port,
            subprotocols=[Subprotocol(version.subprotocol) for version in self._versions],
            process_request=self._admit,
            ssl=self._context,
            compression=None,
            max_size=1_048_576,
            close_timeout=0.2,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Down at once, as by a power cut."""
        for task in self._tasks:
            task.cancel()
        for _, connection in self.lines.values():
            connection.transport.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    # --- for tests and demonstrations ----------------------------------------------------------------------

    @property
    def stations(self) -> list[str]:
        """Who is connected."""
        return list(self.lines)

    async def command(self, station: str, action: str, payload: Payload) -> Payload:
        """Ask a station; raises NoAnswer or CallFailed."""
        if station not in self.lines:
            raise NoAnswer(f"{station} is not connected")
        rpc, connection = self.lines[station]
        name = str(uuid.uuid4())
        self._show(f"{station} < {action} {brief(payload)}")
        if self.faults.twice:
            await connection.send(json.dumps([2, name, action, payload]))
        answer = await rpc.call(action, payload, patience=10.0, message_id=name)
        self._show(f"{station} > {action} {brief(answer)}")
        return answer

    async def send(self, station: str, text: str) -> None:
        """Any text, for tests."""
        await self.lines[station][1].send(text)

    async def until(self, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Wait for something that a message brings; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def actions(self, station: str | None = None) -> list[str]:
        """What has come, in order."""
        return [one.action for one in self.heard if station in (None, one.station)]

    # --- books ---------------------------------------------------------------------------------------------

    def book(self, station: str, transaction: str, place: object, at: str) -> Booked | None:
        """Where to write an event down; None when it is in the books already."""
        booked = self.books.setdefault(transaction, Booked(station, transaction))
        if (transaction, place) in self.seen:
            booked.repeats += 1
            return None
        self.seen.add((transaction, place))
        booked.times.append(at)
        if isinstance(place, int):
            booked.seqs.append(place)
        return booked

    def version_of(self, station: str) -> OcppVersion | None:
        """What a connected station speaks."""
        line = self.lines.get(station)
        return None if line is None else line[0].version

    def later(self, call: Coroutine[object, object, None]) -> None:
        """Do it beside everything else."""
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- connections ---------------------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.password is None:
            return None
        expected = f"{station_of(request.path)}:{self.password}".encode()
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        try:
            shown = base64.b64decode(text)
        except ValueError:
            shown = b""
        good = scheme == "Basic" and hmac.compare_digest(shown, expected)
        return None if good else connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        station = station_of(connection.request.path)
        version = next((one for one in self._versions if one.subprotocol == connection.subprotocol), None)
        if version is None:
            return
        self.connections += 1

        async def handle(action: str, payload: Payload) -> Payload:
            return await self._answer(station, version, action, payload, connection)

        async def send(text: str) -> None:
            await connection.send(_spoilt(text) if self.faults.wrong else text)

        rpc = Rpc(send, version, handle)
        self.lines[station] = rpc, connection
        self._show(f"{station} connected, OCPP {version.value}")
        try:
            async for message in connection:
                if isinstance(message, str):
                    rpc.receive(message)
        except ConnectionClosed:
            pass
        finally:
            rpc.close("the station has gone")
            if self.lines.get(station, (None,))[0] is rpc:
                del self.lines[station]
            self._show(f"{station} disconnected")
            self._changed.set()

    async def _answer(
        self, station: str, version: OcppVersion, action: str, payload: Payload, connection: ServerConnection
    ) -> Payload:
        faults = self.faults
        self._show(f"{station} > {action} {brief(payload)}")
        if faults.silent:
            await asyncio.Event().wait()
        if faults.slow:
            await asyncio.sleep(faults.slow)
        if faults.refusing:
            raise CallFailed("InternalError", "told to refuse")
        handler = ANSWERS[version].get(action)
        if handler is None:
            raise CallFailed("NotSupported", f"{action} is not supported")
        self.heard.append(Heard(station, action, payload))
        answer = await handler(self, station, payload)
        self._changed.set()
        if faults.lost_answers and action in _BOOKED:
            faults.lost_answers -= 1
            connection.transport.abort()
            raise CallFailed("InternalError", "lost")
        return answer

    @property
    def now(self) -> float:
        """Unix seconds, by its own clock."""
        return time.time() + self.faults.clock


_BOOKED = ("TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues")


def _spoilt(text: str) -> str:
    """An answer that breaks its schema; calls are left as they are."""
    message = json.loads(text)
    return json.dumps([3, message[1], {"nonsense": [None]}]) if message[0] == 3 else text


def station_of(path: str) -> str:
    """The identity in a URL."""
    return urllib.parse.unquote(path.rstrip("/").rpartition("/")[2])


def brief(payload: Payload) -> str:
    """One line; long texts cut."""
    return json.dumps(_cut(payload), separators=(", ", ": "), ensure_ascii=False)


def _cut(value: Any) -> Any:
    match value:
        case str() if len(value) > 80:
            return f"{value[:32]}… ({len(value)} characters)"
        case dict():
            return {name: _cut(one) for name, one in value.items()}
        case list():
            return [_cut(one) for one in value]
    return value
