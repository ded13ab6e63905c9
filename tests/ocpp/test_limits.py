"""Limits of an energy manager beside those of the CSMS."""

from __future__ import annotations

import asyncio

from secc.ocpp.profile_model import LimitSource
from tests.ocpp.support import V201, ask, bodies, knowing, served


async def test_a_limit_of_an_energy_manager_caps_and_is_reported() -> None:
    csms = knowing("FREE", version=V201)

    async with served(csms, free_token="FREE", limit_with_schedules=True) as running:
        charging = asyncio.create_task(running.charge(loops=100))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        running.backend.limit_externally(3000.0, grid_critical=True)
        assert running.limits[-1] == 3000.0
        which = {"requestId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}}
        assert await ask(csms, "GetChargingProfiles", which) == {"status": "Accepted"}
        await csms.until(lambda: bool(bodies(csms, "ReportChargingProfiles")))
        assert await ask(csms, "ClearChargingProfile", {}) == {"status": "Unknown"}
        running.backend.limit_externally(None, LimitSource.EMS)
        assert running.limits[-1] is None
        charging.cancel()
        await csms.until(lambda: bool(bodies(csms, "ClearedChargingLimit")))
    (limit,) = bodies(csms, "NotifyChargingLimit")
    assert limit["chargingLimit"] == {"chargingLimitSource": "EMS", "isGridCritical": True}
    assert limit["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 3000.0}]
    triggers = [one["triggerReason"] for one in bodies(csms, "TransactionEvent")]
    assert triggers.count("ChargingRateChanged") == 2
