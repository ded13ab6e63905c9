"""What came out of a run, as data and as JSON."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

from secc.testing.evidence import Observations
from secc.testing.judging import judge
from secc.testing.rows import RowResult
from secc.testing.seen import RowState

__all__ = ["ControllerReport", "as_dict"]


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerReport:
    """Every row with its result."""

    evidence: Observations
    results: tuple[RowResult, ...]

    @classmethod
    def of(cls, evidence: Observations) -> ControllerReport:
        """Judge the evidence of a run."""
        return cls(evidence, tuple(judge(evidence)))

    @property
    def good(self) -> bool:
        """No row has failed, and the output is off."""
        return not self.failed and not self.evidence.unsafe

    @property
    def failed(self) -> tuple[RowResult, ...]:
        """The rows that have failed."""
        return tuple(one for one in self.results if one.state is RowState.FAILED)

    def state(self, id: str) -> RowState:
        """How it stands with one row. Raises KeyError when an outlet of this kind does not owe it."""
        return {one.row.id: one.state for one in self.results}[id]

    @property
    def summary(self) -> str:
        """One line."""
        counts = collections.Counter(one.state for one in self.results)
        words = [f"{counts[state]} {state.value}" for state in RowState if counts[state]]
        kind = "DC" if self.evidence.owed.dc else "AC"
        return f"{kind} outlet: {len(self.results)} rows, {', '.join(words)}"

    def raise_for_failures(self) -> None:
        """Raise AssertionError with every row that failed, what was seen and what is owed."""
        lines = [f"{one.row.id}: {one.seen} (owed: {one.owed}; {one.row.reference})" for one in self.failed]
        if self.evidence.unsafe:
            lines.append(f"the output may be on: {self.evidence.unsafe}")
        if lines:
            raise AssertionError("\n".join([self.summary, *lines]))


def as_dict(report: ControllerReport) -> dict[str, Any]:
    """For JSON."""
    return {
        "kind": "dc" if report.evidence.owed.dc else "ac",
        "energised": report.evidence.energised,
        "good": report.good,
        "unsafe": report.evidence.unsafe,
        "stopped": report.evidence.stopped,
        "summary": report.summary,
        "rows": [
            {
                "id": one.row.id,
                "section": one.row.section,
                "state": one.state.value,
                "seen": one.seen,
                "owed": one.owed,
                "reference": one.row.reference,
            }
            for one in report.results
        ],
    }
