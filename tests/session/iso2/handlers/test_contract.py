"""PaymentDetails and the proof of a contract, with the bad input of the catalogue (PNC-…)."""

from __future__ import annotations

import msgspec
import pytest

from secc.messages import iso2
from secc.pki.contract import Evidence
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from secc.pki.vehicle import identify
from secc.pki.xmldsig import SignedPart, sign
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractGranted,
    GrantSource,
)
from secc.session.iso2.states import State
from secc.session.outputs import EndReason
from tests.support import requests
from tests.support.bench import code, counting_bytes, sent
from tests.support.contracts import (
    DAY,
    NOW,
    chain,
    contract_leaf,
    crls,
    identity,
    trusted,
    wallet,
)
from tests.support.pnc import (
    REQUIRING,
    PncBench,
    outputs_of,
    terms,
)

# --- PaymentDetails ----------------------------------------------------------------------------------------


def test_a_good_contract_gets_a_challenge() -> None:
    bench = PncBench().select()
    found = bench.show()
    assert isinstance(found, iso2.PaymentDetailsRes)
    assert code(found) == "OK"
    assert found.gen_challenge == bench.challenge
    assert len(found.gen_challenge) == 16
    assert found.evse_time_stamp == 1_790_000_000
    assert outputs_of(bench, AuthorizeContract) == []


@pytest.mark.req("V2G2-690")
def test_a_contract_that_ends_soon_is_reported() -> None:
    bench = PncBench(car=wallet(contract_leaf(not_after=NOW + 20 * DAY))).select()
    assert code(bench.show()) == "OK_CertificateExpiresSoon"


@pytest.mark.inv("INV-23")
@pytest.mark.req("V2G2-697", "V2G2-698", "V2G2-825", "V2G2-826")
def test_each_session_has_another_challenge() -> None:
    random_bytes = counting_bytes()
    challenges = {PncBench(random_bytes=random_bytes).to_proof().challenge for _ in range(20)}
    assert len(challenges) == 20


def without_subs() -> iso2.CertificateChain:
    return msgspec.structs.replace(wallet().chain_message(), sub_certificates=None)


SHOWN = [
    ("random bytes", lambda: iso2.CertificateChain(certificate=bytes(64)), "FAILED_CertChainError"),
    ("no sub-CAs", without_subs, "FAILED_CertChainError"),
    (
        "an OEM chain",
        lambda: _chain(Role.OEM),
        "FAILED_CertificateNotAllowedAtThisEVSE|FAILED_CertChainError",
    ),
    ("a station's chain", lambda: _chain(Role.SECC), "FAILED_CertChainError|FAILED_CertificateNotAllowed"),
]


def _chain(role: Role) -> iso2.CertificateChain:
    leaf, *subs = (one.der for one in chain(role))
    return iso2.CertificateChain(
        certificate=leaf, sub_certificates=iso2.SubCertificates(certificate=tuple(subs))
    )


@pytest.mark.parametrize(("name", "make", "expected"), SHOWN, ids=[row[0] for row in SHOWN])
def test_a_bad_chain_is_refused_and_recorded(name: str, make: object, expected: str) -> None:  # PNC-01, 03
    assert callable(make)
    bench = PncBench().select()
    found = code(bench.show(contract_signature_cert_chain=make()))
    assert any(found.startswith(one) for one in expected.split("|"))
    assert [(one.step, one.code) for one in bench.refusals] == [("PaymentDetailsReq", found)]
    assert bench.ended
    assert outputs_of(bench, AuthorizeContract) == []


def test_an_expired_contract() -> None:  # PNC-02
    car = wallet(contract_leaf(not_before=NOW - 9 * DAY, not_after=NOW - DAY))
    assert code(PncBench(car=car).select().show()) == "FAILED_CertificateExpired"


@pytest.mark.req("V2G2-108")
@pytest.mark.inv("INV-24")
def test_another_emaid_than_the_certificate_has() -> None:  # PNC-05
    bench = PncBench().select()
    assert code(bench.show(emaid="DEABC000000002")) == "FAILED_CertificateNotAllowedAtThisEVSE"
    assert bench.refusals[0].rule == "emaid_mismatch"


def test_the_contract_shown_in_tls_must_be_the_same() -> None:
    shown = identify(chain(Role.CONTRACT), trusted(), NOW)
    bench = PncBench(car=wallet(contract_leaf()), vehicle=shown).select()
    assert code(bench.show()) == "FAILED_CertificateNotAllowedAtThisEVSE"
    assert code(PncBench(vehicle=shown).select().show()) == "OK"


# --- revocation, PNC-04 ------------------------------------------------------------------------------------


def checking() -> PncBench:
    bench = PncBench(contracts=terms(policy=REQUIRING, finds_revocation=True)).select()
    assert bench.show() is None
    assert bench.stands_in(State.CHECKING_CONTRACT)
    assert len(outputs_of(bench, AskRevocation)) == 1
    return bench


def test_a_contract_that_is_known_to_be_good() -> None:
    bench = checking()
    assert code(sent(bench.report_revocation())) == "OK"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_revoked_leaf_or_sub_ca(position: int) -> None:
    bench = checking()
    revoked = crls([chain(Role.CONTRACT)[position]])
    assert code(sent(bench.report_revocation(Evidence(crls=revoked)))) == "FAILED_CertificateRevoked"


def test_an_unknown_revocation() -> None:
    assert code(sent(checking().report_revocation(Evidence()))) == "FAILED_CertificateRevoked"


def test_a_revocation_answer_that_is_late() -> None:
    bench = checking()
    assert sent(bench.tick(2.9)) is None
    assert code(sent(bench.tick(0.2))) == "FAILED_CertificateRevoked"


def test_an_unknown_revocation_and_the_policy_accepts_that() -> None:
    bench = PncBench(contracts=terms(finds_revocation=True)).select()
    bench.show()
    assert code(sent(bench.tick(3.1))) == "OK"


def test_a_station_that_requires_and_cannot_ask_refuses() -> None:
    assert code(PncBench(contracts=terms(policy=REQUIRING)).select().show()) == "FAILED_CertificateRevoked"


# --- the proof ---------------------------------------------------------------------------------------------


@pytest.mark.inv("INV-09")
@pytest.mark.req("V2G2-684", "V2G2-855")
def test_a_proved_contract_reaches_the_back_end_and_waits_for_its_word() -> None:
    bench = PncBench().to_proof()
    found = bench.prove()
    assert isinstance(found, iso2.AuthorizationRes)
    assert found.evse_processing is iso2.EVSEProcessing.ONGOING
    (asked,) = outputs_of(bench, AuthorizeContract)
    assert isinstance(asked, AuthorizeContract)
    assert str(asked.contract.emaid) == "DEABC000000001G"
    again = bench.request(requests.authorization())
    assert isinstance(again, iso2.AuthorizationRes)
    assert again.evse_processing is iso2.EVSEProcessing.ONGOING
    assert len(outputs_of(bench, AuthorizeContract)) == 1
    bench.decide()
    last = bench.request(requests.authorization())
    assert isinstance(last, iso2.AuthorizationRes)
    assert last.evse_processing is iso2.EVSEProcessing.FINISHED
    assert bench.stands_in(State.WAIT_CHARGE_PARAMETERS)
    (granted,) = outputs_of(bench, ContractGranted)
    assert isinstance(granted, ContractGranted)
    assert granted.source is GrantSource.BACK_END


def test_repeats_are_not_verified_again_with_any_content() -> None:
    bench = PncBench().to_decision()
    odd = iso2.AuthorizationReq(id="x", gen_challenge=bytes(16))
    assert code(bench.request(odd)) == "OK"


def refused_proof(bench: PncBench, request: iso2.AuthorizationReq, **signing: object) -> str:
    signature = None if signing.get("unsigned") else bench.car.sign(request, signing.get("key"))  # type: ignore[arg-type]
    found = code(bench.request(request, signature=signature))
    assert outputs_of(bench, AuthorizeContract) == []
    assert bench.refusals[-1].code == found
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED
    return found


@pytest.mark.inv("INV-23")
@pytest.mark.req("V2G2-475")
@pytest.mark.parametrize("challenge", [None, bytes(16), bytes(15) + b"\x09"])
def test_another_challenge(challenge: bytes | None) -> None:  # PNC-06
    request = iso2.AuthorizationReq(id="id1", gen_challenge=challenge)
    assert refused_proof(PncBench().to_proof(), request) == "FAILED_ChallengeInvalid"


@pytest.mark.inv("INV-23")
def test_the_challenge_of_an_earlier_session() -> None:
    random_bytes = counting_bytes()
    old = PncBench(random_bytes=random_bytes).to_proof().challenge
    bench = PncBench(random_bytes=random_bytes).to_proof()
    assert refused_proof(bench, bench.car.authorization(old)) == "FAILED_ChallengeInvalid"


@pytest.mark.inv("INV-09")
def test_unsigned() -> None:  # PNC-07
    bench = PncBench().to_proof()
    request = bench.car.authorization(bench.challenge)
    assert refused_proof(bench, request, unsigned=True) == "FAILED_SignatureError"


@pytest.mark.inv("INV-09")
@pytest.mark.parametrize("kind", [Kind.OEM_LEAF, Kind.MO_SUB_CA_2, Kind.SECC_LEAF])
def test_signed_by_another_key(kind: Kind) -> None:  # PNC-08
    bench = PncBench().to_proof()
    request = bench.car.authorization(bench.challenge)
    assert refused_proof(bench, request, key=identity(kind).key) == "FAILED_SignatureError"


def test_body_changed_after_signing() -> None:  # PNC-08
    bench = PncBench().to_proof()
    signature = bench.car.sign(bench.car.authorization(bytes(16)))
    request = bench.car.authorization(bench.challenge)
    assert code(bench.request(request, signature=signature)) == "FAILED_SignatureError"


def test_signature_of_another_message_of_this_car() -> None:  # PNC-09
    bench = PncBench().to_proof()
    signature = bench.car.sign(bench.car.update())
    request = bench.car.authorization(bench.challenge)
    assert code(bench.request(request, signature=signature)) == "FAILED_SignatureError"


def test_reference_to_another_element() -> None:  # PNC-09
    bench = PncBench().to_proof()
    request = bench.car.authorization(bench.challenge)
    other = iso2.MeteringReceiptReq(id="id1", session_id=bytes(8), meter_info=iso2.MeterInfo(meter_id="m"))
    signature = sign((SignedPart("MeteringReceiptReq", other),), bench.car.contract.key)
    assert code(bench.request(request, signature=signature)) == "FAILED_SignatureError"


def test_every_single_bit_of_the_signature_counts() -> None:  # PNC-09
    for bit in range(0, 512, 37):
        bench = PncBench().to_proof()
        request = bench.car.authorization(bench.challenge)
        good = bench.car.sign(request)
        value = bytearray(good.signature_value.value)
        value[bit // 8] ^= 1 << bit % 8
        bad = msgspec.structs.replace(
            good, signature_value=msgspec.structs.replace(good.signature_value, value=bytes(value))
        )
        assert code(bench.request(request, signature=bad)) == "FAILED_SignatureError"


def test_a_signature_where_none_is_needed_is_ignored() -> None:
    bench = PncBench().to_granted()
    left_over = bench.car.sign(bench.car.authorization(bytes(16)))
    assert code(bench.request(requests.ac_parameters(), signature=left_over)) == "OK"
