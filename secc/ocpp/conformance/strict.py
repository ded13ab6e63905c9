"""A strict central system: it serves one station, judges every message, and lets cases talk to it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import hmac
import json
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from secc.ocpp.conformance import schemas
from secc.ocpp.conformance.schemas import Body


class CaseFailed(Exception):
    """The station does something else than the case expects."""


class CallRefused(Exception):
    """The station has answered with CALLERROR."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class StrictCsms:
    """Serves the first station that connects, in one version of OCPP."""

    def __init__(self, version: str, *, password: str | None = None, patience: float = 10.0) -> None:
        """`patience` in seconds for an answer or an expected message."""
        self.version = version
        self.patience = patience
        self.station = ""
        """Name of the station; empty until it connects."""
        self.violations: list[str] = []
        """What the station has sent against the schemas or the framing."""
        self.received: list[tuple[str, Body]] = []
        """Every call of the station."""
        self.replies: dict[str, Callable[[Body], Body]] = {}
        """Answers that a case wants instead of the usual ones, by action."""
        self.offered: tuple[str, ...] = ()
        """Sub-protocols that the station has offered last, in its order."""
        self.connections = 0
        self._password = password
        self._line: ServerConnection | None = None
        self._waiting: dict[str, tuple[str, asyncio.Future[Body]]] = {}
        self._changed = asyncio.Event()
        self._number = 0

    # --- serving -------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve while the block runs; returns the URL for stations."""
        server = await serve(
            self._serve,
            host,
            port,
            select_subprotocol=self._select,
            process_request=self._admit,
            compression=None,
            max_size=1_048_576,
            close_timeout=0.2,
        )
        try:
            yield f"ws://{host}:{next(iter(server.sockets)).getsockname()[1]}/ocpp"
        finally:
            server.close()
            await server.wait_closed()

    def _select(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        self.offered = tuple(str(one) for one in offered)
        wanted = Subprotocol(f"ocpp{self.version}")
        return wanted if wanted in offered else None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        name = _name(request.path)
        if self.station and name != self.station:
            return connection.respond(HTTPStatus.FORBIDDEN, "another station is tested\n")
        if self._password is None:
            return None
        expected = base64.b64encode(f"{name}:{self._password}".encode()).decode()
        shown = request.headers.get("Authorization", "")
        good = hmac.compare_digest(shown, f"Basic {expected}")
        return None if good else connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.subprotocol is None:
            return
        self.station = _name(connection.request.path)
        self._line = connection
        self.connections += 1
        self._changed.set()
        try:
            async for message in connection:
                await self._receive(connection, message)
        except ConnectionClosed:
            pass
        finally:
            if self._line is connection:
                self._line = None
            for _, future in self._waiting.values():
                if not future.done():
                    future.set_exception(CaseFailed("the station has closed the connection"))

    async def _receive(self, connection: ServerConnection, text: str | bytes) -> None:
        try:
            frame: Any = json.loads(text)
            kind, name = frame[0], frame[1]
        except (ValueError, TypeError, LookupError):
            self.violations.append(f"not a frame: {str(text)[:80]}")
            return
        if kind == 2 and len(frame) == 4:
            await self._answer(connection, name, frame[2], frame[3])
        elif name in self._waiting and kind in (3, 4):
            self._answered(frame, *self._waiting[name])
        else:
            self.violations.append(f"an answer that nothing waits for: {str(text)[:80]}")

    async def _answer(self, connection: ServerConnection, name: str, action: str, body: Body) -> None:
        wrong = schemas.problem(self.version, action, body, answer=False)
        if wrong:
            self.violations.append(wrong)
            await connection.send(json.dumps([4, name, "FormationViolation", wrong[:255], {}]))
            return
        self.received.append((action, body))
        special = self.replies.get(action)
        reply = self._usual(action) if special is None else special(body)
        mine = schemas.problem(self.version, action, reply, answer=True)
        if mine:
            raise AssertionError(f"the tester violates the schema: {mine}")
        await connection.send(json.dumps([3, name, reply]))
        self._changed.set()

    def _answered(self, frame: list[Any], action: str, future: asyncio.Future[Body]) -> None:
        if future.done():
            return
        if frame[0] == 4:
            future.set_exception(CallRefused(str(frame[2]), str(frame[3])))
            return
        wrong = schemas.problem(self.version, action, frame[2], answer=True)
        if wrong:
            self.violations.append(wrong)
            future.set_exception(CaseFailed(wrong))
        else:
            future.set_result(frame[2])

    def _usual(self, action: str) -> Body:
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now_text(), "interval": 300}
            case "Heartbeat":
                return {"currentTime": now_text()}
            case "Authorize":
                known = {"status": "Accepted"}
                return {"idTagInfo": known} if self.version == "1.6" else {"idTokenInfo": known}
            case "StartTransaction":
                self._number += 1
                return {"transactionId": self._number, "idTagInfo": {"status": "Accepted"}}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case "NotifyEVChargingNeeds":
                return {"status": "NoChargingProfile" if self.version == "2.1" else "Rejected"}
            case "SignCertificate":
                return {"status": "Rejected"}
            case "NotifyEVChargingSchedule":
                return {"status": "Accepted"}
            case "GetCertificateStatus":
                return {"status": "Failed"}
            case "PullDynamicScheduleUpdate":
                return {"status": "Rejected"}
            case "Get15118EVCertificate":
                return {"status": "Failed", "exiResponse": ""}
        return {}

    # --- for cases -----------------------------------------------------------------------------------------

    @property
    def transaction(self) -> int:
        """The last transaction id given to a station of 1.6."""
        return self._number

    @property
    def connected(self) -> bool:
        """The station is connected."""
        return self._line is not None

    async def call(self, action: str, body: Body) -> Body:
        """Send a call; returns the answer. Raises CallRefused, or CaseFailed without an answer."""
        mine = schemas.problem(self.version, action, body, answer=False)
        if mine:
            raise AssertionError(f"the tester violates the schema: {mine}")
        return await self.call_unchecked(action, body)

    async def call_unchecked(self, action: str, body: object) -> Body:
        """Send a call that may violate its schema."""
        await self.until(lambda: self._line is not None, "the station is not connected")
        assert self._line is not None
        name = str(uuid.uuid4())
        future: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._waiting[name] = action, future
        try:
            await self._line.send(json.dumps([2, name, action, body]))
            async with asyncio.timeout(self.patience):
                return await future
        except TimeoutError:
            raise CaseFailed(f"{action}: no answer within {self.patience:g} s") from None
        finally:
            del self._waiting[name]

    async def expect(
        self, action: str, where: Callable[[Body], bool] = lambda _body: True, *, since: int = 0
    ) -> Body:
        """Wait for a call of the station after the first `since` ones; returns its body."""

        def found() -> Body | None:
            rows = self.received[since:]
            return next((body for name, body in rows if name == action and where(body)), None)

        await self.until(lambda: found() is not None, f"{action} does not arrive")
        body = found()
        assert body is not None
        return body

    async def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Wait for a condition, checked after each message; raises CaseFailed."""
        try:
            async with asyncio.timeout(self.patience):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise CaseFailed(f"{otherwise} within {self.patience:g} s") from None

    async def pause(self, seconds: float) -> None:
        """Let time pass at the station."""
        await asyncio.sleep(seconds)

    async def reconnected(self) -> None:
        """Close the connection, and wait for the next one."""
        before = self.connections
        await self.drop()
        await self.until(lambda: self.connections > before, "the station does not return")

    async def drop(self) -> None:
        """Close the connection; a station connects again."""
        if self._line is not None:
            await self._line.close()


def now_text(seconds: float = 0.0) -> str:
    """Return the present time, or one so many seconds later, as in messages."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _name(path: str) -> str:
    return urllib.parse.unquote(path.rstrip("/").rpartition("/")[2])
