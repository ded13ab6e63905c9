"""Remote control of the fake CSMS over HTTP, on loopback, in JSON.

GET  /stations                 connected stations
GET  /transactions             recorded transactions
GET  /messages                 received messages
POST /stations/NAME/ACTION     send a command; the body is its payload
POST /faults                   {"slow": 2.5, "wrong": true, …}
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

from secc.errors import LinkError
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Registration

MOST = 1_000_000
"""Maximum size of a body in bytes."""


@contextlib.asynccontextmanager
async def controlling(csms: FakeCsms, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Serve the remote control while the block runs; returns the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(30):
                status, body = await _exchange(csms, reader)
            data = json.dumps(body, indent=1).encode() + b"\n"
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + data)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def _exchange(csms: FakeCsms, reader: asyncio.StreamReader) -> tuple[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.split("\r\n")
    method, target, _ = line.split(" ", 2)
    length = next(
        (int(one.partition(":")[2]) for one in fields if one.lower().startswith("content-length:")), 0
    )
    if length > MOST:
        return "413 Content Too Large", {"problem": f"{length} bytes, at most {MOST}"}
    body = await reader.readexactly(length)
    path = [urllib.parse.unquote(part) for part in target.strip("/").split("/")]
    if method == "GET":
        return _read(csms, path)
    if method != "POST":
        return "405 Method Not Allowed", {"problem": method}
    try:
        payload = json.loads(body or b"{}")
        return await _change(csms, path, payload)
    except (ValueError, TypeError, AttributeError) as error:
        return "400 Bad Request", {"problem": str(error)}
    except LinkError as error:
        return "502 Bad Gateway", {"problem": str(error)}


def _read(csms: FakeCsms, path: list[str]) -> tuple[str, Any]:
    match path:
        case ["stations"]:
            return "200 OK", csms.stations
        case ["transactions"]:
            return "200 OK", [dataclasses.asdict(one) for one in csms.records.transactions.values()]
        case ["messages"]:
            return "200 OK", [dataclasses.asdict(one) for one in csms.records.messages]
        case ["faults"]:
            return "200 OK", dataclasses.asdict(csms.faults)
    return "404 Not Found", {"problem": "/".join(path)}


async def _change(csms: FakeCsms, path: list[str], payload: dict[str, Any]) -> tuple[str, Any]:
    match path:
        case ["stations", station, action]:
            return "200 OK", await csms.command(station, action, payload)
        case ["faults"]:
            known = {field.name for field in dataclasses.fields(csms.faults)}
            for name, value in payload.items():
                if name not in known:
                    raise ValueError(f"unknown fault {name}, expected one of {', '.join(sorted(known))}")
                setattr(csms.faults, name, Registration(value) if name == "registration" else value)
            return "200 OK", dataclasses.asdict(csms.faults)
    return "404 Not Found", {"problem": "/".join(path)}
