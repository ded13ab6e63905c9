"""AC charging: PowerDelivery, the contactor, ChargingStatus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, ResponseCode, UnitSymbol
from secc.session import feedback, limits, quantities
from secc.session.context import Purpose
from secc.session.inputs import ContactorReported
from secc.session.iso2 import status
from secc.session.iso2.handlers import contract, ending, parameters, receipts
from secc.session.iso2.handlers.profile import chosen_offer
from secc.session.iso2.states import State
from secc.session.outlet import EvseFault
from secc.session.outputs import CloseContactor, NoticeKind
from secc.session.refusals import Refused
from secc.session.states import Timer
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.session.machine import Session


def power_on(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Start, or give up before the start. With energy only after the pilot shows C or D [V2G2-847]."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    offer = chosen_offer(session, request)
    if not may_start(session, request):
        return start_overtaken(session, None)
    session.offer = offer
    session.interrupted = False
    session.start_timer(Timer.PILOT)
    return look_again(session, None)


def may_start(session: Session, request: iso2.PowerDeliveryReq) -> bool:
    """What a start needs besides a valid choice; AC and DC alike. False where a stop has overtaken it."""
    if request.charge_progress is not ChargeProgress.START:
        raise Refused(ResponseCode.FAILED, "nothing is running that could be renegotiated [V2G2-812]")
    if session.fault is EvseFault.CONTACTOR:
        raise Refused(ResponseCode.FAILED_CONTACTOR_ERROR, session.fault_detail)
    if session.fault is not None:
        raise Refused(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "at fault [V2G2-480]")
    if ending.overtaken(session):
        return False
    if not session.granted:
        raise Refused(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "no grant [INV-10]")
    if not session.evse.ready:
        raise Refused(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "not ready [V2G2-480]")
    return True


def start_overtaken(session: Session, _: None) -> State:
    """A stop has come before the contactor: OK says that the request was taken, StopCharging that no energy
    comes. The contactor is open, or opened now."""
    if session.energised is not None:
        session.off("a start after a stop")
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.ac_status(session))
    )
    return State.WAIT_FIRST_STATUS


def look_again(session: Session, _: None) -> State:
    """The EV shows C or D, and whatever was on before is off: go on; else wait on."""
    if session.evse.control_pilot.wants_energy and feedback.may_close(session):
        return _close(session)
    session.start_timer(Timer.VOLTAGE_READING)
    return State.AWAITING_PILOT_AC


def start_late(session: Session, _: None) -> State:
    """The time for the pilot is over: it does not show C or D, or what was on before is not off."""
    if session.evse.control_pilot.wants_energy:
        volts = session.evse.present_voltage
        why = f"not off: {volts:g} V, contactor closed {session.evse.contactor_closed} [V2G2-480]"
        raise Refused(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, why)
    return ending.pilot_not_seen(session, None)


def contactor_reported(session: Session, report: ContactorReported) -> State:
    """The outlet's own word; one that says no does not follow its orders."""
    if report.ticket != session.contactor_ticket:
        session.notice(NoticeKind.STALE, f"contactor report for {report.ticket}")
        return State.CLOSING_CONTACTOR
    if not report.closed:
        session.trip(EvseFault.CONTACTOR, "it did not close")
        raise Refused(ResponseCode.FAILED_CONTACTOR_ERROR, "the contactor did not close [V2G2-862]")
    session.contactor_reported = True
    return contactor_seen(session, None)


def contactor_seen(session: Session, _: None) -> State:
    """Confirm the start only with the contactor closed by level [INV-02], where there is feedback."""
    if not session.contactor_reported or session.evse.contactor_closed is False:
        session.start_timer(Timer.VOLTAGE_READING)
        return State.CLOSING_CONTACTOR
    session.contactor_ordered = True
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.ac_status(session))
    )
    return State.WAIT_FIRST_STATUS


def contactor_late(session: Session, _: None) -> State:
    """3 s after the pilot showed C or D [V2G2-862]."""
    session.trip(EvseFault.CONTACTOR, "it did not close in time")
    raise Refused(ResponseCode.FAILED_CONTACTOR_ERROR, "the contactor did not close in time [V2G2-862]")


def contactor_failed(session: Session, report: ContactorReported) -> None:
    """A report outside CLOSING_CONTACTOR: the contactor of this session fell open, or an old answer."""
    energised = session.energised is not None and session.energised.purpose is Purpose.AC
    if report.ticket != session.contactor_ticket or not energised:
        session.notice(NoticeKind.STALE, f"contactor report for {report.ticket}")
    elif not report.closed:
        session.trip(EvseFault.CONTACTOR, "it opened by itself")
        session.interrupt("the contactor opened by itself")


def charging_status(session: Session, _: iso2.ChargingStatusReq) -> State:
    """Tell the EV what it may draw now; a receipt is asked for only with a contract [V2G2-691]."""
    ending.check_fault(session)
    ending.check_stop(session)
    contract.check_allowance(session)
    parameters.watch_offer(session)
    external = session.payment is Payment.EXTERNAL  # with a contract PMax is all that binds
    meter_info = status.meter_info(session)
    receipt = receipts.ask(session, meter_info)
    session.answer(
        iso2.ChargingStatusRes(
            response_code=ResponseCode.OK,
            evse_id=session.config.evse_id,
            sa_schedule_tuple_id=session.schedule_id,
            evse_max_current=(
                quantities.limit(limits.ac_current(session), UnitSymbol.A) if external else None  # [V2G2-844]
            ),
            meter_info=meter_info,
            receipt_required=receipt,
            ac_evse_status=status.ac_status(session),
        )
    )
    return State.WAIT_RECEIPT_AC if receipt else State.WAIT_STATUS


def power_off(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Stop, or renegotiate: then the contactor stays as it is [V2G2-849]."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    if request.charge_progress is ChargeProgress.START:
        raise Refused(ResponseCode.FAILED, "charging has started already [V2G2-812]")
    ending.check_fault(session)
    session.renegotiation_wanted = session.offer_outdated = False
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.ac_status(session))
    )
    return State.WAIT_CHARGE_PARAMETERS


def change_of_mind(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Stop before the first ChargingStatusReq, by `stop_after_start`."""
    if request.charge_progress is not ChargeProgress.STOP:
        raise Refused(ResponseCode.FAILED_SEQUENCE_ERROR, "charging has not begun [V2G2-538] [V2G2-812]")
    return _stop(session)


def _close(session: Session) -> State:
    session.contactor_ticket = session.ticket()
    session.contactor_reported = False
    session.energise(Purpose.AC)
    session.emit(CloseContactor(session.contactor_ticket))
    session.start_timer(Timer.CONTACTOR)
    return State.CLOSING_CONTACTOR


def _stop(session: Session) -> State:
    session.off()
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.ac_status(session))
    )
    return State.WAIT_STOP_AC
