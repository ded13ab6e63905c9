"""A small central system for tests and demonstrations: OCPP 2.1, 2.0.1 and 1.6J, with simulated faults.

It records transactions like a real one: an event counts once, however often it arrives. It is not a product:
it has no users, no database and no roaming.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
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

from secc.ocpp.fake.answers import ANSWERS
from secc.ocpp.fake.records import CsmsFaults, CsmsRecords, ReceivedMessage
from secc.ocpp.fake.services import Accounts, CsmsServices
from secc.ocpp.model import Payload
from secc.ocpp.rpc import CallFailed, NoAnswer, Rpc
from secc.settings.ocpp import OcppVersion

__all__ = ["FakeCsms", "brief", "station_of"]


class FakeCsms:
    """Runs inside `async with csms.serving():`; it may be stopped and started again with its records."""

    def __init__(
        self,
        services: CsmsServices | None = None,
        *,
        versions: Sequence[OcppVersion] = tuple(OcppVersion),
        password: str | None = None,
        context: ssl.SSLContext | None = None,
        show: Callable[[str], None] = lambda _line: None,
        heartbeat: int = 300,
    ) -> None:
        """`password` is required from every station, if set. `context` is for TLS. `show` receives a line for
        each message."""
        self.services: CsmsServices = Accounts() if services is None else services
        self.faults = CsmsFaults()
        self.records = CsmsRecords()
        self.heartbeat = heartbeat
        self.port = 0
        self.connections = 0
        """Number of connections so far."""
        self._versions = versions
        self.password = password
        self._context = context
        self._show = show
        self.lines: dict[str, tuple[Rpc, ServerConnection]] = {}
        """Connected stations."""
        self._server: Server | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- start and stop -------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve while the block runs; returns the URL for stations."""
        await self.start(host, port)
        scheme = "wss" if self._context is not None else "ws"
        try:
            yield f"{scheme}://{'localhost' if self._context else host}:{self.port}/ocpp"
        finally:
            await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; 0 selects a free port, and the same port after a restart."""
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
        """Stop at once, like a power cut."""
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
        """Identities of connected stations."""
        return list(self.lines)

    async def command(self, station: str, action: str, payload: Payload) -> Payload:
        """Send a call to a station; raises NoAnswer or CallFailed."""
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
        """Send any text, for tests."""
        await self.lines[station][1].send(text)

    async def until(self, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Wait for a condition, checked after each message; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def actions(self, station: str | None = None) -> list[str]:
        """Return the received actions, in order."""
        return self.records.actions(station)

    def version_of(self, station: str) -> OcppVersion | None:
        """Return the OCPP version of a connected station."""
        line = self.lines.get(station)
        return None if line is None else line[0].version

    def later(self, call: Coroutine[object, object, None]) -> None:
        """Run a call in the background."""
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
            await connection.send(_violating(text) if self.faults.wrong else text)

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
            rpc.close("the station has disconnected")
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
            raise CallFailed("InternalError", "simulated fault")
        handler = ANSWERS[version].get(action)
        if handler is None:
            raise CallFailed("NotSupported", f"{action} is not supported")
        self.records.messages.append(ReceivedMessage(station, action, payload))
        answer = await handler(self, station, payload)
        self._changed.set()
        if faults.lost_answers and action in _TRANSACTION_ACTIONS:
            faults.lost_answers -= 1
            connection.transport.abort()
            raise CallFailed("InternalError", "lost")
        return answer

    @property
    def now(self) -> float:
        """Unix seconds, by the clock of the fake CSMS."""
        return time.time() + self.faults.clock


_TRANSACTION_ACTIONS = ("TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues")


def _violating(text: str) -> str:
    """Return an answer that violates its schema; calls are not changed."""
    message = json.loads(text)
    return json.dumps([3, message[1], {"nonsense": [None]}]) if message[0] == 3 else text


def station_of(path: str) -> str:
    """Return the identity in a URL."""
    return urllib.parse.unquote(path.rstrip("/").rpartition("/")[2])


def brief(payload: Payload) -> str:
    """Return a payload as one line, with long texts truncated."""
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
