"""ServiceDiscovery, ServiceDetail, ServiceSelection."""

import dataclasses
from typing import Any

import pytest

from secc.session.inputs import DischargePermitted
from secc.session.iso20.services import ControlMode, Service
from secc.session.iso20.side import Selection
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.table import ISO20_DC
from secc.session.service_events import ServicesChosen
from secc.settings import CompatConfig
from tests.support import iso20 as r
from tests.support.bench import Bench
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.vehicles import vehicle_identity


def ids(response: Any) -> list[int]:
    return [one.service_id for one in response.energy_transfer_service_list.service]


@pytest.mark.req("V2G20-1931")
def test_the_services_of_each_outlet() -> None:
    expected = {
        AC: [1],
        AC_BPT: [1, 5],
        DC: [2],
        DC_BPT: [2, 6],
        with_iso20(DC_BPT, mcs=True, discharge=True): [8, 9],
    }
    for config, services in expected.items():
        response = Bench20(config).to_services().ask(r.service_discovery())
        assert ids(response) == services
        assert response.service_renegotiation_supported is True
        assert response.vas_list is None


@pytest.mark.req("V2G20-1248")
def test_the_list_is_cut_to_what_the_car_supports_but_never_empty() -> None:
    assert ids(Bench20(DC_BPT).to_services().ask(r.service_discovery(6, 1))) == [6]
    assert ids(Bench20(DC_BPT).to_services().ask(r.service_discovery(1))) == [2, 6]


@pytest.mark.req("V2G20-1249")
def test_the_internet_is_offered_where_configured_and_supported() -> None:
    config = with_iso20(DC, internet=(3, 4))
    response = Bench20(config).to_services().ask(r.service_discovery())
    assert [one.service_id for one in response.vas_list.service] == [65]
    assert Bench20(config).to_services().ask(r.service_discovery(2)).vas_list is None
    bench = Bench20(config).to_selection()
    assert len(bench.ask(r.service_detail(65)).service_parameter_list.parameter_set) == 2
    assert code(bench.ask(r.selection(2, 1, (65, 4)))) == "OK"
    assert any(isinstance(output, ServicesChosen) for output in bench.last)


def test_bidirectional_services_need_the_permission_of_the_operator() -> None:
    assert ids(Bench20(with_iso20(DC_BPT)).to_services().ask(r.service_discovery())) == [2]
    bench = Bench20(DC_BPT).to_services()
    bench.feed(DischargePermitted(0.0))
    assert ids(bench.ask(r.service_discovery())) == [2]
    bench.ask(r.service_detail(2))
    assert code(bench.ask(r.selection(6, 1))) == "FAILED_ServiceSelectionInvalid"


def test_a_permission_while_the_station_runs_is_enough() -> None:
    bench = Bench20(with_iso20(DC_BPT)).to_services()
    bench.feed(DischargePermitted(5000.0))
    assert ids(bench.ask(r.service_discovery())) == [2, 6]


@pytest.mark.req("V2G20-2656")
def test_each_service_has_both_control_modes() -> None:
    bench = Bench20(DC_BPT).to_services()
    bench.ask(r.service_discovery())
    for service in (2, 6):
        response = bench.ask(r.service_detail(service))
        assert response.service_id == service
        modes = [
            one.int_value
            for each in response.service_parameter_list.parameter_set
            for one in each.parameter
            if one.name == "ControlMode"
        ]
        assert modes == [1, 2]


@pytest.mark.req("V2G20-425", "V2G20-464")
@pytest.mark.parametrize("service", [0, 1, 6, 65, 65_535])
def test_details_of_what_is_not_offered_are_refused(service: int) -> None:
    bench = Bench20(DC).to_services()
    bench.ask(r.service_discovery())
    assert code(bench.ask(r.service_detail(service))) == "FAILED_ServiceIDInvalid"
    assert bench.ended


@pytest.mark.req("V2G20-433", "V2G20-467", "V2G20-1216")
@pytest.mark.parametrize(("service", "parameter_set"), [(2, 0), (2, 3), (6, 1), (1, 1), (8, 1)])
def test_a_pair_that_was_not_offered_is_refused(service: int, parameter_set: int) -> None:
    bench = Bench20(DC).to_selection()
    assert code(bench.ask(r.selection(service, parameter_set))) == "FAILED_ServiceSelectionInvalid"


@pytest.mark.req("V2G20-1618")
@pytest.mark.parametrize("service", [0, 65, 66, 1000])
def test_a_service_without_energy_is_no_energy_service(service: int) -> None:
    bench = Bench20(with_iso20(DC, internet=(1,))).to_selection()
    assert code(bench.ask(r.selection(service, 1))) == "FAILED_NoEnergyTransferServiceSelected"


def test_an_energy_service_is_no_value_added_one() -> None:
    bench = Bench20(DC).to_selection()
    assert code(bench.ask(r.selection(2, 1, (2, 2)))) == "FAILED_ServiceSelectionInvalid"


def test_what_is_selected_decides_about_the_next_state() -> None:
    bench = Bench20(DC).to_parameters(2, 2)
    assert bench.session.state is S.WAIT_PARAMETERS_DC
    chosen = bench.side.selection
    assert isinstance(chosen, Selection)
    assert (chosen.service, chosen.parameters.control) == (Service.DC, ControlMode.DYNAMIC)
    assert Bench20(AC).to_parameters(1).session.state is S.WAIT_PARAMETERS_AC


@pytest.mark.req("V2G20-459")
def test_a_second_selection_is_out_of_order() -> None:
    bench = Bench20(DC).to_parameters()
    assert code(bench.ask(r.selection())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1980")
def test_a_selection_without_details_is_a_leniency() -> None:
    bench = Bench20(DC).to_services()
    bench.ask(r.service_discovery())
    assert code(bench.ask(r.selection())) == "OK"
    bench = Bench20(dataclasses.replace(DC, compat=CompatConfig.strict())).to_services()
    bench.ask(r.service_discovery())
    assert code(bench.ask(r.selection())) == "FAILED_SequenceError"


def test_a_permission_from_before_the_handshake_counts() -> None:
    config = with_iso20(DC_BPT)
    bench = Bench(config, tls=True, tls13=True, vehicle=vehicle_identity())
    bench.feed(DischargePermitted(5000.0))
    bench.session.speak(ISO20_DC)
    assert bench.session.discharge_permitted == 5000.0
