"""Revocation of the vehicle certificate [V2G20-2440]: asked at SessionSetup, decided with AuthorizationRes.

The answer is Ongoing until the status is known. A revoked certificate ends the session; so does an unknown
status if the operator demands it. A revocation that is reported later ends the charge.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, ResponseCode
from secc.pki.revocation import RevocationStatus
from secc.session.ending import order_stop
from secc.session.iso20.header import head
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.vehicle_question import VehicleQuestion
from secc.session.outputs import NoticeKind
from secc.session.states import Timer
from secc.session.vehicle_events import AskVehicleStatus, VehicleStatusReported
from secc.settings.pnc import RevocationCheck

if TYPE_CHECKING:
    from secc.session.context import Context

Authorizing = Callable[["Context", m.AuthorizationReq], S]


def ask(session: Context) -> None:
    """Ask whether the vehicle is revoked, unless the operator does not want to know."""
    vehicle, wanted = session.vehicle, session.config.iso20.vehicle_revocation is not RevocationCheck.OFF
    if vehicle is None or not vehicle.is_vehicle or not (session.asks_vehicle and wanted):
        return
    question = VehicleQuestion(session.names.ticket())
    side(session).vehicle_question = question
    session.emit(AskVehicleStatus(question.ticket, vehicle))
    session.timers.start(Timer.VEHICLE_STATUS, session.now, session.config.iso20.vehicle_status)


def checked(authorizing: Authorizing) -> Authorizing:
    """The handler of AuthorizationReq, once the status of the vehicle is known; Ongoing before it."""

    @functools.wraps(authorizing)
    def authorization(session: Context, request: m.AuthorizationReq) -> S:
        question = side(session).vehicle_question
        if question is None:
            return authorizing(session, request)
        if question.status is None:
            session.answer(
                m.AuthorizationRes(
                    header=head(session), response_code=ResponseCode.OK, evse_processing=Processing.ONGOING
                )
            )
            return S.WAIT_AUTHORIZATION
        _check(session, question)
        return authorizing(session, request)

    return authorization


def awaited(session: Context) -> bool:
    """The status is not known yet. A session that was paused has no AuthorizationReq: it waits with its
    schedules."""
    question = side(session).vehicle_question
    return question is not None and question.status is None


def refuse_revoked(session: Context) -> None:
    """Refuse a vehicle that is known to be revoked, or whose status was not found where it is required."""
    question = side(session).vehicle_question
    if question is not None and question.status is not None:
        _check(session, question)


def reported(session: Context, event: VehicleStatusReported) -> None:
    """Keep the answer; a revocation that is known only after the authorization ends the charge [INV-11]."""
    room = side(session)
    question = room.vehicle_question
    if question is None or event.ticket != question.ticket:
        session.notice(NoticeKind.STALE, f"status of a vehicle for {event.ticket}")
        return
    known = (RevocationStatus.GOOD, RevocationStatus.REVOKED)
    if question.status is RevocationStatus.REVOKED or (
        question.status in known and event.status not in known
    ):
        return
    session.timers.stop(Timer.VEHICLE_STATUS)
    room.vehicle_question = msgspec.structs.replace(question, status=event.status, detail=event.detail)
    if event.status is RevocationStatus.REVOKED and session.granted:
        order_stop(session, "the vehicle certificate is revoked", at_once=True)


def late(session: Context, _: None) -> None:
    """Nothing was found in time: the status is unknown."""
    room = side(session)
    if room.vehicle_question is not None and room.vehicle_question.status is None:
        unknown = RevocationStatus.UNKNOWN
        room.vehicle_question = msgspec.structs.replace(
            room.vehicle_question, status=unknown, detail="no answer in time"
        )


def _check(session: Context, question: VehicleQuestion) -> None:
    """Refuse a vehicle that is revoked, or whose status is unknown where that is not enough."""
    require = session.config.iso20.vehicle_revocation is RevocationCheck.REQUIRE
    if question.status is RevocationStatus.REVOKED:
        raise Iso20Refused(ResponseCode.FAILED, f"the vehicle certificate is revoked: {question.detail}")
    if question.status is RevocationStatus.UNKNOWN and require:
        why = f"the status of the vehicle certificate is unknown: {question.detail}"
        raise Iso20Refused(ResponseCode.FAILED, why)
