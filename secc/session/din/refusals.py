"""The negative response that belongs to each request of DIN SPEC 70121 [V2G-DC-539].

Every mandatory element is there and schema-valid; the EV looks at the code only. Requests about contracts and
AC exist in the schema, and so have an answer, but no state in which they are legal.
"""

from __future__ import annotations

from collections.abc import Callable

from secc.messages import din
from secc.messages.din import EVSEProcessing, ResponseCode
from secc.session.context import Context
from secc.session.din import status
from secc.session.refusals import Cause, Refused


class DinRefused(Refused):
    """Raised by the handlers of DIN SPEC 70121, with a response code of DIN SPEC 70121."""

    code: ResponseCode

    def __init__(self, code: ResponseCode, why: str) -> None:
        super().__init__(Cause.FAILED, why)
        self.code = code


CODES = {
    Cause.FAILED: ResponseCode.FAILED,
    Cause.SEQUENCE: ResponseCode.FAILED_SEQUENCE_ERROR,
    Cause.UNKNOWN_SESSION: ResponseCode.FAILED_UNKNOWN_SESSION,
    Cause.PARAMETERS: ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    Cause.ENERGY_MODE: ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE,
    Cause.NOT_APPLIED: ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED,
    Cause.CONTACTOR: ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED,
    Cause.SCHEDULE: ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    Cause.PROFILE: ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
}
"""The response code for what the shared part objects to."""


def refusal(session: Context, request: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    """The response paired with the request, carrying this code."""
    return _REFUSALS[din.PAIRS[type(request)]](session, request, code)


def _session_setup(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.SessionSetupRes(response_code=code, evse_id=status.evse_id(session))


def _service_discovery(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return services(session, code)


def services(session: Context, code: ResponseCode) -> din.ServiceDiscoveryRes:
    """External payment and the charge service, nothing else [V2G-DC-252] [V2G-DC-634]."""
    return din.ServiceDiscoveryRes(
        response_code=code,
        payment_options=din.PaymentOptions(payment_option=(din.PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=status.charge_service(session),
    )


def _service_detail(_: Context, request: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    service_id = request.service_id if isinstance(request, din.ServiceDetailReq) else status.CHARGE_SERVICE
    return din.ServiceDetailRes(response_code=code, service_id=service_id)


def _selection(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.ServicePaymentSelectionRes(response_code=code)


def _payment_details(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.PaymentDetailsRes(response_code=code, gen_challenge="", date_time_now=session.unix_time)


def _authentication(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.ContractAuthenticationRes(response_code=code, evse_processing=EVSEProcessing.FINISHED)


def _charge_parameters(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.ChargeParameterDiscoveryRes(
        response_code=code,
        evse_processing=EVSEProcessing.FINISHED,
        sa_schedules=status.placeholder(session),
        evse_charge_parameter=status.charge_parameter(session),
    )


def _ac_status() -> din.ACEVSEStatus:
    return din.ACEVSEStatus(
        power_switch_closed=False,
        rcd=False,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    )


def _metering_receipt(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.MeteringReceiptRes(response_code=code, ac_evse_status=_ac_status())


def _charging_status(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.ChargingStatusRes(
        response_code=code,
        evse_id=status.evse_id(session),
        sa_schedule_tuple_id=session.schedule_id,
        receipt_required=False,
        ac_evse_status=_ac_status(),
    )


def _session_stop(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.SessionStopRes(response_code=code)


def _certificate_update(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.CertificateUpdateRes(
        id="id1",
        response_code=code,
        contract_signature_cert_chain=din.CertificateChain(certificate=b"\0"),
        contract_signature_encrypted_private_key=bytes(1),
        dh_params=bytes(1),
        contract_id="0",
        retry_counter=0,
    )


def _certificate_installation(_: Context, __: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.CertificateInstallationRes(
        id="id1",
        response_code=code,
        contract_signature_cert_chain=din.CertificateChain(certificate=b"\0"),
        contract_signature_encrypted_private_key=bytes(1),
        dh_params=bytes(1),
        contract_id="0",
    )


def _current_demand(session: Context, _: din.BodyElement, code: ResponseCode) -> din.BodyElement:
    return din.CurrentDemandRes(
        response_code=code,
        dc_evse_status=status.evse_status(session),
        evse_present_voltage=status.present_voltage(session),
        evse_present_current=status.present_current(session),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
    )


_REFUSALS: dict[type, Callable[[Context, din.BodyElement, ResponseCode], din.BodyElement]] = {
    din.SessionSetupRes: _session_setup,
    din.ServiceDiscoveryRes: _service_discovery,
    din.ServiceDetailRes: _service_detail,
    din.ServicePaymentSelectionRes: _selection,
    din.PaymentDetailsRes: _payment_details,
    din.ContractAuthenticationRes: _authentication,
    din.ChargeParameterDiscoveryRes: _charge_parameters,
    din.PowerDeliveryRes: lambda session, _, code: status.power_delivery(session, code),
    din.ChargingStatusRes: _charging_status,
    din.MeteringReceiptRes: _metering_receipt,
    din.SessionStopRes: _session_stop,
    din.CertificateUpdateRes: _certificate_update,
    din.CertificateInstallationRes: _certificate_installation,
    din.CableCheckRes: lambda session, _, code: status.cable_check(session, code=code),
    din.PreChargeRes: lambda session, _, code: status.pre_charge(session, code),
    din.CurrentDemandRes: _current_demand,
    din.WeldingDetectionRes: lambda session, _, code: status.welding_detection(session, code),
}
