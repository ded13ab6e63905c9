"""The bad-input catalogue of the power line: inputs, their results, and the tests that name them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from tools.docs import ids

DATA = Path(__file__).with_suffix(".toml")
THREAT = re.compile(r"(?:SLAC|SDP|TPT|SEQ|MSG|T20)-\d\d")

INTRODUCTION = """# Bad input

Input that an EV, a neighbour on the power line, or an attacker with a plug can send, before and during a
session, and the required reaction. In every case the station continues to work, no output is switched on, and
the next car is served. The rows from TPT on are tested over sockets; each test compares the commands to the
outlet with the messages: energy only after a request for it, with a grant, within the limits of the EV, and
never after the end. What cannot be prevented is described in [SLAC](../explanation/slac.md) and
[known attacks](../explanation/attacks.md)."""


class Threat(NamedTuple):
    """One line."""

    id: str
    group: str
    means: str
    tests: list[tuple[str, str]]


def threats() -> list[Threat]:
    """All of them, in their order."""
    tests = ids.in_tests(THREAT)
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return [
        Threat(id_, group, means, tests.get(id_, []))
        for group, members in data.items()
        for id_, means in members.items()
    ]


def page() -> str:
    """docs/reference/threats.md."""
    parts = [INTRODUCTION]
    everything = threats()
    for group in dict.fromkeys(threat.group for threat in everything):
        lines = ["| id | input and result | tests |", "| --- | --- | --- |"]
        lines += [
            f"| {one.id} | {one.means} | {ids.cell(one.tests, most=4)} |"
            for one in everything
            if one.group == group
        ]
        parts += [f"## {group}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"
