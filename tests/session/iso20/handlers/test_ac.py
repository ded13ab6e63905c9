"""AC: the contactor, the start and the end."""

import pytest

from secc.messages.iso20_common import ChargeProgress, EvseNotification, Processing
from secc.session.inputs import StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import ControlPilot
from secc.session.outputs import CloseContactor, OpenContactor
from tests.support import iso20 as r
from tests.support.iso20 import AC, DYNAMIC, Bench20, code, said
from tests.support.iso20_config import with_iso20


@pytest.mark.inv("INV-01", "INV-02")
@pytest.mark.req("V2G20-847", "V2G20-1989")
def test_the_contactor_closes_for_a_start_and_the_answer_waits_for_it() -> None:
    bench = Bench20(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.ask(r.start()) is None
    assert any(isinstance(output, CloseContactor) for output in bench.last)
    bench.contactor()
    assert bench.session.state is S.WAIT_FIRST_LOOP_AC
    assert code(said(bench.last)) == "OK"


def test_a_start_that_is_ongoing_closes_nothing() -> None:
    bench = Bench20(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    for _ in range(5):
        assert code(bench.ask(r.power_delivery(ChargeProgress.START, None, Processing.ONGOING))) == "OK"
    assert bench.session.energised is None
    bench.ask(r.start())
    closing = [output for output in bench.outputs if isinstance(output, CloseContactor)]
    assert len(closing) == 1


@pytest.mark.req("V2G20-847")
def test_a_start_without_pilot_c_is_refused_in_time() -> None:
    bench = Bench20(AC).to_power_on_ac()
    assert bench.ask(r.start()) is None
    assert code(said(bench.tick(1.5))) == "FAILED"
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


def test_a_contactor_that_does_not_close_is_an_error_in_time() -> None:
    bench = Bench20(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    bench.contactor(closed=False)
    assert code(said(bench.last)) == "FAILED_ContactorError"
    bench = Bench20(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    outputs = bench.tick(1.45)
    assert code(said(outputs)) == "FAILED_ContactorError"
    assert OpenContactor() in outputs


def test_the_code_of_a_confirmed_tolerance_survives_the_wait() -> None:
    from secc.messages.iso20_common import PowerToleranceAcceptance as Acceptance

    bench = Bench20(with_iso20(AC, power_tolerance=100.0)).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start(r.profile(tolerance=Acceptance.POWER_TOLERANCE_CONFIRMED)))
    bench.contactor()
    assert code(said(bench.last)) == "OK_PowerToleranceConfirmed"


@pytest.mark.req("V2G20-1623")
def test_the_stop_opens_the_contactor_and_the_session_stop_follows() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    bench.ask(r.ac_loop())
    assert code(bench.ask(r.stop())) == "OK"
    assert OpenContactor() in bench.last
    assert bench.session.state is S.WAIT_SESSION_STOP
    assert code(bench.ask(r.ac_loop())) == "FAILED_SequenceError"


@pytest.mark.inv("INV-03")
def test_the_pilot_leaving_c_opens_the_contactor_in_the_loop() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    bench.ask(r.ac_loop())
    assert OpenContactor() in bench.outlet(control_pilot=ControlPilot.B)


def test_a_second_start_and_standby_in_the_loop() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    bench.ask(r.ac_loop())
    assert code(bench.ask(r.standby())) == "WARNING_StandbyNotAllowed"
    assert bench.session.state is S.WAIT_LOOP_AC
    assert code(bench.ask(r.start())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1045", "V2G20-1050")
def test_a_new_schedule_leaves_the_contactor_closed() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    bench.ask(r.ac_loop())
    bench.ask(r.renegotiate())
    for request in (r.ac_parameters(), r.scheduled(3600), r.renegotiate(r.profile())):
        assert code(bench.ask(request)) == "OK"
    assert bench.session.state is S.WAIT_LOOP_AC
    assert bench.session.energised is not None
    bench.ask(r.renegotiate())
    assert code(bench.ask(r.stop())) == "OK"
    assert bench.session.energised is None


@pytest.mark.inv("INV-29")
def test_a_stop_before_the_start_is_answered_with_terminate() -> None:
    bench = Bench20(AC).to_power_on_ac(1, DYNAMIC)
    bench.feed(StopRequested())
    response = bench.ask(r.dynamic_start())
    assert code(response) == "OK"
    assert response.evse_status.evse_notification is EvseNotification.TERMINATE
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


def test_an_ev_that_gives_up_before_the_start_may_stop() -> None:
    bench = Bench20(AC).to_power_on_ac()
    assert code(bench.ask(r.stop())) == "OK"
    assert code(bench.ask(r.session_stop())) == "OK"
    assert not [output for output in bench.outputs if isinstance(output, CloseContactor)]
