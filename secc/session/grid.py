"""The rules of a grid for an EV that feeds it: AC_DER_IEC of ISO 15118-20, Amendment 1.

The back end has them from the operator of the distribution grid (DSO), and the station passes them on to
the inverter of the EV. V, Hz, W, var, A, seconds. Each function checks itself, and `GridCode` checks the
functions against each other: a contradiction is refused before an EV gets it.

Reactive power is signed: above zero the EV is over-excited, it supplies reactive power to the grid; below
zero it is under-excited. A power factor has the sign of its excitation.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math

__all__ = [
    "CurveKind",
    "GridPoint",
    "DerFunction",
    "GridCode",
    "GridCurve",
    "GridFrequencyWatt",
    "GridRideThrough",
    "GridTargets",
    "GridVoltWatt",
    "GridZeroCurrent",
    "StepResponse",
]


def _within(value: float, low: float, high: float, name: str, unit: str) -> None:
    if not low <= value <= high:  # false for NaN as well
        raise ValueError(f"{name} is {value:g} {unit}".rstrip() + f", expected {low:g} to {high:g}")


def _ordered(low: float | None, high: float | None, low_name: str, high_name: str) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low_name} is {low:g}, expected at most {high_name}, {high:g}")


def _either(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


class DerFunction(enum.IntEnum):
    """A control function; the value is its bit in DERControlFunctions."""

    OVER_FREQUENCY_WATT = 0
    UNDER_FREQUENCY_WATT = 1
    VOLT_WATT = 2
    VOLT_VAR = 3
    WATT_VAR = 4
    WATT_COS_PHI = 5
    DSO_Q_SETPOINT = 6
    DSO_COS_PHI_SETPOINT = 7
    DC_INJECTION = 8
    ZERO_CURRENT = 9
    OVER_VOLTAGE_RIDE_THROUGH = 10
    UNDER_VOLTAGE_RIDE_THROUGH = 11


@dataclasses.dataclass(frozen=True, slots=True)
class StepResponse:
    """How fast a controller answers a step."""

    seconds: float = 5.0
    """Time constant, 0..3600."""
    pt1: bool = True
    """First-order lag; otherwise the time in which the value is reached."""

    def __post_init__(self) -> None:
        _within(self.seconds, 0.0, 3600.0, "seconds", "s")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridFrequencyWatt:
    """Active power by frequency (OverFrequencyWatt, UnderFrequencyWatt)."""

    start: float
    """Hz from which the power changes."""
    stop: float
    """Hz at which the change ends."""
    slope: float
    """Percent of the reference power per Hz, above 0."""
    of_momentary: bool = True
    """The reference is the power of the moment in which it begins; otherwise the maximum discharge power."""
    hysteresis: bool = False
    response: StepResponse = StepResponse()
    power_delay: int | None = None
    """Intentional delay, seconds."""
    stop_delay: int | None = None
    """Likewise for the end."""

    def __post_init__(self) -> None:
        _within(self.start, 40.0, 70.0, "start", "Hz")
        _within(self.stop, 40.0, 70.0, "stop", "Hz")
        if not 0.0 < self.slope <= 1000.0:
            raise ValueError(f"slope is {self.slope:g} %/Hz, expected above 0 and at most 1000")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridVoltWatt:
    """Active power by voltage (VoltWatt): from `start` to `stop` it falls to zero."""

    start: float
    """V."""
    stop: float
    """V, above `start`."""
    of_momentary: bool = True
    response: StepResponse = StepResponse()
    delay: int | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        _within(self.start, 0.0, 1000.0, "start", "V")
        _within(self.stop, 0.0, 1000.0, "stop", "V")
        if self.start >= self.stop:
            raise ValueError(f"stop is {self.stop:g} V, expected above start, {self.start:g} V")


class CurveKind(enum.Enum):
    """What a curve makes of what: the function, the unit of x, the unit of y on the wire."""

    VOLT_VAR = (DerFunction.VOLT_VAR, "V", "var")
    WATT_VAR = (DerFunction.WATT_VAR, "W", "var")
    WATT_COS_PHI = (DerFunction.WATT_COS_PHI, "W", "var")
    """The amendment has no unit for a power factor; that of reactive power is written."""


@dataclasses.dataclass(frozen=True, slots=True)
class GridPoint:
    """A point of a `GridCurve`."""

    x: float
    """V or W."""
    y: float
    """var, or a power factor from -1 to 1 without 0; above zero over-excited."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridCurve:
    """Reactive power by voltage or power (DERCurve)."""

    function: CurveKind
    points: tuple[GridPoint, ...]
    """2..10, x rising. By voltage reactive power never rises with it; by active power it has one
    direction."""
    min_cos_phi: float | None = None
    """Power factor below which the EV does not go, above 0 and at most 1."""
    lock_in: float | None = None
    """V or W from which the curve acts; together with `lock_out`."""
    lock_out: float | None = None
    """V or W below which it no longer acts, at most `lock_in`."""
    response: StepResponse = StepResponse()
    delay: float | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.points) <= 10:
            raise ValueError(f"{len(self.points)} points, expected 2..10")
        xs = [point.x for point in self.points]
        if not all(math.isfinite(point.x) and math.isfinite(point.y) for point in self.points):
            raise ValueError("a point is not finite")
        if any(a >= b for a, b in itertools.pairwise(xs)):
            raise ValueError(f"x is {xs}, expected a rising order")
        _within(min(xs), 0.0, 1e7, "the lowest x", self.function.value[1])
        _within(max(xs), 0.0, 1e7, "the highest x", self.function.value[1])
        self._check_y()
        if self.min_cos_phi is not None and not 0.0 < self.min_cos_phi <= 1.0:
            raise ValueError(f"min_cos_phi is {self.min_cos_phi:g}, expected above 0 and at most 1")
        if (self.lock_in is None) is not (self.lock_out is None):
            raise ValueError("lock_in and lock_out are expected together")
        if self.lock_in is not None and self.lock_out is not None and self.lock_out > self.lock_in:
            raise ValueError(f"lock_out is {self.lock_out:g}, expected at most lock_in, {self.lock_in:g}")

    def _check_y(self) -> None:
        ys = [point.y for point in self.points]
        if self.function is CurveKind.WATT_COS_PHI:
            if not all(0.0 < abs(y) <= 1.0 for y in ys):
                raise ValueError(f"power factors are {ys}, expected -1 to 1 without 0")
            ys = [math.copysign(1.0 - abs(y), y) for y in ys]  # how much of the power is reactive
        elif not all(abs(y) <= 1e7 for y in ys):
            raise ValueError(f"y is {ys} var, expected -10000000 to 10000000")
        falls = all(a >= b for a, b in itertools.pairwise(ys))
        rises = all(a <= b for a, b in itertools.pairwise(ys))
        if self.function is CurveKind.VOLT_VAR and not falls:
            raise ValueError(f"y is {ys} var, expected not to rise with the voltage")
        if not (falls or rises):
            raise ValueError("y is expected to rise or to fall, not both")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridRideThrough:
    """What the inverter does in a voltage fault (FaultRideThrough)."""

    start: float
    """V at which it begins."""
    stop: float | None = None
    """V at which it ends."""
    recovery: float | None = None
    """V at which the voltage counts as recovered."""
    k_positive: float | None = None
    """Reactive current per voltage deviation, positive sequence, 0..10."""
    k_negative: float | None = None
    """Likewise, negative sequence."""
    active: StepResponse = StepResponse()
    reactive: StepResponse = StepResponse()

    def __post_init__(self) -> None:
        for name, volts in (("start", self.start), ("stop", self.stop), ("recovery", self.recovery)):
            if volts is not None:
                _within(volts, 0.0, 1000.0, name, "V")
        for name, factor in (("k_positive", self.k_positive), ("k_negative", self.k_negative)):
            if factor is not None:
                _within(factor, 0.0, 10.0, name, "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridZeroCurrent:
    """Voltages beyond which the inverter feeds nothing (ZeroCurrent); at least one of them."""

    above: float | None = None
    """V."""
    below: float | None = None
    """V."""
    recovery_above: float | None = None
    """V, at most `above`."""
    recovery_below: float | None = None
    """V, at least `below`."""
    active: StepResponse = StepResponse()
    reactive: StepResponse = StepResponse()

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("neither above nor below is there")
        for name in ("above", "below", "recovery_above", "recovery_below"):
            volts = getattr(self, name)
            if volts is not None:
                _within(volts, 0.0, 1000.0, name, "V")
        _ordered(self.recovery_above, self.above, "recovery_above", "above")
        _ordered(self.below, self.recovery_below, "below", "recovery_below")
        _ordered(self.below, self.above, "below", "above")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridCode:
    """All functions that the grid demands; what is None is not demanded."""

    over_frequency: GridFrequencyWatt | None = None
    under_frequency: GridFrequencyWatt | None = None
    volt_watt: GridVoltWatt | None = None
    reactive: GridCurve | None = None
    """One of the three curves."""
    over_voltage: GridRideThrough | None = None
    under_voltage: GridRideThrough | None = None
    zero_current: GridZeroCurrent | None = None
    dc_injection: float | None = None
    """Most direct current that the inverter may feed, A."""
    q_setpoint: bool = False
    """`GridTargets.reactive` may come during the charge."""
    cos_phi_setpoint: bool = False
    """`GridTargets.cos_phi` may come during the charge."""

    def __post_init__(self) -> None:
        over, under = self.over_frequency, self.under_frequency
        if over is not None and over.stop > over.start:
            raise ValueError(f"over_frequency: stop is {over.stop:g} Hz, expected at most {over.start:g} Hz")
        if under is not None and under.stop < under.start:
            found = f"under_frequency: stop is {under.stop:g} Hz"
            raise ValueError(f"{found}, expected at least {under.start:g} Hz")
        if under is not None and over is not None and under.start >= over.start:
            raise ValueError(
                f"under_frequency.start is {under.start:g} Hz, expected below over_frequency.start, "
                f"{over.start:g} Hz"
            )
        self._check_voltages()
        if self.dc_injection is not None:
            _within(self.dc_injection, 0.0, 100.0, "dc_injection", "A")
        if self.q_setpoint and self.cos_phi_setpoint:
            raise ValueError("q_setpoint and cos_phi_setpoint exclude each other")

    def _check_voltages(self) -> None:
        """Curves act between the voltages at which faults begin, and these between those of zero current."""
        low = None if self.under_voltage is None else self.under_voltage.start
        high = None if self.over_voltage is None else self.over_voltage.start
        _ordered(low, high, "under_voltage.start", "over_voltage.start")
        if self.volt_watt is not None:
            _ordered(self.volt_watt.stop, high, "volt_watt.stop", "over_voltage.start")
        if self.reactive is not None and self.reactive.function is CurveKind.VOLT_VAR:
            first, last = self.reactive.points[0].x, self.reactive.points[-1].x
            _ordered(last, high, "the last voltage of reactive", "over_voltage.start")
            _ordered(low, first, "under_voltage.start", "the first voltage of reactive")
        if self.zero_current is not None:
            _ordered(high, self.zero_current.above, "over_voltage.start", "zero_current.above")
            _ordered(self.zero_current.below, low, "zero_current.below", "under_voltage.start")

    def adapted(self, new: GridCode) -> GridCode:
        """Return exactly these functions, with the values that `new` has for them; functions must not change
        in a session.

        Raises ValueError if the values contradict each other.
        """
        reactive = self.reactive
        if reactive is not None and new.reactive is not None and new.reactive.function is reactive.function:
            reactive = new.reactive
        return dataclasses.replace(
            self,
            over_frequency=self.over_frequency and (new.over_frequency or self.over_frequency),
            under_frequency=self.under_frequency and (new.under_frequency or self.under_frequency),
            volt_watt=self.volt_watt and (new.volt_watt or self.volt_watt),
            reactive=reactive,
            over_voltage=self.over_voltage and (new.over_voltage or self.over_voltage),
            under_voltage=self.under_voltage and (new.under_voltage or self.under_voltage),
            zero_current=self.zero_current and (new.zero_current or self.zero_current),
            dc_injection=None if self.dc_injection is None else _either(new.dc_injection, self.dc_injection),
        )

    @property
    def functions(self) -> int:
        """DERControlFunctions: a bit for each function in here."""
        there: dict[DerFunction, object | None] = {
            DerFunction.OVER_FREQUENCY_WATT: self.over_frequency,
            DerFunction.UNDER_FREQUENCY_WATT: self.under_frequency,
            DerFunction.VOLT_WATT: self.volt_watt,
            DerFunction.DSO_Q_SETPOINT: self.q_setpoint or None,
            DerFunction.DSO_COS_PHI_SETPOINT: self.cos_phi_setpoint or None,
            DerFunction.DC_INJECTION: self.dc_injection,
            DerFunction.ZERO_CURRENT: self.zero_current,
            DerFunction.OVER_VOLTAGE_RIDE_THROUGH: self.over_voltage,
            DerFunction.UNDER_VOLTAGE_RIDE_THROUGH: self.under_voltage,
        }
        if self.reactive is not None:
            there[self.reactive.function.value[0]] = self.reactive
        return sum(1 << function for function, value in there.items() if value is not None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridTargets:
    """What the DSO asks for now. The station bounds all of it by its limits."""

    reactive: float | None = None
    """var in total, signed; with `GridCode.q_setpoint`."""
    cos_phi: float | None = None
    """Power factor, signed by the excitation, -1 to 1 without 0; with `GridCode.cos_phi_setpoint`."""
    max_discharge: float | None = None
    """W that may be fed at most; None: no limit beyond that of the station."""
    response: StepResponse = StepResponse()

    def __post_init__(self) -> None:
        if self.reactive is not None:
            _within(self.reactive, -1e7, 1e7, "reactive", "var")
        if self.cos_phi is not None and not 0.0 < abs(self.cos_phi) <= 1.0:
            raise ValueError(f"cos_phi is {self.cos_phi:g}, expected -1 to 1 without 0")
        if self.reactive is not None and self.cos_phi is not None:
            raise ValueError("reactive and cos_phi exclude each other")
        if self.max_discharge is not None:
            _within(self.max_discharge, 0.0, 1e7, "max_discharge", "W")


NO_TARGETS = GridTargets()
