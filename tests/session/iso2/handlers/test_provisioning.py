"""Installation and update of a contract certificate through the back end."""

from __future__ import annotations

import pytest

from secc import exi
from secc.messages import iso2
from secc.pki.issuing import new_key
from secc.pki.provisioning import Action, ProvisioningAnswer, Refusal
from secc.session.contract_events import (
    ContractProvisioned,
    Provision,
)
from secc.session.iso2.states import State
from secc.session.outputs import Send
from secc.session.ticket import Ticket
from tests.support.bench import code, sent
from tests.support.pnc import (
    PncBench,
    bundle,
    outputs_of,
    terms,
)


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
def test_what_is_not_offered_is_refused_with_its_paired_response(action: Action) -> None:  # PNC-13
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
def test_a_faulty_answer_is_a_failure_of_the_station(payload: bytes) -> None:
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
