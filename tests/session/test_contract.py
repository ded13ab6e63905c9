"""Plug and Charge in the session: every way it goes right, and the bad input of the catalogue (PNC-…)."""

from __future__ import annotations

import time

import msgspec
import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import PaymentOption, ServiceCategory
from secc.pki.contract import Evidence
from secc.pki.issuing import new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, ProvisioningAnswer, Refusal
from secc.pki.trust import Role
from secc.pki.vehicle import identify
from secc.pki.xmldsig import SignedPart, sign
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractGranted,
    ContractProvisioned,
    GrantSource,
    Provision,
    StoreReceipt,
    Verdict,
)
from secc.session.inputs import AuthorizationDecided
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason, OpenContactor, Send
from secc.session.paused import PausedSession
from secc.session.ticket import Ticket
from secc.settings import OfflinePolicy
from tests.support import requests
from tests.support.bench import AC, code, counting_bytes, sent
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
    METER,
    PNC_AC,
    PNC_DC,
    REQUIRING,
    PncBench,
    bundle,
    terms,
    with_pnc,
)


def outputs_of(bench: PncBench, kind: type) -> list[object]:
    return [output for output in bench.outputs if isinstance(output, kind)]


# --- what is offered --------------------------------------------------------------------------------------


def discovered(bench: PncBench, **request: object) -> iso2.ServiceDiscoveryRes:
    bench.request(requests.session_setup(), b"\0")
    found = bench.request(iso2.ServiceDiscoveryReq(**request))  # type: ignore[arg-type]
    assert isinstance(found, iso2.ServiceDiscoveryRes)
    return found


@pytest.mark.req("V2G2-410", "V2G2-417", "V2G2-632")
def test_contract_and_certificate_service_are_offered_over_tls() -> None:
    found = discovered(PncBench())
    assert found.payment_option_list.payment_option == (
        PaymentOption.CONTRACT,
        PaymentOption.EXTERNAL_PAYMENT,
    )
    assert found.service_list is not None
    assert [one.service_id for one in found.service_list.service] == [2]


@pytest.mark.inv("INV-21")
@pytest.mark.req("V2G2-632", "V2G2-634")
@pytest.mark.parametrize(
    "bench",
    [
        lambda: PncBench(tls=False),
        lambda: PncBench(AC),
        lambda: _clockless(),
    ],
    ids=["without TLS", "not configured", "clock not set"],
)
def test_contract_is_not_offered_and_not_taken(bench: object) -> None:
    assert callable(bench)
    at = bench()
    found = discovered(at)
    assert found.payment_option_list.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)
    assert found.service_list is None
    response = at.request(requests.payment_selection(PaymentOption.CONTRACT))
    assert code(response) == "FAILED_PaymentSelectionInvalid"  # PNC-10


def _clockless() -> PncBench:
    bench = PncBench()
    bench.outlet(utc=1000.0)
    return bench


def test_a_session_without_terms_offers_external_payment_only() -> None:
    bench = PncBench()
    bench.session.contracts = None
    assert discovered(bench).payment_option_list.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)


@pytest.mark.parametrize(
    ("category", "offered"),
    [(ServiceCategory.CONTRACT_CERTIFICATE, True), (ServiceCategory.INTERNET, False), (None, True)],
)
def test_the_category_filters_services(category: ServiceCategory | None, offered: bool) -> None:
    found = discovered(PncBench(), service_category=category)
    assert (found.service_list is not None) is offered


@pytest.mark.req("V2G2-425", "V2G2-428")
def test_details_of_the_certificate_service_name_its_two_sets() -> None:
    bench = PncBench()
    discovered(bench)
    found = bench.request(requests.service_detail(2))
    assert isinstance(found, iso2.ServiceDetailRes)
    assert found.service_parameter_list is not None
    sets = found.service_parameter_list.parameter_set
    assert [(one.parameter_set_id, one.parameter[0].string_value) for one in sets] == [
        (1, "Installation"),
        (2, "Update"),
    ]


def test_a_back_end_that_only_installs_offers_one_set() -> None:
    bench = PncBench(contracts=terms(provisions=frozenset({Action.INSTALL})))
    discovered(bench)
    found = bench.request(requests.service_detail(2))
    assert isinstance(found, iso2.ServiceDetailRes)
    assert found.service_parameter_list is not None
    assert [one.parameter_set_id for one in found.service_parameter_list.parameter_set] == [1]


@pytest.mark.parametrize("provisions", [frozenset(), frozenset(Action)])
def test_the_certificate_service_is_not_there_when_it_is_not_offered(provisions: frozenset[Action]) -> None:
    config = with_pnc(PNC_AC, certificate_service=not provisions)
    bench = PncBench(config, contracts=terms(provisions=provisions))
    assert discovered(bench).service_list is None
    assert code(bench.request(requests.service_detail(2))) == "FAILED_ServiceIDInvalid"


@pytest.mark.parametrize(
    ("service", "parameter_set", "expected"),
    [
        (2, 1, "OK"),
        (2, 2, "OK"),
        (2, None, "OK"),
        (2, 3, "FAILED_ServiceSelectionInvalid"),
        (3, None, "FAILED_ServiceSelectionInvalid"),
    ],
)
@pytest.mark.req("V2G2-432", "V2G2-467")
def test_selection_of_services(service: int, parameter_set: int | None, expected: str) -> None:
    bench = PncBench()
    discovered(bench)
    chosen = iso2.SelectedService(service_id=service, parameter_set_id=parameter_set)
    request = requests.payment_selection(PaymentOption.CONTRACT)
    services = (*request.selected_service_list.selected_service, chosen)
    both = msgspec.structs.replace(
        request, selected_service_list=iso2.SelectedServiceList(selected_service=services)
    )
    assert code(bench.request(both)) == expected


# --- PaymentDetails ---------------------------------------------------------------------------------------


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
def test_a_contract_that_ends_soon_is_told() -> None:
    bench = PncBench(car=wallet(contract_leaf(not_after=NOW + 20 * DAY))).select()
    assert code(bench.show()) == "OK_CertificateExpiresSoon"


@pytest.mark.inv("INV-23")
@pytest.mark.req("V2G2-697", "V2G2-698", "V2G2-825", "V2G2-826")
def test_each_session_has_its_own_challenge() -> None:
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


def test_the_contract_shown_in_tls_has_to_be_the_same() -> None:
    shown = identify(chain(Role.CONTRACT), trusted(), NOW)
    bench = PncBench(car=wallet(contract_leaf()), vehicle=shown).select()
    assert code(bench.show()) == "FAILED_CertificateNotAllowedAtThisEVSE"
    assert code(PncBench(vehicle=shown).select().show()) == "OK"


# --- revocation, PNC-04 -----------------------------------------------------------------------------------


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


def test_nobody_can_say() -> None:
    assert code(sent(checking().report_revocation(Evidence()))) == "FAILED_CertificateRevoked"


def test_nobody_says_in_time() -> None:
    bench = checking()
    assert sent(bench.tick(2.9)) is None
    assert code(sent(bench.tick(0.2))) == "FAILED_CertificateRevoked"


def test_nobody_can_say_and_the_policy_accepts_that() -> None:
    bench = PncBench(contracts=terms(finds_revocation=True)).select()
    bench.show()
    assert code(sent(bench.tick(3.1))) == "OK"


def test_a_station_that_requires_and_cannot_ask_refuses() -> None:
    assert code(PncBench(contracts=terms(policy=REQUIRING)).select().show()) == "FAILED_CertificateRevoked"


# --- the proof --------------------------------------------------------------------------------------------


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


def test_repeats_are_not_verified_again_whatever_they_carry() -> None:
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


# --- the back end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verdict", [Verdict.UNKNOWN, Verdict.BLOCKED, Verdict.EXPIRED, Verdict.REVOKED, Verdict.UNREACHABLE]
)
def test_a_back_end_that_says_no(verdict: Verdict) -> None:
    bench = PncBench().to_decision()
    bench.decide(verdict)
    assert bench.refusals[-1].rule == verdict.value
    assert code(bench.request(requests.authorization())) == "FAILED"
    assert not bench.session.granted


def test_a_silent_back_end_is_away_after_its_time() -> None:
    bench = PncBench().to_decision()
    bench.tick(20.1)
    assert bench.refusals[-1].rule == "back end not reachable"
    assert code(bench.request(requests.authorization())) == "FAILED"


@pytest.mark.inv("INV-11")
def test_a_late_grant_after_the_refusal_grants_nothing() -> None:
    bench = PncBench().to_decision()
    bench.tick(20.1)
    bench.decide()
    assert not bench.session.granted
    assert code(bench.request(requests.authorization())) == "FAILED"


def test_a_grant_that_comes_twice_is_one_grant() -> None:
    bench = PncBench().to_granted()
    bench.decide()
    assert bench.session.granted


@pytest.mark.parametrize("generation", [0, 7])
def test_answers_for_somebody_else_change_nothing(generation: int) -> None:
    bench = PncBench().to_decision()
    bench.feed(ContractDecided(Ticket(generation, 99), Verdict.ACCEPTED))
    assert not bench.session.granted


def test_a_withdrawal_while_charging_switches_off() -> None:
    bench = PncBench().to_loop_ac()
    outputs = bench.decide(Verdict.WITHDRAWN)
    assert OpenContactor() in outputs
    assert code(bench.request(requests.charging_status())) == "OK"  # with StopCharging: the EV ends in order
    bench.tick(10.1)
    assert code(bench.request(requests.charging_status())) == "FAILED"


def test_a_decision_about_a_person_never_grants_a_contract_nor_the_reverse() -> None:
    bench = PncBench().to_decision()
    assert bench.session.grant is not None
    bench.feed(AuthorizationDecided(bench.session.grant.ticket, granted=True))
    assert not bench.session.granted
    other = PncBench().select(PaymentOption.EXTERNAL_PAYMENT)
    other.request(requests.authorization())
    assert other.session.grant is not None
    other.feed(ContractDecided(other.session.grant.ticket, Verdict.ACCEPTED))
    assert not other.session.granted


def test_contract_messages_are_out_of_sequence_with_external_payment() -> None:
    for request in (wallet().payment_details(), wallet().installation(), wallet().update()):
        bench = PncBench().select(PaymentOption.EXTERNAL_PAYMENT)
        assert code(bench.request(request)) == "FAILED_SequenceError"


def test_a_bare_authorization_is_out_of_sequence_before_the_contract_is_shown() -> None:
    assert code(PncBench().select().request(requests.authorization())) == "FAILED_SequenceError"


# --- offline ----------------------------------------------------------------------------------------------


def offline(policy: OfflinePolicy, *, known: bool = False, good: bool = False) -> PncBench:
    names = frozenset({identity(Kind.CONTRACT_LEAF).certificate.fingerprint}) if known else frozenset()
    config = with_pnc(PNC_AC, offline=policy, offline_energy=500.0)
    bench = PncBench(config, contracts=terms(known=names, finds_revocation=good)).select()
    bench.show()
    if good:
        bench.report_revocation()
    bench.prove()
    bench.decide(Verdict.UNREACHABLE)
    return bench


@pytest.mark.parametrize(
    ("policy", "known", "good", "granted"),
    [
        (OfflinePolicy.DENY, True, True, False),
        (OfflinePolicy.KNOWN, False, True, False),
        (OfflinePolicy.KNOWN, True, False, True),
        (OfflinePolicy.CHAIN, True, False, True),
        (OfflinePolicy.CHAIN, False, True, True),
        (OfflinePolicy.CHAIN, False, False, False),
    ],
)
def test_offline_policy(policy: OfflinePolicy, known: bool, good: bool, granted: bool) -> None:
    assert offline(policy, known=known, good=good).session.granted is granted


def test_a_grant_by_the_chain_ends_at_its_limit_of_energy() -> None:
    bench = offline(OfflinePolicy.CHAIN, good=True)
    bench.request(requests.authorization())
    bench.request(requests.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    bench.request(requests.start())
    bench.contactor()
    assert code(bench.request(requests.charging_status())) == "OK"
    bench.outlet(meter=msgspec.structs.replace(METER, energy=1500))
    found = bench.request(requests.charging_status())
    assert isinstance(found, iso2.ChargingStatusRes)
    assert found.ac_evse_status.evse_notification is iso2.EVSENotification.STOP_CHARGING


def test_a_back_end_that_comes_back_with_a_no_ends_the_charge() -> None:
    bench = offline(OfflinePolicy.CHAIN, good=True)
    bench.decide(Verdict.BLOCKED)
    assert not bench.session.granted
    assert code(bench.request(requests.authorization())) == "FAILED"


def test_a_back_end_that_comes_back_with_a_yes_lifts_the_limit() -> None:
    bench = offline(OfflinePolicy.CHAIN, good=True)
    bench.decide(Verdict.ACCEPTED)
    assert bench.session.pnc.last_energy is None
    assert bench.session.granted


# --- provisioning -----------------------------------------------------------------------------------------


@pytest.mark.req("V2G2-553", "V2G2-554", "V2G2-556")
@pytest.mark.parametrize("action", list(Action))
def test_a_bundle_goes_through_bit_by_bit_under_the_id_of_the_session(action: Action) -> None:
    bench = PncBench().select()
    request = bench.car.installation() if action is Action.INSTALL else bench.car.update()
    assert bench.signed(request) is None
    (asked,) = outputs_of(bench, Provision)
    assert isinstance(asked, Provision)
    assert exi.ISO2.decode(asked.request.payload).body == request
    made = bundle(action)
    outputs = bench.provision(ProvisioningAnswer(made))
    (answer,) = [output for output in outputs if isinstance(output, Send)]
    assert answer.payload is not None
    assert exi.ISO2.decode(answer.payload) == answer.message
    assert answer.message.header.session_id == bench.session.session_id
    assert answer.message.body == exi.ISO2.decode(made).body
    assert bench.stands_in(State.WAIT_PAYMENT_DETAILS)
    assert code(bench.show()) == "OK"


def test_a_second_installation_is_out_of_sequence() -> None:
    bench = PncBench().select()
    bench.signed(bench.car.installation())
    bench.provision(ProvisioningAnswer(bundle()))
    assert code(bench.signed(bench.car.installation())) == "FAILED_SequenceError"


def test_requests_that_are_refused_at_once() -> None:  # PNC-11
    bench = PncBench().select()
    bad = bench.car.sign(bench.car.installation(), new_key(b"thief"))
    assert code(bench.request(bench.car.installation(), signature=bad)) == "FAILED_SignatureError"
    assert outputs_of(bench, Provision) == []
    assert bench.refusals[0].step == "CertificateInstallationReq"


@pytest.mark.parametrize("action", list(Action))
def test_what_is_not_offered_is_refused_with_its_own_response(action: Action) -> None:  # PNC-13
    bench = PncBench(contracts=terms(provisions=frozenset())).select()
    request = bench.car.installation() if action is Action.INSTALL else bench.car.update()
    found = bench.signed(request)
    assert type(found) is iso2.PAIRS[type(request)]
    assert code(found) == "FAILED_NoCertificateAvailable"
    assert outputs_of(bench, Provision) == []


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal.UNKNOWN, "FAILED_NoCertificateAvailable"),
        (Refusal.UNREACHABLE, "FAILED_NoCertificateAvailable"),
        (Refusal.CANCELED, "FAILED_ContractCanceled"),
        (Refusal.REVOKED, "FAILED_CertificateRevoked"),
    ],
)
def test_a_back_end_that_has_no_bundle(refusal: Refusal, expected: str) -> None:
    bench = PncBench().select()
    bench.signed(bench.car.installation())
    assert code(sent(bench.provision(ProvisioningAnswer(refusal=refusal)))) == expected
    assert bench.refusals[0].rule == refusal.value


@pytest.mark.req("V2G2-696", "V2G2-928")
def test_the_retry_counter_of_a_refused_update_is_the_back_ends() -> None:
    bench = PncBench().select()
    bench.signed(bench.car.update())
    found = sent(bench.provision(ProvisioningAnswer(refusal=Refusal.UNKNOWN, retry_counter=3)))
    assert isinstance(found, iso2.CertificateUpdateRes)
    assert found.retry_counter == 3


@pytest.mark.parametrize("payload", [b"", b"\x80\x98garbage", bytes(70_000)])
def test_a_faulty_answer_is_our_problem(payload: bytes) -> None:
    bench = PncBench().select()
    bench.signed(bench.car.installation())
    found = sent(bench.provision(ProvisioningAnswer(payload)))
    assert code(found) == "FAILED_NoCertificateAvailable"


def test_a_silent_back_end_is_answered_for_in_time() -> None:  # PNC-11
    bench = PncBench().select()
    bench.signed(bench.car.installation())
    assert sent(bench.tick(4.19)) is None
    found = sent(bench.tick(0.02))
    assert code(found) == "FAILED_NoCertificateAvailable"
    assert bench.refusals[0].rule == "no answer in time"


def test_an_answer_for_another_question_changes_nothing() -> None:
    bench = PncBench().select()
    bench.signed(bench.car.installation())
    bench.feed(ContractProvisioned(Ticket(9, 1), ProvisioningAnswer(bundle())))
    assert bench.stands_in(State.PROVISIONING)


# --- receipts ---------------------------------------------------------------------------------------------


def receipts(*, dc: bool = False, interval: float = 0.0) -> PncBench:
    bench = PncBench(with_pnc(PNC_DC if dc else PNC_AC, receipt_interval=interval))
    return bench.to_loop_dc() if dc else bench.to_loop_ac()


@pytest.mark.req("V2G2-577", "V2G2-580", "V2G2-795", "V2G2-796", "V2G2-797")
@pytest.mark.parametrize("dc", [False, True])
def test_a_signed_receipt_is_kept_and_the_loop_goes_on(dc: bool) -> None:
    bench = receipts(dc=dc)
    loop = requests.current_demand() if dc else requests.charging_status()
    found = bench.request(loop)
    assert getattr(found, "receipt_required", None) is True
    assert code(bench.signed(bench.receipt())) == "OK"
    (kept,) = outputs_of(bench, StoreReceipt)
    assert isinstance(kept, StoreReceipt)
    assert kept.receipt.energy == 1000
    assert code(bench.request(loop)) == "OK"


def test_after_a_receipt_dc_may_stop_or_negotiate_anew() -> None:
    for request in (requests.stop(), requests.dc_parameters()):
        bench = receipts(dc=True)
        bench.request(requests.current_demand())
        bench.signed(bench.receipt())
        assert code(bench.request(request)) == "OK"


def test_receipts_come_at_their_interval() -> None:
    bench = receipts(interval=10.0)
    asked = []
    for _ in range(25):
        found = bench.request(requests.charging_status())
        assert isinstance(found, iso2.ChargingStatusRes)
        asked.append(found.receipt_required)
        if found.receipt_required:
            bench.signed(bench.receipt())
        bench.tick(1.0)
    assert [at for at, one in enumerate(asked) if one] == [10, 20]


@pytest.mark.req("V2G2-577")
def test_nothing_but_the_receipt_may_follow() -> None:
    bench = receipts()
    bench.request(requests.charging_status())
    assert code(bench.request(requests.charging_status())) == "FAILED_SequenceError"


@pytest.mark.req("V2G2-481")
@pytest.mark.parametrize(
    "changes",
    [
        {"meter_info": iso2.MeterInfo(meter_id="METER-1", meter_reading=999)},
        {"session_id": bytes(8)},
        {"sa_schedule_tuple_id": 7},
    ],
    ids=["reading", "session", "schedule"],
)
def test_a_receipt_with_other_values(changes: dict[str, object]) -> None:  # PNC-14
    bench = receipts()
    bench.request(requests.charging_status())
    assert code(bench.signed(bench.receipt(**changes))) == "FAILED_MeteringSignatureNotValid"
    assert outputs_of(bench, StoreReceipt) == []
    assert OpenContactor() in bench.last


@pytest.mark.req("V2G2-481", "V2G2-904")
@pytest.mark.parametrize("key", [None, "thief"])
def test_a_receipt_unsigned_or_by_another_key(key: str | None) -> None:  # PNC-14
    bench = receipts()
    bench.request(requests.charging_status())
    receipt = bench.receipt()
    signature = None if key is None else bench.car.sign(receipt, new_key(key.encode()))
    found = bench.request(receipt, signature=signature)
    assert code(found) == "FAILED_MeteringSignatureNotValid"


@pytest.mark.req("V2G2-691")
def test_no_receipts_without_a_reading_or_with_external_payment() -> None:
    bench = receipts()
    bench.outlet(meter=None)
    found = bench.request(requests.charging_status())
    assert isinstance(found, iso2.ChargingStatusRes)
    assert found.receipt_required is False
    external = PncBench(with_pnc(PNC_AC, receipt_interval=0.0)).select(PaymentOption.EXTERNAL_PAYMENT)
    external.request(requests.authorization())
    external.authorize()
    external.request(requests.authorization())
    external.request(requests.ac_parameters())
    external.outlet(control_pilot=ControlPilot.C)
    external.request(requests.start())
    external.contactor()
    found = external.request(requests.charging_status())
    assert isinstance(found, iso2.ChargingStatusRes)
    assert found.receipt_required is False


# --- pause ------------------------------------------------------------------------------------------------


@pytest.mark.req("V2G2-754")
@pytest.mark.parametrize(("emaid", "expected"), [("DEABC000000001G", "OK"), ("DEABC000000002", "FAILED_")])
def test_who_continues_a_paused_session_shows_the_same_contract(emaid: str, expected: str) -> None:
    paused = PausedSession(b"12345678", None, emaid)
    bench = PncBench(paused=paused)
    bench.request(requests.session_setup(), b"12345678")
    bench.request(requests.service_discovery())
    bench.request(requests.payment_selection(PaymentOption.CONTRACT))
    assert code(bench.show()).startswith(expected)


def test_a_paused_session_remembers_who_paid() -> None:
    bench = PncBench().to_granted()
    bench.request(requests.session_stop(iso2.ChargingSession.PAUSE))
    assert bench.end is not None
    assert bench.end.paused is not None
    assert bench.end.paused.emaid == "DEABC000000001G"


# --- cost -------------------------------------------------------------------------------------------------


def test_the_largest_hostile_chain_is_refused_within_its_time() -> None:  # PNC-12
    leaf, sub_2, sub_1 = (one.der for one in chain(Role.CONTRACT))
    loop = iso2.SubCertificates(certificate=(sub_2, sub_1, sub_2, sub_1))
    garbage = iso2.SubCertificates(certificate=(bytes(800),) * 4)
    for subs in (loop, garbage):
        bench = PncBench().select()
        request = bench.car.payment_details(
            contract_signature_cert_chain=iso2.CertificateChain(certificate=leaf, sub_certificates=subs)
        )
        begun = time.thread_time()
        response = bench.request(request)
        assert time.thread_time() - begun < 0.05  # seconds of CPU
        assert code(response).startswith("FAILED")
