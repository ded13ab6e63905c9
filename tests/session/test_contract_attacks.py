"""Tricks against Plug and Charge in the session, as `docs/explanation/attacks.md` lists them."""

from __future__ import annotations

import datetime

import msgspec
import pytest

from secc.messages import iso2
from secc.messages.iso2 import PaymentOption
from secc.messages.xmldsig import X509IssuerSerial
from secc.pki.contract import Evidence, ForwardedContract
from secc.pki.issuing import Identity, Order, issue
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, ProvisioningAnswer
from secc.pki.trust import Role
from secc.pki.xmldsig import SignedPart, sign
from secc.session.contract_events import (
    AuthorizeContract,
    ContractDelivered,
    ContractGranted,
    Provision,
    Verdict,
)
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.session.outputs import Notice, NoticeKind, Send
from secc.session.paused import PausedSession
from secc.settings import OfflinePolicy
from tests.pki.test_revocation import response
from tests.support import requests
from tests.support.bench import code, sent
from tests.support.contracts import (
    DAY,
    NOW,
    UTC,
    CarWallet,
    chain,
    contract_leaf,
    hierarchy,
    identity,
    mobility_operator,
    provisioning_service,
    roots,
    trusted,
    wallet,
)
from tests.support.pnc import METER, PNC_AC, REQUIRING, PncBench, bundle, terms, with_pnc

LEAF, SUB_2, SUB_1 = (one.der for one in chain(Role.CONTRACT))
FOREIGN = hierarchy(b"another PKI")


def message(*ders: bytes) -> iso2.CertificateChain:
    return iso2.CertificateChain(
        certificate=ders[0], sub_certificates=iso2.SubCertificates(certificate=ders[1:]) if ders[1:] else None
    )


def again(kind: Kind, issuer: Kind, begin: datetime.datetime, end: datetime.datetime) -> bytes:
    """An authority of the usual chain, same name and key, with another validity."""
    old = identity(kind)
    order = Order(
        kind=kind,
        common_name=old.certificate.subject.common_name,
        organization="Test only",
        country="DE",
        serial=99,
        not_before=begin,
        not_after=end,
        ocsp_url="http://ocsp.test.invalid:8080/",
    )
    return issue(order, old.key.public_key(), identity(issuer), reproducible=True).der


PAST, FUTURE = (NOW - 30 * DAY, NOW - DAY), (NOW + DAY, NOW + 30 * DAY)
OLD_2 = again(Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, *PAST)
OLD_1 = again(Kind.MO_SUB_CA_1, Kind.MO_ROOT, *PAST)
EARLY_2 = again(Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, *FUTURE)
EARLY_1 = again(Kind.MO_SUB_CA_1, Kind.MO_ROOT, *FUTURE)
OTHER_2 = FOREIGN[Kind.MO_SUB_CA_2].certificate.der

CHAINS = [
    (
        "DER that is no certificate",
        message(bytes.fromhex("3003020105"), SUB_2, SUB_1),
        "FAILED_CertChainError",
    ),
    ("truncated", message(LEAF[:-1], SUB_2, SUB_1), "FAILED_CertChainError"),
    ("bytes behind it", message(LEAF + b"\0", SUB_2, SUB_1), "FAILED_CertChainError"),
    ("sub-CA 2 expired", message(LEAF, OLD_2, SUB_1), "FAILED"),
    ("sub-CA 1 expired", message(LEAF, SUB_2, OLD_1), "FAILED"),
    ("sub-CA 2 not yet valid", message(LEAF, EARLY_2, SUB_1), "FAILED"),
    ("sub-CA 1 not yet valid", message(LEAF, SUB_2, EARLY_1), "FAILED"),
    ("sub-CAs swapped", message(LEAF, SUB_1, SUB_2), "FAILED_CertChainError"),
    ("sub-CA 2 of another PKI", message(LEAF, OTHER_2, SUB_1), "FAILED_CertChainError"),
    ("a sub-CA as contract", message(SUB_2, SUB_1), "FAILED_CertChainError"),
    ("self-signed", message(identity(Kind.MO_ROOT).certificate.der), "FAILED_CertChainError"),
    ("a certificate twice", message(LEAF, SUB_2, SUB_2, SUB_1), "FAILED_CertChainError"),
    (
        "all of another PKI",
        message(FOREIGN[Kind.CONTRACT_LEAF].certificate.der, OTHER_2),
        "FAILED_CertChainError",
    ),
]


@pytest.mark.parametrize(("name", "shown", "expected"), CHAINS, ids=[row[0] for row in CHAINS])
def test_a_chain_that_is_not_good_causes_no_question(
    name: str, shown: iso2.CertificateChain, expected: str
) -> None:
    bench = PncBench().select()
    assert code(bench.show(contract_signature_cert_chain=shown)) == expected
    assert [one.step for one in bench.refusals] == ["PaymentDetailsReq"]
    assert bench.ended


@pytest.mark.parametrize(
    ("shown", "rule"),
    [(message(LEAF, OLD_2, SUB_1), "ca_expired"), (message(LEAF, SUB_2, EARLY_1), "ca_not_yet_valid")],
)
def test_the_record_says_which_authority_was_out_of_date(shown: iso2.CertificateChain, rule: str) -> None:
    bench = PncBench().select()
    bench.show(contract_signature_cert_chain=shown)
    assert bench.refusals[0].rule == rule
    assert "MOSubCA" in bench.refusals[0].text


# --- signatures -------------------------------------------------------------------------------------------


def test_a_reference_to_another_id() -> None:
    bench = PncBench().to_proof()
    request = bench.car.authorization(bench.challenge)
    signature = bench.car.sign(bench.car.authorization(bench.challenge, "id2"))
    assert code(bench.request(request, signature=signature)) == "FAILED_SignatureError"


def test_an_id_that_is_missing() -> None:
    bench = PncBench().to_proof()
    signature = bench.car.sign(bench.car.authorization(bench.challenge))
    request = iso2.AuthorizationReq(gen_challenge=bench.challenge)
    assert code(bench.request(request, signature=signature)) == "FAILED_SignatureError"


def test_a_second_reference_beside_the_right_one() -> None:
    bench = PncBench().to_proof()
    request = bench.car.authorization(bench.challenge)
    other = iso2.DiffieHellmanPublickey(id="id2", value=bytes(65))
    both = (SignedPart("AuthorizationReq", request), SignedPart("DHpublickey", other))
    assert code(bench.request(request, signature=sign(both, bench.car.contract.key))) == (
        "FAILED_SignatureError"
    )


def test_a_proof_that_was_used_in_an_earlier_session() -> None:
    first = PncBench().to_proof()
    request = first.car.authorization(first.challenge)
    signature = first.car.sign(request)
    assert code(first.request(request, signature=signature)) == "OK"
    replayed = PncBench(random_bytes=lambda size: bytes([7] * size)).to_proof()
    assert code(replayed.request(request, signature=signature)) == "FAILED_ChallengeInvalid"


def test_the_back_end_sees_the_certificates_emaid_in_its_spelling() -> None:
    bench = PncBench().select()
    assert code(bench.show(emaid="de-abc-000000001")) == "OK"
    bench.prove()
    (asked,) = [output for output in bench.outputs if isinstance(output, AuthorizeContract)]
    assert asked.contract.emaid.text == "DEABC000000001G"


# --- nothing in silence -----------------------------------------------------------------------------------


def silent_ways() -> dict[str, PncBench]:
    """Refusals that no rule about certificates explains."""
    plain = PncBench(tls=False)
    plain.request(requests.session_setup(), b"\0")
    plain.request(requests.service_discovery())
    plain.request(requests.payment_selection(PaymentOption.CONTRACT))
    early = PncBench().select()
    early.request(requests.authorization())
    twice = PncBench().to_proof()
    twice.show()
    person = PncBench().select(PaymentOption.EXTERNAL_PAYMENT)
    person.show()
    paused = PncBench(paused=PausedSession(b"12345678", None, "DEABC000000002"))
    paused.request(requests.session_setup(), b"12345678")
    paused.request(requests.service_discovery())
    paused.request(requests.payment_selection(PaymentOption.CONTRACT))
    paused.show()
    return {
        "no TLS": plain,
        "proof first": early,
        "shown twice": twice,
        "not chosen": person,
        "other": paused,
    }


@pytest.mark.parametrize(
    ("way", "step", "rule"),
    [
        ("no TLS", "PaymentServiceSelectionReq", "FAILED_PaymentSelectionInvalid"),
        ("proof first", "AuthorizationReq", "FAILED_SequenceError"),
        ("shown twice", "PaymentDetailsReq", "FAILED_SequenceError"),
        ("not chosen", "PaymentDetailsReq", "FAILED_SequenceError"),
        ("other", "PaymentDetailsReq", "FAILED_CertificateNotAllowedAtThisEVSE"),
    ],
)
def test_no_contract_is_refused_in_silence(way: str, step: str, rule: str) -> None:
    (refusal,) = silent_ways()[way].refusals
    assert (refusal.step, refusal.rule, refusal.code.value) == (step, rule, rule)


def test_a_refusal_of_the_back_end_is_recorded_once() -> None:
    bench = PncBench().to_decision()
    bench.decide(Verdict.BLOCKED)
    bench.request(requests.authorization())
    assert [one.rule for one in bench.refusals] == [Verdict.BLOCKED.value]


# --- revocation -------------------------------------------------------------------------------------------


def stale() -> Evidence:
    """Good answers that have ended."""
    old = {"this_update": NOW - 3 * DAY, "next_update": NOW - DAY}
    pairs = zip(chain(Role.CONTRACT), (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT), strict=True)
    return Evidence(ocsp=tuple(response(one, identity(kind), **old) for one, kind in pairs))  # type: ignore[arg-type]


def test_stale_answers_are_no_answers() -> None:
    bench = PncBench(contracts=terms(policy=REQUIRING, finds_revocation=True)).select()
    bench.show()
    assert code(sent(bench.report_revocation(stale()))) == "FAILED_CertificateRevoked"
    assert bench.refusals[0].rule == "revocation_unknown"


# --- the clock --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("utc", [0.0, UTC - 10 * 365 * 86400, float("nan"), -1.0])
def test_a_clock_that_stops_making_sense_proves_nothing(utc: float) -> None:
    bench = PncBench().select()
    bench.outlet(utc=utc)
    assert code(bench.show()).startswith("FAILED")
    assert bench.session.pnc.claim is None


def test_a_clock_that_jumps_over_the_end_between_showing_and_proving() -> None:
    bench = PncBench(car=wallet(contract_leaf(not_after=NOW + DAY))).to_proof()
    bench.outlet(utc=UTC + 2 * 86400)
    assert code(bench.prove()) == "FAILED_CertificateExpired"


@pytest.mark.parametrize("jump", [-365 * 86400.0, 3600.0, 10 * 365 * 86400.0])
def test_a_clock_that_jumps_during_a_charge_changes_nothing(jump: float) -> None:
    bench = PncBench().to_loop_ac()
    bench.outlet(utc=UTC + jump)
    assert code(bench.request(requests.charging_status())) == "OK"


def test_an_unset_clock_is_reported_where_it_hides_the_contract() -> None:
    bench = PncBench()
    bench.outlet(utc=1000.0)
    bench.request(requests.session_setup(), b"\0")
    bench.request(requests.service_discovery())
    notices = [one for one in bench.outputs if isinstance(one, Notice)]
    assert [one.text for one in notices if one.kind is NoticeKind.IGNORED] == [
        "Contract is not offered: the clock is not set"
    ]


# --- the back end: silent, late, twice, lying -------------------------------------------------------------


def asking(action: Action = Action.INSTALL) -> PncBench:
    bench = PncBench().select()
    bench.signed(bench.car.installation() if action is Action.INSTALL else bench.car.update())
    return bench


def test_an_answer_that_comes_twice_counts_once() -> None:
    bench = asking()
    assert code(sent(bench.provision(ProvisioningAnswer(bundle())))) == "OK"
    bench.provision(ProvisioningAnswer(bundle()))
    assert len([output for output in bench.outputs if isinstance(output, ContractDelivered)]) == 1
    assert bench.stands_in(State.WAIT_PAYMENT_DETAILS)


def test_an_answer_after_the_time_is_up_finds_no_session() -> None:
    bench = asking()
    bench.tick(4.3)
    assert bench.ended
    assert bench.provision(ProvisioningAnswer(bundle())) == ()


def other_contract() -> bytes:
    """A well-formed, signed bundle with the contract of another user."""
    issued = mobility_operator().issue("DEABC000000002", NOW)
    key = identity(Kind.CONTRACT_LEAF).key.public_key()
    return provisioning_service().bundle(Action.UPDATE, issued, key).payload


@pytest.mark.parametrize(
    "payload",
    [other_contract(), bundle(Action.INSTALL), bundle(Action.UPDATE)[:-9], bundle(Action.UPDATE) + b"\1"],
    ids=["another contract", "the other kind of answer", "cut", "bytes behind it"],
)
def test_a_lying_answer_to_an_update_reaches_no_car(payload: bytes) -> None:
    bench = asking(Action.UPDATE)
    found = sent(bench.provision(ProvisioningAnswer(payload)))
    assert code(found) == "FAILED_NoCertificateAvailable"
    assert isinstance(found, iso2.CertificateUpdateRes)
    assert not [output for output in bench.outputs if isinstance(output, ContractDelivered)]


def test_the_retry_counter_says_later_unless_the_back_end_says_otherwise() -> None:
    bench = asking(Action.UPDATE)
    found = sent(bench.tick(4.3))
    assert isinstance(found, iso2.CertificateUpdateRes)
    assert found.retry_counter == 0


def test_an_expired_provisioning_certificate() -> None:
    old = identity(Kind.OEM_LEAF)
    order = Order(
        kind=Kind.OEM_LEAF,
        common_name="ZZZTESTCAR0000001",
        organization="Test only",
        country="",
        serial=77,
        not_before=NOW - 9 * DAY,
        not_after=NOW - DAY,
    )
    leaf = issue(order, old.key.public_key(), identity(Kind.OEM_SUB_CA_2), reproducible=True)
    bench = PncBench(car=wallet(oem=Identity(leaf, old.key))).select()
    found = bench.signed(bench.car.installation())
    assert code(found) == "FAILED_CertificateExpired"
    assert not [output for output in bench.outputs if isinstance(output, Provision)]


# --- no mixing --------------------------------------------------------------------------------------------


def test_a_payment_option_is_chosen_once() -> None:
    bench = PncBench().to_granted()
    again_ = bench.request(requests.payment_selection(PaymentOption.EXTERNAL_PAYMENT))
    assert code(again_) == "FAILED_SequenceError"


def test_receipts_of_another_session_of_the_same_car() -> None:
    config = with_pnc(PNC_AC, receipt_interval=0.0)
    first = PncBench(config).to_loop_ac()
    first.request(requests.charging_status())
    old = first.receipt()
    second = PncBench(config, random_bytes=lambda size: bytes([9] * size)).to_loop_ac()
    second.request(requests.charging_status())
    assert code(second.signed(old)) == "FAILED_MeteringSignatureNotValid"


# --- roots that are not known here ------------------------------------------------------------------------

STRANGER = CarWallet(
    FOREIGN[Kind.CONTRACT_LEAF],
    chain(Role.CONTRACT, FOREIGN)[1:],
    FOREIGN[Kind.OEM_LEAF],
    "DEABC000000001G",
)


def without_mo_roots(**changes: object) -> PncBench:
    """A station that knows no mobility operator."""
    from secc.pki.trust import trust

    store = trust([(Kind.V2G_ROOT, identity(Kind.V2G_ROOT).certificate)])
    config = with_pnc(PNC_AC, offline=OfflinePolicy.CHAIN)
    return PncBench(config, car=STRANGER, contracts=terms(trust=store, **changes)).select()


def test_without_central_validation_an_unknown_root_is_a_refusal() -> None:
    assert code(without_mo_roots().show()) == "FAILED_CertChainError"


def test_with_central_validation_the_back_end_gets_another_type_and_decides() -> None:
    bench = without_mo_roots(central=True)
    assert code(bench.show()) == "OK"
    assert code(bench.prove()) == "OK"
    (asked,) = [output for output in bench.outputs if isinstance(output, AuthorizeContract)]
    assert isinstance(asked.contract, ForwardedContract)
    bench.decide()
    assert bench.session.granted
    assert [type(one) for one in bench.outputs if isinstance(one, ContractGranted)] == [ContractGranted]


def test_a_root_that_is_not_known_is_never_granted_by_the_chain_alone() -> None:
    bench = without_mo_roots(central=True)
    bench.show()
    bench.prove()
    bench.decide(Verdict.UNREACHABLE)
    assert not bench.session.granted


def test_central_validation_forgives_nothing_but_the_root() -> None:
    bench = without_mo_roots(central=True)
    assert code(bench.show(emaid="DEABC000000002")) == "FAILED_CertificateNotAllowedAtThisEVSE"
    swapped = STRANGER.chain_message()
    assert swapped.sub_certificates is not None
    order = tuple(reversed(swapped.sub_certificates.certificate))
    chain_ = msgspec.structs.replace(swapped, sub_certificates=iso2.SubCertificates(certificate=order))
    found = without_mo_roots(central=True).show(contract_signature_cert_chain=chain_)
    assert code(found) == "FAILED_CertChainError"
    unproved = without_mo_roots(central=True)
    unproved.show()
    assert code(unproved.request(unproved.car.authorization(unproved.challenge))) == "FAILED_SignatureError"


def test_a_receipt_of_a_centrally_validated_contract_is_kept() -> None:
    bench = without_mo_roots(central=True)
    assert bench.session.config.pnc.receipt_interval is None
    bench.show()
    bench.prove()
    bench.decide()
    bench.request(requests.authorization())
    bench.request(requests.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C, meter=METER)
    bench.request(requests.start())
    bench.contactor()
    assert code(bench.request(requests.charging_status())) == "OK"


# --- answers that the EV has to judge ---------------------------------------------------------------------


def faulty() -> bytes:
    """Signed by a service under a root that the station does not trust."""
    foreign_service = type(provisioning_service())(FOREIGN[Kind.CPS_LEAF], chain(Role.CPS, FOREIGN)[1:])
    issued = mobility_operator().issue("DEABC000000001G", NOW)
    return foreign_service.bundle(Action.INSTALL, issued, identity(Kind.OEM_LEAF).key.public_key()).payload


@pytest.mark.parametrize("forward", [True, False])
def test_an_answer_that_does_not_verify(forward: bool) -> None:
    bench = PncBench(with_pnc(PNC_AC, forward_unverified=forward)).select()
    bench.signed(bench.car.installation())
    outputs = bench.provision(ProvisioningAnswer(faulty()))
    assert code(sent(outputs)) == ("OK" if forward else "FAILED_NoCertificateAvailable")
    delivered = [output for output in outputs if isinstance(output, ContractDelivered)]
    assert [one.bundle for one in delivered] == ([None] if forward else [])
    (answer,) = [output for output in outputs if isinstance(output, Send)]
    assert answer.message.header.session_id == bench.session.session_id


@pytest.mark.parametrize("known", [True, False])
def test_a_root_that_the_car_has_not_named_is_reported(known: bool) -> None:
    bench = PncBench().select()
    body = bench.car.installation()
    if not known:
        other = iso2.ListOfRootCertificateIDs(
            root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Other", x509_serial_number=1),)
        )
        body = msgspec.structs.replace(body, list_of_root_certificate_ids=other)
    bench.signed(body)
    outputs = bench.provision(ProvisioningAnswer(bundle()))
    assert code(sent(outputs)) == "OK"
    told = [one.text for one in outputs if isinstance(one, Notice) and "among its roots" in one.text]
    assert len(told) == (not known)


def test_the_list_of_roots_reaches_the_back_end() -> None:
    bench = asking()
    (asked,) = [output for output in bench.outputs if isinstance(output, Provision)]
    (known,) = roots().root_certificate_id
    assert asked.request.roots == ((known.x509_issuer_name, known.x509_serial_number),)
    assert trusted().for_role(Role.CPS)
