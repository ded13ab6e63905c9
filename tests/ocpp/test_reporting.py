"""Reports of the fake CSMS to the service of the operator: in order, again until confirmed, once each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from secc.errors import LinkError
from secc.ocpp.fake.answers import ANSWERS
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.reporting import SessionReports
from secc.settings.ocpp import OcppVersion

START = {
    "eventType": "Started",
    "seqNo": 0,
    "timestamp": "2026-01-01T10:00:00Z",
    "transactionInfo": {"transactionId": "t1"},
    "evse": {"id": 2},
    "idToken": {"idToken": "DEABC000000001G", "type": "eMAID"},
    "meterValue": [{"timestamp": "2026-01-01T10:00:00Z", "sampledValue": [{"value": 1000}]}],
}
END = {
    "eventType": "Ended",
    "seqNo": 1,
    "timestamp": "2026-01-01T11:00:00Z",
    "transactionInfo": {"transactionId": "t1", "stoppedReason": "EVDisconnected"},
    "meterValue": [{"timestamp": "2026-01-01T11:00:00Z", "sampledValue": [{"value": 8000}]}],
}


async def reported(
    send: Callable[[dict[str, Any]], Awaitable[bool]], lines: list[str], *events: dict[str, Any]
) -> None:
    csms = FakeCsms()
    reports = SessionReports(send, show=lines.append, retry=(0.0,))
    csms.records.changed = reports.add
    async with reports.running():
        for event in events:
            await ANSWERS[OcppVersion.V201]["TransactionEvent"](csms, "D-1", event)
        await reports.drained()


async def test_start_and_end_are_reported_with_readings_and_an_event_that_arrives_twice_once() -> None:
    sent: list[dict[str, Any]] = []

    async def send(report: dict[str, Any]) -> bool:
        sent.append(report)
        return True

    await reported(send, [], START, START, END, END)
    begin = {
        "id": "t1",
        "station": "D-1",
        "evse_id": "2",
        "emaid": "DEABC000000001G",
        "started_at": "2026-01-01T10:00:00Z",
        "ended_at": None,
        "energy_wh": None,
        "reason": "",
        "meter_start_wh": 1000,
        "meter_stop_wh": None,
    }
    end = {"ended_at": "2026-01-01T11:00:00Z", "energy_wh": 7000, "meter_stop_wh": 8000}
    assert sent == [begin, {**begin, **end, "reason": "EVDisconnected"}]


async def test_a_report_is_sent_again_until_the_service_confirms_it() -> None:
    sent: list[str] = []

    async def send(report: dict[str, Any]) -> bool:
        sent.append(report["reason"])
        if len(sent) < 4:
            raise LinkError("not reachable")
        return True

    await reported(send, [], START, END)
    assert sent == ["", "", "", "", "EVDisconnected"]


async def test_a_refused_report_is_shown_and_not_repeated() -> None:
    lines: list[str] = []

    async def send(report: dict[str, Any]) -> bool:
        return False

    await reported(send, lines, START)
    assert lines == ["the service of the operator refuses session t1"]
