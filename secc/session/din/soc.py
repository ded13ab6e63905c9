"""DIN SPEC 70121 without energy, to read the state of charge at an AC outlet; see `secc.session.soc`."""

from __future__ import annotations

import dataclasses

from secc.messages import din
from secc.messages.din import EVSEProcessing, ResponseCode
from secc.session import ending, output, soc
from secc.session.context import Context
from secc.session.dialect import On, at, each
from secc.session.din import handlers, status
from secc.session.din.refusals import DinRefused
from secc.session.din.states import DinState as S
from secc.session.din.table import DIN
from secc.session.states import Stage


def session_setup(session: Context, request: din.SessionSetupReq) -> Stage:
    """As always, and the time for the reading begins."""
    soc.begun(session)
    return handlers.session_setup(session, request)


def authentication(session: Context, _: din.ContractAuthenticationReq) -> Stage:
    """Finished, without a question to the back end: there is no energy that could be granted [INV-10]."""
    session.answer(
        din.ContractAuthenticationRes(response_code=ResponseCode.OK, evse_processing=EVSEProcessing.FINISHED)
    )
    return S.WAIT_CHARGE_PARAMETERS


def charge_parameters(session: Context, request: din.ChargeParameterDiscoveryReq) -> Stage:
    """Take the state of charge, and announce the stop from the second time on [V2G-DC-650]."""
    ev = request.ev_charge_parameter
    if not isinstance(ev, din.DCEVChargeParameter):
        raise DinRefused(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE, "AC parameters")
    finished = soc.heard(session, ev) is soc.Round.FINISHED
    session.answer(
        din.ChargeParameterDiscoveryRes(
            response_code=ResponseCode.OK,
            evse_processing=EVSEProcessing.FINISHED if finished else EVSEProcessing.ONGOING,
            sa_schedules=status.placeholder(session),
            evse_charge_parameter=status.charge_parameter(session),
        )
    )
    return S.WAIT_CABLE_CHECK if finished else S.WAIT_CHARGE_PARAMETERS


def cable_check(session: Context, _: din.CableCheckReq) -> Stage:
    """No test: Finished with EVSE_Shutdown, so that the EV ends the session by itself [V2G-DC-891]."""
    ending.check_stop(session)
    session.answer(status.cable_check(session, EVSEProcessing.FINISHED))
    return S.WAIT_CABLE_CHECK


def power_delivery(session: Context, request: din.PowerDeliveryReq) -> Stage:
    """A stop is confirmed; a start never."""
    if request.ready_to_charge_state:
        raise DinRefused(ResponseCode.FAILED, "this session has no energy")
    output.off(session, final=True)
    session.answer(status.power_delivery(session))
    return S.WAIT_STOP_DC


def welding_detection(session: Context, _: din.WeldingDetectionReq) -> Stage:
    """Nothing was on; the EV may look."""
    session.answer(status.welding_detection(session))
    return S.WAIT_STOP_DC


# fmt: off
RULES: tuple[On, ...] = (
    *at(S.WAIT_SESSION_SETUP,
        (din.SessionSetupReq, session_setup, {S.WAIT_SERVICE_DISCOVERY}, "V2G-DC-437")),
    *at(S.WAIT_SERVICE_DISCOVERY,
        (din.ServiceDiscoveryReq, handlers.service_discovery, {S.WAIT_SERVICE_SELECTION}, "V2G-DC-439")),
    *at(S.WAIT_SERVICE_SELECTION,
        (din.ServiceDetailReq,           handlers.service_detail, set(),                  "V2G-DC-548"),
        (din.ServicePaymentSelectionReq, handlers.service_payment_selection,
         {S.WAIT_AUTHORIZATION}, "V2G-DC-441")),
    *at(S.WAIT_AUTHORIZATION,
        (din.ContractAuthenticationReq, authentication, {S.WAIT_CHARGE_PARAMETERS}, "V2G-DC-444")),
    *at(S.WAIT_CHARGE_PARAMETERS,
        (din.ChargeParameterDiscoveryReq, charge_parameters,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK}, "V2G-DC-495 V2G-DC-650")),
    *at(S.WAIT_CABLE_CHECK,
        (din.ChargeParameterDiscoveryReq, charge_parameters, {S.WAIT_CABLE_CHECK}, ""),
        (din.CableCheckReq,               cable_check,       {S.WAIT_CABLE_CHECK}, "V2G-DC-891")),
    *each((S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK),
          din.PowerDeliveryReq, power_delivery, {S.WAIT_STOP_DC}, ""),
    *at(S.WAIT_STOP_DC,
        (din.WeldingDetectionReq, welding_detection, {S.WAIT_STOP_DC}, "V2G-DC-459")),
    *each((S.WAIT_SERVICE_DISCOVERY, S.WAIT_SERVICE_SELECTION, S.WAIT_AUTHORIZATION,
           S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK, S.WAIT_STOP_DC),
          din.SessionStop, handlers.session_stop, {S.ENDED}, "V2G-DC-459"),
)
# fmt: on

DIN_SOC = dataclasses.replace(
    DIN,
    name=DIN.name + soc.SUFFIX,
    rules=RULES,
    anywhere={**DIN.anywhere, **soc.MORE},
    room=soc.Readings,
    energises=False,
)
"""DIN SPEC 70121 for a session that only reads."""
