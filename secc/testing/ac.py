"""Rows of an AC outlet: a contactor and its feedback. Pure."""

from __future__ import annotations

from secc.session.outlet import ControlPilot
from secc.testing.evidence import Exercise, Observations
from secc.testing.seen import (
    Seen,
    bad,
    calls_of,
    first_on,
    good,
    has_feedback,
    how,
    last_before,
    level,
    seconds,
    untried,
)


def closes(evidence: Observations) -> Seen:
    """With a lease the contactor closes."""
    switch = evidence.exercises["switch"]
    call = switch.first("close_contactor")
    if call is None:
        return untried("not called")
    if call.ended is None:
        return untried(f"{how(call)}, see close-time")
    if call.error:
        return bad(how(call))
    if not has_feedback(evidence):
        return good(f"{how(call)}, no feedback") if call.result is True else _refuses(switch, how(call))
    shown = first_on(switch, evidence.owed, call.began)
    if shown is None:
        return _refuses(switch, f"{how(call)}, the feedback shows it open")
    return good(f"closed after {seconds(shown.at - call.began)}")


def _refuses(switch: Exercise, text: str) -> Seen:
    """An outlet that looks at the pilot itself must not close in state A or B."""
    sample = switch.samples[0] if switch.samples else None
    pilot = None if sample is None or sample.snapshot is None else sample.snapshot.control_pilot
    if isinstance(pilot, ControlPilot) and not pilot.wants_energy:
        return untried(f"{text}, control pilot {pilot}: connect a test box that shows C")
    return bad(text)


def close_answers_by_feedback(evidence: Observations) -> Seen:
    """The answer is what the snapshot shows at that moment."""
    held = evidence.exercises.get("held open")
    on_purpose = [] if held is None else held.calls
    calls = [call for call in calls_of(evidence, "close_contactor") if call.fine and call not in on_purpose]
    if not calls:
        return untried("no call returned")
    for call in calls:
        if not isinstance(call.result, bool):
            return bad(f"returned {call.result!r}, expected True or False")
        shown = None if call.after is None else call.after.on(evidence.owed)
        if call.result and shown is False:
            return bad(f"returned True after {seconds(call.duration)} while the feedback showed it open")
    return good(f"{len(calls)} answers agree with the feedback")


def close_says_no(evidence: Observations) -> Seen:
    """A contactor that does not close is answered with False, or raises."""
    held = evidence.exercises.get("held open")
    call = None if held is None else held.first("close_contactor")
    if call is None:
        return untried("needs a rig that holds the contactor open")
    if call.error or call.result is False:
        return good(how(call))
    if not isinstance(call.result, bool):
        return untried(f"{how(call)}, see close-answer")
    return bad(f"the contactor is held open: {how(call)}")


def opens(evidence: Observations) -> Seen:
    """The contactor opens and the answer says so."""
    switch = evidence.exercises["switch"]
    call = switch.first("open_contactor")
    if call is None or first_on(switch, evidence.owed, 0.0, call.began) is None:
        return untried("the contactor was not closed")
    if call.ended is None:
        return untried(f"{how(call)}, see open-time")
    if not call.fine:
        return bad(how(call))
    shown = None if call.after is None else call.after.on(evidence.owed)
    if call.result is not True:
        return bad(f"{how(call)}, {level(call.after, evidence.owed)}")
    if shown is True:
        return bad(f"returned True after {seconds(call.duration)} while the feedback showed it closed")
    return good(f"open after {seconds(call.duration)}")


def stays_open(evidence: Observations) -> Seen:
    """Nothing closes it again after `open_contactor` has returned, although the lease is renewed."""
    switch = evidence.exercises["switch"]
    call = switch.first("open_contactor")
    if call is None or call.ended is None:
        return untried("open_contactor did not return")
    again = first_on(switch, evidence.owed, call.ended + evidence.owed.grace)
    if again is not None:
        return bad(f"closed again {seconds(again.at - call.ended)} after open_contactor returned")
    last = last_before(switch, float("inf"))
    watched = 0.0 if last is None else last.at - call.ended
    return good(f"open for {seconds(watched)} with a renewed lease")
