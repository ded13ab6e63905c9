"""Cars that charge by what they say they are: off by default, by a proof, or by an address."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from secc.messages.iso2 import AuthorizationRes
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload
from secc.records import MessageRecord
from secc.session.identity import EvIdentity
from secc.settings.ocpp import Autocharge, OcppVersion
from tests.ocpp.support import V16, V201, Running, knowing, line

ADDRESS = "02005E100001"
EVCCID = "ZZZVTESTCAR00000001X"


def asked(csms: FakeCsms) -> list[Payload]:
    return [one.payload for one in csms.records.messages if one.action == "Authorize"]


async def granted_in_time(running: Running, car: EvIdentity) -> bool:
    """Whether the CSMS lets this car charge; False where no decision comes."""
    try:
        async with asyncio.timeout(1.0):
            return await running.backend.authorize_vehicle("", car)
    except TimeoutError:
        return False


def pending(running: Running) -> int:
    """How often the EV was asked to wait for its authorization."""
    messages: list[Any] = [one.message for one in running.records if isinstance(one, MessageRecord)]
    return sum(isinstance(getattr(one, "body", None), AuthorizationRes) for one in messages)


async def waits_for_a_card(csms: FakeCsms, *, questions: int, **ocpp: Any) -> None:
    """The EV waits, after so many questions to the CSMS and their answers."""
    async with line(csms, **ocpp) as running:
        driving = asyncio.create_task(running.charge())
        await running.until(lambda: len(asked(csms)) == questions)
        before = pending(running)
        await running.until(lambda: pending(running) >= before + 3)
        assert not running.evse.snapshot().contactor_closed
        driving.cancel()
        await asyncio.wait([driving])
    assert len(asked(csms)) == questions
    assert csms.records.transactions == {}


@pytest.mark.parametrize(
    ("version", "token", "request_"),
    [
        (V201, ADDRESS, {"idToken": {"idToken": ADDRESS, "type": "MacAddress"}}),
        (V16, f"VID:{ADDRESS}", {"idTag": f"VID:{ADDRESS}"}),
    ],
)
async def test_a_known_address_charges_without_a_card(
    version: OcppVersion, token: str, request_: Payload
) -> None:
    csms = knowing(token, version=version)
    async with line(csms, autocharge=Autocharge.ANY, versions=(version,)) as running:
        result = await running.charge()
        assert result.completed, (result.error, running.told)
        await running.delivered()
    assert asked(csms) == [request_]
    (booked,) = csms.records.transactions.values()
    assert booked.token == token


@pytest.mark.parametrize("wanted", [Autocharge.OFF, Autocharge.PROVEN])
async def test_an_address_is_no_proof(wanted: Autocharge) -> None:
    csms = knowing(ADDRESS, version=V201)
    await waits_for_a_card(csms, questions=0, autocharge=wanted)


async def test_an_unknown_address_waits_for_a_card() -> None:
    csms = knowing(version=V201)
    await waits_for_a_card(csms, questions=1, autocharge=Autocharge.ANY)


@pytest.mark.parametrize(
    ("proven", "wanted", "granted"),
    [
        (True, Autocharge.PROVEN, True),
        (True, Autocharge.ANY, True),
        (False, Autocharge.PROVEN, False),
        (True, Autocharge.OFF, False),
    ],
)
async def test_a_vehicle_certificate_is_a_proof(*, proven: bool, wanted: Autocharge, granted: bool) -> None:
    csms = knowing(EVCCID, version=V201)

    async with line(csms, autocharge=wanted) as running:
        assert await granted_in_time(running, EvIdentity(EVCCID, proven=proven)) is granted


async def test_without_the_csms_an_unknown_car_is_not_accepted_even_where_unknown_cards_are() -> None:
    csms = knowing(ADDRESS, version=V201)
    async with line(csms, autocharge=Autocharge.ANY, offline_unknown=True) as running:
        await csms.stop()
        await running.until(lambda: not running.backend.conversation.online)
        assert not await granted_in_time(running, EvIdentity(ADDRESS, proven=False))


async def test_a_card_that_waits_already_comes_before_the_car() -> None:
    csms = knowing(ADDRESS, "CARD", version=V201)

    async with line(csms, autocharge=Autocharge.ANY) as running:
        start = {"remoteStartId": 1, "idToken": {"idToken": "CARD", "type": "Central"}}
        await csms.command("ZZ-000-E0", "RequestStartTransaction", start)
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    assert [one.token for one in csms.records.transactions.values()] == ["CARD"]


def test_what_identifies_a_car_is_in_no_text() -> None:
    assert ADDRESS not in repr(EvIdentity(ADDRESS, proven=False))
