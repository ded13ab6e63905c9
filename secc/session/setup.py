"""The beginning of a session: which id it has."""

from __future__ import annotations

from secc.session.context import Context
from secc.session.paused import PausedSession
from secc.session.states import Timer


def unbound(session: Context) -> PausedSession | None:
    """The paused session that an EV may continue by its id alone."""
    paused = session.names.paused if session.dialect.joins else None
    return paused if paused is not None and not paused.binding else None


def begin(session: Context, evcc_id: bytes, paused: PausedSession | None) -> bool:
    """Settle the session id: the paused session's if the EV names it, else a new one. True if joined.

    `paused` is what this EV may continue [V2G2-463] [V2G2-753] [V2G2-754] [V2G2-756]
    """
    session.evcc_id = evcc_id
    session.timers.stop(Timer.COMMUNICATION_SETUP)
    if paused is not None and session.received_id == paused.session_id:
        session.session_id, session.joined, session.continues = paused.session_id, paused, paused
        return True
    if session.session_id == session.received_id:
        session.session_id = session.names.new_id(avoid=session.received_id)
    return False
