"""The answer to a request: exactly one, of the paired type, in time [INV-15]; and what is wrong with a
request before its handler is asked."""

from __future__ import annotations

from secc.session.context import Context
from secc.session.dialect import Dialect
from secc.session.facts import ProtocolFacts
from secc.session.outputs import NoticeKind, Send
from secc.session.refusals import Cause, Refused
from secc.session.streams import Stream
from secc.settings.timing import TimingConfig

__all__ = ["answer_by", "failed", "foreign", "response", "say", "unexpected"]


def answer_by(protocol: ProtocolFacts, timing: TimingConfig, request: object, now: float) -> float:
    """When the answer to a request leaves at the latest: its performance time, less a margin."""
    seconds = protocol.due(protocol.pairs[type(request)].__name__)
    return now + max(0.0, seconds - timing.answer_margin)


def response(
    session: Context, dialect: Dialect, body: object, signature: object | None, payload: bytes | None
) -> Send:
    """The answer to what is owed; raises RuntimeError for a body that does not answer it."""
    owed = session.owed
    if owed is None or type(body) is not dialect.pairs[type(owed)]:
        raise RuntimeError(f"{type(body).__name__} does not answer {type(owed).__name__}")
    message = dialect.envelope(session.session_id, signature, body)
    return Send(message, payload, session.received_stream)


def failed(session: Context, dialect: Dialect) -> object:
    """The response to what is owed that says no more than FAILED."""
    return dialect.refusal(session, session.owed, dialect.codes[Cause.FAILED])


def say(session: Context, dialect: Dialect, refused: Refused) -> None:
    """The notice of a refusal, and its record where it is about a contract."""
    request, code = session.owed, dialect.code(refused)
    session.notice(NoticeKind.REFUSED, f"{type(request).__name__}: {code.value}, {refused}")
    record = refused.record or dialect.unrecorded(session, request, code, str(refused))
    if record is not None:
        session.emit(record)


def foreign(session: Context, dialect: Dialect, request: object) -> Refused | None:
    """[V2G2-460]: a SessionID counts byte-equal, length included; not that of SessionSetupReq, and none
    before the setup."""
    if session.received_id == session.session_id or session.evcc_id is None:
        return None
    if isinstance(request, dialect.setup):
        return None
    return Refused(Cause.UNKNOWN_SESSION, f"SessionID is not the assigned one [{dialect.foreign}]")


def unexpected(session: Context, dialect: Dialect, request: object) -> Refused:
    """A request without a row in the state."""
    where = (
        "" if session.received_stream is Stream.MAIN else f" on the side stream for {session.received_stream}"
    )
    why = f"{type(request).__name__}{where} while the session {session.state.value} [{dialect.unexpected}]"
    return Refused(Cause.SEQUENCE, why)
