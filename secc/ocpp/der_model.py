"""DER controls of OCPP 2.1 (block R): which ones are stored, and which of them acts. Pure.

A default control has no times and acts unless another one takes its place. A scheduled control acts from
its start to its end instead of the default. Within one type and one form the lower number has priority
(R04.FR.03, R04.FR.06); with equal numbers the later control acts. Times are Unix seconds by the clock of
the CSMS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from secc.ocpp.dialect import from_iso
from secc.ocpp.model import Payload

__all__ = [
    "DerControl",
    "DerState",
    "acting",
    "added",
    "apart",
    "field_of",
    "read_control",
    "superseded_by",
    "unexpired",
]

MOST_CONTROLS = 24
"""Stored controls of one type: as many as one report may name (supersededIds)."""
_FARTHEST = 366 * 86_400.0
"""Seconds from now within which a scheduled control begins, and which it lasts at most."""
_FIELDS = {
    "EnterService": "enterService",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "FreqDroop": "freqDroop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limitMaxDischarge",
}
"""DERControlEnumType: the field of the control; all others are a `curve` (R04.FR.16)."""
_ONLY_DEFAULT = ("EnterService", "Gradients")


class DerControl(msgspec.Struct, frozen=True, kw_only=True):
    """One control as the CSMS has set it."""

    id: str
    kind: str
    """DERControlEnumType."""
    default: bool
    priority: int
    """0 is the highest."""
    body: Payload
    """The control as received, to be reported unchanged."""
    start: float | None = None
    end: float | None = None
    """Both for a scheduled control only."""

    def acts_at(self, moment: float) -> bool:
        """Whether this moment is within the times of the control."""
        return self.start is None or self.end is None or self.start <= moment < self.end


class DerState(msgspec.Struct, frozen=True, kw_only=True):
    """What survives a restart (R01.FR.03)."""

    controls: tuple[DerControl, ...] = ()
    """In the order of their arrival."""
    started: tuple[str, ...] = ()
    """Ids of scheduled controls whose start was reported and whose end was not."""


def field_of(kind: str) -> str:
    """Return the field that has the values of a type of control (R04.FR.16)."""
    return _FIELDS.get(kind, "curve")


def read_control(body: Payload, now: float) -> DerControl:
    """Read SetDERControlRequest; raises ValueError with the reason for which it must be rejected."""
    kind, default = body["controlType"], body["isDefault"]
    field = field_of(kind)
    found = [one for one in (*_FIELDS.values(), "curve") if one in body]
    if found != [field]:  # R04.FR.17
        raise ValueError(f"{kind} with {', '.join(found) or 'no values'}, expected {field} alone")
    values: Payload = body[field]
    start, end = _times(values, kind, now, default=default)
    return DerControl(
        id=body["controlId"],
        kind=kind,
        default=default,
        priority=values["priority"],
        body=values,
        start=start,
        end=end,
    )


def _times(values: Payload, kind: str, now: float, *, default: bool) -> tuple[float | None, float | None]:
    text, duration = values.get("startTime"), values.get("duration")
    if default:
        if text is not None or duration is not None:  # R04.FR.13
            raise ValueError("a default control with startTime or duration")
        return None, None
    if kind in _ONLY_DEFAULT:  # R04.FR.15
        raise ValueError(f"{kind} exists as a default control only")
    if text is None or duration is None:
        raise ValueError("a scheduled control without startTime or duration")
    start = from_iso(text)
    if start is None:
        raise ValueError(f"startTime {text!r} is not a time")
    if not 0.0 < duration <= _FARTHEST or start > now + _FARTHEST:
        raise ValueError(f"{duration:g} s from {text}, expected above 0, and both within a year")
    if start + duration <= now:
        raise ValueError("the control is over")
    return start, start + duration


def added(controls: Sequence[DerControl], new: DerControl) -> tuple[DerControl, ...]:
    """Return the controls with a new one, which replaces the one with its id; raises ValueError if there are
    too many of its type."""
    kept = tuple(one for one in controls if one.id != new.id)
    if sum(one.kind == new.kind for one in kept) >= MOST_CONTROLS:
        raise ValueError(f"at most {MOST_CONTROLS} controls of one type are stored")
    return (*kept, new)


def unexpired(controls: Iterable[DerControl], now: float) -> tuple[DerControl, ...]:
    """Return the controls that are not over (R04.FR.10)."""
    return tuple(one for one in controls if one.end is None or one.end > now)


def apart(new: DerControl, controls: Iterable[DerControl]) -> tuple[list[str], bool]:
    """Return the ids of the controls that a new one supersedes, and whether it is superseded itself, at once
    or in the course of its time (R04.FR.02 to R04.FR.08)."""
    rivals = [one for one in controls if _rivals(new, one)]
    below = [one.id for one in rivals if new.priority < one.priority]
    return below, any(one.priority < new.priority for one in rivals)


def _rivals(one: DerControl, other: DerControl) -> bool:
    if (one.kind, one.default) != (other.kind, other.default) or one.id == other.id:
        return False
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return True
    return one.start < other.end and other.start < one.end


def superseded_by(control: DerControl, controls: Iterable[DerControl], now: float) -> str | None:
    """Return the id of a control that has taken the place of this one now; None: there is none."""
    above = (
        one
        for one in controls
        if _rivals(control, one) and one.priority < control.priority and one.acts_at(now)
    )
    return next((one.id for one in above), None)


def acting(controls: Sequence[DerControl], now: float) -> dict[str, DerControl]:
    """Return the control of each type that acts now."""
    found: dict[str, DerControl] = {}
    for control in controls:
        known = found.get(control.kind)
        if control.acts_at(now) and (known is None or _rank(control) <= _rank(known)):
            found[control.kind] = control
    return found


def _rank(control: DerControl) -> tuple[bool, int]:
    return control.default, control.priority
