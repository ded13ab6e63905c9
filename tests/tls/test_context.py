"""TLS in memory: both ends, refused peers, and a context that refuses to load."""

import dataclasses
import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import ocsp
from OpenSSL import SSL

from certs.testpki import make
from secc.errors import ChainError, ConfigError, LinkError
from secc.tls import OpenSslEngine, PlainEngine, TlsContext, TlsEngine, TlsProgress, verify_station_chain
from secc.tls.engine import TlsOffer
from tests.support.client_hello import (
    ECDH_ECDSA_AES_128_CBC_SHA256,
    ECDHE_ECDSA_AES_128_CBC_SHA256,
    SECP384R1,
    client_hello,
    extension,
)

PKI = Path(make.__file__).parent
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def station() -> TlsContext:
    return TlsContext.for_server(PKI / "secc_chain.pem", PKI / "secc_leaf_key.pem")


@pytest.fixture(scope="module")
def car() -> TlsContext:
    return TlsContext.for_client(PKI / "v2g_root.pem")


@dataclasses.dataclass
class Files:
    """A hierarchy on disk."""

    chain: Path
    key: Path
    root: Path


def store(hierarchy: make.Hierarchy, folder: Path) -> Files:
    make.write(hierarchy, folder)
    return Files(folder / "secc_chain.pem", folder / "secc_leaf_key.pem", folder / "v2g_root.pem")


def shake(server: TlsEngine, client: TlsEngine) -> tuple[TlsProgress, TlsProgress]:
    """Carry bytes in both directions until both sides are silent; the last progress of server and client."""
    to_server = client.start()
    ours = theirs = TlsProgress()
    while to_server:
        ours = server.feed(to_server)
        if not ours.to_send:
            break
        theirs = client.feed(ours.to_send)
        to_server = theirs.to_send
    return ours, theirs


# --- the handshake and after it ----------------------------------------------------------------------------


def test_both_ends_shake_hands_and_talk(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    assert server.handshake_done
    assert client.handshake_done
    assert server.feed(client.send(b"request")).plaintext == b"request"
    assert client.feed(server.send(b"response")).plaintext == b"response"


def test_the_handshake_survives_one_byte_per_segment(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    to_server = client.start()
    while to_server:
        flight = b"".join(server.feed(bytes([byte])).to_send for byte in to_server)
        to_server = b"".join(client.feed(bytes([byte])).to_send for byte in flight)
    assert server.handshake_done
    assert client.handshake_done


def test_large_messages_pass(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    assert client.feed(server.send(bytes(65544))).plaintext == bytes(65544)


@pytest.mark.req("V2G2-872")
def test_the_chain_on_the_wire_has_no_root(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    root = x509.load_pem_x509_certificate((PKI / "v2g_root.pem").read_bytes())
    assert client.peer_chain == x509.load_pem_x509_certificates((PKI / "secc_chain.pem").read_bytes())
    assert root not in client.peer_chain


@pytest.mark.req("V2G2-067", "V2G2-602")
def test_only_the_profile_is_negotiated(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    hello = client.start()
    answer = server.feed(hello).to_send
    assert answer[9:11] == b"\x03\x03"
    suite_at = 9 + 2 + 32 + 1 + answer[43]
    assert answer[suite_at : suite_at + 2] == b"\xc0\x23"
    assert answer[suite_at + 2] == 0


def test_a_close_notify_ends_the_other_side(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    assert client.feed(server.close()) == TlsProgress(closed=True)
    assert server.close() == b""
    assert server.feed(b"more") == TlsProgress(closed=True)


def test_a_flipped_bit_in_a_record_ends_the_session_with_an_alert(
    station: TlsContext, car: TlsContext
) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    record = bytearray(client.send(b"request"))
    record[-1] ^= 1
    progress = server.feed(bytes(record))
    assert progress.closed
    assert isinstance(progress.failure, LinkError)
    assert progress.to_send[0] == 0x15
    assert progress.plaintext == b""


def test_nothing_can_be_sent_without_a_session(station: TlsContext) -> None:
    with pytest.raises(LinkError):
        station.engine().send(b"too early")


def test_closing_before_the_handshake_says_nothing(station: TlsContext, car: TlsContext) -> None:
    assert station.engine().close() == b""
    server = station.engine()
    server.feed(car.engine().start())
    assert server.close() == b""


def test_an_unused_engine_holds_no_openssl_object(station: TlsContext) -> None:
    engine = station.engine()
    assert engine._connection is None
    assert engine.peer_chain == []


def test_the_plain_engine_passes_bytes_through() -> None:
    engine: TlsEngine = PlainEngine()
    assert engine.start() == b""
    assert engine.feed(b"bytes") == TlsProgress(plaintext=b"bytes")
    assert engine.send(b"bytes") == b"bytes"
    assert engine.close() == b""
    assert (engine.secure, engine.handshake_done) == (False, True)


# --- peers that are refused --------------------------------------------------------------------------------

HANDSHAKE_FAILURE = b"\x02\x28"
PROTOCOL_VERSION = b"\x02\x46"


def test_a_bare_hello_of_the_profile_is_answered(station: TlsContext) -> None:
    progress = station.engine().feed(client_hello())
    assert progress.failure is None
    assert progress.to_send[0] == 0x16


@pytest.mark.parametrize(
    ("hello", "alert"),
    [
        (client_hello(version=0x0302), PROTOCOL_VERSION),
        (client_hello(version=0x0301), PROTOCOL_VERSION),
        (client_hello(supported_versions=(0x0304,)), PROTOCOL_VERSION),
        (client_hello(suites=(ECDH_ECDSA_AES_128_CBC_SHA256,)), HANDSHAKE_FAILURE),
        (client_hello(suites=(0xC02B, 0xC02F)), HANDSHAKE_FAILURE),
        (client_hello(suites=(0x002F, 0x003C, 0x0001, 0x0034)), HANDSHAKE_FAILURE),
        (client_hello(groups=(SECP384R1,)), HANDSHAKE_FAILURE),
    ],
    ids=["TLS 1.1", "TLS 1.0", "TLS 1.3 only", "static ECDH", "GCM", "RSA, NULL, anonymous", "secp384r1"],
)
def test_a_peer_outside_the_profile_gets_an_alert(station: TlsContext, hello: bytes, alert: bytes) -> None:
    progress = station.engine().feed(hello)
    assert progress.closed
    assert isinstance(progress.failure, LinkError)
    assert progress.to_send[0] == 0x15
    assert progress.to_send[-2:] == alert


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\x00\x00", b"\xff\xff", b"\x00\x15\x03" + bytes(20), bytes(20)],
)
def test_trusted_ca_keys_never_fail_a_handshake(station: TlsContext, body: bytes) -> None:
    progress = station.engine().feed(client_hello(extra=extension(3, body)))
    assert progress.failure is None
    assert progress.to_send[0] == 0x16


def test_a_hello_with_both_suites_gets_the_first(station: TlsContext) -> None:
    suites = (ECDH_ECDSA_AES_128_CBC_SHA256, ECDHE_ECDSA_AES_128_CBC_SHA256)
    assert station.engine().feed(client_hello(suites=suites)).failure is None


def test_v2gtp_on_the_tls_port_fails(station: TlsContext) -> None:
    progress = station.engine().feed(bytes.fromhex("01fe8001000000058000000000"))
    assert progress.closed
    assert progress.plaintext == b""


def test_a_hello_cut_or_flipped_anywhere_never_raises(station: TlsContext) -> None:
    hello = client_hello()
    for at in range(len(hello)):
        flipped = hello[:at] + bytes([hello[at] ^ 0xFF]) + hello[at + 1 :]
        assert station.engine().feed(flipped).plaintext == b""
        assert station.engine().feed(hello[:at]).failure is None


def test_an_oversize_record_ends_in_an_alert(station: TlsContext, car: TlsContext) -> None:
    server, client = station.engine(), car.engine()
    shake(server, client)
    progress = server.feed(b"\x17\x03\x03" + (2**14 + 2049).to_bytes(2, "big") + bytes(2**14 + 2049))
    assert progress.to_send[0] == 0x15
    assert progress.closed


def test_renegotiation_is_refused(station: TlsContext) -> None:
    permissive = SSL.Context(SSL.TLS_METHOD)
    permissive.set_max_proto_version(SSL.TLS1_2_VERSION)
    server, client = station.engine(), OpenSslEngine(TlsOffer(context=permissive), server=False)
    shake(server, client)
    inner = client._connection
    assert inner is not None
    assert inner.renegotiate()
    progress = server.feed(client.feed(b"").to_send)
    assert (progress.closed, progress.to_send[0]) == (False, 0x15)
    assert server._connection is not None
    assert server._connection.total_renegotiations() == 0


# --- the EV's judgement ------------------------------------------------------------------------------------


def test_the_car_refuses_a_chain_of_another_root(station: TlsContext, tmp_path: Path) -> None:
    other = store(make.build(), tmp_path)
    client = TlsContext.for_client(other.root).engine()
    _, theirs = shake(station.engine(), client)
    assert theirs.closed
    assert isinstance(theirs.failure, LinkError)
    assert "does not reach an accepted root" in str(theirs.failure)


def test_the_car_can_be_set_to_accept_anything(station: TlsContext) -> None:
    client = TlsContext.for_client(None).engine()
    shake(station.engine(), client)
    assert client.handshake_done


def test_the_car_refuses_an_expired_chain() -> None:
    made = make.build(not_after=datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC))
    chain = [made.leaf.certificate, made.sub_ca_2.certificate, made.sub_ca_1.certificate]
    with pytest.raises(ChainError) as caught:
        verify_station_chain(chain, [made.root.certificate], NOW)
    assert caught.value.response_code == "FAILED_CertificateExpired"


@pytest.mark.req("V2G2-875")
def test_the_car_refuses_a_leaf_without_the_role() -> None:
    made = make.build(leaf_domain="CPS")
    chain = [made.leaf.certificate, made.sub_ca_2.certificate, made.sub_ca_1.certificate]
    with pytest.raises(ChainError, match="DC=CPO"):
        verify_station_chain(chain, [made.root.certificate], NOW)


def test_the_car_refuses_a_chain_with_a_gap() -> None:
    made = make.build()
    with pytest.raises(ChainError, match="not issued by"):
        verify_station_chain([made.leaf.certificate, made.sub_ca_1.certificate], [made.root.certificate], NOW)


def test_the_car_refuses_no_chain_at_all() -> None:
    with pytest.raises(ChainError, match="no certificate"):
        verify_station_chain([], [], NOW)


# --- loading -----------------------------------------------------------------------------------------------


def test_the_context_says_what_it_presents_and_until_when(station: TlsContext, car: TlsContext) -> None:
    assert len(station.chain) == 3
    assert station.expires == datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
    assert car.expires is None


def test_a_v2g_root_at_the_end_of_the_file_is_left_out(tmp_path: Path) -> None:
    made = make.build()
    files = store(made, tmp_path)
    files.chain.write_bytes(made.chain_pem + made.root.pem)
    assert len(TlsContext.for_server(files.chain, files.key).chain) == 3


@pytest.mark.req("V2G2-872")
def test_a_private_root_is_sent(tmp_path: Path) -> None:
    root = make.issue(make.subject("Private root", None), None)
    leaf = make.issue(make.subject("Depot", "CPO"), root, leaf=True)
    files = store(make.Hierarchy(root, root, root, leaf), tmp_path)
    files.chain.write_bytes(leaf.pem + root.pem)
    assert TlsContext.for_server(files.chain, files.key).chain == (leaf.certificate, root.certificate)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pem: cannot be read: No such file"):
        TlsContext.for_server(tmp_path / "absent.pem", PKI / "secc_leaf_key.pem")
    with pytest.raises(ConfigError, match=r"absent\.pem: cannot be read: No such file"):
        TlsContext.for_server(PKI / "secc_chain.pem", tmp_path / "absent.pem")


def test_files_that_are_no_pem_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"junk\.pem: not a PEM file with certificates"):
        TlsContext.for_server(junk, PKI / "secc_leaf_key.pem")
    with pytest.raises(ConfigError, match=r"junk\.pem: not a PEM file with a private key"):
        TlsContext.for_server(PKI / "secc_chain.pem", junk)


def test_a_key_of_another_leaf_is_refused(tmp_path: Path) -> None:
    other = store(make.build(), tmp_path)
    with pytest.raises(ConfigError, match="does not belong to the leaf"):
        TlsContext.for_server(PKI / "secc_chain.pem", other.key)


def test_an_rsa_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="not an elliptic-curve key"):
        TlsContext.for_server(PKI / "secc_chain.pem", path)


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    made = make.build()
    files = store(made, tmp_path)
    encryption = BestAvailableEncryption(b"secret")
    files.key.write_bytes(made.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    password = tmp_path / "password"
    password.write_text("secret\n")
    TlsContext.for_server(files.chain, files.key, password_file=password)
    with pytest.raises(ConfigError, match="the private key is encrypted"):
        TlsContext.for_server(files.chain, files.key)
    password.write_text("wrong")
    with pytest.raises(ConfigError, match="the password is wrong"):
        TlsContext.for_server(files.chain, files.key, password_file=password)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (datetime.datetime(2023, 12, 31, tzinfo=datetime.UTC), "not valid before 2024-01-01 00:00Z"),
        (datetime.datetime(2124, 1, 2, tzinfo=datetime.UTC), "expired on 2124-01-01 00:00Z"),
    ],
)
def test_a_certificate_outside_its_validity_is_refused(at: datetime.datetime, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TlsContext.for_server(PKI / "secc_chain.pem", PKI / "secc_leaf_key.pem", clock=lambda: at)


def test_a_leaf_without_the_role_is_refused(tmp_path: Path) -> None:
    files = store(make.build(leaf_domain=None), tmp_path)
    with pytest.raises(ConfigError, match="does not say DC=CPO"):
        TlsContext.for_server(files.chain, files.key)


def test_a_chain_in_wrong_order_is_refused(tmp_path: Path) -> None:
    made = make.build()
    files = store(made, tmp_path)
    files.chain.write_bytes(made.leaf.pem + made.sub_ca_1.pem + made.sub_ca_2.pem)
    with pytest.raises(ConfigError, match="did not issue"):
        TlsContext.for_server(files.chain, files.key)


@pytest.mark.req("V2G2-010")
def test_a_certificate_above_800_bytes_is_refused(tmp_path: Path) -> None:
    root = make.issue(make.subject("Private root", None), None)
    leaf = make.issue(make.subject("Depot", "CPO"), root, leaf=True)
    names = [make.subject(f"{number:x<64}", "z" * 63) for number in range(3)]
    big = x509.Name([*leaf.certificate.subject, *(attribute for name in names for attribute in name)])
    files = store(make.Hierarchy(root, root, root, make.issue(big, root, leaf=True)), tmp_path)
    with pytest.raises(ConfigError, match="at most 800 are allowed"):
        TlsContext.for_server(files.chain, files.key)


@pytest.mark.req("V2G2-007")
def test_a_key_on_another_curve_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec, "SECP256R1", ec.SECP384R1)
    files = store(make.build(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="not on secp256r1"):
        TlsContext.for_server(files.chain, files.key)


# --- key log and staple ------------------------------------------------------------------------------------


def test_the_key_log_collects_the_secret_of_a_session(car: TlsContext, tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    context = TlsContext.for_server(PKI / "secc_chain.pem", PKI / "secc_leaf_key.pem", key_log=log)
    assert stat.S_IMODE(log.stat().st_mode) & 0o077 == 0
    shake(context.engine(), car.engine())
    label, random, secret = log.read_text().split()
    assert (label, len(random), len(secret)) == ("CLIENT_RANDOM", 64, 96)


def test_a_key_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the key log cannot be written"):
        TlsContext.for_client(None, key_log=tmp_path / "absent" / "keys.log")


@pytest.mark.req("V2G2-071")
def test_an_ocsp_response_is_stapled_when_the_ev_asks(tmp_path: Path) -> None:
    made = make.build()
    files = store(made, tmp_path)
    staple = tmp_path / "leaf.ocsp"
    staple.write_bytes(_ocsp_response(made))
    context = TlsContext.for_server(files.chain, files.key, ocsp_file=staple, clock=lambda: NOW)
    status_request = extension(5, b"\x01\x00\x00\x00\x00")
    assert staple.read_bytes() in context.engine().feed(client_hello(extra=status_request)).to_send
    assert staple.read_bytes() not in context.engine().feed(client_hello()).to_send


_REFUSAL = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "not an OCSP response"),
        (b"junk", "not an OCSP response"),
        (_REFUSAL.public_bytes(Encoding.DER), "TRY_LATER"),
    ],
    ids=["missing", "empty", "garbled", "refusal"],
)
def test_a_staple_that_is_no_ocsp_response_is_named_and_the_chain_served_without(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    staple = tmp_path / "leaf.ocsp"
    if content is not None:
        staple.write_bytes(content)
    files = store(make.build(), tmp_path)
    context = TlsContext.for_server(files.chain, files.key, ocsp_file=staple, clock=lambda: NOW)
    assert "leaf.ocsp: " in context.credentials[0].staple.problem
    assert problem in context.credentials[0].staple.problem
    assert context.engine().feed(client_hello(extra=extension(5, b"\x01\x00\x00\x00\x00"))).to_send
    with pytest.raises(ConfigError, match=r"leaf\.ocsp"):
        context.load_staples()


def _ocsp_response(made: make.Hierarchy) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=made.leaf.certificate,
        issuer=made.sub_ca_2.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=NOW,
        next_update=NOW + datetime.timedelta(days=7),
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, made.sub_ca_2.certificate)
    return builder.sign(made.sub_ca_2.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_engine_is_a_tls_engine(station: TlsContext) -> None:
    engine: TlsEngine = station.engine()
    assert isinstance(engine, OpenSslEngine)
    assert engine.secure
