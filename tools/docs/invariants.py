"""The invariants: what each says, where the code holds it, and the tests that name it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from tools.docs import ids

DATA = Path(__file__).with_suffix(".toml")

INTRODUCTION = """# Invariants

What must be true at every instant, whatever an EV, a back end or the environment does; the ids are used in
code and tests. Besides the tests below, three proofs check many of them at once: a [search](model.md)
through all reachable states; a random walk through one session after the other
(`tests/session/test_walk.py`, for ISO 15118-20 `tests/session/iso20/test_walk.py`; `make walk` for a million
steps); and the actuator trace
(`tests/support/actuator_trace.py`), a recorder between a real station and its controller; every line of it is
judged after each attack."""

MUTANTS = """## Mutants

`make mutants-safety` changes the modules that decide about the output in one place at a time (a comparison,
a bound, a condition, a number, a member of an enumeration, a statement left out) and runs for each change
the fast tests that pass its function (`tools/checks/mutants.py`); the search and the random walk are not
among them. A change that no test sees is a gap, or is no change. The last run, of 2026-11-30, is an even
sample: 1,122 of 1,888 mutants, drawn at random, in 24 minutes on a busy machine, with at most twelve
seconds of tests for each mutant and without the tests of `tests/testing`. The rest was not tried:

| module | mutants | tried | seen by a test | time-outs | not seen | share seen |
| --- | --- | --- | --- | --- | --- | --- |
| `session/machine` | 203 | 118 | 112 | 2 | 4 | 96.6 % |
| `session/limits` | 245 | 149 | 133 | 2 | 14 | 90.6 % |
| `session/output` | 139 | 77 | 62 | 2 | 13 | 83.1 % |
| `session/ending` | 161 | 91 | 84 | 1 | 6 | 93.4 % |
| `session/isolation` | 116 | 67 | 60 | 1 | 6 | 91.0 % |
| `session/pre_charge` | 57 | 37 | 33 | 3 | 1 | 97.3 % |
| `session/loop` | 52 | 35 | 32 | 1 | 2 | 94.3 % |
| `session/contactor` | 67 | 36 | 35 | 1 | 0 | 100.0 % |
| `session/feedback` | 108 | 58 | 57 | 0 | 1 | 98.3 % |
| `session/latch` | 80 | 43 | 42 | 0 | 1 | 97.7 % |
| `station/orders` | 203 | 123 | 118 | 1 | 4 | 96.7 % |
| `station/actuator` | 239 | 154 | 133 | 0 | 21 | 86.4 % |
| `station/link` | 218 | 134 | 104 | 12 | 18 | 86.6 % |
| all | 1888 | 1122 | 1005 | 26 | 91 | 91.9 % |

A time-out is a loop without end, in a session whose clock or timers no longer move; on a busy machine it
can also be a slow test. The time for the processes that change nothing (the control) was used up by the
mutants; ten of them ran with the second pass, and no test failed. That pass was over survivors in `ending`,
`machine` and `orders`: `tests/session/test_ending.py` and rows in `session/test_pause` and
`station/test_orders` were written for them, and twelve more are seen. Nine tests that measure short times
failed under coverage and took no part.

Those not seen were read, but not all of them were followed to the end. Many change nothing: a check that
another one behind it repeats (a grant, a fault or a used-up time, looked at again before energy is put on),
a value that is set before its first use, a bound at which both ways give the same number, a `return` at the
end of a function. No such reason is known for most of those in `station/actuator` and `station/link`
(timers that are not forgotten, what is recorded, the kind of an end of the stream), for the bounds of a
discharge in `session/limits`, and for the ramp across zero in `session/output`: they have no test among the
fast ones that were run."""


class Invariant(NamedTuple):
    """One line."""

    id: str
    group: str
    means: str
    code: list[tuple[str, str]]
    tests: list[tuple[str, str]]


def invariants() -> list[Invariant]:
    """All of them, in their order."""
    code, tests = ids.in_code(ids.INVARIANT), ids.in_tests(ids.INVARIANT)
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return [
        Invariant(id_, group, means, code.get(id_, []), tests.get(id_, []))
        for group, members in data.items()
        for id_, means in members.items()
    ]


def page() -> str:
    """docs/reference/invariants.md."""
    parts = [INTRODUCTION]
    everything = invariants()
    for group in dict.fromkeys(invariant.group for invariant in everything):
        lines = ["| id | invariant | where | tests |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {one.id} | {one.means} | {ids.cell(one.code)} | {ids.cell(one.tests, most=4)} |"
            for one in everything
            if one.group == group
        ]
        parts += [f"## {group.capitalize()}", "\n".join(lines)]
    parts.append(MUTANTS)
    return "\n\n".join(parts) + "\n"
