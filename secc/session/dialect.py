"""A protocol as the machine sees it: its facts, its rules, and how a response is made.

Each room makes one: ISO 15118-2 is `secc.session.iso2.table.ISO2`, DIN SPEC 70121 is
`secc.session.din.table.DIN`. The machine looks inputs up in the rules of the protocol that was agreed on in
the handshake, and asks it for the envelope of an answer and for the refusal that goes with a request.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

import msgspec

from secc.session.context import Context
from secc.session.contract_events import ContractRefused
from secc.session.facts import Message, ProtocolFacts
from secc.session.refusals import Refused
from secc.session.states import Stage, Timer
from secc.settings.compat import CompatConfig

__all__ = ["Anywhere", "Dialect", "Handler", "Key", "On", "at", "each"]

Key = type[object] | Timer
"""What a row is looked up by: the class of the input, or the timer that ran out."""

# Any: each row pairs a class with a handler for that class, which a tuple of rows cannot say in types.
Handler = Callable[[Context, Any], Stage]


class On(msgspec.Struct, frozen=True):
    """One row."""

    state: Stage
    input: Key
    handler: Handler
    leads_to: Set[Stage]
    ids: str
    leniency: str = ""


Row = tuple[Key, Handler, Set[Stage], str]
Lenient = tuple[Key, Handler, Set[Stage], str, str]


def at(state: Stage, *rows: Row | Lenient) -> tuple[On, ...]:
    """The rows of one state: input, handler, states that follow, ids, and the leniency where there is one."""
    return tuple(On(state, *row) for row in rows)


def each(
    states: Iterable[Stage],
    key: Key,
    handler: Handler,
    leads_to: Set[Stage],
    ids: str,
    leniency: str = "",
) -> tuple[On, ...]:
    """The same row for several states; those of a set in the order in which they are declared."""
    if isinstance(states, Set) and states:
        kind = type(next(iter(states)))
        states = [state for state in kind if state in states]
    return tuple(On(state, key, handler, leads_to, ids, leniency) for state in states)


class Anywhere(msgspec.Struct, frozen=True):
    """What an input does in every state without a row for it; the state stays, or the session ends."""

    handler: Callable[[Context, Any], None]
    ids: str


def _not_recorded(*_: object) -> None:
    return None


def _nothing_left(_: Context) -> None:
    return None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Dialect(ProtocolFacts):
    """One protocol, with its rules."""

    rules: tuple[On, ...]
    beside: tuple[On, ...] = ()
    """The rules of the side streams; their states are not those of the main stream."""
    closed: Callable[[Context], None] = _nothing_left
    """Forgets what was begun on side streams, when the main stream closes them."""
    anywhere: Mapping[Key, Anywhere]
    envelope: Callable[[bytes, Any, Any], Message]
    """The message made of session id, signature and body."""
    refusal: Callable[[Context, Any, Any], object]
    """The response paired with a request, carrying this code."""
    unrecorded: Callable[[Context, Any, enum.StrEnum, str], ContractRefused | None] = _not_recorded
    """The record of a refusal about a contract that its handler has not made: request, code, reason."""

    index: Mapping[tuple[Stage, Key], On] = dataclasses.field(init=False, repr=False)
    """The rules by what they are looked up by."""

    def __post_init__(self) -> None:
        ProtocolFacts.__post_init__(self)
        rows = (*self.rules, *self.beside)
        index = {(rule.state, rule.input): rule for rule in rows}
        if len(index) != len(rows):
            raise RuntimeError(f"{self.name}: two rows for the same state and input")
        object.__setattr__(self, "index", index)

    def find(self, state: Stage, key: Key, compat: CompatConfig) -> On | None:
        """The row for an input in a state, if there is one that counts."""
        rule = self.index.get((state, key))
        if rule is None or (rule.leniency and not getattr(compat, rule.leniency)):
            return None
        return rule

    def code(self, refused: Refused) -> enum.StrEnum:
        """The response code for what was refused."""
        return refused.code or self.codes[refused.cause]
