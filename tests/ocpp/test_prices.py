"""Price schedules and tariffs of 2.1 on their way to the EV."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from secc.ocpp import price_schedules
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import Period, Schedule
from secc.ocpp.v21 import read_chain_status
from secc.pki.chains import KINDS, verify_chain
from secc.pki.contract import OcspRequestData
from secc.pki.provisioning import Refusal
from secc.pki.revocation import RevocationStatus
from secc.pki.trust import Role
from secc.session.prices import AbsolutePrices, LevelStep, PriceLevels, PriceNeed
from secc.session.schedules import PowerSchedule, PowerStep
from secc.settings.iso20 import Pricing
from secc.settings.ocpp import OcppVersion
from tests.ocpp.negotiating import negotiating, schedule, tx_profile
from tests.ocpp.support import NOW as NOW_UTC
from tests.ocpp.support import STATION, Certificates, knowing, line
from tests.ocpp.test_needs import CAR20, charged

NOW = 1_000_000_000.0  # 2001-09-09T01:46:40Z
ANCHOR = "2001-09-09T01:46:40Z"
SCHEDULE = PowerSchedule(1, (PowerStep(0, 1000.0),), 3600)


def rational(value: int, exponent: int = 0) -> Payload:
    return {"value": value, "exponent": exponent}


def absolute(**more: Any) -> Payload:
    rule = {"energyFee": rational(39, -2), "powerRangeStart": rational(0)}
    late = {"energyFee": rational(25, -2), "powerRangeStart": rational(0)}
    return {
        "timeAnchor": ANCHOR,
        "priceScheduleID": 3,
        "currency": "EUR",
        "language": "de",
        "priceAlgorithm": "urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power",
        "priceRuleStacks": [
            {"duration": 600, "priceRule": [rule]},
            {"duration": 3000, "priceRule": [late]},
        ],
        **more,
    }


def fees(prices: AbsolutePrices) -> list[tuple[int, int]]:
    return [(step.start, step.bands[0].energy_fee) for step in prices.steps]


def test_an_absolute_price_schedule_counts_from_its_anchor() -> None:
    found = price_schedules.absolute(absolute(), NOW)
    assert (found.currency, found.language, found.number) == ("EUR", "deu", 3)
    assert fees(found) == [(0, 390_000), (600, 250_000)]
    assert fees(price_schedules.absolute(absolute(), NOW + 700)) == [(0, 250_000)]
    assert fees(price_schedules.absolute(absolute(), NOW + 100)) == [(0, 390_000), (500, 250_000)]


def test_taxes_and_overstay_are_kept() -> None:
    tax = {
        "taxRuleID": 1,
        "taxRate": rational(19),
        "appliesToEnergyFee": True,
        "appliesToParkingFee": False,
        "appliesToOverstayFee": True,
        "appliesToMinimumMaximumCost": False,
    }
    fee = {"overstayFee": rational(10, -2), "startTime": 0, "overstayFeePeriod": 60}
    overstay = {"overstayRule": [fee], "overstayTimeThreshold": 300}
    found = price_schedules.absolute(absolute(taxRules=[tax], overstayRuleList=overstay), NOW)
    assert (found.taxes[0].rate, found.taxes[0].on_parking) == (19_000, False)
    assert found.overstay is not None
    assert (found.overstay.after, found.overstay.fees[0].fee) == (300, 100_000)


@pytest.mark.parametrize(
    "change",
    [
        {"priceAlgorithm": "free"},
        {"timeAnchor": "soon"},
        {"minimumCost": rational(1, -9)},
    ],
)
def test_a_price_that_cannot_be_said_exactly_is_refused(change: Payload) -> None:
    with pytest.raises(ValueError, match=r"algorithm|time|digits"):
        price_schedules.absolute(absolute(**change), NOW)


def test_price_levels_are_those_of_the_selected_form() -> None:
    entries = [{"duration": 600, "priceLevel": 2}, {"duration": 600, "priceLevel": 0}]
    body = {
        "timeAnchor": ANCHOR,
        "priceScheduleId": 4,
        "numberOfPriceLevels": 3,
        "priceLevelScheduleEntries": entries,
    }
    own = Schedule(unit="W", periods=(Period(0, 1.0),), price_levels=body, absolute_prices=absolute())
    need = PriceNeed(pricing=Pricing.LEVELS, schedules=(SCHEDULE,), end=3600, max_entries=10, discharge=0.0)
    offer = price_schedules.offer([own], need, NOW)
    assert offer is not None
    levels = offer.of(1).charging
    assert isinstance(levels, PriceLevels)
    assert levels.levels == (LevelStep(0, 2), LevelStep(600, 0))
    assert price_schedules.offer([Schedule(unit="W", periods=(Period(0, 1.0),))], need, NOW) is None


def tariff(*prices: Payload, **more: Any) -> Payload:
    return {"tariffId": "T", "currency": "EUR", "energy": {"prices": list(prices)}, **more}


def test_a_tariff_by_the_time_of_day_becomes_steps() -> None:
    night = {"priceKwh": 0.2, "conditions": {"startTimeOfDay": "22:00", "endTimeOfDay": "06:00"}}
    day = {"priceKwh": 0.4, "conditions": {"startTimeOfDay": "06:00", "endTimeOfDay": "22:00"}}
    found = price_schedules.from_tariff(tariff(night, day), NOW)  # 01:46:40
    assert found is not None
    assert fees(found) == [(0, 200_000), (15_200, 400_000), (72_800, 200_000)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (tariff({"priceKwh": 0.4}), "Accepted"),
        (tariff({"priceKwh": 0.4, "conditions": {"minEnergy": 5.0}}), "ConditionNotSupported"),
        (tariff({"priceKwh": 0.4}, idleTime={"prices": [{"priceMinute": 1.0}]}), "Rejected"),
        (tariff({"priceKwh": 0.4, "conditions": {"startTimeOfDay": "08:00"}}), "Rejected"),
    ],
)
async def test_a_default_tariff_is_taken_reported_and_cleared(body: Payload, status: str) -> None:
    csms = knowing(version=OcppVersion.V21)

    async def ask(action: str, payload: Payload) -> Payload:
        return await csms.command(STATION, action, payload)

    async with line(csms, versions=(OcppVersion.V21,)):
        answer = await ask("SetDefaultTariff", {"evseId": 0, "tariff": body})
        assert answer["status"] == status
        found = await ask("GetTariffs", {"evseId": 1})
        assert found["status"] == ("Accepted" if status == "Accepted" else "NoTariff")
        cleared = (await ask("ClearTariffs", {}))["clearTariffsResult"]
        assert cleared[0]["status"] == ("Accepted" if status == "Accepted" else "NoTariff")
        late = {"transactionId": "none", "tariff": tariff({"priceKwh": 0.1})}
        assert (await ask("ChangeTransactionTariff", late))["status"] == "TxNotFound"


async def test_the_prices_of_the_chosen_schedule_reach_the_station() -> None:
    own = schedule(4, (0, 9000), absolutePriceSchedule={**absolute(), "timeAnchor": "2100-01-01T00:00:00Z"})
    accounts = Accounts(needs=("Accepted", tx_profile(own)))

    async with negotiating(OcppVersion.V21, accounts, dc=True) as place:
        driving = asyncio.create_task(charged(place, dataclasses.replace(CAR20, loops=40)))
        await place.until(lambda: place.bodies("NotifyEVChargingSchedule"))
        need = PriceNeed(
            pricing=Pricing.ABSOLUTE, schedules=(SCHEDULE,), end=3600, max_entries=10, discharge=0.0
        )
        offer = await place.backend.prices("", need)
        assert offer is not None
        prices = offer.of(1).charging
        assert isinstance(prices, AbsolutePrices)
        driving.cancel()
        steps = fees(prices)
    assert steps[0] == (0, 390_000)


# --- contracts of ISO 15118-20 -----------------------------------------------------------------------------


async def install(version: OcppVersion, exi: bytes | None) -> tuple[Any, FakeCsms]:
    asked: list[tuple[str, bytes]] = []

    def provide(action: str, request: bytes) -> bytes | None:
        asked.append((action, request))
        return exi

    csms = FakeCsms(Accounts(provide=provide), versions=(version,))
    request: Any = SimpleNamespace(payload=b"request", most=2, wanted=("DEABC000000001G",))

    async with line(csms, versions=(version,)) as running:
        return await running.backend.install(request), csms


async def test_an_installation_of_iso_15118_20_goes_out_with_its_extra_fields() -> None:
    answer, csms = await install(OcppVersion.V21, b"signed")
    assert answer.payload == b"signed"
    (body,) = [one.payload for one in csms.records.messages if one.action == "Get15118EVCertificate"]
    assert body["maximumContractCertificateChains"] == 2
    assert body["prioritizedEMAIDs"] == ["DEABC000000001G"]
    assert body["iso15118SchemaVersion"] == "urn:iso:std:iso:15118:-20:CommonMessages"
    assert body["action"] == "Install"


async def test_older_versions_cannot_carry_it() -> None:
    answer, csms = await install(OcppVersion.V201, b"signed")
    assert answer.refusal is Refusal.UNREACHABLE
    assert "Get15118EVCertificate" not in csms.actions()
    answer, _ = await install(OcppVersion.V21, None)
    assert answer.refusal is Refusal.UNKNOWN


# --- certificates of vehicles ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "status", "found"),
    [
        (OcppVersion.V21, "Good", RevocationStatus.GOOD),
        (OcppVersion.V21, "Revoked", RevocationStatus.REVOKED),
        (OcppVersion.V21, "Unknown", RevocationStatus.UNKNOWN),
        (OcppVersion.V21, "Failed", RevocationStatus.UNKNOWN),
        (OcppVersion.V201, "Good", RevocationStatus.UNKNOWN),
    ],
)
async def test_the_csms_judges_the_chain_of_a_vehicle(
    certificates: Certificates, version: OcppVersion, status: str, found: RevocationStatus
) -> None:
    csms = FakeCsms(Accounts(vehicles=status), versions=(version,))
    # A chain whose certificates all name a responder; those of vehicles do so in the field.
    chain = [certificates.pki[kind].certificate for kind in KINDS[Role.CONTRACT][:3]]
    verified = verify_chain(chain, Role.CONTRACT, certificates.trust, NOW_UTC)
    vehicle: Any = SimpleNamespace(chain=verified)

    async with line(csms, versions=(version,)) as running:
        answer = await running.backend.vehicle_status(vehicle)
    assert answer.status is found
    assert (answer.until is not None) is (found is RevocationStatus.GOOD)


def test_a_chain_is_good_only_if_each_certificate_is() -> None:
    asked = [OcspRequestData("a", "b", one, "http://x.example/") for one in ("1", "2")]

    def row(serial: str, status: str) -> Payload:
        data = {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "a",
            "issuerKeyHash": "b",
            "serialNumber": serial,
        }
        return {"certificateHashData": data, "source": "OCSP", "status": status, "nextUpdate": ANCHOR}

    both = {"certificateStatus": [row("1", "Good"), row("2", "Good")]}
    assert read_chain_status(both, asked) == ("Good", NOW)
    assert read_chain_status({"certificateStatus": [row("1", "Good")]}, asked) == ("Unknown", None)
    mixed = {"certificateStatus": [row("1", "Unknown"), row("2", "Revoked")]}
    assert read_chain_status(mixed, asked) == ("Revoked", None)
