"""SessionSetup, AuthorizationSetup and Authorization; contracts: `contract`."""

from __future__ import annotations

import hmac

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Authorization, Processing, ResponseCode
from secc.session import ending, setup
from secc.session.agreed import Grant
from secc.session.context import Context
from secc.session.inputs import AuthorizationDecided
from secc.session.iso20 import grid_rules, installing, vehicle_status
from secc.session.iso20.handlers import contract
from secc.session.iso20.handlers.attempts import failed
from secc.session.iso20.header import head
from secc.session.iso20.pausing import Kept
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.side import session_state, side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import Authorize, NoticeKind
from secc.session.paused import PausedSession
from secc.session.states import Timer
from secc.settings.services import Payment

_NOT_CONFIGURED = "ZZ*000*E0"


def session_setup(session: Context, request: m.SessionSetupReq) -> S:
    """Begin a session under a new id, or continue the paused one of the same vehicle.

    An id that is unknown, expired, or comes from another vehicle starts a new session without an error, and
    the paused one stays [V2G20-2626] [V2G20-2627]. A continued session starts with the charge parameters: its
    authorization and its services hold [V2G20-1032] [V2G20-1844] [V2G20-1847].
    """
    if not session.transport.carries_iso20:
        why = "ISO 15118-20 needs TLS 1.3 and a vehicle certificate [V2G20-1235] [V2G20-2356]"
        raise Iso20Refused(ResponseCode.FAILED, why)
    paused = _verified(session)
    _check_identity(session, request.evcc_id)
    joined = setup.begin(session, request.evcc_id.encode(), paused)
    vehicle_status.ask(session)
    grid_rules.ask(session)
    if joined and paused is not None:
        _restore(session, paused)
    code = ResponseCode.OK_OLD_SESSION_JOINED if joined else ResponseCode.OK_NEW_SESSION_ESTABLISHED
    evse_id = session.config.evse_id
    session.answer(
        m.SessionSetupRes(
            header=head(session),
            response_code=code,
            evse_id="ZZ00000" if evse_id == _NOT_CONFIGURED else evse_id,  # [V2G20-192]
        )
    )
    if not joined:
        return S.WAIT_AUTHORIZATION_SETUP
    return S.WAIT_PARAMETERS_DC if side(session).dc else S.WAIT_PARAMETERS_AC


def _verified(session: Context) -> PausedSession | None:
    """The paused session, if the request names it and the vehicle that paused it has come back [V2G20-2545]
    [V2G20-2550]."""
    paused, vehicle = session.names.paused, session.vehicle
    if paused is None or vehicle is None or session.received_id != paused.session_id:
        return None
    room = side(session)
    if not isinstance(paused.room, Kept) or (paused.room.dc, paused.room.der) != (room.dc, room.der):
        return None
    same = hmac.compare_digest(vehicle.binding(paused.session_id), paused.binding)
    if not same:
        session.notice(NoticeKind.IGNORED, "the paused session belongs to another vehicle certificate")
    return paused if same else None


def _check_identity(session: Context, evcc_id: str) -> None:
    """The EVCCID is the common name of the vehicle certificate; another one is reported."""
    vehicle = session.vehicle
    if vehicle is not None and vehicle.is_vehicle and evcc_id != vehicle.common_name:
        session.notice(NoticeKind.IGNORED, f"EVCCID {evcc_id!a} is not that of the vehicle certificate")


def _restore(session: Context, paused: PausedSession) -> None:
    """Services and authorization of before the pause; nothing that says that the output is safe."""
    room = side(session)
    if isinstance(paused.room, Kept):
        room.offer, room.selection = paused.room.offer, paused.room.selection
        session.pnc.payer, session.pnc.last_energy = paused.room.payer, paused.room.last_energy
    session.payment = Payment.EXTERNAL if session.pnc.payer is None else Payment.CONTRACT
    session.grant = Grant(session.names.ticket(), session.payment, granted=True)


def authorization_setup(session: Context, _: m.AuthorizationSetupReq) -> S:
    """Offer contracts with a challenge [V2G20-1219] [V2G20-2568], and external identification [V2G20-1220]
    [V2G20-2566] [V2G20-2567]."""
    services = _services(session)
    if not services:
        raise Iso20Refused(ResponseCode.FAILED, "no way to authorize can be offered")
    by_contract = Authorization.PNC in services
    session.answer(
        m.AuthorizationSetupRes(
            header=head(session),
            response_code=ResponseCode.OK,
            authorization_services=services,
            certificate_installation_service=installing.offered(session),
            pnc_as_res_authorization_mode=contract.setup_mode(session) if by_contract else None,
            eim_as_res_authorization_mode=None if by_contract else m.EIMASResAuthorizationMode(),
        )
    )
    return S.WAIT_AUTHORIZATION


def _services(session: Context) -> tuple[Authorization, ...]:
    """The ways to authorize on offer, in the order of `service.payment_options`."""
    contracts = contract.offered(session)
    return tuple(
        Authorization.PNC if option is Payment.CONTRACT else Authorization.EIM
        for option in session.payment_options
        if option is Payment.EXTERNAL or contracts
    )


def authorization(session: Context, request: m.AuthorizationReq) -> S:
    """Ask the back end, repeat Ongoing until it has decided; a failure is a warning, and the EV may try again
    [V2G20-1582] [V2G20-1583] [V2G20-2219]."""
    _check_repeated(session, request)
    _check_selection(session, request)
    if ending.overtaken(session):  # the back end is not asked any more
        return _answer(session, Processing.ONGOING)
    if request.pnc_a_req_authorization_mode is not None:
        return contract.authorization(session, request.pnc_a_req_authorization_mode)
    session.payment = Payment.EXTERNAL
    if session.granted:
        _answer(session, Processing.FINISHED)  # [V2G20-1200]
        return S.WAIT_SERVICE_DISCOVERY
    _check_attempt(session)
    if session.grant is None:
        session.grant = Grant(session.names.ticket(), Payment.EXTERNAL)
        session.emit(Authorize(session.grant.ticket, session.ev))
        session.timers.start(Timer.AUTHORIZATION, session.now, session.config.iso20.authorization)
    return _answer(session, Processing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION)


def _check_repeated(session: Context, request: m.AuthorizationReq) -> None:
    """Until an attempt is answered Finished, the EV repeats its request; only time stamp and signature may
    change [V2G20-1582] [V2G20-2702]."""
    attempt, external = side(session).attempt, request.eim_a_req_authorization_mode is not None
    waits = session.grant is not None and session.grant.payment is Payment.EXTERNAL
    same = request.pnc_a_req_authorization_mode == attempt.mode if attempt is not None else external
    if (attempt is not None or waits) and not same:
        why = "another request while an attempt to authorize is not decided [V2G20-1582]"
        raise Iso20Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)


def _check_selection(session: Context, request: m.AuthorizationReq) -> None:
    """What is selected was offered, and is what the request contains [V2G20-2209] [V2G20-2226]."""
    selected, external = request.selected_authorization_service, request.eim_a_req_authorization_mode
    right = (selected is Authorization.EIM) is (external is not None)
    if not right or selected not in _services(session):
        why = f"{selected.value} is not offered, or is not what the request contains"
        raise failed(session, ResponseCode.WARNING_AUTHORIZATION_SELECTION_INVALID, why)


def _check_attempt(session: Context) -> None:
    """Refuse what was denied, or has waited too long [V2G20-2102] [V2G20-2230]; the next request is a new
    attempt, with a new question."""
    denied = session.grant is not None and session.grant.refused
    late = Timer.AUTHORIZATION in session.timers.expired
    if denied or late:
        session.grant = None
        session.timers.stop(Timer.AUTHORIZATION)
        why = "external identification was denied" if denied else "external identification took too long"
        raise failed(session, ResponseCode.WARNING_EIM_AUTHORIZATION_FAILURE, why)


def decided(session: Context, decision: AuthorizationDecided) -> None:
    """Keep the decision for the next request. A denial ends the attempt; a withdrawal ends the charge, and
    wins over every grant [INV-11]."""
    grant = session.grant
    if grant is None or grant.payment is not Payment.EXTERNAL or decision.ticket != grant.ticket:
        session.notice(NoticeKind.STALE, f"authorization for {decision.ticket}")
    elif decision.granted and (grant.refused or session.stop is not None):
        session.notice(NoticeKind.IGNORED, "authorization after it was denied, withdrawn or stopped")
    elif decision.granted:
        session.grant = msgspec.structs.replace(grant, granted=True)
    else:
        session.grant = msgspec.structs.replace(grant, granted=False, refused=True)
        if grant.granted:
            ending.order_stop(session, "authorization withdrawn", at_once=True)


def _answer(session: Context, processing: Processing) -> S:
    session.answer(
        m.AuthorizationRes(header=head(session), response_code=ResponseCode.OK, evse_processing=processing)
    )
    return S.WAIT_AUTHORIZATION


def attempt_over(session: Context, _: None) -> S:
    """The time of an attempt is over: the next request is answered for it."""
    return session_state(session)
