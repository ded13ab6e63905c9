"""What the exhaustive search of the session has seen; `tools.docs.count_states` records the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_suffix(".json")
NEWER = "-20 "
"""Names of the worlds of ISO 15118-20 begin so."""

INTRODUCTION = """# Model

In addition to tests and random walks, the session is searched exhaustively: `tests/support/search.py` visits,
breadth first, every state that the pure core can reach in a world, and applies every input of that world in
each of them. Beside the core runs an oracle (`tests/support/safety.py`, `outlet_rules.py`, `lasting.py`; for
ISO 15118-20 `safety20.py`, `rules20.py`) that knows the [invariants](invariants.md) and not the code; it has
a separate model of grants, contactor, lease, limits, voltages, latched faults and paused sessions, and fails
as soon as an output breaks a rule. The searched code is the code in production, not a model in another
language.

**Worlds.** All inputs together would give too many states, and most combinations are independent; so each
world (`tests/support/worlds.py`, `worlds20.py`) has all requests of its protocol and a selection of other
changes. In some of them a world continues after the session: the cable is unplugged or not, the outlet is
reset or not, the next car comes, or the same one continues its paused session.

**Inputs.** Each request with good values, the dangerous ones with bad values too, a foreign session id, a
response instead of a request; control pilot A, B, C, F; voltages at the outlet, among them some that belong
to no battery; the contactor's feedback; limits of the outlet and of load management; faults, and their end;
answers of back end, contactor and isolation test: yes, no, and stale; stop, renegotiation, lost link,
garbage, a driver that fails; each timer that runs; and silence for longer than the lease. A car with a
contract presents real chains and signatures, valid and invalid ones; each is made and judged once
(`tests/support/proofs.py`, `proofs20.py`).

In ISO 15118-20 also: both control modes and both directions; targets of energy management with either sign, a
permission to discharge that is withdrawn, a battery below its least charge; the side stream for schedules
beside the loop, AC and DC, Scheduled and Dynamic; two contracts with real signatures in any order, with
another challenge, without a signature or with that of the other contract, and external identification after
them; metering confirmations on both streams, of another reading or another signer; AC_DER_IEC with and
without rules of the grid; and after a pause the same vehicle or another one.

**Time** is symbolic. Any running timer may be the next one, so more orders are searched than can happen. Two
states are the same if everything that affects a decision of core or oracle is the same; exact times and ids
are ignored.

**Checked on every edge**: INV-01 to 13, 15, 16, 20, 23, 24, 29 to 31 and 36; from every state: INV-17 and
18, that silence leads to the end, and that a stop turns no OK into FAILED.

All worlds are searched in each run of the tests. The tests also plant defects, one for each fault that was
found so far in this part, and check that the search finds them."""


def numbers(found: dict[str, Any]) -> dict[str, Any]:
    """The numbers of searches (`tests.support.search.Found`), as they are kept."""
    return {
        name: {
            "states": one.nodes,
            "edges": one.edges,
            "energised": one.energised,
            "by_state": dict(sorted(one.states.items())),
            "ends": dict(sorted(one.ends.items())),
        }
        for name, one in found.items()
    }


def known() -> dict[str, Any]:
    """The numbers of the last search that was written down."""
    return dict(json.loads(DATA.read_text(encoding="utf-8")))


def page() -> str:
    """docs/reference/model.md."""
    kept = known()
    older = {name: one for name, one in kept.items() if not name.startswith(NEWER)}
    newer = {name.removeprefix(NEWER): one for name, one in kept.items() if name not in older}
    parts = [INTRODUCTION]
    for title, worlds in (("ISO 15118-2 and DIN SPEC 70121", older), ("ISO 15118-20", newer)):
        parts += [f"## {title}", _sizes(worlds)]
        parts += ["### By state of the session" + _of(title), _table(worlds, "by_state", "state")]
        parts += [
            "### Ends" + _of(title),
            "How many of the inputs lead to an end, by its reason.",
            _table(worlds, "ends", "reason"),
        ]
    return "\n\n".join(parts) + "\n"


def _of(title: str) -> str:
    """Headings of the second group differ from those of the first."""
    return "" if title.endswith("70121") else f", {title}"


def _sizes(worlds: dict[str, Any]) -> str:
    lines = ["| world | states | of them energised | inputs tried |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {one['states']:,} | {one['energised']:,} | {one['edges']:,} |"
        for name, one in worlds.items()
    ]
    return "\n".join(lines)


def _table(kept: dict[str, Any], field: str, title: str) -> str:
    names = sorted({name for one in kept.values() for name in one[field]})
    lines = [f"| {title} | " + " | ".join(kept) + " |", "| --- " * (len(kept) + 1) + "|"]
    for name in names:
        counts = [f"{one[field][name]:,}" if name in one[field] else "" for one in kept.values()]
        lines.append(f"| {name} | " + " | ".join(counts) + " |")
    return "\n".join(lines)
