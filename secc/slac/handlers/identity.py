"""What the station's modem reports about itself."""

from __future__ import annotations

import dataclasses

from secc.slac import fitness, parameters, vendor
from secc.slac.context import MatchingContext
from secc.slac.events import FrameVerdict, KeyRefused, ModemFound, ModemUnfit
from secc.slac.frames import LOCAL_MODEM, Frame
from secc.slac.handlers.modem import COOKIE, is_success, leave
from secc.slac.states import SlacState
from secc.slac.vendor import Vendor


def introduced(matching: MatchingContext, frame: Frame) -> SlacState:
    """Store what the modem reports about itself after `opened`."""
    known = matching.modem
    found = _description(known, frame)
    if found is None or known.mac not in (b"", frame.source) or not matching.is_modem(frame.source):
        return matching.ignore(FrameVerdict.CONTRADICTION)
    if found != known:
        matching.modem = found
        matching.emit(found)
        _judge(matching)
    _ask_parameters(matching)
    if matching.state not in (SlacState.KEYING, SlacState.RESTARTING) and not _still_keyed(matching):
        matching.emit(KeyRefused(matching.key_result or 0))
        return leave(matching, "the modem has refused its key", failed=True)
    return matching.state


def _description(known: ModemFound, frame: Frame) -> ModemFound | None:
    """What is known of the modem with this answer; None: it is not an answer to this station."""
    named = dataclasses.replace(known, mac=frame.source)
    match frame.message:
        case vendor.OperationAttributesCnf(cookie=cookie) as answer if cookie == COOKIE:
            return dataclasses.replace(named, vendor=Vendor.QUALCOMM, hardware=answer.hardware)
        case vendor.SoftwareVersionCnf() as answer:
            return dataclasses.replace(named, vendor=Vendor.QUALCOMM, firmware=answer.text)
        case vendor.LumissilVersionCnf() as answer:
            return dataclasses.replace(named, vendor=Vendor.LUMISSIL, firmware=answer.text)
        case parameters.ModuleReadCnf() as answer if known.vendor is Vendor.QUALCOMM:
            role, cco = parameters.slac_role(answer), parameters.cco_mode(answer)
            return dataclasses.replace(named, role=role or known.role, cco=cco or known.cco)
    return None


def _judge(matching: MatchingContext) -> None:
    """Report what is wrong with the modem, each reason once."""
    modem = matching.modem
    found = fitness.shortcomings(modem.hardware, modem.firmware, modem.role, modem.cco)
    for reason in found:
        if reason not in matching.history.shortcomings:
            matching.emit(ModemUnfit(reason))
    matching.history.shortcomings = found


def _ask_parameters(matching: MatchingContext) -> None:
    """Read the role of a Qualcomm modem; its boot loader would answer with zeros."""
    modem = matching.modem
    known = modem.vendor is Vendor.QUALCOMM and modem.firmware != ""
    if known and not matching.history.parameters_asked and not fitness.has_boot_loader_only(modem.firmware):
        matching.history.parameters_asked = True
        for question in parameters.QUESTIONS:
            matching.send(LOCAL_MODEM, question)


def _still_keyed(matching: MatchingContext) -> bool:
    """Judge the stored result again: its meaning may change when the maker becomes known."""
    result = matching.key_result
    return result is None or matching.asleep or is_success(matching, result)
