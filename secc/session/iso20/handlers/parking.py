"""ParkingStatus: the EV checks in before the charge parameters, and checks out after the charge.

Only an EV that has chosen the service does so [V2G20-1985]; the station at a cable has nothing to add to it.
"""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvCheckInStatus, EvCheckOutStatus, EvseCheckOutStatus, ResponseCode
from secc.session.context import Context
from secc.session.iso20.header import head
from secc.session.iso20.services import PARKING, PARKING_SETS, Intended
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import NoticeKind


def intends(session: Context, what: Intended) -> bool:
    """The EV has chosen a set of the service that is for this."""
    return any(
        one.service_id == PARKING and PARKING_SETS[one.parameter_set or 0][0] is what
        for one in session.services_chosen
    )


def before_charging(session: Context) -> S:
    """The state after the choice of the services, or after a session is joined."""
    if intends(session, Intended.CHECK_IN):
        return S.WAIT_CHECK_IN_DC if side(session).dc else S.WAIT_CHECK_IN_AC
    return S.WAIT_PARAMETERS_DC if side(session).dc else S.WAIT_PARAMETERS_AC


def after_charging(session: Context) -> S:
    """The state after the charge, with the output off."""
    return S.WAIT_CHECK_OUT if intends(session, Intended.CHECK_OUT) else S.WAIT_SESSION_STOP


def check_in(session: Context, request: m.VehicleCheckInReq) -> S:
    """How far the EV is; it continues with the charge parameters when it stands."""
    session.notice(NoticeKind.STATE, f"check-in: {request.ev_check_in_status.value}")
    session.answer(m.VehicleCheckInRes(header=head(session), response_code=ResponseCode.OK))
    if request.ev_check_in_status is not EvCheckInStatus.COMPLETED:
        return S.WAIT_CHECK_IN_DC if side(session).dc else S.WAIT_CHECK_IN_AC
    return S.WAIT_PARAMETERS_DC if side(session).dc else S.WAIT_PARAMETERS_AC


def check_out(session: Context, request: m.VehicleCheckOutReq) -> S:
    """The output is off: the station is ready for the EV to leave."""
    session.notice(NoticeKind.STATE, f"check-out: {request.ev_check_out_status.value}")
    session.answer(
        m.VehicleCheckOutRes(
            header=head(session),
            response_code=ResponseCode.OK,
            evse_check_out_status=EvseCheckOutStatus.COMPLETED,
        )
    )
    done = request.ev_check_out_status is EvCheckOutStatus.COMPLETED
    return S.WAIT_SESSION_STOP if done else S.WAIT_CHECK_OUT
