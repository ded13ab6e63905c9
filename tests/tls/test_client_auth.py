"""Client certificates: asked for or not, good, bad and absent, in memory."""

import datetime
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from secc.errors import ChainError, ConfigError
from secc.pki.certificates import read_certificate
from secc.pki.profiles import Kind
from secc.pki.trust import Role, TrustStore, trust
from secc.pki.vehicle import identify
from secc.settings import ClientAuth
from secc.tls import ClientPolicy, CredentialFiles, OpenSslEngine, TlsContext, TlsProgress
from tests.support import certificates
from tests.support.certificates import EMAID, NOW, PCID, Identity

V2G = certificates.root()
MO = certificates.root("MO Root", "MO")
OEM = certificates.root("OEM Root", "OEM")
STATION = certificates.station(V2G)
ROOTS = trust(
    (kind, read_certificate(root.der))
    for kind, root in ((Kind.V2G_ROOT, V2G), (Kind.MO_ROOT, MO), (Kind.OEM_ROOT, OEM))
)

UNKNOWN_CA, UNSUPPORTED, HANDSHAKE_FAILURE = b"\x02\x30", b"\x02\x2b", b"\x02\x28"


def station(folder: Path, mode: ClientAuth, roots: TrustStore = ROOTS) -> TlsContext:
    files = certificates.store(folder, STATION, "station")
    return TlsContext.for_station([files], client=ClientPolicy(mode, roots), clock=lambda: NOW)


def car(folder: Path, leaf: Identity | None) -> TlsContext:
    files = None
    if leaf is not None:
        files = certificates.store(folder, leaf, "car")
    root = folder / "station_root.pem"
    root.write_bytes(V2G.pem)
    return TlsContext.for_client(root, certificate=files, clock=lambda: NOW)


def shake(server: OpenSslEngine, client: OpenSslEngine) -> TlsProgress:
    """The last progress of the server, and what it sent goes to the client."""
    ours = TlsProgress()
    to_server = client.start()
    while to_server:
        ours = server.feed(to_server)
        to_server = client.feed(ours.to_send).to_send if ours.to_send else b""
    return ours


@pytest.mark.parametrize("mode", [ClientAuth.REQUEST, ClientAuth.REQUIRE])
def test_a_contract_becomes_the_identity_of_the_connection(tmp_path: Path, mode: ClientAuth) -> None:
    leaf = certificates.contract(MO)
    server, client = station(tmp_path, mode).engine(), car(tmp_path, leaf).engine()
    assert server.vehicle is None
    shake(server, client)
    assert server.handshake_done
    assert server.vehicle is not None
    assert server.vehicle.role is Role.CONTRACT
    assert str(server.vehicle.emaid) == EMAID
    assert server.vehicle.fingerprint == read_certificate(leaf.der).fingerprint
    assert f"client certificate of eMAID {EMAID}" in server.summary
    assert server.feed(client.send(b"request")).plaintext == b"request"


def test_a_provisioning_certificate_becomes_the_identity_too(tmp_path: Path) -> None:
    server = station(tmp_path, ClientAuth.REQUIRE).engine()
    shake(server, car(tmp_path, certificates.provisioning(OEM)).engine())
    assert server.vehicle is not None
    assert (server.vehicle.role, server.vehicle.emaid) == (Role.OEM, None)
    assert PCID in server.vehicle.subject


def test_without_the_policy_no_back_end_is_asked(tmp_path: Path) -> None:
    server = station(tmp_path, ClientAuth.NONE).engine()
    shake(server, car(tmp_path, certificates.contract(MO)).engine())
    assert server.handshake_done
    assert (server.vehicle, server.peer_chain) == (None, [])


def test_a_car_without_certificate_passes_where_it_is_only_requested(tmp_path: Path) -> None:
    server = station(tmp_path, ClientAuth.REQUEST).engine()
    shake(server, car(tmp_path, None).engine())
    assert server.handshake_done
    assert server.vehicle is None
    assert server.summary == "DEABCSTEST under V2G Root A"


def test_a_car_without_certificate_is_refused_where_it_is_required(tmp_path: Path) -> None:
    server, client = station(tmp_path, ClientAuth.REQUIRE).engine(), car(tmp_path, None).engine()
    progress = shake(server, client)
    assert "peer did not return a certificate" in str(progress.failure)
    assert progress.to_send[0] == 0x15
    assert progress.to_send[-2:] == HANDSHAKE_FAILURE
    assert not server.handshake_done


STRANGE_ROOT = certificates.root("MO Root", "MO")
EXPIRED = certificates.contract(MO, not_after=NOW - datetime.timedelta(days=1))
SUB_CA = certificates.authorities(MO, "MO", None)
TWO_CARS = certificates.contract(MO), certificates.contract(MO)

BAD = {
    "unknown root": (certificates.contract(certificates.root("Nobody", "MO")), "not an accepted root"),
    "other root of the same name": (certificates.contract(STRANGE_ROOT), "not signed by"),
    "expired": (EXPIRED, "expired on"),
    "a station's leaf": (certificates.station(V2G, "DEABCSOTHER"), "is not an eMAID"),
    "self-signed": (certificates.issue(EMAID, None, None, leaf=True), "self-issued"),
    "is not an eMAID": (certificates.issue("somebody", None, SUB_CA, leaf=True), "eMAID"),
    "an authority": (SUB_CA, ""),
    "under the root": (certificates.issue(EMAID, None, MO, leaf=True), "issued by the root"),
    "contract under the OEM": (certificates.contract(OEM), "not an accepted root"),
}


@pytest.mark.parametrize("defect", BAD)
def test_a_bad_chain_is_refused_with_an_alert_where_it_is_required(tmp_path: Path, defect: str) -> None:
    leaf, reason = BAD[defect]
    server, client = station(tmp_path, ClientAuth.REQUIRE).engine(), car(tmp_path, leaf).engine()
    progress = shake(server, client)
    assert progress.closed
    assert progress.failure is not None
    assert isinstance(progress.failure.__cause__, ChainError)
    assert progress.to_send[-2:] == (UNSUPPORTED if defect == "an authority" else UNKNOWN_CA)
    assert reason in str(progress.failure)
    assert not server.handshake_done
    assert server.vehicle is None


@pytest.mark.parametrize("defect", BAD)
def test_a_bad_chain_is_no_identity_where_it_is_only_requested(tmp_path: Path, defect: str) -> None:
    server = station(tmp_path, ClientAuth.REQUEST).engine()
    shake(server, car(tmp_path, BAD[defect][0]).engine())
    assert server.handshake_done
    assert server.vehicle is None
    assert "client certificate not accepted" in server.summary


def test_a_root_with_an_odd_purpose_does_not_matter(tmp_path: Path) -> None:
    odd = certificates.issue("MO Root", "MO", None, purpose=ExtendedKeyUsageOID.OCSP_SIGNING)
    roots = trust([(Kind.MO_ROOT, read_certificate(odd.der))])
    server = station(tmp_path, ClientAuth.REQUIRE, roots).engine()
    shake(server, car(tmp_path, certificates.contract(odd)).engine())
    assert server.vehicle is not None


def test_a_lone_leaf_has_no_path(tmp_path: Path) -> None:
    leaf = certificates.contract(MO)
    files = certificates.store(tmp_path, leaf, "car")
    files.chain.write_bytes(leaf.pem)
    client = TlsContext.for_client(None, certificate=files).engine()
    progress = shake(station(tmp_path, ClientAuth.REQUIRE).engine(), client)
    assert progress.to_send[-2:] == UNKNOWN_CA


def test_the_chain_of_one_with_the_key_of_another_is_refused(tmp_path: Path) -> None:
    server = station(tmp_path, ClientAuth.REQUIRE).engine()
    files = certificates.store(tmp_path, TWO_CARS[0], "car")
    client = TlsContext.for_client(None, certificate=files)
    wrong = CredentialFiles(chain=files.chain, key=files.key)
    wrong.key.write_bytes(TWO_CARS[1].key_pem)
    with pytest.raises(SSL.Error):  # OpenSSL's own client will not even try
        TlsContext.for_client(None, certificate=wrong)
    shake(server, client.engine())
    assert server.vehicle is not None


def test_asking_without_roots_to_check_by_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trust has no"):
        station(tmp_path, ClientAuth.REQUEST, TrustStore())


def test_a_contract_shown_in_tls_binds_the_one_that_pays() -> None:
    mine, other = (list(one.path) for one in TWO_CARS)
    identity = identify([one.der for one in mine[:-1]], ROOTS, NOW)
    identity.require_same_contract(mine[0].der)
    with pytest.raises(ChainError, match="differs from the contract in the TLS handshake") as caught:
        identity.require_same_contract(other[0].der)
    assert caught.value.response_code == "FAILED_CertificateNotAllowedAtThisEVSE"


def test_a_provisioning_certificate_binds_no_contract() -> None:
    shown = [one.der for one in certificates.provisioning(OEM).path[:-1]]
    identify(shown, ROOTS, NOW).require_same_contract(b"any contract")
