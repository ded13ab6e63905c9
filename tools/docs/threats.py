"""The bad-input catalogue of the power line: what may come, what becomes of it, and which tests name it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from tools.docs import ids

DATA = Path(__file__).with_suffix(".toml")
THREAT = re.compile(r"(?:SLAC|SDP|TPT|SEQ|MSG)-\d\d")

INTRODUCTION = """# Bad input

What an EV, a neighbour on the power line, or somebody who holds the plug can send, before a session and in
it, and what has to become of it. Whatever it is, the station stays alive, no output follows from it, and the
next car is served. The rows from TPT on are tested over sockets; each test ends with the commands of the
outlet laid beside the messages: energy only after a request that asks for it, with a grant, within the EV's
limits, and never after the end. What cannot be prevented is under [SLAC](../explanation/slac.md) and
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
        lines = ["| id | input, and what becomes of it | tests |", "| --- | --- | --- |"]
        lines += [
            f"| {one.id} | {one.means} | {ids.cell(one.tests, most=4)} |"
            for one in everything
            if one.group == group
        ]
        parts += [f"## {group}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"
