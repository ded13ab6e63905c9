"""The register of requirements: each id with its meaning, the places that fulfil it, and its tests."""

from __future__ import annotations

import collections
import tomllib
from pathlib import Path
from typing import NamedTuple

from secc.session.din.table import DIN
from secc.session.iso2.table import ISO2
from tools.docs import ids

DATA = Path(__file__).with_name("requirements.toml")
OURS = ("SECC", "both", "EVSE")
REMARKS = ("by_construction", "not_applicable", "deviates", "open")
MESSAGE = "the schema has it, and the codec is compared with other encoders"
STANDARDS = {
    "V2G2-": "ISO 15118-2",
    "V2G3-": "ISO 15118-3",
    "V2G-DC-": "DIN SPEC 70121",
}


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
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    code, tests = ids.in_code(ids.REQUIREMENT), ids.in_tests(ids.REQUIREMENT)
    columns = [row.ids for row in (*ISO2.rules, *DIN.rules)]
    columns += [row.ids for row in (*ISO2.anywhere.values(), *DIN.anywhere.values())]
    rows = set(" ".join(columns).split())
    remarks = {
        id_: (status.replace("_", " "), text) for status in REMARKS for id_, text in data[status].items()
    }
    unknown = sorted((set(code) | set(tests) | set(remarks)) - set(data["meanings"]))
    if unknown:
        raise ValueError(f"no meaning in {DATA.name}: {unknown}")
    found = []
    for id_, (who, means) in data["meanings"].items():
        here, proofs = code.get(id_, []), list(tests.get(id_, []))
        if id_ in rows:
            proofs.append(("tests/session/iso2/test_table.py", "each row, each state"))
        status, remark = remarks.get(id_, ("", ""))
        if not status and here and all(file.startswith("secc/messages/") for file, _ in here):
            status, remark = "by construction", MESSAGE
        if who not in OURS:
            status, remark = "", ""
        elif not status:
            status = "open" if not here else "tested" if proofs else "fulfilled"
        found.append(Entry(id_, who, means, status, remark, here, proofs))
    return found


def page() -> str:
    """docs/reference/requirements.md."""
    parts = [
        "# Requirements",
        "Made from the ids in code and tests, and from `tools/docs/requirements.toml`. "
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
