"""How much power flows in Dynamic mode, where the station decides: signed, positive from station to EV.

Pure arithmetic on milliwatts. Charge and discharge are bounded apart, each by a magnitude, so no limit can
become a target of the other direction.
"""

from __future__ import annotations

import msgspec


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What may flow, in mW; magnitudes."""

    charge: int
    """Most to the EV."""
    discharge: int
    """Most from the EV; 0 where it is not permitted."""
    least_charge: int = 0
    """EVMinimumChargePower: less is no power."""
    least_discharge: int = 0
    """EVMinimumDischargePower, likewise."""


NOTHING = Room(charge=0, discharge=0)
"""No power in either direction."""


def target(wanted: int | None, room: Room) -> int:
    """The power to set, mW. `wanted` is what energy management asks for; None: as much as the EV can take.

    A power below the least that the EV can handle becomes zero, never more than was wanted.
    """
    power = room.charge if wanted is None else max(-room.discharge, min(room.charge, wanted))
    if power > 0:
        return power if power >= room.least_charge else 0
    return power if -power >= room.least_discharge else 0


def ramped(before: int, power: int, rise: int) -> int:
    """The power to set after `before`, with at most `rise` more than that away from zero."""
    most = (abs(before) if before * power >= 0 else 0) + max(0, rise)
    return max(-most, min(power, most))


def through_zero(before: int, power: int) -> int:
    """The power to set after `before`: a change of direction stops at zero for one step [V2G20-1468]."""
    turns = (before > 0 > power) or (before < 0 < power)
    return 0 if turns else power
