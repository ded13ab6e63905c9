"""Schedules that are negotiated between EV, station and CSMS: K15 to K19, and block Q."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from secc.messages import iso2
from secc.messages.iso2 import EnergyTransferMode
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import Payload
from secc.ocpp.ports import StationServices
from secc.session.iso20.services import ControlMode, Service
from secc.settings.ocpp import OcppVersion
from secc.sim import EvResult, Plan
from secc.sim.iso20 import Iso20Plan
from tests.ocpp.negotiating import CARD, Negotiating, negotiating, schedule, tx_profile
from tests.ocpp.support import STATION

V201, V21 = OcppVersion.V201, OcppVersion.V21

CAR2 = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=5, pace=0.02, departure=7200)


async def charged(place: Negotiating, plan: Plan | Iso20Plan) -> EvResult:
    """A card, a car, and a whole session."""
    place.backend.present(CARD)
    result = await place.car(plan).charge()
    assert result.completed, (result.error, place.told)
    return result


# --- K15: the first schedule, ISO 15118-2 ------------------------------------------------------------------


@pytest.mark.parametrize("version", [V201, V21])
async def test_the_needs_of_the_ev_are_answered_with_schedules_between_which_it_chooses(
    version: OcppVersion,
) -> None:
    entry = {"relativeTimeInterval": {"start": 0}, "ePriceLevel": 2}
    tariff = {"id": 1, "numEPriceLevels": 3, "salesTariffEntry": [entry]}
    accounts = Accounts(
        needs=(
            "Accepted",
            tx_profile(schedule(11, (0, 9000), (600, 3000), salesTariff=tariff), schedule(12, (0, 5000))),
        )
    )

    async with negotiating(version, accounts) as place:
        await charged(place, CAR2)
        await place.until(lambda: place.bodies("NotifyEVChargingSchedule"))
    (needs,) = place.bodies("NotifyEVChargingNeeds")
    assert needs["evseId"] == 1
    assert needs["chargingNeeds"]["requestedEnergyTransfer"] == "AC_three_phase"
    assert set(needs["chargingNeeds"]["acChargingParameters"]) == {
        "energyAmount",
        "evMinCurrent",
        "evMaxCurrent",
        "evMaxVoltage",
    }
    assert "departureTime" in needs["chargingNeeds"]
    answers = place.sent(iso2.ChargeParameterDiscoveryRes)
    tuples = answers[-1].sa_schedules.sa_schedule_tuple
    assert [one.sa_schedule_tuple_id for one in tuples] == [1, 2]
    powers = [entry.p_max.value for entry in tuples[0].p_max_schedule.p_max_schedule_entry]
    assert powers == [9000, 3000]
    assert tuples[1].p_max_schedule.p_max_schedule_entry[0].p_max.value == 5000
    (choice,) = place.bodies("NotifyEVChargingSchedule")
    assert choice["chargingSchedule"]["id"] == 11
    assert choice.get("selectedChargingScheduleId") == (11 if version is V21 else None)


async def test_limits_of_the_station_cap_every_schedule_of_the_profile() -> None:
    accounts = Accounts(needs=("Accepted", tx_profile(schedule(1, (0, 9000)), schedule(2, (0, 2000)))))

    async with negotiating(V201, accounts) as place:
        cap = {**tx_profile(schedule(1, (0, 4000))), "id": 2}
        cap |= {"chargingProfilePurpose": "ChargingStationMaxProfile", "chargingProfileKind": "Absolute"}
        cap["chargingSchedule"][0]["startSchedule"] = "2020-01-01T00:00:00Z"
        body = {"evseId": 0, "chargingProfile": cap}
        answer = await place.csms.command(STATION, "SetChargingProfile", body)
        assert answer == {"status": "Accepted"}
        await charged(place, CAR2)
    tuples = place.sent(iso2.ChargeParameterDiscoveryRes)[-1].sa_schedules.sa_schedule_tuple
    powers = [one.p_max_schedule.p_max_schedule_entry[0].p_max.value for one in tuples]
    assert powers == [4000, 2000]


@pytest.mark.parametrize("status", ["Rejected", "Processing"])
async def test_without_a_profile_of_the_csms_the_stored_ones_decide(status: str) -> None:
    async with negotiating(V201, Accounts(needs=(status, None))) as place:
        await charged(place, CAR2)
    tuples = place.sent(iso2.ChargeParameterDiscoveryRes)[-1].sa_schedules.sa_schedule_tuple
    assert len(tuples) == 1
    assert len(place.bodies("NotifyEVChargingNeeds")) == 1


async def test_a_profile_that_does_not_come_costs_the_wait_and_no_session() -> None:
    async with negotiating(V201, Accounts(needs=("Accepted", None))) as place:
        place.backend.settings.change("needs_wait", 0.1)
        await charged(place, CAR2)
    assert "NotifyEVChargingNeeds: no charging profile in time, the stored ones apply" in place.told


# --- K16 and K17: renegotiation ----------------------------------------------------------------------------


async def test_a_renegotiation_by_the_csms_asks_for_no_needs_again() -> None:
    accounts = Accounts(needs=("Accepted", tx_profile(schedule(1, (0, 9000)))))

    async with negotiating(V201, accounts) as place:
        place.backend.present(CARD)
        driving = asyncio.create_task(place.car(dataclasses.replace(CAR2, loops=80)).charge())
        await place.until(lambda: place.evse.snapshot().contactor_closed)
        (booked,) = place.csms.records.transactions.values()
        profile = {**tx_profile(schedule(7, (0, 4000))), "transactionId": booked.id}
        body = {"evseId": 1, "chargingProfile": profile}
        assert await place.csms.command(STATION, "SetChargingProfile", body) == {"status": "Accepted"}
        result = await driving
        assert result.completed, result.error
        await place.until(lambda: len(place.bodies("NotifyEVChargingSchedule")) == 2)
    assert len(place.bodies("NotifyEVChargingNeeds")) == 1
    last = place.bodies("NotifyEVChargingSchedule")[-1]
    assert last["chargingSchedule"]["id"] == 7
    assert last["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] <= 4000


async def test_a_renegotiation_by_the_ev_sends_its_needs_again() -> None:
    accounts = Accounts(needs=("Accepted", tx_profile(schedule(1, (0, 9000)))))

    async with negotiating(V201, accounts) as place:
        await charged(place, dataclasses.replace(CAR2, loops=12, renegotiate_at=4))
    assert len(place.bodies("NotifyEVChargingNeeds")) == 2


# --- K18 and K19: ISO 15118-20 -----------------------------------------------------------------------------

CAR20 = Iso20Plan(service=Service.DC, loops=10, pace=0.05)


async def test_needs_in_scheduled_mode_are_those_of_2_1() -> None:
    accounts = Accounts(needs=("Accepted", tx_profile(schedule(4, (0, 9000)), schedule(5, (0, 6000)))))

    async with negotiating(V21, accounts, dc=True) as place:
        await charged(place, CAR20)
        await place.until(lambda: place.bodies("NotifyEVChargingSchedule"))
    (needs,) = place.bodies("NotifyEVChargingNeeds")
    asked = needs["chargingNeeds"]
    assert asked["controlMode"] == "ScheduledControl"
    assert asked["requestedEnergyTransfer"] == "DC"
    assert "dcChargingParameters" not in asked
    assert asked["v2xChargingParameters"]["maxChargePower"] > 0
    (choice,) = place.bodies("NotifyEVChargingSchedule")
    assert choice["selectedChargingScheduleId"] in (4, 5)


def dynamic(limit: float | None = None, setpoint: float | None = None, **more: Any) -> Payload:
    period: Payload = {"startPeriod": 0}
    if setpoint is None:
        period["limit"] = limit
    else:
        period |= {"setpoint": setpoint, "operationMode": "CentralSetpoint"}
    body = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    duration = more.pop("duration", None)
    if duration is not None:
        body["duration"] = duration
    return tx_profile(body, kind="Dynamic", **more)


STEERED = dataclasses.replace(CAR20, control=ControlMode.DYNAMIC, loops=400, pace=0.02)


@contextlib.asynccontextmanager
async def steered(
    profile: Payload,
    service: Service = Service.DC,
    transfer: tuple[str, ...] = (),
    *,
    services: StationServices | None = None,
    **accounts: Any,
) -> AsyncIterator[Negotiating]:
    """An EV in Dynamic mode that charges."""
    known = Accounts(needs=("Accepted", profile), transfer=transfer, **accounts)
    async with negotiating(V21, known, dc=True, services=services) as place:
        place.backend.present(CARD)
        plan = dataclasses.replace(STEERED, service=service)
        driving = asyncio.create_task(place.car(plan).charge())
        await place.until(lambda: abs(place.evse.current) > 1.0 or driving.done())
        assert not driving.done(), driving.result().error
        try:
            yield place
        finally:
            driving.cancel()
            await asyncio.wait([driving])


def power(place: Negotiating) -> float:
    snapshot = place.evse.snapshot()
    return snapshot.present_voltage * snapshot.present_current


async def update(place: Negotiating, **values: float) -> str:
    body = {"chargingProfileId": 9, "scheduleUpdate": values}
    answer = await place.csms.command(STATION, "UpdateDynamicSchedule", body)
    return str(answer["status"])


async def test_an_update_of_a_dynamic_profile_acts_without_a_renegotiation() -> None:
    async with steered(dynamic(limit=9000.0)) as place:
        assert await update(place, limit=3000.0) == "Accepted"
        await place.until(lambda: 500 < power(place) <= 3000.0)
        assert await update(place, limit=6000.0) == "Accepted"
        await place.until(lambda: 3100 < power(place) <= 6000.0)
    (needs,) = place.bodies("NotifyEVChargingNeeds")
    assert needs["chargingNeeds"]["controlMode"] == "DynamicControl"


async def test_a_profile_that_is_not_dynamic_takes_no_update() -> None:
    async with steered(tx_profile(schedule(1, (0, 9000)))) as place:
        result = await update(place, limit=1.0)
    assert result == "Rejected"


async def test_a_dynamic_profile_that_is_not_updated_in_time_no_longer_counts() -> None:
    """The dead-man rule: the set-point of the CSMS ends with its duration."""

    async with steered(dynamic(setpoint=3000.0, duration=2)) as place:
        await place.until(lambda: 500 < power(place) <= 3000.0)
        await place.until(lambda: power(place) > 3500.0)


async def permit(place: Negotiating, *transfer: str) -> str:
    (booked,) = place.csms.records.transactions.values()
    body = {"transactionId": booked.id, "allowedEnergyTransfer": list(transfer)}
    answer = await place.csms.command(STATION, "NotifyAllowedEnergyTransfer", body)
    return str(answer["status"])


async def test_a_bidirectional_service_is_not_offered_without_the_permission_of_the_csms() -> None:
    async with negotiating(V21, Accounts(), dc=True) as place:
        place.backend.present(CARD)
        result = await place.car(dataclasses.replace(STEERED, service=Service.DC_BPT)).charge()
    assert result.error == "service DC_BPT is not offered"


async def test_energy_turns_at_the_set_point_while_the_csms_permits_it() -> None:
    async with steered(dynamic(setpoint=3000.0), Service.DC_BPT, ("DC", "DC_BPT")) as place:
        assert await update(place, setpoint=-4000.0) == "Accepted"
        await place.until(lambda: -4100.0 < power(place) < -1000.0)
        assert await permit(place, "DC") == "Accepted"
        await place.until(lambda: power(place) > -1.0)
        assert await permit(place, "DC", "DC_BPT") == "Accepted"
        assert place.backend.limits.discharge_permitted
        wrong = {"transactionId": "another", "allowedEnergyTransfer": ["DC_BPT"]}
        answer = await place.csms.command(STATION, "NotifyAllowedEnergyTransfer", wrong)
        assert answer["status"] == "Rejected"


async def test_a_profile_without_discharge_leaves_the_energy_with_the_ev() -> None:
    async with steered(dynamic(limit=9000.0), Service.DC_BPT, ("DC", "DC_BPT")) as place:
        assert await update(place, dischargeLimit=-4000.0) == "Rejected"
        await place.until(lambda: power(place) > 500.0)
        assert place.backend.limits.allowed().discharge == 0.0


async def test_values_of_a_dynamic_profile_are_asked_for_at_its_interval() -> None:
    profile = dynamic(limit=9000.0, dynUpdateInterval=1)
    async with steered(profile, update={"limit": 2500.0}) as place:
        await place.until(lambda: place.bodies("PullDynamicScheduleUpdate"))
        await place.until(lambda: 500 < power(place) <= 2500.0)


async def test_priority_replaces_the_profile_of_the_transaction_while_it_is_on() -> None:
    async with steered(dynamic(limit=3000.0)) as place:
        (booked,) = place.csms.records.transactions.values()
        use = {"transactionId": booked.id, "activate": True}
        answer = await place.csms.command(STATION, "UsePriorityCharging", use)
        assert answer == {"status": "NoProfile"}
        assert not place.backend.use_priority(active=True)
        fast = {**tx_profile(schedule(1, (0, 20_000))), "id": 5}
        fast |= {"chargingProfilePurpose": "PriorityCharging"}
        body = {"evseId": 1, "chargingProfile": fast}
        assert await place.csms.command(STATION, "SetChargingProfile", body) == {"status": "Accepted"}
        await place.until(lambda: 500 < power(place) <= 3000.0)
        assert await place.csms.command(STATION, "UsePriorityCharging", use) == {"status": "Accepted"}
        await place.until(lambda: power(place) > 3500.0)
        assert place.backend.use_priority(active=False)
        await place.until(lambda: power(place) <= 3000.0)
        await place.until(lambda: place.bodies("NotifyPriorityCharging"))
    (told,) = place.bodies("NotifyPriorityCharging")
    assert told["activated"] is False


async def test_an_energy_transfer_that_the_csms_rejects_ends_the_transaction() -> None:
    async with negotiating(V21, Accounts(needs=("Rejected", None)), dc=True) as place:
        place.backend.present(CARD)
        await place.car(dataclasses.replace(CAR20, loops=400)).charge()
        await place.until(lambda: any(one.ended for one in place.csms.records.transactions.values()))
    (booked,) = place.csms.records.transactions.values()
    assert booked.reason == "ReqEnergyTransferRejected"
