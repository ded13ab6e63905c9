"""TLS 1.3 in captures: all suites, a second hello, a change of keys, and what cannot be decrypted."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import pathlib
import shutil
import struct
import subprocess
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

from secc.tls import binding
from secc.trace import TraceError
from secc.trace.pcapng import PcapngWriter
from secc.trace.synthetic import TcpTalk
from secc.trace.tls13 import SUITES, Tls13Opener
from secc.trace.tls_records import Keys, TlsReader, read_keys
from tests.support.tls13 import PKI20

Flight = tuple[bool, bytes]
"""By the client, bytes on the wire."""
SAID = [(True, b"first"), (False, b"second"), (True, b"third" * 4000), (False, b"last")]


def talk(suite: str, *, groups: tuple[str, str] = ("P-521", "P-521")) -> tuple[list[Flight], str]:
    """A connection of OpenSSL with itself, and its key log."""
    log: list[bytes] = []
    sides = []
    for group in groups:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(suite.encode())
        binding.restrict_groups(context, group)
        context.set_keylog_callback(lambda _, line: log.append(line))
        context.use_certificate_chain_file(str(PKI20 / "secc_chain.pem"))
        context.use_privatekey_file(str(PKI20 / "secc_leaf_key.pem"))
        sides.append(SSL.Connection(context, None))
    client, server = sides
    client.set_connect_state()
    server.set_accept_state()
    return list(_flights(client, server)), b"\n".join(log).decode()


def _flights(client: SSL.Connection, server: SSL.Connection) -> Iterator[Flight]:
    def passed(source: SSL.Connection, target: SSL.Connection) -> Iterator[Flight]:
        while True:
            try:
                data = source.bio_read(65536)
            except SSL.WantReadError:
                return
            target.bio_write(data)
            yield source is client, data

    for _ in range(4):
        for source, target in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                source.do_handshake()
            yield from passed(source, target)
    for by_client, data in SAID:
        source, target = (client, server) if by_client else (server, client)
        source.sendall(data)
        yield from passed(source, target)


def read_all(flights: list[Flight], keys: Keys, *, cut: int = 700) -> list[Flight]:
    """The plain text of each side in its order, from segments of at most `cut` bytes."""
    reader = TlsReader(keys)
    found: list[Flight] = []
    for client, data in flights:
        for start in range(0, len(data), cut):
            found += [(client, plain) for plain in reader.take(data[start : start + cut], client=client)]
    return found


def sides_of(parts: list[Flight]) -> dict[bool, bytes]:
    return {side: b"".join(data for client, data in parts if client is side) for side in (True, False)}


@pytest.mark.parametrize("suite", SUITES.values())
def test_every_suite_of_tls_13_is_opened(suite: str) -> None:
    flights, log = talk(suite)
    assert sides_of(read_all(flights, read_keys(log))) == sides_of(SAID)


def test_a_connection_with_a_second_hello_is_opened() -> None:
    flights, log = talk(SUITES[0x1302], groups=("X448:P-521", "P-521"))
    retry = hashlib.sha256(b"HelloRetryRequest").digest()  # its random: RFC 8446, section 4.1.3
    assert any(retry in data for client, data in flights if not client)
    assert sides_of(read_all(flights, read_keys(log))) == sides_of(SAID)


def test_a_record_that_was_altered_does_not_verify() -> None:
    flights, log = talk(SUITES[0x1302])
    client, data = flights[-1]
    flights[-1] = client, data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(TraceError, match="does not verify"):
        read_all(flights, read_keys(log))


@pytest.mark.parametrize(
    ("left_out", "problem"),
    [
        ("SERVER_TRAFFIC_SECRET_0", "the key log has no SERVER_TRAFFIC_SECRET_0"),
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "the key log has no CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
        ("", "the key log has no secret for this connection"),
    ],
)
def test_a_missing_secret_is_named(left_out: str, problem: str) -> None:
    flights, log = talk(SUITES[0x1302])
    lines = [line for line in log.splitlines() if left_out not in line]
    with pytest.raises(TraceError, match=problem):
        read_all(flights, read_keys("\n".join(lines)))


def test_a_connection_without_its_beginning_is_said_to_be_one() -> None:
    with pytest.raises(TraceError, match="does not have the beginning"):
        read_all([(True, b"\x14\x03\x03\x00\x01\x01")], {})


def test_an_unknown_suite_is_named() -> None:
    with pytest.raises(TraceError, match="suite 1304"):
        Tls13Opener(0x1304, {}, client=True)


def expanded(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label by hand, for one block of SHA-256."""
    name = b"tls13 " + label.encode()
    info = struct.pack(">HB", size, len(name)) + name + b"\0\x01"
    return hmac.digest(secret, info, "sha256")[:size]


def sealed(secret: bytes, number: int, kind: int, content: bytes) -> bytes:
    """One record by RFC 8446, section 5.2, without its head."""
    vector = int.from_bytes(expanded(secret, "iv", 12), "big") ^ number
    plain = content + bytes([kind]) + bytes(5)  # with padding
    head = struct.pack(">BHH", 23, 0x0303, len(plain) + 16)
    return AESGCM(expanded(secret, "key", 16)).encrypt(vector.to_bytes(12, "big"), plain, head)


def test_keys_change_after_the_handshake_and_by_key_updates() -> None:
    early, late = bytes(range(32)), bytes(range(32, 64))
    later = expanded(late, "traffic upd", 32)
    secrets = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET": early, "CLIENT_TRAFFIC_SECRET_0": late}
    opener = Tls13Opener(0x1301, secrets, client=True)
    finished, update = b"\x14\x00\x00\x02ab", b"\x18\x00\x00\x01\x00"
    records = [
        sealed(early, 0, 22, finished[:3]),  # in two parts
        sealed(early, 1, 22, finished[3:]),
        sealed(late, 0, 23, b"one"),
        sealed(late, 1, 22, update),
        sealed(later, 0, 23, b"two"),
        sealed(later, 1, 21, b"\x01\x00"),  # an alert is no data
    ]
    found = [plain for record in records for plain in opener.opened(23, b"\x03\x03", record)]
    assert found == [b"one", b"two"]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_the_key_log_of_a_station_serves_tshark_too(tmp_path: pathlib.Path) -> None:
    """The same secrets, by another reader: dpkt writes the packets, tshark decrypts them."""
    flights, log = talk(SUITES[0x1302])
    with (tmp_path / "tls.pcapng").open("wb") as file:
        writer = PcapngWriter(file.write)
        writer.secrets(log)
        for at, packet in TcpTalk("::1", 50000, 64109).of(
            (float(n), client, data) for n, (client, data) in enumerate(flights)
        ):
            writer.packet(at, packet)
    command = ["tshark", "-r", str(tmp_path / "tls.pcapng"), "-q", "-z", "follow,tls,raw,0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    heard = bytes.fromhex("".join(line.strip() for line in said if line.strip() and set(line.strip()) <= HEX))
    assert heard == b"".join(data for _, data in SAID)


HEX = set("0123456789abcdef")
