"""Block N: logs, monitors and customer information."""

from __future__ import annotations

import asyncio

from secc.ocpp import v201, variables
from secc.ocpp.blocks.provisioning import check_count, selection
from secc.ocpp.blocks.rows import report_rows
from secc.ocpp.commands import Commands
from secc.ocpp.customers import pieces
from secc.ocpp.dialect import from_iso, to_iso
from secc.ocpp.model import IdToken, Payload
from secc.ocpp.monitoring import HIGHEST_SEVERITY
from secc.ocpp.ports import LogKind
from secc.settings.ocpp import OcppVersion


def get_log(commands: Commands, body: Payload) -> Payload:
    """Upload a log after the answer (N01)."""
    if body["logType"] not in list(LogKind):
        return {"status": "Rejected"}  # DataCollectorLog of 2.1
    parameters = body["log"]
    status, name = commands.services.uploads.start(
        LogKind(body["logType"]),
        parameters["remoteLocation"],
        body["requestId"],
        oldest=from_iso(parameters.get("oldestTimestamp")),
        latest=from_iso(parameters.get("latestTimestamp")),
        retries=body.get("retries", 0),
        interval=float(body.get("retryInterval", 10)),
    )
    return {"status": status, "filename": name}


# --- monitors ----------------------------------------------------------------------------------------------


def set_monitors(commands: Commands, body: Payload) -> Payload:
    """Set monitors of variables (N04)."""
    check_count(body["setMonitoringData"], "setMonitoringData")
    answer = [_set_monitor(commands, one) for one in body["setMonitoringData"]]
    commands.diagnostics.store_monitors()
    return {"setMonitoringResult": answer}


def _set_monitor(commands: Commands, asked: Payload) -> Payload:
    row = {name: asked[name] for name in ("type", "severity", "component", "variable")}
    found = variables.find(commands.variables.table, asked["component"], asked["variable"])
    if isinstance(found, str):
        return {**row, "status": found}
    if asked["type"] not in _KINDS:
        return {**row, "status": "UnsupportedMonitorType"}
    status, number = commands.diagnostics.monitors.set(found, asked, commands.variables.value(found))
    return {**row, "status": status, **({} if number is None else {"id": number})}


def clear_monitors(commands: Commands, body: Payload) -> Payload:
    """Remove monitors (N06)."""
    check_count(body["id"], "id")
    answer = [{"id": one, "status": commands.diagnostics.monitors.clear(one)} for one in body["id"]]
    commands.diagnostics.store_monitors()
    return {"clearMonitoringResult": answer}


def monitoring_base(commands: Commands, body: Payload) -> Payload:
    """Return to the monitors of the factory, or keep all (N03)."""
    base = body["monitoringBase"]
    if base != "All":
        commands.diagnostics.monitors.clear_all()
        commands.diagnostics.store_monitors()
    commands.diagnostics.set_monitoring(base=base)
    return {"status": "Accepted"}


def monitoring_level(commands: Commands, body: Payload) -> Payload:
    """Report only events up to a severity number (N05)."""
    if not 0 <= body["severity"] <= HIGHEST_SEVERITY:
        return {"status": "Rejected"}
    commands.diagnostics.set_monitoring(level=body["severity"])
    return {"status": "Accepted"}


def monitoring_report(commands: Commands, body: Payload) -> Payload:
    """Report monitors after the answer (N02)."""
    criteria = [one for one in body.get("monitoringCriteria", []) if one in _CRITERIA]
    if body.get("monitoringCriteria") and not criteria:
        return {"status": "EmptyResultSet"}
    rows = commands.diagnostics.monitors.report(
        criteria,
        selection(body.get("componentVariable", [])),
        with_origin=commands.conversation.dialect.version is OcppVersion.V21,
    )
    if not rows:
        return {"status": "EmptyResultSet"}
    report = report_rows(
        commands, "NotifyMonitoringReport", body["requestId"], "monitor", rows, lambda row: row
    )
    commands.background.spawn(report)
    return {"status": "Accepted"}


_KINDS = ("UpperThreshold", "LowerThreshold", "Delta", "Periodic", "PeriodicClockAligned")
_CRITERIA = ("ThresholdMonitoring", "DeltaMonitoring", "PeriodicMonitoring")


# --- customers ---------------------------------------------------------------------------------------------


def customer_information(commands: Commands, body: Payload) -> Payload:
    """Report what is stored about a customer, delete it, or both (N09, N10)."""
    named = [one for one in ("idToken", "customerCertificate", "customerIdentifier") if one in body]
    if len(named) != 1 or not (body["report"] or body["clear"]):
        return {"status": "Invalid"}
    text = commands.lists.customer(_token(body), clear=body["clear"])
    if body["report"]:
        commands.background.spawn(_notify(commands, body["requestId"], text))
    elif body["clear"]:
        commands.background.spawn(_notify(commands, body["requestId"], ""))
    return {"status": "Accepted"}


def _token(body: Payload) -> IdToken | None:
    """A certificate is not stored with a customer; an identifier may be a token."""
    if "idToken" in body:
        return v201.read_id_token(body["idToken"])
    identifier = body.get("customerIdentifier")
    return None if identifier is None else IdToken(identifier)


async def _notify(commands: Commands, request_id: int, text: str) -> None:
    await asyncio.sleep(0.01)
    parts = pieces(text)
    for number, part in enumerate(parts):
        body = {
            "requestId": request_id,
            "generatedAt": to_iso(commands.conversation.now),
            "seqNo": number,
            "tbc": number + 1 < len(parts),
            "data": part,
        }
        if await commands.conversation.ask_or_report(("NotifyCustomerInformation", body)) is None:
            return
