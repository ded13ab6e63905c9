"""What charging profiles allow at which time. Pure.

For each purpose the profile with the highest stack level that has a limit for the moment applies. A TxProfile
replaces a TxDefaultProfile, a priority profile replaces both, and the limits of the whole station cap all of
them. The result is one list of power steps, from which the schedules for the EV and the present limit are
taken. A profile with several schedules gives one list for each of them, between which the EV chooses.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from secc.ocpp.profile_model import (
    ChargingProfile,
    OperationMode,
    Period,
    ProfileKind,
    ProfilePurpose,
    Schedule,
)
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings.config import SeccConfig

__all__ = [
    "Allowed",
    "LimitStep",
    "Running",
    "Supply",
    "allowed_at",
    "chosen_profile",
    "composite",
    "limit_at",
    "offer",
    "supply_of",
]

DAY = 86_400.0
WEEK = 7 * DAY
_TRANSACTION = (ProfilePurpose.PRIORITY, ProfilePurpose.TX, ProfilePurpose.TX_DEFAULT)
"""Purposes of which only the first one present applies."""


@dataclasses.dataclass(frozen=True, slots=True)
class Supply:
    """Conversion of amperes to watts at one outlet."""

    voltage: float
    """Volts, phase to neutral; for DC the output voltage."""
    phases: int
    max_power: float
    """Power of the outlet in W."""

    def watts(self, period: Period, unit: str) -> float:
        """Return the limit of a period in W."""
        if period.mode is OperationMode.IDLE:
            return 0.0
        if period.setpoint is not None:
            return max(0.0, period.setpoint) * self.watts_per(period, unit)
        if period.limit is None:
            return self.max_power
        return max(0.0, period.limit) * self.watts_per(period, unit)

    def setpoint(self, period: Period, unit: str) -> float | None:
        """Return the set-point of a period in W, positive to the EV; None: it has none."""
        return None if period.setpoint is None else period.setpoint * self.watts_per(period, unit)

    def discharge(self, period: Period, unit: str) -> float | None:
        """Return the most that the EV may give, in W, a magnitude; None: the period does not say."""
        if period.mode is OperationMode.IDLE:
            return 0.0
        given = period.discharge if period.setpoint is None else min(0.0, period.setpoint)
        return None if given is None else max(0.0, -given) * self.watts_per(period, unit)

    def watts_per(self, period: Period, unit: str) -> float:
        """Return how many watts one unit of a schedule is."""
        phases = min(period.phases or self.phases, self.phases)
        return 1.0 if unit == "W" else self.voltage * phases


def supply_of(config: SeccConfig) -> Supply:
    """Return the conversion for the configured outlet."""
    energy = config.energy
    if energy.offers_dc:
        return Supply(energy.dc.max_voltage, 1, energy.dc.max_power)
    phases = 3 if any("three" in mode.value for mode in energy.modes) else 1
    voltage = energy.ac.nominal_voltage
    return Supply(voltage, phases, voltage * phases * energy.ac.max_current)


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """The running transaction."""

    id: str
    begun_at: float
    """Unix seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class LimitStep:
    """Limit from `start` (Unix seconds) on, in W; None: no profile applies."""

    start: float
    watts: float | None
    discharge: float = 0.0
    """Most that the EV may give, in W, a magnitude."""
    setpoint: float | None = None
    """Power to set in W, positive to the EV; None: the limits alone apply."""


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """What all profiles together allow at one moment."""

    watts: float | None = None
    discharge: float = 0.0
    setpoint: float | None = None
    ceiling: float | None = None
    """Limit in W of all but the profile of the transaction; a set-point stays below it."""


# --- one moment --------------------------------------------------------------------------------------------


def allowed_at(
    profiles: Iterable[ChargingProfile],
    supply: Supply,
    at: float,
    running: Running | None,
    now: float,
    *,
    choice: int = 0,
) -> Allowed:
    """Return what is allowed at a moment; `choice` is the schedule, from 0, of profiles that have several.

    The EV may give energy only where a profile of the transaction permits it.
    """
    best: dict[ProfilePurpose, tuple[int, Period, str]] = {}
    for profile in profiles:
        found = _period(profile, at, running, now, choice)
        known = best.get(profile.purpose)
        if found is not None and (known is None or profile.stack > known[0]):
            best[profile.purpose] = profile.stack, *found
    followed = next((best[one] for one in _TRANSACTION if one in best), None)
    caps = [one for purpose, one in best.items() if purpose not in _TRANSACTION]
    applying = caps if followed is None else [followed, *caps]
    watts = min((supply.watts(period, unit) for _, period, unit in applying), default=None)
    if followed is None:
        return Allowed(watts)
    _, period, unit = followed
    limits = [supply.discharge(one, of) for _, one, of in caps]
    discharge = min([supply.discharge(period, unit) or 0.0, *(one for one in limits if one is not None)])
    setpoint = supply.setpoint(period, unit)
    if setpoint is not None:
        setpoint = max(-discharge, min(setpoint, supply.max_power if watts is None else watts))
    ceiling = min((supply.watts(one, of) for _, one, of in caps), default=None)
    return Allowed(watts, discharge, setpoint, ceiling)


def limit_at(
    profiles: Iterable[ChargingProfile], supply: Supply, at: float, running: Running | None, now: float
) -> float | None:
    """Return the power in W allowed at a moment; None: no profile applies."""
    return allowed_at(profiles, supply, at, running, now).watts


# --- over time ---------------------------------------------------------------------------------------------


def composite(
    profiles: Sequence[ChargingProfile],
    supply: Supply,
    now: float,
    horizon: float,
    running: Running | None,
    *,
    choice: int = 0,
) -> tuple[LimitStep, ...]:
    """Return what is allowed for `horizon` seconds from now, with one step for each change."""
    moments = {now}
    for profile in profiles:
        changes = _changes(profile, now, horizon, running, choice)
        moments |= {at for at in changes if now < at < now + horizon}
    steps: list[LimitStep] = []
    for at in sorted(moments):
        found = allowed_at(profiles, supply, at, running, now, choice=choice)
        step = LimitStep(at, found.watts, found.discharge, found.setpoint)
        if not steps or dataclasses.replace(step, start=steps[-1].start) != steps[-1]:
            steps.append(step)
    return tuple(steps)


def chosen_profile(
    profiles: Iterable[ChargingProfile], running: Running | None, now: float
) -> ChargingProfile | None:
    """Return the profile between whose schedules the EV may choose: that of the transaction with the highest
    stack level; a default profile counts where there is none."""
    for purpose in _TRANSACTION:
        found = [
            one
            for one in profiles
            if one.purpose is purpose and _period(one, now, running, now, 0) is not None
        ]
        if found:
            return max(found, key=lambda one: one.stack)
    return None


def offer(
    steps: Sequence[LimitStep],
    supply: Supply,
    need: EnergyNeed,
    horizon: float,
    *more: Sequence[LimitStep],
    tariffs: Callable[[int], object | None] = lambda _choice: None,
) -> ScheduleOffer:
    """Return lists of steps as an offer for an EV; `tariffs` returns the tariff of a choice, from 0.

    Steps beyond its limit are merged into one last step with the lowest power.
    """
    schedules = [
        _power_schedule(number, one, supply, need, horizon) for number, one in enumerate((steps, *more[:2]))
    ]
    return ScheduleOffer(
        tuple(msgspec.structs.replace(one, tariff=tariffs(number)) for number, one in enumerate(schedules))
    )


def _power_schedule(
    choice: int, steps: Sequence[LimitStep], supply: Supply, need: EnergyNeed, horizon: float
) -> PowerSchedule:
    now = steps[0].start
    found: list[PowerStep] = []
    for step in steps:
        watts = supply.max_power if step.watts is None else min(step.watts, supply.max_power)
        rises = bool(found) and watts > found[-1].max_power
        start = math.ceil(step.start - now) if rises else math.floor(step.start - now)
        if found and start <= found[-1].start:  # two changes within a second: the lower limit for both
            found[-1] = PowerStep(found[-1].start, min(watts, found[-1].max_power))
        else:
            found.append(PowerStep(start, watts))
    room = max(1, min(need.max_steps, 1024))
    if len(found) > room:
        lowest = min(step.max_power for step in found[room - 1 :])
        found = [*found[: room - 1], PowerStep(found[room - 1].start, lowest)]
    duration = min(86_400, max(1, int(horizon) - found[-1].start))
    return PowerSchedule(choice + 1, tuple(found), duration)


# --- one profile -------------------------------------------------------------------------------------------


def _schedule(profile: ChargingProfile, choice: int) -> Schedule:
    """A profile with fewer schedules has the same one for every choice."""
    return profile.schedules[choice if choice < len(profile.schedules) else 0]


def _period(
    profile: ChargingProfile, at: float, running: Running | None, now: float, choice: int
) -> tuple[Period, str] | None:
    """Return the period of this moment and its unit; None: the profile does not apply."""
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    bound = profile.purpose in (ProfilePurpose.TX, ProfilePurpose.PRIORITY) and profile.transaction
    if profile.purpose is ProfilePurpose.TX and running is None:
        return None
    if bound and (running is None or profile.transaction != running.id):
        return None
    schedule = _schedule(profile, choice)
    passed = at - _begin(profile, schedule, at, running, now)
    if passed < 0 or (schedule.duration is not None and passed >= schedule.duration):
        return None  # for a dynamic profile this is the dead-man rule: it was not updated in time
    period = [one for one in schedule.periods if one.start <= passed][-1]
    return None if period.lapsed else (period, schedule.unit)


def _begin(
    profile: ChargingProfile, schedule: Schedule, at: float, running: Running | None, now: float
) -> float:
    """Return the start of the schedule that applies at this moment."""
    transaction = now if running is None else running.begun_at
    if profile.kind is ProfileKind.DYNAMIC:
        return transaction if profile.updated_at is None else profile.updated_at
    if profile.kind is ProfileKind.RELATIVE or schedule.start is None:
        return transaction
    if profile.kind is ProfileKind.RECURRING:
        every = WEEK if profile.weekly else DAY
        return schedule.start + (at - schedule.start) // every * every
    return schedule.start


def _changes(
    profile: ChargingProfile, now: float, horizon: float, running: Running | None, choice: int
) -> set[float]:
    """Return every moment at which the limit of this profile may change."""
    moments = {at for at in (profile.valid_from, profile.valid_to) if at is not None}
    schedule = _schedule(profile, choice)
    begins = [_begin(profile, schedule, now, running, now)]
    if profile.kind is ProfileKind.RECURRING:
        every = WEEK if profile.weekly else DAY
        begins += [begins[0] + every * count for count in range(1, int(horizon // every) + 2)]
    for begin in begins:
        moments |= {begin + period.start for period in schedule.periods}
        if schedule.duration is not None:
            moments.add(begin + schedule.duration)
    return moments
