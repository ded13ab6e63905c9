"""An attempt to authorize by contract, from the first request to the answer Finished."""

from __future__ import annotations

import msgspec

from secc.messages.iso20_common import PnCAReqAuthorizationMode, ResponseCode
from secc.session.contract_events import ContractRefused
from secc.session.iso20.judgement import ContractJudgement
from secc.session.ticket import Ticket


class Objection(msgspec.Struct, frozen=True):
    """Why an attempt to authorize fails."""

    code: ResponseCode
    why: str
    record: ContractRefused | None = None
    """For the record, where it is not written yet."""


class Attempt(msgspec.Struct, frozen=True):
    """A contract that the EV has shown."""

    ticket: Ticket
    mode: PnCAReqAuthorizationMode
    """What the EV repeats while it waits [V2G20-1582]."""
    judgement: ContractJudgement
    judged: bool = False
    objection: Objection | None = None
