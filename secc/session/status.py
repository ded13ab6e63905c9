"""How the station presents itself in a response: status, limits, measurements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from secc.config import Payment
from secc.messages import iso2
from secc.messages.iso2 import DCEVSEStatusCode, EVSENotification, UnitSymbol
from secc.pki.provisioning import Action
from secc.session import limits, quantities
from secc.session.events import EvseFault

if TYPE_CHECKING:
    from secc.session.machine import Session


def ac_status(session: Session) -> iso2.ACEVSEStatus:
    """AC_EVSEStatus."""
    delay, notification = _notification(session)
    return iso2.ACEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        rcd=session.fault is EvseFault.RESIDUAL_CURRENT,
    )


def dc_status(session: Session) -> iso2.DCEVSEStatus:
    """DC_EVSEStatus with the code of the present state or fault [V2G2-366]."""
    delay, notification = _notification(session)
    test = session.cable_test
    level = session.evse.isolation if test is None or test.level is None else test.level
    return iso2.DCEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        evse_isolation_status=iso2.IsolationLevel(level.value),
        evse_status_code=_status_code(session),
    )


def evse_status(session: Session) -> iso2.ACEVSEStatus | iso2.DCEVSEStatus:
    """EVSEStatus of the kind in use."""
    return dc_status(session) if session.is_dc else ac_status(session)


def charge_parameter(
    session: Session, *, dc: bool
) -> iso2.ACEVSEChargeParameter | iso2.DCEVSEChargeParameter:
    """EVSEChargeParameter: what the outlet can deliver now."""
    if not dc:
        return iso2.ACEVSEChargeParameter(
            ac_evse_status=ac_status(session),
            evse_nominal_voltage=quantities.limit(
                quantities.decimal(session.config.energy.ac.nominal_voltage), UnitSymbol.V
            ),
            evse_max_current=quantities.limit(limits.ac_current(session), UnitSymbol.A),
        )
    config = session.config.energy.dc
    tolerance = config.current_regulation_tolerance
    return iso2.DCEVSEChargeParameter(
        dc_evse_status=dc_status(session),
        evse_maximum_current_limit=quantities.limit(limits.current(session), UnitSymbol.A),
        evse_maximum_power_limit=quantities.limit(limits.power(session), UnitSymbol.W),
        evse_maximum_voltage_limit=quantities.limit(limits.voltage(session), UnitSymbol.V),
        evse_minimum_current_limit=quantities.measured(config.min_current, UnitSymbol.A),
        evse_minimum_voltage_limit=quantities.measured(config.min_voltage, UnitSymbol.V),
        evse_current_regulation_tolerance=(
            None if tolerance is None else quantities.measured(tolerance, UnitSymbol.A)
        ),
        evse_peak_current_ripple=quantities.measured(config.peak_current_ripple, UnitSymbol.A),
    )


def services(
    session: Session, code: iso2.ResponseCode, *, value_added: bool = False
) -> iso2.ServiceDiscoveryRes:
    """ServiceDiscoveryRes: the charge service, and the certificate service where it is offered [V2G2-416]."""
    config = session.config
    options = session.payment_options or (Payment.EXTERNAL,)  # a placeholder in a refusal
    return iso2.ServiceDiscoveryRes(
        response_code=code,
        payment_option_list=iso2.PaymentOptionList(
            payment_option=tuple(iso2.PaymentOption(option) for option in options)
        ),
        charge_service=iso2.ChargeService(
            service_id=CHARGE_SERVICE,
            service_category=iso2.ServiceCategory.EV_CHARGING,
            free_service=config.service.free,
            supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(
                energy_transfer_mode=tuple(iso2.EnergyTransferMode(mode) for mode in config.energy.modes)
            ),
        ),
        service_list=_CERTIFICATE_LIST if value_added and certificate_sets(session) else None,
    )


CHARGE_SERVICE = 1
"""ServiceID of AC and DC charging [V2G2-417]."""

CERTIFICATE_SERVICE = 2
"""ServiceID of the certificate service [V2G2-410] [V2G2-417]."""

_CERTIFICATE_LIST = iso2.ServiceList(
    service=(
        iso2.Service(
            service_id=CERTIFICATE_SERVICE,
            service_name="Certificate",
            service_category=iso2.ServiceCategory.CONTRACT_CERTIFICATE,
            free_service=True,
        ),
    )
)


def certificate_sets(session: Session) -> dict[int, Action]:
    """Parameter sets of the certificate service, empty where it is not offered [V2G2-428].

    Over TLS only, together with contracts, and as far as a back end provides it [V2G2-632] [V2G2-634].
    """
    if Payment.CONTRACT not in session.payment_options or session.contracts is None:
        return {}
    config = session.config.pnc
    wanted = {1: config.certificate_service, 2: config.certificate_service and config.certificate_update}
    actions = {1: Action.INSTALL, 2: Action.UPDATE}
    return {
        number: action
        for number, action in actions.items()
        if wanted[number] and action in session.contracts.provisions
    }


def parameter_list(sets: dict[int, Action]) -> iso2.ServiceParameterList:
    """The parameter sets as a message carries them."""
    names = {Action.INSTALL: "Installation", Action.UPDATE: "Update"}
    return iso2.ServiceParameterList(
        parameter_set=tuple(
            iso2.ParameterSet(
                parameter_set_id=number,
                parameter=(iso2.Parameter(name="Service", string_value=names[action]),),
            )
            for number, action in sets.items()
        )
    )


def present_voltage(session: Session) -> iso2.PhysicalValue:
    """EVSEPresentVoltage."""
    return quantities.measured(session.evse.present_voltage, UnitSymbol.V)


def present_current(session: Session) -> iso2.PhysicalValue:
    """EVSEPresentCurrent."""
    return quantities.measured(session.evse.present_current, UnitSymbol.A)


def meter_info(session: Session) -> iso2.MeterInfo | None:
    """MeterInfo, when there is a fresh reading [V2G2-902] [INV-33]."""
    meter = session.evse.meter
    if meter is None or not session.config.energy.meter_info:
        return None
    return iso2.MeterInfo(
        meter_id=meter.meter_id,
        meter_reading=meter.energy,
        sig_meter_reading=meter.signature,
        meter_status=meter.status,
        t_meter=meter.utc,
    )


def _notification(session: Session) -> tuple[int, EVSENotification]:
    """NotificationMaxDelay and EVSENotification. An ordered stop wins over a renegotiation [V2G2-841]."""
    if session.stop is not None:
        return min(max(0, math.ceil(session.stop.due - session.now)), 65535), EVSENotification.STOP_CHARGING
    if session.interrupted:
        return 0, EVSENotification.STOP_CHARGING
    if session.renegotiation_wanted:
        return 0, EVSENotification.RE_NEGOTIATION
    return 0, EVSENotification.NONE


def _status_code(session: Session) -> DCEVSEStatusCode:
    if session.fault is EvseFault.EMERGENCY_STOP:
        return DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
    if session.fault is not None:
        return DCEVSEStatusCode.EVSE_MALFUNCTION
    if session.stop is not None or session.interrupted:
        return DCEVSEStatusCode.EVSE_SHUTDOWN
    if session.cable_test is not None and session.cable_test.level is None:
        return DCEVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE
    if not session.evse.ready:
        return DCEVSEStatusCode.EVSE_NOT_READY
    return DCEVSEStatusCode.EVSE_READY
