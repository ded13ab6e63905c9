"""How the station presents itself in a response: status, limits, measurements."""

from __future__ import annotations

import math

from secc.messages import iso2
from secc.messages.iso2 import DCEVSEStatusCode, EVSENotification
from secc.session import isolation, limits
from secc.session.context import Agreed
from secc.session.iso2 import wire
from secc.session.iso2.wire import WH, A, V, W
from secc.session.outlet import EvseFault, IsolationLevel, MeterReading
from secc.session.quantities import milli


def ac_status(session: Agreed) -> iso2.ACEVSEStatus:
    """AC_EVSEStatus."""
    delay, notification = _notification(session)
    return iso2.ACEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        rcd=session.fault is EvseFault.RESIDUAL_CURRENT,
    )


def dc_status(session: Agreed) -> iso2.DCEVSEStatus:
    """DC_EVSEStatus with the code of the present state or fault [V2G2-366]."""
    delay, notification = _notification(session)
    return iso2.DCEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        evse_isolation_status=_LEVELS[isolation.level(session)],
        evse_status_code=_status_code(session),
    )


_LEVELS = {level: iso2.IsolationLevel(level.value) for level in IsolationLevel}


def evse_status(session: Agreed) -> iso2.ACEVSEStatus | iso2.DCEVSEStatus:
    """EVSEStatus of the kind in use."""
    return dc_status(session) if session.is_dc else ac_status(session)


def charge_parameter(session: Agreed, *, dc: bool) -> iso2.ACEVSEChargeParameter | iso2.DCEVSEChargeParameter:
    """EVSEChargeParameter: what the outlet can deliver now."""
    if not dc:
        return iso2.ACEVSEChargeParameter(
            ac_evse_status=ac_status(session),
            evse_nominal_voltage=wire.limit(milli(session.config.energy.ac.nominal_voltage), V),
            evse_max_current=wire.limit(limits.ac_current(session), A),
        )
    config = session.config.energy.dc
    tolerance = config.current_regulation_tolerance
    energy = limits.deliverable(session) if config.tell_energy else None
    can = limits.dc(session)
    return iso2.DCEVSEChargeParameter(
        dc_evse_status=dc_status(session),
        evse_maximum_current_limit=wire.limit(can.current.upper, A),
        evse_maximum_power_limit=wire.limit(can.power.upper, W),
        evse_maximum_voltage_limit=wire.limit(can.voltage, V),
        evse_minimum_current_limit=wire.measured(config.min_current, A),
        evse_minimum_voltage_limit=wire.measured(config.min_voltage, V),
        evse_current_regulation_tolerance=(None if tolerance is None else wire.measured(tolerance, A)),
        evse_peak_current_ripple=wire.measured(config.peak_current_ripple, A),
        evse_energy_to_be_delivered=None if energy is None else wire.limit(energy, WH),
    )


def present_voltage(session: Agreed) -> iso2.PhysicalValue:
    """EVSEPresentVoltage."""
    return wire.measured(session.evse.present_voltage, V)


def present_current(session: Agreed) -> iso2.PhysicalValue:
    """EVSEPresentCurrent."""
    return wire.measured(session.evse.present_current, A)


def meter_info(session: Agreed) -> iso2.MeterInfo | None:
    """MeterInfo, when there is a fresh reading [V2G2-902] [INV-33]."""
    meter = session.evse.meter
    return None if meter is None or not session.config.energy.meter_info else meter_info_of(meter)


def meter_info_of(meter: MeterReading) -> iso2.MeterInfo:
    """A reading of the meter as the EV gets it."""
    return iso2.MeterInfo(
        meter_id=meter.meter_id,
        meter_reading=meter.energy,
        sig_meter_reading=meter.signature,
        meter_status=meter.status,
        t_meter=meter.utc,
    )


def _notification(session: Agreed) -> tuple[int, EVSENotification]:
    """NotificationMaxDelay and EVSENotification. An ordered stop wins over a renegotiation [V2G2-841]."""
    if session.stop is not None:
        return min(max(0, math.ceil(session.stop.due - session.now)), 65535), EVSENotification.STOP_CHARGING
    if session.interrupted:
        return 0, EVSENotification.STOP_CHARGING
    if session.renegotiation_wanted or session.offer_outdated:
        return 0, EVSENotification.RE_NEGOTIATION
    return 0, EVSENotification.NONE


def _status_code(session: Agreed) -> DCEVSEStatusCode:
    if session.fault is EvseFault.EMERGENCY_STOP:
        return DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
    if session.fault is not None:
        return DCEVSEStatusCode.EVSE_MALFUNCTION
    if session.stop is not None or session.interrupted:
        return DCEVSEStatusCode.EVSE_SHUTDOWN
    if isolation.runs(session):
        return DCEVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE
    if not session.evse.ready:
        return DCEVSEStatusCode.EVSE_NOT_READY
    return DCEVSEStatusCode.EVSE_READY


# --- responses with the status only, for every code --------------------------------------------------------


def cable_check(
    session: Agreed,
    processing: iso2.EVSEProcessing = iso2.EVSEProcessing.FINISHED,
    code: iso2.ResponseCode = iso2.ResponseCode.OK,
) -> iso2.CableCheckRes:
    """CableCheckRes."""
    return iso2.CableCheckRes(
        response_code=code, dc_evse_status=dc_status(session), evse_processing=processing
    )


def pre_charge(session: Agreed, code: iso2.ResponseCode = iso2.ResponseCode.OK) -> iso2.PreChargeRes:
    """PreChargeRes."""
    return iso2.PreChargeRes(
        response_code=code,
        dc_evse_status=dc_status(session),
        evse_present_voltage=present_voltage(session),
    )


def power_delivery(session: Agreed, code: iso2.ResponseCode = iso2.ResponseCode.OK) -> iso2.PowerDeliveryRes:
    """PowerDeliveryRes."""
    return iso2.PowerDeliveryRes(response_code=code, evse_status=evse_status(session))


def welding_detection(
    session: Agreed, code: iso2.ResponseCode = iso2.ResponseCode.OK
) -> iso2.WeldingDetectionRes:
    """WeldingDetectionRes."""
    return iso2.WeldingDetectionRes(
        response_code=code,
        dc_evse_status=dc_status(session),
        evse_present_voltage=present_voltage(session),
    )
