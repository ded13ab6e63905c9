"""The invariants: what each says, where the code holds it, and the tests that name it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from tools.pages import ids

DATA = Path(__file__).with_suffix(".toml")

INTRODUCTION = """# Invariants

What must be true at every instant, whatever an EV, a back end or the world does; the ids are those that stand
in code and tests. Besides the tests below, three proofs check many of them at once: a [search](model.md)
through all reachable states; a random walk through one session after the other
(`tests/session/test_walk.py`, `make walk` for a million steps); and the actuator trace
(`tests/support/actuator_trace.py`), a recorder between a real station and its controller, whose every line is
judged after each attack."""


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
    return "\n\n".join(parts) + "\n"
