"""DC: isolation, pre-charge, the start, the end, welding detection. The loop is in `dc_loop`."""

from __future__ import annotations

from typing import cast

from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session import ending, isolation, limits, output, pre_charge, starting
from secc.session.context import Context
from secc.session.iso20 import wire
from secc.session.iso20.handlers.choice import check_start, chosen_offer, follow, tolerance
from secc.session.iso20.handlers.parking import after_charging
from secc.session.iso20.handlers.power import delivered, stop_before
from secc.session.iso20.header import head
from secc.session.iso20.refusals import wrong
from secc.session.iso20.side import session_state, side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import NoticeKind
from secc.session.quantities import Milli, milli
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer

# --- isolation test ----------------------------------------------------------------------------------------


def cable_check(session: Context, _: dc.DCCableCheckReq) -> S:
    """A new isolation test, once the pilot shows C or D [V2G20-1418] [INV-06]."""
    if isolation.requested(session, ""):
        return _tested(session, Processing.ONGOING)
    return S.AWAITING_PILOT_DC


def pilot_seen(session: Context, _: None) -> S:
    """The EV shows C or D: go on; any other change: wait on."""
    if isolation.pilot_seen(session):
        return _tested(session, Processing.ONGOING)
    return S.AWAITING_PILOT_DC


def check_overtaken(session: Context, _: None) -> S:
    """A stop has come before the test: nothing is tested, and nothing finished."""
    return _tested(session, Processing.ONGOING)


def cable_check_again(session: Context, _: dc.DCCableCheckReq) -> S:
    """Ongoing until there is a result, then Finished."""
    finished = isolation.finished(session, "")
    return _tested(session, Processing.FINISHED if finished else Processing.ONGOING)


def _tested(session: Context, processing: Processing) -> S:
    session.answer(
        dc.DCCableCheckRes(header=head(session), response_code=ResponseCode.OK, evse_processing=processing)
    )
    return S.WAIT_PRE_CHARGE if processing is Processing.FINISHED else S.WAIT_CABLE_CHECK_RESULT


# --- pre-charge --------------------------------------------------------------------------------------------


def bring_to_voltage(session: Context, request: dc.DCPreChargeReq) -> S:
    """Bring the output to the EV's voltage with little current [INV-05]; the EV says when the voltages match
    [V2G20-1433] [V2G20-1434]."""
    if Timer.PRE_CHARGE not in session.timers.expired:
        session.timers.start_once(Timer.PRE_CHARGE, session.now, session.config.iso20.pre_charge)
    if pre_charge.prepare(session, ""):
        current = milli(session.config.energy.dc.pre_charge_current)
        pre_charge.bring_to_voltage(session, _target(session, request), current)
    session.answer(
        dc.DCPreChargeRes(
            header=head(session),
            response_code=ResponseCode.OK,
            evse_present_voltage=wire.measured(session.evse.present_voltage),
        )
    )
    finished = request.ev_processing is Processing.FINISHED
    return S.WAIT_POWER_ON_DC if finished else S.WAIT_PRE_CHARGE_AGAIN


def _target(session: Context, request: dc.DCPreChargeReq) -> Milli:
    """EVTargetVoltage; above the EV's maximum it is refused, or counts as the maximum."""
    wanted, most = wire.toward_zero(request.ev_target_voltage), isolation.agreed(session).voltage
    if wanted <= most:
        return wanted
    if not session.config.compat.target_above_limit:
        raise wrong(f"pre-charge to {wanted / 1000:g} V, above the EV's maximum of {most / 1000:g} V")
    session.notice(NoticeKind.LENIENT, "EVTargetVoltage above EVMaximumVoltage by target_above_limit")
    return most


# --- the start ---------------------------------------------------------------------------------------------


def power_on(session: Context, request: m.PowerDeliveryReq) -> S:
    """Start after pre-charge, at the voltage of the battery [V2G20-2006]. An EV that gives up may stop."""
    if request.charge_progress is ChargeProgress.STOP:
        return _give_up(session, request)
    check_start(request)
    if request.ev_processing is Processing.ONGOING:
        return delivered(session, session_state(session))
    offer, code = chosen_offer(session, request), tolerance(session, request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    if not pre_charge.confirm_start(session):
        return S.AWAITING_VOLTAGE
    follow(session, offer)
    side(session).metered = False
    return delivered(session, S.WAIT_FIRST_LOOP_DC, code)


_give_up = stop_before(S.WAIT_WELDING)


def leave_standby(session: Context, request: m.PowerDeliveryReq) -> S:
    """Start out of standby: the output has stayed at the battery, so the isolation test holds [V2G20-1386]
    [V2G20-2122]. Where it was switched off meanwhile, or has left the battery's voltage, there is no start
    [INV-05]."""
    if request.ev_processing is Processing.ONGOING:
        return delivered(session, S.WAIT_STANDBY_DC)
    offer, code = chosen_offer(session, request), tolerance(session, request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    if session.energised is None:
        raise Refused(Cause.NOT_APPLIED, "the output was switched off in standby [V2G20-2122]")
    if not limits.at_battery(session):
        raise Refused(Cause.NOT_APPLIED, "the output is not at the battery's voltage [V2G20-2122]")
    follow(session, offer)
    side(session).resting = False
    return delivered(session, S.WAIT_FIRST_LOOP_DC, code)


def start_overtaken(session: Context, _: None) -> S:
    """A stop has come before the energy: OK takes the request, Terminate says that no energy comes. Out of
    standby, the output goes off now [INV-29]."""
    if session.energised is not None:
        output.off(session, "a start after a stop")
    return delivered(session, S.WAIT_FIRST_LOOP_DC)


def look_again(session: Context, _: None) -> S:
    """Time for another reading of the output."""
    return power_on(session, cast("m.PowerDeliveryReq", session.owed))  # nothing else leads here


def last_look(session: Context, _: None) -> S:
    """The time for the voltage is over: the reading of now decides."""
    state = look_again(session, None)
    if state is S.AWAITING_VOLTAGE:
        raise pre_charge.voltage_not_seen()
    return state


# --- the end -----------------------------------------------------------------------------------------------


def welding_detection(session: Context, request: dc.DCWeldingDetectionReq) -> S:
    """The EV opens its contactors and watches the voltage of the output, which is off [V2G20-1448]."""
    ending.check_budget(session, Timer.WELDING_DETECTION)
    session.timers.start_once(Timer.WELDING_DETECTION, session.now)
    session.answer(
        dc.DCWeldingDetectionRes(
            header=head(session),
            response_code=ResponseCode.OK,
            evse_present_voltage=wire.measured(session.evse.present_voltage),
        )
    )
    finished = request.ev_processing is Processing.FINISHED  # [V2G20-1461] [V2G20-1573]
    return after_charging(session) if finished else S.WAIT_WELDING
