"""Attempts to be authorized: one at a time, unchanged while it lasts, and how many."""

from __future__ import annotations

import pytest

from secc.messages.iso20_common import Processing
from secc.session.contract_events import (
    AuthorizeContract,
    ContractDecided,
    ContractJudged,
    JudgeContract,
    Verdict,
)
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import EndReason
from secc.session.ticket import Ticket
from secc.settings import Payment
from tests.support import iso20 as r
from tests.support.iso20 import code
from tests.support.iso20_config import with_iso20
from tests.support.pnc20 import (
    PNC_DC,
    PncBench20,
    at_authorization,
    car,
    leaf,
    signed,
)

# --- the contract does not change while an attempt lasts ---------------------------------------------------


@pytest.mark.req("V2G20-1582", "V2G20-2702")
def test_another_contract_while_the_back_end_thinks_ends_the_session() -> None:
    bench = at_authorization()
    bench.prove()
    other = car(contract=leaf())
    assert code(bench.prove(other.request(bench.challenge))) == "FAILED_SequenceError"
    assert bench.ended
    assert bench.count(AuthorizeContract) == 1


@pytest.mark.req("V2G20-1582", "V2G20-2702")
def test_another_contract_after_a_grant_that_was_not_reported_ends_the_session() -> None:
    bench = at_authorization()
    bench.prove()
    bench.decide()
    other = car(contract=leaf())
    assert code(bench.prove(other.request(bench.challenge))) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1582")
def test_external_identification_while_a_contract_is_decided_ends_the_session() -> None:
    bench = at_authorization()
    bench.prove()
    assert code(bench.ask(r.authorization())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1582")
def test_a_contract_while_external_identification_is_decided_ends_the_session() -> None:
    bench = at_authorization()
    bench.ask(r.authorization())
    assert code(bench.prove()) == "FAILED_SequenceError"
    assert bench.count(JudgeContract) == 0


@pytest.mark.req("V2G20-1582")
def test_the_same_request_may_be_signed_again() -> None:
    bench = at_authorization()
    bench.prove()
    again = signed(bench.car.mode(bench.challenge), bench.car)
    assert bench.prove(again).evse_processing is Processing.ONGOING
    assert bench.count(JudgeContract) == bench.count(AuthorizeContract) == 1


# --- another try -------------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-1583", "V2G20-1978")
def test_after_a_warning_another_contract_may_be_shown() -> None:
    bench = at_authorization()
    bench.prove()
    first = bench.asked(AuthorizeContract).ticket
    bench.decide(Verdict.UNKNOWN)
    bench.prove()
    other = car(contract=leaf())
    assert bench.prove(other.request(bench.challenge)).evse_processing is Processing.ONGOING
    assert str(bench.asked(AuthorizeContract).contract.emaid) == "DEABC000000002E"
    assert bench.asked(AuthorizeContract).ticket != first
    bench.decide()
    assert bench.prove(other.request(bench.challenge)).evse_processing is Processing.FINISHED


@pytest.mark.inv("INV-20")
def test_a_decision_about_the_first_contract_grants_nothing_to_the_second() -> None:
    bench = at_authorization()
    bench.prove()
    first = bench.asked(AuthorizeContract).ticket
    bench.decide(Verdict.UNKNOWN)
    bench.prove()
    other = car(contract=leaf()).request(bench.challenge)
    bench.prove(other)
    bench.feed(ContractDecided(first, Verdict.ACCEPTED))
    assert bench.prove(other).evse_processing is Processing.ONGOING
    assert not bench.session.granted


@pytest.mark.inv("INV-20")
def test_a_contract_is_granted_once_however_often_the_back_end_says_so() -> None:
    bench = at_authorization()
    bench.prove()
    bench.decide()
    bench.decide()
    assert len(bench.grants) == 1


@pytest.mark.req("V2G20-1583")
def test_after_a_warning_external_identification_is_possible() -> None:
    bench = at_authorization()
    bench.prove(bench.car.request(bytes(16)))
    assert code(bench.ask(r.authorization())) == "OK"
    bench.authorize()
    assert bench.ask(r.authorization()).evse_processing is Processing.FINISHED
    assert bench.session.payment is Payment.EXTERNAL
    assert bench.session.pnc.payer is None


@pytest.mark.req("V2G20-1583")
def test_after_external_identification_has_failed_a_contract_is_possible() -> None:
    bench = at_authorization()
    bench.ask(r.authorization())
    bench.authorize(granted=False)
    assert code(bench.ask(r.authorization())) == "WARNING_EIMAuthorizationFailure"
    bench.prove()
    bench.decide()
    assert bench.prove().evse_processing is Processing.FINISHED
    assert bench.session.payment is Payment.CONTRACT


@pytest.mark.req("V2G20-2102")
def test_the_last_attempt_ends_the_session_by_any_means() -> None:
    bench = at_authorization()
    answers = [code(bench.prove(bench.car.request(bytes(16)))) for _ in range(3)]
    bench.ask(r.authorization())
    bench.authorize(granted=False)
    answers.append(code(bench.ask(r.authorization())))
    answers.append(code(bench.prove(bench.car.request(bytes(16)))))
    assert answers == ["WARNING_ChallengeInvalid"] * 3 + ["WARNING_EIMAuthorizationFailure", "FAILED"]
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED


@pytest.mark.req("V2G20-2102")
def test_an_attempt_whose_judgement_never_comes_is_over_after_its_time() -> None:
    bench = at_authorization(config=with_iso20(PNC_DC, authorization=50.0))
    bench.send(bench.car.request(bench.challenge))
    bench.tick(40.0)
    assert bench.prove().evse_processing is Processing.ONGOING
    bench.tick(11.0)
    assert code(bench.prove()) == "WARNING_GeneralPnCAuthorizationError"
    bench.judge()
    assert bench.count(AuthorizeContract) == 0


@pytest.mark.inv("INV-20")
def test_a_judgement_for_another_question_changes_nothing() -> None:
    bench = at_authorization()
    bench.send(bench.car.request(bench.challenge))
    bench.feed(ContractJudged(Ticket(99, 99)))
    assert bench.session.state is S.JUDGING_CONTRACT
    bench.judge()
    ticket = bench.asked(JudgeContract).ticket
    bench.feed(ContractJudged(ticket))
    assert bench.count(AuthorizeContract) == 1


def test_the_challenge_is_void_after_the_grant() -> None:
    bench = PncBench20().to_granted()
    assert bench.side.challenge is None
    assert bench.side.attempt is None
