"""What the parts of a simulated EV's script share: the exchange of one request and one response."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeVar

from secc.messages import din, iso2
from secc.messages.iso2 import EVSEProcessing
from secc.messages.xmldsig import Signature
from secc.sim.moves import Answer, Move, Request


class HasCode(Protocol):
    """A response."""

    @property
    def response_code(self) -> iso2.ResponseCode | din.ResponseCode: ...


class HasProcessing(HasCode, Protocol):
    """A response that may say Ongoing."""

    @property
    def evse_processing(self) -> EVSEProcessing | din.EVSEProcessing: ...


R = TypeVar("R", bound=HasCode)
F = TypeVar("F", bound=HasProcessing)


class Asking(Protocol):
    """The script of an EV as its parts see it."""

    schedule_id: int
    session_id: bytes
    signature: Signature | None
    """In the header of the last response."""

    def ask(
        self, request: Request, expected: type[R], *, signature: Signature | None = None
    ) -> Generator[Move, Answer, R]:
        """One exchange with a positive answer of class `expected`; raises EvGivesUp otherwise."""
        ...

    def until_finished(self, request: Request, expected: type[F]) -> Generator[Move, Answer, F]:
        """Repeat a request until the response says Finished."""
        ...
