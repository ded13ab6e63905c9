"""Provisioning: requests of cars, answers of back ends, and the splice between them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc import exi
from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages.xmldsig import X509IssuerSerial
from secc.pki.issuing import Identity, Order, issue, new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import (
    Action,
    ProvisioningRequest,
    VerifiedBundle,
    signed_parts,
    splice,
    verify_bundle,
    verify_request,
    verify_response,
)
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import sign
from secc.site.issuing import ProvisioningService
from tests.support.contracts import (
    DAY,
    NOW,
    chain,
    contract_leaf,
    encoded,
    identity,
    mobility_operator,
    provisioning_service,
    trusted,
    wallet,
)
from tests.support.vectors import shared

Body = iso2.CertificateInstallationReq | iso2.CertificateUpdateReq


def asked(body: Body | None = None) -> ProvisioningRequest:
    body = body or wallet().installation()
    signature = wallet().sign(body)
    return verify_request(body, signature, encoded(body, signature), trusted(), NOW)


def bundle(action: Action = Action.INSTALL, emaid: str = "DEABC000000001G") -> bytes:
    car = wallet()
    receiver = car.oem if action is Action.INSTALL else car.contract
    contract = mobility_operator().issue(emaid, NOW)
    return provisioning_service().bundle(action, contract, receiver.key.public_key()).payload


def refused(body: Body, *, key_seed: bytes | None = None, unsigned: bool = False) -> str:
    signature = None if unsigned else wallet().sign(body, None if key_seed is None else new_key(key_seed))
    with pytest.raises(CertificateError) as caught:
        verify_request(body, signature, b"", trusted(), NOW)
    return str(caught.value.response_code)


# --- requests ---------------------------------------------------------------------------------------------


def test_an_installation_request_says_which_car() -> None:
    request = asked()
    assert request.action is Action.INSTALL
    assert str(request.pcid) == "ZZZTESTCAR0000001"
    assert request.emaid is None
    assert request.payload[:2] == b"\x80\x98"


def test_an_update_request_says_which_contract() -> None:
    request = asked(wallet().update())
    assert request.action is Action.UPDATE
    assert str(request.emaid) == "DEABC000000001G"


@pytest.mark.parametrize(
    ("name", "more", "named"),
    [
        ("CN=V2GRootCA Test,O=Test only,C=DE,DC=V2G", 0, True),
        ("DC=V2G, C=DE, O=Test only, cn=v2grootca test", 0, True),
        ("CN=V2GRootCA Test", 1, False),
        ("CN=Another V2GRootCA Test", 0, False),
        ("", 0, False),
    ],
)
def test_a_root_is_known_by_serial_and_common_name_however_it_is_written(
    name: str, more: int, named: bool
) -> None:
    root = identity(Kind.V2G_ROOT).certificate
    listed = X509IssuerSerial(x509_issuer_name=name, x509_serial_number=root.serial + more)
    body = msgspec.structs.replace(
        wallet().installation(),
        list_of_root_certificate_ids=iso2.ListOfRootCertificateIDs(root_certificate_id=(listed,)),
    )
    signature = wallet().sign(body)
    request = verify_request(body, signature, encoded(body, signature), trusted(), NOW)
    assert request.names(root) is named


def test_requests_for_the_same_bundle_have_the_same_key() -> None:
    assert asked().key == asked(msgspec.structs.replace(wallet().installation(), id="other")).key
    assert asked().key != asked(wallet().update()).key


def test_only_the_module_makes_requests_and_bundles() -> None:
    request = asked()
    with pytest.raises(TypeError):
        ProvisioningRequest(
            action=request.action,
            payload=b"",
            leaf=request.leaf,
            pcid=None,
            emaid=None,
            chain=None,
            roots=(),
            proof=request.proof,
            seal=object(),
        )
    good = verify_bundle(bundle(), Action.INSTALL, trusted(), NOW)
    with pytest.raises(TypeError):
        VerifiedBundle(b"", good.message, good.cps, good.contract, good.proof, seal=object())


def oem(*, begin: int = -1, end: int = 3650, kind: Kind = Kind.OEM_LEAF) -> Identity:
    key = new_key(b"another car")
    order = Order(
        kind=kind,
        common_name="ZZZTESTCAR0000002",
        organization="Test only",
        country="",
        serial=99,
        not_before=NOW + begin * DAY,
        not_after=NOW + end * DAY,
        ocsp_url="http://ocsp.test.invalid/",
    )
    return Identity(issue(order, key.public_key(), identity(Kind.OEM_SUB_CA_2)), key)


def installation(der: bytes) -> iso2.CertificateInstallationReq:
    return msgspec.structs.replace(wallet().installation(), oem_provisioning_cert=der)


def test_wrong_key_and_missing_signature() -> None:
    assert refused(wallet().installation(), key_seed=b"thief") == "FAILED_SignatureError"
    assert refused(wallet().installation(), unsigned=True) == "FAILED_SignatureError"
    assert refused(wallet().update(), key_seed=b"thief") == "FAILED_SignatureError"


@pytest.mark.parametrize(("begin", "end"), [(-30, -1), (1, 30)])
def test_a_provisioning_certificate_out_of_date(begin: int, end: int) -> None:
    car = oem(begin=begin, end=end)
    assert refused(installation(car.certificate.der)) == "FAILED_CertificateExpired"


def test_certificates_that_are_no_provisioning_certificate() -> None:
    assert refused(installation(b"\x30\x00")).startswith("FAILED")
    for kind in (Kind.CPS_LEAF, Kind.SECC_LEAF, Kind.OEM_SUB_CA_2):
        assert refused(installation(identity(kind).certificate.der)) == "FAILED_NoCertificateAvailable"


def test_an_update_of_what_is_no_good_contract() -> None:
    expired = wallet(contract_leaf(not_before=NOW - 9 * DAY, not_after=NOW - DAY)).update()
    assert refused(expired) == "FAILED_CertificateExpired"
    other = msgspec.structs.replace(wallet().update(), emaid="DEABC000000002")
    assert refused(other) == "FAILED_NoCertificateAvailable"
    with pytest.raises(CertificateError) as caught:
        verify_request(wallet().update(), wallet().sign(wallet().update()), b"", TrustStore(), NOW)
    assert caught.value.response_code == "FAILED_CertChainError"


# --- answers ----------------------------------------------------------------------------------------------


def test_a_bundle_for_the_car_passes() -> None:
    found = verify_response(bundle(), asked(), trusted(), NOW)
    assert str(found.emaid) == "DEABC000000001G"
    assert found.proof.tolerated == ()


def test_an_update_bundle_passes() -> None:
    found = verify_response(bundle(Action.UPDATE), asked(wallet().update()), trusted(), NOW)
    assert isinstance(found.message.body, iso2.CertificateUpdateRes)


def faulty(
    payload: bytes, request: ProvisioningRequest | None = None, trust: TrustStore | None = None
) -> str:
    with pytest.raises(CertificateError) as caught:
        verify_response(payload, request or asked(), trusted() if trust is None else trust, NOW)
    return str(caught.value.rule)


def rebuilt(**changes: object) -> bytes:
    """A bundle whose body was changed after signing."""
    message = exi.ISO2.decode(bundle())
    body = msgspec.structs.replace(message.body, **changes)
    return exi.ISO2.encode(msgspec.structs.replace(message, body=body))


def test_answers_that_are_no_answer() -> None:
    assert faulty(b"") == "not_a_message"
    assert faulty(b"garbage") == "not_a_message"
    assert faulty(bundle()[:500]) == "not_a_message"
    assert faulty(bytes(1 << 20)) == "too_large"
    assert faulty(bundle(Action.UPDATE)) == "another_message"
    assert faulty(encoded(wallet().installation(), None)) == "another_message"


def test_a_refusal_of_the_back_end_keeps_its_code() -> None:
    code = iso2.ResponseCode.FAILED_CONTRACT_CANCELED
    with pytest.raises(CertificateError) as caught:
        verify_response(rebuilt(response_code=code), asked(), trusted(), NOW)
    assert caught.value.response_code == "FAILED_ContractCanceled"


def test_a_contract_of_another_party() -> None:
    other = bundle(Action.UPDATE, "DEABC000000002")
    assert faulty(other, asked(wallet().update())) == "another_contract"
    assert faulty(rebuilt(emaid=iso2.EMAID(id="id4", value="DEABC000000002"))) == "emaid_mismatch"


def test_each_signed_part_is_bound() -> None:
    body = exi.ISO2.decode(bundle()).body
    key = body.contract_signature_encrypted_private_key
    assert (
        faulty(
            rebuilt(contract_signature_encrypted_private_key=msgspec.structs.replace(key, value=bytes(48)))
        )
        == "digest"
    )
    renamed = msgspec.structs.replace(body.emaid, id="id9")
    assert faulty(rebuilt(emaid=renamed)) == "references"


def test_unsigned_or_partly_signed_answers() -> None:
    message = exi.ISO2.decode(bundle())
    bare = msgspec.structs.replace(message, header=iso2.MessageHeader(session_id=b"\0"))
    assert faulty(exi.ISO2.encode(bare)) == "missing"
    part = sign(signed_parts(message.body)[:3], identity(Kind.CPS_LEAF).key)
    partly = msgspec.structs.replace(message, header=iso2.MessageHeader(session_id=b"\0", signature=part))
    assert faulty(exi.ISO2.encode(partly)) == "references"


def test_a_signer_that_is_no_provisioning_service() -> None:
    contract = mobility_operator().issue("DEABC000000001G", NOW)
    station = ProvisioningService(identity(Kind.SECC_LEAF), chain(Role.SECC)[1:])
    other = station.bundle(Action.INSTALL, contract, wallet().oem.key.public_key())
    assert faulty(other.payload) == "domain_component"
    stolen = ProvisioningService(
        Identity(identity(Kind.CPS_LEAF).certificate, new_key(b"thief")), chain(Role.CPS)[1:]
    )
    forged = stolen.bundle(Action.INSTALL, contract, wallet().oem.key.public_key())
    assert faulty(forged.payload) == "signature"


def test_a_cps_under_a_root_that_is_not_trusted() -> None:
    assert faulty(bundle(), trust=TrustStore()) == "no_anchor"


def test_a_contract_under_a_root_that_only_the_car_knows_passes() -> None:
    only_v2g = TrustStore().with_anchor(identity(Kind.V2G_ROOT).certificate, Kind.V2G_ROOT)
    found = verify_response(bundle(), asked(), only_v2g, NOW)
    assert str(found.emaid) == "DEABC000000001G"


# --- the splice -------------------------------------------------------------------------------------------


@given(old=st.binary(min_size=1, max_size=8), new=st.binary(min_size=1, max_size=8))
def test_splicing_changes_the_session_id_and_nothing_else(old: bytes, new: bytes) -> None:
    body = iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)
    before = iso2.V2GMessage(header=iso2.MessageHeader(session_id=old), body=body)
    after = iso2.V2GMessage(header=iso2.MessageHeader(session_id=new), body=body)
    assert splice(exi.ISO2.encode(before), new) == exi.ISO2.encode(after)


def test_a_spliced_bundle_still_verifies() -> None:
    payload = bundle()
    spliced = splice(payload, bytes(range(1, 9)))
    assert len(spliced) == len(payload) + 7
    found = verify_response(spliced, asked(), trusted(), NOW)
    assert found.message.header.session_id == bytes(range(1, 9))


def test_spliced_messages_of_others_decode_to_the_same_body() -> None:
    for vector in json.loads(shared("signature.json").read_text())["vectors"]:
        if vector["protocol"] != "ISO 15118-2":
            continue
        payload = bytes.fromhex(vector["message"]["exi_hex"])
        before, after = exi.ISO2.decode(payload), exi.ISO2.decode(splice(payload, b"\1\2\3"))
        assert after.body == before.body
        assert after.header.signature == before.header.signature


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x80\x98\xff\xff", b"\x80\x98\x3f\xff\xff", b"\x80\x00\0\0"]
)
def test_what_is_no_message_is_not_spliced(payload: bytes) -> None:
    with pytest.raises(CertificateError):
        splice(payload, bytes(8))
