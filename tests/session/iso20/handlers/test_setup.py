"""SessionSetup, AuthorizationSetup and Authorization."""

import itertools

import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.session.inputs import AuthorizationDecided
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import Authorize, EndReason, Notice
from secc.settings import SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import DC, Bench20, code
from tests.support.iso20_config import with_iso20


@pytest.mark.req("V2G20-752", "V2G20-2106", "V2G20-2627")
def test_a_new_session_gets_an_id_of_the_station_that_stays() -> None:
    bench = Bench20(DC)
    response = bench.ask(r.session_setup(), bytes(8))
    assert code(response) == "OK_NewSessionEstablished"
    assert response.evse_id == "DE*AAA*E2"
    chosen = response.header.session_id
    assert chosen != bytes(8)
    assert len(chosen) == 8
    assert bench.ask(r.authorization_setup()).header.session_id == chosen


@pytest.mark.req("V2G20-2627")
def test_an_unknown_id_begins_a_new_session_without_an_error() -> None:
    response = Bench20(DC).ask(r.session_setup(), b"\x55" * 8)
    assert code(response) == "OK_NewSessionEstablished"
    assert response.header.session_id != b"\x55" * 8


@pytest.mark.req("V2G20-192")
def test_a_station_without_an_identifier_says_so() -> None:
    config = SeccConfig(energy=DC.energy)
    assert Bench20(config).ask(r.session_setup(), bytes(8)).evse_id == "ZZ00000"


@pytest.mark.req("V2G20-459")
def test_a_second_setup_is_out_of_order() -> None:
    bench = Bench20(DC)
    bench.ask(r.session_setup(), bytes(8))
    assert code(bench.ask(r.session_setup())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1537")
def test_time_stamps_rise_over_a_whole_session() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    for _ in range(100):
        bench.ask(r.dc_loop())
    stamps = [output.message.header.time_stamp for output in bench.outputs if hasattr(output, "message")]
    assert len(stamps) > 100
    assert all(before < after for before, after in itertools.pairwise(stamps))


@pytest.mark.req("V2G20-1220", "V2G20-2566", "V2G20-2567")
def test_external_identification_is_what_is_offered() -> None:
    bench = Bench20(DC)
    bench.ask(r.session_setup(), bytes(8))
    response = bench.ask(r.authorization_setup())
    assert response.authorization_services == (m.Authorization.EIM,)
    assert response.eim_as_res_authorization_mode == m.EIMASResAuthorizationMode()
    assert response.pnc_as_res_authorization_mode is None
    assert response.certificate_installation_service is False


@pytest.mark.req("V2G20-1200", "V2G20-1582")
def test_the_back_end_is_asked_once_and_waited_for() -> None:
    bench = Bench20(DC).to_authorization()
    for _ in range(3):
        response = bench.ask(r.authorization())
        assert code(response) == "OK"
        assert response.evse_processing is Processing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION
    assert sum(isinstance(output, Authorize) for output in bench.outputs) == 1
    bench.authorize()
    response = bench.ask(r.authorization())
    assert (code(response), response.evse_processing) == ("OK", Processing.FINISHED)
    assert bench.session.state is S.WAIT_SERVICE_DISCOVERY


@pytest.mark.req("V2G20-1583", "V2G20-2219", "V2G20-2230")
def test_a_denial_is_a_warning_and_the_next_request_a_new_question() -> None:
    bench = Bench20(DC).to_authorization()
    bench.ask(r.authorization())
    bench.authorize(granted=False)
    response = bench.ask(r.authorization())
    assert code(response) == "WARNING_EIMAuthorizationFailure"
    assert response.evse_processing is Processing.FINISHED
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert not bench.ended
    bench.ask(r.authorization())
    assert sum(isinstance(output, Authorize) for output in bench.outputs) == 2
    bench.authorize()
    assert code(bench.ask(r.authorization())) == "OK"
    assert bench.session.state.name == "WAIT_SERVICE_DISCOVERY"


@pytest.mark.inv("INV-20")
def test_a_grant_for_an_attempt_that_is_over_grants_nothing() -> None:
    bench = Bench20(DC).to_authorization()
    bench.ask(r.authorization())
    first = bench.ticket(Authorize)
    bench.authorize(granted=False)
    bench.ask(r.authorization())
    bench.feed(AuthorizationDecided(first, True))
    bench.ask(r.authorization())
    bench.feed(AuthorizationDecided(first, True))
    response = bench.ask(r.authorization())
    assert response.evse_processing is not Processing.FINISHED


@pytest.mark.req("V2G20-2102")
def test_after_the_last_attempt_the_session_ends() -> None:
    bench = Bench20(with_iso20(DC, authorization_attempts=2)).to_authorization()
    bench.ask(r.authorization())
    bench.authorize(granted=False)
    assert code(bench.ask(r.authorization())) == "WARNING_EIMAuthorizationFailure"
    bench.ask(r.authorization())
    bench.authorize(granted=False)
    assert code(bench.ask(r.authorization())) == "FAILED"
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED


@pytest.mark.req("V2G20-2102", "V2G20-2219")
def test_an_attempt_without_a_decision_fails_after_its_time() -> None:
    bench = Bench20(with_iso20(DC, authorization=100.0)).to_authorization()
    bench.ask(r.authorization())
    bench.tick(50.0)
    bench.ask(r.authorization())
    bench.tick(50.5)
    assert code(bench.ask(r.authorization())) == "WARNING_EIMAuthorizationFailure"
    bench.ask(r.authorization())
    bench.authorize()
    assert code(bench.ask(r.authorization())) == "OK"


@pytest.mark.req("V2G20-2209", "V2G20-2226")
def test_a_contract_that_was_not_offered_is_a_warning() -> None:
    bench = Bench20(DC).to_authorization()
    response = bench.ask(r.contract_authorization())
    assert code(response) == "WARNING_AuthorizationSelectionInvalid"
    assert response.evse_processing is Processing.FINISHED
    assert not any(isinstance(output, Authorize) for output in bench.outputs)
    assert bench.session.state is S.WAIT_AUTHORIZATION


def test_a_thousand_warnings_are_not_answered() -> None:
    bench = Bench20(DC).to_authorization()
    answers = [code(bench.ask(r.contract_authorization())) for _ in range(5)]
    assert answers == ["WARNING_AuthorizationSelectionInvalid"] * 4 + ["FAILED"]
    assert bench.ended


@pytest.mark.inv("INV-11")
def test_a_withdrawal_after_the_grant_ends_the_charge_and_is_final() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop())
    bench.authorize(granted=False)
    assert bench.session.energised is None
    assert bench.session.stop is not None
    bench.authorize(granted=True)
    assert not bench.session.granted


@pytest.mark.inv("INV-11")
def test_a_withdrawal_before_the_services_asks_nothing_again() -> None:
    bench = Bench20(DC).to_authorization()
    bench.ask(r.authorization())
    bench.authorize()
    bench.authorize(granted=False)
    response = bench.ask(r.authorization())
    assert (code(response), response.evse_processing) == ("OK", Processing.ONGOING)
    assert sum(isinstance(output, Authorize) for output in bench.outputs) == 1


def test_a_hostile_identifier_is_escaped_in_what_is_logged() -> None:
    bench = Bench20(DC)
    bench.ask(r.session_setup("A\n\x1b[2J" + "B" * 200), bytes(8))
    notices = [output.text for output in bench.outputs if isinstance(output, Notice)]
    assert not any("\n" in text or "\x1b" in text for text in notices)
