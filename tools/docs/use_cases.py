"""The use cases of OCPP, and which of them a station of this library supports."""

from __future__ import annotations

import tomllib
from pathlib import Path

DATA = Path(__file__).with_suffix(".toml")
STATES = ("done", "part", "no")

INTRODUCTION = """# Use cases of OCPP

The use cases of OCPP 2.0.1 by functional block, and those that 2.1 adds. *done*: all messages of the station.
*part*: with the restriction in the note. *no*: the CSMS receives NotSupported, or the refusal that OCPP has
for it. OCPP 1.6 has the same functions where it has the messages: the profiles Core,
Smart Charging, Local List, Firmware, Remote Trigger and Reservation, with the security extension and the Plug
and Charge extension.

`secc csms --conformance` runs the cases of the central system against any charging station."""


def page() -> str:
    """Return the page."""
    blocks = tomllib.loads(DATA.read_text(encoding="utf-8"))["block"]
    parts = [INTRODUCTION, _counts(blocks)]
    for block in blocks:
        rows = ["| use case | what it is | state | note |", "| --- | --- | --- | --- |"]
        rows += [f"| {' | '.join(case)} |".replace("|  |", "| |") for case in block["cases"]]
        parts += [f"## {block['name']}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _counts(blocks: list[dict[str, list[list[str]]]]) -> str:
    """Return how many rows are in each state; raises ValueError for another one."""
    states = [case[2] for block in blocks for case in block["cases"]]
    if unknown := set(states) - set(STATES):
        raise ValueError(f"states {sorted(unknown)}, expected {', '.join(STATES)}")
    counted = ", ".join(f"{states.count(one)} {one}" for one in STATES)
    return f"Rows: {counted}."
