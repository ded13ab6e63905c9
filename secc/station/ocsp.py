"""Queries OCSP responders and CRL servers over HTTP, with the minimum of the protocol.

An address comes from a certificate. It is used only for a verified certificate, and with restrictions: no
redirects, no address of the private network unless allowed, a limit of seconds and bytes. The result is bytes
that others check; a failure is None.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import urllib.parse
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from secc import pki

if TYPE_CHECKING:
    from secc.pki.revocation import Question


__all__ = ["HttpFetcher"]


class HttpFetcher:
    """Implements `secc.ports.OcspSource` and `secc.pki.revocation.RevocationSource`."""

    def __init__(self, *, allow_private: bool = False, timeout: float = 2.0, max_size: int = 65536) -> None:
        """`allow_private` permits requests to private networks, where the responder of the operator is there.

        `timeout` in seconds for each address asked, `max_size` in bytes of an answer.
        """
        self._allow_private = allow_private
        self._timeout = timeout
        self._max_size = max_size

    async def ocsp_response(self, question: Question) -> bytes | None:
        """Query the responders named in the certificate, by SHA-1 and then by SHA-256: some support only
        one."""
        for url in question.ocsp_urls:
            for sha1 in (True, False):
                answer = await self.ocsp(url, question.ocsp_request(sha1=sha1))
                if answer is not None and len(answer) > _REFUSAL:
                    return answer
        return None

    async def ocsp(self, url: str, request: bytes) -> bytes | None:
        """POST the request; the body of a 200, or None."""
        head = f"Content-Type: application/ocsp-request\r\nContent-Length: {len(request)}\r\n"
        return await self._fetch(url, "POST", head.encode() + b"\r\n" + request)

    async def crl(self, url: str) -> bytes | None:
        """GET the list; the body of a 200, or None."""
        return await self._fetch(url, "GET", b"\r\n")

    async def _fetch(self, url: str, method: str, rest: bytes) -> bytes | None:
        if not pki.revocation.address_is_acceptable(url, allow_private=self._allow_private):
            return None
        parts = urllib.parse.urlsplit(url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        line = f"{method} {target} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        if any(ord(character) <= 32 or ord(character) > 126 for character in target + parts.netloc):
            return None
        try:
            async with asyncio.timeout(self._timeout), self._connected(parts) as (reader, writer):
                writer.write(line.encode() + rest)
                await writer.drain()
                return _body(await self._read(reader))
        except (OSError, ValueError, TimeoutError, EOFError):
            return None

    @contextlib.asynccontextmanager
    async def _connected(
        self, parts: urllib.parse.SplitResult
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect to a checked address, not to a name that may resolve differently the next time."""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        hosts = [str(address[4][0]) for address in found if self._may_connect(str(address[4][0]))]
        if not hosts:
            raise OSError("no address that may be asked")
        context = ssl.create_default_context() if secure else None
        name = parts.hostname if secure else None
        reader, writer = await asyncio.open_connection(hosts[0], port, ssl=context, server_hostname=name)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _may_connect(self, host: str) -> bool:
        return self._allow_private or ipaddress.ip_address(host.partition("%")[0]).is_global

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """To the end, or ValueError when it is too much."""
        received = bytearray()
        while data := await reader.read(4096):
            received += data
            if len(received) > self._max_size + _MAX_HEAD:
                raise ValueError("too long")
        return bytes(received)


_MAX_HEAD = 8192
_REFUSAL = 8  # bytes; an OCSP response that only says tryLater or unauthorized has five


def _body(response: bytes) -> bytes:
    head, separator, body = response.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = lines[0].split(" ", 2)
    if not separator or len(status) < 2 or not status[0].startswith("HTTP/1.") or status[1] != "200":
        raise ValueError("not a 200")
    fields = {
        key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])
    }
    if "transfer-encoding" in fields:  # a server that ignores HTTP/1.0
        raise ValueError("chunked")
    length = int(fields.get("content-length", len(body)))
    if len(body) < length:
        raise ValueError("cut short")
    return body[:length]
