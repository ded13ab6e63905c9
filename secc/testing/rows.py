"""The contract of a controller, row by row: what is owed, where it is written, how it is judged.

A row is tried only when the rows that it needs hold: a contactor that does not close shows nothing about
the lease. So each fault shows in the row that names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from secc.testing import ac, dc, energised, passive
from secc.testing.evidence import Observations, Owed
from secc.testing.seen import RowState, Seen, seconds

Judge = Callable[[Observations], Seen]

__all__ = ["GUIDE", "ROWS", "ContractRow", "RowResult", "RowState", "row"]

GUIDE = "docs/how-to/controller.md"
"""The page that says what a controller owes."""


@dataclasses.dataclass(frozen=True, slots=True)
class ContractRow:
    """One thing that a controller owes."""

    id: str
    section: str
    """Heading under which it is shown."""
    anchor: str
    """Where it is written, in `GUIDE`."""
    owed: str
    """As text; `{name}` is replaced by a figure of `Owed`."""
    judge: Judge
    kind: str = "both"
    """`ac`, `dc` or `both`."""
    power: bool = False
    """Tried only when the run may switch power on."""
    after: tuple[str, ...] = ()
    """Rows that must hold first."""
    feedback: bool = False
    """Without feedback in the snapshot nothing can be seen."""
    exercise: str = ""
    """The stretch of the run that it looks at; none: all of them."""

    @property
    def reference(self) -> str:
        """Page and anchor."""
        return f"{GUIDE}#{self.anchor}"

    def owes(self, owed: Owed) -> str:
        """What is owed, with the figures of this run."""
        figures = dataclasses.asdict(owed)
        volts = ("voltage", "safe_voltage", "max_voltage")
        words = {name: f"{value:g} V" if name in volts else seconds(value) for name, value in figures.items()}
        return self.owed.format_map(words)

    def applies(self, *, dc: bool) -> bool:
        """Whether an outlet of this kind owes it."""
        return self.kind == "both" or self.kind == ("dc" if dc else "ac")


@dataclasses.dataclass(frozen=True, slots=True)
class RowResult:
    """One row, and what was seen."""

    row: ContractRow
    state: RowState
    owed: str
    seen: str


def row(id: str) -> ContractRow:
    """The row with this id. Raises KeyError."""
    return _BY_ID[id]


_OWES = "what-each-method-owes"
_ORDER = "how-the-calls-follow-each-other"
_CHANGES = "report-changes-at-once"


def _passive(
    id: str,
    section: str,
    owed: str,
    judge: Judge,
    *,
    after: tuple[str, ...] = (),
    kind: str = "both",
    anchor: str = _OWES,
) -> ContractRow:
    return ContractRow(id, section, anchor, owed, judge, kind, after=after)


def _power(
    id: str,
    section: str,
    owed: str,
    judge: Judge,
    exercise: str = "",
    *,
    after: tuple[str, ...] = (),
    kind: str = "both",
    anchor: str = _OWES,
    blind: bool = False,
) -> ContractRow:
    return ContractRow(id, section, anchor, owed, judge, kind, True, after, not blind, exercise)


_ON = ("close", "set-output")
_SAFE = "make-safe-on"

ROWS = (
    _passive("methods", "methods", "a station takes the controller", passive.methods),
    _passive("blocking", "methods", "never holds up the event loop, {step}", passive.blocking, anchor=_ORDER),
    _power("raises", "methods", "raises when the hardware does not answer", energised.raises, blind=True),
    _power(
        "cancel",
        "methods",
        "after a cancelled command the next ones work",
        energised.cancel,
        "cancelled",
        after=(*_ON, _SAFE),
        anchor=_ORDER,
    ),
    _passive("snapshot-values", "snapshot", "a station takes every value", passive.snapshot_values),
    _passive("snapshot-quick", "snapshot", "returns at once, within {quick}", passive.snapshot_quick),
    _passive("feedback", "snapshot", "contactor_closed by level", passive.feedback, kind="ac"),
    _passive("meter", "snapshot", "the energy never falls", passive.meter),
    _passive(
        "changed-quiet", "changed", "returns only after a change", passive.changed_is_quiet, anchor=_CHANGES
    ),
    _passive(
        "changed",
        "changed",
        "returns within {change} of a change",
        passive.changed_reports,
        after=("changed-quiet",),
        anchor=_CHANGES,
    ),
    _passive("make-safe", "make_safe", "returns with the output off", passive.make_safe_at_rest),
    _passive(
        "make-safe-repeats",
        "make_safe",
        "may be called again",
        passive.make_safe_repeats,
        after=("make-safe",),
    ),
    _passive("make-safe-time", "make_safe", "returns within {call}", passive.in_time("make_safe")),
    _power(
        _SAFE,
        "make_safe",
        "switches an energised output off",
        energised.make_safe_when_on,
        "make safe",
        after=(*_ON, "off"),
    ),
    _power(
        "make-safe-overtakes",
        "make_safe",
        "a command in progress does not switch on again",
        energised.make_safe_overtakes,
        "overtaken",
        after=(_SAFE,),
        anchor=_ORDER,
    ),
    _power("lease-quick", "lease", "returns at once, within {quick}", passive.lease_quick, blind=True),
    _power("lease-keeps", "lease", "on while it is renewed", energised.lease_keeps, "switch", after=_ON),
    _power(
        "lease-lapse",
        "lease",
        "off by itself at its end",
        energised.lease_lapses,
        "lapse",
        after=(*_ON, "off", "lease-keeps"),
    ),
    _power(
        "lease-revives",
        "lease",
        "never switches on, after a lapse",
        energised.lease_does_not_revive,
        "lapse",
        after=("lease-lapse",),
    ),
    _power(
        "lease-none",
        "lease",
        "no output without a lease",
        energised.no_lease_no_power,
        "no lease",
        after=("lease-lapse",),
    ),
    _power("close", "close_contactor", "the contactor closes", ac.closes, "switch", kind="ac", blind=True),
    _power(
        "close-time",
        "close_contactor",
        "returns within {contactor}",
        passive.in_time("close_contactor"),
        kind="ac",
        blind=True,
    ),
    _power(
        "close-answer",
        "close_contactor",
        "True once the feedback shows it, else False",
        ac.close_answers_by_feedback,
        kind="ac",
    ),
    _power(
        "close-false",
        "close_contactor",
        "False when the contactor does not close",
        ac.close_says_no,
        kind="ac",
        blind=True,
    ),
    _passive("open-off", "open_contactor", "True on an output that is off", passive.off_at_rest),
    _passive("open-time", "open_contactor", "returns within {call}", passive.in_time("open_contactor")),
    _power(
        "open",
        "open_contactor",
        "True once the feedback shows it",
        ac.opens,
        "switch",
        kind="ac",
        after=("close",),
    ),
    _power(
        "open-stays",
        "open_contactor",
        "nothing closes it again",
        ac.stays_open,
        "switch",
        kind="ac",
        after=("open",),
    ),
    _power("set-output", "set_output", "{voltage} within {pre_charge}", dc.reaches, "switch", kind="dc"),
    _passive("set-output-time", "set_output", "returns within {lease}", dc.set_output_time, kind="dc"),
    _power("set-output-limit", "set_output", "never above the set-point", dc.stays_below, kind="dc"),
    _power(
        "off",
        "set_output",
        "(0, 0): below {safe_voltage} within {discharge}",
        dc.discharges,
        "switch",
        kind="dc",
        after=("set-output",),
    ),
    _power(
        "off-stays",
        "set_output",
        "no older set-point after (0, 0)",
        dc.stays_off,
        "switch",
        kind="dc",
        after=("off",),
    ),
    _power("check", "check_cable", "an IsolationLevel", dc.check_result, "check", kind="dc", blind=True),
    _power(
        "check-time",
        "check_cable",
        "returns within {cable_check}",
        passive.in_time("check_cable"),
        kind="dc",
        blind=True,
    ),
    _power("check-off", "check_cable", "no voltage at its end", dc.check_leaves_nothing, "check", kind="dc"),
    _power("check-limit", "check_cable", "never above {max_voltage}", dc.check_stays_below, kind="dc"),
    _power(
        "check-lease",
        "check_cable",
        "off by itself at the end of the lease",
        dc.check_needs_lease,
        "check lapses",
        kind="dc",
        after=("check", "lease-lapse"),
    ),
    _power(
        "check-overtaken",
        "check_cable",
        "off for good after make_safe beside it",
        dc.check_overtaken,
        "check overtaken",
        kind="dc",
        after=("check", _SAFE),
        anchor=_ORDER,
    ),
)

_BY_ID = {one.id: one for one in ROWS}
