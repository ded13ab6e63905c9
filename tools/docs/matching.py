"""The table of the matching as a page, with a picture of its states."""

from __future__ import annotations

import inspect
from html import escape
from typing import NamedTuple

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor
from secc.slac.states import RunState, SlacState, SlacTimer
from secc.slac.table import EXPIRY, RULES, SlacRule

INTRODUCTION = """# Matching

Made from `secc/slac/table.py`, the table that the matching uses. An input is a message, a report of the
station, or an expired timer. An input without a row in a state is ignored and counted.
[SLAC](../explanation/slac.md) describes how the three machines around the power line work together."""

BESIDE = """Not drawn: every state but DOWN goes to DOWN when the interface is lost (a modem that sleeps may
take it along), and to KEYING when the network is left: the EV is unplugged, the session has ended, the link
is lost or did not come. There the modem gets the key of the next network. From UNMATCHED and MATCHING a
reset of the modem is possible as well, and an EV that starts again on a link without a connection is measured
again: from MATCHED, AMPLITUDE_MAP and RESUMING to MATCHING."""


class Edge(NamedTuple):
    """An arrow of the picture."""

    source: SlacState
    key: type | SlacTimer
    target: SlacState
    words: str


S = SlacState
EDGES = (
    Edge(S.DOWN, e.ModemOpened, S.KEYING, "modem opened"),
    Edge(S.KEYING, m.SetKeyCnf, S.UNMATCHED, "CM_SET_KEY.CNF"),
    Edge(S.KEYING, SlacTimer.RESET, S.RESTARTING, "reset"),
    Edge(S.RESTARTING, SlacTimer.RESTART, S.KEYING, "restart begun"),
    Edge(S.UNMATCHED, m.StartAttenCharInd, S.MATCHING, "START_ATTEN_CHAR"),
    Edge(S.MATCHING, m.SlacParmReq, S.UNMATCHED, "no run is left"),
    Edge(S.MATCHING, m.SlacMatchReq, S.JOINING, "SLAC_MATCH.REQ"),
    Edge(S.JOINING, m.SlacParmReq, S.UNMATCHED, "the EV starts again"),
    Edge(S.JOINING, vendor.LinkStatusCnf, S.MATCHED, "link"),
    Edge(S.JOINING, vendor.LinkStatusCnf, S.AMPLITUDE_MAP, "link, own map"),
    Edge(S.AMPLITUDE_MAP, m.AmpMapCnf, S.MATCHED, "AMP_MAP.CNF"),
    Edge(S.MATCHED, e.PauseLink, S.PAUSED, "session paused"),
    Edge(S.PAUSED, e.ResumeLink, S.RESUMING, "woken"),
    Edge(S.RESUMING, vendor.LinkStatusCnf, S.MATCHED, "link"),
)

UNDRAWN = {
    *((state, S.RESTARTING) for state in (S.UNMATCHED, S.MATCHING)),
    *((state, S.MATCHING) for state in (S.MATCHED, S.AMPLITUDE_MAP, S.RESUMING)),
}
"""What `BESIDE` says in place of an arrow."""

# Column and row of each state, and how an arrow bends where two would lie upon each other.
_PLACES = {
    S.DOWN: (0, 0),
    S.KEYING: (1, 0),
    S.RESTARTING: (0, 1),
    S.UNMATCHED: (2, 0),
    S.MATCHING: (3, 0),
    S.JOINING: (3, 1),
    S.AMPLITUDE_MAP: (3, 2),
    S.MATCHED: (2, 2),
    S.PAUSED: (1, 2),
    S.RESUMING: (1, 1),
}
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 130, 40, 260, 110
_BENT = {(S.UNMATCHED, S.MATCHING): -16, (S.MATCHING, S.UNMATCHED): 16}


def page() -> str:
    """docs/reference/matching.md."""
    parts = [INTRODUCTION, "## Picture", picture(), BESIDE, "## State by state"]
    for state in SlacState:
        rows = [rule for rule in RULES if state in rule.states]
        parts += [f"### {state.name}", f"{state.value[0].upper()}{state.value[1:]}.", _table(rows, state)]
    parts += [
        "## Runs",
        "Each EV that is measured has a separate run with one deadline. The meaning of its expiry:",
        "\n".join(
            ["| state of the run | then |", "| --- | --- |"]
            + [f"| {state.value} | {_meaning(handler)} |" for state, handler in EXPIRY.items()]
        ),
    ]
    assert set(EXPIRY) == set(RunState)
    return "\n\n".join(parts) + "\n"


def _table(rows: list[SlacRule], state: SlacState) -> str:
    lines = ["| input | what it does | next | ids |", "| --- | --- | --- | --- |"]
    for row in rows:
        after = [one.name for one in SlacState if one in row.next]
        words = "any" if len(after) == len(SlacState) else ", ".join(after)
        ids = f"\\[{row.ids}]" if row.ids else ""
        lines.append(f"| `{_name(row.key)}` | {_meaning(row.handler)} | {words} | {ids} |")
    return "\n".join(lines)


def _name(key: type | SlacTimer) -> str:
    return f"{key.name} is over" if isinstance(key, SlacTimer) else key.__name__


def _meaning(handler: object) -> str:
    first = (inspect.getdoc(handler) or "").partition("\n")[0]
    return first.replace("|", r"\|").replace("[", r"\[").replace("_", r"\_")


def picture() -> str:
    """The states and the arrows between them, as one line of SVG."""
    arrows = "".join(_arrow(edge) for edge in EDGES)
    boxes = "".join(_box(state) for state in SlacState)
    head = (
        '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1020 300" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="States of the matching">'
        f'<defs>{head}<path d="M0,0L8,4L0,8z" fill="#777"/></marker></defs>{arrows}{boxes}</svg>'
    )


def _middle(state: SlacState) -> tuple[int, int]:
    column, row = _PLACES[state]
    return 80 + _ACROSS * column, 40 + _DOWN * row


def _box(state: SlacState) -> str:
    x, y = _middle(state)
    return (
        f'<rect x="{x - _WIDTH // 2}" y="{y - _HEIGHT // 2}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
        f'fill="#e0f2f1" stroke="#00796b"/><text x="{x}" y="{y + 4}" text-anchor="middle" fill="#222">'
        f"{state.name}</text>"
    )


def _arrow(edge: Edge) -> str:
    """From the border of one box to the border of the other, with its words in the middle."""
    (x1, y1), (x2, y2) = _middle(edge.source), _middle(edge.target)
    shift = _BENT.get((edge.source, edge.target), 0)
    step_x, step_y = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    if step_x:
        x1, x2 = x1 + step_x * _WIDTH // 2, x2 - step_x * _WIDTH // 2
    if step_y and not step_x:
        y1, y2 = y1 + step_y * _HEIGHT // 2, y2 - step_y * _HEIGHT // 2
    y1, y2 = y1 + shift, y2 + shift
    x, y = (x1 + x2) // 2, (y1 + y2) // 2 + (12 if shift > 0 else -4)
    if step_x and step_y:
        x += (8 + 3 * len(edge.words)) * step_x * step_y
    anchor = "middle" if step_x else "start"
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#777" marker-end="url(#tip)"/>'
        f'<text x="{x if step_x else x + 6}" y="{y}" text-anchor="{anchor}" font-size="10" fill="#777">'
        f"{escape(edge.words)}</text>"
    )
