"""What the part of the session that all protocols share knows about the protocol in use."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any

from secc.session.refusals import Cause
from secc.session.schedules import PowerSchedule, ScheduleOffer
from secc.session.states import Stage, StateRole
from secc.session.streams import Stream

__all__ = ["Message", "ProtocolFacts"]

# Any: the classes of the protocol in use, as its codec makes them; only its room looks into them.
Message = Any
"""A message of the protocol in use, complete."""

Continued = tuple[object | None, object | None]
"""A tariff, and the signature that goes with it."""


_USUAL = 1.5  # s


def _nothing() -> object | None:
    return None


def _usual(_: Any, __: Stage) -> float | None:
    return None


def _no_interval(_: Any) -> float:
    return 0.0


def _not_bound(_: Any) -> tuple[bytes, object | None]:
    return b"", None


def _without_tariff(_: PowerSchedule, __: ScheduleOffer, ___: int) -> Continued:
    return None, None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProtocolFacts:
    """One protocol, without its rules."""

    name: str
    """For notices."""
    schema: str
    """Of `secc.exi.codec`."""
    states: type[Stage]
    pairs: Mapping[type[Any], type[Any]]
    """Requests, each with its response."""
    setup: type[Any]
    """The request that begins a session; its SessionID is not checked."""
    opened: Callable[[Message], tuple[bytes, object | None, object | None]]
    """A message as session id, signature and body."""
    codes: Mapping[Cause, enum.StrEnum]
    """The response code for what the shared part objects to."""
    performance: Mapping[str, float]
    """Seconds from the last byte of a request to its response, by the response's name, where they are not the
    usual ones."""
    joins: bool
    """A paused session can be continued."""
    unexpected: str
    """Id of the rule about requests out of order."""
    foreign: str
    """Id of the rule about a SessionID that was not assigned."""
    energises: bool = True
    """False: no output of a session may energise the outlet, see `secc.session.soc`."""
    unpaced: frozenset[type[Any]] = frozenset()
    """Responses that `timing.minimum_pace` does not hold back."""
    interval: Callable[[Any], float] = _no_interval
    """Seconds, by settings, that an unpaced response, or one of a side stream, leaves after the one before it
    on its stream at the earliest."""
    opens: Mapping[Stage, Mapping[Stream, Stage]] = dataclasses.field(default_factory=dict)
    """The states of the main stream with side streams beside them, and the state in which each of those
    begins. In every other state the side streams are closed, but for those in a state that `lasts`."""
    lasts: frozenset[Stage] = frozenset()
    """States of side streams that stay as they are, wherever the main stream goes."""
    large: frozenset[Stage] = frozenset()
    """States that take requests up to `iso20.max_payload`; all others `network.max_payload`."""
    continued: Callable[[PowerSchedule, ScheduleOffer, int], Continued] = _without_tariff
    """The tariff of a schedule that goes on after a pause, so many seconds after it was offered."""
    room: Callable[[], object | None] = _nothing
    """Makes the data of the session that only this protocol has."""
    sequence: Callable[[Any, Stage], float | None] = _usual
    """Seconds, by settings and state, until the next request is due; None: `timing.sequence`."""
    kept: Callable[[Any], tuple[bytes, object | None]] = _not_bound
    """What a paused session leaves: what ties it to its vehicle, and the data that only this protocol has."""
    begin: Stage = dataclasses.field(init=False)
    """The first state."""
    end: Stage = dataclasses.field(init=False)
    """The last state."""

    def due(self, response: str) -> float:
        """Seconds in which a response leaves at the latest: V2G_SECC_Msg_Performance_Time of its name.

        The core answers at once or waits for the world, and then in time: the answer is given
        `timing.answer_margin` before. The shell measures, and counts what came late.
        """
        return self.performance.get(response, _USUAL)

    def __post_init__(self) -> None:
        (begin,) = [stage for stage in self.states if stage.role is StateRole.BEGIN]
        (ended,) = [stage for stage in self.states if stage.role is StateRole.ENDED]
        object.__setattr__(self, "begin", begin)
        object.__setattr__(self, "end", ended)
