"""CertificateInstallation of ISO 15118-20: requests, answers, and the header between them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc import exi
from secc.errors import CertificateError, ChainError
from secc.messages import iso20_common as m
from secc.pki.chains import ChainPolicy, UnanchoredChain, VerifiedChain
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID
from secc.pki.installation import (
    InstallationRequest,
    VerifiedInstallation,
    iso20_policy,
    read_installation,
    signed_request,
    splice_header,
    verify_installation,
    verify_installation_request,
    wrapped_key,
)
from secc.pki.iso20_delivery import unwrap_key
from secc.pki.keys import new_private_key
from secc.pki.kinds import Generation, Kind
from secc.pki.profiles import FIELD, Leniency
from secc.pki.trust import TrustStore
from tests.support.contracts import DAY, NOW
from tests.support.installation import (
    ED448,
    EMAID_TEXT,
    OTHER_EMAID,
    P521,
    POLICY,
    altered,
    asked,
    bundle,
    decoded,
    encoded,
    hierarchy,
    issued,
    provisioning_leaf,
    request,
    signed,
    trusted,
    unsigned,
    with_fields,
)
from tests.support.vectors import lines

BOTH = pytest.mark.parametrize("keys", [P521, ED448])


def refused(message: m.CertificateInstallationReq, trust: TrustStore | None = None) -> str:
    with pytest.raises(CertificateError) as caught:
        verify_installation_request(message, encoded(message), trust or trusted(), NOW, POLICY)
    return str(caught.value.rule)


def faulty(payload: bytes, trust: TrustStore | None = None, asker: InstallationRequest | None = None) -> str:
    with pytest.raises(CertificateError) as caught:
        verify_installation(payload, trust or trusted(), NOW, POLICY, asker or asked())
    return str(caught.value.rule)


# --- requests ---------------------------------------------------------------------------------------------


@BOTH
def test_a_request_says_which_vehicle_and_what_it_wants(keys: Any) -> None:
    wanted = m.EMAIDList(emaid=(EMAID_TEXT,))
    found = asked(keys, maximum_contract_certificate_chains=3, prioritized_emai_ds=wanted)
    assert str(found.pcid) == "ZZZTESTCAR0000001"
    assert isinstance(found.chain, VerifiedChain)
    assert (found.most, found.wanted, found.delivered) == (3, (EMAID_TEXT,), ())
    assert found.names(hierarchy(keys)[Kind.V2G_ROOT].certificate)


def test_requests_for_the_same_contract_have_the_same_key() -> None:
    assert asked().key == asked().key
    assert asked().key != asked(maximum_contract_certificate_chains=2).key
    more = dataclasses.replace(asked(), delivered=(EMAID.parse(EMAID_TEXT),), seal=_seal())
    assert more.key != asked().key


def _seal() -> object:
    from secc.pki import installation

    return installation._SEAL


@pytest.mark.req("V2G20-461")
def test_a_wrong_or_missing_signature_is_refused() -> None:
    assert refused(signed(unsigned(), new_private_key(P521, b"thief"))) == "signature"
    assert refused(unsigned()) == "missing"


@pytest.mark.req("V2G20-461")
@pytest.mark.req("V2G20-1548")
def test_a_chain_that_was_changed_after_signing_is_refused() -> None:
    message = request()
    shown = msgspec.structs.replace(message.oem_provisioning_certificate_chain, id="id2")
    changed = msgspec.structs.replace(message, oem_provisioning_certificate_chain=shown)
    assert refused(changed) == "references"


@pytest.mark.req("V2G20-2203")
@pytest.mark.req("V2G20-2204")
@pytest.mark.parametrize(("begin", "end", "rule"), [(-30, -1, "leaf_expired"), (1, 30, "leaf_not_yet_valid")])
def test_a_provisioning_certificate_out_of_date_is_refused(begin: int, end: int, rule: str) -> None:
    car = provisioning_leaf(begin=begin, end=end)
    assert refused(signed(unsigned(car=car), car.key)) == rule


@pytest.mark.parametrize("kind", [Kind.CONTRACT_LEAF, Kind.CPS_LEAF, Kind.SECC_LEAF, Kind.VEHICLE_LEAF])
def test_the_certificate_of_another_role_is_refused(kind: Kind) -> None:
    other = hierarchy()[kind]
    message = signed(unsigned(car=other), other.key)
    with pytest.raises(ChainError):
        verify_installation_request(message, encoded(message), trusted(), NOW, POLICY)


def test_a_certificate_that_is_none_is_refused() -> None:
    shown = m.SignedCertificateChain(id="id1", certificate=b"\x30\x00")
    message = signed(unsigned(oem_provisioning_certificate_chain=shown))
    assert refused(message) == "malformed"


def test_the_root_of_an_oem_may_be_unknown_here() -> None:
    message = request()
    found = verify_installation_request(message, encoded(message), TrustStore(), NOW, POLICY)
    assert isinstance(found.chain, UnanchoredChain)


def test_only_the_module_makes_requests_and_answers() -> None:
    found = asked()
    with pytest.raises(TypeError):
        dataclasses.replace(found, most=9, seal=object())
    good = verify_installation(bundle(), trusted(), NOW, POLICY)
    with pytest.raises(TypeError):
        VerifiedInstallation(b"", good.message, good.cps, good.contract, good.proof, seal=object())


# --- answers ----------------------------------------------------------------------------------------------


@BOTH
def test_an_answer_for_the_vehicle_passes_and_the_vehicle_reads_its_key(keys: Any) -> None:
    found = verify_installation(bundle(keys), trusted(keys), NOW, POLICY, asked(keys))
    assert (str(found.emaid), found.remaining) == (EMAID_TEXT, 0)
    data = found.message.signed_installation_data
    oem = hierarchy(keys)[Kind.OEM_LEAF]
    opened = unwrap_key(wrapped_key(data), oem.key, asked(keys).pcid, found.contract.leaf)
    assert opened.key.public_key() == issued(keys, EMAID_TEXT).key.public_key()


def test_the_mo_root_may_be_unknown_here_but_not_that_of_the_cps() -> None:
    v2g = TrustStore().with_anchor(hierarchy()[Kind.V2G_ROOT].certificate, Kind.V2G_ROOT)
    found = verify_installation(bundle(), v2g, NOW, POLICY)
    assert isinstance(found.contract, UnanchoredChain)
    assert faulty(bundle(), TrustStore()) == "no_anchor"


def test_every_part_that_the_cps_signs_is_protected() -> None:
    data = decoded(bundle()).signed_installation_data
    key = data.secp521_encrypted_private_key or b""
    other = decoded(bundle(emaid=OTHER_EMAID)).signed_installation_data
    assert faulty(altered(secp521_encrypted_private_key=key[:-1] + bytes([key[-1] ^ 1]))) == "digest"
    assert faulty(altered(dh_public_key=other.dh_public_key)) == "digest"
    assert faulty(altered(contract_certificate_chain=other.contract_certificate_chain)) == "digest"
    assert faulty(altered(id="id9")) == "references"


def test_an_answer_signed_by_another_key_is_refused() -> None:
    assert faulty(altered(signer=new_private_key(P521, b"thief"))) == "signature"
    assert faulty(altered(signer=hierarchy()[Kind.SECC_LEAF].key)) == "signature"


def test_the_signer_must_be_a_cps() -> None:
    secc = hierarchy()[Kind.SECC_LEAF]
    subs = tuple(hierarchy()[kind].certificate.der for kind in (Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1))
    shown = m.CertificateChain(
        certificate=secc.certificate.der, sub_certificates=m.SubCertificates(certificate=subs)
    )
    signed_by_secc = altered(signer=secc.key)
    assert faulty(with_fields(signed_by_secc, cps_certificate_chain=shown)) == "extended_key_usage"


def test_a_chain_with_too_many_authorities_is_refused() -> None:
    message = decoded(bundle())
    chain = message.signed_installation_data.contract_certificate_chain
    subs = chain.sub_certificates.certificate
    longer = m.SubCertificates(certificate=(*subs, hierarchy()[Kind.CPO_SUB_CA_1].certificate.der))
    changed = msgspec.structs.replace(chain, sub_certificates=longer)
    signer = hierarchy()[Kind.CPS_LEAF].key
    assert faulty(altered(signer=signer, contract_certificate_chain=changed)) in ("order", "too_deep")


def test_a_key_that_no_vehicle_can_open_is_refused_though_it_is_signed() -> None:
    signer = hierarchy()[Kind.CPS_LEAF].key
    assert faulty(altered(signer=signer, secp521_encrypted_private_key=bytes(93))) == "length"
    assert faulty(altered(signer=signer, dh_public_key=bytes(133))) == "point"
    assert faulty(altered(signer=signer, ecdh_curve=m.EcdhCurve.X448)) == "key_form"


def test_a_key_for_a_tpm_passes_by_its_length() -> None:
    signer = hierarchy()[Kind.CPS_LEAF].key
    for_tpm = {"secp521_encrypted_private_key": None, "tpm_encrypted_private_key": bytes(206)}
    payload = altered(signer=signer, **for_tpm)
    found = verify_installation(payload, trusted(), NOW, POLICY, asked())
    with pytest.raises(CertificateError):
        wrapped_key(found.message.signed_installation_data)
    for_tpm["tpm_encrypted_private_key"] = bytes(205)
    assert faulty(altered(signer=signer, **for_tpm)) == "key_form"


def test_an_answer_of_the_other_curve_is_refused() -> None:
    assert faulty(bundle(ED448)) == "signature"  # by the root, which has the same name
    both = TrustStore()
    for keys in (P521, ED448):
        for kind in (Kind.V2G_ROOT, Kind.MO_ROOT):
            both = both.with_anchor(hierarchy(keys)[kind].certificate, kind)
    assert faulty(bundle(ED448), both) == "curve"


def test_a_contract_that_the_session_has_delivered_is_not_delivered_again() -> None:
    again = dataclasses.replace(asked(), delivered=(EMAID.parse(EMAID_TEXT),), seal=_seal())
    assert faulty(bundle(), asker=again) == "delivered_already"


@pytest.mark.parametrize("code", ["WARNING_NoContractMatchingPCIDFound", "FAILED"])
def test_a_refusal_of_the_back_end_keeps_its_code(code: str) -> None:
    payload = with_fields(response_code=m.ResponseCode(code))
    with pytest.raises(CertificateError) as caught:
        read_installation(payload)
    assert (caught.value.rule, caught.value.response_code) == ("refused", code)


def test_answers_that_are_none() -> None:
    assert faulty(b"") == "not_a_message"
    assert faulty(bytes(40)) == "not_a_message"
    assert faulty(bundle()[:-9]) == "not_a_message"
    assert faulty(encoded(request())) == "not_a_message"
    assert faulty(bytes(40_000)) == "too_large"
    assert faulty(with_fields(evse_processing=m.Processing.ONGOING)) == "not_finished"


def test_the_laboratory_takes_keys_of_both_generations() -> None:
    assert iso20_policy(ContractPolicy()).chain.generation is Generation.ISO20
    assert iso20_policy(ContractPolicy(), laboratory=True).chain.generation is Generation.LAB


def test_an_answer_is_judged_by_the_time_of_the_station() -> None:
    with pytest.raises(CertificateError) as caught:
        verify_installation(bundle(), trusted(), NOW + 400 * DAY, POLICY)
    assert caught.value.rule == "leaf_expired"
    assert datetime.timedelta(days=364) < issued().leaf.not_after - NOW


# --- the header -------------------------------------------------------------------------------------------


@given(session_id=st.binary(min_size=1, max_size=8), stamp=st.integers(0, 2**64 - 1))
def test_the_header_is_replaced_and_nothing_else(session_id: bytes, stamp: int) -> None:
    message = decoded(splice_header(bundle(), session_id, stamp))
    assert (message.header.session_id, message.header.time_stamp) == (session_id, stamp)
    before = decoded(bundle())
    assert message.header.signature == before.header.signature
    assert message.signed_installation_data == before.signed_installation_data
    assert message.cps_certificate_chain == before.cps_certificate_chain


@given(first=st.integers(0, 2**64 - 1), second=st.integers(0, 2**64 - 1))
def test_a_second_header_takes_the_place_of_the_first(first: int, second: int) -> None:
    once = splice_header(bundle(), b"\1" * 8, second)
    assert splice_header(splice_header(bundle(), b"\2" * 5, first), b"\1" * 8, second) == once


def test_the_octets_after_the_header_are_those_of_the_back_end() -> None:
    spliced = splice_header(bundle(), bytes(8), 0)
    assert spliced == bundle()


@given(data=st.binary(max_size=40))
def test_any_octets_are_spliced_or_refused(data: bytes) -> None:
    with contextlib.suppress(CertificateError):
        assert splice_header(b"\x80\x20" + data, bytes(8), 7)[:2] == b"\x80\x20"


def test_the_request_of_another_ev_is_verified_in_a_laboratory_that_tolerates_its_hierarchy() -> None:
    """Its keys are on P-256 and its provisioning certificate has no PCID: each is a switch."""
    recorded = {
        one["name"]: bytes.fromhex(one["exi_hex"])
        for one in lines("iso20_vectors.jsonl")
        if one["session"] == "dc_certinstall_tls13"
    }
    payload = recorded["CertificateInstallationReq"]
    message: m.CertificateInstallationReq = exi.codec("iso20-common").decode(payload)
    assert signed_request(message).fragment() == recorded["OEMProvisioningCertificateChain"]
    now = datetime.datetime.fromtimestamp(message.header.time_stamp, datetime.UTC)
    tolerant = ContractPolicy(chain=ChainPolicy(leniencies=FIELD | {Leniency.OTHER_PCID}))
    policy = iso20_policy(tolerant, laboratory=True)
    found = verify_installation_request(message, payload, TrustStore(), now, policy)
    assert (found.pcid.text, found.proof.tolerated) == ("OEMProvCert", ())
    for other in (iso20_policy(tolerant), iso20_policy(ContractPolicy(), laboratory=True)):
        with pytest.raises(ChainError):
            verify_installation_request(message, payload, TrustStore(), now, other)
