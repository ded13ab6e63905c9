"""What repeats in a session as one line for a terminal: readings, set-point, energy, state of charge."""

from __future__ import annotations

from collections.abc import Callable

from secc.records import Direction, MessageRecord, OutputRecord, Record
from secc.records.text import detail_of, milliseconds, name_of
from secc.session.battery_events import state_of_charge
from secc.session.outputs import SetOutput
from secc.session.states import Stage
from secc.trace.readings import quantity, transferred_power
from secc.trace.repeats import Repeats

_REPEATS = 2
"""Records of one kind that are printed; the next ones only change the line."""
_KINDS = 5
"""Kinds that may repeat each other."""


class LoopView:
    """Decides about each record whether it repeats, and holds the text of the line."""

    def __init__(self, state: Callable[[], Stage | None] = lambda: None) -> None:
        self._state = state
        self._repeats = Repeats(_REPEATS, _KINDS)
        self._values: dict[str, str] = {}
        self._energy = 0.0  # Wh
        self._power: tuple[float, float] | None = None  # s, W
        self._last = ""

    def repeats(self, record: Record) -> bool:
        """Take a record; True: show `text` instead of a line for it."""
        kind = _kind(record)
        if not kind:
            self._repeats.clear()
            self._reset()
            return False
        self._read(record)
        return self._repeats.take(kind)

    @property
    def text(self) -> str:
        """State, what is measured, what is set, the last response."""
        state = self._state()
        values = [self._values.get(name, "") for name in ("V", "A", "kW", "kWh", "set", "SOC")]
        parts = [state.name if state is not None else "", *values, self._last]
        return "  ".join(part for part in parts if part)

    def _reset(self) -> None:
        self._values.clear()
        self._energy, self._power, self._last = 0.0, None, ""

    def _read(self, record: Record) -> None:
        if isinstance(record, OutputRecord):
            point = record.output
            assert isinstance(point, SetOutput)
            self._values["set"] = f"set {point.voltage:g} V {point.current:g} A"
            return
        assert isinstance(record, MessageRecord)
        message = record.message
        for field, unit in (("evse_present_voltage", "V"), ("evse_present_current", "A")):
            if (value := quantity(message, field)) is not None:
                self._values[unit] = f"{value:6.1f} {unit}"
        if (soc := state_of_charge(message)) is not None:
            self._values["SOC"] = f"SOC {soc:g} %"
        if (power := transferred_power(message)) is not None:
            self._count(record.at, power)
        if record.direction is Direction.SENT:
            waited = "" if record.response_time is None else f" {milliseconds(record.response_time)}"
            self._last = f"{name_of(message)}{waited}"

    def _count(self, at: float, power: float) -> None:
        """Energy by the readings, from one to the next; not that of the meter."""
        if self._power is not None:
            before, watts = self._power
            self._energy += watts * (at - before) / 3600
        self._power = at, power
        self._values |= {"kW": f"{power / 1000:7.2f} kW", "kWh": f"≈ {self._energy / 1000:.3f} kWh"}


def _kind(record: Record) -> str:
    """Records with the same kind repeat each other; empty: printed always, and a new session begins."""
    match record:
        case MessageRecord():
            detail = detail_of(record.message)
            return f"{name_of(record.message)} {detail if detail.startswith('FAILED') else ''}"
        case OutputRecord(output=SetOutput()):
            return "SetOutput"
    return ""
