"""Block B: variables, reports, reset and network profiles."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from secc.ocpp import variables
from secc.ocpp.blocks.rows import report_rows
from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload
from secc.ocpp.rpc import CallFailed
from secc.ocpp.variable_table import ITEMS
from secc.ocpp.variables import Variable, component_of, variable_of


def reset(commands: Commands, body: Payload) -> Payload:
    """Reset at once, or when the station is idle; its only EVSE counts as the station (B11, B12)."""
    if body.get("evseId", 1) not in (0, 1):
        return {"status": "Rejected"}
    return {"status": commands.outlet.reset(at_once=body["type"] != "OnIdle")}


def set_network_profile(commands: Commands, body: Payload) -> Payload:
    """Store a further address of the CSMS (B09)."""
    if not commands.settings.ocpp.network_profiles:
        return _no_slot("ocpp.network_profiles is off")
    network = commands.conversation.network
    problem = network.set(body["configurationSlot"], body["connectionData"])
    if problem:
        return _no_slot(problem)
    commands.conversation.queue.enqueue((), {"network": dict(network.slots)})
    return {"status": "Accepted"}


def _no_slot(problem: str) -> Payload:
    return {"status": "Rejected", "statusInfo": info("InvalidConfSlot", problem)}


def info(code: str, text: str) -> Payload:
    """Return StatusInfoType."""
    return {"reasonCode": code[:20], "additionalInfo": text[:512]}


# --- variables ---------------------------------------------------------------------------------------------


def get_variables(commands: Commands, body: Payload) -> Payload:
    """Read variables (B06)."""
    check_count(body["getVariableData"], "getVariableData")
    return {"getVariableResult": [_read(commands, one) for one in body["getVariableData"]]}


def set_variables(commands: Commands, body: Payload) -> Payload:
    """Change variables (B05)."""
    check_count(body["setVariableData"], "setVariableData")
    return {"setVariableResult": [_write(commands, one) for one in body["setVariableData"]]}


def check_count(elements: Sequence[object], name: str) -> None:
    """Raise CallFailed for more elements than ItemsPerMessage."""
    if len(elements) > ITEMS:
        raise CallFailed("OccurrenceConstraintViolation", f"{name}: {len(elements)}, at most {ITEMS}")


def _read(commands: Commands, asked: Payload) -> Payload:
    row, found = _found(commands, asked)
    if found is None:
        return row
    value = commands.variables.value(found)
    if value is None:
        return {**row, "attributeStatus": "Rejected"}
    return {**row, "attributeStatus": "Accepted", "attributeValue": value}


def _write(commands: Commands, asked: Payload) -> Payload:
    row, found = _found(commands, asked)
    if found is None:
        return row
    return {**row, "attributeStatus": commands.variables.change(found, asked["attributeValue"])}


def _found(commands: Commands, asked: Payload) -> tuple[Payload, Variable | None]:
    """The row of an answer, and the variable that it is about; without one the row says why."""
    row = {"component": asked["component"], "variable": asked["variable"]}
    found = variables.find(commands.variables.table, asked["component"], asked["variable"])
    if isinstance(found, str):
        return {**row, "attributeStatus": found}, None
    kind = asked.get("attributeType", "Actual")
    if kind != "Actual":
        return {**row, "attributeType": kind, "attributeStatus": "NotSupportedAttributeType"}, None
    return row, found


# --- reports -----------------------------------------------------------------------------------------------


def base_report(commands: Commands, body: Payload) -> Payload:
    """Report variables after the answer: all, those that can be changed, or a summary (B07)."""
    wanted = _BASES[body["reportBase"]]
    rows = [one for one in commands.variables.table if wanted(one)]
    _report(commands, body["requestId"], rows)
    return {"status": "Accepted"}


def report(commands: Commands, body: Payload) -> Payload:
    """Report the selected variables after the answer (B08)."""
    criteria = body.get("componentCriteria", [])
    check_count(body.get("componentVariable", []), "componentVariable")
    wanted = selection(body.get("componentVariable", []))
    rows = [one for one in commands.variables.table if wanted(one) and _meets(commands, one, criteria)]
    if not rows:
        return {"status": "EmptyResultSet"}
    _report(commands, body["requestId"], rows)
    return {"status": "Accepted"}


def selection(wanted: Sequence[Payload]) -> Callable[[Variable], bool]:
    """Return whether a variable is one of ComponentVariableType; without any all are."""

    def selects(one: Variable) -> bool:
        return not wanted or any(_named(one, row) for row in wanted)

    return selects


def _named(one: Variable, row: Payload) -> bool:
    component, variable = row["component"], row.get("variable")
    if component["name"].casefold() != one.component.casefold() or component.get("instance"):
        return False
    where = component.get("evse")
    if where is not None and where["id"] != one.evse:
        return False
    if where is not None and where.get("connectorId", one.connector) != one.connector:
        return False
    if variable is None:
        return True
    instance = variable.get("instance")
    same = variable["name"].casefold() == one.name.casefold()
    return same and (instance is None or instance.casefold() == one.instance.casefold())


def _meets(commands: Commands, one: Variable, criteria: Sequence[str]) -> bool:
    """A component meets a criterion by its variable of that name; without it, every one except Problem."""
    return not criteria or any(_has(commands, one, name) for name in criteria)


def _has(commands: Commands, one: Variable, name: str) -> bool:
    found = variables.find(commands.variables.table, component_of(one), {"name": name})
    if isinstance(found, str):
        return name != "Problem"
    return commands.variables.value(found) == "true"


def _report(commands: Commands, request_id: int, rows: Sequence[Variable]) -> None:
    """Send NotifyReport after the answer."""
    row = functools.partial(described, commands)
    commands.background.spawn(report_rows(commands, "NotifyReport", request_id, "reportData", rows, row))


def described(commands: Commands, one: Variable) -> Payload:
    """Return ReportDataType of a variable."""
    attribute: Payload = {
        "type": "Actual",
        "mutability": one.mutability,
        "persistent": True,
        "constant": one.constant,
    }
    if (value := commands.variables.value(one)) is not None:
        attribute["value"] = value
    limits: Payload = {"dataType": one.kind, "supportsMonitoring": one.monitored}
    optional = (
        ("unit", one.unit),
        ("valuesList", one.options),
        ("minLimit", one.least),
        ("maxLimit", one.most),
    )
    limits |= {name: found for name, found in optional if found not in (None, "")}
    return {
        "component": component_of(one),
        "variable": variable_of(one),
        "variableAttribute": [attribute],
        "variableCharacteristics": limits,
    }


_BASES: dict[str, Callable[[Variable], bool]] = {
    "ConfigurationInventory": lambda one: one.write is not None,
    "FullInventory": lambda _: True,
    "SummaryInventory": lambda one: one.name in ("AvailabilityState", "Problem"),
}
