"""Side streams: conversations of the EV beside the main one, each with its state and its rows.

They open while the main stream is in a state that names them (`ProtocolFacts.opens`), and close with it,
except one whose state lasts (`ProtocolFacts.lasts`). Nothing that happens on them changes the state, the
sequence timer or the demand of the main stream. A response that begins with FAILED ends the session, as on
the main stream.
"""

from __future__ import annotations

from secc.session.context import Context
from secc.session.dialect import Dialect, Key, On
from secc.session.states import Stage, Timer
from secc.session.streams import Stream


def follow(session: Context, dialect: Dialect, state: Stage) -> None:
    """Open and close the side streams as the main stream goes to `state`. An open one stays as it is."""
    opens, before = dialect.opens.get(state, {}), session.streams
    kept = {stream: stage for stream, stage in before.items() if stream in opens or stage in dialect.lasts}
    if len(kept) < len(before):
        dialect.closed(session)
    session.streams = {**opens, **kept} if kept else dict(opens)


def find(session: Context, dialect: Dialect, key: Key) -> On | None:
    """The row of an open side stream for what is no request."""
    for stage in session.streams.values():
        if (rule := dialect.find(stage, key, session.config.compat)) is not None:
            return rule
    return None


def stream_of(session: Context, rule: On) -> Stream:
    """The stream that a row belongs to."""
    if rule.state is session.state:
        return Stream.MAIN
    for stream, stage in session.streams.items():
        if stage is rule.state:
            return stream
    return Stream.MAIN


def enter(session: Context, dialect: Dialect, stream: Stream, state: Stage) -> None:
    """The side stream goes to `state`, or closes where the main one has left it behind; timers that only its
    state before had a row for end."""
    if stream in dialect.opens.get(session.state, {}) or state in dialect.lasts:
        session.streams[stream] = state
    else:
        session.streams.pop(stream, None)
    for timer in [*session.timers.due, *session.timers.expired]:
        if not runs(session, dialect, session.state, timer):
            session.timers.stop(timer)


def runs(session: Context, dialect: Dialect, state: Stage, timer: Timer) -> bool:
    """A timer has a meaning in this state of the main stream, or on a side stream."""
    known = timer in dialect.anywhere or dialect.find(state, timer, session.config.compat) is not None
    return known or find(session, dialect, timer) is not None
