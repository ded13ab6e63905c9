"""What a simulated EV can do next, and what it gets back: the words between a script and who drives it."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import msgspec

from secc.messages.xmldsig import Signature
from secc.session.outlet import ControlPilot
from secc.sim.physics import Load

__all__ = [
    "Answer",
    "Ask",
    "Connect",
    "Draw",
    "EvGivesUp",
    "Move",
    "Request",
    "Script",
    "SendRaw",
    "ShowPilot",
    "Vanish",
    "Wait",
]

Request = msgspec.Struct
"""The body of a message of ISO 15118-2 or DIN SPEC 70121, a whole message of ISO 15118-20, or the
handshake."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """Send this request and wait for the response."""

    request: Request
    session_id: bytes | None = None
    """Another SessionID than the assigned one, to misbehave."""
    signature: Signature | None = None
    """For the header."""
    payload_type: int | None = None
    """Another payload type than the usual one: a side stream, or to misbehave."""
    stamp: int | None = None
    """ISO 15118-20: another TimeStamp than the present one, to misbehave."""


@dataclasses.dataclass(frozen=True, slots=True)
class ShowPilot:
    """Put the control pilot into this state."""

    pilot: ControlPilot


@dataclasses.dataclass(frozen=True, slots=True)
class Connect:
    """DC: close the vehicle's contactors towards this battery; None: open them."""

    load: Load | None


@dataclasses.dataclass(frozen=True, slots=True)
class Draw:
    """AC: take so much per phase from now on."""

    current: float
    phases: int
    lines: tuple[float, float, float] | None = None
    """A on L1, L2 and L3, where they differ; `current` is their mean then."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class SendRaw:
    """Misbehave: send these bytes as they are; no answer is waited for."""

    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Vanish:
    """Misbehave: be gone without a word; the connection is reset and nothing else is done."""


Move = Ask | ShowPilot | Connect | Draw | Wait | SendRaw | Vanish


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came back to an `Ask`; for the other moves, only the time."""

    now: float
    """Monotonic seconds."""
    message: msgspec.Struct | None = None


class EvGivesUp(Exception):
    """The EV ends the session: a negative response, a wrong one, or nothing it can use."""


Script = Generator[Move, Answer, None]
