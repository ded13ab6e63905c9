"""The CSMS is down, slow, wrong, restarted, repeats itself: nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path

import pytest

from secc.messages.iso2 import EnergyTransferMode
from secc.ocpp.dialect import from_iso
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.records import ReceivedMessage
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import IdToken, Registration, SecurityEvent, TokenStatus
from secc.settings import OfflinePolicy
from secc.settings.ocpp import OcppVersion
from secc.sim import Plan, ScriptedEvcc
from tests.ocpp.support import (
    BOTH,
    NOW,
    STATION,
    Certificates,
    accounts,
    eim_config,
    knowing,
    line,
    pnc_config,
    station,
)
from tests.support.serving import serving

BOOKED = ("TransactionEvent", "StartTransaction", "MeterValues", "StopTransaction")


def events(csms: FakeCsms) -> list[ReceivedMessage]:
    return [one for one in csms.records.messages if one.action in BOOKED]


@pytest.mark.parametrize("version", BOTH)
async def test_what_happens_while_the_csms_is_down_arrives_in_order_when_it_is_back(
    version: OcppVersion,
) -> None:
    csms = knowing("FREE", version=version)

    async with line(csms, free_token="FREE", meter_interval=0.05) as running:
        charging = asyncio.create_task(running.charge(loops=30))
        await csms.until(lambda: len(events(csms)) >= 2)
        await csms.stop()
        result = await charging
        assert result.completed, result.error
        await running.until(lambda: running.backend.transactions.open is None)
        await running.until(lambda: running.backend.conversation.queue.idle)
        assert await running.queued() > 0
        await csms.start()
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.times == sorted(booked.times)
    if version is OcppVersion.V201:
        assert booked.seqs == list(range(len(booked.seqs)))
        assert any(one.payload["offline"] for one in events(csms))


@pytest.mark.parametrize("version", BOTH)
async def test_a_lost_answer_brings_the_same_message_again_and_it_counts_once(version: OcppVersion) -> None:
    csms = knowing("FREE", version=version)
    csms.faults.lost_answers = 2

    async with line(csms, free_token="FREE") as running:
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.repeats == 2
    first, second, third = events(csms)[:3]
    assert first == second == third


async def test_a_restart_of_the_csms_in_the_middle_loses_and_doubles_nothing() -> None:
    csms = knowing("FREE")

    async with line(csms, free_token="FREE", meter_interval=0.02) as running:
        charging = asyncio.create_task(running.charge(loops=40))
        for count in (2, 4, 6):
            await csms.until(lambda count=count: len(events(csms)) >= count)  # type: ignore[misc]
            await csms.stop()
            await csms.start()
        result = await charging
        assert result.completed, result.error
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.seqs == list(range(len(booked.seqs)))
    assert csms.connections >= 4


async def test_a_slow_csms_counts_as_away_for_a_contract(certificates: Certificates) -> None:
    csms = FakeCsms(accounts())
    config = functools.partial(pnc_config, certificates, offline=OfflinePolicy.CHAIN, authorize_timeout=0.1)

    async with line(csms, config) as running:
        csms.faults.slow = 0.4
        result = await running.charge(certificates.wallet(contract_days=90))
        assert result.completed, result.error
        csms.faults.slow = 0.0
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended


async def test_a_silent_csms_is_left_and_found_again() -> None:
    csms = knowing("FREE")

    async with line(csms, free_token="FREE", call_timeout=0.5) as running:
        csms.faults.silent = True
        result = await running.charge()
        assert result.completed, result.error
        await running.until(lambda: csms.connections >= 3)
        csms.faults.silent = False
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.seqs == list(range(len(booked.seqs)))


@pytest.mark.parametrize("fault", ["wrong", "refusing"])
async def test_what_the_csms_does_not_take_is_set_aside_and_kept(fault: str) -> None:
    csms = knowing("FREE")

    async with line(csms, free_token="FREE", attempts=2, attempt_interval=0.01) as running:
        setattr(csms.faults, fault, True)
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        setattr(csms.faults, fault, False)
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        aside = await running.backend.conversation.queue.stored(running.backend.store.aside)
    assert len(aside) >= 2
    assert '"kind":"Started"' in aside[0][0]
    assert '"kind":"Ended"' in aside[-1][0]
    assert [one.ended for one in csms.records.transactions.values()][-1]


@pytest.mark.parametrize("version", BOTH)
async def test_a_command_that_comes_twice_is_done_once(version: OcppVersion) -> None:
    csms = FakeCsms(accounts(), versions=(version,))
    csms.faults.twice = True
    start = {"remoteStartId": 7, "idToken": {"idToken": "CARD", "type": "Central"}}
    commands: dict[OcppVersion, tuple[str, dict[str, object]]] = {
        OcppVersion.V201: ("RequestStartTransaction", start),
        OcppVersion.V16: ("RemoteStartTransaction", {"idTag": "CARD"}),
    }

    async with line(csms) as running:
        answer = await csms.command(STATION, *commands[version])
        assert answer == {"status": "Accepted"}
        csms.faults.twice = False
        await csms.command(STATION, "ClearCache", {})  # the second command was received before this one
        assert len(running.backend.tokens.waiting) == 1


@pytest.mark.parametrize(("follow", "skew"), [(True, 3600.0), (False, 0.0)])
async def test_the_clock_of_the_csms_is_followed_where_it_is_wanted(*, follow: bool, skew: float) -> None:
    csms = knowing("FREE")
    csms.faults.clock = 3600.0

    async with line(csms, free_token="FREE", follow_clock=follow) as running:
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        now, told = csms.now - 3600.0, running.told
    (booked,) = csms.records.transactions.values()
    assert booked.times == sorted(booked.times)
    moments = [from_iso(text) for text in booked.times]
    assert all(moment is not None and abs(moment - now - skew) < 30 for moment in moments)
    assert any("clock of the CSMS differs by +3600 s" in text for text in told)


async def test_nothing_is_reported_before_the_csms_has_accepted_the_station() -> None:
    csms = knowing("FREE")
    csms.faults.registration = Registration.PENDING

    config = functools.partial(eim_config, free_token="FREE")
    async with csms.serving() as url, station(config(url)) as running:
        await csms.until(lambda: csms.actions() == ["BootNotification"])
        result = await running.charge()
        assert result.completed, result.error
        assert csms.actions() == ["BootNotification"]
        token = {"idToken": "CARD", "type": "ISO14443"}
        start = {"remoteStartId": 1, "idToken": token, "evseId": 1}
        assert await csms.command(STATION, "RequestStartTransaction", start) == {"status": "Rejected"}
        csms.faults.registration = Registration.ACCEPTED
        answer = await csms.command(STATION, "TriggerMessage", {"requestedMessage": "BootNotification"})
        assert answer == {"status": "Accepted"}
        await running.online()
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended


async def test_the_queue_survives_a_restart_of_the_station(tmp_path: Path) -> None:
    csms = knowing("FREE")

    async with csms.serving() as url:
        await csms.stop()
        config = eim_config(url, free_token="FREE", store=tmp_path)
        async with station(config) as running:
            result = await running.charge()
            assert result.completed, result.error
            await running.until(lambda: running.backend.transactions.open is None)
            await running.until(lambda: running.backend.conversation.queue.idle)
            assert await running.queued() >= 2
        await csms.start()
        async with station(config) as running:
            await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.repeats == 0
    assert booked.seqs == list(range(len(booked.seqs)))


@pytest.mark.parametrize(
    ("listed", "unknown", "charges"),
    [
        (TokenStatus.ACCEPTED, False, True),
        (TokenStatus.BLOCKED, True, False),
        (None, False, False),
        (None, True, True),
    ],
)
async def test_a_card_while_the_csms_is_away(
    listed: TokenStatus | None, charges: bool, *, unknown: bool
) -> None:
    csms = FakeCsms(accounts())

    async with line(csms, offline_unknown=unknown) as running:
        entry = {"idToken": {"idToken": "CARD", "type": "ISO14443"}}
        if listed is not None:
            entry["idTokenInfo"] = {"status": listed.value}
        body = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [entry]}
        assert await csms.command(STATION, "SendLocalList", body) == {"status": "Accepted"}
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        info = await running.backend.authorizer.judge(IdToken("card"))
        assert (info.status is TokenStatus.ACCEPTED) is charges


async def test_an_answer_of_the_csms_is_remembered_for_when_it_is_away(tmp_path: Path) -> None:
    csms = knowing("CARD")

    async with csms.serving() as url:
        config = eim_config(url, store=tmp_path)
        async with station(config) as running:
            await running.online()
            info = await running.backend.authorizer.judge(IdToken("CARD"))
            assert info.status is TokenStatus.ACCEPTED
        await csms.stop()
        async with station(config) as running:
            await running.until(lambda: running.told)  # the store is read before the CSMS is called
            info = await running.backend.authorizer.judge(IdToken("CARD"))
            assert info.status is TokenStatus.ACCEPTED
            info = await running.backend.authorizer.judge(IdToken("OTHER"))
            assert info.status is TokenStatus.UNKNOWN


@pytest.mark.parametrize("version", BOTH)
async def test_a_token_that_is_refused_afterwards_ends_the_charge(version: OcppVersion) -> None:
    csms = FakeCsms(accounts(), versions=(version,))

    async with line(csms, offline_unknown=True) as running:
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        running.backend.present(IdToken("CARD"))
        charging = asyncio.create_task(running.charge(loops=500))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        await csms.start()
        result = await charging
        assert len(result.exchanges) < 500  # the contactor opens at once, and the car is asked to stop
        await running.until(lambda: running.evse.snapshot().contactor_closed is False)
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.reason == "DeAuthorized"


@pytest.mark.timeout(120)
async def test_a_station_that_is_killed_reports_the_rest_when_it_runs_again(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(
        'evse_id = "ZZ*000*E0"\n[ocpp]\nsecurity_profile = 0\nfree_token = "FREE"\nstore = "store"\n'
        "reconnect_first = 0.05\nreconnect_longest = 0.2\nlook_interval = 0.05\nmeter_interval = 0.1\n"
    )
    csms = knowing("FREE")

    async with csms.serving() as url:
        arguments = ["--config", str(tmp_path / "station.toml"), "--sim", "ac", "--ocpp", url]
        with serving(*arguments) as (process, port):
            ev = ScriptedEvcc(
                Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=500, pace=0.05),
                host="::1",
                port=port,
                patience=30.0,
            )
            charging = asyncio.create_task(ev.charge())
            await csms.until(lambda: len(events(csms)) >= 3, seconds=30)
            await csms.stop()
            await asyncio.sleep(0.5)  # some events that are never reported
            process.kill()
            assert not (await charging).completed
        before = len(events(csms))
        await csms.start()
        with serving(*arguments):
            await csms.until(lambda: any(one.ended for one in csms.records.transactions.values()), seconds=30)
        assert len(events(csms)) > before
    (booked,) = csms.records.transactions.values()
    assert booked.reason == "PowerLoss"
    assert booked.seqs == list(range(len(booked.seqs)))
    assert booked.times == sorted(booked.times)


async def test_an_authorisation_does_not_wait_for_a_slow_answer_to_something_else() -> None:
    shown: list[str] = []
    csms = FakeCsms(Accounts({"CARD": TokenStatus.ACCEPTED}), show=shown.append)

    async with line(csms, authorize_timeout=0.2, offline_unknown=True) as running:
        csms.faults.slow = 1.0
        other = asyncio.create_task(running.backend.conversation.ask(("Heartbeat", {})))
        await running.until(lambda: any("> Heartbeat" in one for one in shown))
        info = await running.backend.authorizer.judge(IdToken("CARD"))
        assert info.status is TokenStatus.ACCEPTED
        assert not other.done()
        await other


async def test_on_a_full_disk_nothing_is_sent_twice_and_the_log_stays_short(tmp_path: Path) -> None:
    csms = FakeCsms(accounts())

    def kinds() -> list[str]:
        return [
            one.payload["type"] for one in csms.records.messages if one.action == "SecurityEventNotification"
        ]

    async with line(csms, functools.partial(eim_config, store=tmp_path, free_token="FREE")) as running:
        store = running.backend.store
        store.database.execute("PRAGMA query_only = ON")
        for number in range(20):
            running.backend.conversation.queue.enqueue([SecurityEvent(f"Event{number}", NOW.timestamp())])
        await csms.until(lambda: len(kinds()) == 20)
        await running.charge()
        await csms.until(lambda: bool(events(csms)) and events(csms)[-1].payload["eventType"] == "Ended")
        store.database.execute("PRAGMA query_only = OFF")
        await running.until(lambda: not store.dirty)
        assert len(store) == 0
        told = running.told
    assert kinds() == [f"Event{number}" for number in range(20)]
    numbers = [one.payload["seqNo"] for one in csms.records.messages if one.action == "TransactionEvent"]
    assert numbers == list(range(len(numbers)))
    assert len([text for text in told if "in memory only" in text]) == 1


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "1" + "0" * 400, "9007199254740994"])
@pytest.mark.parametrize("version", [OcppVersion.V201, OcppVersion.V16])
async def test_a_number_without_bounds_is_refused_and_nothing_is_stored(
    version: OcppVersion, value: str
) -> None:
    csms = knowing(version=version)
    period = '{"startPeriod": 0, "limit": ' + value + "}"
    old = version is OcppVersion.V16
    profile = {
        ("chargingProfileId" if old else "id"): 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
    }
    schedule = '{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [' + period + "]}"
    text = json.dumps(profile)[:-1] + ', "chargingSchedule": '
    text += (schedule.replace('"id": 1, ', "") if old else f"[{schedule}]") + "}"
    body = (
        f'"connectorId": 0, "csChargingProfiles": {text}'
        if old
        else f'"evseId": 0, "chargingProfile": {text}'
    )

    async with line(csms) as running:
        await csms.send(STATION, f'[2, "n", "SetChargingProfile", {{{body}}}]')
        await csms.command(STATION, "GetLocalListVersion", {})  # is answered after it
        assert running.backend.limits.profiles == ()
        assert running.backend.conversation.online
