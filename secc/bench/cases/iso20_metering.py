"""ISO 15118-20: metering confirmation of a session that a contract pays for."""

from __future__ import annotations

import asyncio
from typing import Any

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.cases.build20 import REFUSED, SEQUENCE, Deed, car20, case20, iso20_pki
from secc.bench.talk import PACE
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.messages.iso20_common import EvseNotification, ResponseCode
from secc.sim.iso20 import MeteringFault
from secc.sim.iso20.metering import MeteringSide
from secc.sim.moves import Ask

REQUESTED = 20
"""Messages of the charge loop within which a confirmation is requested."""
R = ResponseCode


def _asked(response: Any) -> bool:
    status = response.evse_status
    return status is not None and status.evse_notification is EvseNotification.METERING_CONFIRMATION


async def _until_asked(ev: Iso20Car) -> Any:
    """The response of the loop that requests a confirmation, with the reading."""
    for _ in range(REQUESTED):
        response = await ev.loop()
        if _asked(response):
            ev.trial.check(response.meter_info is not None, "MeterInfo with the notification", "none")
            return response
        await asyncio.sleep(PACE)
    raise Failed(f"expected MeteringConfirmation within {REQUESTED} messages of the loop; got none")


def _confirmation(ev: Iso20Car, response: Any, fault: MeteringFault | None, *, beside: bool = True) -> Ask:
    """What the simulated EV would send."""
    side = MeteringSide(ev.script, fault, beside=beside)
    move = next(side.follow(ev.contract, response), None)
    if not isinstance(move, Ask):
        raise Inconclusive("the response of the loop has nothing to confirm")
    return move


def _in_loop(deed: Deed, *, contract: bool = True) -> Run:
    """By lawful steps into the loop, paid by the contract of the tester."""

    async def run(trial: Trial) -> None:
        ev = car20(trial)
        if contract:
            ev.contract = iso20_pki(ev).contract()
        await ev.go(Point.FIRST_LOOP)
        await deed(ev)

    return run


async def _confirmed(ev: Iso20Car) -> None:
    await _send(ev, _confirmation(ev, await _until_asked(ev), None), R.OK)
    await ev.loop()
    await ev.stop()


async def _on_main(ev: Iso20Car) -> None:
    """Not where the standard has it: a station may take it or refuse it."""
    await _send(ev, _confirmation(ev, await _until_asked(ev), None, beside=False), R.OK, SEQUENCE)
    assert ev.last is not None
    if ev.last.code == "OK":
        await ev.loop()
        return
    ev.trial.remark("a confirmation on the main stream is refused")
    await ev.closed()


async def _send(ev: Iso20Car, move: Ask, *codes: ResponseCode, ends: bool = False) -> None:
    ev.stream = move.payload_type
    send = ev.refused if ends else ev.expect
    await send(move.request, *codes, signature=move.signature)
    ev.stream = None


def _refused(fault: MeteringFault) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        move = _confirmation(ev, await _until_asked(ev), fault)
        await _send(ev, move, R.FAILED_METERING_SIGNATURE_NOT_VALID, ends=True)

    return deed


async def _not_requested(ev: Iso20Car) -> None:
    """Confirmed once; the second confirmation is requested by nothing [V2G20-1083]."""
    move = _confirmation(ev, await _until_asked(ev), None)
    await _send(ev, move, R.OK)
    await _send(ev, move, SEQUENCE, ends=True)


async def _never_asked(ev: Iso20Car) -> None:
    for _ in range(REQUESTED):
        response = await ev.loop()
        ev.trial.check(not _asked(response), "no request of a confirmation", "one")
        await asyncio.sleep(PACE)


async def _never_answered(ev: Iso20Car) -> None:
    await _until_asked(ev)
    for _ in range(REQUESTED):
        await ev.loop()
        await asyncio.sleep(PACE)
    await ev.stop()


_SET = "metering confirmation"
_NEEDS = (Need.ISO20_PNC, Need.ISO20_WALLET, Need.RECEIPT)
_INVALID = "FAILED_MeteringSignatureNotValid, TCP closed"
_FAULTS = {
    "MET-003": (MeteringFault.WRONG_READING, "a reading with one Wh more"),
    "MET-005": (MeteringFault.WRONG_SESSION, "another SessionID in the signed data"),
    "MET-METER": (MeteringFault.WRONG_METER, "another MeterID"),
    "MET-KEY": (MeteringFault.WRONG_KEY, "signed with another key"),
    "MET-UNSIGNED": (MeteringFault.UNSIGNED, "no signature"),
}

CASES: tuple[Case, ...] = (
    case20(
        *("MET-001", _SET, "MeteringConfirmationReq on 0x8102", "OK on 0x8102, the loop goes on"),
        *(_in_loop(_confirmed), *_NEEDS),
        ids="1083 1084",
    ),
    case20(
        *(
            "MET-002",
            _SET,
            "MeteringConfirmationReq on the main stream",
            "OK, or FAILED_SequenceError and the end",
        ),
        *(_in_loop(_on_main), *_NEEDS),
    ),
    *(
        case20(number, _SET, title, _INVALID, _in_loop(_refused(fault)), *_NEEDS)
        for number, (fault, title) in _FAULTS.items()
    ),
    case20(
        *("MET-006", _SET, "a confirmation that nothing has requested", REFUSED),
        *(_in_loop(_not_requested), *_NEEDS),
        ids="1083",
    ),
    case20(
        *("MET-007", _SET, "external identification", "no confirmation is requested"),
        *(_in_loop(_never_asked, contract=False), Need.RECEIPT),
    ),
    case20(
        *("MET-008", _SET, "the EV never confirms", "the loop goes on"),
        *(_in_loop(_never_answered), *_NEEDS),
    ),
)
