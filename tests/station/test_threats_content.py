"""The rows of the bad-input catalogue about the content of messages, against the real station over sockets.

After each one: alive, off, every command of the outlet lawful, the next car charges (see `attacked`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from secc.errors import EncodeError
from secc.messages import iso2
from secc.messages.iso2 import BodyElement, DCEVErrorCode, EnergyTransferMode, PaymentOption
from secc.messages.numbers import number
from secc.session.outlet import ControlPilot
from tests.support import requests as r
from tests.support.attacks import DcOutlet, at, attacked, body_of, refused_and_closed
from tests.support.wire import Car


async def refused(point: str, body: BodyElement, code: str, *, dc: bool = False) -> None:
    """This request at this point, answered by this code and the end."""
    async with attacked(dc=dc) as bed:
        car = await at(bed, point, dc=dc)
        bed.outlet.pilot = ControlPilot.C if point == "power on" else bed.outlet.pilot
        await refused_and_closed(car, body, code)


# --- bits that no encoder writes ---------------------------------------------------------------------------


def bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def packed(text: str) -> bytes:
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def with_other_bytes(car: Car, body: BodyElement, old: bytes, new: bytes) -> bytes:
    """The document with another binary value, of any length, in place of one of at most 127 bytes."""
    text, mark = bits(car.encode(body)), f"{len(old):08b}{bits(old)}"
    assert text.count(mark) == 1
    return packed(text.replace(mark, f"{len(new):08b}{bits(new)}"))


def with_other_number(car: Car, low: BodyElement, high: BodyElement, width: int, number: int) -> bytes:
    """The document with a number of so many bits; `low` has it as 0, `high` with its highest bit set."""
    one, other = bits(car.encode(low)), bits(car.encode(high))
    start = next(index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    return packed(one[:start] + f"{number:0{width}b}" + one[start + width :])


# --- parameters --------------------------------------------------------------------------------------------


FIELDS: dict[str, Callable[[int, int], BodyElement]] = {
    "current": lambda value, multiplier: r.dc_parameters(max_current=r.amperes(value, multiplier)),
    "voltage": lambda value, multiplier: r.dc_parameters(max_voltage=r.volts(value, multiplier)),
    "power": lambda value, multiplier: r.dc_parameters(max_power=r.watts(value, multiplier)),
}


@pytest.mark.threat("MSG-01")
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [0, -1, 32767, -32767])
async def test_odd_maxima_are_refused_or_taken_and_never_hurt(field: str, value: int) -> None:
    async with attacked(dc=True) as bed:
        for multiplier in range(-3, 4):
            car = await at(bed, "parameters", dc=True)
            code = await car.ask(FIELDS[field](value, multiplier))
            assert code in (
                {"FAILED_WrongChargeParameter"} if value <= 0 else {"FAILED_WrongChargeParameter", "OK"}
            )
            car.close()
            await bed.until_idle()


@pytest.mark.threat("MSG-01")
@pytest.mark.parametrize("value", [0, -1, 32767, -32767])
async def test_odd_maxima_of_an_ac_vehicle_are_refused_or_taken(value: int) -> None:
    async with attacked() as bed:
        for multiplier in range(-3, 4):
            car = await at(bed, "parameters")
            code = await car.ask(r.ac_parameters(max_current=r.amperes(value, multiplier)))
            assert code in (
                {"FAILED_WrongChargeParameter"} if value <= 0 else {"FAILED_WrongChargeParameter", "OK"}
            )
            car.close()
            await bed.until_idle()


@pytest.mark.threat("MSG-06")
@pytest.mark.parametrize("body", [r.dc_parameters(), r.dc_parameters(EnergyTransferMode.DC_UNIQUE)])
async def test_a_mode_that_is_not_offered_is_refused(body: BodyElement) -> None:
    await refused("parameters", body, "FAILED_WrongEnergyTransferMode")


@pytest.mark.threat("MSG-10")
@pytest.mark.parametrize("departure", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("entries", [12, 1024])
async def test_odd_times_and_sizes_give_a_good_schedule(departure: int, entries: int) -> None:
    async with attacked() as bed:
        car = await at(bed, "parameters")
        answer = await body_of(car, r.ac_parameters(departure=departure, max_entries=entries))
        (schedule,) = answer.sa_schedules.sa_schedule_tuple
        steps = schedule.p_max_schedule.p_max_schedule_entry
        assert 1 <= len(steps) <= entries
        assert steps[0].time_interval.start == 0
        assert steps[-1].time_interval.duration >= 1
        car.close()


@pytest.mark.threat("MSG-10")
@pytest.mark.parametrize("entries", [0, 1, 65535])
async def test_a_size_outside_the_schema_is_an_error_or_bounds_the_schedule(entries: int) -> None:
    async with attacked() as bed:
        car = await at(bed, "parameters")
        try:
            document = car.encode(r.ac_parameters(max_entries=entries))
        except EncodeError:
            document = packed(bits(car.encode(r.ac_parameters(max_entries=12))))
        await car.send(document)
        assert await car.answer() in ("OK", "closed")
        car.close()


# --- services, payment, identity ---------------------------------------------------------------------------


@pytest.mark.threat("MSG-07")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (r.service_detail(63000), "FAILED_ServiceIDInvalid"),
        (r.service_detail(0), "FAILED_ServiceIDInvalid"),
        (r.payment_selection(services=(1, 63000)), "FAILED_ServiceSelectionInvalid"),
        (r.payment_selection(services=(63000,)), "FAILED_NoChargeServiceSelected"),
        (r.payment_selection(services=(2, 3, 4)), "FAILED_NoChargeServiceSelected"),
    ],
)
async def test_services_that_are_not_offered_are_refused(body: BodyElement, code: str) -> None:
    await refused("selection", body, code)


@pytest.mark.threat("MSG-08")
async def test_a_payment_that_is_not_offered_is_refused() -> None:
    await refused("selection", r.payment_selection(PaymentOption.CONTRACT), "FAILED_PaymentSelectionInvalid")


@pytest.mark.threat("MSG-09")
@pytest.mark.parametrize("size", [0, 1, 5, 6])
async def test_an_evccid_that_the_schema_allows_is_taken_as_bytes(size: int) -> None:
    async with attacked() as bed:
        car = await at(bed, "setup")
        request = iso2.SessionSetupReq(evcc_id=b"/../\0\n"[:size])
        assert await car.ask(request) == "OK_NewSessionEstablished"
        car.close()


@pytest.mark.threat("MSG-09")
@pytest.mark.parametrize("size", [7, 8, 100])
async def test_an_evccid_that_is_too_long_closes(size: int) -> None:
    async with attacked() as bed:
        car = await at(bed, "setup")
        evcc_id = bytes.fromhex("02A0C0FFEE01")
        document = with_other_bytes(car, iso2.SessionSetupReq(evcc_id=evcc_id), evcc_id, b"\x5a" * size)
        await car.send(document)
        assert await car.at_end()
        car.close()


# --- schedules and profiles --------------------------------------------------------------------------------


@pytest.mark.threat("MSG-04")
@pytest.mark.parametrize("dc", [False, True])
@pytest.mark.parametrize(
    "profile",
    [((0, r.watts(30_000, 1)),), ((0, r.watts(1000)), (60, r.watts(30_000, 1))), ((0, r.watts(-1)),)],
)
async def test_a_profile_above_the_schedule_is_refused(
    dc: bool, profile: tuple[tuple[int, iso2.PhysicalValue], ...]
) -> None:
    await refused("power on", r.power_delivery(profile=profile), "FAILED_ChargingProfileInvalid", dc=dc)


@pytest.mark.threat("MSG-04")
async def test_a_profile_after_the_end_of_the_schedule_is_refused() -> None:
    late = ((0, r.watts(1000)), (90_000, r.watts(1000)))
    await refused("power on", r.power_delivery(profile=late), "FAILED_ChargingProfileInvalid")


@pytest.mark.threat("MSG-05")
@pytest.mark.parametrize("dc", [False, True])
@pytest.mark.parametrize("schedule_id", [2, 255])
async def test_a_schedule_that_was_not_offered_is_refused(dc: bool, schedule_id: int) -> None:
    body = r.power_delivery(schedule_id=schedule_id)
    await refused("power on", body, "FAILED_TariffSelectionInvalid", dc=dc)


# --- targets -----------------------------------------------------------------------------------------------


@pytest.mark.threat("MSG-02")
@pytest.mark.parametrize("volts", [420, 501, 3000, 32767])
async def test_a_target_above_a_limit_never_reaches_the_outlet(volts: int) -> None:
    """410 V is the car's own maximum, 500 V the outlet's: `attacked` looks at every set-point."""

    async with attacked(dc=True) as bed:
        car = await at(bed, "pre-charge", dc=True)
        assert await car.ask(r.pre_charge(r.volts(volts))) in ("OK", "FAILED")
        car.close()
        await bed.until_idle()
        bed.outlet.pilot = ControlPilot.B
        car = await at(bed, "loop", dc=True)
        answer = await body_of(car, r.current_demand(r.volts(volts), r.amperes(10_000)))
        assert answer.response_code is not iso2.ResponseCode.OK or number(answer.evse_present_voltage) <= 410
        car.close()


@pytest.mark.threat("MSG-03")
@pytest.mark.parametrize(
    "body",
    [
        r.current_demand(r.volts(-1)),
        r.current_demand(current=r.amperes(-1)),
        r.current_demand(r.volts(-32767), r.amperes(-32767)),
    ],
)
async def test_negative_targets_are_refused_with_the_output_off(body: BodyElement) -> None:
    async with attacked(dc=True) as bed:
        car = await at(bed, "loop", dc=True)
        assert (await car.ask(body)).startswith("FAILED")
        assert await car.at_end()
        assert isinstance(bed.outlet, DcOutlet)
        assert bed.outlet.volts == 0.0
        car.close()


@pytest.mark.threat("MSG-11")
@pytest.mark.parametrize("percent", [101, 127])
async def test_a_state_of_charge_beyond_100_closes(percent: int) -> None:
    async with attacked(dc=True) as bed:
        car = await at(bed, "loop", dc=True)
        low, high = (r.current_demand(status=_charged(number)) for number in (0, 64))
        await car.send(with_other_number(car, low, high, 7, percent))
        assert await car.at_end()
        car.close()


def _charged(percent: int) -> iso2.DCEVStatus:
    return msgspec.structs.replace(r.dc_ev_status(), ev_ress_soc=percent)


NOT_WANTED: dict[str, dict[str, Any]] = {
    "not ready": {"status": r.dc_ev_status(ready=False)},
    "an error": {"status": r.dc_ev_status(error=DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)},
    "complete": {"complete": True},
}


@pytest.mark.threat("MSG-12", "MSG-14")
@pytest.mark.parametrize("how", NOT_WANTED)
async def test_current_that_is_not_wanted_is_not_given(how: str) -> None:
    async with attacked(dc=True) as bed:
        car = await at(bed, "loop", dc=True)
        before = len(bed.outlet.calls)
        await car.ask(r.current_demand(current=r.amperes(50), **NOT_WANTED[how]))
        await asyncio.sleep(0.02)
        amperes = [
            float(call.split()[2]) for call in bed.outlet.calls[before:] if call.startswith("set_output")
        ]
        assert amperes
        assert amperes[-1] == 0.0
        car.close()


@pytest.mark.threat("MSG-13")
async def test_a_start_with_the_pilot_in_b_closes_nothing() -> None:
    async with attacked() as bed:
        car = await at(bed, "power on")
        bed.outlet.pilot = ControlPilot.B
        assert await car.ask(r.start()) in ("FAILED", "FAILED_ContactorError")
        assert "close_contactor" not in bed.outlet.calls
        assert await car.at_end()
        car.close()


class NotReady(DcOutlet):
    """Its voltage stays away."""

    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage, current)
        self.volts = 0.0


@pytest.mark.threat("MSG-15")
async def test_a_start_that_the_outlet_cannot_serve_is_not_applied() -> None:
    async with attacked(dc=True, outlet=NotReady(), timing={"pre_charge": 5.0}) as bed:
        car = await at(bed, "power on", dc=True)
        await refused_and_closed(car, r.start(), "FAILED_PowerDeliveryNotApplied")
