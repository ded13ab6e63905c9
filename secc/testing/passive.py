"""Rows that need no power: methods, snapshots, and how calls behave in general. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from secc.boundary.results import SNAPSHOT
from secc.boundary.values import accept
from secc.errors import IntegrationError
from secc.ports import ReportsChanges
from secc.session.outlet import ControlPilot, MeterReading
from secc.testing.evidence import Call, Observations, Sample
from secc.testing.seen import (
    Seen,
    bad,
    calls_of,
    count,
    good,
    has_feedback,
    how,
    level,
    note,
    seconds,
    untried,
)


def methods(evidence: Observations) -> Seen:
    """Whether a station takes the controller: methods, arguments, async or not, no misspelt name."""
    if evidence.refused:
        return bad(evidence.refused.removeprefix("controller: "))
    found = ", ".join(sorted(port.__name__ for port in evidence.abilities))
    return good(f"all seven, and {found}" if found else "all seven")


def _samples(evidence: Observations) -> Iterator[Sample]:
    for exercise in evidence.exercises.values():
        yield from exercise.samples
        yield from (call.after for call in exercise.calls if call.after is not None)


def snapshot_values(evidence: Observations) -> Seen:
    """What a station takes, of every snapshot."""
    samples = list(_samples(evidence))
    problems: dict[str, str] = {}
    for sample in samples:
        problem = f"raised {sample.error}" if sample.error else problem_of(sample.value)
        if problem:
            problems.setdefault(problem.partition(" is ")[0], problem)
    if problems:
        return bad("; ".join(problems.values()))
    return good(f"{len(samples)} snapshots")


def problem_of(value: object) -> str:
    """What a station refuses in one snapshot; empty when it takes it."""
    try:
        accept("snapshot", SNAPSHOT, value)
    except IntegrationError as error:
        return f"{error.found}, expected {error.expected}"
    return ""


def snapshot_quick(evidence: Observations) -> Seen:
    """Nine of ten calls within the limit: a busy machine may hold one up."""
    return _quick([sample.cost for sample in _samples(evidence)], evidence.owed.quick)


def lease_quick(evidence: Observations) -> Seen:
    """The same for `lease`, which also must not raise."""
    errors = [error for exercise in evidence.exercises.values() for error in exercise.lease_errors]
    if errors:
        return bad(f"lease raised {errors[0]}")
    costs = [cost for exercise in evidence.exercises.values() for _, cost in exercise.leases]
    return _quick(costs, evidence.owed.quick)


def _quick(costs: list[float], limit: float) -> Seen:
    if not costs:
        return untried("not called")
    costs = sorted(costs)
    usual, most = costs[len(costs) // 2], costs[int(len(costs) * 0.9)]
    text = f"{seconds(usual)} in the middle, 90 % within {seconds(most)}"
    return good(text) if most <= limit else bad(text)


def feedback(evidence: Observations) -> Seen:
    """AC: the contactor by level; without it much cannot be seen."""
    if has_feedback(evidence):
        return good("contactor_closed is True or False")
    return note("contactor_closed is None: a contactor that does not follow goes unnoticed")


def meter(evidence: Observations) -> Seen:
    """The energy on the meter never falls."""
    readings = [
        (sample.at, sample.snapshot.meter)
        for sample in _samples(evidence)
        if sample.snapshot is not None and isinstance(sample.snapshot.meter, MeterReading)
    ]
    if not readings:
        return note("no reading: the EV and the end record get none")
    readings.sort(key=lambda one: one[0])
    for (_, before), (_, after) in itertools.pairwise(readings):
        if after.meter_id == before.meter_id and after.energy < before.energy:
            return bad(f"the meter went from {before.energy} Wh to {after.energy} Wh")
    return good(f"{readings[-1][1].energy} Wh on meter {readings[-1][1].meter_id}")


def make_safe_at_rest(evidence: Observations) -> Seen:
    """The first call of all: it returns, and the output is off."""
    calls = evidence.exercises["rest"].calls
    first = next(call for call in calls if call.method == "make_safe")
    if first.ended is None:
        return untried(f"{how(first)}, see make-safe-time")
    if not first.fine:
        return bad(how(first))
    if first.after is not None and first.after.on(evidence.owed) is True:
        return bad(f"{level(first.after, evidence.owed)} after make_safe")
    return good(f"returned after {seconds(first.duration)}, {level(first.after, evidence.owed)}")


def make_safe_repeats(evidence: Observations) -> Seen:
    """Called with the output already off."""
    repeated = [call for call in evidence.exercises["rest"].calls if call.method == "make_safe"][1:]
    for call in repeated:
        if not call.fine:
            return bad(f"call {repeated.index(call) + 2}: {how(call)}")
        if call.after is not None and call.after.on(evidence.owed) is True:
            return bad(f"call {repeated.index(call) + 2}: {level(call.after, evidence.owed)}")
    return good(f"{len(repeated) + 1} calls") if repeated else untried("the first call did not return")


def off_at_rest(evidence: Observations) -> Seen:
    """`open_contactor` ends every session, in DC as well: it must not fail on an output that is off."""
    call = evidence.exercises["rest"].first("open_contactor")
    if call is None:
        return untried("not called")
    if call.ended is None:
        return untried(f"{how(call)}, see open-time")
    if not call.fine or call.result is not True:
        return bad(how(call))
    return good(how(call))


def in_time(method: str) -> Callable[[Observations], Seen]:
    """Every call of the method returned within its limit."""

    def judge(evidence: Observations) -> Seen:
        calls = calls_of(evidence, method)
        limit = evidence.owed.limit(method)
        if not calls:
            return untried("not called")
        slowest = max(calls, key=lambda call: call.duration)
        text = f"{count(calls)}, at most {seconds(slowest.duration)}"
        return good(text) if slowest.duration <= limit else bad(f"{text}, in {_where(evidence, slowest)}")

    return judge


def _where(evidence: Observations, call: Call) -> str:
    return next(name for name, exercise in evidence.exercises.items() if call in exercise.calls)


def blocking(evidence: Observations) -> Seen:
    """No async method holds up the event loop."""
    calls = [call for exercise in evidence.exercises.values() for call in exercise.calls]
    if not calls:
        return untried("not called")
    worst = max(calls, key=lambda call: call.longest_step)
    text = f"{worst.method} holds up the event loop for {seconds(worst.longest_step)}"
    if worst.longest_step > evidence.owed.step:
        return bad(text)
    return good(f"at most {seconds(worst.longest_step)}, in {worst.method}")


def changed_is_quiet(evidence: Observations) -> Seen:
    """`changed` returns for a reason: else the station takes snapshots without end."""
    if ReportsChanges not in evidence.abilities:
        return note("no changed(): the station polls snapshot")
    rest = evidence.exercises["rest"]
    if rest.marks.get("changed raised"):
        return bad("changed raised an exception")
    returns = len(rest.changes)
    text = f"{returns} returns in {seconds(rest.marks.get('watched', 0.0))} without a change"
    return bad(text) if returns > _IDLE_RETURNS else good(text)


_IDLE_RETURNS = 5  # the first call may return for something from before


def changed_reports(evidence: Observations) -> Seen:
    """`changed` returns soon after the pilot has moved."""
    if ReportsChanges not in evidence.abilities:
        return untried("no changed()")
    moved = evidence.exercises.get("pilot")
    if moved is None:
        return untried("needs a rig that moves the pilot")
    at = moved.marks["moved"]
    showing = next((sample.at for sample in moved.between(at) if _pilot(sample) is ControlPilot.C), None)
    if showing is None:
        return untried("no snapshot showed the control pilot C")
    returned = next((moment for moment in moved.changes if moment >= at), math.inf)
    text = f"returned {seconds(returned - showing)} after the snapshot showed C"
    if math.isinf(returned):
        return bad("the snapshot showed C, changed did not return")
    if returned - showing > evidence.owed.change:
        return bad(text)
    return good(f"returned {seconds(max(0.0, returned - at))} after the pilot moved")


def _pilot(sample: Sample) -> ControlPilot | None:
    return None if sample.snapshot is None else sample.snapshot.control_pilot
