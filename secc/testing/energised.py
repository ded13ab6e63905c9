"""Rows that need power, AC and DC alike: lease, `make_safe` beside a command, cancelled calls. Pure."""

from __future__ import annotations

from secc.testing.evidence import Call, Exercise, Observations
from secc.testing.seen import (
    Seen,
    bad,
    first_off,
    first_on,
    good,
    how,
    last_before,
    level,
    seconds,
    settle,
    untried,
)


def on_call(exercise: Exercise) -> Call | None:
    """The first call that switches on."""
    return next((call for call in exercise.calls if switches_on(call)), None)


def switches_on(call: Call) -> bool:
    """Whether the output is energised by it."""
    return call.method == "close_contactor" or (call.method == "set_output" and call.arguments[0] > 0.0)


def too_slow(evidence: Observations, exercise: Exercise) -> Seen | None:
    """The run itself let a lease lapse that it meant to renew: then it has no verdict."""
    gap = exercise.late_lease
    if gap <= evidence.owed.lease:
        return None
    return untried(f"this machine renewed the lease {seconds(gap)} late; repeat on an idle one")


def lease_keeps(evidence: Observations) -> Seen:
    """While the lease is renewed the output stays as it is."""
    switch = evidence.exercises["switch"]
    call = on_call(switch)
    begin, end = switch.marks.get("held from"), switch.marks.get("held until")
    if call is None or begin is None or end is None:
        return untried("the output was not on")
    if (slow := too_slow(evidence, switch)) is not None:
        return slow
    lost = first_off(switch, evidence.owed, begin, end)
    if lost is not None:
        return bad(f"{level(lost, evidence.owed)} after {seconds(lost.at - begin)}, with a renewed lease")
    return good(f"on for {seconds(end - begin)}, renewed every {seconds(evidence.owed.renewal)}")


def lease_lapses(evidence: Observations) -> Seen:
    """Without a renewal the output is off in time, without a call."""
    lapse = evidence.exercises["lapse"]
    ends = lapse.marks["lapses"]
    before = last_before(lapse, lapse.marks["stopped"])
    if before is None or before.on(evidence.owed) is not True:
        return untried("the output was not on")
    revived = lapse.marks["revived"]
    still = first_on(lapse, evidence.owed, ends + settle(evidence.owed), revived)
    off = first_off(lapse, evidence.owed, lapse.marks["stopped"], revived)
    if still is not None or off is None:
        shown = last_before(lapse, revived) if still is None else still
        late = revived - ends if still is None else still.at - ends
        return bad(f"{level(shown, evidence.owed)} {seconds(late)} after the end of the lease")
    late = off.at - ends
    return good(
        f"off {seconds(late)} after its end" if late >= 0.0 else f"off {seconds(-late)} before its end"
    )


def lease_does_not_revive(evidence: Observations) -> Seen:
    """A lease that comes late is no command to switch on."""
    lapse = evidence.exercises["lapse"]
    again = first_on(lapse, evidence.owed, lapse.marks["revived"])
    if again is not None:
        return bad(f"a new lease after the end brought back: {level(again, evidence.owed)}")
    return good("a new lease after the end: stays off")


def no_lease_no_power(evidence: Observations) -> Seen:
    """Switched on without a lease the output must not stay on."""
    bare = evidence.exercises["no lease"]
    call = on_call(bare)
    if call is None or call.ended is None:
        return untried("the call did not return" if call is not None else "not called")
    still = first_on(bare, evidence.owed, call.ended + settle(evidence.owed))
    if still is not None:
        late = still.at - call.ended
        return bad(f"{level(still, evidence.owed)} {seconds(late)} after {call.method} without a lease")
    ever = first_on(bare, evidence.owed, call.began)
    return good("did not switch on" if ever is None else "off again at once")


def make_safe_when_on(evidence: Observations) -> Seen:
    """With the output on: off when it returns, and it stays so."""
    exercise = evidence.exercises["make safe"]
    call = exercise.first("make_safe")
    if call is None or first_on(exercise, evidence.owed, 0.0, call.began) is None:
        return untried("the output was not on")
    if not call.fine or call.ended is None:
        return bad(how(call))
    still = first_on(exercise, evidence.owed, call.ended + settle(evidence.owed))
    if still is not None:
        return bad(f"{level(still, evidence.owed)} {seconds(still.at - call.ended)} after make_safe")
    return good(f"off, after {seconds(call.duration)}")


def make_safe_overtakes(evidence: Observations) -> Seen:
    """Beside a call that switches on: what that call still writes must not land after it."""
    return overtaken(evidence, evidence.exercises["overtaken"])


def overtaken(evidence: Observations, exercise: Exercise) -> Seen:
    """What is seen of `make_safe` beside the first call of an exercise."""
    safe = exercise.first("make_safe")
    slow = exercise.calls[0] if exercise.calls else None
    if safe is None or slow is None:
        return untried("not called")
    if not safe.fine or safe.ended is None:
        return bad(f"beside {slow.method}: {how(safe)}")
    still = first_on(exercise, evidence.owed, safe.ended + settle(evidence.owed))
    if still is not None:
        when = seconds(still.at - safe.ended)
        return bad(f"{level(still, evidence.owed)} {when} after make_safe: {slow.method} wrote after it")
    if slow.ended is not None and slow.ended <= safe.began:
        return good(f"{slow.method} had returned before")
    return good(f"off, {slow.method} took no effect")


def cancel(evidence: Observations) -> Seen:
    """After a call that was cancelled everything else works as before."""
    exercise = evidence.exercises["cancelled"]
    first = on_call(exercise)
    safe = exercise.first("make_safe")
    if first is None or safe is None:
        return untried("not called")
    if not first.cancelled:
        return good("the call returns before it can be cancelled")
    if not safe.fine or safe.ended is None:
        return bad(f"after a cancelled {first.method}: {how(safe)}")
    still = first_on(exercise, evidence.owed, safe.ended + settle(evidence.owed), exercise.marks["again"])
    if still is not None:
        return bad(f"after a cancelled {first.method} and make_safe: {level(still, evidence.owed)}")
    again = next((call for call in exercise.calls[2:] if switches_on(call)), None)
    if again is None or not again.fine:
        text = "no call" if again is None else how(again)
        return bad(f"after a cancelled {first.method} and make_safe: {text}")
    if first_on(exercise, evidence.owed, again.began) is None:
        return bad(f"after a cancelled {first.method}: the next {again.method} does not switch on")
    return good("off, then on again")


def raises(evidence: Observations) -> Seen:
    """With hardware that does not answer, no call may end as if it did."""
    broken = evidence.exercises.get("hardware fails")
    if broken is None:
        return untried("needs a rig that breaks the connection to the hardware")
    for call in broken.calls:
        if call.began >= broken.marks["repaired"] or call.error or call.result is False:
            continue
        return bad(f"hardware does not answer: {how(call)}, without an exception")
    return good("raises while the hardware does not answer")
