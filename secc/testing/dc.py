"""Rows of a DC outlet: set-points, discharge, isolation test. Pure."""

from __future__ import annotations

from secc.session.outlet import IsolationLevel
from secc.testing.energised import on_call, overtaken
from secc.testing.evidence import Call, Exercise, Observations
from secc.testing.seen import (
    RowState,
    Seen,
    bad,
    calls_of,
    count,
    first_off,
    first_on,
    good,
    how,
    level,
    note,
    seconds,
    settle,
    untried,
)


def reaches(evidence: Observations) -> Seen:
    """The output has the voltage of the set-point in time."""
    owed, switch = evidence.owed, evidence.exercises["switch"]
    call = on_call(switch)
    if call is None:
        return untried("not called")
    if call.ended is None:
        return untried(f"{how(call)}, see set-output-time")
    if not call.fine:
        return bad(how(call))
    begun, ends = call.began, switch.marks.get("off called", float("inf"))
    for sample in switch.between(begun, ends):
        volts = sample.voltage()
        if volts is not None and abs(volts - owed.voltage) <= owed.tolerance:
            return good(f"{volts:.0f} V after {seconds(sample.at - begun)}")
    most = max((sample.voltage() or 0.0 for sample in switch.between(begun, ends)), default=0.0)
    return bad(f"at most {most:.0f} V within {seconds(owed.pre_charge)}")


def stays_below(evidence: Observations) -> Seen:
    """No reading above the set-point."""
    owed = evidence.owed
    found = [
        (sample.voltage() or 0.0, sample.snapshot.present_current if sample.snapshot is not None else 0.0)
        for exercise in evidence.exercises.values()
        if not exercise.name.startswith("check")
        for sample in exercise.samples
    ]
    volts = max((volts for volts, _ in found), default=0.0)
    amperes = max((amperes for _, amperes in found), default=0.0)
    text = f"at most {volts:.0f} V and {amperes:.1f} A"
    if volts > owed.voltage + owed.tolerance or amperes > owed.current + _AMPERES:
        return bad(f"{text}, set to {owed.voltage:.0f} V and {owed.current:.1f} A")
    return good(text)


_AMPERES = 1.0  # of tolerance: there is no load, only what a filter draws


def discharges(evidence: Observations) -> Seen:
    """(0, 0) takes the voltage away."""
    owed, switch = evidence.owed, evidence.exercises["switch"]
    call = _off_call(switch)
    if call is None or first_on(switch, owed, 0.0, call.began) is None:
        return untried("the output was not on")
    if call.ended is None:
        return untried(f"{how(call)}, see set-output-time")
    if not call.fine:
        return bad(how(call))
    off = first_off(switch, owed, call.began)
    if off is None or first_on(switch, owed, call.ended + settle(owed), off.at) is not None:
        shown = switch.samples[-1] if off is None else off
        return bad(f"{level(shown, owed)} {seconds(shown.at - call.ended)} after set_output(0, 0)")
    return good(f"below {owed.safe_voltage:.0f} V after {seconds(max(0.0, off.at - call.began))}")


def stays_off(evidence: Observations) -> Seen:
    """No older set-point lands after (0, 0)."""
    owed, switch = evidence.owed, evidence.exercises["switch"]
    call = _off_call(switch)
    off = None if call is None else first_off(switch, owed, call.began)
    if call is None or off is None:
        return untried("the output was not off")
    again = first_on(switch, owed, off.at)
    if again is not None:
        return bad(f"{level(again, owed)} again {seconds(again.at - call.began)} after set_output(0, 0)")
    return good(f"off for {seconds(switch.samples[-1].at - off.at)} with a renewed lease")


def _off_call(switch: Exercise) -> Call | None:
    return next((one for one in switch.calls if one.method == "set_output" and one.arguments[0] == 0.0), None)


def check_result(evidence: Observations) -> Seen:
    """`check_cable` returns a level, best one that a session accepts."""
    call = evidence.exercises["check"].first("check_cable")
    if call is None:
        return untried("not called")
    if call.ended is None:
        return untried(f"{how(call)}, see check-time")
    if not call.fine:
        return bad(how(call))
    if not isinstance(call.result, IsolationLevel):
        return bad(f"returned {call.result!r}, expected an IsolationLevel")
    if call.result in (IsolationLevel.VALID, IsolationLevel.WARNING):
        return good(f"{call.result.value} after {seconds(call.duration)}")
    return note(f"{call.result.value}: no session gets energy with this result")


def check_leaves_nothing(evidence: Observations) -> Seen:
    """No voltage at the output when the test has returned."""
    check = evidence.exercises["check"]
    call = check.first("check_cable")
    if call is None or call.ended is None:
        return untried("check_cable did not return")
    if call.after is not None and call.after.on(evidence.owed) is True:
        return bad(f"{level(call.after, evidence.owed)} when check_cable returned")
    later = first_on(check, evidence.owed, call.ended)
    if later is not None:
        when = seconds(later.at - call.ended)
        return bad(f"{level(later, evidence.owed)} {when} after check_cable returned")
    return good(f"{level(call.after, evidence.owed)} when it returned")


def check_stays_below(evidence: Observations) -> Seen:
    """The test keeps to its highest voltage."""
    owed = evidence.owed
    checks = [one for name, one in evidence.exercises.items() if name.startswith("check")]
    most = max((sample.voltage() or 0.0 for check in checks for sample in check.samples), default=0.0)
    text = f"at most {most:.0f} V, allowed {owed.max_voltage:.0f} V"
    return bad(text) if most > owed.max_voltage + owed.tolerance else good(text)


def check_needs_lease(evidence: Observations) -> Seen:
    """A test whose lease is not renewed leaves the output off as well."""
    owed, check = evidence.owed, evidence.exercises["check lapses"]
    ends = check.marks.get("lapses")
    call = check.first("check_cable")
    if ends is None or call is None:
        return untried("the test showed no voltage")
    if call.ended is not None and call.ended <= ends:
        return untried("the test was over before the lease")
    still = first_on(check, owed, ends + settle(owed))
    if still is not None:
        return bad(f"{level(still, owed)} {seconds(still.at - ends)} after the end of the lease")
    return _no_result(call, "the lease lapsed") or good("off without a renewed lease")


def check_overtaken(evidence: Observations) -> Seen:
    """`make_safe` beside a test: off for good, and the test has no result."""
    exercise = evidence.exercises["check overtaken"]
    found = overtaken(evidence, exercise)
    call, safe = exercise.first("check_cable"), exercise.first("make_safe")
    if found.state is not RowState.OK or call is None or safe is None:
        return found
    if call.ended is not None and call.ended <= safe.began:
        return found
    return _no_result(call, "make_safe was called") or found


def _no_result(call: Call, why: str) -> Seen | None:
    """A test that was broken off must not say that the cable is good."""
    if call.fine and call.result in (IsolationLevel.VALID, IsolationLevel.WARNING):
        return bad(f"returned {call.result} although {why}")
    return None


def set_output_time(evidence: Observations) -> Seen:
    """Longer than the lease costs the session; longer than a renewal makes a lowered limit late."""
    owed = evidence.owed
    calls = calls_of(evidence, "set_output")
    if not calls:
        return untried("not called")
    slowest = max(calls, key=lambda call: call.duration)
    text = f"{count(calls)}, at most {seconds(slowest.duration)}"
    if slowest.duration > owed.lease:
        return bad(text)
    return good(text) if slowest.duration <= owed.renewal else note(f"{text}: a lowered limit acts late")
