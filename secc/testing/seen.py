"""How one row of the contract ends, and the small questions that all rows ask of the evidence."""

from __future__ import annotations

import dataclasses
import enum
import math

from secc.testing.evidence import Call, Exercise, Observations, Owed, Sample

__all__ = [
    "RowState",
    "Seen",
    "bad",
    "calls_of",
    "count",
    "first_off",
    "first_on",
    "good",
    "has_feedback",
    "how",
    "last_before",
    "level",
    "note",
    "seconds",
    "settle",
    "untried",
]


class RowState(enum.StrEnum):
    """How it stands with one row."""

    OK = "ok"
    WARNING = "warning"
    """Allowed, but something cannot be seen or does not work because of it."""
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What was seen for one row."""

    state: RowState
    text: str


def good(text: str) -> Seen:
    """As owed."""
    return Seen(RowState.OK, text)


def bad(text: str) -> Seen:
    """Not as owed."""
    return Seen(RowState.FAILED, text)


def note(text: str) -> Seen:
    """Allowed, with a drawback."""
    return Seen(RowState.WARNING, text)


def untried(text: str) -> Seen:
    """No verdict, for this reason."""
    return Seen(RowState.NOT_TRIED, text)


def seconds(value: float) -> str:
    """A duration for people."""
    if math.isinf(value):
        return "no end"
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1000:.0f} ms" if value < 1.0 else f"{value:.1f} s"


def level(sample: Sample | None, owed: Owed) -> str:
    """What a snapshot shows of the output."""
    if sample is None:
        return "no snapshot"
    if owed.dc:
        volts = sample.voltage()
        return "no reading" if volts is None else f"{volts:.0f} V"
    return {True: "contactor closed", False: "contactor open", None: "no feedback"}[sample.on(owed)]


def last_before(exercise: Exercise, moment: float) -> Sample | None:
    """The last snapshot before a moment."""
    return next((sample for sample in reversed(exercise.samples) if sample.at <= moment), None)


def first_on(exercise: Exercise, owed: Owed, begin: float, end: float = math.inf) -> Sample | None:
    """The first snapshot of a stretch that shows the output energised."""
    return next((one for one in exercise.between(begin, end) if one.on(owed) is True), None)


def first_off(exercise: Exercise, owed: Owed, begin: float, end: float = math.inf) -> Sample | None:
    """The first snapshot of a stretch that shows the output off."""
    return next((one for one in exercise.between(begin, end) if one.on(owed) is False), None)


def has_feedback(evidence: Observations) -> bool:
    """Any snapshot shows the state of the output."""
    samples = (sample for exercise in evidence.exercises.values() for sample in exercise.samples)
    return any(sample.on(evidence.owed) is not None for sample in samples)


def calls_of(evidence: Observations, method: str) -> list[Call]:
    """All calls of a method that were left to end, the ones after a cancelled call left aside."""
    exercises = (one for name, one in evidence.exercises.items() if name != "cancelled")
    found = (call for exercise in exercises for call in exercise.calls)
    return [call for call in found if call.method == method and not call.cancelled]


def how(call: Call) -> str:
    """How a call ended."""
    if call.ended is None:
        return f"{call.method} did not return"
    if call.error:
        return f"{call.method} raised {call.error}"
    return f"{call.method} returned {call.result!r} after {seconds(call.duration)}"


def count(calls: list[Call]) -> str:
    """How many."""
    return "1 call" if len(calls) == 1 else f"{len(calls)} calls"


def settle(owed: Owed) -> float:
    """s from the moment something is off until a snapshot must show it."""
    return owed.grace + (owed.discharge if owed.dc else 0.0)
