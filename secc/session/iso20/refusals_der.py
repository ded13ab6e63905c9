"""The negative responses of AC_DER_IEC; those that it has in common with AC are in `refusals`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secc.messages import iso20_ac_der_iec as m
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import RationalNumber, ResponseCode
from secc.session.iso20 import refusals
from secc.session.iso20.header import head

if TYPE_CHECKING:
    from secc.session.context import Context

PAIRS_DER: dict[type[Any], type[Any]] = {**common.PAIRS, **m.PAIRS, **dc.PAIRS}
"""Each request with its response, all sets that a session in this namespace may carry."""

_NONE = RationalNumber(exponent=0, value=0)
_CHARGE = {
    "evse_maximum_charge_power": _NONE,
    "evse_minimum_charge_power": _NONE,
    "evse_nominal_frequency": RationalNumber(exponent=0, value=50),
}


def refusal(session: Context, request: object, code: ResponseCode) -> object:
    """The response paired with the request, carrying this code."""
    if isinstance(request, m.ACChargeParameterDiscoveryReq):
        return m.ACChargeParameterDiscoveryRes(
            header=head(session),
            response_code=code,
            ac_cpd_res_energy_transfer_mode=_parameters(request.ac_cpd_req_energy_transfer_mode),
        )
    if isinstance(request, m.ACChargeLoopReq):
        mode = _loop(request.cl_req_control_mode)
        return m.ACChargeLoopRes(header=head(session), response_code=code, cl_res_control_mode=mode)
    return refusals.refusal(session, request, code)


def _parameters(
    asked: object,
) -> m.ACCPDResEnergyTransferMode | m.BPTACCPDResEnergyTransferMode | m.DERACCPDResEnergyTransferMode:
    """In the variant of the request [V2G20-1600]."""
    if isinstance(asked, m.DERACCPDReqEnergyTransferMode):
        return m.DERACCPDResEnergyTransferMode(
            **_CHARGE,
            evse_nominal_charge_power=_NONE,
            evse_nominal_discharge_power=_NONE,
            evse_maximum_discharge_power=_NONE,
            ev_operating_mode=m.EvOperatingMode.GRID_FOLLOWING,
            grid_connection_mode=m.GridConnectionMode.GRID_CONNECTED,
            der_control=m.DERControl(),
        )
    if isinstance(asked, m.BPTACCPDReqEnergyTransferMode):
        return m.BPTACCPDResEnergyTransferMode(
            **_CHARGE, evse_maximum_discharge_power=_NONE, evse_minimum_discharge_power=_NONE
        )
    return m.ACCPDResEnergyTransferMode(**_CHARGE)


_Loop = (
    m.ScheduledACCLResControlMode
    | m.BPTScheduledACCLResControlMode
    | m.DERScheduledACCLResControlMode
    | m.DynamicACCLResControlMode
    | m.BPTDynamicACCLResControlMode
    | m.DERDynamicACCLResControlMode
)


def _loop(asked: object) -> _Loop:
    """In control mode and variant of the request, and with no power [V2G20-1600] [V2G20-2315]."""
    match asked:
        case m.DERDynamicACCLReqControlMode():
            return m.DERDynamicACCLResControlMode(
                evse_target_active_power=_NONE,
                evse_maximum_charge_power=_NONE,
                evse_maximum_discharge_power=_NONE,
            )
        case m.DERScheduledACCLReqControlMode():
            return m.DERScheduledACCLResControlMode(
                evse_maximum_charge_power=_NONE, evse_maximum_discharge_power=_NONE
            )
        case m.BPTDynamicACCLReqControlMode():
            return m.BPTDynamicACCLResControlMode(evse_target_active_power=_NONE)
        case m.DynamicACCLReqControlMode():
            return m.DynamicACCLResControlMode(evse_target_active_power=_NONE)
        case m.BPTScheduledACCLReqControlMode():
            return m.BPTScheduledACCLResControlMode()
        case _:
            return m.ScheduledACCLResControlMode()
