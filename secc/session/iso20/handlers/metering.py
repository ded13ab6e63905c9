"""Metering confirmation: a reading in the charge loop that the EV signs, kept as evidence.

In a session that a contract pays for, the station asks for it in a response of the loop, with the reading
[V2G20-1083]. The EV answers on the side stream 0x8102 [V2G20-1084], while the loop goes on. An EV that does
not answer in time is not asked any longer. A late confirmation is still evidence and is accepted until the
session ends: in standby, after the energy transfer, and after the next request. The interval is that of
receipts in ISO 15118-2, `pnc.receipt_interval`.
"""

from __future__ import annotations

from typing import cast

import msgspec

from secc.errors import CertificateError
from secc.messages import iso20_common as m
from secc.messages.iso20_common import ResponseCode
from secc.messages.xmldsig import Signature
from secc.pki.kinds import Generation
from secc.pki.receipts import verify_metering
from secc.session import ending, receipts
from secc.session.agreed import ContractPayer
from secc.session.context import Context
from secc.session.contract import terms_of
from secc.session.contract_events import ContractRefused, StoreReceipt
from secc.session.iso20 import billing, wire
from secc.session.iso20.header import head
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.side import MeteringQuestion, session_state, side
from secc.session.iso20.states import Iso20State, SideState
from secc.session.outputs import NoticeKind
from secc.session.states import Timer
from secc.session.streams import Stream


def watch(session: Context) -> None:
    """In the charge loop: ask for a confirmation when it is time, and there is a reading."""
    if session.pnc.payer is None or session.stop is not None:
        return
    if (reading := receipts.due(session)) is None:
        return
    delay = session.config.iso20.metering_confirmation
    room = side(session)
    schedule = None if session.offer is None else session.schedule_id
    pending, due = room.metering, session.now + delay
    if pending is not None and receipts.same(pending.reading, reading):  # the same question once more
        room.metering = msgspec.structs.replace(pending, due=due)
    else:
        info, receipt = wire.meter_info_of(session, reading), billing.receipt_of(session)
        room.metering_before = pending
        room.metering = MeteringQuestion(reading, info, schedule, due, receipt)
    session.streams[Stream.METERING] = SideState.METERING_REQUESTED
    session.timers.start(Timer.METERING_CONFIRMATION, session.now, delay)


def confirmed(session: Context, request: m.MeteringConfirmationReq) -> SideState:
    """The confirmation, on its side stream; also after the loop, until the session ends [V2G20-1084]."""
    awaited = cast("SideState", session.streams[Stream.METERING])  # rows of this table only
    _take(session, request)
    return SideState.METERING_IDLE if side(session).metering is None else awaited


def confirmed_on_main(session: Context, request: m.MeteringConfirmationReq) -> Iso20State:
    """The confirmation of an EV that sends it on the main stream."""
    if side(session).metering is None:
        why = "no metering confirmation is requested [V2G20-1083]"
        raise Iso20Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)
    _take(session, request)
    if side(session).metering is None:
        if Stream.METERING in session.dialect.opens.get(session.state, {}):
            session.streams[Stream.METERING] = SideState.METERING_IDLE
        else:
            session.streams.pop(Stream.METERING, None)
        session.timers.stop(Timer.METERING_CONFIRMATION)
    return session_state(session)


def late(session: Context, _: None) -> SideState:
    """The EV has not confirmed in its time: it is not asked any longer, and the session goes on."""
    session.notice(NoticeKind.IGNORED, "the EV does not confirm the meter reading in time")
    return SideState.METERING_LATE


def _take(session: Context, request: m.MeteringConfirmationReq) -> None:
    """The values that were sent, signed with the contract of this session; everything else is refused."""
    ending.check_fault(session)
    room, payer, data = side(session), session.pnc.payer, request.signed_metering_data
    question = _question(session, data)
    if question is None or payer is None:
        raise _not_valid("not_asked", "no confirmation was asked for")
    _compare(session, data, question)
    _verify(session, data, payer)
    receipts.signed(session, question.reading)
    if question is room.metering:
        room.metering = None
    room.metering_before = None
    session.answer(m.MeteringConfirmationRes(header=head(session), response_code=ResponseCode.OK))


def _question(session: Context, data: m.SignedMeteringData) -> MeteringQuestion | None:
    """Which reading this confirms: the last one that was sent, or the one before, whose confirmation was on
    its way when the next was requested."""
    room = side(session)
    before = room.metering_before
    return before if before is not None and before.meter_info == data.meter_info else room.metering


def _compare(session: Context, data: m.SignedMeteringData, question: MeteringQuestion) -> None:
    if data.session_id != session.session_id:
        raise _not_valid("session", "the SessionID in the signed data is another one")
    if data.meter_info != question.meter_info:
        raise _not_valid("meter_info", "not the meter reading that was sent")
    if data.receipt is not None and data.receipt != question.receipt:
        raise _not_valid("receipt", "a receipt that was not sent")
    choice = data.scheduled_smdt_control_mode
    if choice is not None and choice.selected_schedule_tuple_id != question.schedule_id:
        raise _not_valid("schedule", "not the schedule that was followed")


def _verify(session: Context, data: m.SignedMeteringData, payer: ContractPayer) -> None:
    signature = session.received_signature
    generation = Generation.LAB if session.transport.laboratory else Generation.ISO20
    try:
        receipt = verify_metering(
            payer.contract,
            data,
            signature if isinstance(signature, Signature) else None,
            generation=generation,
            compat=terms_of(session).policy.compat,
        )
    except CertificateError as error:
        raise _not_valid(str(error.rule), str(error), str(payer.contract.emaid)) from error
    session.emit(StoreReceipt(receipt))


def _not_valid(rule: str, text: str, identity: str = "") -> Iso20Refused:
    code = ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
    record = ContractRefused("MeteringConfirmationReq", code, rule, text, identity)
    return Iso20Refused(code, text, record)
