"""Decisions of the back end about a contract, and the policy without it."""

from __future__ import annotations

import msgspec
import pytest

from secc.messages import iso2
from secc.messages.iso2 import PaymentOption
from secc.pki.profiles import Kind
from secc.session.contract_events import (
    ContractDecided,
    Verdict,
)
from secc.session.inputs import AuthorizationDecided
from secc.session.outlet import ControlPilot
from secc.session.outputs import OpenContactor
from secc.session.ticket import Ticket
from secc.settings import OfflinePolicy
from tests.support import requests
from tests.support.bench import code
from tests.support.contracts import (
    identity,
    wallet,
)
from tests.support.pnc import (
    METER,
    PNC_AC,
    PncBench,
    terms,
    with_pnc,
)

# --- the back end ------------------------------------------------------------------------------------------


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
def test_answers_for_another_change_nothing(generation: int) -> None:
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


# --- offline -----------------------------------------------------------------------------------------------


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
