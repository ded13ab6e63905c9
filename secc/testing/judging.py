"""From evidence to a verdict for each row. Pure."""

from __future__ import annotations

from secc.testing.energised import too_slow
from secc.testing.evidence import Observations
from secc.testing.rows import ROWS, ContractRow, RowResult
from secc.testing.seen import RowState, Seen, has_feedback, seconds, untried

__all__ = ["judge"]


def judge(evidence: Observations) -> list[RowResult]:
    """One result for each row that an outlet of this kind owes, in the order of the page.

    A row that needs a failed one is not tried, so that a fault shows in the row that names it.
    """
    applying = [row for row in ROWS if row.applies(dc=evidence.owed.dc)]
    seen: dict[str, Seen] = {}
    waiting = applying
    while waiting:  # rows may need later ones of the page
        ready = [row for row in waiting if not {one.id for one in waiting} & set(row.after)]
        for row in ready:
            seen[row.id] = _judge(row, evidence, seen)
        waiting = [row for row in waiting if row not in ready]
    return [
        RowResult(row, seen[row.id].state, row.owes(evidence.owed), seen[row.id].text) for row in applying
    ]


def _judge(row: ContractRow, evidence: Observations, seen: dict[str, Seen]) -> Seen:
    if row.id == "methods":
        return row.judge(evidence)
    if "rest" not in evidence.exercises:
        return untried(evidence.stopped)
    if row.power and not evidence.energised:
        return untried("switches power on")
    for id in row.after:
        if id in seen and seen[id].state in (RowState.FAILED, RowState.NOT_TRIED):
            return untried(f"stands on {id}")
    if row.exercise and row.exercise not in evidence.exercises:
        return untried(f"the run ended early: {evidence.stopped}")
    if row.feedback and not has_feedback(evidence):
        return untried("the snapshot has no feedback")
    return _unless_held_up(row, evidence) or row.judge(evidence)


def _unless_held_up(row: ContractRow, evidence: Observations) -> Seen | None:
    """A stretch in which the lease could not be renewed says nothing about the outlet."""
    if not row.exercise:
        return None
    exercise = evidence.exercises[row.exercise]
    longest = max((call.longest_step for call in exercise.calls), default=0.0)
    if longest > evidence.owed.lease - evidence.owed.renewal:
        return untried(f"the event loop was held up for {seconds(longest)}, see blocking")
    return too_slow(evidence, exercise)
