"""Rules for what a back end says about the grid: types and ranges of each field."""

from __future__ import annotations

from secc.boundary.values import flag, integer, member, number, optional, record, sequence
from secc.session.grid import (
    CurveKind,
    GridCode,
    GridCurve,
    GridFrequencyWatt,
    GridPoint,
    GridRideThrough,
    GridTargets,
    GridVoltWatt,
    GridZeroCurrent,
    StepResponse,
)

__all__ = ["GRID_CODE", "GRID_TARGETS"]

_HERTZ = number("Hz", 40.0, 70.0)
_VOLTS = number("V", 0.0, 1000.0)
_DELAY = integer("s", 0, 65_535)
_RESPONSE = record(StepResponse, seconds=number("s", 0.0, 3600.0), pt1=flag)
_K = number("", 0.0, 10.0)
_ANY = number("", -1e7, 1e7)

FREQUENCY_WATT = record(
    GridFrequencyWatt,
    start=_HERTZ,
    stop=_HERTZ,
    slope=number("%/Hz", 0.0, 1000.0),
    of_momentary=flag,
    hysteresis=flag,
    response=_RESPONSE,
    power_delay=optional(_DELAY),
    stop_delay=optional(_DELAY),
)

VOLT_WATT = record(
    GridVoltWatt, start=_VOLTS, stop=_VOLTS, of_momentary=flag, response=_RESPONSE, delay=optional(_DELAY)
)

CURVE = record(
    GridCurve,
    function=member(CurveKind),
    points=sequence(record(GridPoint, x=number("", 0.0, 1e7), y=_ANY), 10),
    min_cos_phi=optional(number("", 0.0, 1.0)),
    lock_in=optional(number("", 0.0, 1e7)),
    lock_out=optional(number("", 0.0, 1e7)),
    response=_RESPONSE,
    delay=optional(number("s", 0.0, 3600.0)),
)

RIDE_THROUGH = record(
    GridRideThrough,
    start=_VOLTS,
    stop=optional(_VOLTS),
    recovery=optional(_VOLTS),
    k_positive=optional(_K),
    k_negative=optional(_K),
    active=_RESPONSE,
    reactive=_RESPONSE,
)

ZERO_CURRENT = record(
    GridZeroCurrent,
    above=optional(_VOLTS),
    below=optional(_VOLTS),
    recovery_above=optional(_VOLTS),
    recovery_below=optional(_VOLTS),
    active=_RESPONSE,
    reactive=_RESPONSE,
)

GRID_CODE = record(
    GridCode,
    over_frequency=optional(FREQUENCY_WATT),
    under_frequency=optional(FREQUENCY_WATT),
    volt_watt=optional(VOLT_WATT),
    reactive=optional(CURVE),
    over_voltage=optional(RIDE_THROUGH),
    under_voltage=optional(RIDE_THROUGH),
    zero_current=optional(ZERO_CURRENT),
    dc_injection=optional(number("A", 0.0, 100.0)),
    q_setpoint=flag,
    cos_phi_setpoint=flag,
)

GRID_TARGETS = record(
    GridTargets,
    reactive=optional(_ANY),
    cos_phi=optional(number("", -1.0, 1.0)),
    max_discharge=optional(number("W", 0.0, 1e7)),
    response=_RESPONSE,
)
