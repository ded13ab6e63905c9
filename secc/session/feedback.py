"""Whether the outlet does as ordered: the contactor by its feedback, a DC output by its readings.

What does not follow is a fault that outlives the session: it is not known what such an outlet does next
[INV-02] [INV-03] [INV-30]. A reading counts only when it stays wrong for a time, as contacts bounce and a
filter takes a while to discharge. No feedback (None) is not judged.

The voltage of a DC output after a stop is not judged here: until welding detection the EV may hold its own
contactors closed, and its battery is on the cable. It is judged where no battery can be there: at the
isolation test of the next pass, and after the session with the cable unplugged (`secc.session.latch`).
"""

from __future__ import annotations

from secc.session import ending
from secc.session.context import Context
from secc.session.outlet import EvseFault, EvseSnapshot
from secc.session.refusals import Cause
from secc.session.states import StateRole, Timer
from secc.settings.energy import DcConfig

JUDGED = frozenset({Timer.CONTACTOR_RELEASE, Timer.CONTACTOR_LOST, Timer.DISCHARGE})
"""They say that a reading was wrong for too long."""


def watch(session: Context) -> None:
    """Look at the snapshot at hand: what is wrong has from now on a limited time to become right."""
    if session.state.ended:
        return
    level, ordered = session.evse.contactor_closed, session.contactor_ordered
    judged = level is not None and ordered is not None and level is not ordered
    remains, timers = bool(_remains(session)), session.timers
    if not judged and not remains and JUDGED.isdisjoint(timers.due) and JUDGED.isdisjoint(timers.expired):
        return  # as nearly always
    _allow(session, Timer.CONTACTOR_RELEASE, judged and ordered is False)
    _allow(session, Timer.CONTACTOR_LOST, judged and ordered is True)
    _allow(session, Timer.DISCHARGE, remains)


def _allow(session: Context, timer: Timer, wrong: bool) -> None:
    if wrong:
        session.timers.start_once(timer, session.now)
    else:
        session.timers.stop(timer)


def opens_still(session: Context) -> bool:
    """The contactor was ordered to open, or never to close, and its feedback says closed."""
    return session.contactor_ordered is False and session.evse.contactor_closed is True


def without_voltage(session: Context) -> bool:
    """The output reads no more than the safe voltage; a reading that is no number says nothing."""
    return not _voltage(session.evse, session.config.energy.dc)


def may_close(session: Context) -> bool:
    """Nothing of before is still on: the contactor has opened, and a DC output of the same outlet is off."""
    return not opens_still(session) and (not session.config.energy.offers_dc or without_voltage(session))


def live(snapshot: EvseSnapshot, dc: DcConfig) -> str:
    """What is read at an output that is off, where no battery can be: current, or more than the safe voltage;
    empty when it is off indeed."""
    return _current(snapshot) or _voltage(snapshot, dc)


def _current(snapshot: EvseSnapshot) -> str:
    return f"{snapshot.present_current:g} A" if abs(snapshot.present_current) > _NO_CURRENT else ""


def _voltage(snapshot: EvseSnapshot, dc: DcConfig) -> str:
    volts = snapshot.present_voltage
    return "" if abs(volts) <= dc.safe_voltage else f"{volts:g} V"


def contactor_not_open(session: Context, _: None) -> None:
    """Welded, or the order to open did not reach it."""
    _fails(session, EvseFault.CONTACTOR, "closed while it must be open")


def contactor_lost(session: Context, _: None) -> None:
    """It fell open, or something else has opened it, without a fault or a pilot that would say why."""
    _fails(session, EvseFault.CONTACTOR, "open while it must be closed")


def not_discharged(session: Context, _: None) -> None:
    """Voltage before an isolation test, or current, although the output is off."""
    _fails(session, EvseFault.SWITCH_OFF, f"{_remains(session)} at the output that is switched off")


def _remains(session: Context) -> str:
    """What is read at a DC output that is off and must not be there; empty when nothing is wrong."""
    if session.energised is not None or not session.is_dc:
        return ""
    if session.awaits_discharge and session.state.role is StateRole.ISOLATION_TEST:
        return live(session.evse, session.config.energy.dc)
    return _current(session.evse)


def _fails(session: Context, fault: EvseFault, why: str) -> None:
    session.trip(fault, why)
    starts = session.state.role in _STARTS and fault is EvseFault.CONTACTOR
    ending.interrupt(session, f"{fault.value}: {why}", Cause.CONTACTOR if starts else Cause.FAILED)


_STARTS = (StateRole.STARTS, StateRole.CLOSES_CONTACTOR)
_NO_CURRENT = (
    2.0  # A; what a pre-charge may have does not distinguish a live output from an offset of the meter
)
