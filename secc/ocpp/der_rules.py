"""DER controls of OCPP 2.1 as the rules of the grid for an EV in AC_DER_IEC, ISO 15118-20 Amendment 1. Pure.

OCPP has the functions of IEEE 2030.5 and percentages; AC_DER_IEC has those of EN 50549 and volts, watts and
var. A control that AC_DER_IEC cannot express exactly is refused with ValueError. Percentages of active and
reactive power refer to the ratings of the outlet: the rules are fixed before the EV names its own ratings.
Voltages are percentages of the nominal voltage. A response time is the time to 90 % of a step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

from secc.ocpp.der_model import DerControl
from secc.ocpp.model import Payload
from secc.session.grid import (
    CurveKind,
    GridCode,
    GridCurve,
    GridFrequencyWatt,
    GridPoint,
    GridTargets,
    GridVoltWatt,
    GridZeroCurrent,
    StepResponse,
)
from secc.settings.config import SeccConfig

__all__ = ["DerRatings", "check_control", "code_of", "ratings_of", "supported", "targets_of"]

_TO_90_PERCENT = math.log(10.0)
"""Time constants of a first-order lag until 90 % of a step."""
_CURVES = {
    "VoltVar": CurveKind.VOLT_VAR,
    "WattVar": CurveKind.WATT_VAR,
    "WattPF": CurveKind.WATT_COS_PHI,
}
"""Of these the rules have one; the one with the highest priority acts."""
_SET_POINTS = ("FixedVar", "FixedPFInject")
"""Likewise."""


@dataclasses.dataclass(frozen=True, slots=True)
class DerRatings:
    """What percentages refer to."""

    volts: float
    hertz: float
    watts: float
    """Most power that the outlet takes from an EV."""
    var: float
    """Most reactive power of the outlet, in each direction."""


def ratings_of(config: SeccConfig) -> DerRatings:
    """Return the ratings of the configured outlet."""
    ac = config.energy.ac
    phases = 3 if any("three" in mode.value for mode in config.energy.modes) else 1
    return DerRatings(
        ac.nominal_voltage,
        ac.nominal_frequency,
        ac.nominal_voltage * phases * ac.max_discharge_current,
        config.iso20.der_reactive_power,
    )


def supported(config: SeccConfig) -> tuple[str, ...]:
    """Return the types of control that the outlet supports; empty without AC_DER_IEC."""
    if not config.iso20.der or config.energy.offers_dc:
        return ()
    reactive = ("FixedVar", "VoltVar", "WattVar") if config.iso20.der_reactive_power > 0.0 else ()
    always = ("FixedPFInject", "FreqDroop", "HVMomCess", "LVMomCess", "LimitMaxDischarge", "VoltWatt")
    return tuple(sorted((*always, *reactive, "WattPF")))


def check_control(control: DerControl, ratings: DerRatings) -> None:
    """Raise ValueError if AC_DER_IEC cannot express the control."""
    if control.kind == "LimitMaxDischarge":
        _max_discharge(control.body, ratings.watts)
    elif control.kind in _SET_POINTS:
        _set_point(control, ratings)
    else:
        _function(control, ratings)


# --- the rules ---------------------------------------------------------------------------------------------


def code_of(
    acting: Mapping[str, DerControl],
    stored: frozenset[str],
    ratings: DerRatings,
    left_out: Callable[[DerControl, str], None] = lambda _control, _why: None,
) -> GridCode | None:
    """Return the rules by the controls that act; None: none of them is a function of the rules.

    `stored` are the types of all controls, with those that act later: their set-points must be announced.
    A control that contradicts those before it in priority is left out, which `left_out` receives.
    """
    code, chosen, curve_set = _announced(acting, stored), False, False
    for control in sorted(acting.values(), key=lambda one: (one.default, one.priority)):
        if control.kind == "LimitMaxDischarge":
            continue
        if control.kind in _SET_POINTS:
            chosen = True
            continue
        if control.kind in _CURVES and curve_set:
            left_out(control, "another curve of reactive power acts")
            continue
        try:
            code = _joined(code, _function(control, ratings))
        except ValueError as error:
            left_out(control, str(error))
            continue
        chosen, curve_set = True, curve_set or control.kind in _CURVES
    return code if chosen else None


def _announced(acting: Mapping[str, DerControl], stored: frozenset[str]) -> GridCode:
    """The set-point that may come in a session: that which acts, else that which is stored, else var."""
    first = _first_set_point(acting)
    if first is None:
        name = "FixedPFInject" if "FixedPFInject" in stored and "FixedVar" not in stored else "FixedVar"
    else:
        name = first.kind
    factor = name == "FixedPFInject"
    return GridCode(cos_phi_setpoint=factor, q_setpoint=not factor)


def _first_set_point(acting: Mapping[str, DerControl]) -> DerControl | None:
    there = [acting[kind] for kind in _SET_POINTS if kind in acting]
    return min(there, key=lambda one: (one.default, one.priority), default=None)


def _joined(code: GridCode, function: GridCode) -> GridCode:
    """The rules with one more function; raises ValueError if it contradicts the others."""
    zero = function.zero_current
    if zero is not None and code.zero_current is not None:
        zero = dataclasses.replace(
            code.zero_current,
            above=code.zero_current.above if zero.above is None else zero.above,
            below=code.zero_current.below if zero.below is None else zero.below,
            recovery_above=code.zero_current.recovery_above or zero.recovery_above,
            recovery_below=code.zero_current.recovery_below or zero.recovery_below,
        )
    return dataclasses.replace(
        code,
        over_frequency=function.over_frequency or code.over_frequency,
        under_frequency=function.under_frequency or code.under_frequency,
        volt_watt=function.volt_watt or code.volt_watt,
        reactive=function.reactive or code.reactive,
        zero_current=zero or code.zero_current,
    )


def targets_of(
    acting: Mapping[str, DerControl], ratings: DerRatings, ev_watts: float | None = None
) -> GridTargets:
    """Return the set-points by the controls that act; `ev_watts` is the rating of the EV, if it is known."""
    first, limit = _first_set_point(acting), acting.get("LimitMaxDischarge")
    watts = ratings.watts if ev_watts is None else min(ratings.watts, ev_watts)
    most = None if limit is None else _max_discharge(limit.body, watts)
    targets = GridTargets() if first is None else _set_point(first, ratings)
    return dataclasses.replace(targets, max_discharge=most)


# --- one control -------------------------------------------------------------------------------------------


def _function(control: DerControl, ratings: DerRatings) -> GridCode:
    """The function that a control describes, alone."""
    match control.kind:
        case "FreqDroop":
            return _droop(control.body, ratings)
        case "VoltWatt":
            return GridCode(volt_watt=_volt_watt(control.body, ratings))
        case "VoltVar" | "WattVar" | "WattPF":
            return GridCode(reactive=_curve(control, ratings))
        case "HVMomCess":
            return GridCode(zero_current=_cessation(control.body, ratings, high=True))
        case "LVMomCess":
            return GridCode(zero_current=_cessation(control.body, ratings, high=False))
        case _:
            raise ValueError(f"AC_DER_IEC has no {control.kind}")


def _droop(body: Payload, ratings: DerRatings) -> GridCode:
    """A droop is the part of the nominal frequency over which the power changes by all of its rating."""
    response = _response(body)

    def one(start: float, droop: float, name: str) -> GridFrequencyWatt:
        if not 0.0 < droop <= 1.0:
            raise ValueError(f"{name} is {droop:g}, expected above 0 and at most 1 per unit")
        slope = 100.0 / (droop * ratings.hertz)
        return GridFrequencyWatt(start=start, stop=start, slope=slope, of_momentary=False, response=response)

    return GridCode(
        over_frequency=one(body["overFreq"], body["overDroop"], "overDroop"),
        under_frequency=one(body["underFreq"], body["underDroop"], "underDroop"),
    )


def _volt_watt(body: Payload, ratings: DerRatings) -> GridVoltWatt:
    unit = _unit(body, "PctMaxW", "PctWAvail")
    _plain(body)
    points = _points(body)
    full = max((place for place, (_, y) in enumerate(points) if y == 100.0), default=-1)
    shape = [100.0] * (full + 1) + [0.0] * (len(points) - full - 1)
    if full < 0 or full + 1 == len(points) or [y for _, y in points] != shape:
        raise ValueError(f"VoltWatt {points}, expected 100 percent that falls to 0 between two points")
    return GridVoltWatt(
        start=_volts(points[full][0], ratings),
        stop=_volts(points[full + 1][0], ratings),
        of_momentary=unit == "PctWAvail",
        response=_response(body),
    )


def _curve(control: DerControl, ratings: DerRatings) -> GridCurve:
    kind, body = _CURVES[control.kind], control.body
    _unit(body, "Not_Applicable" if kind is CurveKind.WATT_COS_PHI else "PctMaxVar")
    _plain(body, reactive=kind is CurveKind.VOLT_VAR)
    volts = ratings
    if kind is CurveKind.VOLT_VAR:
        percent = body.get("reactivePowerParams", {}).get("vRef", 100.0)
        volts = dataclasses.replace(ratings, volts=ratings.volts * _percent(percent, "vRef", 50, 150) / 100)
    points = []
    for x, y in _points(body):
        of_x = _volts(x, volts) if kind is CurveKind.VOLT_VAR else _part(x, ratings.watts, "x")
        # in OCPP a power factor is above zero where reactive power is absorbed, here where it is supplied
        of_y = -y if kind is CurveKind.WATT_COS_PHI else _part(y, ratings.var, "y", least=-100.0)
        points.append(GridPoint(of_x, of_y))
    return GridCurve(function=kind, points=tuple(points), response=_response(body))


def _cessation(body: Payload, ratings: DerRatings, *, high: bool) -> GridZeroCurrent:
    """Momentary cessation: beyond the voltage of the curve the inverter feeds nothing, at once."""
    _unit(body, "Not_Applicable")
    _plain(body, hysteresis=True)
    points, hysteresis = _points(body), body.get("hysteresis", {})
    levels = {y for _, y in points}
    if len(levels) != 1 or points[0][0] != 0.0:
        raise ValueError(f"{points}, expected one voltage from 0 s on")
    unknown = set(hysteresis) - {"hysteresisHigh", "hysteresisLow", "customData"}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is not supported")
    level = levels.pop()
    if (level > 100.0) is not high:
        raise ValueError(f"{level:g} percent, expected {'above' if high else 'at most'} 100")
    back = hysteresis.get("hysteresisHigh" if high else "hysteresisLow")
    recovery = None if back is None else _volts(back, ratings)
    response = _response(body)
    if high:
        return GridZeroCurrent(
            above=_volts(level, ratings), recovery_above=recovery, active=response, reactive=response
        )
    return GridZeroCurrent(
        below=_volts(level, ratings), recovery_below=recovery, active=response, reactive=response
    )


def _set_point(control: DerControl, ratings: DerRatings) -> GridTargets:
    body = control.body
    if control.kind == "FixedVar":
        if ratings.var <= 0.0:
            raise ValueError("the outlet has no reactive power")
        _unit(body, "PctMaxVar", "PctMaxW", name="unit")
        rating = ratings.var if body["unit"] == "PctMaxVar" else ratings.watts
        return GridTargets(reactive=_part(body["setpoint"], rating, "setpoint", least=-100.0))
    factor = body["displacement"]
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"displacement is {factor:g}, expected above 0 and at most 1")
    return GridTargets(cos_phi=-factor if body["excitation"] else factor)


def _max_discharge(body: Payload, watts: float) -> float:
    if "powerMonitoringMustTrip" in body:
        raise ValueError("powerMonitoringMustTrip is not supported")
    if "pctMaxDischargePower" not in body:
        raise ValueError("LimitMaxDischarge without pctMaxDischargePower")
    return _part(body["pctMaxDischargePower"], watts, "pctMaxDischargePower")


# --- values ------------------------------------------------------------------------------------------------


def _unit(body: Payload, *expected: str, name: str = "yUnit") -> str:
    """R04.FR.50 to R04.FR.56, less those that refer to what is available at a moment."""
    unit: str = body[name]
    if unit not in expected:
        raise ValueError(f"{name} is {unit}, expected {' or '.join(expected)}")
    return unit


def _plain(body: Payload, *, hysteresis: bool = False, reactive: bool = False) -> None:
    """Refuse parts of a curve that AC_DER_IEC cannot express."""
    if "hysteresis" in body and not hysteresis:
        raise ValueError("hysteresis is not supported")
    if "voltageParams" in body:
        raise ValueError("voltageParams are not supported")
    params = body.get("reactivePowerParams", {})
    if params and not reactive:
        raise ValueError("reactivePowerParams are for VoltVar only")
    if params.get("autonomousVRefEnable"):
        raise ValueError("autonomousVRefEnable is not supported")


def _points(body: Payload) -> list[tuple[float, float]]:
    return [(float(one["x"]), float(one["y"])) for one in body["curveData"]]


def _response(body: Payload) -> StepResponse:
    found = body.get("responseTime")
    return StepResponse() if found is None else StepResponse(found / _TO_90_PERCENT)


def _percent(value: float, name: str, least: float, most: float) -> float:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value:g} percent, expected {least:g} to {most:g}")
    return float(value)


def _part(percent: float, rating: float, name: str, *, least: float = 0.0) -> float:
    return _percent(percent, name, least, 100.0) * rating / 100.0


def _volts(percent: float, ratings: DerRatings) -> float:
    """A voltage in volts instead of percent is outside of this range."""
    return _percent(percent, "a voltage", 0.0, 150.0) * ratings.volts / 100.0
