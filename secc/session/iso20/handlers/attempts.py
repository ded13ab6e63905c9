"""Attempts to authorize that fail: a WARNING each, up to the last one, which ends the session."""

from __future__ import annotations

from secc.messages.iso20_common import ResponseCode
from secc.session.context import Context
from secc.session.contract_events import ContractRefused
from secc.session.iso20.refusals import Iso20Refused, Iso20Warned
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S


def failed(
    session: Context, code: ResponseCode, why: str, record: ContractRefused | None = None
) -> Iso20Refused | Iso20Warned:
    """The refusal of an attempt: a WARNING, and the EV may try again, or a code that ends the session
    [V2G20-1583] [V2G20-2102]."""
    if not code.startswith("WARNING"):
        return Iso20Refused(code, why, record)
    room = side(session)
    room.denials += 1
    if room.denials >= session.config.iso20.authorization_attempts:
        return Iso20Refused(ResponseCode.FAILED, f"{why}, {room.denials} times", record)
    return Iso20Warned(code, why, S.WAIT_AUTHORIZATION, record)
