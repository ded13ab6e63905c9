"""Welding detection, DC: the EV opens its contactors and watches the voltage, in pilot state B."""

from __future__ import annotations

from secc.session import ending
from secc.session.context import Context
from secc.session.outlet import ControlPilot
from secc.session.states import Timer


def requested(session: Context) -> bool:
    """Whether the request can be answered; False while the EV has not gone to pilot state B."""
    ending.check_budget(session, Timer.WELDING_DETECTION)
    if not shows_b(session):
        session.timers.start(Timer.PILOT, session.now)
        return False
    return seen(session)


def seen(session: Context) -> bool:
    """Whether the answer that waits for pilot state B can be given."""
    if shows_b(session):
        session.timers.start_once(Timer.WELDING_DETECTION, session.now)
    return shows_b(session)


def shows_b(session: Context) -> bool:
    """The EV has gone to pilot state B."""
    return session.evse.control_pilot is ControlPilot.B


def stop_requested(session: Context) -> bool:
    """Whether the session may stop after the energy transfer; False while the EV has not gone to pilot
    state B [V2G2-919] [V2G2-920] [V2G-DC-988]."""
    if shows_b(session):
        return True
    session.timers.start(Timer.PILOT, session.now)
    return False
