"""Response codes of ISO 15118-20: where each is sent, read from the modules of its sessions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from secc.messages.iso20_common import ResponseCode
from secc.session.iso20.refusals import CODES

ROOT = Path(__file__).resolve().parents[2]
PLACES = ROOT / "secc/session/iso20"
INTRODUCTION = """## ISO 15118-20

A FAILED ends the session on both sides, as above. A WARNING is the answer to one request: the session stays
in its state, and the EV may continue otherwise. The table has each code but `OK` that a place of the session
names; the codes of what the session shares with the other protocols follow."""


class Sent(NamedTuple):
    """One place that names a code."""

    code: str
    where: str


def section() -> str:
    """For docs/reference/response-codes.md."""
    found = sent()
    lines = ["| code | where |", "| --- | --- |"]
    for code in ResponseCode:
        if code is ResponseCode.OK:
            continue
        places = list(dict.fromkeys(f"`{one.where}`" for one in found if one.code == code.name))
        if places:
            lines.append(f"| {_escaped(code)} | {', '.join(places)} |")
    shared = ["| cause of the shared part | code |", "| --- | --- |"]
    shared += [f"| {cause.value} | {_escaped(code)} |" for cause, code in CODES.items()]
    silent = ", ".join(unused()).replace("_", r"\_")
    parts = [INTRODUCTION, "\n".join(lines), "\n".join(shared)]
    return "\n\n".join([*parts, f"Not sent: {silent}."] if silent else parts)


def _escaped(code: ResponseCode) -> str:
    return code.value.replace("_", r"\_")


def unused() -> list[str]:
    """The codes of the schema that no place sends."""
    named = {one.code for one in sent()} | {code.name for code in CODES.values()}
    return [code.value for code in ResponseCode if code.name not in named]


def sent() -> list[Sent]:
    """All places, in the order of files and lines."""
    return [one for path in sorted(PLACES.rglob("*.py")) if path.name != "refusals.py" for one in _in(path)]


def _in(path: Path) -> Iterator[Sent]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for top in tree.body:
        name = getattr(top, "name", "")
        for node in ast.walk(top):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "ResponseCode"
                and node.attr in ResponseCode.__members__
            ):
                yield Sent(node.attr, f"{path.stem}.{name}" if name else path.stem)
