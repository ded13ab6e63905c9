"""TLS 1.3 of ISO 15118-20: one listener with two profiles, the vehicle judged, hostile hellos refused."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL

from secc.errors import ConfigError
from secc.pki.keys import KeyType
from secc.pki.profiles import Kind
from secc.pki.transport import TlsVersion, Transport
from secc.pki.trust import Role, TrustStore, trust
from secc.tls import CredentialFiles, OpenSslEngine, TlsContext
from secc.tls.engine import MAX_HANDSHAKE, TlsOffer
from secc.tls.hello import ClientHello, HelloReader
from secc.tls.profile import iso2_context
from tests.support.client_hello import client_hello, extension
from tests.support.tls13 import (
    BEGIN,
    OLD,
    PKI20,
    clock,
    files,
    hierarchy,
    policy,
    root_of,
    roots,
    shake,
    station,
    vehicle,
)

SUITES = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
AUTHORITIES = 47


# --- what is agreed on ----------------------------------------------------------------------------------


@pytest.mark.req("V2G20-1264", "V2G20-2374", "V2G20-2400")
def test_a_vehicle_and_a_station_authenticate_each_other() -> None:
    server, client = station().engine(), vehicle().engine()
    shake(server, client)
    assert server.handshake_done
    assert (server.version, client.version) == (TlsVersion.TLS_1_3, TlsVersion.TLS_1_3)
    assert server.vehicle is not None
    assert server.vehicle.is_vehicle
    assert server.vehicle.common_name == "ZZZVTESTCAR00000001X"
    assert Transport(version=server.version, vehicle=server.vehicle).carries_iso20
    assert server.feed(client.send(b"request")).plaintext == b"request"
    assert client.feed(server.send(b"response")).plaintext == b"response"


def test_the_record_says_what_was_agreed_on() -> None:
    server, client = station().engine(), vehicle().engine()
    shake(server, client)
    assert server.summary.startswith("TLS 1.3 TLS_AES_256_GCM_SHA384 secp521r1; ")
    assert "client certificate of CN=ZZZVTESTCAR00000001X" in server.summary


@pytest.mark.parametrize(
    ("offered", "agreed"), [("P-521", "secp521r1"), ("X448", "x448"), ("X25519:P-521", "secp521r1")]
)
@pytest.mark.req("V2G20-1634")
def test_groups_of_the_standard_also_after_another_key_share(offered: str, agreed: str) -> None:
    server, client = station().engine(), vehicle(groups=offered).engine()
    shake(server, client)
    assert agreed in server.summary


@pytest.mark.parametrize("offered", ["P-256", "P-384", "X25519"])
@pytest.mark.req("V2G20-2460")
def test_other_groups_are_refused(offered: str) -> None:
    ours, theirs = shake(station().engine(), vehicle(groups=offered).engine())
    assert "no suitable key share" in str(ours.failure)
    assert "handshake failure" in str(theirs.failure)


@pytest.mark.parametrize("suite", ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.req("V2G20-2458", "V2G20-1856")
def test_both_suites_of_the_standard(suite: str) -> None:
    server = station().engine()
    shake(server, with_suites(suite).engine())
    assert suite in server.summary


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256"])
@pytest.mark.req("V2G20-1858")
def test_other_suites_are_refused(suite: str) -> None:
    ours, theirs = shake(station().engine(), with_suites(suite).engine())
    assert "no shared cipher" in str(ours.failure)
    assert "handshake failure" in str(theirs.failure)


def with_suites(suite: str) -> TlsContext:
    made = vehicle()
    assert made._client is not None
    made._client.context.set_tls13_ciphersuites(suite.encode())
    return made


def test_ed448_throughout(tmp_path: Path) -> None:
    pki = hierarchy(tmp_path, KeyType.ED448)
    server, client = station(policy(folder=pki)).engine(), vehicle(pki, groups="X448").engine()
    shake(server, client)
    assert server.vehicle is not None
    assert "x448" in server.summary


# --- two profiles at one port ---------------------------------------------------------------------------


@pytest.mark.req("V2G20-2359", "V2G20-2062", "V2G20-2064")
def test_a_hello_with_both_versions_gets_the_newer_one() -> None:
    server, client = station().engine(), vehicle(iso2=True).engine()
    shake(server, client)
    assert server.version is TlsVersion.TLS_1_3
    assert client.peer_chain[0].public_key() == key_of(PKI20 / "secc_leaf.pem")


@pytest.mark.req("V2G20-2359")
def test_a_car_of_iso2_gets_its_chain_and_shows_nothing() -> None:
    server, client = station().engine(), TlsContext.for_client(OLD / "v2g_root.pem", clock=clock).engine()
    shake(server, client)
    assert server.version is TlsVersion.TLS_1_2
    assert server.vehicle is None
    assert client.peer_chain[0].public_key() == key_of(OLD / "secc_leaf.pem")
    assert not Transport(version=server.version, vehicle=server.vehicle).carries_iso20


def key_of(path: Path) -> object:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_key()


def test_without_a_chain_of_iso20_there_is_no_tls13() -> None:
    older = TlsContext.for_station([files(OLD)], clock=clock)
    ours, theirs = shake(older.engine(), vehicle().engine())
    assert "unsupported protocol" in str(ours.failure)
    assert "protocol version" in str(theirs.failure)
    assert older.iso20_problem is None


SENTINEL = b"DOWNGRD\x01"


def random_of(context: TlsContext, client: TlsContext) -> bytes:
    server = context.engine()
    shake(server, client.engine())
    assert server._connection is not None
    found = server._connection.server_random()
    assert found is not None
    return found[-8:]


def test_an_answer_of_tls12_says_that_tls13_was_on_offer() -> None:
    """A client that has offered TLS 1.3 and sees this knows that its hello has been changed."""
    older = TlsContext.for_client(OLD / "v2g_root.pem", clock=clock)
    assert random_of(station(), older) == SENTINEL
    assert random_of(TlsContext.for_station([files(OLD)], clock=clock), older) != SENTINEL


@pytest.mark.req("V2G20-2356")
def test_a_client_notices_that_a_peer_has_removed_tls13_from_its_hello() -> None:
    both = TlsContext.for_client(OLD / "v2g_root.pem", iso2=True, iso20=True, clock=clock)
    server, client = station().engine(), both.engine()
    hello = client.start()
    offered = b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"  # supported_versions: TLS 1.3, TLS 1.2
    assert offered in hello
    forged = hello.replace(offered, b"\x00\x2b\x00\x05\x04\x03\x03\x03\x03")
    progress = client.feed(server.feed(forged).to_send)
    assert "inappropriate fallback" in str(progress.failure)
    assert not client.handshake_done


def test_while_tls13_is_not_available_a_car_of_both_generations_charges_by_tls12() -> None:
    both = TlsContext.for_client(OLD / "v2g_root.pem", iso2=True, iso20=True, clock=clock)
    assert station().iso20_problem == ""
    gone = station(policy(require_ocsp=True))
    assert gone.iso20_problem is not None
    assert "no OCSP response to staple" in gone.iso20_problem
    assert random_of(gone, both) != SENTINEL  # a client would take it for an attack


def test_tls13_ends_with_its_chain_and_the_reason_is_logged(tmp_path: Path) -> None:
    pki, now = hierarchy(tmp_path), [BEGIN + datetime.timedelta(days=1)]
    context = station(policy(folder=pki), at=lambda: now[0])
    assert context.iso20_problem == ""
    now[0] = BEGIN + datetime.timedelta(days=100)
    assert context.iso20_problem is not None
    assert "expired on 2026-07-30" in context.iso20_problem
    ours, _ = shake(context.engine(), vehicle(pki).engine())
    assert "TLS 1.3 is not offered: " in str(ours.failure)
    assert "expired on 2026-07-30" in str(ours.failure)


def test_a_chain_that_is_not_valid_yet_is_no_error_and_not_offered(tmp_path: Path) -> None:
    context = station(policy(folder=hierarchy(tmp_path)), at=lambda: BEGIN - datetime.timedelta(days=300))
    assert "not valid before 2026-05-01" in str(context.iso20_problem)


def test_a_context_of_tls12_never_speaks_tls13_though_it_writes_the_sentinel() -> None:
    """Should OpenSSL ever see a version that our reader has not seen."""
    context = iso2_context(None, beside_tls13=True)
    context.use_certificate_chain_file(str(OLD / "secc_chain.pem"))
    context.use_privatekey_file(str(OLD / "secc_leaf_key.pem"))
    for suites in ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_8_SHA256"):
        offer = TlsOffer(context=context, version=TlsVersion.TLS_1_2)
        server = OpenSslEngine(lambda _hello, offer=offer: offer, server=True)  # type: ignore[misc]
        client = SSL.Context(SSL.TLS_METHOD)
        client.set_tls13_ciphersuites(suites.encode())
        client.set_min_proto_version(SSL.TLS1_3_VERSION)
        ours, _ = shake(server, OpenSslEngine(TlsOffer(context=client), server=False))
        assert ours.failure is not None
        assert not server.handshake_done


# --- roots ----------------------------------------------------------------------------------------------


def named(*names: bytes) -> bytes:
    body = b"".join(len(one).to_bytes(2, "big") + one for one in names)
    return extension(AUTHORITIES, len(body).to_bytes(2, "big") + body)


def hello13(extra: bytes = b"", versions: tuple[int, ...] = (0x0304,)) -> bytes:
    return client_hello(suites=(0x1302, 0xC023), supported_versions=versions, extra=extra)


@pytest.mark.req("V2G20-1006", "V2G20-1007", "V2G20-2378", "V2G20-2379")
def test_the_chain_fits_the_roots_that_the_ev_names(tmp_path: Path) -> None:
    second = hierarchy(tmp_path)
    context = station(policy(chains=(files(PKI20), files(second))))
    first, other = root_of(PKI20, Kind.V2G_ROOT), root_of(second, Kind.V2G_ROOT)
    assert first.subject.der != other.subject.der
    assert chosen(context, named(other.subject.der)) == 1
    assert chosen(context, named(b"\x30\x00", first.subject.der, other.subject.der)) == 0
    assert chosen(context, b"") == 0
    refused = context._choose(read(hello13(named(b"\x30\x00"))))
    assert "no chain under one of the 1 roots" in refused.refusal


def chosen(context: TlsContext, extra: bytes) -> int:
    """Number of the chain."""
    assert context._iso20 is not None
    return context._iso20._contexts.index(context._choose(read(hello13(extra))).context)


def read(record: bytes) -> ClientHello:
    hello = HelloReader().feed(record)
    assert isinstance(hello, ClientHello)
    return hello


def test_no_fitting_chain_is_a_handshake_failure() -> None:
    engine = station().engine()
    progress = engine.feed(hello13(named(b"\x30\x00")))
    assert progress.to_send == bytes.fromhex("15030300020228")
    assert "no chain under one of the 1 roots that the EV names [V2G20-2379]" in str(progress.failure)
    assert engine.feed(b"more").closed


def test_an_ev_of_both_generations_gets_tls12_when_only_that_can_fit() -> None:
    offer = station()._choose(read(hello13(named(b"\x30\x00"), (0x0304, 0x0303))))
    assert offer.version is TlsVersion.TLS_1_2


@pytest.mark.req("V2G20-2399")
def test_the_root_is_not_sent() -> None:
    client = vehicle().engine()
    shake(station().engine(), client)
    assert len(client.peer_chain) == 3
    assert all(one.subject != one.issuer for one in client.peer_chain)


@pytest.mark.req("V2G20-2401", "V2G20-2402", "V2G20-2403")
def test_the_certificate_request_names_the_oem_and_v2g_roots() -> None:
    client = vehicle().engine()
    shake(station(policy(trusted=roots(kinds=(Kind.V2G_ROOT, Kind.OEM_ROOT, Kind.MO_ROOT)))).engine(), client)
    assert client._connection is not None
    names = [one.der() for one in client._connection.get_client_ca_list()]
    assert names == [root_of(PKI20, kind).subject.der for kind in (Kind.V2G_ROOT, Kind.OEM_ROOT)]


# --- the vehicle ----------------------------------------------------------------------------------------


def refusal(car: TlsContext, context: TlsContext | None = None) -> tuple[str, str]:
    server, client = (context or station()).engine(), car.engine()
    ours, theirs = shake(server, client)
    assert not server.handshake_done
    assert server.vehicle is None
    assert ours.plaintext == b""
    return str(ours.failure), str(theirs.failure)


@pytest.mark.req("V2G20-2400")
def test_without_a_certificate_there_is_no_session() -> None:
    ours, theirs = refusal(vehicle(role=None))
    assert "peer did not return a certificate" in ours
    assert "certificate required" in theirs


@pytest.mark.parametrize("role", [Role.SECC, Role.CPS, Role.CONTRACT, Role.OEM])
@pytest.mark.req("V2G20-2342", "V2G20-2443")
def test_no_other_role_is_a_vehicle(role: Role) -> None:
    ours, theirs = refusal(vehicle(role=role))
    assert "TLS handshake failed: " in ours
    assert "alert certificate unknown" in theirs


def test_a_contract_under_an_oem_root_of_the_store_is_none_either() -> None:
    everything = trust(
        (kind, root_of(PKI20, root))
        for kind in (Kind.OEM_ROOT, Kind.V2G_ROOT)
        for root in (Kind.MO_ROOT, Kind.OEM_ROOT, Kind.V2G_ROOT)
    )
    ours, theirs = refusal(vehicle(role=Role.CONTRACT), station(policy(trusted=everything)))
    assert "contract" in ours or "EVCCID" in ours
    assert "certificate unknown" in theirs


def test_a_vehicle_of_a_stranger_is_refused_as_unknown_ca(tmp_path: Path) -> None:
    namesake = hierarchy(tmp_path / "namesake", seed=b"Test")
    only_mo = trust([(Kind.OEM_ROOT, root_of(PKI20, Kind.MO_ROOT))])
    ours, theirs = refusal(vehicle(), station(policy(trusted=only_mo)))
    assert "not an accepted root" in ours
    assert "unknown ca" in theirs
    ours, theirs = refusal(vehicle(namesake, station_root=PKI20 / "v2g_root.pem"))
    assert "which it names as its issuer" in ours
    assert "bad certificate" in theirs


def test_an_expired_vehicle_is_refused_as_expired(tmp_path: Path) -> None:
    pki = hierarchy(tmp_path)
    late = BEGIN + datetime.timedelta(days=366 * 21)
    context = station(policy(chains=(files(PKI20),), trusted=roots(pki)), at=lambda: late)
    car = vehicle(pki, station_root=PKI20 / "v2g_root.pem")
    ours, theirs = refusal(car, context)
    assert "expired on" in ours
    assert "certificate expired" in theirs


@pytest.mark.req("V2G20-2674")
def test_a_vehicle_of_iso2_is_refused() -> None:
    """A P-256 certificate cannot even sign: its algorithm is not among those the station lists."""
    car = vehicle(OLD, Role.OEM, station_root=PKI20 / "v2g_root.pem")
    ours, _ = refusal(car)
    assert "TLS handshake failed" in ours


def test_a_refused_judge_is_final_though_the_client_believes_to_be_done() -> None:
    """The client's handshake ends before its certificate is judged; what it then sends is not read."""
    server, client = station().engine(), vehicle(role=Role.CONTRACT).engine()
    flight = client.feed(server.feed(client.start()).to_send).to_send
    assert client.handshake_done
    progress = server.feed(flight + client.send(b"SupportedAppProtocolReq"))
    assert progress.plaintext == b""
    assert progress.failure is not None
    assert server.feed(client.send(b"again")).plaintext == b""


# --- the laboratory -------------------------------------------------------------------------------------


def lab_policy() -> TlsContext:
    return station(policy(chains=(files(OLD),), trusted=roots(OLD), laboratory=True))


def test_the_laboratory_takes_hierarchies_of_iso2_and_says_what_they_are() -> None:
    server = lab_policy().engine()
    shake(server, vehicle(OLD, Role.OEM, groups="P-256").engine())
    assert server.vehicle is not None
    assert not server.vehicle.is_vehicle
    assert "(oem, " in server.summary
    transport = Transport(version=server.version, vehicle=server.vehicle)
    assert not transport.carries_iso20
    assert dataclasses.replace(transport, laboratory=True).carries_iso20


def test_the_laboratory_refuses_a_contract_as_well() -> None:
    ours, _ = refusal(vehicle(OLD, Role.CONTRACT, groups="P-256"), lab_policy())
    assert "TLS handshake failed" in ours


# --- hostile hellos -------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-2677")
def test_a_ticket_that_comes_back_is_not_accepted() -> None:
    context, car = station(), vehicle()
    server, client = context.engine(), car.engine()
    shake(server, client)
    client.feed(server.send(b"x"))
    assert client._connection is not None
    kept = client._connection.get_session()
    assert kept is not None
    again, other = context.engine(), car.engine()
    opened = other._open(TlsOffer(context=car._client.context))  # type: ignore[union-attr]
    opened.set_session(kept)
    shake(again, other)
    assert again.handshake_done
    assert again.vehicle is not None  # judged again: a full handshake


def test_early_data_is_thrown_away() -> None:
    """A hello that announces early data (extension 42) without a ticket to go with it is malformed."""
    engine = station().engine()
    progress = engine.feed(hello13(extension(42, b"")))
    assert progress.plaintext == b""
    assert progress.failure is not None


@pytest.mark.parametrize("step", [1, 7, 100])
def test_a_split_hello_is_put_together(step: int) -> None:
    server, client = station().engine(), vehicle().engine()
    hello = client.start()
    progress = None
    for at in range(0, len(hello), step):
        progress = server.feed(hello[at : at + step])
    assert progress is not None
    shaken = client.feed(progress.to_send)
    server.feed(shaken.to_send)
    assert server.vehicle is not None


@pytest.mark.parametrize("pieces", [2, 5])
def test_a_hello_split_over_records_is_put_together(pieces: int) -> None:
    server, client = station().engine(), vehicle().engine()
    hello = client.start()
    body, size = hello[5:], len(hello) // pieces
    split = b""
    for at in range(0, len(body), size):
        part = body[at : at + size]
        split += b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
    server.feed(client.feed(server.feed(split).to_send).to_send)
    assert server.vehicle is not None


def test_a_giant_hello_ends_the_handshake() -> None:
    engine = station().engine()
    sent, progress = 0, engine.feed(b"")
    while progress.failure is None and sent < 2 * MAX_HANDSHAKE:
        progress = engine.feed(b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" + bytes(16380))
        sent += 16389
    assert progress.failure is not None
    assert progress.closed


def test_a_giant_chain_ends_the_handshake(tmp_path: Path) -> None:
    chain = (PKI20 / "vehicle_chain.pem").read_bytes() * 20
    (tmp_path / "chain.pem").write_bytes(chain)
    certificate = CredentialFiles(chain=tmp_path / "chain.pem", key=PKI20 / "vehicle_leaf_key.pem")
    car = TlsContext.for_client(PKI20 / "v2g_root.pem", certificate=certificate, iso2=False, iso20=True)
    ours, _ = shake(station().engine(), car.engine())
    assert f"more than {MAX_HANDSHAKE} bytes" in str(ours.failure)


@pytest.mark.parametrize(
    "versions", [(0x0304,), (0x0303, 0x0304), (0x7F1C, 0x0304), (0x0A0A, 0x0304, 0x0303)]
)
def test_the_versions_are_read_from_their_extension(versions: tuple[int, ...]) -> None:
    offer = station()._choose(read(hello13(versions=versions)))
    assert offer.version is TlsVersion.TLS_1_3


@pytest.mark.parametrize(
    "body", [b"", b"\x01", b"\x03\x03\x04\x03", b"\x02\x03\x04\x00", b"\x04\x03\x04", b"\x00"]
)
def test_a_malformed_list_of_versions_never_raises_and_never_passes(body: bytes) -> None:
    engine = station().engine()
    progress = engine.feed(client_hello(suites=(0x1302, 0xC023), extra=extension(43, body)))
    assert progress.failure is not None
    assert not engine.handshake_done


# --- settings that cannot be used -----------------------------------------------------------------------


def test_a_chain_of_iso2_is_none_of_iso20() -> None:
    with pytest.raises(ConfigError, match=r"the key is not on secp521r1 or Ed448 \[V2G20-2674\]"):
        station(policy(chains=(files(OLD),)))


def test_a_chain_of_iso20_is_none_of_iso2() -> None:
    with pytest.raises(ConfigError, match=r"the key is not on secp256r1 \[V2G2-007\]"):
        TlsContext.for_station([files(PKI20)], clock=clock)


@pytest.mark.parametrize("trusted", [TrustStore(), roots(kinds=(Kind.MO_ROOT,)), roots(OLD)])
@pytest.mark.req("V2G20-2338", "V2G20-2404")
def test_without_a_root_for_vehicles_there_is_no_tls13(trusted: TrustStore) -> None:
    with pytest.raises(ConfigError, match="trust has no V2G or OEM root with a key on secp521r1 or Ed448"):
        station(policy(trusted=trusted))
