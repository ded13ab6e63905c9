"""ParkingStatus: the service, its sets, check-in and check-out."""

import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvCheckInStatus, EvCheckOutStatus, EvseCheckOutStatus
from secc.session.iso20.states import Iso20State as S
from secc.session.service_events import ServicesChosen
from secc.settings import Iso20Config
from tests.support import iso20 as r
from tests.support.iso20 import DC, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.states20 import PARKING_DC, in_state


def check_in(status: EvCheckInStatus) -> m.VehicleCheckInReq:
    return m.VehicleCheckInReq(
        header=r.HEAD, ev_check_in_status=status, parking_method=m.ParkingMethod.MANUAL
    )


def check_out(status: EvCheckOutStatus) -> m.VehicleCheckOutReq:
    return m.VehicleCheckOutReq(header=r.HEAD, ev_check_out_status=status, check_out_time=0)


def test_by_default_the_service_is_not_offered() -> None:
    found = Bench20(DC).to_services().ask(r.service_discovery())
    assert found.vas_list is None


def test_the_service_is_offered_with_its_sets_beside_internet() -> None:
    bench = Bench20(with_iso20(DC, parking=(2, 8), internet=(3,))).to_services()
    found = bench.ask(r.service_discovery())
    assert [one.service_id for one in found.vas_list.service] == [65, 66]
    sets = bench.ask(r.service_detail(66)).service_parameter_list.parameter_set
    values = [(one.parameter_set_id, {p.name: p.int_value for p in one.parameter}) for one in sets]
    assert values == [
        (2, {"IntendedService": 1, "ParkingStatusType": 2}),
        (8, {"IntendedService": 2, "ParkingStatusType": 4}),
    ]


def test_a_set_that_is_not_offered_is_refused() -> None:
    bench = Bench20(with_iso20(DC, parking=(2,))).to_selection()
    assert code(bench.ask(r.selection(2, 1, (66, 3)))) == "FAILED_ServiceSelectionInvalid"


@pytest.mark.req("V2G20-1985")
def test_an_ev_checks_in_before_its_charge_parameters() -> None:
    bench = in_state(S.WAIT_CHECK_IN_DC)
    assert any(isinstance(output, ServicesChosen) for output in bench.outputs)
    for status in (EvCheckInStatus.CHECK_IN, EvCheckInStatus.PROCESSING):
        assert code(bench.ask(check_in(status))) == "OK"
        assert bench.session.state is S.WAIT_CHECK_IN_DC
    assert code(bench.ask(check_in(EvCheckInStatus.COMPLETED))) == "OK"
    assert code(bench.ask(r.dc_parameters())) == "OK"


def test_an_ev_that_does_not_check_in_charges_as_well() -> None:
    assert code(in_state(S.WAIT_CHECK_IN_DC).ask(r.dc_parameters())) == "OK"
    assert code(in_state(S.WAIT_CHECK_IN_AC).ask(r.ac_parameters())) == "OK"


def test_an_ev_checks_out_after_the_charge() -> None:
    bench = in_state(S.WAIT_CHECK_OUT)
    response = bench.ask(check_out(EvCheckOutStatus.CHECK_OUT))
    assert response.evse_check_out_status is EvseCheckOutStatus.COMPLETED
    assert bench.session.state is S.WAIT_CHECK_OUT
    assert code(bench.ask(check_out(EvCheckOutStatus.COMPLETED))) == "OK"
    assert code(bench.ask(r.session_stop())) == "OK"


def test_without_the_service_there_is_nothing_to_check_in_or_out() -> None:
    bench = Bench20(PARKING_DC).to_parameters()
    assert code(bench.ask(check_in(EvCheckInStatus.COMPLETED))) == "FAILED_SequenceError"
    bench = in_state(S.WAIT_SESSION_STOP)
    assert code(bench.ask(check_out(EvCheckOutStatus.COMPLETED))) == "FAILED_SequenceError"


@pytest.mark.parametrize("sets", [(0,), (9,), (1, 1)])
def test_other_sets_are_no_setting(sets: tuple[int, ...]) -> None:
    with pytest.raises(Exception, match=r"iso20\.parking"):
        Iso20Config(parking=sets)
