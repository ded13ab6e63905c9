"""The register of requirements: each id with its meaning, the places that fulfil it, and its tests."""

from __future__ import annotations

import collections
import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from secc.session.din.table import DIN
from secc.session.iso2.table import ISO2
from secc.session.iso20.table import ISO20_DC
from secc.session.iso20.table_der import ISO20_DER
from tools.docs import ids

DATA = (Path(__file__).with_name("requirements.toml"), Path(__file__).with_name("requirements20.toml"))
OURS = ("SECC", "both", "EVSE")
REMARKS = ("by_construction", "not_applicable", "deviates", "open")
NOT_YET = "not_yet"
"""Open until both the code and a test name the id."""
MESSAGE = "the schema has it, and the codec is compared with other encoders"
STANDARDS = {
    "V2G2-": "ISO 15118-2",
    "V2G20-": "ISO 15118-20",
    "V2G3-": "ISO 15118-3",
    "V2G-DC-": "DIN SPEC 70121",
}


Places = list[tuple[str, str]]
"""File and definition."""


class Entry(NamedTuple):
    """One line of the register."""

    id: str
    who: str
    means: str
    status: str
    """`tested`, `fulfilled`, one of REMARKS with spaces; empty: not binding for the station."""
    remark: str
    code: list[tuple[str, str]]
    tests: list[tuple[str, str]]


def entries() -> list[Entry]:
    """All ids, in their order. Raises ValueError when the data contradict the code."""
    code, tests = ids.in_code(ids.REQUIREMENT), ids.in_tests(ids.REQUIREMENT)
    data = [tomllib.loads(path.read_text(encoding="utf-8")) for path in DATA]
    known = {id_ for one in data for section in one.values() for id_ in section}
    meanings = {id_ for one in data for id_ in one["meanings"]}
    unknown = sorted((set(code) | set(tests) | known) - meanings)
    if unknown:
        raise ValueError(f"no meaning: {unknown}")
    return [
        entry(id_, one, list(code.get(id_, [])), list(tests.get(id_, [])))
        for one in data
        for id_ in one["meanings"]
    ]


def entry(id_: str, data: Mapping[str, Any], code: Places, tests: Places) -> Entry:
    """One line, with the places and tests that name the id."""
    who, means = data["meanings"][id_]
    for file, name in map(ids.placed, data.get("placed", {}).get(id_, ())):
        found = tests if file.startswith("tests/") else code
        if (file, name) not in found:
            found.append((file, name))
    if id_ in _rows():
        directory = "iso20" if id_.startswith("V2G20-") else "iso2"
        tests.append((f"tests/session/{directory}/test_table.py", "each row, each state"))
    status, remark = _remark(id_, data)
    if status == NOT_YET:
        status, remark = ("", "") if code and tests else ("open", remark)
    if not status and code and all(file.startswith("secc/messages/") for file, _ in code):
        status, remark = "by construction", MESSAGE
    if who not in OURS:
        status, remark = "", ""
    elif not status:
        status = "open" if not code else "tested" if tests else "fulfilled"
    return Entry(id_, who, means, status, remark, code, tests)


def _remark(id_: str, data: Mapping[str, Any]) -> tuple[str, str]:
    for status in (*REMARKS, NOT_YET):
        if id_ in data.get(status, {}):
            return status if status == NOT_YET else status.replace("_", " "), data[status][id_]
    return "", ""


@functools.cache
def _rows() -> frozenset[str]:
    """Ids in the rows of the tables of states."""
    tables = (ISO2, DIN, ISO20_DC, ISO20_DER)
    columns = [rule.ids for table in tables for rule in table.rules]
    columns += [row.ids for table in tables for row in table.anywhere.values()]
    return frozenset(" ".join(columns).split())


def page() -> str:
    """docs/reference/requirements.md."""
    parts = [
        "# Requirements",
        "Made from the ids in code and tests, and from `tools/docs/requirements*.toml`. "
        "The meaning is a paraphrase and includes the interpretation of public stacks; the standards are "
        "authoritative. The second column is the bound party: station (SECC, EVSE), both, or another; "
        "of the latter only the ids in the code are listed.",
        "**tested**: named in the code and by a test. **fulfilled**: named in the code. **by construction**: "
        "no single place has it, the remark says why it holds. **deviates**, **not applicable** and **open** "
        "have their reason as well.",
    ]
    everything = entries()
    for prefix, standard in STANDARDS.items():
        group = [entry for entry in everything if entry.id.startswith(prefix)]
        ours = [entry for entry in group if entry.status]
        others = [entry for entry in group if not entry.status and (entry.code or entry.tests)]
        parts += [f"## {standard}", _summary(ours), _table(ours)]
        if others:
            parts += [f"### {standard}: what binds others and our code names", _table(others)]
    return "\n\n".join(parts) + "\n"


def _summary(group: list[Entry]) -> str:
    counts = collections.Counter(entry.status for entry in group)
    words = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"{len(group)} ids bind the station: {words}."


def _table(group: list[Entry]) -> str:
    lines = ["| id | binds | meaning | | where | tests |", "| --- | --- | --- | --- | --- | --- |"]
    for entry in group:
        status = f"**{entry.status}** {entry.remark}".strip() if entry.status else ""
        means = entry.means.replace("|", r"\|")
        cells = [entry.id, entry.who, means, status, ids.cell(entry.code), ids.cell(entry.tests)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
