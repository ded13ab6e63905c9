"""SessionStop: the end, a pause, another service."""

import pytest

from secc.messages.iso20_common import ChargingSession
from secc.session.inputs import PauseRequested, StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import EvseFault
from secc.session.outputs import EndReason, Notice, OpenContactor
from tests.support import iso20 as r
from tests.support.iso20 import AC, DC, DC_BPT, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.states20 import in_state

PAUSE = r.session_stop(ChargingSession.PAUSE)
AGAIN = r.session_stop(ChargingSession.SERVICE_RENEGOTIATION)
NO_PAUSE = "FAILED_PauseNotAllowed"
NO_SERVICE = "FAILED_NoServiceRenegotiationSupported"


def stopped(parameter_set: int = 1) -> Bench20:
    bench = Bench20(DC).to_first_loop_dc(2, parameter_set)
    for request in (r.dc_loop() if parameter_set == 1 else r.dc_dynamic_loop(), r.stop(), r.welding()):
        bench.ask(request)
    return bench


@pytest.mark.req("V2G20-1080")
def test_terminate_ends_the_session() -> None:
    bench = stopped()
    assert code(bench.ask(r.session_stop())) == "OK"
    assert bench.end is not None
    assert (bench.end.reason, bench.end.paused) == (EndReason.TERMINATED, None)


def test_the_reason_of_the_ev_is_logged_in_one_line() -> None:
    bench = stopped()
    bench.ask(r.session_stop(code="bad\nvalue\x1b"))
    (notice,) = [o.text for o in bench.last if isinstance(o, Notice) and "ends" in o.text]
    assert "\n" not in notice
    assert "\\n" in notice


# --- pause ---


@pytest.mark.req("V2G20-1540")
def test_in_scheduled_mode_the_ev_may_pause() -> None:
    bench = stopped()
    assert code(bench.ask(PAUSE)) == "OK"
    assert bench.end is not None
    assert bench.end.reason is EndReason.PAUSED
    assert bench.end.paused is not None
    assert OpenContactor() in bench.last


@pytest.mark.req("V2G20-1195", "V2G20-1850")
def test_in_dynamic_mode_the_station_begins_a_pause() -> None:
    assert code(stopped(DYNAMIC).ask(PAUSE)) == NO_PAUSE
    bench = stopped(DYNAMIC)
    bench.feed(PauseRequested())
    assert code(bench.ask(PAUSE)) == "OK"


@pytest.mark.req("V2G20-1195")
@pytest.mark.parametrize(
    "state",
    [
        *(S.WAIT_AUTHORIZATION, S.WAIT_SERVICE_DISCOVERY, S.WAIT_SERVICE_SELECTION),
        *(S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE, S.WAIT_PRE_CHARGE_AGAIN, S.WAIT_POWER_ON_DC),
        *(S.WAIT_LOOP_DC, S.WAIT_LOOP_AC, S.WAIT_NEW_SCHEDULE_DC, S.WAIT_FIRST_LOOP_AC),
    ],
    ids=lambda state: state.name,
)
def test_no_pause_without_a_service_or_with_energy_at_the_output(state: S) -> None:
    bench = in_state(state)
    assert code(bench.ask(PAUSE)) == NO_PAUSE
    assert bench.end is not None
    assert bench.end.paused is None


def test_a_pause_before_the_start_needs_no_energy_transfer() -> None:
    for bench in (Bench20(DC).to_schedule(), Bench20(DC).to_cable_check(), Bench20(AC).to_power_on_ac()):
        assert code(bench.ask(PAUSE)) == "OK"


def test_no_pause_at_fault() -> None:
    bench = stopped()
    bench.outlet(fault=EvseFault.MALFUNCTION)
    assert code(bench.ask(PAUSE)) == NO_PAUSE


# --- another service ---


@pytest.mark.req("V2G20-1476", "V2G20-1477", "V2G20-1964")
def test_another_service_in_the_same_session_keeps_id_and_authorization() -> None:
    bench = stopped()
    before = bench.session.session_id
    assert code(bench.ask(AGAIN)) == "OK"
    assert not bench.ended
    assert bench.session.state is S.WAIT_SERVICE_DISCOVERY
    assert bench.session.granted
    response = bench.ask(r.service_discovery())
    assert (code(response), response.header.session_id) == ("OK", before)


@pytest.mark.req("V2G20-1955")
@pytest.mark.parametrize(
    "state",
    [
        *(
            S.WAIT_AUTHORIZATION_SETUP,
            S.WAIT_AUTHORIZATION,
            S.WAIT_SERVICE_DISCOVERY,
            S.WAIT_SERVICE_SELECTION,
        ),
        *(S.WAIT_PARAMETERS_DC, S.WAIT_SCHEDULE_DC, S.WAIT_CABLE_CHECK, S.WAIT_POWER_ON_AC, S.WAIT_LOOP_DC),
    ],
    ids=lambda state: state.name,
)
def test_no_service_renegotiation_before_the_end_of_a_charge(state: S) -> None:
    bench = in_state(state)
    assert code(bench.ask(AGAIN)) == NO_SERVICE
    assert bench.ended


@pytest.mark.req("V2G20-1931", "V2G20-1955")
def test_no_service_renegotiation_where_it_is_not_supported() -> None:
    bench = Bench20(with_iso20(DC, service_renegotiation=False)).to_first_loop_dc()
    for request in (r.dc_loop(), r.stop(), r.welding()):
        bench.ask(request)
    assert code(bench.ask(AGAIN)) == NO_SERVICE


@pytest.mark.inv("INV-29")
def test_no_service_renegotiation_after_a_stop_of_the_station() -> None:
    bench = stopped()
    bench.feed(StopRequested())
    assert code(bench.ask(AGAIN)) == NO_SERVICE


@pytest.mark.req("V2G20-2122")
@pytest.mark.inv("INV-06")
def test_nothing_of_the_service_before_makes_a_start_possible() -> None:
    bench = stopped()
    bench.ask(AGAIN)
    for request in (r.service_discovery(), r.service_detail(), r.selection(), r.dc_parameters()):
        bench.ask(request)
    assert bench.session.cable_test is None
    assert bench.session.match is None
    assert code(bench.ask(r.scheduled())) == "OK"
    assert code(bench.ask(r.start())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1932")
def test_what_is_said_about_renegotiation_stays_for_the_session() -> None:
    bench = Bench20(DC_BPT).to_services()
    first = bench.ask(r.service_discovery())
    bench.ask(r.service_detail(6))
    bench.ask(r.selection(6, 1))
    for request in (r.dc_bpt_parameters(), r.scheduled()):
        bench.ask(request)
    bench.ask(r.stop())
    bench.ask(r.welding())
    bench.ask(AGAIN)
    bench.session.discharge_permitted = 0.0
    second = bench.ask(r.service_discovery())
    assert second.service_renegotiation_supported == first.service_renegotiation_supported
    assert second.energy_transfer_service_list == first.energy_transfer_service_list
    bench.ask(r.service_detail(6))
    bench.ask(r.selection(6, 1))
    bench.ask(r.dc_bpt_parameters())
    assert bench.session.may_discharge == 0  # the permission is looked at again
