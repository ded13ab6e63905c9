"""What the charge loops of AC and DC share: what each request brings, and what each answer begins with."""

from __future__ import annotations

from typing import Protocol

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ResponseCode
from secc.session import offering
from secc.session.context import Context
from secc.session.iso20 import billing, discharge, needs, terms, wire
from secc.session.iso20.handlers import metering
from secc.session.iso20.header import head
from secc.session.iso20.notifications import loop_status, watch
from secc.session.iso20.refusals import Elements, Iso20Refused
from secc.session.iso20.side import selection


class LoopRequest(Protocol):
    """A request of a charge loop."""

    @property
    def display_parameters(self) -> m.DisplayParameters | None: ...
    @property
    def meter_info_requested(self) -> bool: ...


def check_variant(session: Context, mode: object, *, dynamic: bool, both: bool) -> None:
    """Control mode and direction are those of the selected service and set [V2G20-1600] [V2G20-2315]."""
    chosen = selection(session)
    if (dynamic, both) != (chosen.dynamic, chosen.service.bidirectional):
        why = f"{type(mode).__name__} in {chosen.service.name}, {chosen.parameters.control.name}"
        raise Iso20Refused(ResponseCode.FAILED, f"{why} [V2G20-1600]")


def take(session: Context, request: LoopRequest, mode: object, *, standby: bool) -> None:
    """Take what the request says beside its control mode, and what has changed at the station since the last
    one."""
    terms.take_over(session)
    billing.update(session)
    offering.watch(session)
    watch(session)
    if not standby:
        metering.watch(session)
    terms.shown(session, request.display_parameters, mode)
    discharge.update(session)
    needs.watch(session, mode)


def elements(session: Context, request: LoopRequest, code: ResponseCode) -> Elements:
    """The first elements of the answer: header, code, status, meter and receipt."""
    status, asked = loop_status(session), request.meter_info_requested
    return {
        "header": head(session),
        "response_code": code,
        "evse_status": status,
        "meter_info": wire.meter_info(session, status, asked=asked),
        "receipt": billing.receipt(session, status, asked=asked),
    }
