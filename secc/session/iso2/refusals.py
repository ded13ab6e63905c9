"""The negative response that belongs to each request.

The EV ignores everything in it but the code [V2G2-735], still every mandatory element is there and
schema-valid [V2G2-736]: with the real values of the station where it may give them, else a placeholder that
cannot be mistaken for a certificate, a key or a challenge.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.session.context import Context
from secc.session.contract_events import ContractRefused
from secc.session.iso2 import services, status
from secc.session.refusals import Cause, Refused
from secc.settings.services import CHARGE_SERVICE, Payment


class Iso2Refused(Refused):
    """Raised by the handlers of ISO 15118-2, with a response code of ISO 15118-2."""

    code: ResponseCode

    def __init__(self, code: ResponseCode, why: str, record: ContractRefused | None = None) -> None:
        super().__init__(Cause.FAILED, why, record)
        self.code = code


CODES = {
    Cause.FAILED: ResponseCode.FAILED,
    Cause.SEQUENCE: ResponseCode.FAILED_SEQUENCE_ERROR,
    Cause.UNKNOWN_SESSION: ResponseCode.FAILED_UNKNOWN_SESSION,
    Cause.PARAMETERS: ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    Cause.ENERGY_MODE: ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE,
    Cause.NOT_APPLIED: ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED,
    Cause.CONTACTOR: ResponseCode.FAILED_CONTACTOR_ERROR,
    Cause.SCHEDULE: ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    Cause.PROFILE: ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
}
"""The response code for what the shared part objects to."""


def unrecorded(session: Context, request: object, code: enum.StrEnum, why: str) -> ContractRefused | None:
    """The record of a refusal about a contract that its handler has not made: none is refused in silence.

    What was decided about the contract before, or ordered by the operator, has been recorded then.
    """
    decided = session.stop is not None or (session.grant is not None and session.grant.refused)
    by_contract = session.payment is Payment.CONTRACT and not decided
    match request:
        case iso2.PaymentServiceSelectionReq(selected_payment_option=iso2.PaymentOption.CONTRACT):
            about = True
        case iso2.AuthorizationReq() | iso2.MeteringReceiptReq():
            about = by_contract
        case _:
            about = isinstance(request, _CONTRACT_STEPS)
    return ContractRefused(type(request).__name__, code, code.value, why, _who(session)) if about else None


_CONTRACT_STEPS = (iso2.PaymentDetailsReq, iso2.CertificateInstallationReq, iso2.CertificateUpdateReq)


def _who(session: Context) -> str:
    side = session.pnc
    shown = side.payer or side.claim or side.revocation_question
    return "" if shown is None else str(shown.contract.emaid)


def refusal(session: Context, request: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    """The response paired with the request, carrying this code."""
    return _REFUSALS[iso2.PAIRS[type(request)]](session, request, code)


def _session_setup(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.SessionSetupRes(response_code=code, evse_id=session.config.evse_id)


def _service_discovery(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return services.discovery(session, code)


def _service_detail(_: Context, request: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    service_id = request.service_id if isinstance(request, iso2.ServiceDetailReq) else CHARGE_SERVICE
    return iso2.ServiceDetailRes(response_code=code, service_id=service_id)


def _selection(_: Context, __: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.PaymentServiceSelectionRes(response_code=code)


def _payment_details(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.PaymentDetailsRes(
        response_code=code, gen_challenge=bytes(16), evse_time_stamp=session.unix_time
    )


def _authorization(_: Context, __: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.AuthorizationRes(response_code=code, evse_processing=EVSEProcessing.FINISHED)


def _charge_parameters(session: Context, request: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    dc = session.config.energy.offers_dc
    if dc and session.config.energy.offers_ac and isinstance(request, iso2.ChargeParameterDiscoveryReq):
        dc = isinstance(request.ev_charge_parameter, iso2.DCEVChargeParameter)
    return iso2.ChargeParameterDiscoveryRes(
        response_code=code,
        evse_processing=EVSEProcessing.FINISHED,
        evse_charge_parameter=status.charge_parameter(session, dc=dc),
    )


def _metering_receipt(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.MeteringReceiptRes(response_code=code, evse_status=status.evse_status(session))


def _session_stop(_: Context, __: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.SessionStopRes(response_code=code)


def _certificate_update(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.CertificateUpdateRes(
        response_code=code,
        sa_provisioning_certificate_chain=iso2.CertificateChain(certificate=b"\0"),
        contract_signature_cert_chain=iso2.CertificateChain(id="id1", certificate=b"\0"),
        contract_signature_encrypted_private_key=iso2.ContractSignatureEncryptedPrivateKey(
            id="id2", value=bytes(48)
        ),
        dh_public_key=iso2.DiffieHellmanPublickey(id="id3", value=bytes(65)),
        emaid=iso2.EMAID(id="id4", value="00000000000000"),
        retry_counter=session.pnc.retry_counter,  # 0: not before the next charging [V2G2-696] [V2G2-928]
    )


def _certificate_installation(_: Context, __: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.CertificateInstallationRes(
        response_code=code,
        sa_provisioning_certificate_chain=iso2.CertificateChain(certificate=b"\0"),
        contract_signature_cert_chain=iso2.CertificateChain(id="id1", certificate=b"\0"),
        contract_signature_encrypted_private_key=iso2.ContractSignatureEncryptedPrivateKey(
            id="id2", value=bytes(48)
        ),
        dh_public_key=iso2.DiffieHellmanPublickey(id="id3", value=bytes(65)),
        emaid=iso2.EMAID(id="id4", value="00000000000000"),
    )


def _charging_status(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.ChargingStatusRes(
        response_code=code,
        evse_id=session.config.evse_id,
        sa_schedule_tuple_id=session.schedule_id,
        receipt_required=False,
        ac_evse_status=status.ac_status(session),
    )


def _current_demand(session: Context, _: iso2.BodyElement, code: ResponseCode) -> iso2.BodyElement:
    return iso2.CurrentDemandRes(
        response_code=code,
        dc_evse_status=status.dc_status(session),
        evse_present_voltage=status.present_voltage(session),
        evse_present_current=status.present_current(session),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_id=session.config.evse_id,
        sa_schedule_tuple_id=session.schedule_id,
    )


_REFUSALS: dict[type, Callable[[Context, iso2.BodyElement, ResponseCode], iso2.BodyElement]] = {
    iso2.SessionSetupRes: _session_setup,
    iso2.ServiceDiscoveryRes: _service_discovery,
    iso2.ServiceDetailRes: _service_detail,
    iso2.PaymentServiceSelectionRes: _selection,
    iso2.PaymentDetailsRes: _payment_details,
    iso2.AuthorizationRes: _authorization,
    iso2.ChargeParameterDiscoveryRes: _charge_parameters,
    iso2.PowerDeliveryRes: lambda session, _, code: status.power_delivery(session, code),
    iso2.MeteringReceiptRes: _metering_receipt,
    iso2.SessionStopRes: _session_stop,
    iso2.CertificateUpdateRes: _certificate_update,
    iso2.CertificateInstallationRes: _certificate_installation,
    iso2.ChargingStatusRes: _charging_status,
    iso2.CableCheckRes: lambda session, _, code: status.cable_check(session, code=code),
    iso2.PreChargeRes: lambda session, _, code: status.pre_charge(session, code),
    iso2.CurrentDemandRes: _current_demand,
    iso2.WeldingDetectionRes: lambda session, _, code: status.welding_detection(session, code),
}
