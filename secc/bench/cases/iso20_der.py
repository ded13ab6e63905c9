"""ISO 15118-20 Amendment 1: AC_DER_IEC, where an EV feeds the grid by the rules of the grid."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import WRONG, at, case20
from secc.bench.talk import PACE
from secc.bench.verdict import Failed, Inconclusive
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as common
from secc.messages.iso20_common import Processing
from secc.messages.numbers import number
from secc.session.iso20.services import ControlMode, Service
from secc.sim.iso20 import requests
from secc.sim.iso20.der import DerEnergy

CONDITIONS = (0, 1, 5, 127, 255)
"""Values of GridEventCondition, the ends included."""
SET_POINTS = {6: "dsoq_setpoint", 7: "dso_cos_phi_setpoint"}
"""Bits in DERControlFunctions of what comes with the charge loop."""


def _energy(ev: Iso20Car) -> DerEnergy:
    if not isinstance(ev.energy, DerEnergy):
        raise Inconclusive("the EV of this case has not chosen AC_DER_IEC")
    return ev.energy


async def _parameters(ev: Iso20Car, processing: Processing) -> der.DERACCPDResEnergyTransferMode:
    energy = _energy(ev)
    energy.processing = processing
    answer = await ev.expect(energy.parameters())
    mode = answer.ac_cpd_res_energy_transfer_mode
    if not isinstance(mode, der.DERACCPDResEnergyTransferMode):
        raise Failed(f"expected DER_AC_CPDResEnergyTransferMode; got {type(mode).__name__}")
    return mode


async def _twice_ongoing(ev: Iso20Car) -> None:
    for processing in (Processing.ONGOING, Processing.ONGOING, Processing.FINISHED):
        await _parameters(ev, processing)
        await asyncio.sleep(PACE)
    ev.point = Point.SCHEDULES
    await ev.exchange_schedules()


async def _another_service(ev: Iso20Car) -> None:
    """The EV cannot do what the grid demands, and looks at the services again [V2G20-3154]."""
    await _parameters(ev, Processing.FINISHED)
    await ev.discover()
    await ev.ask_details()


async def _functions(ev: Iso20Car) -> None:
    """DERControl has the functions of the selected set, and no others [V2G20-3190] [V2G20-3192]."""
    await ev.discover()
    details = await ev.expect(common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service))
    ev.set_id = ev.script.choose_set(details.service_parameter_list.parameter_set)
    chosen = [
        parameter.int_value
        for one in details.service_parameter_list.parameter_set
        for parameter in one.parameter
        if one.parameter_set_id == ev.set_id and parameter.name == "DERControlFunctions"
    ]
    ev.trial.check(len(chosen) == 1, "the parameter DERControlFunctions", chosen)
    ev.point = Point.SELECTION
    await ev.choose()
    sent = _sent((await _parameters(ev, Processing.FINISHED)).der_control)
    for bit, there in sent.items():
        wanted = bool((chosen[0] or 0) >> bit & 1)
        ev.trial.check(there is wanted, f"function {bit}: {wanted}, as in the parameter set", there)


def _sent(control: der.DERControl | None) -> dict[int, bool]:
    """Which functions DERControl holds, by their bits; set-points come with the charge loop."""
    control = control or der.DERControl()
    active = control.active_power_support or der.ActivePowerSupport()
    reactive: Any = control.reactive_power_support
    present = (
        active.over_frequency_watt,
        active.under_frequency_watt,
        active.volt_watt,
        None if reactive is None else reactive.volt_var,
        None if reactive is None else reactive.watt_var,
        None if reactive is None else reactive.watt_cos_phi,
        None,
        None,
        control.maximum_level_dc_injection,
        control.zero_current,
        control.overvoltage_fault_ride_through,
        control.undervoltage_fault_ride_through,
    )
    return {bit: value is not None for bit, value in enumerate(present) if bit not in SET_POINTS}


async def _nominal(ev: Iso20Car) -> None:
    mode = await _parameters(ev, Processing.FINISHED)
    nominal, most = number(mode.evse_nominal_discharge_power), number(mode.evse_maximum_discharge_power)
    ev.trial.check(abs(nominal) <= abs(most), f"a nominal discharge power of at most {most:g} W", nominal)


async def _plain_variant(ev: Iso20Car) -> None:
    """The variant of AC, in the message of AC_DER_IEC [V2G20-1600]."""
    limits = _energy(ev).parameters()
    assert isinstance(limits, der.ACChargeParameterDiscoveryReq)
    values = limits.ac_cpd_req_energy_transfer_mode
    mode = der.ACCPDReqEnergyTransferMode(
        ev_maximum_charge_power=values.ev_maximum_charge_power,
        ev_minimum_charge_power=values.ev_minimum_charge_power,
    )
    request = der.ACChargeParameterDiscoveryReq(header=requests.HEADER, ac_cpd_req_energy_transfer_mode=mode)
    await ev.refused(request, WRONG, common.ResponseCode.FAILED)


async def _events(ev: Iso20Car) -> None:
    for condition in CONDITIONS:
        request: Any = _energy(ev).request(ev.loops)
        mode = msgspec.structs.replace(request.cl_req_control_mode, grid_event_condition=condition)
        await ev.expect(msgspec.structs.replace(request, cl_req_control_mode=mode))
        ev.loops += 1
        await asyncio.sleep(PACE)
    ev.point = Point.LOOP
    await ev.stop()


async def _set_points(ev: Iso20Car) -> None:
    """A set-point of the grid operator comes only where the parameter set has its function [V2G20-3192]."""
    details = await _details_of_der(ev)
    await ev.go(Point.FIRST_LOOP)
    answer = await ev.loop()
    mode = answer.cl_res_control_mode
    for bit, name in SET_POINTS.items():
        there, enabled = getattr(mode, name) is not None, bool(details >> bit & 1)
        ev.trial.check(enabled or not there, f"no set-point without function {bit}", name)


async def _details_of_der(ev: Iso20Car) -> int:
    await ev.discover()
    details = await ev.expect(common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service))
    first = details.service_parameter_list.parameter_set[0]
    ev.point = Point.DETAIL
    values = [one.int_value for one in first.parameter if one.name == "DERControlFunctions"]
    return values[0] or 0 if values else 0


_SET, _DER = "AC_DER_IEC", Service.AC_DER_IEC
_P, _L = Point.PARAMETERS, Point.FIRST_LOOP

CASES: tuple[Case, ...] = (
    case20(
        *("CPD-020", _SET, "EVProcessing Ongoing twice, then Finished", "OK each time, then schedules"),
        *(at(_P, _twice_ongoing, service=_DER), Need.ISO20_AC_DER),
        ids="3150 3151",
    ),
    case20(
        *("CPD-021", _SET, "ServiceDiscoveryReq after the charge parameters", "OK"),
        *(at(_P, _another_service, service=_DER), Need.ISO20_AC_DER),
        ids="3154",
    ),
    case20(
        *("CPD-022", _SET, "the charge parameters", "DERControl with the functions of the parameter set"),
        *(at(Point.DISCOVERY, _functions, service=_DER), Need.ISO20_AC_DER),
        ids="3190 3192",
    ),
    case20(
        *("CPD-023", _SET, "the charge parameters", "a nominal discharge power within the maximum"),
        *(at(_P, _nominal, service=_DER), Need.ISO20_AC_DER),
        ids="3229",
    ),
    case20(
        *("CPD-DER-VARIANT", _SET, "the variant of AC", "FAILED_WrongChargeParameter, TCP closed"),
        *(at(_P, _plain_variant, service=_DER), Need.ISO20_AC_DER),
        ids="1600",
    ),
    *(
        case20(
            f"LOP-033-{control.name}",
            _SET,
            "GridEventCondition from 0 to 255",
            "OK each time",
            at(_L, _events, service=_DER, control=control),
            Need.ISO20_AC_DER,
        )
        for control in ControlMode
    ),
    case20(
        *("LOP-034", _SET, "the charge loop", "a set-point of the grid operator only with its function"),
        *(at(Point.DISCOVERY, _set_points, service=_DER), Need.ISO20_AC_DER),
        ids="3192",
    ),
)
