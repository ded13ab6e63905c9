"""Fetching OCSP responses over HTTP: the good way, and everything a server can do wrong."""

import asyncio
import datetime
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from secc.pki.certificates import read_certificate
from secc.pki.revocation import Question, RevocationStatus, read_ocsp
from secc.station.ocsp import HttpFetcher
from tests.support import certificates
from tests.support.certificates import Identity

LEAF = certificates.station(certificates.root())
ANSWER = b"an answer of more than eight bytes"


def question(url: str, leaf: Identity = LEAF) -> Question:
    assert leaf.issuer is not None
    return Question(read_certificate(leaf.der), read_certificate(leaf.issuer.der), (url,), ())


def ok(body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields])
    return head.encode() + b"\r\n\r\n" + body


async def play(
    response: bytes,
    use: Callable[[str], Awaitable[object]],
    *,
    answers: bool = True,
) -> tuple[object, list[bytes]]:
    """What `use` of a server that says `response` gives, and what the server was asked."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []
    go_on = asyncio.Event()
    if answers:
        go_on.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        asked.append(await reader.read(4096))
        await go_on.wait()
        writer.write(response)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            return await use(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocsp?x=1"), asked
        finally:
            go_on.set()
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)


async def test_a_request_is_posted_and_its_answer_returned() -> None:
    fetcher = HttpFetcher(allow_private=True)
    found, asked = await play(ok(ANSWER), lambda url: fetcher.ocsp(url, b"request"))
    assert found == ANSWER
    head, body = asked[0].split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /ocsp?x=1 HTTP/1.0"
    assert b"Content-Type: application/ocsp-request" in lines
    assert b"Content-Length: 7" in lines
    assert body == b"request"


async def test_a_list_is_fetched() -> None:
    fetcher = HttpFetcher(allow_private=True)
    found, asked = await play(ok(ANSWER), fetcher.crl)
    assert found == ANSWER
    assert asked[0].startswith(b"GET /ocsp?x=1 HTTP/1.0\r\n")


async def test_a_responder_that_refuses_one_kind_of_identifier_is_asked_by_the_other() -> None:
    fetcher = HttpFetcher(allow_private=True)
    found, asked = await play(ok(b"\x30\x03\x0a\x01\x06"), lambda url: fetcher.ocsp_response(question(url)))
    assert found is None
    assert len(asked) == 2
    found, asked = await play(ok(ANSWER), lambda url: fetcher.ocsp_response(question(url)))
    assert (found, len(asked)) == (ANSWER, 1)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"junk",
        b"HTTP/1.1 500 Oops\r\n\r\n" + ANSWER,
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        ok(ANSWER)[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + ANSWER,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ok(bytes(80_000)),
        b"X" * 200_000,
    ],
    ids=["nothing", "junk", "500", "redirect", "cut short", "no length", "chunked", "too large", "endless"],
)
async def test_anything_else_is_no_answer(response: bytes) -> None:
    fetcher = HttpFetcher(allow_private=True)
    found, asked = await play(response, lambda url: fetcher.ocsp(url, b"request"))
    assert found is None
    assert len(asked) == 1


async def test_a_slow_server_is_left() -> None:
    fetcher = HttpFetcher(allow_private=True, timeout=0.05)
    found, _ = await play(ok(ANSWER), lambda url: fetcher.ocsp(url, b"request"), answers=False)
    assert found is None


async def test_the_stations_network_is_not_asked_unless_allowed() -> None:
    found, asked = await play(ok(ANSWER), lambda url: HttpFetcher().ocsp(url, b"request"))
    assert (found, asked) == (None, [])


async def test_a_name_that_leads_into_the_stations_network_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()

    async def lookup(*_arguments: object, **_more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    assert await HttpFetcher().ocsp("http://ocsp.example.org/", b"request") is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
    ],
)
async def test_odd_addresses_are_not_asked(url: str) -> None:
    assert (await HttpFetcher(allow_private=True).ocsp(url, b"request")) is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed")
async def test_the_responder_of_openssl_answers(tmp_path: Path) -> None:
    assert LEAF.issuer is not None
    (tmp_path / "ca.pem").write_bytes(LEAF.issuer.pem)
    (tmp_path / "ca.key").write_bytes(LEAF.issuer.key_pem)
    serial = f"{LEAF.certificate.serial_number:X}"
    serial = "0" * (len(serial) % 2) + serial
    (tmp_path / "index.txt").write_text(f"V\t21240101000000Z\t\t{serial}\tunknown\t/CN=DEABCSTEST\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1 -port {port}"
    process = await asyncio.create_subprocess_exec(
        *command.split(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        asked = question(f"http://127.0.0.1:{port}/")
        while (found := await HttpFetcher(allow_private=True).ocsp_response(asked)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        now = datetime.datetime.now(datetime.UTC)
        assert read_ocsp(found, asked.certificate, asked.issuer, now).status is RevocationStatus.GOOD
    finally:
        process.kill()
        await process.wait()
