"""The needs of an EV as NotifyEVChargingNeeds, out of the messages of the EV (K15, K18, K19). Pure.

Powers and currents are magnitudes here; only energies may be below zero. Of the values of EV and outlet the
stricter one is sent.
"""

from __future__ import annotations

from secc.messages import iso2, iso20_ac, iso20_ac_der_iec, iso20_common, iso20_dc
from secc.messages.numbers import number
from secc.ocpp.composite import Supply
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import Payload
from secc.session.schedules import EnergyNeed

_Iso20Discovery = (
    iso20_ac.ACChargeParameterDiscoveryReq
    | iso20_ac_der_iec.ACChargeParameterDiscoveryReq
    | iso20_dc.DCChargeParameterDiscoveryReq
)
Discovery = iso2.ChargeParameterDiscoveryReq | _Iso20Discovery
"""The last request of this kind, of any protocol."""
_Iso20Mode = (
    iso20_ac.ACCPDReqEnergyTransferMode
    | iso20_ac.BPTACCPDReqEnergyTransferMode
    | iso20_ac_der_iec.ACCPDReqEnergyTransferMode
    | iso20_ac_der_iec.BPTACCPDReqEnergyTransferMode
    | iso20_ac_der_iec.DERACCPDReqEnergyTransferMode
    | iso20_dc.DCCPDReqEnergyTransferMode
    | iso20_dc.BPTDCCPDReqEnergyTransferMode
)
MOST_TUPLES = 3
"""Schedules that the station offers to an EV."""


def has_iso20(discovery: Discovery | None) -> bool:
    """Return whether the session is one of ISO 15118-20."""
    return discovery is not None and not isinstance(discovery, iso2.ChargeParameterDiscoveryReq)


def needs_message(
    need: EnergyNeed,
    discovery: Discovery | None,
    exchange: iso20_common.ScheduleExchangeReq | None,
    supply: Supply,
    now: float,
    *,
    with_iso20: bool,
) -> Payload:
    """Return the body; `with_iso20`: in the form of 2.1, which has words for ISO 15118-20."""
    entries = MOST_TUPLES
    if isinstance(discovery, iso2.ChargeParameterDiscoveryReq):
        entries = discovery.max_entries_sa_schedule_tuple or MOST_TUPLES
    needs: Payload = {"requestedEnergyTransfer": _transfer(need, discovery, with_iso20=with_iso20)}
    if need.departure:
        needs["departureTime"] = to_iso(now + need.departure)
    if with_iso20 and discovery is not None and not isinstance(discovery, iso2.ChargeParameterDiscoveryReq):
        needs["controlMode"] = "DynamicControl" if need.dynamic else "ScheduledControl"
        needs["mobilityNeedsMode"] = "EVCC_SECC" if need.ask_mobility else "EVCC"
        needs["v2xChargingParameters"] = _v2x(need, discovery, exchange, supply)
    elif need.mode.is_dc:
        needs["dcChargingParameters"] = _dc(need, discovery, supply)
    else:
        needs["acChargingParameters"] = _ac(need, discovery, supply)
    body: Payload = {"evseId": 1, "chargingNeeds": needs, "maxScheduleTuples": min(entries, MOST_TUPLES)}
    if with_iso20:
        body["timestamp"] = to_iso(now)
    return body


def _transfer(need: EnergyNeed, discovery: Discovery | None, *, with_iso20: bool) -> str:
    bidirectional = False
    if discovery is not None and not isinstance(discovery, iso2.ChargeParameterDiscoveryReq):
        bidirectional = _is_bidirectional(_mode(discovery))
    if with_iso20 and isinstance(discovery, iso20_ac_der_iec.ACChargeParameterDiscoveryReq):
        return "AC_DER"
    if bidirectional and with_iso20:
        return "DC_BPT" if need.mode.is_dc else "AC_BPT"
    if need.mode.is_dc:
        return "DC"
    return "AC_three_phase" if "three" in need.mode.value else "AC_single_phase"


def _mode(discovery: _Iso20Discovery) -> _Iso20Mode:
    if isinstance(discovery, iso20_dc.DCChargeParameterDiscoveryReq):
        return discovery.dc_cpd_req_energy_transfer_mode
    return discovery.ac_cpd_req_energy_transfer_mode


_Bidirectional = (
    iso20_ac.BPTACCPDReqEnergyTransferMode
    | iso20_ac_der_iec.DERACCPDReqEnergyTransferMode
    | iso20_dc.BPTDCCPDReqEnergyTransferMode
)


def _is_bidirectional(mode: _Iso20Mode) -> bool:
    return isinstance(mode, _Bidirectional)


# --- ISO 15118-2 and DIN SPEC 70121 ------------------------------------------------------------------------


def _ac(need: EnergyNeed, discovery: Discovery | None, supply: Supply) -> Payload:
    least, most = 0.0, (need.max_power or supply.max_power) / (supply.voltage * supply.phases)
    voltage = supply.voltage
    if isinstance(discovery, iso2.ChargeParameterDiscoveryReq):
        ev = discovery.ev_charge_parameter
        if isinstance(ev, iso2.ACEVChargeParameter):
            least, most = number(ev.ev_min_current), number(ev.ev_max_current)
            voltage = number(ev.ev_max_voltage)
    return {
        "energyAmount": round(max(0.0, need.energy or 0.0)),
        "evMinCurrent": round(least),
        "evMaxCurrent": round(most),
        "evMaxVoltage": round(voltage),
    }


def _dc(need: EnergyNeed, discovery: Discovery | None, supply: Supply) -> Payload:
    power = need.max_power or supply.max_power
    found: dict[str, float | None] = {
        "evMaxCurrent": power / supply.voltage,
        "evMaxVoltage": supply.voltage,
        "evMaxPower": power,
        "energyAmount": need.energy,
    }
    if isinstance(discovery, iso2.ChargeParameterDiscoveryReq):
        ev = discovery.ev_charge_parameter
        if isinstance(ev, iso2.DCEVChargeParameter):
            found |= {
                "evMaxCurrent": number(ev.ev_maximum_current_limit),
                "evMaxVoltage": number(ev.ev_maximum_voltage_limit),
                "evMaxPower": _optional(ev.ev_maximum_power_limit),
                "evEnergyCapacity": _optional(ev.ev_energy_capacity),
                "energyAmount": _optional(ev.ev_energy_request),
                "stateOfCharge": ev.dc_ev_status.ev_ress_soc,
                "fullSoC": ev.full_soc,
                "bulkSoC": ev.bulk_soc,
            }
    elif isinstance(discovery, iso20_dc.DCChargeParameterDiscoveryReq):
        mode = discovery.dc_cpd_req_energy_transfer_mode
        found |= {
            "evMaxCurrent": abs(number(mode.ev_maximum_charge_current)),
            "evMaxVoltage": number(mode.ev_maximum_voltage),
            "evMaxPower": abs(number(mode.ev_maximum_charge_power)),
        }
    return {name: round(value) for name, value in found.items() if value is not None}


def _optional(value: iso2.PhysicalValue | None) -> float | None:
    return None if value is None else number(value)


# --- ISO 15118-20 ------------------------------------------------------------------------------------------


def _v2x(
    need: EnergyNeed,
    discovery: _Iso20Discovery,
    exchange: iso20_common.ScheduleExchangeReq | None,
    supply: Supply,
) -> Payload:
    mode = _mode(discovery)
    found: dict[str, float | None] = {
        "minChargePower": abs(number(mode.ev_minimum_charge_power)),
        "maxChargePower": min(abs(number(mode.ev_maximum_charge_power)), supply.max_power),
    }
    if isinstance(mode, _Bidirectional):
        found["minDischargePower"] = abs(number(mode.ev_minimum_discharge_power))
        most = abs(number(mode.ev_maximum_discharge_power))
        found["maxDischargePower"] = min(most, need.max_discharge_power or most)
    if isinstance(mode, iso20_dc.DCCPDReqEnergyTransferMode | iso20_dc.BPTDCCPDReqEnergyTransferMode):
        found |= {
            "minChargeCurrent": abs(number(mode.ev_minimum_charge_current)),
            "maxChargeCurrent": abs(number(mode.ev_maximum_charge_current)),
            "minVoltage": number(mode.ev_minimum_voltage),
            "maxVoltage": min(number(mode.ev_maximum_voltage), supply.voltage),
            "targetSoC": mode.target_soc,
        }
    found |= _energies(exchange)
    if need.target_soc is not None:
        found["targetSoC"] = need.target_soc
    return {
        name: value if isinstance(value, int) else round(value, 1)
        for name, value in found.items()
        if value is not None
    }


def _energies(exchange: iso20_common.ScheduleExchangeReq | None) -> dict[str, float | None]:
    if exchange is None:
        return {}
    ev = exchange.dynamic_se_req_control_mode or exchange.scheduled_se_req_control_mode
    if ev is None:
        return {}
    found = {
        "evTargetEnergyRequest": _signed(ev.ev_target_energy_request),
        "evMinEnergyRequest": _signed(ev.ev_minimum_energy_request),
        "evMaxEnergyRequest": _signed(ev.ev_maximum_energy_request),
    }
    if isinstance(ev, iso20_common.DynamicSEReqControlMode):
        found["evMinV2XEnergyRequest"] = _signed(ev.ev_minimum_v2_x_energy_request)
        found["evMaxV2XEnergyRequest"] = _signed(ev.ev_maximum_v2_x_energy_request)
    return found


def _signed(value: iso20_common.RationalNumber | None) -> float | None:
    return None if value is None else number(value)


# --- what the EV has chosen --------------------------------------------------------------------------------


def profile_periods(
    request: iso2.PowerDeliveryReq | iso20_common.PowerDeliveryReq,
) -> tuple[int | None, list[Payload], bool | None]:
    """Return the id of the chosen schedule, the periods that the EV has planned, and whether it accepts the
    power tolerance."""
    if isinstance(request, iso2.PowerDeliveryReq):
        profile = request.charging_profile
        entries = () if profile is None else profile.profile_entry
        periods = [
            {
                "startPeriod": one.charging_profile_entry_start,
                "limit": round(number(one.charging_profile_entry_max_power), 1),
            }
            for one in entries
        ]
        return request.sa_schedule_tuple_id, periods, None
    plan = request.ev_power_profile
    if plan is None:
        return None, [], None
    start, found = 0, []
    for entry in plan.ev_power_profile_entries.ev_power_profile_entry:
        found.append({"startPeriod": start, "limit": round(number(entry.power), 1)})
        start += entry.duration
    scheduled = plan.scheduled_ev_ppt_control_mode
    if scheduled is None:
        return None, found, None
    accepted = scheduled.power_tolerance_acceptance
    return (
        scheduled.selected_schedule_tuple_id,
        found,
        None if accepted is None else "Not" not in accepted.value,
    )
