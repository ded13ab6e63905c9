"""Power of one or three phases, AC.

With the base element alone it is the sum of all phases, evenly spread; beside the elements of L2 and L3 it is
that of L1 [V2G20-1816] [V2G20-1817] [V2G20-1818].
"""

from __future__ import annotations

from secc.messages.iso20_common import RationalNumber
from secc.session.context import Context
from secc.session.iso20 import numbers, wire
from secc.session.iso20.side import side
from secc.session.quantities import Milli


def total(*parts: RationalNumber | None, up: bool = False) -> Milli:
    """mW of all phases together."""
    write = numbers.up if up else numbers.down
    return Milli(sum(write(part) for part in parts if part is not None))


def magnitude(source: object, name: str) -> Milli:
    """mW of a discharge limit of all phases together, with either sign; `name`: of the base element."""
    parts = (getattr(source, name), getattr(source, f"{name}_l2"), getattr(source, f"{name}_l3"))
    return Milli(sum(wire.magnitude(part) for part in parts if part is not None))


def said(source: object, name: str) -> Milli | None:
    """mW of all phases together, rounded towards zero; None where the EV does not say. `name` is that of the
    base element."""
    parts = [getattr(source, f"{name}{phase}", None) for phase in ("", "_l2", "_l3")]
    return (
        None if parts[0] is None else Milli(sum(wire.toward_zero(part) for part in parts if part is not None))
    )


Each = tuple[int, int, int]
"""mW of L1, L2 and L3; magnitudes."""


def apart(source: object, name: str) -> Each | None:
    """A limit of each phase; None where the EV has one for all together [V2G20-1817] [V2G20-1818]. A phase
    that is not named has nothing."""
    if getattr(source, f"{name}_l2", None) is None:
        return None
    first, second, third = (getattr(source, f"{name}{phase}", None) for phase in ("", "_l2", "_l3"))
    return tuple(0 if one is None else wire.magnitude(one) for one in (first, second, third))  # type: ignore[return-value]


def narrower(before: Each | None, now: Each | None) -> Each | None:
    """Of two limits of each phase, the lower ones; a later one never widens an earlier one."""
    if before is None or now is None:
        return before
    return tuple(map(min, before, now))  # type: ignore[return-value]


def split(power: int, most: Each, asymmetry: int | None) -> Each:
    """A power over the phases: even, as far as each has room, and with no more than `asymmetry` between two
    of them [V2G20-1828]. The sum is at most `power`: what finds no room is left out."""
    left, shares, still = power, [0, 0, 0], sorted(range(3), key=lambda phase: most[phase])
    for at, phase in enumerate(still):
        shares[phase] = min(most[phase], left // (3 - at))
        left -= shares[phase]
    if asymmetry is not None:
        ceiling = min(shares) + asymmetry
        shares = [min(share, ceiling) for share in shares]
    return shares[0], shares[1], shares[2]


def of_each(name: str, shares: Each, *, back: bool) -> dict[str, RationalNumber]:
    """A set-point of each phase as the elements of a message; `back`: from the EV."""
    numbers_of = (numbers.maximum(share) for share in shares)
    signed = (wire.negated(one) if back else one for one in numbers_of)
    return dict(zip((name, f"{name}_l2", f"{name}_l3"), signed, strict=True))


def divided(name: str, power: int, *, per_phase: bool) -> dict[str, RationalNumber]:
    """A maximum as the elements of a message, by their names: a third for each phase, rounded down."""
    if not per_phase:
        return {name: numbers.maximum(power)}
    third = numbers.maximum(power // 3)
    return {name: third, f"{name}_l2": third, f"{name}_l3": third}


def target(name: str, power: int, *, per_phase: bool) -> dict[str, RationalNumber]:
    """A set-point as the elements of a message, rounded towards zero; the sign is kept."""
    parts = divided(name, abs(power), per_phase=per_phase)
    return parts if power >= 0 else {key: wire.negated(value) for key, value in parts.items()}


def present(session: Context) -> dict[str, RationalNumber]:
    """EVSEPresentActivePower, where the outlet measures it. An EV that uses the elements of L2 and L3 takes
    the base element for L1, so it gets the three, or nothing [V2G20-1818] [V2G20-1822]."""
    name, evse = "evse_present_active_power", session.evse
    if not side(session).per_phase:
        return {} if evse.present_power is None else {name: wire.measured(evse.present_power)}
    if evse.phase_powers is None:
        return {}
    each = (wire.measured(power) for power in evse.phase_powers)
    return dict(zip((name, f"{name}_l2", f"{name}_l3"), each, strict=True))
