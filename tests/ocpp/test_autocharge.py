"""Cars that charge by what they say they are: off by default, by a proof, or by an address."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload
from secc.session.identity import EvIdentity
from secc.settings.ocpp import Autocharge, OcppVersion
from secc.sim import EvResult
from tests.ocpp.support import eim_config, knowing, line

ADDRESS = "02005E100001"
EVCCID = "ZZZVTESTCAR00000001X"
V201, V16 = OcppVersion.V201, OcppVersion.V16


def asked(csms: FakeCsms) -> list[Payload]:
    return [one.payload for one in csms.records.messages if one.action == "Authorize"]


def charged(csms: FakeCsms, **ocpp: Any) -> tuple[EvResult, list[str]]:
    async def run() -> tuple[EvResult, list[str]]:
        async with line(csms, functools.partial(eim_config), **ocpp) as running:
            driving = asyncio.create_task(running.charge())
            done, _ = await asyncio.wait([driving], timeout=3.0)
            if not done:
                driving.cancel()
                await asyncio.wait([driving])
                return EvResult(), running.told
            if driving.result().completed:
                await running.delivered()
            return driving.result(), running.told

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("version", "token", "request_"),
    [
        (V201, ADDRESS, {"idToken": {"idToken": ADDRESS, "type": "MacAddress"}}),
        (V16, f"VID:{ADDRESS}", {"idTag": f"VID:{ADDRESS}"}),
    ],
)
def test_a_known_address_charges_without_a_card(version: OcppVersion, token: str, request_: Payload) -> None:
    csms = knowing(token, version=version)
    result, told = charged(csms, autocharge=Autocharge.ANY, versions=(version,))
    assert result.completed, (result.error, told)
    assert asked(csms) == [request_]
    (booked,) = csms.records.transactions.values()
    assert booked.token == token


@pytest.mark.parametrize("wanted", [Autocharge.OFF, Autocharge.PROVEN])
def test_an_address_is_no_proof(wanted: Autocharge) -> None:
    csms = knowing(ADDRESS, version=V201)
    result, _ = charged(csms, autocharge=wanted)
    assert not result.completed
    assert asked(csms) == []


def test_an_unknown_address_waits_for_a_card() -> None:
    csms = knowing(version=V201)
    result, _ = charged(csms, autocharge=Autocharge.ANY)
    assert not result.completed
    assert len(asked(csms)) == 1
    assert csms.records.transactions == {}


@pytest.mark.parametrize(
    ("proven", "wanted", "granted"),
    [
        (True, Autocharge.PROVEN, True),
        (True, Autocharge.ANY, True),
        (False, Autocharge.PROVEN, False),
        (True, Autocharge.OFF, False),
    ],
)
def test_a_vehicle_certificate_is_a_proof(*, proven: bool, wanted: Autocharge, granted: bool) -> None:
    csms = knowing(EVCCID, version=V201)

    async def run() -> bool:
        async with line(csms, autocharge=wanted) as running:
            question = running.backend.authorize_vehicle("", EvIdentity(EVCCID, proven=proven))
            try:
                async with asyncio.timeout(1.0):
                    return await question
            except TimeoutError:
                return False

    assert asyncio.run(run()) is granted


def test_without_the_csms_an_unknown_car_is_not_accepted_even_where_unknown_cards_are() -> None:
    async def run() -> bool:
        csms = knowing(ADDRESS, version=V201)
        async with line(csms, autocharge=Autocharge.ANY, offline_unknown=True) as running:
            await csms.stop()
            await running.until(lambda: not running.backend.conversation.online)
            question = running.backend.authorize_vehicle("", EvIdentity(ADDRESS, proven=False))
            try:
                async with asyncio.timeout(1.0):
                    return await question
            except TimeoutError:
                return False

    assert asyncio.run(run()) is False


def test_a_card_that_waits_already_comes_before_the_car() -> None:
    csms = knowing(ADDRESS, "CARD", version=V201)

    async def run() -> None:
        async with line(csms, autocharge=Autocharge.ANY) as running:
            start = {"remoteStartId": 1, "idToken": {"idToken": "CARD", "type": "Central"}}
            await csms.command("ZZ-000-E0", "RequestStartTransaction", start)
            result = await running.charge()
            assert result.completed, result.error
            await running.delivered()

    asyncio.run(run())
    assert [one.token for one in csms.records.transactions.values()] == ["CARD"]


def test_what_identifies_a_car_is_in_no_text() -> None:
    assert ADDRESS not in repr(EvIdentity(ADDRESS, proven=False))
