"""The rules of a grid on their way to the EV: DERControl and set-points of AC_DER_IEC."""

from __future__ import annotations

from secc.messages import iso20_ac_der_iec as m
from secc.messages.iso20_common import RationalNumber
from secc.session.grid import (
    CurveKind,
    GridCode,
    GridCurve,
    GridFrequencyWatt,
    GridRideThrough,
    GridTargets,
    GridVoltWatt,
    GridZeroCurrent,
)
from secc.session.iso20 import numbers, phases
from secc.session.iso20.refusals import Elements

_OVER, _UNDER = m.PowerFactorExcitation.OVER_EXCITED, m.PowerFactorExcitation.UNDER_EXCITED


def control(code: GridCode | None) -> m.DERControl:
    """Exactly the functions that the grid demands [V2G20-3190] [V2G20-3192]."""
    if code is None:
        return m.DERControl()
    active = m.ActivePowerSupport(
        under_frequency_watt=_frequency(code.under_frequency),
        over_frequency_watt=_frequency(code.over_frequency),
        volt_watt=_volt_watt(code.volt_watt),
    )
    demanded = (code.under_frequency, code.over_frequency, code.volt_watt) != (None, None, None)
    return m.DERControl(
        overvoltage_fault_ride_through=_ride_through(code.over_voltage),
        undervoltage_fault_ride_through=_ride_through(code.under_voltage),
        zero_current=_zero_current(code.zero_current),
        reactive_power_support=_reactive(code.reactive),
        active_power_support=active if demanded else None,
        maximum_level_dc_injection=_number(code.dc_injection),
    )


def setpoints(code: GridCode | None, targets: GridTargets, reactive: int | None) -> Elements:
    """DSOQSetpoint or DSOCosPhiSetpoint, where the rules have the function; `reactive`: mvar, as bounded."""
    response: Elements = {
        "pt1_response_reactive_power": targets.response.pt1,
        "step_response_time_constant_reactive_power": number(targets.response.seconds),
    }
    if code is None:
        return {}
    if code.q_setpoint and reactive is not None:
        value: Elements = {**phases.target("dsoq_setpoint_value", reactive, per_phase=False)}
        return {"dsoq_setpoint": m.DSOQSetpoint(**value, **response)}
    if code.cos_phi_setpoint and targets.cos_phi is not None:
        setpoint = m.DSOCosPhiSetpoint(
            dso_cos_phi_setpoint_value=number(abs(targets.cos_phi)),
            excitation=_excitation(targets.cos_phi),
            **response,
        )
        return {"dso_cos_phi_setpoint": setpoint}
    return {}


def number(value: float) -> RationalNumber:
    """A value of the rules, to the nearest thousandth or to 16 bits."""
    return numbers.nearest(round(value * 1000))


def _number(value: float | None) -> RationalNumber | None:
    return None if value is None else number(value)


def _excitation(value: float) -> m.PowerFactorExcitation:
    return _OVER if value >= 0.0 else _UNDER


def _reference(of_momentary: bool) -> m.PowerReference:
    return m.PowerReference.MOMENTARY_POWER if of_momentary else m.PowerReference.MAXIMUM_DISCHARGE_POWER


def _frequency(found: GridFrequencyWatt | None) -> m.FrequencyWatt | None:
    if found is None:
        return None
    return m.FrequencyWatt(
        fstart=number(found.start),
        fstop=number(found.stop),
        intentional_delay_fstop=found.stop_delay,
        slope=number(found.slope),
        intentional_delay_power_control=found.power_delay,
        power_reference=_reference(found.of_momentary),
        hysteresis_control=found.hysteresis,
        pt1_response_active_power=found.response.pt1,
        step_response_time_constant_active_power=number(found.response.seconds),
    )


def _volt_watt(found: GridVoltWatt | None) -> m.VoltWatt | None:
    if found is None:
        return None
    return m.VoltWatt(
        power_reference=_reference(found.of_momentary),
        u_start=number(found.start),
        u_stop=number(found.stop),
        pt1_response_active_power=found.response.pt1,
        step_response_time_constant_active_power=number(found.response.seconds),
        intentional_delay_power_control=found.delay,
    )


def _reactive(found: GridCurve | None) -> m.ReactivePowerSupport | None:
    if found is None:
        return None
    curve = _curve(found)
    match found.function:
        case CurveKind.VOLT_VAR:
            return m.ReactivePowerSupport(volt_var=curve)
        case CurveKind.WATT_VAR:
            return m.ReactivePowerSupport(watt_var=curve)
        case CurveKind.WATT_COS_PHI:
            return m.ReactivePowerSupport(watt_cos_phi=curve)


def _curve(found: GridCurve) -> m.DERCurve:
    """Magnitudes with their excitation."""
    _, x_unit, y_unit = found.function.value
    points = tuple(
        m.DataTuple(
            x_value=number(point.x),
            y_value=m.SetpointExcitation(
                setpoint_value=number(abs(point.y)),
                excitation=_excitation(point.y) if point.y else None,
            ),
        )
        for point in found.points
    )
    return m.DERCurve(
        x_unit=m.CurveDataPointsUnit(x_unit),
        y_unit=m.CurveDataPointsUnit(y_unit),
        curve_data_points=m.CurveDataPointsList(curve_data_point=points),
        min_cos_phi=_number(found.min_cos_phi),
        lock_value_unit=None if found.lock_in is None else m.LockValueUnit(x_unit),
        lock_in_value=_number(found.lock_in),
        lock_out_value=_number(found.lock_out),
        pt1_response_reactive_power=found.response.pt1,
        step_response_time_constant_reactive_power=number(found.response.seconds),
        intentional_delay=_number(found.delay),
    )


def _ride_through(found: GridRideThrough | None) -> m.FaultRideThrough | None:
    if found is None:
        return None
    return m.FaultRideThrough(
        voltage_limit_start_frt=number(found.start),
        voltage_limit_stop_frt=_number(found.stop),
        voltage_recovery_limit=_number(found.recovery),
        voltage_ride_through_positive_curve_k_factor=_number(found.k_positive),
        voltage_ride_through_negative_curve_k_factor=_number(found.k_negative),
        pt1_response_active_power=found.active.pt1,
        step_response_time_constant_active_power=number(found.active.seconds),
        pt1_response_reactive_power=found.reactive.pt1,
        step_response_time_constant_reactive_power=number(found.reactive.seconds),
    )


def _zero_current(found: GridZeroCurrent | None) -> m.ZeroCurrent | None:
    if found is None:
        return None
    return m.ZeroCurrent(
        over_voltage_limit=_number(found.above),
        under_voltage_limit=_number(found.below),
        over_voltage_recovery_limit=_number(found.recovery_above),
        under_voltage_recovery_limit=_number(found.recovery_below),
        pt1_response_active_power=found.active.pt1,
        step_response_time_constant_active_power=number(found.active.seconds),
        pt1_response_reactive_power=found.reactive.pt1,
        step_response_time_constant_reactive_power=number(found.reactive.seconds),
    )
