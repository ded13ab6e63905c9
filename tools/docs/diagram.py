"""The states of ISO 15118-2 as a picture, its arrows drawn from the table of rules."""

from __future__ import annotations

from secc.session.iso2.states import State
from secc.session.iso2.table import RULES
from secc.session.states import Stage

PLACES: dict[Stage, tuple[int, int]] = {
    State.WAIT_SESSION_SETUP: (0, 0),
    State.WAIT_SERVICE_DISCOVERY: (0, 1),
    State.WAIT_SERVICE_SELECTION: (0, 2),
    State.WAIT_CONTRACT: (1, 2),
    State.PROVISIONING: (2, 2),
    State.WAIT_PAYMENT_DETAILS: (2, 3),
    State.CHECKING_CONTRACT: (1, 3),
    State.WAIT_AUTHORIZATION: (0, 4),
    State.WAIT_CONTRACT_AUTHORIZATION: (1, 4),
    State.WAIT_CHARGE_PARAMETERS: (1, 5),
    State.WAIT_POWER_ON_AC: (0, 6),
    State.AWAITING_PILOT_AC: (0, 7),
    State.CLOSING_CONTACTOR: (0, 8),
    State.WAIT_FIRST_STATUS: (0, 9),
    State.WAIT_STATUS: (0, 10),
    State.WAIT_RECEIPT_AC: (0, 11),
    State.WAIT_STOP_AC: (0, 12),
    State.WAIT_CABLE_CHECK: (2, 6),
    State.AWAITING_PILOT_DC: (3, 6),
    State.WAIT_CABLE_CHECK_RESULT: (2, 7),
    State.WAIT_PRE_CHARGE: (2, 8),
    State.WAIT_POWER_ON_DC: (2, 9),
    State.AWAITING_VOLTAGE: (3, 9),
    State.WAIT_FIRST_DEMAND: (2, 10),
    State.WAIT_DEMAND: (2, 11),
    State.WAIT_RECEIPT_DC: (3, 11),
    State.WAIT_AFTER_RECEIPT: (3, 10),
    State.WAIT_STOP_DC: (2, 12),
    State.AWAITING_PILOT_B: (3, 12),
    State.WAIT_WELDING: (2, 13),
    State.ENDED: (1, 13),
}
"""Column and row; a state without a place is an error."""

WIDTH, HEIGHT, STEP_X, STEP_Y = 206, 30, 268, 66


def svg() -> str:
    """docs/assets/states.svg. Raises KeyError for a state that has no place."""
    width, height = STEP_X * 4, STEP_Y * 14
    edges = dict.fromkeys(
        (rule.state, target)
        for rule in RULES
        if not rule.leniency
        for target in State
        if target in rule.leads_to and target is not rule.state
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11"><title>States of a session and what leads to which</title>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="#557"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    parts += [_edge(start, end) for start, end in edges]
    parts += [_node(state) for state in State]
    return "\n".join(parts) + "\n</svg>\n"


def _corner(state: Stage) -> tuple[int, int]:
    column, row = PLACES[state]
    return column * STEP_X + 30, row * STEP_Y + 16


def _node(state: State) -> str:
    x, y = _corner(state)
    fill = "#e6e6e6" if state is State.ENDED else "#dff0ee" if state.waits_for_ev else "#fde9c8"
    return (
        f'<a href="../states/#{state.name.lower()}"><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="6" fill="{fill}" stroke="#557"/><text x="{x + WIDTH / 2:g}" y="{y + 19}" text-anchor="middle" '
        f'fill="#223">{state.name}</text></a>'
    )


def _edge(start: Stage, end: State) -> str:
    (x, y), (to_x, to_y) = _corner(start), _corner(end)
    middle = HEIGHT / 2
    if x == to_x:
        down = to_y > y
        if abs(to_y - y) == STEP_Y:
            shift = WIDTH / 2 + (12 if down else -12)
            a, b = (y + HEIGHT, to_y) if down else (y, to_y + HEIGHT)
            return _path(f"M{x + shift:g} {a} V{b}")
        side, bow = (x, -26) if down else (x + WIDTH, 26)
        return _path(
            f"M{side} {y + middle:g} C{side + bow} {y + middle:g} {side + bow} {to_y + middle:g} "
            f"{side} {to_y + middle:g}"
        )
    right = to_x > x
    a, b = (x + WIDTH, to_x) if right else (x, to_x + WIDTH)
    turn = (a + b) / 2
    lower = 5 if right else -5
    return _path(
        f"M{a} {y + middle + lower:g} C{turn:g} {y + middle + lower:g} {turn:g} {to_y + middle + lower:g} "
        f"{b} {to_y + middle + lower:g}"
    )


def _path(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="#557" stroke-opacity="0.7" marker-end="url(#tip)"/>'
