"""Power of one or three phases, AC.

With the base element alone it is the sum of all phases, evenly spread; beside the elements of L2 and L3 it is
that of L1 [V2G20-1816] [V2G20-1817] [V2G20-1818].
"""

from __future__ import annotations

from secc.messages.iso20_common import RationalNumber
from secc.session.iso20 import numbers, wire
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
