"""ISO 15118-20: charge parameters and schedules."""

from __future__ import annotations

from typing import Any

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case
from secc.bench.cases.build20 import REFUSED, SEQUENCE, WRONG, Deed, at, case20, need
from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import Processing, ResponseCode
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import ControlMode, Service
from secc.sim.iso20 import requests

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC

# --- parameters ---------------------------------------------------------------------------------------------


def _parameters(*codes: ResponseCode, ends: bool = True, **changes: common.RationalNumber) -> Deed:
    """ChargeParameterDiscoveryReq with other values."""

    async def deed(ev: Iso20Car) -> None:
        request: Any = ev.energy.parameters()
        field = "dc_cpd_req_energy_transfer_mode" if ev.dc else "ac_cpd_req_energy_transfer_mode"
        mode = msgspec.structs.replace(getattr(request, field), **changes)
        changed = msgspec.structs.replace(request, **{field: mode})
        await (ev.refused if ends else ev.expect)(changed, *codes)

    return deed


async def _limits(ev: Iso20Car) -> None:
    answer = await ev.expect(ev.energy.parameters())
    mode = answer.dc_cpd_res_energy_transfer_mode if ev.dc else answer.ac_cpd_res_energy_transfer_mode
    most, least = number(mode.evse_maximum_charge_power), number(mode.evse_minimum_charge_power)
    ev.trial.check(most > 0.0 and most >= least, "a maximum of power above the minimum", (most, least))


def _mirrored(*, negative: bool) -> Deed:
    """The station answers with the sign that the car uses for its discharge limits."""

    async def deed(ev: Iso20Car) -> None:
        request: Any = ev.energy.parameters()
        field = "dc_cpd_req_energy_transfer_mode" if ev.dc else "ac_cpd_req_energy_transfer_mode"
        mode = getattr(request, field)
        names = [name for name in mode.__struct_fields__ if "maximum_discharge" in name]
        values = {name: getattr(mode, name) for name in names if getattr(mode, name) is not None}
        signed = {
            name: rational_number((-1 if negative else 1) * abs(number(one))) for name, one in values.items()
        }
        changed = msgspec.structs.replace(request, **{field: msgspec.structs.replace(mode, **signed)})
        answer = await ev.expect(changed)
        told = answer.dc_cpd_res_energy_transfer_mode if ev.dc else answer.ac_cpd_res_energy_transfer_mode
        watts = number(told.evse_maximum_discharge_power)
        good = watts <= 0.0 if negative else watts >= 0.0
        ev.trial.check(good, f"a limit {'below' if negative else 'above'} zero", watts)

    return deed


def _phases(*, each: bool) -> Deed:
    """The station uses the elements of L2 and L3 if the car does, and only then."""

    async def deed(ev: Iso20Car) -> None:
        request: Any = ev.energy.parameters()
        field = "ac_cpd_req_energy_transfer_mode"
        watts = rational_number(3_000.0) if each else None
        lines = {f"ev_maximum_charge_power_{line}": watts for line in ("l2", "l3")}
        mode = msgspec.structs.replace(getattr(request, field), **lines)
        answer = await ev.expect(msgspec.structs.replace(request, **{field: mode}))
        told = answer.ac_cpd_res_energy_transfer_mode
        both = (told.evse_maximum_charge_power_l2, told.evse_maximum_charge_power_l3)
        ev.trial.check(all((one is not None) is each for one in both), f"L2 and L3: {each}", told)

    return deed


async def other_family(ev: Iso20Car) -> None:
    zero = rational_number(0.0)
    if ev.dc:
        mode: Any = ac.ACCPDReqEnergyTransferMode(ev_maximum_charge_power=zero, ev_minimum_charge_power=zero)
        request: Any = ac.ACChargeParameterDiscoveryReq(
            header=requests.HEADER, ac_cpd_req_energy_transfer_mode=mode
        )
    else:
        request = dc.DCWeldingDetectionReq(header=requests.HEADER, ev_processing=Processing.ONGOING)
    await ev.refused(request, SEQUENCE)


async def _wrong_variant(ev: Iso20Car) -> None:
    """BPT limits in a service in one direction."""
    other = Service.DC_BPT if ev.dc else Service.AC_BPT
    twin = Iso20Car(ev.trial, other)
    await ev.refused(twin.energy.parameters(), WRONG)


async def again(ev: Iso20Car) -> None:
    await ev.refused(ev.energy.parameters(), SEQUENCE)


# --- schedules ----------------------------------------------------------------------------------------------


def _schedules(departure: int | None, points: int, *, covers: int) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        needs = ev.energy.energies()
        request = requests.schedule_exchange(dynamic=False, departure=departure, points=points, **needs)
        answer = await ev.finish(request, ev.trial.timers.ongoing)
        offer = answer.scheduled_se_res_control_mode
        ev.trial.check(offer is not None, "schedules", answer)
        for one in offer.schedule_tuple:
            entries = one.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry
            ev.trial.check(len(entries) <= points, f"at most {points} entries", len(entries))
            seconds = sum(entry.duration for entry in entries)
            ev.trial.check(seconds >= covers, f"a schedule of {covers} s or more", seconds)

    return deed


async def _price(ev: Iso20Car) -> None:
    answer = await ev.finish(ev.script.schedule_request(), ev.trial.timers.ongoing)
    for one in answer.scheduled_se_res_control_mode.schedule_tuple:
        schedule = one.charging_schedule
        priced = schedule.price_level_schedule or schedule.absolute_price_schedule
        ev.trial.check(priced is not None, "a price schedule", schedule)


async def _other_mode(ev: Iso20Car) -> None:
    request = requests.schedule_exchange(
        dynamic=ev.plan.control is SCHEDULED, departure=3600, **ev.energy.energies()
    )
    await ev.refused(request, ResponseCode.FAILED)


async def _energies_crossed(ev: Iso20Car) -> None:
    needs: dict[str, Any] = {
        "ev_target_energy_request": rational_number(10_000.0),
        "ev_maximum_energy_request": rational_number(5_000.0),
        "ev_minimum_energy_request": rational_number(20_000.0),
    }
    request = requests.schedule_exchange(dynamic=ev.plan.control is DYNAMIC, departure=3600, **needs)
    await ev.refused(request, WRONG)


async def _one_v2x_energy(ev: Iso20Car) -> None:
    needs = ev.energy.energies() | {"ev_maximum_v2_x_energy_request": rational_number(1_000.0)}
    await ev.refused(requests.schedule_exchange(dynamic=True, departure=3600, **needs), WRONG)


# --- the cases ---

_CPD, _SCH = "parameters", "schedules"
_P, _S = Point.PARAMETERS, Point.SCHEDULES
_DC = need(Service.DC)
_HUGE = common.RationalNumber(exponent=127, value=32767)

CASES: tuple[Case, ...] = (
    case20("CPD-001", _CPD, "lawful limits", "OK, limits of the station", at(_P, _limits)),
    case20("CPD-004", _CPD, "a message of the other energy set", REFUSED, at(_P, other_family), ids="459"),
    case20(
        *(
            "CPD-005",
            _CPD,
            "EVMaximumChargeCurrent below EVMinimumChargeCurrent",
            "FAILED_WrongChargeParameter",
        ),
        at(
            _P,
            _parameters(
                WRONG,
                ev_maximum_charge_current=rational_number(5.0),
                ev_minimum_charge_current=rational_number(9.0),
            ),
            service=Service.DC,
        ),
        _DC,
        ids="2272",
    ),
    case20(
        *("CPD-006", _CPD, "EVMaximumVoltage below what the station can do", "FAILED_WrongChargeParameter"),
        at(
            _P,
            _parameters(
                WRONG, ev_maximum_voltage=rational_number(10.0), ev_minimum_voltage=rational_number(5.0)
            ),
            service=Service.DC,
        ),
        _DC,
        ids="2272",
    ),
    case20(
        *("CPD-008", _CPD, "a number with exponent 127", "OK or FAILED_WrongChargeParameter, no overflow"),
        at(_P, _parameters(ResponseCode.OK, WRONG, ends=False, ev_maximum_charge_power=_HUGE)),
    ),
    case20(
        "CPD-VARIANT",
        _CPD,
        "limits of both directions in a plain service",
        "FAILED_WrongChargeParameter",
        at(_P, _wrong_variant),
        ids="1619 2272 2314",
    ),
    *(
        case20(
            *(f"CPD-{number_}", _CPD, f"discharge limits {'below' if negative else 'above'} zero"),
            "the same sign in the response",
            at(_P, _mirrored(negative=negative), service=Service.DC_BPT),
            need(Service.DC_BPT),
            ids="1213",
        )
        for number_, negative in (("009", False), ("010", True))
    ),
    case20(
        "CPD-007",
        _CPD,
        "EVMaximumChargePower 0",
        "FAILED_WrongChargeParameter",
        at(_P, _parameters(WRONG, ev_maximum_charge_power=rational_number(0.0))),
    ),
    *(
        case20(
            f"CPD-{number_}",
            _CPD,
            f"three phases, {'all elements' if each else 'the base element alone'}",
            "the same form in the response",
            at(_P, _phases(each=each), service=Service.AC),
            need(Service.AC),
            ids="1817 1818 1822",
        )
        for number_, each in (("013", False), ("014", True))
    ),
    case20("CPD-019", _CPD, "parameters twice", REFUSED, at(_S, again)),
    case20(
        "SCH-001",
        _SCH,
        "departure in 8 h",
        "a schedule of 8 h",
        at(_S, _schedules(28_800, 1024, covers=28_800)),
        ids="1058",
    ),
    case20(
        "SCH-002",
        _SCH,
        "no departure",
        "a schedule of 24 h",
        at(_S, _schedules(None, 1024, covers=86_400)),
        ids="1563",
    ),
    case20("SCH-003", _SCH, "12 points", "12 entries at most", at(_S, _schedules(None, 12, covers=86_400))),
    case20(
        "SCH-005",
        _SCH,
        "a schedule without prices asked for",
        "a neutral price schedule",
        at(_S, _price),
        ids="2176",
    ),
    case20("SCH-008", _SCH, "the other control mode", "FAILED", at(_S, _other_mode)),
    case20("SCH-011", _SCH, "energies that cross", "FAILED_WrongChargeParameter", at(_S, _energies_crossed)),
    case20(
        "SCH-013",
        _SCH,
        "one of the two V2X energies",
        "FAILED_WrongChargeParameter",
        at(_S, _one_v2x_energy, service=Service.DC_BPT, control=DYNAMIC),
        need(Service.DC_BPT),
        ids="2681",
    ),
)
