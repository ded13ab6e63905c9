"""Charging profiles: which ones are stored, and what they allow at which time. Pure.

For each purpose the profile with the highest stack level that has a limit for the moment applies. A TxProfile
replaces a TxDefaultProfile, and the limits of the whole station cap both. The result is one list of power
steps, from which the schedule for the EV and the present limit are taken.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import msgspec

from secc.ocpp.model import ChargingProfile, Period, ProfileFilter, ProfileKind, ProfilePurpose, Schedule
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings.config import SeccConfig

__all__ = [
    "LimitStep",
    "Running",
    "Supply",
    "added",
    "after_transaction",
    "cleared",
    "composite",
    "limit_at",
    "offer",
    "supply_of",
]

DAY = 86_400.0
WEEK = 7 * DAY


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
        if unit == "W":
            return max(0.0, period.limit)
        phases = min(period.phases or self.phases, self.phases)
        return max(0.0, period.limit) * self.voltage * phases


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


def added(
    profiles: Sequence[ChargingProfile], new: ChargingProfile, running: Running | None
) -> tuple[ChargingProfile, ...] | str:
    """Return the profiles with a new one, or the reason of a refusal."""
    if not new.schedules or any(not schedule.periods for schedule in new.schedules):
        return "no schedule"
    if any(schedule.periods[0].start != 0 for schedule in new.schedules):
        return "the first period does not start at 0"
    if new.kind is ProfileKind.RECURRING and any(one.start is None for one in new.schedules):
        return "recurring without a start"
    if new.purpose is ProfilePurpose.TX:
        if new.evse == 0:
            return "a profile for a transaction belongs to an EVSE"  # OCPP K01.FR.16
        if running is None:
            return "no transaction"
        if new.transaction not in ("", running.id):
            return "another transaction"
        new = msgspec.structs.replace(new, transaction=running.id)
    if new.purpose is ProfilePurpose.STATION_MAX and new.evse != 0:
        return "a limit of the station belongs to EVSE 0"
    kept = [one for one in profiles if not _replaces(new, one)]
    return (*kept, new)


def cleared(profiles: Iterable[ChargingProfile], which: ProfileFilter) -> tuple[ChargingProfile, ...]:
    """Return the profiles that `which` does not select."""
    return tuple(one for one in profiles if not _meant(one, which))


def after_transaction(profiles: Iterable[ChargingProfile]) -> tuple[ChargingProfile, ...]:
    """Return the profiles without TxProfiles, which end with their transaction."""
    return tuple(one for one in profiles if one.purpose is not ProfilePurpose.TX)


def limit_at(
    profiles: Iterable[ChargingProfile], supply: Supply, at: float, running: Running | None, now: float
) -> float | None:
    """Return the power in W allowed at a moment; None: no profile applies."""
    by_purpose: dict[ProfilePurpose, tuple[int, float]] = {}
    for profile in profiles:
        watts = _says(profile, supply, at, running, now)
        best = by_purpose.get(profile.purpose)
        if watts is not None and (best is None or profile.stack > best[0]):
            by_purpose[profile.purpose] = profile.stack, watts
    if ProfilePurpose.TX in by_purpose:
        by_purpose.pop(ProfilePurpose.TX_DEFAULT, None)
    return min((watts for _, watts in by_purpose.values()), default=None)


def composite(
    profiles: Sequence[ChargingProfile], supply: Supply, now: float, horizon: float, running: Running | None
) -> tuple[LimitStep, ...]:
    """Return what is allowed for `horizon` seconds from now, with one step for each change."""
    moments = {now}
    for profile in profiles:
        moments |= {at for at in _changes(profile, now, horizon, running) if now < at < now + horizon}
    steps: list[LimitStep] = []
    for at in sorted(moments):
        watts = limit_at(profiles, supply, at, running, now)
        if not steps or steps[-1].watts != watts:
            steps.append(LimitStep(at, watts))
    return tuple(steps)


def offer(steps: Sequence[LimitStep], supply: Supply, need: EnergyNeed, horizon: float) -> ScheduleOffer:
    """Return the steps as an offer for an EV.

    Steps beyond its limit are merged into one last step with the lowest power.
    """
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
    return ScheduleOffer((PowerSchedule(1, tuple(found), duration),))


# --- one profile -------------------------------------------------------------------------------------------


def _replaces(new: ChargingProfile, old: ChargingProfile) -> bool:
    """Return whether the new profile replaces the old: same id, or same stack level, purpose, EVSE and
    transaction."""
    if new.id == old.id:
        return True
    return (new.stack, new.purpose, new.evse, new.transaction) == (
        old.stack,
        old.purpose,
        old.evse,
        old.transaction,
    )


def _meant(profile: ChargingProfile, which: ProfileFilter) -> bool:
    if (
        profile.purpose is ProfilePurpose.EXTERNAL
        and which.id is None
        and which.purpose is not ProfilePurpose.EXTERNAL
    ):
        return False  # not set by the CSMS
    pairs = (
        (which.id, profile.id),
        (which.evse, profile.evse),
        (which.purpose, profile.purpose),
        (which.stack, profile.stack),
    )
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _says(
    profile: ChargingProfile, supply: Supply, at: float, running: Running | None, now: float
) -> float | None:
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    if profile.purpose is ProfilePurpose.TX and (running is None or profile.transaction != running.id):
        return None
    schedule = profile.schedules[0]
    passed = at - _begin(profile, schedule, at, running, now)
    if passed < 0 or (schedule.duration is not None and passed >= schedule.duration):
        return None
    period = [one for one in schedule.periods if one.start <= passed][-1]
    return supply.watts(period, schedule.unit)


def _begin(
    profile: ChargingProfile, schedule: Schedule, at: float, running: Running | None, now: float
) -> float:
    """Return the start of the schedule that applies at this moment."""
    transaction = now if running is None else running.begun_at
    if profile.kind is ProfileKind.RELATIVE or schedule.start is None:
        return transaction
    if profile.kind is ProfileKind.RECURRING:
        every = WEEK if profile.weekly else DAY
        return schedule.start + (at - schedule.start) // every * every
    return schedule.start


def _changes(profile: ChargingProfile, now: float, horizon: float, running: Running | None) -> set[float]:
    """Return every moment at which the limit of this profile may change."""
    moments = {at for at in (profile.valid_from, profile.valid_to) if at is not None}
    schedule = profile.schedules[0]
    begins = [_begin(profile, schedule, now, running, now)]
    if profile.kind is ProfileKind.RECURRING:
        every = WEEK if profile.weekly else DAY
        begins += [begins[0] + every * count for count in range(1, int(horizon // every) + 2)]
    for begin in begins:
        moments |= {begin + period.start for period in schedule.periods}
        if schedule.duration is not None:
            moments.add(begin + schedule.duration)
    return moments
