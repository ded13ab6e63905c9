"""Certificates of stations: requests, EST, revocation in public, keys in a file or in a module."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from fastapi.testclient import TestClient

from secc.errors import CertificateError, ConfigError
from secc.operator.cpo import keys
from secc.operator.cpo.access import new_token
from secc.operator.cpo.keys import KeyPlace
from secc.operator.cpo.settings import Access, StationNames, Token, check
from secc.operator.opcp.client import read_enrolled
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import KINDS, verify_chain
from secc.pki.issuing import make_request, new_key
from secc.pki.keys import PrivateKey
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from tests.operator.cpo.support import Clock, client_of, make_service, settings
from tests.support.contracts import DAY, NOW, hierarchy, identity, trusted


def request_of(seed: bytes = b"station 1", name: str = "DEABCS1", key: PrivateKey | None = None) -> bytes:
    key = key or new_key(seed)
    return make_request(key, Kind.SECC_LEAF, common_name=name, organization="Us", country="DE")


def sign(client: TestClient, request: bytes, station: str = "DEPOT-1", **more: Any) -> Any:
    form = {"request": base64.b64encode(request).decode()}
    return client.post(f"/v1/stations/{station}/certificate", json=form, **more)


def chain_of(answer: Any) -> list[bytes]:
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(one) for one in answer.json()["chain"]]


def test_a_station_gets_a_chain_that_a_car_accepts(tmp_path: Path, changes: dict[str, Any]) -> None:
    with client_of(make_service(tmp_path, **changes)) as client:
        chain = chain_of(sign(client, request_of()))
    verified = verify_chain(chain, Role.SECC, trusted(), NOW)
    assert verified.leaf.public_key == new_key(b"station 1").public_key()
    assert verified.leaf.not_after == NOW - DAY / 24 + 90 * DAY


def test_the_same_key_gets_the_same_certificate(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = make_service(tmp_path, **changes)
    with client_of(service) as client:
        assert chain_of(sign(client, request_of())) == chain_of(sign(client, request_of()))
        assert len(service.register.of_owner("DEPOT-1")) == 1


def test_a_new_key_replaces_the_certificate(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        sign(client, request_of())
        sign(client, request_of(b"station 1 again"))
        assert sorted(one.replaced for one in service.register.of_owner("DEPOT-1")) == [False, True]


def test_a_key_of_another_station_is_refused(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        sign(client, request_of())
        answer = sign(client, request_of(name="DEABCS2"), "DEPOT-2")
    assert (answer.status_code, answer.json()["rule"]) == (422, "request")


def test_a_revoked_key_gets_nothing_again(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        leaf = read_certificate(chain_of(sign(client, request_of()))[0])
        assert client.post(f"/v1/certificates/{leaf.serial:x}/revocation", json={}).status_code == 200
        assert sign(client, request_of()).status_code == 422


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("DEPOT-2", id="another station"),
        pytest.param("DEABCS2", id="a listed name of another station"),
        pytest.param("DEABC000000001G", id="an eMAID"),
        pytest.param("DEABCS1\n", id="a control character"),
        pytest.param("../../DEABCS1", id="a path"),
        pytest.param("DEABCS1/", id="a separator"),
        pytest.param("DEABCS1\u0661", id="a digit that is not ASCII"),
        pytest.param("deabcs1", id="another case"),
    ],
)
def test_a_name_that_is_not_the_stations_is_refused(tmp_path: Path, name: str) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        answer = sign(client, request_of(name=name))
        by_est = client.post(
            "/.well-known/est/cpo/simpleenroll", content=base64.encodebytes(request_of(name=name))
        )
    assert (answer.status_code, answer.json()["rule"]) == (422, "common_name")
    assert not service.register.of_owner("DEPOT-1")
    assert by_est.status_code == (
        200 if name in ("DEPOT-2", "DEABCS2", "DEABC000000001G", "deabcs1") else 422
    )


def test_the_emaid_of_a_contract_is_no_name_of_a_station(tmp_path: Path) -> None:
    service = make_service(tmp_path, certificate_names=("DE{station}",), stations=())
    service.contracts.put("DEABC000000001G")
    with client_of(service) as client:
        answer = sign(client, request_of(name="DEABC000000001G"), "ABC000000001G")
    assert (answer.status_code, answer.json()["rule"]) == (422, "common_name")


def test_a_station_bound_by_its_token_gets_no_other_name_by_est(tmp_path: Path) -> None:
    token, digest = new_token()
    mine = Token(name="box", sha256=digest, access=(Access.STATION,), station="DEPOT-1")
    with client_of(make_service(tmp_path, tokens=(mine,))) as client:
        headers = {"Authorization": f"Bearer {token}"}

        def enrol(name: str) -> int:
            content = base64.encodebytes(request_of(name.encode(), name))
            return client.post(
                "/.well-known/est/cpo/simpleenroll", content=content, headers=headers
            ).status_code

        assert [enrol(name) for name in ("DEPOT-1", "DEABCS1", "DEPOT-2", "DEABCS2")] == [200, 200, 422, 422]


def test_a_template_gives_every_station_its_name(tmp_path: Path) -> None:
    service = make_service(tmp_path, certificate_names=("DEABCS{station}",), stations=())
    with client_of(service) as client:
        assert sign(client, request_of(name="DEABCS7"), "7").status_code == 200
        assert sign(client, request_of(b"8", name="DEABCS7"), "8").status_code == 422
        assert sign(client, request_of(b"9", name="9"), "9").status_code == 422


def test_a_name_in_use_by_another_station_is_refused(tmp_path: Path) -> None:
    """The settings may change under a certificate that is still in use."""
    with client_of(make_service(tmp_path)) as client:
        assert sign(client, request_of()).status_code == 200
    moved = (StationNames(station="DEPOT-3", names=("DEABCS1",)),)
    with client_of(make_service(tmp_path, stations=moved)) as client:
        answer = sign(client, request_of(b"another"), "DEPOT-3")
    assert (answer.status_code, answer.json()["rule"]) == (422, "common_name")
    assert "in use by station 'DEPOT-1'" in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind", [Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1, Kind.V2G_ROOT, Kind.MO_SUB_CA_2, Kind.CPS_LEAF]
)
def test_the_key_of_an_authority_gets_no_certificate(tmp_path: Path, kind: Kind) -> None:
    request = make_request(
        identity(kind).key, Kind.SECC_LEAF, common_name="DEABCS1", organization="Us", country="DE"
    )
    with client_of(make_service(tmp_path)) as client:
        answer = sign(client, request)
    assert (answer.status_code, answer.json()["rule"]) == (422, "request")
    assert "belongs to an authority" in answer.json()["detail"]


def test_names_that_fit_every_station_or_two_are_refused_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="applies to every station"):
        check(settings(tmp_path, certificate_names=("DEABCS1",)))
    both = tuple(StationNames(station=one, names=("DEABCS1",)) for one in ("A", "B"))
    with pytest.raises(ConfigError, match="DEABCS1 belongs to two stations"):
        check(settings(tmp_path, stations=both))


@pytest.mark.parametrize("body", [b"nothing", request_of()[:-4]], ids=["garbage", "cut off"])
def test_what_is_no_request_is_refused(tmp_path: Path, body: bytes) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert sign(client, body).status_code == 422


def test_without_an_authority_nothing_is_signed(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path, cpo=None)) as client:
        assert sign(client, request_of()).json()["rule"] == "no_authority"
        assert client.get("/.well-known/est/cpo/cacerts").status_code == 422


def test_an_authority_that_has_ended_signs_nothing(tmp_path: Path) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock)
    clock.now = hierarchy()[Kind.CPO_SUB_CA_2].certificate.not_after + DAY
    with client_of(service) as client:
        assert sign(client, request_of()).json()["rule"] == "ca_expired"


# --- EST ---


def test_est_enrols_and_names_its_authorities(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        for name in ("simpleenroll", "simplereenroll"):
            answer = client.post(
                f"/.well-known/est/cpo/{name}",
                content=base64.encodebytes(request_of()),
                headers={"Content-Type": "application/pkcs10"},
            )
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
            leaf, *above = read_enrolled(answer.content)
            assert leaf.public_key == new_key(b"station 1").public_key()
            assert above == [identity(kind).certificate for kind in KINDS[Role.SECC][1:]]
        told = client.get("/.well-known/est/cpo/cacerts")
        assert len(base64.b64decode(told.content)) > 800


def test_est_refuses_what_is_no_request(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        answer = client.post("/.well-known/est/cpo/simpleenroll", content=b"AAA")
        assert answer.status_code in (400, 422)


def test_a_token_of_one_station_speaks_for_that_one_only(tmp_path: Path) -> None:
    token, digest = new_token()
    mine = Token(name="box", sha256=digest, access=(Access.STATION,), station="DEPOT-1")
    with client_of(make_service(tmp_path, tokens=(mine,))) as client:
        headers = {"Authorization": f"Bearer {token}"}
        assert sign(client, request_of(), "DEPOT-1", headers=headers).status_code == 200
        assert sign(client, request_of(b"2"), "DEPOT-2", headers=headers).status_code == 403
        assert sign(client, request_of(b"2"), "DEPOT-1").status_code == 401
        assert client.get("/v1/audit", headers=headers).status_code == 403


# --- revocation in public ---


def ocsp_request(der: bytes, issuer: Certificate) -> bytes:
    leaf = x509.load_der_x509_certificate(der)
    made = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.to_cryptography(), hashes.SHA256())
    return made.build().public_bytes(Encoding.DER)


def ocsp_status(client: TestClient, der: bytes, issuer: Certificate | None = None) -> ocsp.OCSPCertStatus:
    asked = ocsp_request(der, issuer or identity(Kind.CPO_SUB_CA_2).certificate)
    answer = client.post("/ocsp", content=asked)
    return ocsp.load_der_ocsp_response(answer.content).certificate_status


def test_a_revocation_is_public_at_once_and_final(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = make_service(tmp_path, **changes)
    with client_of(service) as client:
        der = chain_of(sign(client, request_of()))[0]
        assert ocsp_status(client, der) is ocsp.OCSPCertStatus.GOOD
        serial = read_certificate(der).serial
        for _ in range(2):
            answer = client.post(f"/v1/certificates/{serial:x}/revocation", json={"reason": "key_compromise"})
            assert answer.json()["reason"] == "key_compromise"
        assert ocsp_status(client, der) is ocsp.OCSPCertStatus.REVOKED
        (issuer,) = [one for one in service.revocations.issuers if "CPO" in one.subject.common_name]
        crl = x509.load_der_x509_crl(client.get(f"/crl/{issuer.fingerprint}").content)
        assert [one.serial_number for one in crl] == [serial]


def test_the_status_of_a_sub_ca_is_good_where_the_service_has_the_key_of_its_issuer(tmp_path: Path) -> None:
    sub, above = (identity(kind).certificate for kind in (Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1))
    asked = ocsp_request(sub.der, above)
    with client_of(make_service(tmp_path / "without")) as client:
        refused = ocsp.load_der_ocsp_response(client.post("/ocsp", content=asked).content)
        assert refused.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    made = settings(tmp_path)
    pki = tmp_path.parent / "cpo-pki"
    place = KeyPlace(chain=pki / "cpo_sub_ca_1.pem", key=pki / "cpo_sub_ca_1_key.pem")
    for _ in range(2):  # a restart changes nothing
        service = make_service(tmp_path, authorities=(place,), database=made.database)
        with client_of(service) as client:
            answer = ocsp.load_der_ocsp_response(client.post("/ocsp", content=asked).content)
            assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
            assert client.get(f"/crl/{above.fingerprint}").status_code == 200


def test_a_refused_certificate_is_recorded_with_the_name_and_the_rule(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with client_of(service) as client:
        assert sign(client, request_of(name="DEABCS2")).status_code == 422
        (one,) = service.journal.refusals()
        assert (one.what, one.station, one.identity, one.rule) == (
            "certificate",
            "DEPOT-1",
            "DEABCS2",
            "common_name",
        )
        assert sign(client, b"nothing").status_code == 422
        assert len(service.journal.refusals()) == 2


def test_a_serial_that_was_never_issued_is_unknown(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert ocsp_status(client, identity(Kind.SECC_LEAF).certificate.der) is ocsp.OCSPCertStatus.UNKNOWN
        assert client.post("/v1/certificates/abc/revocation", json={}).status_code == 422
        assert client.get(f"/crl/{'0' * 64}").status_code == 404
        malformed = ocsp.load_der_ocsp_response(client.post("/ocsp", content=b"?").content)
        assert malformed.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


# --- where keys are ---


def test_a_key_has_one_place_and_belongs_to_its_certificate(tmp_path: Path) -> None:
    place = settings(tmp_path).cpo
    assert place is not None
    with pytest.raises(ConfigError, match="expected either key or hsm"):
        keys.load(KeyPlace(chain=place.chain))
    other = place.chain.parent / "cps_leaf_key.pem"
    with pytest.raises(CertificateError, match="does not match the certificate"):
        keys.load(KeyPlace(chain=place.chain, key=other))
    with pytest.raises(ConfigError, match="No such file"):
        keys.load(KeyPlace(chain=tmp_path / "none", key=other))
