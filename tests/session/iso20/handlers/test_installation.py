"""CertificateInstallation in a session: the relay, its checks, and a response code for each cause."""

from __future__ import annotations

import dataclasses

import pytest

from secc import exi
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, ResponseCode
from secc.pki.installation import InstallationRequest, verify_installation
from secc.pki.keys import new_private_key
from secc.pki.kinds import Kind
from secc.pki.provisioning import ProvisioningAnswer, Refusal
from secc.pki.trust import TrustStore
from secc.session.contract_events import ContractProvisioned
from secc.session.inputs import StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.table import ISO20_DC
from secc.session.outputs import Notice, Send
from secc.settings import Iso20Config, PncConfig
from tests.support import iso20 as r
from tests.support.contracts import NOW
from tests.support.installation import (
    EMAID_TEXT,
    OTHER_EMAID,
    P521,
    POLICY,
    InstallationBench,
    altered,
    bundle,
    decoded,
    encoded,
    hierarchy,
    provisioning_leaf,
    request,
    signed,
    terms,
    trusted,
    unsigned,
    with_fields,
)
from tests.support.iso20 import DC, Bench20, code


@pytest.fixture
def bench() -> InstallationBench:
    made = InstallationBench()
    made.to_authorization()
    return made


def limited(**limits: int) -> InstallationBench:
    made = InstallationBench(dataclasses.replace(DC, iso20=Iso20Config(**limits)))  # type: ignore[arg-type]
    made.to_authorization()
    return made


def notices(bench: InstallationBench) -> str:
    return " ".join(one.text for one in bench.all_of(Notice))


def sent_payload(bench: InstallationBench) -> bytes:
    sends: list[Send] = bench.all_of(Send)
    payload = sends[-1].payload
    assert payload is not None
    return payload


def delivered(bench: InstallationBench) -> list[str]:
    """The eMAIDs of the verified bundles that were sent."""
    return [str(one.bundle.emaid) for one in bench.deliveries if one.bundle is not None]


# --- whether it is offered --------------------------------------------------------------------------------


def offered(bench: Bench20) -> bool:
    bench.ask(r.session_setup(), bytes(8))
    response: m.AuthorizationSetupRes = bench.ask(r.authorization_setup())
    return response.certificate_installation_service


def test_it_is_offered_if_the_back_end_delivers_contracts() -> None:
    assert offered(InstallationBench())
    assert not offered(InstallationBench(contracts=terms(installs=False)))
    assert not offered(InstallationBench(contracts=None))


def test_it_is_not_offered_against_the_wish_of_the_operator_or_without_a_clock() -> None:
    without = dataclasses.replace(DC, pnc=PncConfig(certificate_service=False))
    assert not offered(InstallationBench(without))
    bench = InstallationBench()
    bench.outlet(utc=0)
    assert not offered(bench)


@pytest.mark.req("V2G20-2221")
def test_a_request_that_was_not_offered_is_out_of_sequence() -> None:
    bench = InstallationBench(contracts=terms(installs=False))
    bench.to_authorization()
    assert code(bench.install()) == "FAILED_SequenceError"
    assert bench.session.state is S.ENDED


# --- the relay --------------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-1972")
@pytest.mark.req("V2G20-2202")
def test_the_answer_is_ongoing_with_valid_placeholders_while_the_back_end_thinks(
    bench: InstallationBench,
) -> None:
    first = bench.install()
    assert (code(first), first.evse_processing) == ("OK", Processing.ONGOING)
    assert bench.session.state is S.WAIT_CERTIFICATE
    again = bench.install()
    assert again.evse_processing is Processing.ONGOING
    assert decoded(encoded(again)) == again
    assert len(bench.questions) == 1


def test_the_back_end_gets_the_request_as_it_came(bench: InstallationBench) -> None:
    bench.install()
    asked = bench.questions[0].request
    assert decoded_request(asked.payload).header.session_id == bench.session.session_id
    assert str(asked.pcid) == "ZZZTESTCAR0000001"


def decoded_request(payload: bytes) -> m.CertificateInstallationReq:
    message: m.CertificateInstallationReq = exi.codec("iso20-common").decode(payload)
    return message


@pytest.mark.req("V2G20-1975")
def test_the_vehicle_gets_the_answer_as_the_back_end_made_it_but_for_the_header(
    bench: InstallationBench,
) -> None:
    bench.install()
    bench.provide(bundle())
    response = bench.install()
    assert (code(response), response.evse_processing) == ("OK", Processing.FINISHED)
    assert bench.session.state is S.WAIT_AUTHORIZATION
    wire = decoded(sent_payload(bench))
    assert wire == response
    assert wire.header.session_id == bench.session.session_id
    assert wire.header.time_stamp > 0
    assert wire.signed_installation_data == decoded(bundle()).signed_installation_data
    assert delivered(bench) == [EMAID_TEXT]
    assert code(bench.install()) == "FAILED_SequenceError"  # none remains [V2G20-1975]


@pytest.mark.req("V2G20-1973")
def test_a_vehicle_may_get_several_contracts(bench: InstallationBench) -> None:
    wanted = request(maximum_contract_certificate_chains=2)
    bench.install(wanted)
    bench.provide(bundle(remaining=1))
    assert bench.install(wanted).remaining_contract_certificate_chains == 1
    bench.install(wanted)
    asked = bench.questions[-1].request
    assert isinstance(asked, InstallationRequest)
    assert [str(one) for one in asked.delivered] == [EMAID_TEXT]
    bench.provide(bundle(emaid=OTHER_EMAID))
    assert bench.install(wanted).remaining_contract_certificate_chains == 0
    assert delivered(bench) == [EMAID_TEXT, OTHER_EMAID]


def test_the_same_contract_is_not_delivered_twice(bench: InstallationBench) -> None:
    bench.install()
    bench.provide(bundle(remaining=1))
    bench.install()
    bench.install()
    bench.provide(bundle(remaining=1))
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    assert bench.refusals[-1].rule == "delivered_already"


def test_more_contracts_than_the_vehicle_has_room_for_are_reported(bench: InstallationBench) -> None:
    bench.install()
    bench.provide(bundle(remaining=7))
    assert code(bench.install()) == "OK"
    assert "7 more contracts, the EV has room for 0" in notices(bench)


# --- requests that are refused ----------------------------------------------------------------------------


@pytest.mark.req("V2G20-461")
def test_a_wrong_signature_ends_the_session(bench: InstallationBench) -> None:
    thief = new_private_key(P521, b"thief")
    assert code(bench.install(signed(unsigned(), thief))) == "FAILED_SignatureError"
    assert bench.session.state is S.ENDED
    assert (bench.questions, bench.refusals[0].rule) == ([], "signature")


@pytest.mark.req("V2G20-2203")
@pytest.mark.req("V2G20-2204")
@pytest.mark.parametrize(
    ("begin", "end", "warning"),
    [(-30, -1, "WARNING_CertificateExpired"), (1, 30, "WARNING_CertificateNotYetValid")],
)
def test_a_certificate_out_of_date_is_a_warning_and_the_session_goes_on(
    bench: InstallationBench, begin: int, end: int, warning: str
) -> None:
    car = provisioning_leaf(begin=begin, end=end)
    response = bench.install(signed(unsigned(car=car), car.key))
    assert (code(response), response.evse_processing) == (warning, Processing.FINISHED)
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert bench.questions == []
    assert code(bench.install()) == "OK"


@pytest.mark.parametrize("kind", [Kind.VEHICLE_LEAF, Kind.CONTRACT_LEAF, Kind.SECC_LEAF])
def test_the_certificate_of_another_role_is_a_warning(bench: InstallationBench, kind: Kind) -> None:
    other = hierarchy()[kind]
    response = bench.install(signed(unsigned(car=other), other.key))
    assert code(response) == "WARNING_CertificateValidationError"
    assert bench.questions == []


@pytest.mark.req("V2G20-1972")
def test_another_request_while_the_answer_is_ongoing_is_out_of_sequence(bench: InstallationBench) -> None:
    bench.install()
    assert code(bench.install(request(maximum_contract_certificate_chains=2))) == "FAILED_SequenceError"


def test_the_time_stamp_and_the_signature_of_a_repetition_may_differ(bench: InstallationBench) -> None:
    bench.install()
    later = unsigned(header=m.MessageHeader(session_id=bytes(8), time_stamp=77))
    assert code(bench.install(later)) == "OK"


def test_authorization_while_the_answer_is_ongoing_is_out_of_sequence(bench: InstallationBench) -> None:
    bench.install()
    assert code(bench.ask(r.authorization())) == "FAILED_SequenceError"


def test_a_request_while_authorization_is_decided_is_out_of_sequence(bench: InstallationBench) -> None:
    bench.ask(r.authorization())
    assert code(bench.install()) == "FAILED_SequenceError"


# --- answers that are none --------------------------------------------------------------------------------


@pytest.mark.req("V2G20-2207")
@pytest.mark.req("V2G20-2225")
@pytest.mark.parametrize(
    ("refusal", "warning"),
    [
        (Refusal.UNKNOWN, "WARNING_NoContractMatchingPCIDFound"),
        (Refusal.CANCELED, "WARNING_NoCertificateAvailable"),
        (Refusal.REVOKED, "WARNING_CertificateRevoked"),
        (Refusal.UNREACHABLE, "WARNING_NoCertificateAvailable"),
    ],
)
def test_a_refusal_of_the_back_end_is_a_warning(
    bench: InstallationBench, refusal: Refusal, warning: str
) -> None:
    bench.install()
    bench.provide(ProvisioningAnswer(refusal=refusal))
    assert code(bench.install()) == warning
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert bench.refusals[-1].rule == refusal.value
    assert code(bench.ask(r.authorization())) == "OK"  # the vehicle goes on without a contract


def test_a_refusal_inside_the_answer_keeps_its_code(bench: InstallationBench) -> None:
    bench.install()
    none = ResponseCode.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND
    bench.provide(with_fields(response_code=none))
    assert code(bench.install()) == none.value


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        (altered(dh_public_key=bytes(133)), "digest"),
        (altered(signer=new_private_key(P521, b"thief")), "signature"),
        (bundle()[:-20], "not_a_message"),
        (bytes(40_000), "too_large"),
    ],
    ids=["altered", "wrong signature", "cut off", "too large"],
)
def test_an_answer_that_is_not_good_never_reaches_the_vehicle(
    bench: InstallationBench, payload: bytes, rule: str
) -> None:
    bench.install()
    bench.provide(payload)
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    assert bench.refusals[-1].rule == rule
    assert bench.deliveries == []


def test_the_operator_may_let_the_vehicle_judge() -> None:
    config = dataclasses.replace(DC, pnc=PncConfig(forward_unverified=True))
    bench = InstallationBench(config)
    bench.to_authorization()
    bench.install()
    bench.provide(altered(dh_public_key=bytes(133)))
    assert code(bench.install()) == "OK"
    (record,) = bench.deliveries
    assert (record.bundle, record.complaint[:6]) == (None, "digest")


@pytest.mark.req("V2G20-2207")
def test_an_answer_that_is_too_late_is_a_warning_and_a_later_one_is_ignored(
    bench: InstallationBench,
) -> None:
    bench.install()
    bench.tick(30.0)
    assert bench.install().evse_processing is Processing.ONGOING
    bench.tick(21.0)
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    bench.provide(bundle())
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert bench.deliveries == []


def test_an_answer_to_an_earlier_question_is_ignored() -> None:
    bench = limited(installations=3)
    bench.install()
    bench.provide(ProvisioningAnswer(refusal=Refusal.UNREACHABLE))
    bench.install()
    bench.install()
    first = bench.questions[0].ticket
    bench.feed(ContractProvisioned(first, ProvisioningAnswer(bundle())))
    assert bench.install().evse_processing is Processing.ONGOING


# --- limits -----------------------------------------------------------------------------------------------


def test_the_back_end_is_asked_three_times_in_a_session(bench: InstallationBench) -> None:
    for _ in range(3):
        bench.install()
        bench.provide(ProvisioningAnswer(refusal=Refusal.UNREACHABLE))
        bench.install()
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    assert bench.refusals[-1].rule == Refusal.TOO_OFTEN.value
    assert len(bench.questions) == 3


def test_the_last_warning_ends_the_session() -> None:
    bench = limited(authorization_attempts=2)
    car = provisioning_leaf(end=-1)
    expired = signed(unsigned(car=car), car.key)
    assert code(bench.install(expired)) == "WARNING_CertificateExpired"
    assert code(bench.install(expired)) == "FAILED"
    assert bench.session.state is S.ENDED


def test_a_large_request_is_read_only_where_one_is_expected() -> None:
    assert {S.WAIT_AUTHORIZATION, S.WAIT_CERTIFICATE} <= ISO20_DC.large
    assert S.WAIT_SERVICE_DISCOVERY not in ISO20_DC.large


# --- a stop -----------------------------------------------------------------------------------------------


def test_after_a_stop_the_back_end_is_not_asked(bench: InstallationBench) -> None:
    bench.feed(StopRequested("maintenance"))
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    assert bench.questions == []


def test_a_stop_ends_the_waiting(bench: InstallationBench) -> None:
    bench.install()
    bench.feed(StopRequested("maintenance"))
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"
    assert code(bench.ask(r.session_stop())) == "OK"


def test_the_vehicle_may_stop_while_the_back_end_thinks(bench: InstallationBench) -> None:
    bench.install()
    assert code(bench.ask(r.session_stop())) == "OK"
    assert bench.session.state is S.ENDED


# --- the proof of a thread --------------------------------------------------------------------------------


def test_an_answer_that_a_thread_has_verified_is_not_verified_again(bench: InstallationBench) -> None:
    bench.install()
    question = bench.questions[-1]
    assert isinstance(question.request, InstallationRequest)
    proof = verify_installation(bundle(), trusted(), NOW, POLICY, question.request)
    bench.session.contracts = terms(trust=TrustStore())  # nothing could be verified with these
    bench.feed(ContractProvisioned(question.ticket, ProvisioningAnswer(bundle()), proof))
    assert code(bench.install()) == "OK"
    assert delivered(bench) == [EMAID_TEXT]


def test_the_proof_of_another_answer_counts_for_nothing(bench: InstallationBench) -> None:
    bench.install()
    question = bench.questions[-1]
    proof = verify_installation(bundle(emaid=OTHER_EMAID), trusted(), NOW, POLICY)
    spoiled = ProvisioningAnswer(altered(dh_public_key=bytes(133)))
    for one in (proof, "no proof"):
        bench.feed(ContractProvisioned(question.ticket, spoiled, one))
    assert code(bench.install()) == "WARNING_NoCertificateAvailable"


@pytest.mark.inv("INV-20")
def test_a_second_answer_for_the_same_question_is_stale(bench: InstallationBench) -> None:
    bench.install()
    ticket = bench.questions[-1].ticket
    bench.feed(ContractProvisioned(ticket, ProvisioningAnswer(bundle())))
    (notice,) = bench.feed(ContractProvisioned(ticket, ProvisioningAnswer(refusal=Refusal.UNREACHABLE)))
    assert isinstance(notice, Notice)
    assert code(bench.install()) == "OK"
    assert delivered(bench) == [EMAID_TEXT]
