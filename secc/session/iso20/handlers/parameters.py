"""DC_ and AC_ChargeParameterDiscovery: what the EV can take and give, and what the outlet can."""

from __future__ import annotations

import msgspec

from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import RationalNumber, ResponseCode
from secc.session import limits, parameters
from secc.session.agreed import ChargeParameters, EvLimits
from secc.session.context import Context
from secc.session.iso20 import discharge, numbers, phases, terms, wire
from secc.session.iso20.header import head
from secc.session.iso20.refusals import Elements, wrong
from secc.session.iso20.side import selection, side
from secc.session.iso20.states import Iso20State as S
from secc.session.quantities import NO_DISCHARGE, ChargeLimit, DischargeLimit, Milli, milli, number
from secc.settings.energy import EnergyMode

# --- DC ----------------------------------------------------------------------------------------------------


def dc_discovery(session: Context, request: dc.DCChargeParameterDiscoveryReq) -> S:
    """Settle the limits of a DC service [V2G20-2272] [V2G20-2314]."""
    settle_dc(session, request)
    return S.WAIT_SCHEDULE_DC


def dc_rediscovery(session: Context, request: dc.DCChargeParameterDiscoveryReq) -> S:
    """The same while energy flows: a new schedule is negotiated [V2G20-1046]. Lower limits count at once."""
    settle_dc(session, request)
    terms.narrow(session)
    return S.WAIT_NEW_SCHEDULE_DC


def settle_dc(session: Context, request: dc.DCChargeParameterDiscoveryReq) -> None:
    """Settle the limits of a DC service, and answer."""
    ev = request.dc_cpd_req_energy_transfer_mode
    both = isinstance(ev, dc.BPTDCCPDReqEnergyTransferMode)
    _check_variant(session, both=both)
    modes = [mode for mode in session.config.energy.modes if mode.is_dc]
    mode = EnergyMode.DC_EXTENDED if EnergyMode.DC_EXTENDED in modes else modes[0]
    parameters.check_mode(session, mode)
    found = _dc_limits(session, ev)
    _settle(session, mode, found)
    side(session).least_charge = numbers.up(ev.ev_minimum_charge_power)
    if isinstance(ev, dc.BPTDCCPDReqEnergyTransferMode):
        maxima = (ev.ev_maximum_discharge_power, ev.ev_maximum_discharge_current)
        wire.settle_sign(session, *maxima)
        side(session).least_discharge = wire.magnitude(ev.ev_minimum_discharge_power)
    if ev.target_soc is not None:
        side(session).battery = msgspec.structs.replace(side(session).battery, target_soc=ev.target_soc)
    discharge.update(session)
    session.answer(
        dc.DCChargeParameterDiscoveryRes(
            header=head(session),
            response_code=ResponseCode.OK,
            dc_cpd_res_energy_transfer_mode=_dc_offer(session, both=both),
        )
    )


def _dc_limits(
    session: Context, ev: dc.DCCPDReqEnergyTransferMode | dc.BPTDCCPDReqEnergyTransferMode
) -> EvLimits:
    power = _maximum(ev.ev_maximum_charge_power, ev.ev_minimum_charge_power, "charge power")
    current = _maximum(ev.ev_maximum_charge_current, ev.ev_minimum_charge_current, "charge current")
    volts = _maximum(ev.ev_maximum_voltage, ev.ev_minimum_voltage, "voltage")
    lowest = limits.lowest_voltage(session.config.energy.dc)
    if volts < lowest:
        why = f"the EV takes at most {number(volts):g} V, the outlet gives at least {number(lowest):g} V"
        raise wrong(why)
    if numbers.up(ev.ev_minimum_charge_current) > milli(session.config.energy.dc.max_current):
        raise wrong("the EV takes no less current than the outlet has at most")
    gives, amperes = NO_DISCHARGE, NO_DISCHARGE
    if isinstance(ev, dc.BPTDCCPDReqEnergyTransferMode):
        gives = _discharge(ev.ev_maximum_discharge_power, ev.ev_minimum_discharge_power, "power")
        amperes = _discharge(ev.ev_maximum_discharge_current, ev.ev_minimum_discharge_current, "current")
    floor = max(Milli(numbers.up(ev.ev_minimum_voltage)), Milli(0))
    return EvLimits(volts, ChargeLimit(current), ChargeLimit(power), amperes, gives, lowest_voltage=floor)


def _dc_offer(
    session: Context, *, both: bool
) -> dc.DCCPDResEnergyTransferMode | dc.BPTDCCPDResEnergyTransferMode:
    """What the outlet can now, in the variant of the request [V2G20-1600]."""
    can, config, room = limits.dc(session), session.config.energy.dc, side(session)
    charge = {
        "evse_maximum_charge_power": numbers.maximum(can.power.upper),
        "evse_minimum_charge_power": least_dc_power(session),
        "evse_maximum_charge_current": numbers.maximum(can.current.upper),
        "evse_minimum_charge_current": numbers.minimum(milli(config.min_current)),
        "evse_maximum_voltage": numbers.maximum(can.voltage),
        "evse_minimum_voltage": numbers.minimum(can.lowest_voltage),
        **ramp_limitation(session),
    }
    if not both:
        return dc.DCCPDResEnergyTransferMode(**charge)
    return dc.BPTDCCPDResEnergyTransferMode(
        **charge,
        evse_maximum_discharge_power=wire.discharge_limit(room, -can.power.lower),
        evse_minimum_discharge_power=wire.ZERO,
        evse_maximum_discharge_current=wire.discharge_limit(room, -can.current.lower),
        evse_minimum_discharge_current=wire.ZERO,
    )


def least_dc_power(session: Context) -> RationalNumber:
    """EVSEMinimumChargePower: the least current of the outlet at its least voltage."""
    lowest = limits.lowest_voltage(session.config.energy.dc)
    return numbers.minimum(Milli(milli(session.config.energy.dc.min_current) * lowest // 1000))


# --- AC ----------------------------------------------------------------------------------------------------


def ac_discovery(session: Context, request: ac.ACChargeParameterDiscoveryReq) -> S:
    """Settle the limits of an AC service [V2G20-1619] [V2G20-2314]."""
    _ac(session, request)
    return S.WAIT_SCHEDULE_AC


def ac_rediscovery(session: Context, request: ac.ACChargeParameterDiscoveryReq) -> S:
    """The same while energy flows: a new schedule is negotiated [V2G20-1046]."""
    _ac(session, request)
    return S.WAIT_NEW_SCHEDULE_AC


def _ac(session: Context, request: ac.ACChargeParameterDiscoveryReq) -> None:
    ev = request.ac_cpd_req_energy_transfer_mode
    both = isinstance(ev, ac.BPTACCPDReqEnergyTransferMode)
    _check_variant(session, both=both)
    settle_ac(session, ev)
    session.answer(
        ac.ACChargeParameterDiscoveryRes(
            header=head(session),
            response_code=ResponseCode.OK,
            ac_cpd_res_energy_transfer_mode=_ac_offer(session, both=both),
        )
    )


def settle_ac(
    session: Context,
    ev: ac.ACCPDReqEnergyTransferMode | ac.BPTACCPDReqEnergyTransferMode | der.DERACCPDReqEnergyTransferMode,
) -> None:
    """The limits of the EV, AC; with a limit of discharge where the element has one."""
    three = selection(session).parameters.phases == 3
    mode = EnergyMode.AC_THREE_PHASE_CORE if three else EnergyMode.AC_SINGLE_PHASE_CORE
    parameters.check_mode(session, mode)
    room = side(session)
    most = phases.total(
        ev.ev_maximum_charge_power, ev.ev_maximum_charge_power_l2, ev.ev_maximum_charge_power_l3
    )
    least = phases.total(
        ev.ev_minimum_charge_power, ev.ev_minimum_charge_power_l2, ev.ev_minimum_charge_power_l3, up=True
    )
    _check_range(most, least, "charge power")
    gives = NO_DISCHARGE
    if isinstance(ev, ac.BPTACCPDReqEnergyTransferMode | der.DERACCPDReqEnergyTransferMode):
        wire.settle_sign(session, ev.ev_maximum_discharge_power)
        gives = DischargeLimit(phases.magnitude(ev, "ev_maximum_discharge_power"))
        room.least_discharge = phases.magnitude(ev, "ev_minimum_discharge_power")
        if room.least_discharge > gives:
            raise wrong("the least discharge power is above the most")
    room.per_phase = three and ev.ev_maximum_charge_power_l2 is not None  # [V2G20-1822]
    room.charge_phases = phases.apart(ev, "ev_maximum_charge_power") if three else None
    room.discharge_phases = phases.apart(ev, "ev_maximum_discharge_power") if three else None
    room.least_charge = least
    nominal = milli(session.config.energy.ac.nominal_voltage)
    current = ChargeLimit(most * 1000 // (nominal * (3 if three else 1)))
    found = EvLimits(nominal, current, ChargeLimit(most), NO_DISCHARGE, gives)
    _settle(session, mode, found)
    discharge.update(session)


def _ac_offer(
    session: Context, *, both: bool
) -> ac.ACCPDResEnergyTransferMode | ac.BPTACCPDResEnergyTransferMode:
    """What the outlet can now, in the variant of the request [V2G20-1600]."""
    charge = ac_charge(session)
    if not both:
        return ac.ACCPDResEnergyTransferMode(**charge)
    back = ac_discharge(session)
    if side(session).per_phase:
        back |= {"evse_minimum_discharge_power_l2": wire.ZERO, "evse_minimum_discharge_power_l3": wire.ZERO}
    return ac.BPTACCPDResEnergyTransferMode(**charge, **back, evse_minimum_discharge_power=wire.ZERO)


def ac_charge(session: Context) -> Elements:
    """What the outlet can give now, related to its nominal voltage [V2G20-1823]; the elements of L2 and L3
    only if the EV uses them [V2G20-1815] [V2G20-1817] [V2G20-1818]."""
    room, frequency = side(session), session.config.energy.ac.nominal_frequency
    power = limits.ac_power(session)
    charge = {
        **phases.divided("evse_maximum_charge_power", power, per_phase=room.per_phase),
        "evse_minimum_charge_power": wire.ZERO,
        "evse_nominal_frequency": numbers.nearest(milli(frequency)),
        **_asymmetry(session),
        **ramp_limitation(session),
        **phases.present(session),
    }
    if room.per_phase:
        charge |= {"evse_minimum_charge_power_l2": wire.ZERO, "evse_minimum_charge_power_l3": wire.ZERO}
    return charge


def ac_discharge(session: Context, name: str = "evse_maximum_discharge_power") -> Elements:
    """What the outlet can take now, with the sign of the session."""
    room = side(session)
    back = phases.divided(name, session.may_discharge, per_phase=room.per_phase)
    return {key: wire.signed(room, value) for key, value in back.items()}


def _asymmetry(session: Context) -> Elements:
    """MaximumPowerAsymmetry, on three phases [V2G20-1828]."""
    most = session.config.energy.ac.max_power_asymmetry
    if most is None or selection(session).parameters.phases != 3:
        return {}
    return {"maximum_power_asymmetry": numbers.maximum(milli(most))}


# --- both --------------------------------------------------------------------------------------------------


def ramp_limitation(session: Context) -> Elements:
    """EVSEPowerRampLimitation, as it is configured."""
    limit = session.config.iso20.power_ramp_limitation
    return {} if limit is None else {"evse_power_ramp_limitation": numbers.nearest(milli(limit))}


def _check_variant(session: Context, *, both: bool) -> None:
    """The parameters are those of the selected service [V2G20-1600]."""
    service = selection(session).service
    if service.bidirectional is not both:
        raise wrong(
            f"parameters of {'a' if both else 'no'} bidirectional service, selected is {service.name}"
        )


def _settle(session: Context, mode: EnergyMode, found: EvLimits) -> None:
    """Departure, energy and number of steps come with ScheduleExchangeReq; until then as before."""
    before = session.parameters
    session.parameters = ChargeParameters(
        mode=mode,
        limits=found,
        departure=None if before is None else before.departure,
        max_steps=1024 if before is None else before.max_steps,
        energy=None if before is None else before.energy,
        departure_at=None if before is None else before.departure_at,
    )


def _maximum(most: RationalNumber, least: RationalNumber, name: str) -> Milli:
    found = Milli(numbers.down(most))
    _check_range(found, numbers.up(least), name)
    return found


def _check_range(most: int, least: int, name: str) -> None:
    """Above zero, not beyond what any vehicle has, and not below the minimum."""
    if not 0 < most <= _PLAUSIBLE[name]:
        raise wrong(f"the highest {name} is {most / 1000:g}")
    if least > most:
        raise wrong(f"the lowest {name} is {least / 1000:g}, the highest {most / 1000:g}")


def _discharge(most: RationalNumber, least: RationalNumber, name: str) -> DischargeLimit:
    """A discharge limit with either sign; more than any vehicle has counts as that much."""
    found, lowest = wire.magnitude(most), wire.magnitude(least)
    if lowest > found:
        raise wrong(f"the lowest discharge {name} is {lowest / 1000:g}, the highest {found / 1000:g}")
    return DischargeLimit(min(found, _PLAUSIBLE[f"charge {name}"]))


_PLAUSIBLE = {"charge power": 20_000_000_000, "charge current": 10_000_000, "voltage": 10_000_000}
"""mW, mA, mV."""
