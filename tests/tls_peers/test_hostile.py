"""Hostile clients, made with tlslite-ng and single records: each is closed with an alert and forgotten."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from secc.records import LinkEvent
from secc.settings import ClientAuth
from tests.support import certificates
from tests.support.client_hello import client_hello
from tests.tls_peers.lab import PATIENCE, Lab, serving

WHY = "tlslite-ng is not installed (it is in the dev extra)"
api = pytest.importorskip("tlslite.api", reason=WHY)
errors = pytest.importorskip("tlslite.errors", reason=WHY)
messages = pytest.importorskip("tlslite.messages", reason=WHY)
ENDED = (errors.TLSAlert, errors.TLSError, OSError)

ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, DATA, HEARTBEAT = 21, 20, 22, 23, 24
UNEXPECTED_MESSAGE, BAD_RECORD_MAC, RECORD_OVERFLOW = 10, 20, 22
HANDSHAKE_FAILURE, ILLEGAL_PARAMETER, DECODE_ERROR, PROTOCOL_VERSION = 40, 47, 50, 70
HELLO = client_hello()
DEADLINE = 1.0  # s, of the station in these tests


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serving(tmp_path_factory.mktemp("lab"), handshake_timeout=DEADLINE) as made:
        yield made


@pytest.fixture(autouse=True)
def next_car_is_served(lab: Lab) -> Iterator[None]:
    """After each of them: all slots free, and a good handshake within a second."""
    yield
    lab.until_idle()
    start = time.monotonic()
    with handshake(lab):
        assert time.monotonic() - start < 1.0
    lab.until_idle()


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return struct.pack("!BHH", kind, version, len(body)) + body


def settings() -> Any:
    made = api.HandshakeSettings()
    made.minVersion = made.maxVersion = (3, 3)
    made.cipherNames = ["aes128"]
    made.macNames = ["sha256"]
    made.eccCurves = ["secp256r1"]
    made.keyShares = []
    return made


@contextlib.contextmanager
def handshake(lab: Lab, *, record_size: int = 16384) -> Iterator[Any]:
    """A finished handshake of tlslite-ng."""
    with lab.connect() as connected:
        connection = api.TLSConnection(connected)
        connection.closeSocket = False
        connection.recordSize = record_size
        connection.handshakeClientCert(settings=settings())
        yield connection


def read_to_end(connected: socket.socket) -> bytes:
    """All that comes until the station hangs up; also after a reset."""
    received = b""
    connected.settimeout(PATIENCE)
    with contextlib.suppress(ConnectionError):
        while data := connected.recv(65536):
            received += data
    return received


def alerts(stream: bytes) -> list[tuple[int, int]]:
    """(level, description) of the alerts that are not encrypted."""
    found = []
    while len(stream) >= 5:
        kind, _, size = struct.unpack("!BHH", stream[:5])
        body, stream = stream[5 : 5 + size], stream[5 + size :]
        if kind == ALERT and size == 2:
            found.append((body[0], body[1]))
    return found


def answer_to(lab: Lab, *parts: bytes) -> list[tuple[int, int]]:
    """The alerts that come back for these bytes on a fresh connection."""
    with lab.connect() as connected:
        for part in parts:
            with contextlib.suppress(ConnectionError):
                connected.sendall(part)
        return alerts(read_to_end(connected))


# --- odd but legal -----------------------------------------------------------------------------------------


def test_records_of_one_byte_are_legal(lab: Lab) -> None:
    with handshake(lab, record_size=1) as connection:
        assert connection.getCipherName() == "aes128"
        assert connection.version == (3, 3)
        assert connection.session.cipherSuite == 0xC023


def test_segments_of_one_byte_are_legal_as_well(lab: Lab) -> None:
    with lab.connect() as connected:
        for byte in client_hello():
            connected.sendall(bytes([byte]))
        assert connected.recv(1) == bytes([HANDSHAKE])


# --- never-ending ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [b"", HELLO[:1], HELLO[:60], HELLO, HELLO + record(HANDSHAKE, b"\x10")],
    ids=["nothing", "one byte", "half a ClientHello", "a ClientHello", "the beginning of a key exchange"],
)
def test_silence_ends_at_the_deadline_of_the_handshake(lab: Lab, said: bytes) -> None:
    start = time.monotonic()
    with lab.connect() as connected:
        connected.sendall(said)
        read_to_end(connected)
    assert DEADLINE - 0.2 < time.monotonic() - start < DEADLINE + 1.0
    assert lab.events(LinkEvent.TLS_FAILED)[-1] == "not finished in time"


def test_dripped_bytes_do_not_move_the_deadline(lab: Lab) -> None:
    start = time.monotonic()
    hello = client_hello()
    with lab.connect() as connected, contextlib.suppress(ConnectionError):
        for byte in hello:
            connected.sendall(bytes([byte]))
            time.sleep(0.03)
    assert len(hello) * 0.03 > DEADLINE + 1.0
    assert time.monotonic() - start < DEADLINE + 1.0
    lab.until_idle()
    assert lab.events(LinkEvent.TLS_FAILED)[-1] == "not finished in time"


# --- floods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", client_hello()], ids=["at once", "after the ClientHello"])
def test_a_flood_of_warning_alerts_ends_the_handshake(lab: Lab, before: bytes) -> None:
    flood = record(ALERT, b"\x01\x5a") * 2000
    start = time.monotonic()
    assert (2, UNEXPECTED_MESSAGE) in answer_to(lab, before, flood)
    assert time.monotonic() - start < DEADLINE


def test_a_flood_of_warning_alerts_ends_the_session(lab: Lab) -> None:
    with handshake(lab) as connection:
        for _ in range(200):
            with contextlib.suppress(ConnectionError):
                for _ in connection._sendMsg(alert(1, 90)):
                    pass
        with pytest.raises(ENDED):
            connection.read(min=1, max=1)


def alert(level: int, description: int) -> Any:
    return messages.Alert().create(description, level)


def test_a_flood_of_empty_records_ends_the_handshake(lab: Lab) -> None:
    assert answer_to(lab, client_hello(), record(HANDSHAKE, b"") * 5000) != []


def test_a_flood_of_handshakes_leaves_room(lab: Lab) -> None:
    for _ in range(100):
        with lab.connect() as connected:
            connected.sendall(client_hello())
    lab.until_idle()


def test_many_half_open_ones_at_once_leave_room(lab: Lab) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(40):
            held.enter_context(lab.connect())
        with handshake(lab) as connection:
            assert connection.session.cipherSuite == 0xC023


# --- out of order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "description"),
    [
        ([record(CHANGE_CIPHER_SPEC, b"\x01")], UNEXPECTED_MESSAGE),
        ([client_hello(), record(CHANGE_CIPHER_SPEC, b"\x01")], UNEXPECTED_MESSAGE),
        ([client_hello(), record(HANDSHAKE, client_hello()[5:])], UNEXPECTED_MESSAGE),
        ([client_hello(), record(DATA, b"\x01\xfe\x80\x01\x00\x00\x00\x00")], UNEXPECTED_MESSAGE),
        ([client_hello(), record(HANDSHAKE, b"\x14\x00\x00\x0c" + bytes(12))], UNEXPECTED_MESSAGE),
        ([client_hello(), record(HANDSHAKE, b"\x0b\x00\x00\x03\x00\x00\x00")], UNEXPECTED_MESSAGE),
        ([client_hello(), record(HEARTBEAT, b"\x01\x40\x00" + bytes(16))], UNEXPECTED_MESSAGE),
        ([record(HEARTBEAT, b"\x01\x40\x00")], UNEXPECTED_MESSAGE),
        ([client_hello(), record(99, b"\x00")], UNEXPECTED_MESSAGE),
        ([client_hello(), struct.pack("!BHH", HANDSHAKE, 0x0303, 2**14 + 2049)], RECORD_OVERFLOW),
        ([client_hello(), record(HANDSHAKE, b"\x10\x00\x00\x42\x41\x04" + bytes(64))], ILLEGAL_PARAMETER),
        ([client_hello(), record(HANDSHAKE, b"\x10\x00\x00\x42\x41\x05" + bytes(64))], ILLEGAL_PARAMETER),
        ([client_hello(), record(HANDSHAKE, b"\x10\x00\x00\x01\x00")], DECODE_ERROR),
    ],
    ids=[
        "ChangeCipherSpec first",
        "early ChangeCipherSpec",
        "two ClientHellos",
        "early data",
        "Finished without keys",
        "Certificate nobody asked for",
        "heartbeat with a long length",
        "heartbeat first",
        "unknown record type",
        "oversize record",
        "point not on the curve",
        "point of no form",
        "no point",
    ],
)
def test_what_does_not_belong_there_gets_a_fatal_alert(
    lab: Lab, parts: list[bytes], description: int
) -> None:
    found = answer_to(lab, *parts)
    assert found, lab.events(LinkEvent.TLS_FAILED)[-1]
    assert found[-1][0] == 2
    assert found[-1][1] == description


def test_heartbeats_are_not_answered(lab: Lab) -> None:
    heartbeats = b"\x00\x0f\x00\x01\x01"
    with lab.connect() as connected:
        connected.sendall(client_hello(extra=heartbeats))
        flight = connected.recv(65536)
        assert heartbeats not in flight
        connected.sendall(record(HEARTBEAT, b"\x01\x40\x00"))
        assert len(read_to_end(connected)) < 100


def test_renegotiation_is_refused_by_a_warning_and_a_flood_of_it_ends_the_session(lab: Lab) -> None:
    with handshake(lab) as connection:
        for _ in range(20):
            again = messages.ClientHello().create((3, 3), bytearray(32), bytearray(0), [0xC023])
            with contextlib.suppress(ConnectionError):
                for _ in connection._sendMsg(again):
                    pass
        with pytest.raises(ENDED):
            connection.read(min=1, max=1)


# --- client certificates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("strict")
    with serving(folder, client_auth=ClientAuth.REQUIRE, handshake_timeout=DEADLINE) as made:
        yield made


def shown(leaf: certificates.Identity) -> Any:
    """The leaf's chain for tlslite-ng."""
    return api.X509CertChain([_x509(one) for one in leaf.path[:-1]])


def _x509(one: certificates.Identity) -> Any:
    made = api.X509()
    made.parse(one.pem.decode())
    return made


@pytest.mark.parametrize(("size", "description"), [(40_000, HANDSHAKE_FAILURE), (900_000, ILLEGAL_PARAMETER)])
def test_an_oversized_certificate_message_is_refused(strict: Lab, size: int, description: int) -> None:
    der = certificates.contract(strict.root).der
    entry = len(der).to_bytes(3, "big") + der
    entries = entry * (size // len(entry))
    body = len(entries).to_bytes(3, "big") + entries
    message = b"\x0b" + len(body).to_bytes(3, "big") + body
    records = [record(HANDSHAKE, message[at : at + 16000]) for at in range(0, len(message), 16000)]
    found = answer_to(strict, client_hello(), *records)
    assert found == [(2, description)]
    assert strict.events(LinkEvent.SECURED) == []


def test_the_chain_of_another_without_its_key_is_refused(strict: Lab) -> None:
    leaf, thief = (certificates.contract(strict.root) for _ in range(2))
    key = api.parsePEMKey(thief.key_pem.decode(), private=True)
    with strict.connect() as connected, pytest.raises(ENDED):
        api.TLSConnection(connected).handshakeClientCert(shown(leaf), key, settings=settings())
    strict.until_idle()
    assert strict.events(LinkEvent.SECURED) == []


def test_junk_instead_of_a_certificate_is_refused(strict: Lab) -> None:
    junk = b"\x30\x03\x02\x01\x00"
    entry = len(junk).to_bytes(3, "big") + junk
    message = b"\x0b" + (len(entry) + 3).to_bytes(3, "big") + len(entry).to_bytes(3, "big") + entry
    found = answer_to(strict, client_hello(), record(HANDSHAKE, message))
    assert found[-1][0] == 2
