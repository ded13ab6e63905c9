"""The answer to a request: exactly one, of the paired type, in time [INV-15]."""

from __future__ import annotations

from secc.session.context import Context
from secc.session.dialect import Dialect
from secc.session.facts import ProtocolFacts
from secc.session.outputs import Send
from secc.settings.timing import TimingConfig

__all__ = ["answer_by", "response"]


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
