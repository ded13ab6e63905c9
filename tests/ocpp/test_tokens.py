"""Cards and remote starts: which token charges next, and until when."""

from __future__ import annotations

import asyncio

import pytest

from secc.ocpp.model import IdToken, Payload
from tests.ocpp.support import STATION, V16, V201, knowing, line


async def test_the_next_card_may_charge_when_the_first_is_refused() -> None:
    csms = knowing("GOOD")

    async with line(csms) as running:
        running.backend.present(IdToken("BAD"))
        running.backend.present(IdToken("GOOD"))
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        told = running.told
    assert "BAD may not charge: Unknown" in told
    assert [booked.token for booked in csms.records.transactions.values()] == ["GOOD"]


async def test_a_card_waits_for_a_car_as_long_as_is_set() -> None:
    async with line(knowing("CARD"), connection_timeout=0.05) as running:
        running.backend.present(IdToken("CARD"))
        (card,) = running.backend.tokens.waiting
        await running.until(lambda: asyncio.get_running_loop().time() > card.until)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await running.backend.authorize_external("")


async def test_who_wanted_an_outlet_that_another_has_comes_too_late() -> None:
    async with line(knowing("FREE"), free_token="FREE") as running:
        running.backend.present(IdToken("CARD"))
        assert await running.backend.authorize_external("")
        assert running.backend.tokens.waiting == []


async def test_a_remote_start_brings_its_profile() -> None:
    csms = knowing("CARD", version=V201)
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}],
    }
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    start = {
        "remoteStartId": 1,
        "idToken": {"idToken": "CARD", "type": "Central"},
        "chargingProfile": profile,
    }

    async with line(csms) as running:
        wrong = {**start, "chargingProfile": {**profile, "chargingProfilePurpose": "TxDefaultProfile"}}
        answer = await csms.command(STATION, "RequestStartTransaction", wrong)
        assert answer["status"] == "Rejected"
        answer = await csms.command(STATION, "RequestStartTransaction", start)
        assert answer == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        assert 4000.0 in running.limits
        await running.until(lambda: running.limits[-1] is None)
        assert running.backend.limits.profiles == ()


async def test_a_remote_start_of_1_6_brings_its_profile() -> None:
    csms = knowing("CARD", version=V16)
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}]}
    profile = {
        "chargingProfileId": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }

    async with line(csms) as running:
        body: Payload = {"idTag": "CARD", "chargingProfile": profile}
        assert await csms.command(STATION, "RemoteStartTransaction", body) == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        assert 8.0 * 230 * 3 in running.limits
