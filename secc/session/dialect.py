"""What differs between the protocols that a session can speak; the machine is the same for all.

A dialect is a table of rules with the messages it is about: ISO 15118-2 is `secc.session.iso2.table.ISO2`,
DIN SPEC 70121 is `secc.session.din.table.DIN`. The machine looks requests up in the rules of the dialect that
was agreed on in the handshake, and asks it for the envelope and for the refusal that goes with a request.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from secc.messages import din, iso2
from secc.messages.xmldsig import Signature
from secc.session.states import Stage, Timer
from secc.settings.compat import CompatConfig

if TYPE_CHECKING:
    from secc.session.machine import Session

Body = iso2.BodyElement | din.BodyElement
"""Any message of any dialect, without its envelope."""

Message = iso2.V2GMessage | din.V2GMessage
"""The same with its envelope."""

Code = iso2.ResponseCode | din.ResponseCode
"""A response code; the same literal means the same in every dialect."""

Key = type[object] | Timer
"""What a row is looked up by: the class of the input, or the timer that ran out."""

# Any: each row pairs a class with a handler for that class, which a tuple of rows cannot say in types.
Handler = Callable[["Session", Any], Stage]


@dataclasses.dataclass(frozen=True, slots=True)
class On:
    """One row."""

    state: Stage
    input: Key
    handler: Handler
    leads_to: frozenset[Stage] | set[Stage]
    ids: str
    leniency: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Anywhere:
    """What an input does in every state without a row for it; the state stays, or the session ends."""

    handler: Callable[[Session, Any], None]
    ids: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Dialect:
    """One protocol, as the machine sees it."""

    name: str
    """For notices."""
    schema: str
    """Of `secc.exi.codec`."""
    states: type[Stage]
    rules: tuple[On, ...]
    anywhere: Mapping[Key, Anywhere]
    pairs: Mapping[type[Any], type[Any]]
    """Requests, each with its response."""
    setup: type[Any]
    """The request that begins a session; its SessionID is not checked."""
    envelope: Callable[[bytes, Signature | None, Any], Message]
    """Session id, signature, body."""
    refusal: Callable[[Session, Any, Code], Any]
    """The response paired with a request, carrying this code."""
    performance: Callable[[str], float]
    """Seconds in which a response is due, by its name."""
    joins: bool
    """A paused session can be continued."""
    unexpected: str
    """Id of the rule about requests out of order."""
    foreign: str
    """Id of the rule about a SessionID that was not assigned."""
    unpaced: frozenset[type[Any]] = frozenset()
    """Responses that `timing.minimum_pace` does not hold back."""
    large: frozenset[Stage] = frozenset()
    """States that take requests up to `iso20.max_payload`; all others `network.max_payload`."""

    index: Mapping[tuple[Stage, Key], On] = dataclasses.field(init=False, repr=False)
    """The rules by what they are looked up by."""

    def __post_init__(self) -> None:
        index = {(rule.state, rule.input): rule for rule in self.rules}
        if len(index) != len(self.rules):
            raise RuntimeError(f"{self.name}: two rows for the same state and input")
        object.__setattr__(self, "index", index)

    def find(self, state: Stage, key: Key, compat: CompatConfig) -> On | None:
        """The row for an input in a state, if there is one that counts."""
        rule = self.index.get((state, key))
        if rule is None or (rule.leniency and not getattr(compat, rule.leniency)):
            return None
        return rule

    @property
    def begin(self) -> Stage:
        """The first state."""
        return self.states["WAIT_SESSION_SETUP"]

    @property
    def end(self) -> Stage:
        """The last state."""
        return self.states["ENDED"]
