"""ISO 15118-2 without energy, to read the state of charge at an AC outlet; see `secc.session.soc`."""

from __future__ import annotations

import dataclasses

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, EVSEProcessing, ResponseCode
from secc.session import ending, output, soc
from secc.session.context import Context
from secc.session.dialect import On, at, each
from secc.session.iso2 import status
from secc.session.iso2.handlers import identification, services, setup
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State as S
from secc.session.iso2.table import ISO2
from secc.session.outputs import EndReason


def session_setup(session: Context, request: iso2.SessionSetupReq) -> S:
    """A new session, and the time for the reading begins."""
    soc.begun(session)
    return setup.session_setup(session, request)


def authorization(session: Context, _: iso2.AuthorizationReq) -> S:
    """Finished, without a question to the back end: there is no energy that could be granted [INV-10]."""
    session.answer(
        iso2.AuthorizationRes(response_code=ResponseCode.OK, evse_processing=EVSEProcessing.FINISHED)
    )
    return S.WAIT_CHARGE_PARAMETERS


def charge_parameters(session: Context, request: iso2.ChargeParameterDiscoveryReq) -> S:
    """Take the state of charge, and announce the stop from the second time on."""
    ev = request.ev_charge_parameter
    if not isinstance(ev, iso2.DCEVChargeParameter):
        raise Iso2Refused(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE, "AC parameters [V2G2-476]")
    finished = soc.heard(session, ev) is soc.Round.FINISHED
    session.answer(
        iso2.ChargeParameterDiscoveryRes(
            response_code=ResponseCode.OK,
            evse_processing=EVSEProcessing.FINISHED if finished else EVSEProcessing.ONGOING,
            sa_schedules=_NO_POWER if finished else None,  # [V2G2-905]
            evse_charge_parameter=status.charge_parameter(session, dc=True),
        )
    )
    return S.WAIT_CABLE_CHECK if finished else S.WAIT_CHARGE_PARAMETERS


_NO_POWER = iso2.SAScheduleList(
    sa_schedule_tuple=(
        iso2.SAScheduleTuple(
            sa_schedule_tuple_id=1,
            p_max_schedule=iso2.PMaxSchedule(
                p_max_schedule_entry=(
                    iso2.PMaxScheduleEntry(
                        time_interval=iso2.RelativeTimeInterval(start=0, duration=86_400),
                        p_max=iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.W, value=0),
                    ),
                )
            ),
        ),
    )
)


def cable_check(session: Context, _: iso2.CableCheckReq) -> S:
    """No test: Finished with StopCharging and EVSE_Shutdown, so that the EV ends the session by itself."""
    ending.check_stop(session)
    session.answer(status.cable_check(session, EVSEProcessing.FINISHED))
    return S.WAIT_CABLE_CHECK


def power_delivery(session: Context, request: iso2.PowerDeliveryReq) -> S:
    """A stop is confirmed; a start or a renegotiation never."""
    if request.charge_progress is not ChargeProgress.STOP:
        raise Iso2Refused(ResponseCode.FAILED, "this session has no energy")
    output.off(session, final=True)
    session.answer(status.power_delivery(session))
    return S.WAIT_STOP_DC


def welding_detection(session: Context, _: iso2.WeldingDetectionReq) -> S:
    """Nothing was on; the EV may look."""
    session.answer(status.welding_detection(session))
    return S.WAIT_STOP_DC


def session_stop(session: Context, _: iso2.SessionStopReq) -> S:
    """The end, also for an EV that asks for a pause: there is nothing to continue."""
    output.off(session, final=True)
    session.answer(iso2.SessionStopRes(response_code=ResponseCode.OK))
    session.end(EndReason.TERMINATED)
    return S.ENDED


# fmt: off
RULES: tuple[On, ...] = (
    *at(S.WAIT_SESSION_SETUP,
        (iso2.SessionSetupReq, session_setup, {S.WAIT_SERVICE_DISCOVERY}, "V2G2-541")),
    *at(S.WAIT_SERVICE_DISCOVERY,
        (iso2.ServiceDiscoveryReq, services.service_discovery, {S.WAIT_SERVICE_SELECTION}, "V2G2-544")),
    *at(S.WAIT_SERVICE_SELECTION,
        (iso2.ServiceDetailReq, services.service_detail, {S.WAIT_SERVICE_SELECTION}, "V2G2-547"),
        (iso2.PaymentServiceSelectionReq, identification.payment_service_selection,
         {S.WAIT_AUTHORIZATION}, "V2G2-550")),
    *at(S.WAIT_AUTHORIZATION,
        (iso2.AuthorizationReq, authorization, {S.WAIT_CHARGE_PARAMETERS}, "V2G2-562")),
    *at(S.WAIT_CHARGE_PARAMETERS,
        (iso2.ChargeParameterDiscoveryReq, charge_parameters,
         {S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK}, "V2G2-582")),
    *at(S.WAIT_CABLE_CHECK,
        (iso2.ChargeParameterDiscoveryReq, charge_parameters, {S.WAIT_CABLE_CHECK}, ""),
        (iso2.CableCheckReq,               cable_check,       {S.WAIT_CABLE_CHECK}, "V2G2-584")),
    *each((S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK),
          iso2.PowerDeliveryReq, power_delivery, {S.WAIT_STOP_DC}, ""),
    *at(S.WAIT_STOP_DC,
        (iso2.WeldingDetectionReq, welding_detection, {S.WAIT_STOP_DC}, "V2G2-593")),
    *each((S.WAIT_SERVICE_DISCOVERY, S.WAIT_SERVICE_SELECTION, S.WAIT_AUTHORIZATION,
           S.WAIT_CHARGE_PARAMETERS, S.WAIT_CABLE_CHECK, S.WAIT_STOP_DC),
          iso2.SessionStopReq, session_stop, {S.ENDED}, "V2G2-570"),
)
# fmt: on

ISO2_SOC = dataclasses.replace(
    ISO2,
    name=ISO2.name + soc.SUFFIX,
    rules=RULES,
    anywhere={**ISO2.anywhere, **soc.MORE},
    joins=False,
    room=soc.Readings,
    energises=False,
)
"""ISO 15118-2 for a session that only reads."""
