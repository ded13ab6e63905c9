"""Charging profiles: which ones are stored. Pure; `composite` decides what they allow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import msgspec

from secc.ocpp.composite import Running
from secc.ocpp.profile_model import (
    ChargingProfile,
    OperationMode,
    Period,
    ProfileFilter,
    ProfileKind,
    ProfilePurpose,
    Schedule,
)

__all__ = [
    "ProfileRefusal",
    "added",
    "after_offline",
    "after_transaction",
    "cleared",
    "lapsed",
    "selected",
    "updated",
]

MOST_PROFILES = 100
"""Stored profiles of one station."""
MOST_STACK = 100
"""Highest stack level."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProfileRefusal:
    """Why a profile is refused."""

    text: str
    code: str = "InvalidProfile"
    """reasonCode of OCPP, at most 20 characters."""


def added(
    profiles: Sequence[ChargingProfile], new: ChargingProfile, running: Running | None
) -> tuple[ChargingProfile, ...] | ProfileRefusal:
    """Return the profiles with a new one, or the reason of a refusal."""
    if (refusal := _problem(new)) is not None:
        return refusal
    if new.purpose is ProfilePurpose.TX:
        if new.evse == 0:  # OCPP K01.FR.16
            return ProfileRefusal("a profile for a transaction belongs to an EVSE")
        if running is None:
            return ProfileRefusal("no transaction", "TxNotFound")
        if new.transaction not in ("", running.id):
            return ProfileRefusal("another transaction", "TxNotFound")
        new = msgspec.structs.replace(new, transaction=running.id)
    kept = [one for one in profiles if not _replaces(new, one)]
    if len(kept) >= MOST_PROFILES:
        return ProfileRefusal(f"at most {MOST_PROFILES} profiles", "TooManyElements")
    return (*kept, new)


def _problem(new: ChargingProfile) -> ProfileRefusal | None:
    """Return what is wrong with a profile by itself."""
    if not new.schedules or any(not schedule.periods for schedule in new.schedules):
        return ProfileRefusal("no schedule", "NoSchedule")
    if any(schedule.periods[0].start != 0 for schedule in new.schedules):
        return ProfileRefusal("the first period does not start at 0", "InvalidSchedule")
    if any(_disordered(schedule) for schedule in new.schedules):
        return ProfileRefusal("the periods do not start one after the other", "InvalidSchedule")
    if new.kind is ProfileKind.RECURRING and any(one.start is None for one in new.schedules):
        return ProfileRefusal("recurring without a start")
    if new.kind is ProfileKind.DYNAMIC and any(len(one.periods) > 1 for one in new.schedules):
        return ProfileRefusal("dynamic with several periods", "InvalidSchedule")  # OCPP K28
    if not 0 <= new.stack <= MOST_STACK:
        return ProfileRefusal(f"stack level {new.stack}, expected at most {MOST_STACK}", "InvalidStackLevel")
    if new.purpose is ProfilePurpose.STATION_MAX:
        if new.evse != 0:
            return ProfileRefusal("a limit of the station belongs to EVSE 0")
        if new.kind is ProfileKind.RELATIVE and new.received is not None:  # OCPP K01.FR.38, not in 1.6
            return ProfileRefusal("a limit of the station has no transaction to start with")
    return next(
        (
            ProfileRefusal(problem, "InvalidSchedule")
            for schedule in new.schedules
            for period in schedule.periods
            if (problem := _contradiction(period))
        ),
        None,
    )


def _disordered(schedule: Schedule) -> bool:
    starts = [period.start for period in schedule.periods]
    return starts != sorted(set(starts))


def _contradiction(period: Period) -> str:
    """Return what contradicts itself in a period, by signs and operation mode of 2.1."""
    if period.discharge is not None and period.discharge > 0:
        return "a discharge limit above 0"
    limits = period.limit is not None or period.discharge is not None
    match period.mode:
        case OperationMode.CENTRAL_SETPOINT | OperationMode.CENTRAL_FREQUENCY if period.setpoint is None:
            return f"{period.mode} without a set-point"
        case OperationMode.CENTRAL_SETPOINT | OperationMode.CENTRAL_FREQUENCY if limits:
            return f"{period.mode} with limits"  # OCPP Q03.FR.02, Q07.FR.03
        case OperationMode.EXTERNAL_SETPOINT | OperationMode.EXTERNAL_LIMITS if period.setpoint is not None:
            return f"{period.mode} with a set-point"
        case OperationMode.LOCAL_LOAD_BALANCING if period.setpoint is not None:
            return "LocalLoadBalancing with a set-point"
        case OperationMode.LOCAL_FREQUENCY:
            return _frequency_problem(period, limits=limits)
        case OperationMode.CHARGING_ONLY if period.setpoint is not None or period.discharge is not None:
            return "ChargingOnly with a set-point or discharge"
        case OperationMode.IDLE if (period.limit, period.setpoint, period.discharge) != (None, None, None):
            return "Idle with limits"  # OCPP Q10.FR.01
    return ""


def _frequency_problem(period: Period, *, limits: bool) -> str:
    """OCPP Q08.FR.01 to Q08.FR.05."""
    if limits or period.setpoint is not None:
        return "LocalFrequency with limits or a set-point"
    if len(period.by_frequency) < 2 or period.baseline is None:
        return "LocalFrequency without v2xBaseline and a v2xFreqWattCurve of two points"
    if len(period.by_signal) == 1:
        return "a v2xSignalWattCurve of one point"
    for curve in (period.by_frequency, period.by_signal):
        xs = [x for x, _ in curve]
        if xs != sorted(set(xs)):
            return "a curve whose points do not rise"
    return ""


def cleared(profiles: Iterable[ChargingProfile], which: ProfileFilter) -> tuple[ChargingProfile, ...]:
    """Return the profiles that `which` does not select; limits of external systems stay."""
    return tuple(
        one for one in profiles if one.purpose is ProfilePurpose.EXTERNAL or not _selects(which, one)
    )


def selected(profiles: Iterable[ChargingProfile], which: ProfileFilter) -> tuple[ChargingProfile, ...]:
    """Return the profiles that `which` selects."""
    return tuple(one for one in profiles if _selects(which, one))


def after_transaction(profiles: Iterable[ChargingProfile]) -> tuple[ChargingProfile, ...]:
    """Return the profiles without TxProfiles, which end with their transaction."""
    return tuple(one for one in profiles if one.purpose is not ProfilePurpose.TX)


def lapsed(profiles: Iterable[ChargingProfile], offline: float) -> tuple[ChargingProfile, ...]:
    """Return the profiles that apply after so many seconds without a CSMS (OCPP K01, maxOfflineDuration)."""
    return tuple(one for one in profiles if one.max_offline is None or offline < one.max_offline)


def after_offline(profiles: Iterable[ChargingProfile], offline: float) -> tuple[ChargingProfile, ...]:
    """Return the profiles without those that the time without a CSMS has made invalid."""
    return tuple(
        one
        for one in profiles
        if not one.invalid_after_offline or one.max_offline is None or offline < one.max_offline
    )


def updated(
    profiles: Sequence[ChargingProfile], id_: int, change: Period, now: float
) -> tuple[ChargingProfile, ...] | ProfileRefusal:
    """Return the profiles with new values in a dynamic one (OCPP 2.1 K28), or the reason of a refusal.

    A value that `change` does not have is kept.
    """
    old = next((one for one in profiles if one.id == id_), None)
    if old is None or old.kind is not ProfileKind.DYNAMIC:
        return ProfileRefusal(f"no dynamic profile {id_}", "UnknownProfile")
    schedule = old.schedules[0]
    period = schedule.periods[0]
    new = msgspec.structs.replace(
        period,
        limit=period.limit if change.limit is None else change.limit,
        discharge=period.discharge if change.discharge is None else change.discharge,
        setpoint=period.setpoint if change.setpoint is None else change.setpoint,
    )
    if problem := _contradiction(new):
        return ProfileRefusal(problem, "InvalidSchedule")
    schedules = (msgspec.structs.replace(schedule, periods=(new,)), *old.schedules[1:])
    fresh = msgspec.structs.replace(old, schedules=schedules, updated_at=now)
    return tuple(fresh if one is old else one for one in profiles)


def _replaces(new: ChargingProfile, old: ChargingProfile) -> bool:
    """Return whether the new profile replaces the old: same id, or same stack level, purpose, EVSE and
    transaction."""
    if (new.purpose is ProfilePurpose.EXTERNAL) is not (old.purpose is ProfilePurpose.EXTERNAL):
        return False
    if new.id == old.id:
        return True
    return (new.stack, new.purpose, new.evse, new.transaction) == (
        old.stack,
        old.purpose,
        old.evse,
        old.transaction,
    )


def _selects(which: ProfileFilter, profile: ChargingProfile) -> bool:
    pairs = (
        (which.id, profile.id),
        (which.evse, profile.evse),
        (which.purpose, profile.purpose),
        (which.stack, profile.stack),
    )
    if which.ids and profile.id not in which.ids:
        return False
    if which.sources and profile.source not in which.sources:
        return False
    return all(wanted is None or wanted == found for wanted, found in pairs)
