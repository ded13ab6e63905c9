"""Values of DC that no other test looks at: ripple, tolerance, energy, ramp, bulk charging, modes."""

import dataclasses

import pytest

from secc.messages import iso2
from secc.messages.iso2 import EnergyTransferMode, PhysicalValue, UnitSymbol
from secc.session.outputs import SetOutput
from secc.settings import DcConfig, EnergyConfig, SeccConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code


def with_dc(**changes: object) -> SeccConfig:
    dc = dataclasses.replace(DC.energy.dc, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(DC, energy=EnergyConfig(modes=DC.energy.modes, dc=dc))


def parameters(config: SeccConfig, request: iso2.ChargeParameterDiscoveryReq) -> iso2.DCEVSEChargeParameter:
    response = Bench(config).to_parameters().request(request)
    assert isinstance(response, iso2.ChargeParameterDiscoveryRes)
    assert isinstance(response.evse_charge_parameter, iso2.DCEVSEChargeParameter)
    return response.evse_charge_parameter


def wanting(watt_hours: int, departure: int | None = None) -> iso2.ChargeParameterDiscoveryReq:
    request = r.dc_parameters(departure=departure)
    assert isinstance(request.ev_charge_parameter, iso2.DCEVChargeParameter)
    changed = {
        name: getattr(request.ev_charge_parameter, name)
        for name in request.ev_charge_parameter.__struct_fields__
    }
    changed["ev_energy_request"] = PhysicalValue(multiplier=0, unit=UnitSymbol.WH, value=watt_hours)
    return iso2.ChargeParameterDiscoveryReq(
        requested_energy_transfer_mode=request.requested_energy_transfer_mode,
        ev_charge_parameter=iso2.DCEVChargeParameter(**changed),
    )


@pytest.mark.req("V2G2-373")
def test_ripple_and_tolerance_are_reported_as_configured() -> None:
    told = parameters(with_dc(peak_current_ripple=1.5, current_regulation_tolerance=0.5), r.dc_parameters())
    assert told.evse_peak_current_ripple == PhysicalValue(multiplier=-1, unit=UnitSymbol.A, value=15)
    assert told.evse_current_regulation_tolerance == PhysicalValue(multiplier=-1, unit=UnitSymbol.A, value=5)
    assert parameters(DC, r.dc_parameters()).evse_current_regulation_tolerance is None


@pytest.mark.parametrize(
    ("departure", "told"),
    [(None, 20_000), (3600, 20_000), (720, 10_000)],  # 50 kW for 12 minutes are 10 kWh
)
def test_energy_to_be_delivered_is_what_wish_and_schedule_allow(departure: int | None, told: int) -> None:
    energy = parameters(with_dc(tell_energy=True), wanting(20_000, departure)).evse_energy_to_be_delivered
    assert energy == PhysicalValue(multiplier=0, unit=UnitSymbol.WH, value=told)


def test_energy_is_sent_only_where_it_is_wanted_and_known() -> None:
    assert parameters(DC, wanting(20_000)).evse_energy_to_be_delivered is None
    assert parameters(with_dc(tell_energy=True), r.dc_parameters()).evse_energy_to_be_delivered is None


# --- the ramp ---


def set_points(bench: Bench) -> list[float]:
    return [output.current for output in bench.outputs if isinstance(output, SetOutput)]


@pytest.mark.inv("INV-07")
def test_the_set_point_rises_no_faster_than_the_ramp() -> None:
    bench = Bench(with_dc(current_ramp=20.0)).to_first_demand()
    before = set_points(bench)[-1]
    bench.request(r.current_demand(current=r.amperes(60)))
    started = bench.clock.now
    bench.tick(1.0)
    assert max(set_points(bench)) <= before + 20.0 * (bench.clock.now - started) + 0.001
    bench.request(r.current_demand(current=r.amperes(60)))
    for _ in range(4):
        bench.tick(1.0)
        bench.request(r.current_demand(current=r.amperes(60)))
    assert set_points(bench)[-1] == 60.0


@pytest.mark.inv("INV-07", "INV-08")
def test_the_set_point_falls_at_once() -> None:
    bench = Bench(with_dc(current_ramp=20.0)).to_first_demand()
    for _ in range(6):
        bench.request(r.current_demand(current=r.amperes(60)))
        bench.tick(1.0)
    bench.request(r.current_demand(current=r.amperes(5)))
    assert set_points(bench)[-1] == 5.0


def test_a_ramp_of_nothing_is_refused() -> None:
    with pytest.raises(Exception, match="current_ramp"):
        DcConfig(current_ramp=0.0)


# --- what the EV says ---


@pytest.mark.req("V2G2-258")
@pytest.mark.parametrize(("bulk", "full", "amperes"), [(True, False, 80.0), (False, True, 0.0)])
def test_bulk_charging_complete_is_information_and_charging_complete_is_not(
    bulk: bool, full: bool, amperes: float
) -> None:
    bench = Bench(DC).to_demand()
    request = r.current_demand(current=r.amperes(80), complete=full)
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    bench.request(iso2.CurrentDemandReq(**fields | {"bulk_charging_complete": bulk}))
    assert set_points(bench)[-1] == amperes


@pytest.mark.req("V2G2-476")
@pytest.mark.parametrize("mode", [EnergyTransferMode.DC_CORE, EnergyTransferMode.DC_EXTENDED])
def test_core_and_extended_are_taken_as_offered(mode: EnergyTransferMode) -> None:
    assert code(Bench(DC).to_parameters().request(r.dc_parameters(mode))) == "OK"
    assert code(Bench(AC).to_parameters().request(r.dc_parameters(mode))) == "FAILED_WrongEnergyTransferMode"


@pytest.mark.parametrize(
    ("mode", "amperes"),
    [(EnergyTransferMode.AC_SINGLE_PHASE_CORE, 10), (EnergyTransferMode.AC_THREE_PHASE_CORE, 3)],
)
def test_a_limit_of_power_is_a_current_per_phase(mode: EnergyTransferMode, amperes: int) -> None:
    bench = Bench(AC).to_parameters()
    bench.outlet(max_power=2300.0)
    response = bench.request(r.ac_parameters(mode))
    assert isinstance(response, iso2.ChargeParameterDiscoveryRes)
    assert isinstance(response.evse_charge_parameter, iso2.ACEVSEChargeParameter)
    told = response.evse_charge_parameter.evse_max_current
    assert told.value * 10**told.multiplier // 1 == amperes
