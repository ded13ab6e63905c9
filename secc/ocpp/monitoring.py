"""VariableMonitors of variables: which ones there are, and which events they cause (OCPP N03 to N08). Pure.

A threshold reports once when the value passes it, and once more, as cleared, when the value returns. A delta
reports each change of at least that size; of a text, each change. Periodic ones report at an interval, the
clock-aligned ones at multiples of it since midnight UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

import msgspec

from secc.ocpp.dialect import to_iso
from secc.ocpp.model import Payload
from secc.ocpp.variables import Variable, component_of, variable_of

__all__ = ["VariableMonitor", "MonitorKind", "VariableMonitors"]

MOST_MONITORS = 200
"""VariableMonitors of one station."""
HIGHEST_SEVERITY = 9
"""The least severe level."""


class MonitorKind(enum.StrEnum):
    """Kinds of monitors."""

    UPPER = "UpperThreshold"
    LOWER = "LowerThreshold"
    DELTA = "Delta"
    PERIODIC = "Periodic"
    ALIGNED = "PeriodicClockAligned"


_CRITERIA = {
    "ThresholdMonitoring": (MonitorKind.UPPER, MonitorKind.LOWER),
    "DeltaMonitoring": (MonitorKind.DELTA,),
    "PeriodicMonitoring": (MonitorKind.PERIODIC, MonitorKind.ALIGNED),
}


class VariableMonitor(msgspec.Struct, kw_only=True):
    """One monitor and what it has seen."""

    id: int
    label: str
    """`Variable.label` with the place, see `_place`."""
    kind: MonitorKind
    value: float
    severity: int
    transaction: bool = False
    """Only while a transaction runs."""
    alerted: bool = False
    """The threshold is passed and reported."""
    reference: str | None = None
    """Delta: the value reported last."""
    due_at: float | None = None
    """Periodic: Unix seconds of the next report."""


def _place(one: Variable) -> str:
    """Return a text that identifies a variable of the station."""
    return f"{one.label}@{one.evse or 0}.{one.connector or 0}"


class VariableMonitors:
    """The monitors of one station."""

    def __init__(self, table: tuple[Variable, ...]) -> None:
        self.installed: dict[int, VariableMonitor] = {}
        self._variables = {_place(one): one for one in table}
        self._events = 0

    # --- requests ------------------------------------------------------------------------------------------

    def set(self, variable: Variable, body: Payload, present: str | None) -> tuple[str, int | None]:
        """Set a monitor by SetMonitoringDataType, with the present value of the variable.

        Returns the status, and the id if it is accepted.
        """
        kind, value, severity = MonitorKind(body["type"]), float(body["value"]), int(body["severity"])
        if not variable.monitored or (
            kind in (MonitorKind.UPPER, MonitorKind.LOWER) and not variable.numeric
        ):
            return "UnsupportedMonitorType", None
        periodic = kind in (MonitorKind.PERIODIC, MonitorKind.ALIGNED)
        if (kind is MonitorKind.DELTA and value < 0) or (periodic and value < 1):
            return "Rejected", None
        if not 0 <= severity <= HIGHEST_SEVERITY or _outside(variable, kind, value):
            return "Rejected", None
        place, wanted = _place(variable), body.get("id")
        if wanted is not None and (wanted not in self.installed or self.installed[wanted].label != place):
            return "Rejected", None
        if any(
            (one.label, one.kind, one.severity) == (place, kind, severity) and one.id != wanted
            for one in self.installed.values()
        ):
            return "Duplicate", None
        if wanted is None and len(self.installed) >= MOST_MONITORS:
            return "Rejected", None
        number = wanted if wanted is not None else max(self.installed, default=0) + 1
        self.installed[number] = VariableMonitor(
            id=number,
            label=place,
            kind=kind,
            value=value,
            severity=severity,
            transaction=bool(body.get("transaction")),
            reference=present,
        )
        return "Accepted", number

    def clear(self, number: int) -> str:
        """Remove a monitor; returns Accepted or NotFound."""
        return "NotFound" if self.installed.pop(number, None) is None else "Accepted"

    def clear_all(self) -> None:
        """Return to the factory default, which has no monitors that a CSMS has set."""
        self.installed.clear()

    def report(
        self, criteria: Iterable[str], wanted: Callable[[Variable], bool], *, with_origin: bool
    ) -> list[Payload]:
        """Return MonitoringDataType for the variables that `wanted` selects, by kinds of monitors.

        `with_origin`: 2.1 also reports who has set a monitor.
        """
        kinds = {kind for one in criteria for kind in _CRITERIA[one]} or set(MonitorKind)
        rows = []
        for place, variable in self._variables.items():
            found = [one for one in self.installed.values() if one.label == place and one.kind in kinds]
            if found and wanted(variable):
                rows.append(
                    {
                        "component": component_of(variable),
                        "variable": variable_of(variable),
                        "variableMonitoring": [_described(one, with_origin=with_origin) for one in found],
                    }
                )
        return rows

    # --- observation ---------------------------------------------------------------------------------------

    def observe(
        self, read: Callable[[Variable], str | None], now: float, transaction: str, level: int
    ) -> list[tuple[int, Payload]]:
        """Return the events since the last observation as (severity, EventDataType).

        `transaction` is the id of the running one, or empty; `level` the highest severity number to report.
        """
        found = []
        for one in self.installed.values():
            variable = self._variables.get(one.label)
            value = None if variable is None else read(variable)
            if variable is None or value is None or (one.transaction and not transaction):
                continue
            event = _seen(one, value, now)
            if event is not None and one.severity <= level:
                found.append((one.severity, self._event(variable, value, now, transaction, event, one.id)))
        return found

    def hard_wired(self, variable: Variable, value: str, now: float, info: str) -> Payload:
        """Return the event for a change that is always reported, a fault for example."""
        event: Payload = {"trigger": "Delta", "eventNotificationType": "HardWiredNotification"}
        if info:
            event["techInfo"] = info[:500]
        return self._event(variable, value, now, "", event, None)

    def _event(
        self, variable: Variable, value: str, now: float, transaction: str, event: Payload, number: int | None
    ) -> Payload:
        self._events += 1
        body: Payload = {
            "eventId": self._events,
            "timestamp": to_iso(now),
            "actualValue": value,
            "component": component_of(variable),
            "variable": variable_of(variable),
            **event,
        }
        if transaction:
            body["transactionId"] = transaction
        if number is not None:
            body["variableMonitoringId"] = number
        return body


def _outside(variable: Variable, kind: MonitorKind, value: float) -> bool:
    """A threshold outside the range of the variable could never be passed."""
    if kind not in (MonitorKind.UPPER, MonitorKind.LOWER):
        return False
    return (variable.most is not None and value > variable.most) or (
        variable.least is not None and value < variable.least
    )


def _described(one: VariableMonitor, *, with_origin: bool) -> Payload:
    origin: Payload = {"eventNotificationType": _CUSTOM} if with_origin else {}
    return {
        **origin,
        "id": one.id,
        "transaction": one.transaction,
        "value": one.value,
        "type": one.kind.value,
        "severity": one.severity,
    }


_CUSTOM = "CustomMonitor"


def _seen(one: VariableMonitor, value: str, now: float) -> Payload | None:
    """Update a monitor with a value; returns the part of an event that depends on its kind."""
    match one.kind:
        case MonitorKind.UPPER | MonitorKind.LOWER:
            return _threshold(one, value)
        case MonitorKind.DELTA:
            return _delta(one, value)
    if one.due_at is None:
        one.due_at = _due(one, now)
        return None
    if now < one.due_at:
        return None
    one.due_at = _due(one, now)
    return {"trigger": "Periodic", "eventNotificationType": _CUSTOM}


def _due(one: VariableMonitor, now: float) -> float:
    if one.kind is MonitorKind.ALIGNED:
        return (now // one.value + 1) * one.value
    return now + one.value


def _threshold(one: VariableMonitor, value: str) -> Payload | None:
    number = float(value)
    passed = number > one.value if one.kind is MonitorKind.UPPER else number < one.value
    if passed is one.alerted:
        return None
    one.alerted = passed
    return {"trigger": "Alerting", "cleared": not passed, "eventNotificationType": _CUSTOM}


def _delta(one: VariableMonitor, value: str) -> Payload | None:
    before, one.reference = one.reference, one.reference or value
    if before is None or before == value:
        return None
    try:
        large = abs(float(value) - float(before)) >= one.value
    except ValueError:
        large = True
    if not large:
        return None
    one.reference = value
    return {"trigger": "Delta", "eventNotificationType": _CUSTOM}
