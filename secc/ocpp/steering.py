"""Operation modes of 2.1 whose values are not in the profile (block Q): they come from another system, from
the frequency of the grid, or from the load of the site.

A period in such a mode becomes one with a set-point or with limits while its values are known. Without them
the profile does not apply and the next one does: energy from the EV ends when a value is not renewed.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from secc.ocpp.composite import Supply
from secc.ocpp.ports import GridMeter, GridReading
from secc.ocpp.profile_model import ChargingProfile, OperationMode, Period, ProfileKind

__all__ = [
    "Balance",
    "ExternalValues",
    "LocalSteering",
    "SteeringValues",
    "follows_signals",
    "is_external",
    "resolved",
    "supported_modes",
]

EXTERNAL = (OperationMode.EXTERNAL_SETPOINT, OperationMode.EXTERNAL_LIMITS)
_OF_METER = (OperationMode.LOCAL_FREQUENCY, OperationMode.LOCAL_LOAD_BALANCING)


def supported_modes(*, meter: bool) -> tuple[OperationMode, ...]:
    """Return the modes of a station with or without a meter of the grid."""
    return tuple(one for one in OperationMode if meter or one not in _OF_METER)


@dataclasses.dataclass(frozen=True, slots=True)
class ExternalValues:
    """What another system has set, an energy manager for example; W."""

    setpoint: float | None = None
    """Signed: above 0 to the EV."""
    limit: float | None = None
    discharge: float | None = None
    """Most that the EV may give, a magnitude."""
    until: float = math.inf
    """Unix seconds up to which they hold."""


@dataclasses.dataclass(frozen=True, slots=True)
class Balance:
    """Between which powers the load of the site is kept; W drawn from the grid."""

    upper: float = 0.0
    lower: float = 0.0

    def setpoint(self, load: float, ev: float) -> float:
        """Return the power of the EV, signed, by the load of the site with the EV."""
        rest = load - ev
        if rest > self.upper:
            return self.upper - rest
        return self.lower - rest if rest < self.lower else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class SteeringValues:
    """All values of one moment."""

    external: ExternalValues | None = None
    reading: GridReading | None = None
    ev_power: float = 0.0
    """W, above 0 to the EV."""
    signal: int | None = None
    """The last AFRRSignal that is in effect."""
    balance: Balance = Balance()


# --- one profile -------------------------------------------------------------------------------------------


def resolved(profile: ChargingProfile, supply: Supply, values: SteeringValues) -> ChargingProfile:
    """Return the profile with the values of this moment; a period without its value has lapsed."""
    if not any(_is_local(period) for schedule in profile.schedules for period in schedule.periods):
        return profile
    schedules = tuple(
        msgspec.structs.replace(
            schedule, periods=tuple(_period(one, schedule.unit, supply, values) for one in schedule.periods)
        )
        for schedule in profile.schedules
    )
    return msgspec.structs.replace(profile, schedules=schedules)


def is_external(profile: ChargingProfile) -> bool:
    """Whether another system updates the profile."""
    return profile.kind is ProfileKind.DYNAMIC and any(
        period.mode in EXTERNAL for schedule in profile.schedules for period in schedule.periods
    )


def follows_signals(profiles: Iterable[ChargingProfile]) -> bool:
    """Whether a profile has a curve for AFRRSignal."""
    schedules = (schedule for one in profiles for schedule in one.schedules)
    return any(period.by_signal for schedule in schedules for period in schedule.periods)


def _is_local(period: Period) -> bool:
    return period.mode in EXTERNAL or period.mode in _OF_METER


def _period(period: Period, unit: str, supply: Supply, values: SteeringValues) -> Period:
    per = supply.watts_per(period, unit)
    match period.mode:
        case OperationMode.EXTERNAL_LIMITS:
            return _limited(period, per, values.external)
        case OperationMode.EXTERNAL_SETPOINT:
            watts = None if values.external is None else values.external.setpoint
        case OperationMode.LOCAL_FREQUENCY:
            watts = _by_frequency(period, values)
        case OperationMode.LOCAL_LOAD_BALANCING:
            load = None if values.reading is None else values.reading.power
            watts = None if load is None else values.balance.setpoint(load, values.ev_power)
        case _:
            return period
    if watts is None:
        return msgspec.structs.replace(period, lapsed=True)
    found = watts / per  # the set-point stays within the limits of the period [V2X.05]
    found = found if period.limit is None else min(found, period.limit)
    found = found if period.discharge is None else max(found, period.discharge)
    return msgspec.structs.replace(period, setpoint=found, limit=None, discharge=None)


def _limited(period: Period, per: float, external: ExternalValues | None) -> Period:
    if external is None or external.limit is None:
        return msgspec.structs.replace(period, lapsed=True)
    limit = external.limit / per
    discharge = -(external.discharge or 0.0) / per
    return msgspec.structs.replace(
        period,
        limit=limit if period.limit is None else min(limit, period.limit),
        discharge=discharge if period.discharge is None else max(discharge, period.discharge),
    )


def _by_frequency(period: Period, values: SteeringValues) -> float | None:
    """Q08: baseline, and what the curves add for the frequency and for the signal."""
    hertz = None if values.reading is None else values.reading.frequency
    if hertz is None or period.baseline is None:
        return None
    found = period.baseline + _interpolated(period.by_frequency, hertz)
    if values.signal is not None and period.by_signal:
        found += _interpolated(period.by_signal, values.signal)
    return found


def _interpolated(curve: Sequence[tuple[float, float]], x: float) -> float:
    """Return the value of a curve with rising x; beyond its ends that of the end."""
    place = bisect.bisect_right([at for at, _ in curve], x)
    if place in (0, len(curve)):
        return curve[max(0, place - 1)][1]
    (x0, y0), (x1, y1) = curve[place - 1], curve[place]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


# --- one outlet --------------------------------------------------------------------------------------------


class LocalSteering:
    """Keeps the values for one outlet."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        ev_power: Callable[[], float],
        balance: Callable[[], Balance],
        report: Callable[[str], None],
    ) -> None:
        """`clock` returns Unix seconds by the CSMS, `ev_power` the present power of the EV in W."""
        self.meter: GridMeter | None = None
        """Meter of the grid that the integrator provides."""
        self.external: ExternalValues | None = None
        self._clock = clock
        self._ev_power = ev_power
        self._balance = balance
        self._report = report
        self._signals: list[tuple[float, int]] = []
        self._trouble = ""

    @property
    def modes(self) -> tuple[OperationMode, ...]:
        """The operation modes that this station supports."""
        return supported_modes(meter=self.meter is not None)

    def unsupported(self, profile: ChargingProfile) -> str:
        """Return why the station cannot follow a profile, or an empty text."""
        for schedule in profile.schedules:
            for period in schedule.periods:
                if period.mode not in self.modes:
                    return f"{period.mode} needs a meter of the grid, which this station does not have"
        return ""

    def signalled(self, signal: int, at: float) -> None:
        """Keep an AFRRSignal that takes effect at this time (Q08)."""
        now = self._clock()
        past = [one for one in self._signals if one[0] <= now][-1:]
        coming = [one for one in self._signals if one[0] > now and one[0] != at]
        self._signals = sorted([*past, *coming[-_MOST_SIGNALS:], (at, signal)], key=lambda one: one[0])

    def end_transaction(self) -> None:
        """A signal belongs to the profile of the transaction."""
        self._signals = []

    def values(self) -> SteeringValues:
        """Return the values of this moment."""
        now, external = self._clock(), self.external
        due = [signal for at, signal in self._signals if at <= now]
        return SteeringValues(
            None if external is None or now >= external.until else external,
            self._reading(),
            self._ev_power(),
            due[-1] if due else None,
            self._balance(),
        )

    def _reading(self) -> GridReading | None:
        if self.meter is None:
            return None
        try:
            found = self.meter.reading()
            trouble = "" if _finite(found) else f"{found} is not finite"
        except Exception as error:  # of the integrator: energy from the EV ends, charging goes on
            trouble = f"{type(error).__name__}: {error}"
        if trouble and trouble != self._trouble:
            self._report(f"meter of the grid: {trouble}")
        self._trouble = trouble
        return None if trouble else found


def _finite(reading: GridReading) -> bool:
    return all(one is None or math.isfinite(one) for one in (reading.frequency, reading.power))


_MOST_SIGNALS = 20
"""Signals that wait for their time."""
