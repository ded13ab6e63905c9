"""Physical values, signatures and charging profiles of ISO 15118-2, made and read."""

from __future__ import annotations

import functools

from secc.messages.iso2 import ChargingProfile, DCEVErrorCode, DCEVStatus, PhysicalValue, UnitSymbol
from secc.messages.xmldsig import Signature
from secc.session.context import Agreed
from secc.session.profile import ProfileEntry, invalid
from secc.session.quantities import Milli, WrongUnit, amount, reading, to_wire

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


def entries(profile: ChargingProfile | None) -> list[ProfileEntry] | None:
    """A charging profile as numbers; a wrong unit is a refusal."""
    if profile is None:
        return None
    try:
        return [
            ProfileEntry(
                entry.charging_profile_entry_start,
                amount(entry.charging_profile_entry_max_power, W),
                entry.charging_profile_entry_max_number_of_phases_in_use,
            )
            for entry in profile.profile_entry
        ]
    except WrongUnit as error:
        raise invalid(str(error)) from error


def signature_of(session: Agreed) -> Signature | None:
    """The signature in the header of the last request."""
    found = session.received_signature
    return found if isinstance(found, Signature) else None
