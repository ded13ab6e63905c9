"""Block R of 2.1: control of distributed energy resources (R04)."""

from __future__ import annotations

import asyncio

from secc.ocpp.blocks.provisioning import info
from secc.ocpp.commands import Commands
from secc.ocpp.der_model import DerControl
from secc.ocpp.model import Payload

_PART = 24
"""Controls of one ReportDERControlRequest."""


def set_control(commands: Commands, body: Payload) -> Payload:
    """Store a control; it acts at once or in its time."""
    status, why, superseded = commands.der.set(body)
    answer: Payload = {"status": status}
    if why:
        answer["statusInfo"] = info("InvalidValue" if status == "Rejected" else "UnsupportedParam", why)
    if superseded:
        answer["supersededIds"] = superseded
    return answer


def get_controls(commands: Commands, body: Payload) -> Payload:
    """Report the selected controls after the answer (R04.FR.30 to R04.FR.37)."""
    kind, id_ = body.get("controlType"), body.get("controlId")
    if id_ is None and kind is not None and kind not in commands.der.supported:
        return _unsupported(kind)
    found = commands.der.selected(
        default=body.get("isDefault"), kind=None if id_ is not None else kind, id_=id_
    )
    if not found:
        return {"status": "NotFound"}
    commands.background.spawn(_report(commands, body["requestId"], found))
    return {"status": "Accepted"}


async def _report(commands: Commands, request_id: int, controls: list[DerControl]) -> None:
    await asyncio.sleep(0.01)
    for begin in range(0, len(controls), _PART):
        body: Payload = {"requestId": request_id, "tbc": begin + _PART < len(controls)}
        for control in controls[begin : begin + _PART]:
            field, element = commands.der.described(control)
            body.setdefault(field, []).append(element)
        if await commands.conversation.ask_or_report(("ReportDERControl", body)) is None:
            return


def clear_controls(commands: Commands, body: Payload) -> Payload:
    """Remove the selected controls (R04.FR.41 to R04.FR.46)."""
    kind, id_ = body.get("controlType"), body.get("controlId")
    if id_ is None and kind is not None and kind not in commands.der.supported:
        return _unsupported(kind)
    found = commands.der.clear(default=body["isDefault"], kind=None if id_ is not None else kind, id_=id_)
    return {"status": "Accepted" if found else "NotFound"}


def _unsupported(kind: str) -> Payload:
    return {
        "status": "NotSupported",
        "statusInfo": info("UnsupportedParam", f"{kind} is not supported"),
    }
