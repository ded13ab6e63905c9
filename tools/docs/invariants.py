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

`make mutants-safety` changes the modules that decide about the output in one place at a time (a comparison, a
bound, a condition, a number, a member of an enumeration, a statement left out) and runs for each change the
fast tests that pass its function (`tools/checks/mutants.py`); the search and the random walk are not among
them. A change that no test sees is a gap, or is no change. The last run, of all mutants of these modules:

| module | mutants | seen by a test | time-outs | not seen | share seen |
| --- | --- | --- | --- | --- | --- |
| `session/machine` | 407 | 361 | 13 | 33 | 91.9 % |
| `session/limits` | 136 | 132 | 0 | 4 | 97.1 % |
| `session/handlers/dc_power` | 226 | 208 | 0 | 18 | 92.0 % |
| `session/handlers/ac` | 150 | 146 | 0 | 4 | 97.3 % |
| `session/feedback` | 93 | 86 | 0 | 7 | 92.5 % |
| `session/latch` | 80 | 77 | 0 | 3 | 96.2 % |
| `aio/orders` | 181 | 176 | 0 | 5 | 97.2 % |
| `aio/actuator` | 227 | 198 | 0 | 29 | 87.2 % |
| `aio/link` | 252 | 231 | 3 | 18 | 92.9 % |
| all | 1752 | 1615 | 16 | 121 | 93.1 % |

A time-out is a loop without end, in a session whose clock or timers no longer move. A first and shorter
pass left a quarter unseen; most of the tests in `session/test_limits`, `session/test_machine_guards`,
`aio/test_orders`, `aio/test_actuator` and `aio/test_link_wire` were written for it. The figures are those
of that pass and of several more over what was left, while the code around them still changed a little. Of
102 processes that changed nothing, no test failed; six took too long on a busy machine, so a mutant counts
as a time-out only where no pass came to another result.

Those not seen were read. Most change nothing: a check that another one behind it repeats (a grant, a fault
or a used-up time, looked at again before energy is put on; a stop that `Session.energise` refuses too), a
value that is set before its first use, a bound at which both ways give the same number, a `return` at the
end of a function. About thirty, most of them in `aio/actuator` and `aio/link`, have no such reason and no
test yet: timers that are not forgotten, what is recorded, the second way of last resort beside the same
call."""


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
