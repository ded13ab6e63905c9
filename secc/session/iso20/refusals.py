"""The negative response that belongs to each request, and how a handler asks for one.

The EV looks at the code only. Every compulsory element is there and valid [V2G20-736], with zero where a
value could be mistaken for an offer. A FAILED_… ends the session on both sides. A WARNING_… is answered the
same way, and the session goes on in the state it is in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import Processing, RationalNumber, ResponseCode
from secc.session.contract_events import ContractRefused
from secc.session.iso20.header import head
from secc.session.iso20.side import side
from secc.session.refusals import Cause, Refused, Warned
from secc.session.states import Stage

if TYPE_CHECKING:
    from secc.session.context import Context

PAIRS: dict[type[Any], type[Any]] = {**m.PAIRS, **ac.PAIRS, **dc.PAIRS}
"""Each request with its response, all sets that a session may carry: a message of the wrong set is refused in
its own pair."""

CODES: dict[Cause, ResponseCode] = {
    Cause.FAILED: ResponseCode.FAILED,
    Cause.SEQUENCE: ResponseCode.FAILED_SEQUENCE_ERROR,  # [V2G20-459]
    Cause.UNKNOWN_SESSION: ResponseCode.FAILED_UNKNOWN_SESSION,  # [V2G20-460] [V2G20-753]
    Cause.PARAMETERS: ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,  # [V2G20-1619] [V2G20-2272] [V2G20-2314]
    Cause.ENERGY_MODE: ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    Cause.NOT_APPLIED: ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED,
    Cause.CONTACTOR: ResponseCode.FAILED_CONTACTOR_ERROR,
    Cause.SCHEDULE: ResponseCode.FAILED_SCHEDULE_SELECTION_INVALID,  # [V2G20-479]
    Cause.PROFILE: ResponseCode.FAILED_EV_POWER_PROFILE_INVALID,  # [V2G20-478]
}
"""What the shared part objects to, as codes of ISO 15118-20."""


class Iso20Refused(Refused):
    """A handler refuses with a code of ISO 15118-20; the session ends."""

    def __init__(self, code: ResponseCode, why: str, record: ContractRefused | None = None) -> None:
        super().__init__(Cause.FAILED, why, record)
        self.code = code


class Iso20Warned(Warned):
    """A handler refuses with a WARNING; the session goes on in the state it is in, or in `state`."""

    def __init__(
        self,
        code: ResponseCode,
        why: str,
        state: Stage | None = None,
        record: ContractRefused | None = None,
    ) -> None:
        super().__init__(code, why, state)
        self.record = record


def wrong(why: str) -> Iso20Refused:
    """The refusal of charge parameters that make no sense."""
    return Iso20Refused(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, why)


def refusal(session: Context, request: object, code: ResponseCode) -> object:
    """The response paired with the request, carrying this code."""
    return _REFUSALS[type(request)](session, request, code)


# Any: elements that several message classes have alike, by their names.
Elements = dict[str, Any]

_Refusal = Callable[["Context", object, ResponseCode], object]
_NONE = RationalNumber(exponent=0, value=0)


def _bare(response: type[Any]) -> _Refusal:
    """A response with nothing in it but header and code."""
    return lambda session, _, code: response(header=head(session), response_code=code)


def _session_setup(session: Context, _: object, code: ResponseCode) -> object:
    return m.SessionSetupRes(header=head(session), response_code=code, evse_id=session.config.evse_id)


def _authorization_setup(session: Context, _: object, code: ResponseCode) -> object:
    return m.AuthorizationSetupRes(
        header=head(session),
        response_code=code,
        authorization_services=(m.Authorization.EIM,),
        certificate_installation_service=False,
        eim_as_res_authorization_mode=m.EIMASResAuthorizationMode(),
    )


def _authorization(session: Context, _: object, code: ResponseCode) -> object:
    """A refusal and a warning are both the end of the attempt [V2G20-2226] [V2G20-2230]."""
    return m.AuthorizationRes(header=head(session), response_code=code, evse_processing=Processing.FINISHED)


def _service_discovery(session: Context, _: object, code: ResponseCode) -> object:
    offer = side(session).offer
    service = m.Service(service_id=2 if side(session).dc else 1, free_service=session.config.service.free)
    return m.ServiceDiscoveryRes(
        header=head(session),
        response_code=code,
        service_renegotiation_supported=offer is not None and offer.renegotiable,
        energy_transfer_service_list=m.ServiceList(service=(service,)),
    )


def _service_detail(session: Context, request: object, code: ResponseCode) -> object:
    nothing = m.ParameterSet(parameter_set_id=0, parameter=(m.Parameter(name="none", int_value=0),))
    return m.ServiceDetailRes(
        header=head(session),
        response_code=code,
        service_id=getattr(request, "service_id", 0),
        service_parameter_list=m.ServiceParameterList(parameter_set=(nothing,)),
    )


def _schedule_exchange(session: Context, request: object, code: ResponseCode) -> object:
    dynamic = isinstance(request, m.ScheduleExchangeReq) and request.dynamic_se_req_control_mode is not None
    return m.ScheduleExchangeRes(
        header=head(session),
        response_code=code,
        evse_processing=Processing.FINISHED,
        dynamic_se_res_control_mode=m.DynamicSEResControlMode() if dynamic else None,
        scheduled_se_res_control_mode=None if dynamic else no_schedule(),
    )


def no_schedule() -> m.ScheduledSEResControlMode:
    """The schedule of a response that offers none: no power at all."""
    entry = m.PowerScheduleEntry(duration=1, power=_NONE)
    power = m.PowerSchedule(
        time_anchor=0, power_schedule_entries=m.PowerScheduleEntryList(power_schedule_entry=(entry,))
    )
    charging = m.ChargingSchedule(power_schedule=power)
    return m.ScheduledSEResControlMode(
        schedule_tuple=(m.ScheduleTuple(schedule_tuple_id=1, charging_schedule=charging),)
    )


def no_certificate(
    session: Context, code: ResponseCode, processing: Processing = Processing.FINISHED
) -> m.CertificateInstallationRes:
    """CertificateInstallationRes without a contract: its placeholders can be mistaken for no certificate and
    no key [V2G20-2202]."""
    chain = m.ContractCertificateChain(
        certificate=b"\0", sub_certificates=m.SubCertificates(certificate=(b"\0",))
    )
    return m.CertificateInstallationRes(
        header=head(session),
        response_code=code,
        evse_processing=processing,
        cps_certificate_chain=m.CertificateChain(certificate=b"\0"),
        signed_installation_data=m.SignedInstallationData(
            id="id1",
            contract_certificate_chain=chain,
            ecdh_curve=m.EcdhCurve.SECP521,
            dh_public_key=bytes(133),
            secp521_encrypted_private_key=bytes(94),
        ),
        remaining_contract_certificate_chains=0,
    )


def _certificate_installation(session: Context, _: object, code: ResponseCode) -> object:
    return no_certificate(session, code)


def _vehicle_check_out(session: Context, _: object, code: ResponseCode) -> object:
    status = m.EvseCheckOutStatus.COMPLETED
    return m.VehicleCheckOutRes(header=head(session), response_code=code, evse_check_out_status=status)


# --- AC and DC ---------------------------------------------------------------------------------------------


def _ac_parameters(session: Context, request: object, code: ResponseCode) -> object:
    """In the variant of the request [V2G20-1600]."""
    limits = {
        "evse_maximum_charge_power": _NONE,
        "evse_minimum_charge_power": _NONE,
        "evse_nominal_frequency": RationalNumber(exponent=0, value=50),
    }
    asked = getattr(request, "ac_cpd_req_energy_transfer_mode", None)
    mode: ac.ACCPDResEnergyTransferMode | ac.BPTACCPDResEnergyTransferMode
    if isinstance(asked, ac.BPTACCPDReqEnergyTransferMode):
        mode = ac.BPTACCPDResEnergyTransferMode(
            **limits, evse_maximum_discharge_power=_NONE, evse_minimum_discharge_power=_NONE
        )
    else:
        mode = ac.ACCPDResEnergyTransferMode(**limits)
    return ac.ACChargeParameterDiscoveryRes(
        header=head(session), response_code=code, ac_cpd_res_energy_transfer_mode=mode
    )


def _dc_parameters(session: Context, request: object, code: ResponseCode) -> object:
    limits = dict.fromkeys(
        (
            *("evse_maximum_charge_power", "evse_minimum_charge_power", "evse_maximum_charge_current"),
            *("evse_minimum_charge_current", "evse_maximum_voltage", "evse_minimum_voltage"),
        ),
        _NONE,
    )
    asked = getattr(request, "dc_cpd_req_energy_transfer_mode", None)
    mode: dc.DCCPDResEnergyTransferMode | dc.BPTDCCPDResEnergyTransferMode
    if isinstance(asked, dc.BPTDCCPDReqEnergyTransferMode):
        mode = dc.BPTDCCPDResEnergyTransferMode(
            **limits,
            evse_maximum_discharge_power=_NONE,
            evse_minimum_discharge_power=_NONE,
            evse_maximum_discharge_current=_NONE,
            evse_minimum_discharge_current=_NONE,
        )
    else:
        mode = dc.DCCPDResEnergyTransferMode(**limits)
    return dc.DCChargeParameterDiscoveryRes(
        header=head(session), response_code=code, dc_cpd_res_energy_transfer_mode=mode
    )


def _cable_check(session: Context, _: object, code: ResponseCode) -> object:
    return dc.DCCableCheckRes(header=head(session), response_code=code, evse_processing=Processing.FINISHED)


def _pre_charge(session: Context, _: object, code: ResponseCode) -> object:
    return dc.DCPreChargeRes(header=head(session), response_code=code, evse_present_voltage=_NONE)


def _welding_detection(session: Context, _: object, code: ResponseCode) -> object:
    return dc.DCWeldingDetectionRes(header=head(session), response_code=code, evse_present_voltage=_NONE)


_AcLoop = (
    ac.ScheduledACCLResControlMode
    | ac.BPTScheduledACCLResControlMode
    | ac.DynamicACCLResControlMode
    | ac.BPTDynamicACCLResControlMode
)
_DcLoop = (
    dc.ScheduledDCCLResControlMode
    | dc.BPTScheduledDCCLResControlMode
    | dc.DynamicDCCLResControlMode
    | dc.BPTDynamicDCCLResControlMode
)


def _ac_loop(session: Context, request: object, code: ResponseCode) -> object:
    """In control mode and variant of the request, and with no power [V2G20-1600] [V2G20-2315]."""
    mode: _AcLoop
    match getattr(request, "cl_req_control_mode", None):
        case ac.BPTDynamicACCLReqControlMode():
            mode = ac.BPTDynamicACCLResControlMode(evse_target_active_power=_NONE)
        case ac.DynamicACCLReqControlMode():
            mode = ac.DynamicACCLResControlMode(evse_target_active_power=_NONE)
        case ac.BPTScheduledACCLReqControlMode():
            mode = ac.BPTScheduledACCLResControlMode()
        case _:
            mode = ac.ScheduledACCLResControlMode()
    return ac.ACChargeLoopRes(header=head(session), response_code=code, cl_res_control_mode=mode)


def _dc_loop(session: Context, request: object, code: ResponseCode) -> object:
    charge: Elements = dict.fromkeys(
        (
            *("evse_maximum_charge_power", "evse_minimum_charge_power"),
            *("evse_maximum_charge_current", "evse_maximum_voltage"),
        ),
        _NONE,
    )
    discharge: Elements = dict.fromkeys(
        (
            *("evse_maximum_discharge_power", "evse_minimum_discharge_power"),
            *("evse_maximum_discharge_current", "evse_minimum_voltage"),
        ),
        _NONE,
    )
    mode: _DcLoop
    match getattr(request, "cl_req_control_mode", None):
        case dc.BPTDynamicDCCLReqControlMode():
            mode = dc.BPTDynamicDCCLResControlMode(**charge, **discharge)
        case dc.DynamicDCCLReqControlMode():
            mode = dc.DynamicDCCLResControlMode(**charge)
        case dc.BPTScheduledDCCLReqControlMode():
            mode = dc.BPTScheduledDCCLResControlMode()
        case _:
            mode = dc.ScheduledDCCLResControlMode()
    return dc.DCChargeLoopRes(
        header=head(session),
        response_code=code,
        evse_present_current=_NONE,
        evse_present_voltage=_NONE,
        evse_power_limit_achieved=False,
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        cl_res_control_mode=mode,
    )


_REFUSALS: dict[type[Any], _Refusal] = {
    m.SessionSetupReq: _session_setup,
    m.AuthorizationSetupReq: _authorization_setup,
    m.AuthorizationReq: _authorization,
    m.ServiceDiscoveryReq: _service_discovery,
    m.ServiceDetailReq: _service_detail,
    m.ServiceSelectionReq: _bare(m.ServiceSelectionRes),
    m.ScheduleExchangeReq: _schedule_exchange,
    m.PowerDeliveryReq: _bare(m.PowerDeliveryRes),
    m.MeteringConfirmationReq: _bare(m.MeteringConfirmationRes),
    m.SessionStopReq: _bare(m.SessionStopRes),
    m.CertificateInstallationReq: _certificate_installation,
    m.VehicleCheckInReq: _bare(m.VehicleCheckInRes),
    m.VehicleCheckOutReq: _vehicle_check_out,
    ac.ACChargeParameterDiscoveryReq: _ac_parameters,
    ac.ACChargeLoopReq: _ac_loop,
    dc.DCChargeParameterDiscoveryReq: _dc_parameters,
    dc.DCCableCheckReq: _cable_check,
    dc.DCPreChargeReq: _pre_charge,
    dc.DCChargeLoopReq: _dc_loop,
    dc.DCWeldingDetectionReq: _welding_detection,
}
"""By request."""
