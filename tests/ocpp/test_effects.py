"""What a CSMS or a file can set has an effect."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import secc.ocpp
from secc.ocpp.transactions import Transactions
from secc.settings.ocpp import OcppConfig, OcppVersion
from tests.ocpp.support import STATION, Running, knowing, line

FOLDER = Path(secc.ocpp.__file__).parent
_ELSEWHERE = {"vendor", "model", "serial"}
"""In rows of the device model, and in BootNotification."""


def read_attributes() -> set[str]:
    """Names of attributes that the package reads, except in the rows of the device model."""
    found: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        if path.name.startswith("variable_") or "conformance" in path.parts or "fake" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
    return found


def test_every_setting_of_the_section_is_used() -> None:
    fields = {one.name for one in dataclasses.fields(OcppConfig)} - _ELSEWHERE
    assert fields - read_attributes() == set()


def test_every_selection_of_measurands_is_used() -> None:
    assert set(Transactions(interval=60.0).measurands) == {"Started", "Updated", "Ended", "Aligned"}


async def change(running: Running, csms: Any, component: str, name: str, value: str) -> str:
    row = {"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}
    answer = await csms.command(STATION, "SetVariables", {"setVariableData": [row]})
    return str(answer["setVariableResult"][0]["attributeStatus"])


async def test_another_heartbeat_interval_acts_at_once() -> None:
    csms = knowing(version=OcppVersion.V201)
    async with line(csms) as running:
        await running.online()
        assert running.backend.conversation.interval >= 60.0
        assert await change(running, csms, "OCPPCommCtrlr", "HeartbeatInterval", "1") == "Accepted"
        await running.until(lambda: csms.actions().count("Heartbeat") >= 1)


@pytest.mark.parametrize(
    ("component", "name", "value", "status"),
    [
        ("AlignedDataCtrlr", "TxEndedMeasurands", "Current.Import", "Rejected"),
        ("OCPPCommCtrlr", "WebSocketPingInterval", "20", "RebootRequired"),
    ],
)
async def test_a_value_without_an_effect_now_is_not_plainly_accepted(
    component: str, name: str, value: str, status: str
) -> None:
    csms = knowing(version=OcppVersion.V201)
    async with line(csms) as running:
        await running.online()
        assert await change(running, csms, component, name, value) == status


@pytest.mark.parametrize(("threshold", "count"), [(3600.0, 1), (0.0, 2)])
async def test_the_status_is_sent_again_after_an_outage_longer_than_the_threshold(
    threshold: float, count: int
) -> None:
    csms = knowing(version=OcppVersion.V201)
    async with line(csms, offline_threshold=threshold) as running:
        await running.until(lambda: "StatusNotification" in csms.actions())
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        await csms.start(port=csms.port)
        await running.until(lambda: csms.actions().count("Heartbeat") == 1)  # a connection without a boot
        await running.until(lambda: csms.actions().count("StatusNotification") == count)
        running.backend.outlet.observe()
    assert csms.actions().count("StatusNotification") == count


async def test_a_status_that_changes_during_a_short_outage_is_sent() -> None:
    csms = knowing(version=OcppVersion.V201)
    async with line(csms, offline_threshold=3600.0) as running:
        await running.until(lambda: "StatusNotification" in csms.actions())
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        running.backend.settings.operative = False
        await csms.start(port=csms.port)
        await running.until(lambda: csms.actions().count("StatusNotification") == 2)
    bodies = [one.payload for one in csms.records.messages if one.action == "StatusNotification"]
    assert bodies[-1]["connectorStatus"] == "Unavailable"
