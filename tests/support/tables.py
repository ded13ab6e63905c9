"""What holds for the table of every protocol: where its rows lead, and how a refusal ends a session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from secc.session.outputs import EndReason, OpenContactor
from secc.session.states import Stage
from tests.support.bench import Bench, code


def reached(rules: Iterable[Any], *first: Stage) -> set[Stage]:
    """The first states, and those to which the rows lead from them."""
    rows, found = list(rules), {*first}
    while new := {state for rule in rows if rule.state in found for state in rule.leads_to} - found:
        found |= new
    return found


def assert_refused_out_of_sequence(bench: Bench, response: object, expected: type) -> None:
    """The response of the request, the output off before it, and the end of the session after it."""
    assert type(response) is expected
    assert code(response) == "FAILED_SequenceError"
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED
    assert OpenContactor() in bench.last
    assert bench.last.index(OpenContactor()) < len(bench.last) - 2  # off before the answer, the end last
    assert bench.session.deadline is None
