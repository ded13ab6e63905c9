"""DC_ and AC_ChargeParameterDiscovery."""

import dataclasses
from typing import Any

import pytest

from secc.messages import iso20_ac as ac
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import RationalNumber
from secc.session.inputs import PowerLimited
from secc.session.iso20 import numbers
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import SetOutput
from secc.settings import DischargeSign, Iso20Config, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, Bench20, code

WRONG = "FAILED_WrongChargeParameter"


def value(rational: RationalNumber) -> float:
    return numbers.down(rational) / 1000


def offered(response: Any) -> Any:
    mode = "ac_cpd_res_energy_transfer_mode" if hasattr(response, "ac_cpd_res_energy_transfer_mode") else None
    return getattr(response, mode or "dc_cpd_res_energy_transfer_mode")


def test_dc_limits_of_the_outlet() -> None:
    bench = Bench20(DC).to_parameters()
    found = offered(bench.ask(r.dc_parameters()))
    assert type(found) is dc.DCCPDResEnergyTransferMode
    assert value(found.evse_maximum_charge_power) == 50_000
    assert value(found.evse_maximum_charge_current) == 125
    assert value(found.evse_maximum_voltage) == 500
    assert value(found.evse_minimum_voltage) == 150
    assert bench.session.state is S.WAIT_SCHEDULE_DC


def test_the_least_power_of_dc_is_that_of_its_least_current() -> None:
    energy = dataclasses.replace(DC.energy, dc=dataclasses.replace(DC.energy.dc, min_current=4.0))
    config = dataclasses.replace(DC, energy=energy)
    found = offered(Bench20(config).to_parameters().ask(r.dc_parameters()))
    assert value(found.evse_minimum_charge_power) == 600
    answer = Bench20(config).to_first_loop_dc().ask(r.dc_loop())
    assert value(answer.cl_res_control_mode.evse_minimum_charge_power) == 600


@pytest.mark.inv("INV-08")
def test_a_limit_of_load_management_is_what_is_offered() -> None:
    bench = Bench20(DC).to_parameters()
    bench.feed(PowerLimited(12_345.0))
    assert value(offered(bench.ask(r.dc_parameters())).evse_maximum_charge_power) == 12_345
    bench = Bench20(DC).to_parameters()
    bench.feed(PowerLimited(0.0))
    response = bench.ask(r.dc_parameters())
    assert (code(response), value(offered(response).evse_maximum_charge_power)) == ("OK", 0)


@pytest.mark.req("V2G20-2272", "V2G20-2314")
@pytest.mark.parametrize(
    "limits",
    [
        {"ev_maximum_charge_power": 0},
        {"ev_maximum_charge_power": -1},
        {"ev_maximum_charge_current": 0},
        {"ev_minimum_charge_current": 101},
        {"ev_minimum_charge_power": 41_000},
        {"ev_maximum_voltage": 149},
        {"ev_minimum_voltage": 421},
        {"ev_maximum_charge_current": 126, "ev_minimum_charge_current": 126},
    ],
    ids=str,
)
def test_dc_parameters_without_sense_are_refused(limits: dict[str, float]) -> None:
    bench = Bench20(DC).to_parameters()
    assert code(bench.ask(r.dc_parameters(**limits))) == WRONG
    assert bench.ended


def test_an_exponent_beyond_everything_is_refused_without_an_overflow() -> None:
    request = r.dc_parameters()
    mode = request.dc_cpd_req_energy_transfer_mode
    fields = {name: getattr(mode, name) for name in mode.__struct_fields__}
    fields["ev_maximum_charge_power"] = RationalNumber(exponent=127, value=32_767)
    huge = dc.DCChargeParameterDiscoveryReq(
        header=r.HEAD, dc_cpd_req_energy_transfer_mode=dc.DCCPDReqEnergyTransferMode(**fields)
    )
    assert code(Bench20(DC).to_parameters().ask(huge)) == WRONG


@pytest.mark.req("V2G20-1600")
def test_the_parameters_must_be_of_the_selected_service() -> None:
    assert code(Bench20(DC_BPT).to_parameters(2).ask(r.dc_bpt_parameters())) == WRONG
    assert code(Bench20(DC_BPT).to_parameters(6).ask(r.dc_parameters())) == WRONG
    assert code(Bench20(AC_BPT).to_parameters(1).ask(r.ac_bpt_parameters())) == WRONG
    assert code(Bench20(AC_BPT).to_parameters(5).ask(r.ac_parameters())) == WRONG


@pytest.mark.req("V2G20-459")
def test_ac_parameters_in_a_dc_session_are_out_of_order() -> None:
    assert code(Bench20(DC).to_parameters().ask(r.ac_parameters())) == "FAILED_SequenceError"
    assert code(Bench20(AC).to_parameters(1).ask(r.dc_parameters())) == "FAILED_SequenceError"


def test_parameters_twice_before_the_schedule_are_out_of_order() -> None:
    assert code(Bench20(DC).to_schedule().ask(r.dc_parameters())) == "FAILED_SequenceError"


# --- both directions ---


def signed(config: SeccConfig, sign: DischargeSign) -> SeccConfig:
    return dataclasses.replace(config, iso20=Iso20Config(discharge=True, discharge_sign=sign))


@pytest.mark.req("V2G20-1034", "V2G20-1035", "V2G20-1204", "V2G20-1213")
@pytest.mark.parametrize("sign", [1, -1])
def test_discharge_limits_have_the_sign_of_the_ev(sign: int) -> None:
    found = offered(Bench20(DC_BPT).to_parameters(6).ask(r.dc_bpt_parameters(sign)))
    assert type(found) is dc.BPTDCCPDResEnergyTransferMode
    assert value(found.evse_maximum_discharge_power) == sign * 20_000
    assert value(found.evse_maximum_discharge_current) == sign * 60
    assert value(found.evse_maximum_charge_power) == 50_000
    found = offered(Bench20(AC_BPT).to_parameters(5).ask(r.ac_bpt_parameters(sign)))
    assert value(found.evse_maximum_discharge_power) == sign * 11_040


@pytest.mark.parametrize(("setting", "sign"), [(DischargeSign.NEGATIVE, -1), (DischargeSign.POSITIVE, 1)])
def test_the_sign_can_be_forced(setting: DischargeSign, sign: int) -> None:
    for of_the_ev in (1, -1):
        bench = Bench20(signed(DC_BPT, setting)).to_parameters(6)
        found = offered(bench.ask(r.dc_bpt_parameters(of_the_ev)))
        assert value(found.evse_maximum_discharge_power) == sign * 20_000


@pytest.mark.parametrize("sign", [1, -1])
def test_the_ev_limits_of_discharge_are_magnitudes_of_either_sign(sign: int) -> None:
    bench = Bench20(DC_BPT).to_parameters(6)
    bench.ask(r.dc_bpt_parameters(sign))
    assert bench.session.parameters is not None
    limits = bench.session.parameters.limits
    assert (limits.discharge_power, limits.discharge_current) == (10_000_000, 30_000)
    assert (limits.power, limits.current) == (40_000_000, 100_000)
    assert limits.lowest_voltage == 200_000


def test_a_least_discharge_above_the_most_is_refused() -> None:
    request = r.dc_bpt_parameters(ev_minimum_discharge_power=-11_000)
    assert code(Bench20(DC_BPT).to_parameters(6).ask(request)) == WRONG
    request_ac = r.ac_bpt_parameters(ev_minimum_discharge_power=-12_000)
    assert code(Bench20(AC_BPT).to_parameters(5).ask(request_ac)) == WRONG


# --- AC ---


@pytest.mark.req("V2G20-1815", "V2G20-1817", "V2G20-1822", "V2G20-1823")
def test_the_base_element_is_the_sum_of_all_phases() -> None:
    found = offered(Bench20(AC).to_parameters(1, 1).ask(r.ac_parameters()))
    assert value(found.evse_maximum_charge_power) == 22_080
    assert found.evse_maximum_charge_power_l2 is None
    assert value(found.evse_nominal_frequency) == 50
    found = offered(Bench20(AC).to_parameters(1, 3).ask(r.ac_parameters()))
    assert value(found.evse_maximum_charge_power) == 7360


@pytest.mark.req("V2G20-1816", "V2G20-1818", "V2G20-1822")
def test_elements_of_each_phase_are_answered_with_such() -> None:
    each = {f"ev_maximum_charge_power{phase}": 7000.0 for phase in ("", "_l2", "_l3")}
    bench = Bench20(AC).to_parameters(1)
    found = offered(bench.ask(r.ac_parameters(**each)))
    assert type(found) is ac.ACCPDResEnergyTransferMode
    for phase in ("", "_l2", "_l3"):
        assert value(getattr(found, f"evse_maximum_charge_power{phase}")) == 7360
    assert bench.session.parameters is not None
    assert bench.session.parameters.limits.power == 21_000_000


@pytest.mark.req("V2G20-1619")
@pytest.mark.parametrize(
    "limits", [{"ev_maximum_charge_power": 0}, {"ev_minimum_charge_power": 22_001}], ids=str
)
def test_ac_parameters_without_sense_are_refused(limits: dict[str, float]) -> None:
    assert code(Bench20(AC).to_parameters(1).ask(r.ac_parameters(**limits))) == WRONG


def test_a_target_of_charge_is_kept() -> None:
    request = r.dc_parameters()
    mode = request.dc_cpd_req_energy_transfer_mode
    fields = {name: getattr(mode, name) for name in mode.__struct_fields__} | {"target_soc": 80}
    bench = Bench20(DC).to_parameters()
    bench.ask(
        dc.DCChargeParameterDiscoveryReq(
            header=r.HEAD, dc_cpd_req_energy_transfer_mode=dc.DCCPDReqEnergyTransferMode(**fields)
        )
    )
    assert bench.side.battery.target_soc == 80


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("limit", "current"),
    [({"ev_maximum_charge_current": 30}, 30.0), ({"ev_maximum_charge_power": 4000}, 10.0), ({}, 40.0)],
    ids=["current", "power", "the same"],
)
def test_lower_limits_under_power_count_at_once(limit: dict[str, float], current: float) -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.outlet(present_voltage=400.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 40))
    bench.ask(r.renegotiate())
    bench.ask(r.dc_parameters(**limit))
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1] == SetOutput(400.0, current)


def test_wider_limits_under_power_wait_for_a_demand() -> None:
    bench = Bench20(DC).to_first_loop_dc(ev_maximum_charge_current=30)
    bench.outlet(present_voltage=400.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 40))
    bench.ask(r.renegotiate())
    bench.ask(r.dc_parameters(ev_maximum_charge_current=60))
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1] == SetOutput(400.0, 30.0)
