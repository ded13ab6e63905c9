"""Addresses of the CSMS that the CSMS sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.ocpp.model import Payload
from tests.ocpp.support import V201, ask, knowing, served


async def test_a_second_address_is_tried_first_and_the_configured_one_is_kept(tmp_path: Path) -> None:
    csms, other = knowing(version=V201), knowing(version=V201)

    def slot(url: str) -> Payload:
        connection = {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": 10,
            "securityProfile": 0,
            "ocppInterface": "Wired0",
        }
        return {"configurationSlot": 1, "connectionData": connection}

    def priority(value: str) -> Payload:
        component = {"name": "OCPPCommCtrlr"}
        variable = {"name": "NetworkConfigurationPriority"}
        row = {"component": component, "variable": variable, "attributeValue": value}
        return {"setVariableData": [row]}

    async with other.serving() as elsewhere, served(csms, store=tmp_path):
        assert await ask(csms, "SetNetworkProfile", slot(elsewhere)) == {"status": "Accepted"}
        answer = await ask(csms, "SetVariables", priority("1,0"))
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
        before = csms.connections
        await ask(csms, "Reset", {"type": "Immediate"})
        await other.until(lambda: "BootNotification" in other.actions())
        await other.stop()
        await csms.until(lambda: csms.connections > before)


@pytest.mark.parametrize(
    "change",
    [
        {"securityProfile": -1},
        {"ocppCsmsUrl": "ftp://x"},
        {"ocppTransport": "SOAP"},
        {"configurationSlot": 9},
    ],
)
async def test_an_address_that_the_station_cannot_use_is_rejected(change: Payload) -> None:
    csms = knowing(version=V201)
    connection = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "ws://127.0.0.1:9",
        "messageTimeout": 10,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }
    slot = change.pop("configurationSlot", 1)

    async with served(csms):
        body = {"configurationSlot": slot, "connectionData": {**connection, **change}}
        result = await ask(csms, "SetNetworkProfile", body)
    assert result["status"] == "Rejected"
