"""From one state to the next: which timers go on, and when an answer is due at the latest."""

from __future__ import annotations

from secc.session import beside
from secc.session.context import Context
from secc.session.dialect import Dialect, On
from secc.session.states import Stage, Timer

__all__ = ["enter"]


def enter(session: Context, dialect: Dialect, state: Stage, *, answered: bool) -> None:
    """Timers of the old state end; the sequence timer runs while the EV must speak [V2G2-443]."""
    timers = session.timers
    if state is not session.state:
        beside.follow(session, dialect, state)
        for timer in [*timers.due, *timers.expired]:
            if not beside.runs(session, dialect, state, timer):
                timers.stop(timer)
        session.state = state
    if not state.waits_for_ev:
        timers.stop(Timer.SEQUENCE)
        _keep_answer_time(session, dialect, state)
    elif answered:
        timers.start(Timer.SEQUENCE, session.now, dialect.sequence(session.config, state))


def _keep_answer_time(session: Context, dialect: Dialect, state: Stage) -> None:
    """What ends the wait in a state that owes an answer ends it in time, however many waits there are."""
    for timer in session.timers.due:
        rule = _row(session, dialect, state, timer)
        if rule is not None and state not in rule.leads_to:  # else it is a look at the world, not the end
            session.timers.bring_forward(timer, session.answer_by)


def _row(session: Context, dialect: Dialect, state: Stage, timer: Timer) -> On | None:
    return dialect.find(state, timer, session.config.compat)
