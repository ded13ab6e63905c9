"""Before the handshake has selected a protocol: no message can be answered, but timers already run."""

from __future__ import annotations

from typing import Any

from secc.session.anywhere import ANYWHERE
from secc.session.dialect import Dialect
from secc.session.states import Stage, StateRole

__all__ = ["HANDSHAKE", "HandshakeState"]


class HandshakeState(Stage):
    """The states of a session without a protocol."""

    WAIT_PROTOCOL = "waits for the choice of a protocol", StateRole.BEGIN
    ENDED = "has ended before there was a protocol", StateRole.ENDED


def _opened(message: Any) -> tuple[bytes, object | None, object | None]:
    return b"", None, message


def _nothing(*_: object) -> object:
    raise RuntimeError("no protocol has been chosen")


HANDSHAKE = Dialect(
    name="no protocol",
    schema="app_protocol",
    states=HandshakeState,
    pairs={},
    setup=type(None),
    opened=_opened,
    codes={},
    performance={},
    joins=False,
    unexpected="",
    foreign="",
    energises=False,
    rules=(),
    anywhere=ANYWHERE,
    envelope=_nothing,
    refusal=_nothing,
)
"""A session starts with it and keeps it until `Session.speak`."""
