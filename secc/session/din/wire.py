"""Physical values and charging profiles of DIN SPEC 70121, made and read."""

from __future__ import annotations

import functools

from secc.messages.din import ChargingProfile, DCEVErrorCode, DCEVStatus, PhysicalValue, UnitSymbol
from secc.session.profile import ProfileEntry
from secc.session.quantities import Milli, of_wire, reading, to_wire

V, A, W, WH = UnitSymbol.V, UnitSymbol.A, UnitSymbol.W, UnitSymbol.WH


@functools.lru_cache(maxsize=256)
def limit(value: Milli, unit: UnitSymbol) -> PhysicalValue:
    """A limit of the station, rounded down to a tenth or coarser."""
    size, multiplier = to_wire(value)
    return PhysicalValue(multiplier=multiplier, unit=unit, value=size)


def measured(value: float, unit: UnitSymbol) -> PhysicalValue:
    """A measurement, to the nearest tenth."""
    size, multiplier = reading(value)
    return PhysicalValue(multiplier=multiplier, unit=unit, value=size)


def error_of(status: DCEVStatus) -> str:
    """The EV's error code as text; empty without an error."""
    code = status.ev_error_code
    return "" if code is DCEVErrorCode.NO_ERROR else code.value


def entries(profile: ChargingProfile) -> list[ProfileEntry]:
    """A charging profile as numbers; it says whole watts."""
    return [
        ProfileEntry(entry.charging_profile_entry_start, of_wire(entry.charging_profile_entry_max_power, 0))
        for entry in profile.profile_entry
    ]
