"""DER controls of OCPP 2.1: which one acts, and what it means in AC_DER_IEC."""

from __future__ import annotations

from typing import Any

import pytest

from secc.ocpp import der_model, der_rules
from secc.ocpp.der_model import DerControl, DerState
from secc.ocpp.der_rules import DerRatings
from secc.ocpp.model import Payload
from secc.session.grid import CurveKind, GridCode, GridPoint, GridTargets
from secc.settings import AcConfig, EnergyConfig, EnergyMode, Iso20Config, SeccConfig

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
RATINGS = DerRatings(volts=230.0, hertz=50.0, watts=11_000.0, var=5_000.0)


def points(*pairs: tuple[float, float]) -> list[Payload]:
    return [{"x": x, "y": y} for x, y in pairs]


def curve(kind: str, unit: str, *pairs: tuple[float, float], **more: Any) -> Payload:
    return request(kind, curve={"priority": 1, "yUnit": unit, "curveData": points(*pairs), **more})


def request(kind: str, *, id_: str = "c1", default: bool = True, **values: Any) -> Payload:
    return {"isDefault": default, "controlId": id_, "controlType": kind, **values}


DROOP = request(
    "FreqDroop",
    freqDroop={
        "priority": 1,
        "overFreq": 50.2,
        "underFreq": 49.8,
        "overDroop": 0.05,
        "underDroop": 0.04,
        "responseTime": 2.0,
    },
)
VOLT_VAR = curve("VoltVar", "PctMaxVar", (90.0, 100.0), (98.0, 0.0), (108.0, -100.0))
VOLT_WATT = curve("VoltWatt", "PctMaxW", (0.0, 100.0), (109.0, 100.0), (112.0, 0.0))
WATT_PF = curve("WattPF", "Not_Applicable", (50.0, -1.0), (100.0, -0.9))
CESSATION = curve("HVMomCess", "Not_Applicable", (0.0, 115.0), hysteresis={"hysteresisHigh": 110.0})
FIXED_VAR = request("FixedVar", id_="q", fixedVar={"priority": 2, "setpoint": -40.0, "unit": "PctMaxVar"})
FIXED_PF = request(
    "FixedPFInject", id_="pf", fixedPFInject={"priority": 3, "displacement": 0.95, "excitation": True}
)
LIMIT = request("LimitMaxDischarge", id_="l", limitMaxDischarge={"priority": 0, "pctMaxDischargePower": 50.0})


def control(body: Payload) -> DerControl:
    found = der_model.read_control(body, NOW)
    der_rules.check_control(found, RATINGS)
    return found


def scheduled(id_: str, priority: int, start: float, duration: float, percent: float = 10.0) -> DerControl:
    """A scheduled FixedVar, `start` seconds from now."""
    values = {"priority": priority, "setpoint": percent, "unit": "PctMaxVar", "duration": duration}
    found = control(request("FixedVar", id_=id_, default=False, fixedVar={**values, "startTime": _at(start)}))
    assert found.start == NOW + start
    return found


def _at(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"2027-01-15T08:{minutes:02}:{rest:02}Z"


def rules(*bodies: Payload) -> GridCode | None:
    controls = [control(body) for body in bodies]
    acting = der_model.acting(controls, NOW)
    return der_rules.code_of(acting, frozenset(one.kind for one in controls), RATINGS)


# --- what a control means ----------------------------------------------------------------------------------


def test_a_droop_becomes_both_functions_of_frequency() -> None:
    code = rules(DROOP)
    assert code is not None
    assert code.over_frequency is not None
    assert code.under_frequency is not None
    assert (code.over_frequency.start, code.over_frequency.slope) == (50.2, 40.0)
    assert (code.under_frequency.start, code.under_frequency.slope) == (49.8, 50.0)
    assert not code.over_frequency.of_momentary
    assert code.over_frequency.response.seconds == pytest.approx(2.0 / 2.302585)


def test_percentages_become_volts_and_var_of_the_outlet() -> None:
    code = rules(VOLT_VAR)
    assert code is not None
    assert code.reactive is not None
    assert code.reactive.function is CurveKind.VOLT_VAR
    assert [(round(one.x, 6), one.y) for one in code.reactive.points] == [
        (207.0, 5000.0),
        (225.4, 0.0),
        (248.4, -5000.0),
    ]


def test_a_power_factor_changes_its_sign_because_ocpp_counts_absorbed_reactive_power() -> None:
    code = rules(WATT_PF)
    assert code is not None
    assert code.reactive is not None
    assert code.reactive.points == (GridPoint(5500.0, 1.0), GridPoint(11_000.0, 0.9))


def test_power_by_voltage_needs_its_falling_part_only() -> None:
    code = rules(VOLT_WATT)
    assert code is not None
    assert code.volt_watt is not None
    assert code.volt_watt.start == pytest.approx(250.7)
    assert code.volt_watt.stop == pytest.approx(257.6)
    assert not code.volt_watt.of_momentary


def test_cessation_at_high_and_low_voltage_is_one_function() -> None:
    low = curve("LVMomCess", "Not_Applicable", (0.0, 50.0)) | {"controlId": "low"}
    code = rules(CESSATION, low)
    assert code is not None
    assert code.zero_current is not None
    zero = code.zero_current
    assert zero.above == pytest.approx(264.5)
    assert zero.recovery_above == pytest.approx(253.0)
    assert zero.below == 115.0


def test_set_points_become_targets_and_are_announced_in_the_rules() -> None:
    acting = der_model.acting([control(FIXED_VAR), control(LIMIT)], NOW)
    assert der_rules.targets_of(acting, RATINGS) == GridTargets(reactive=-2000.0, max_discharge=5500.0)
    code = rules(FIXED_VAR)
    assert code is not None
    assert code.q_setpoint
    assert not code.cos_phi_setpoint


def test_of_two_set_points_the_one_with_the_higher_priority_counts() -> None:
    acting = der_model.acting([control(FIXED_PF), control(FIXED_VAR)], NOW)
    assert der_rules.targets_of(acting, RATINGS) == GridTargets(reactive=-2000.0)
    assert der_rules.targets_of({"FixedPFInject": control(FIXED_PF)}, RATINGS).cos_phi == -0.95


def test_a_limit_refers_to_the_rating_of_the_ev_when_it_is_lower() -> None:
    acting = {"LimitMaxDischarge": control(LIMIT)}
    assert der_rules.targets_of(acting, RATINGS, 6_000.0).max_discharge == 3_000.0
    assert der_rules.targets_of(acting, RATINGS, 22_000.0).max_discharge == 5_500.0


def test_a_limit_alone_is_no_rule_so_the_ev_must_not_feed() -> None:
    assert rules(LIMIT) is None
    assert rules() is None


def test_a_control_that_contradicts_one_of_higher_priority_is_left_out() -> None:
    high = curve("VoltWatt", "PctMaxW", (109.0, 100.0), (118.0, 0.0))
    cess = control(CESSATION)
    watt = control(high | {"controlId": "w"})
    left_out: list[str] = []
    code = der_rules.code_of(
        {"HVMomCess": cess, "VoltWatt": watt, "WattPF": control(WATT_PF), "VoltVar": control(VOLT_VAR)},
        frozenset(),
        RATINGS,
        lambda one, why: left_out.append(f"{one.kind}: {why}"),
    )
    assert code is not None
    assert code.zero_current is not None
    assert code.reactive is not None
    assert left_out == ["VoltVar: another curve of reactive power acts"]


# --- what cannot be expressed ------------------------------------------------------------------------------


def _changed(body: Payload, field: str, **more: Any) -> Payload:
    return {**body, field: {**body[field], **more}}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_changed(VOLT_VAR, "curve", yUnit="PctVarAvail"), "yUnit"),
        (_changed(VOLT_VAR, "curve", hysteresis={"hysteresisHigh": 1.0}), "hysteresis"),
        (_changed(VOLT_VAR, "curve", reactivePowerParams={"autonomousVRefEnable": True}), "autonomous"),
        (_changed(VOLT_VAR, "curve", curveData=points((207.0, 100.0), (253.0, -100.0))), "voltage"),
        (_changed(VOLT_VAR, "curve", curveData=points((90.0, -10.0), (110.0, 10.0))), "rise"),
        (_changed(VOLT_WATT, "curve", curveData=points((100.0, 80.0), (110.0, 0.0))), "VoltWatt"),
        (_changed(VOLT_WATT, "curve", curveData=points((100.0, 100.0))), "VoltWatt"),
        (_changed(DROOP, "freqDroop", overDroop=0.0), "overDroop"),
        (_changed(DROOP, "freqDroop", underFreq=50.3), "under_frequency"),
        (_changed(DROOP, "freqDroop", responseTime=9000.0), "seconds"),
        (_changed(CESSATION, "curve", curveData=points((0.0, 90.0))), "above 100"),
        (_changed(CESSATION, "curve", curveData=points((0.0, 110.0), (1.0, 120.0))), "one voltage"),
        (_changed(CESSATION, "curve", hysteresis={"hysteresisDelay": 3.0}), "hysteresisDelay"),
        (_changed(FIXED_VAR, "fixedVar", unit="PctVarAvail"), "unit"),
        (_changed(FIXED_VAR, "fixedVar", setpoint=101.0), "setpoint"),
        (_changed(FIXED_PF, "fixedPFInject", displacement=0.0), "displacement"),
        (_changed(FIXED_VAR, "fixedVar", setpoint=float("nan")), "setpoint"),
        (_changed(LIMIT, "limitMaxDischarge", pctMaxDischargePower=100.5), "pctMaxDischargePower"),
        (_changed(LIMIT, "limitMaxDischarge", powerMonitoringMustTrip={}), "powerMonitoringMustTrip"),
        (request("LimitMaxDischarge", limitMaxDischarge={"priority": 0}), "without pctMax"),
        (request("FixedVar", curve=VOLT_VAR["curve"]), "expected fixedVar alone"),
        ({**FIXED_VAR, "curve": VOLT_VAR["curve"]}, "expected fixedVar alone"),
        (_changed(FIXED_VAR, "fixedVar", duration=60), "default control"),
        ({**FIXED_VAR, "isDefault": False}, "without startTime"),
        ({**request("Gradients", gradient={"priority": 0}), "isDefault": False}, "default control only"),
    ],
)
def test_what_the_ev_could_not_follow_exactly_is_refused_with_the_reason(body: Payload, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        control(body)


@pytest.mark.parametrize(
    ("start", "duration"),
    [
        ("nonsense", 60),
        ("2027-01-15T07:00:00Z", 60),
        ("2099-01-01T00:00:00Z", 60),
        (_at(0), 0),
        (_at(0), 1e9),
    ],
)
def test_times_that_make_no_sense_are_refused(start: str, duration: float) -> None:
    body = _changed(FIXED_VAR, "fixedVar", startTime=start, duration=duration) | {"isDefault": False}
    with pytest.raises(ValueError, match=r"startTime|within a year|over"):
        control(body)


@pytest.mark.parametrize(
    ("config", "some", "not_there"),
    [
        (SeccConfig(), "", "FreqDroop"),
        (SeccConfig(iso20=Iso20Config(der=True)), "FreqDroop", "VoltVar"),
        (SeccConfig(iso20=Iso20Config(der=True, der_reactive_power=1.0)), "VoltVar", "EnterService"),
        (
            SeccConfig(iso20=Iso20Config(der=True), energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,))),
            "",
            "FreqDroop",
        ),
    ],
)
def test_types_of_control_follow_the_settings(config: SeccConfig, some: str, not_there: str) -> None:
    found = der_rules.supported(config)
    assert not_there not in found
    assert not some or some in found
    assert bool(found) is bool(some)


def test_ratings_are_those_of_the_outlet() -> None:
    config = SeccConfig(
        iso20=Iso20Config(der=True, der_reactive_power=4000.0),
        energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,), ac=AcConfig(max_discharge_current=16.0)),
    )
    assert der_rules.ratings_of(config) == DerRatings(230.0, 50.0, 11_040.0, 4000.0)


# --- which control acts ------------------------------------------------------------------------------------


def test_a_scheduled_control_acts_in_its_time_instead_of_the_default() -> None:
    default, later = control(FIXED_VAR), scheduled("s", 9, 60.0, 60.0)
    for seconds, acting in ((0.0, default), (59.9, default), (60.0, later), (119.9, later), (120.0, default)):
        assert der_model.acting([default, later], NOW + seconds)["FixedVar"] is acting


def test_the_lower_number_has_priority_and_the_other_returns_after_it() -> None:
    long, short = scheduled("long", 5, 0.0, 600.0), scheduled("short", 1, 60.0, 60.0)
    controls = [long, short]
    assert [der_model.acting(controls, NOW + at)["FixedVar"].id for at in (0.0, 60.0, 120.0)] == [
        "long",
        "short",
        "long",
    ]
    assert der_model.superseded_by(long, controls, NOW + 70.0) == "short"
    assert der_model.superseded_by(long, controls, NOW) is None


def test_only_controls_of_one_form_whose_times_overlap_supersede_each_other() -> None:
    first, second = scheduled("a", 5, 0.0, 60.0), scheduled("b", 1, 60.0, 60.0)
    assert der_model.apart(second, [first]) == ([], False)
    overlapping = scheduled("c", 1, 30.0, 60.0)
    assert der_model.apart(overlapping, [first]) == (["a"], False)
    assert der_model.apart(first, [overlapping]) == ([], True)
    assert der_model.apart(control(FIXED_VAR), [first]) == ([], False)


def test_with_equal_priority_the_later_control_acts_and_none_is_superseded() -> None:
    one, two = control(FIXED_VAR), control({**FIXED_VAR, "controlId": "q2"})
    assert der_model.apart(two, [one]) == ([], False)
    assert der_model.acting([one, two], NOW)["FixedVar"] is two


def test_a_control_with_a_known_id_replaces_it_and_their_number_is_limited() -> None:
    controls: tuple[DerControl, ...] = ()
    for number in range(24):
        controls = der_model.added(controls, control({**FIXED_VAR, "controlId": str(number)}))
    assert len(der_model.added(controls, control({**FIXED_VAR, "controlId": "3"}))) == 24
    with pytest.raises(ValueError, match="at most 24"):
        der_model.added(controls, control(FIXED_VAR))


def test_a_control_that_is_over_is_dropped() -> None:
    control_, default = scheduled("s", 1, 0.0, 60.0), control(FIXED_VAR)
    assert der_model.unexpired([control_, default], NOW + 60.0) == (default,)
    assert DerState().controls == ()
