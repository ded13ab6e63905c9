"""Monitors of variables, over restarts and outages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ocpp.support import V201, ask, bodies, eim_config, knowing, station


async def test_a_monitor_survives_a_restart_and_its_event_an_outage(tmp_path: Path) -> None:
    csms = knowing(version=V201)
    data = {
        "type": "Delta",
        "value": 1,
        "severity": 2,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "AvailabilityState"},
    }

    async with csms.serving() as url:
        config = eim_config(url, store=tmp_path)
        async with station(config) as running:
            await running.online()
            answer = await ask(csms, "SetVariableMonitoring", {"setMonitoringData": [data]})
            assert answer["setMonitoringResult"][0]["status"] == "Accepted"
            await running.until(lambda: running.backend.conversation.queue.idle)
        async with station(config) as running:
            await running.online()
            await csms.stop()
            await running.until(lambda: not running.backend.conversation.online)
            running.cable.unplug()
            while not await running.queued():  # noqa: ASYNC110 - the disk reports no changes
                await asyncio.sleep(0.01)
            await csms.start()
            await csms.until(lambda: bool(bodies(csms, "NotifyEvent")))
    event = bodies(csms, "NotifyEvent")[0]["eventData"][0]
    assert event["actualValue"] == "Available"
    assert event["trigger"] == "Delta"
