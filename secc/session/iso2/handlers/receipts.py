"""Meter receipts: a reading in the charge loop that the owner of the contract signs, kept as evidence."""

from __future__ import annotations

from secc import pki
from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session import loop
from secc.session import receipts as shared
from secc.session.agreed import ReceiptQuestion
from secc.session.context import Context
from secc.session.contract import terms_of
from secc.session.contract_events import ContractRefused, StoreReceipt
from secc.session.iso2 import status, wire
from secc.session.iso2.handlers.contract import refused
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State


def ask(session: Context) -> bool:
    """Whether this response asks for a receipt; remembers what must be signed then."""
    reading = shared.due(session)
    if reading is None:
        return False
    session.pnc.receipt_question = ReceiptQuestion(reading, session.schedule_id)
    return True


def receipt_ac(session: Context, request: iso2.MeteringReceiptReq) -> State:
    """AC: back to the loop [V2G2-580]."""
    _take(session, request)
    return State.WAIT_STATUS


def receipt_dc(session: Context, request: iso2.MeteringReceiptReq) -> State:
    """DC: back to the loop, or on to a new parameter discovery [V2G2-797]."""
    _take(session, request)
    return State.WAIT_AFTER_RECEIPT


def _take(session: Context, request: iso2.MeteringReceiptReq) -> None:
    """The values that were sent, signed with the contract of this session [V2G2-481] [V2G2-903]."""
    loop.check(session)
    question, payer = session.pnc.receipt_question, session.pnc.payer
    if question is None or payer is None:
        raise _not_valid("not_asked", "no receipt was asked for")
    if request.session_id != session.session_id:
        raise _not_valid("session", "the SessionID in the receipt is another one")
    if request.meter_info != status.meter_info_of(question.reading):
        raise _not_valid("meter_info", "not the meter reading that was sent")
    if request.sa_schedule_tuple_id not in (None, question.schedule_id):
        raise _not_valid("schedule", "not the schedule that was followed")
    compat = terms_of(session).policy.compat
    try:
        receipt = pki.receipts.verify_receipt(
            payer.contract, request, wire.signature_of(session), compat=compat
        )
    except CertificateError as error:
        code = ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
        raise refused("MeteringReceiptReq", error, str(payer.contract.emaid), code) from error
    session.pnc.receipt_question = None
    shared.signed(session, question.reading)
    session.emit(StoreReceipt(receipt))
    session.answer(
        iso2.MeteringReceiptRes(response_code=ResponseCode.OK, evse_status=status.evse_status(session))
    )


def _not_valid(rule: str, text: str) -> Iso2Refused:
    code = ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
    record = ContractRefused("MeteringReceiptReq", code, rule, text)
    return Iso2Refused(code, f"{text} [V2G2-481]", record)
