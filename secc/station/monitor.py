"""A small HTTP server for supervisors: `/metrics`, `/health`, `/ready`.

It runs in the event loop that serves cars: when that loop hangs, there is no answer here either, and a
supervisor sees it. GET only, one request per connection, everything bounded; no password, so use it on
loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Callable

from secc.errors import ConfigError
from secc.station.station import Station

__all__ = ["Monitor"]

_Answer = tuple[int, str, bytes]


class Monitor:
    """An async context manager around the server."""

    def __init__(
        self, station: Station, address: str, port: int, *, metrics: Callable[[], bytes] | None = None
    ) -> None:
        """`metrics` makes the text of a scrape; without it `/metrics` does not exist."""
        self._station = station
        self._address = address
        self._port = port
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._open = 0

    @property
    def port(self) -> int:
        """The port in use."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Monitor:
        """Raises ConfigError when the port cannot be had."""
        try:
            self._server = await asyncio.start_server(
                self._serve, self._address, self._port, limit=_LONGEST, backlog=_MOST
            )
        except OSError as error:
            raise ConfigError(f"operation.port: {self._address}:{self._port}: {error.strerror}") from error
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MOST:
                async with asyncio.timeout(_PATIENCE):
                    status, kind, body = await self._answer(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(_response(status, kind, body))
                    await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> _Answer:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, _TEXT, b"not HTTP\n"
        if words[0] != b"GET":
            return 405, _TEXT, b"GET only\n"
        match words[1].split(b"?")[0]:
            case b"/metrics" if self._metrics is not None:
                return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics()
            case b"/health":
                return await self._examined(ready=False)
            case b"/ready":
                return await self._examined(ready=True)
        return 404, _TEXT, b"/metrics, /health or /ready\n"

    async def _examined(self, *, ready: bool) -> _Answer:
        found = await self._station.diagnostics.examine(self._station.health)
        good = found.serving if ready else found.healthy
        body = json.dumps({"healthy": found.healthy, **dataclasses.asdict(found)})
        return 200 if good else 503, "application/json", body.encode() + b"\n"


def _response(status: int, kind: str, body: bytes) -> bytes:
    words = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Unavailable"}
    head = (
        f"HTTP/1.1 {status} {words[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_TEXT = "text/plain; charset=utf-8"
_LONGEST = 8192  # bytes of a request
_MOST = 8  # connections at a time
_PATIENCE = 5.0  # s for the whole exchange
