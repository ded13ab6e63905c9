"""`secc pki ocsp`: run the OCSP responder over HTTP, on loopback only."""

from __future__ import annotations

import argparse
import datetime
import http.server
from pathlib import Path
from typing import ClassVar

from secc.cli import misused
from secc.cli.pki_files import key_password
from secc.pki.authority import authorities
from secc.pki.responder import OcspResponder


def serve_ocsp(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; the register is read for each request, so revocations take effect at once."""
    folder: Path = arguments.folder
    password = key_password(arguments.password_file)
    known = authorities(folder, password=password)
    if not known:
        return misused(f"{folder}: no authority with a key")
    validity = datetime.timedelta(hours=arguments.hours)
    server = make_server(folder, arguments.port, password=password, validity=validity)
    with server:
        host, port = server.server_address[:2]
        names = ", ".join(authority.kind.value for authority in known)
        print(f"http://{host!s}:{port}/ answers for {names}", flush=True)
        if arguments.once is None:
            server.serve_forever()
        for _ in range(arguments.once or 0):
            server.handle_request()
    return 0


def make_server(
    folder: Path, port: int, *, password: bytes | None = None, validity: datetime.timedelta
) -> http.server.HTTPServer:
    """Return a server that is bound and not serving yet."""

    def answer(request: bytes) -> bytes:
        responder = OcspResponder(authorities(folder, password=password), validity=validity)
        return responder.answer(request, datetime.datetime.now(datetime.UTC))

    class Handler(_Handler):
        respond = staticmethod(answer)

    return http.server.HTTPServer(("127.0.0.1", port), Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    respond: ClassVar[object]
    timeout = 5.0

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_REQUEST:
            self.send_error(413 if length.isdecimal() else 411)
            return
        respond = self.respond
        assert callable(respond)
        body: bytes = respond(self.rfile.read(int(length)))
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests."""


_MAX_REQUEST = 4096  # bytes
