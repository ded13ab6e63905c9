"""Contracts: what is shown, what is proved, and every reason to refuse, with its response code."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from secc.errors import CertificateError
from secc.messages import iso2
from secc.pki import contract
from secc.pki.contract import (
    ContractPolicy,
    Evidence,
    ForwardedContract,
    PresentedContract,
    UnanchoredContract,
    VerifiedContract,
    present,
    present_without_anchor,
    verify,
    weigh,
)
from secc.pki.issuing import new_key
from secc.pki.profiles import Kind
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.pki.trust import Role
from tests.support.contracts import DAY, NOW, chain, contract_leaf, crls, hierarchy, identity, trusted, wallet

CHALLENGE = bytes(range(16))


def shown() -> PresentedContract:
    car = wallet()
    return present(car.chain_message(), car.emaid, trusted(), NOW)


def proved() -> VerifiedContract:
    request = wallet().authorization(CHALLENGE)
    return verify(shown(), request, wallet().sign(request), CHALLENGE, now=NOW)


def chain_of(*ders: bytes) -> iso2.CertificateChain:
    subs = iso2.SubCertificates(certificate=ders[1:]) if ders[1:] else None
    return iso2.CertificateChain(certificate=ders[0], sub_certificates=subs)


# --- what is shown ----------------------------------------------------------------------------------------


def test_a_good_contract_is_taken_under_the_name_in_the_certificate() -> None:
    car = wallet()
    seen = present(car.chain_message(), "de-abc-000000001-g", trusted(), NOW)
    assert str(seen.emaid) == "DEABC000000001G"
    assert not seen.expires_soon
    assert seen.revocation is None
    assert not seen.not_revoked


@pytest.mark.req("V2G2-690")
@pytest.mark.parametrize(("days", "soon"), [(20, True), (21, True), (22, False)])
def test_a_contract_that_ends_within_three_weeks_ends_soon(days: int, soon: bool) -> None:
    car = wallet(contract_leaf(not_after=NOW + days * DAY))
    assert present(car.chain_message(), car.emaid, trusted(), NOW).expires_soon is soon


def other_root() -> iso2.CertificateChain:
    return chain_of(*(one.der for one in chain(Role.CONTRACT, hierarchy(b"another PKI"))))


def ders(role: Role = Role.CONTRACT) -> list[bytes]:
    return [one.der for one in chain(role)]


def as_contract(kind: Kind) -> iso2.CertificateChain:
    role = {
        Kind.OEM_LEAF: Role.OEM,
        Kind.SECC_LEAF: Role.SECC,
        Kind.CPS_LEAF: Role.CPS,
    }[kind]
    return chain_of(*ders(role))


BAD_CHAINS = [
    ("random bytes", lambda: chain_of(bytes(range(64))), "FAILED_CertChainError"),
    ("DER that is no certificate", lambda: chain_of(bytes.fromhex("3003020101")), "FAILED_CertChainError"),
    ("truncated", lambda: chain_of(ders()[0][:-5], *ders()[1:]), "FAILED_CertChainError"),
    ("bytes behind it", lambda: chain_of(ders()[0] + b"\0", *ders()[1:]), "FAILED_CertChainError"),
    ("no certificate", lambda: chain_of(b""), "FAILED"),
    ("unknown root of the same name", other_root, "FAILED_CertChainError"),
    ("sub-CAs swapped", lambda: chain_of(ders()[0], ders()[2], ders()[1]), "FAILED_CertChainError"),
    ("sub-CA missing", lambda: chain_of(ders()[0], ders()[2]), "FAILED_CertChainError"),
    ("only the leaf", lambda: chain_of(ders()[0]), "FAILED_CertChainError"),
    ("sub-CA of another PKI", lambda: chain_of(ders()[0], ders(Role.OEM)[1]), "FAILED_CertChainError"),
    ("a sub-CA as the contract", lambda: chain_of(*ders()[1:]), "FAILED_CertChainError"),
    ("the root itself", lambda: chain_of(identity(Kind.MO_ROOT).certificate.der), "FAILED_CertChainError"),
    ("the chain of a car", lambda: as_contract(Kind.OEM_LEAF), "FAILED_C"),
    ("the chain of a station", lambda: as_contract(Kind.SECC_LEAF), "FAILED_C"),
    ("the chain of a CPS", lambda: as_contract(Kind.CPS_LEAF), "FAILED_C"),
    ("five sub-CAs", lambda: chain_of(*ders(), *ders()), "FAILED"),
]


@pytest.mark.parametrize(("name", "make", "code"), BAD_CHAINS, ids=[row[0] for row in BAD_CHAINS])
def test_a_chain_that_is_none_is_refused(name: str, make: object, code: str) -> None:
    assert callable(make)
    with pytest.raises(CertificateError) as caught:
        present(make(), "DEABC000000001G", trusted(), NOW)
    assert str(caught.value.response_code).startswith(code)


@pytest.mark.parametrize(
    ("begin", "end"), [(-400, -1), (1, 30)], ids=["expired yesterday", "valid from tomorrow"]
)
@pytest.mark.req("V2G2-824")
def test_a_leaf_out_of_date_is_expired(begin: int, end: int) -> None:
    car = wallet(contract_leaf(not_before=NOW + begin * DAY, not_after=NOW + end * DAY))
    with pytest.raises(CertificateError) as caught:
        present(car.chain_message(), car.emaid, trusted(), NOW)
    assert caught.value.response_code == "FAILED_CertificateExpired"


def test_a_clock_that_is_not_set_grants_nothing() -> None:
    with pytest.raises(CertificateError) as caught:
        present(
            wallet().chain_message(),
            wallet().emaid,
            trusted(),
            datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC),
        )
    assert caught.value.response_code == "FAILED"


@pytest.mark.parametrize("emaid", ["DEABC000000002", "DEABC000000001H", "not an eMAID", ""])
def test_another_emaid_than_the_certificate_has_is_refused(emaid: str) -> None:
    with pytest.raises(CertificateError) as caught:
        present(wallet().chain_message(), emaid, trusted(), NOW)
    assert caught.value.response_code == "FAILED_CertificateNotAllowedAtThisEVSE"
    assert caught.value.rule == "emaid_mismatch"


def test_a_provider_that_is_not_accepted() -> None:
    policy = ContractPolicy(providers=frozenset({"NLXYZ"}))
    with pytest.raises(CertificateError) as caught:
        present(wallet().chain_message(), wallet().emaid, trusted(), NOW, policy)
    assert caught.value.response_code == "FAILED_CertificateNotAllowedAtThisEVSE"


# --- revocation -------------------------------------------------------------------------------------------


def test_complete_evidence_makes_it_good() -> None:
    assert weigh(shown(), Evidence(crls=crls()), NOW).not_revoked


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_revoked_leaf_or_authority_is_refused(position: int) -> None:
    revoked = chain(Role.CONTRACT)[position]
    with pytest.raises(CertificateError) as caught:
        weigh(shown(), Evidence(crls=crls([revoked])), NOW)
    assert caught.value.response_code == "FAILED_CertificateRevoked"


def test_without_evidence_the_answer_is_no_by_default_and_may_be_unknown_by_policy() -> None:
    with pytest.raises(CertificateError) as caught:
        weigh(shown(), Evidence(), NOW)
    assert caught.value.response_code == "FAILED_CertificateRevoked"
    prefer = ContractPolicy(revocation=RevocationPolicy(mode=RevocationMode.PREFER))
    assert not weigh(shown(), Evidence(), NOW, prefer).not_revoked


def test_evidence_that_is_too_old_is_none() -> None:
    with pytest.raises(CertificateError):
        weigh(shown(), Evidence(crls=crls()), NOW + 30 * DAY)


def test_ocsp_request_data_names_every_certificate_with_a_responder() -> None:
    data = shown().ocsp_request_data
    assert [one.serial_number for one in data] == [f"{one.serial:x}" for one in chain(Role.CONTRACT)]
    assert {len(one.issuer_key_hash) for one in data} == {64}
    assert shown().pem.count(b"BEGIN CERTIFICATE") == 3


# --- the proof --------------------------------------------------------------------------------------------


def test_the_key_of_the_contract_and_the_challenge_make_a_proof() -> None:
    assert proved().proof.elements[0].id == "id1"
    assert proved().emaid == shown().emaid


def test_only_the_module_makes_proofs() -> None:
    seen = shown()
    with pytest.raises(TypeError, match=r"only secc\.pki\.contract"):
        PresentedContract(seen.chain, seen.emaid, False, revocation=None, seal=object())
    with pytest.raises(TypeError, match=r"only secc\.pki\.contract"):
        dataclasses.replace(proved(), emaid=seen.emaid, seal=object())
    car = wallet()
    unknown = present_without_anchor(car.chain_message(), car.emaid, NOW)
    with pytest.raises(TypeError, match=r"only secc\.pki\.contract"):
        UnanchoredContract(unknown.chain, unknown.emaid, False, seal=object())
    with pytest.raises(TypeError, match=r"only secc\.pki\.contract"):
        ForwardedContract(unknown.chain, unknown.emaid, False, seal=object(), proof=proved().proof)


def proof_fails(
    request: iso2.AuthorizationReq, *, key_seed: bytes | None = None, unsigned: bool = False
) -> str:
    key = None if key_seed is None else new_key(key_seed)
    signature = None if unsigned else wallet().sign(request, key)
    with pytest.raises(CertificateError) as caught:
        verify(shown(), request, signature, CHALLENGE, now=NOW)
    return str(caught.value.response_code)


def test_unsigned() -> None:
    assert proof_fails(wallet().authorization(CHALLENGE), unsigned=True) == "FAILED_SignatureError"


def test_signed_by_another_key() -> None:
    assert proof_fails(wallet().authorization(CHALLENGE), key_seed=b"thief") == "FAILED_SignatureError"


def test_without_an_id() -> None:
    request = iso2.AuthorizationReq(gen_challenge=CHALLENGE)
    signature = wallet().sign(wallet().authorization(CHALLENGE))
    with pytest.raises(CertificateError) as caught:
        verify(shown(), request, signature, CHALLENGE, now=NOW)
    assert caught.value.response_code == "FAILED_SignatureError"


@pytest.mark.req("V2G2-475")
@pytest.mark.parametrize(
    "challenge",
    [None, b"", CHALLENGE[:15], bytes(16), bytes([*CHALLENGE[:15], 14])],
    ids=["absent", "empty", "short", "of another session", "one bit off"],
)
def test_signed_with_another_challenge(challenge: bytes | None) -> None:
    request = iso2.AuthorizationReq(id="id1", gen_challenge=challenge)
    if challenge is not None and len(challenge) != 16:  # cannot be encoded, so it cannot have been signed
        other = wallet().sign(wallet().authorization(CHALLENGE))
        with pytest.raises(CertificateError) as caught:
            verify(shown(), request, other, CHALLENGE, now=NOW)
        assert caught.value.response_code == "FAILED_SignatureError"
        return
    assert proof_fails(request) == "FAILED_ChallengeInvalid"


def test_a_changed_challenge_is_a_signature_error_first() -> None:
    signature = wallet().sign(wallet().authorization(bytes(16)))
    with pytest.raises(CertificateError) as caught:
        verify(shown(), wallet().authorization(CHALLENGE), signature, CHALLENGE, now=NOW)
    assert caught.value.response_code == "FAILED_SignatureError"


def test_a_contract_that_has_ended_since_it_was_shown() -> None:
    car = wallet(contract_leaf(not_after=NOW + DAY))
    seen = present(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(CHALLENGE)
    with pytest.raises(CertificateError) as caught:
        verify(seen, request, car.sign(request), CHALLENGE, now=NOW + 2 * DAY)
    assert caught.value.response_code == "FAILED_CertificateExpired"


def test_module_has_no_function_that_returns_a_bool() -> None:
    from_module = [contract.present, contract.weigh, contract.verify]
    assert all(str(one.__annotations__["return"]) != "bool" for one in from_module)
