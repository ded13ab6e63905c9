"""Power of three phases: what each has, and how a set-point is divided."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages import iso20_ac as ac
from secc.messages.iso20_common import RationalNumber
from secc.session.inputs import EnergyTargeted, PowerLimited
from secc.session.iso20 import numbers
from secc.session.iso20.phases import apart, narrower, split
from secc.settings import AcConfig, EnergyConfig, Iso20Config, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DYNAMIC, Bench20, number

POWER = st.integers(0, 30_000_000)
EACH = st.tuples(*[st.integers(0, 8_000_000)] * 3)


@given(POWER, EACH, st.none() | st.integers(0, 8_000_000))
def test_no_phase_gets_more_than_it_has_and_the_sum_is_no_more_than_wanted(
    power: int, most: tuple[int, int, int], asymmetry: int | None
) -> None:
    shares = split(power, most, asymmetry)
    assert all(0 <= share <= limit for share, limit in zip(shares, most, strict=True))
    assert sum(shares) <= power
    if asymmetry is not None:
        assert max(shares) - min(shares) <= asymmetry
    elif power <= sum(most):
        assert sum(shares) >= power - 2  # whole milliwatts
    else:
        assert shares == most


def test_a_power_is_divided_evenly_where_each_phase_has_room() -> None:
    assert split(9000, (4000, 4000, 4000), None) == (3000, 3000, 3000)
    assert split(9000, (1000, 5000, 5000), None) == (1000, 4000, 4000)
    assert split(9000, (7000, 0, 0), None) == (7000, 0, 0)
    assert split(9000, (7000, 0, 0), 2000) == (2000, 0, 0)


def test_limits_of_each_phase_are_read_only_where_the_ev_distinguishes_them() -> None:
    request: Any = r.ac_parameters().ac_cpd_req_energy_transfer_mode
    assert apart(request, "ev_maximum_charge_power") is None
    mode = ac.ACCPDReqEnergyTransferMode(
        ev_maximum_charge_power=number(7000),
        ev_minimum_charge_power=number(0),
        ev_maximum_charge_power_l2=number(3000),
    )
    assert apart(mode, "ev_maximum_charge_power") == (7_000_000, 3_000_000, 0)


def test_a_later_limit_only_narrows() -> None:
    assert narrower((3, 5, 7), (4, 4, 4)) == (3, 4, 4)
    assert narrower((3, 5, 7), None) == (3, 5, 7)
    assert narrower(None, (4, 4, 4)) is None


# --- in a session ---


def outlet(base: SeccConfig = AC, **values: Any) -> SeccConfig:
    energy = EnergyConfig(ac=AcConfig(max_discharge_current=16.0, **values))
    return SeccConfig(evse_id=base.evse_id, energy=energy, iso20=base.iso20)


UNEVEN = {
    "ev_maximum_charge_power": 7000,
    "ev_maximum_charge_power_l2": 2000,
    "ev_maximum_charge_power_l3": 0,
}


def targets(response: Any) -> list[float]:
    mode = response.cl_res_control_mode
    parts = (
        mode.evse_target_active_power,
        mode.evse_target_active_power_l2,
        mode.evse_target_active_power_l3,
    )
    return [watts(part) for part in parts if part is not None]


def watts(part: RationalNumber) -> float:
    return numbers.down(part) / 1000


@pytest.mark.req("V2G20-1816", "V2G20-1818", "V2G20-1822", "V2G20-2657")
def test_the_set_point_of_each_phase_keeps_to_what_the_ev_has_there() -> None:
    bench = Bench20(outlet()).to_first_loop_ac(1, DYNAMIC, **UNEVEN)
    assert targets(bench.ask(r.ac_dynamic_loop())) == [7000.0, 2000.0, 0.0]
    bench.feed(PowerLimited(6000.0))
    assert targets(bench.ask(r.ac_dynamic_loop())) == [4000.0, 2000.0, 0.0]


def test_limits_of_each_phase_in_the_loop_narrow_further() -> None:
    bench = Bench20(outlet()).to_first_loop_ac(1, DYNAMIC, **UNEVEN)
    bench.ask(r.ac_dynamic_loop())
    now = {"ev_maximum_charge_power": 1000, "ev_maximum_charge_power_l2": 5000}
    assert targets(bench.ask(r.ac_dynamic_loop(**now))) == [1000.0, 2000.0, 0.0]


@pytest.mark.req("V2G20-1828")
def present(mode: Any) -> list[float]:
    name = "evse_present_active_power"
    found = [getattr(mode, f"{name}{phase}") for phase in ("", "_l2", "_l3")]
    return [watts(part) for part in found if part is not None]


@pytest.mark.req("V2G20-1818", "V2G20-1822")
@pytest.mark.parametrize(("limits", "expected"), [({}, [-900.0]), (UNEVEN, [-1000.0, 0.0, 100.0])])
def test_the_measured_power_is_sent_as_the_ev_reads_it(limits: dict[str, Any], expected: list[float]) -> None:
    bench = Bench20(outlet()).to_parameters(1, DYNAMIC)
    bench.outlet(present_power=-900.0, phase_powers=(-1000.0, 0.0, 100.0))
    assert present(bench.ask(r.ac_parameters(**limits)).ac_cpd_res_energy_transfer_mode) == expected
    bench = Bench20(outlet()).to_first_loop_ac(1, DYNAMIC, **limits)
    bench.outlet(present_power=-900.0, phase_powers=(-1000.0, 0.0, 100.0))
    assert present(bench.ask(r.ac_dynamic_loop()).cl_res_control_mode) == expected


def test_what_the_outlet_does_not_measure_is_left_out() -> None:
    bench = Bench20(outlet()).to_first_loop_ac()
    assert present(bench.ask(r.ac_loop()).cl_res_control_mode) == []
    bench = Bench20(outlet()).to_first_loop_ac(1, DYNAMIC, **UNEVEN)
    bench.outlet(present_power=2100.0)  # a sum, which this EV would take for L1
    assert present(bench.ask(r.ac_dynamic_loop()).cl_res_control_mode) == []


@pytest.mark.req("V2G20-1828")
def test_the_asymmetry_is_sent_and_kept() -> None:
    bench = Bench20(outlet(max_power_asymmetry=4600.0)).to_parameters(1, DYNAMIC)
    offer = bench.ask(r.ac_parameters(**UNEVEN)).ac_cpd_res_energy_transfer_mode
    assert watts(offer.maximum_power_asymmetry) == 4600.0
    bench = Bench20(outlet(max_power_asymmetry=4600.0)).to_first_loop_ac(1, DYNAMIC, **UNEVEN)
    assert targets(bench.ask(r.ac_dynamic_loop())) == [4600.0, 2000.0, 0.0]


def test_by_default_no_asymmetry_and_no_ramp_are_sent() -> None:
    offer = Bench20(AC).to_parameters(1).ask(r.ac_parameters()).ac_cpd_res_energy_transfer_mode
    assert offer.maximum_power_asymmetry is None
    assert offer.evse_power_ramp_limitation is None


def test_the_ramp_limitation_is_sent_as_it_is_configured() -> None:
    config = SeccConfig(evse_id=AC.evse_id, iso20=Iso20Config(power_ramp_limitation=12.5))
    offer = Bench20(config).to_parameters(1).ask(r.ac_parameters()).ac_cpd_res_energy_transfer_mode
    assert watts(offer.evse_power_ramp_limitation) == 12.5


def test_the_power_of_dynamic_mode_rises_with_the_ramp_and_falls_at_once() -> None:
    bench = Bench20(outlet(power_ramp=1000.0)).to_first_loop_ac(1, DYNAMIC)
    found = []
    for _ in range(3):
        bench.tick(1.0)
        found += targets(bench.ask(r.ac_dynamic_loop()))
    assert found == [1000.0, 2000.0, 3000.0]
    bench.feed(EnergyTargeted(500.0))
    assert targets(bench.ask(r.ac_dynamic_loop())) == [500.0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_time_without_a_loop_saves_up_no_step_of_the_ramp(sign: float) -> None:
    config = outlet(AC_BPT, power_ramp=1000.0)
    bench = Bench20(config).to_first_loop_ac(5, DYNAMIC)
    bench.feed(EnergyTargeted(sign * 11_000.0))
    bench.tick(1.0)
    assert targets(bench.ask(r.ac_bpt_dynamic_loop())) == [sign * 1000.0]
    bench.ask(r.renegotiate())
    bench.tick(20.0)
    bench.ask(r.dynamic())
    bench.ask(r.renegotiate())
    assert targets(bench.ask(r.ac_bpt_dynamic_loop())) == [sign * 3000.0]


@pytest.mark.req("V2G20-1468")
def test_discharge_of_each_phase_has_its_sign_and_begins_at_zero() -> None:
    back = {"ev_maximum_discharge_power": -3000, "ev_maximum_discharge_power_l2": -1000}
    back["ev_maximum_discharge_power_l3"] = -3000
    bench = Bench20(outlet(AC_BPT)).to_first_loop_ac(5, DYNAMIC, **UNEVEN, **back)
    bench.ask(r.ac_bpt_dynamic_loop())
    bench.feed(EnergyTargeted(-20_000.0))
    assert targets(bench.ask(r.ac_bpt_dynamic_loop())) == [0.0, 0.0, 0.0]
    assert targets(bench.ask(r.ac_bpt_dynamic_loop())) == [-3000.0, -1000.0, -3000.0]
