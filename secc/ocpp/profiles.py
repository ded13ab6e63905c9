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
    match period.mode:
        case OperationMode.CENTRAL_SETPOINT if period.setpoint is None:
            return "CentralSetpoint without a set-point"
        case OperationMode.CENTRAL_SETPOINT if period.limit is not None or period.discharge is not None:
            return "CentralSetpoint with limits"  # OCPP Q03.FR.02
        case OperationMode.CHARGING_ONLY if period.setpoint is not None or period.discharge is not None:
            return "ChargingOnly with a set-point or discharge"
        case OperationMode.IDLE if (period.limit, period.setpoint, period.discharge) != (None, None, None):
            return "Idle with limits"  # OCPP Q10.FR.01
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
