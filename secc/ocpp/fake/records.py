"""What a fake CSMS has received: messages and transactions, and the faults that it simulates."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

from secc.ocpp.model import Payload, Registration

__all__ = ["CsmsFaults", "CsmsRecords", "ReceivedMessage", "RecordedTransaction"]


@dataclasses.dataclass(slots=True)
class CsmsFaults:
    """Simulated faults; they may be changed at any time."""

    slow: float = 0.0
    """Delay of every answer in seconds."""
    silent: bool = False
    """Nothing is answered."""
    wrong: bool = False
    """Answers violate the schema."""
    refusing: bool = False
    """Every call is answered with an error."""
    twice: bool = False
    """Every command is sent twice, with the same id."""
    lost_answers: int = 0
    """Number of answers to transaction events that are lost with their connection after recording the
    event."""
    clock: float = 0.0
    """Seconds that the clock is ahead."""
    registration: Registration = Registration.ACCEPTED
    """Answer to BootNotification."""


@dataclasses.dataclass(slots=True)
class RecordedTransaction:
    """A transaction as the events have reported it."""

    station: str
    id: str
    token: str = ""
    outlet: str = ""
    """EVSE, or connector in 1.6."""
    number: int = 0
    seqs: list[int] = dataclasses.field(default_factory=list)
    """Sequence numbers of the events, in the order of their first arrival."""
    meter_start: int | None = None
    meter_stop: int | None = None
    reason: str = ""
    ended: bool = False
    repeats: int = 0
    """Number of events that arrived again."""
    times: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A call of a station."""

    station: str
    action: str
    payload: Payload


class CsmsRecords:
    """Everything a fake CSMS has received; an event counts once, however often it arrives."""

    def __init__(self) -> None:
        self.messages: collections.deque[ReceivedMessage] = collections.deque(maxlen=10_000)
        self.transactions: dict[str, RecordedTransaction] = {}
        """By id of the transaction."""
        self.last_number = 0
        """The last transaction number given to a station of 1.6."""
        self.changed: Callable[[RecordedTransaction], None] = lambda _transaction: None
        """Called with a transaction that has started or ended."""
        self._seen: set[tuple[Any, ...]] = set()

    def actions(self, station: str | None = None) -> list[str]:
        """Return the received actions, in order."""
        return [one.action for one in self.messages if station in (None, one.station)]

    def record(self, station: str, transaction: str, place: object, at: str) -> RecordedTransaction | None:
        """Return the transaction to which an event belongs; None when it is recorded already.

        `place` identifies the event in its transaction.
        """
        found = self.transactions.setdefault(transaction, RecordedTransaction(station, transaction))
        if (transaction, place) in self._seen:
            found.repeats += 1
            return None
        self._seen.add((transaction, place))
        found.times.append(at)
        if isinstance(place, int):
            found.seqs.append(place)
        return found

    def key_of(self, station: str, number: int | None) -> str | None:
        """Return the key of a transaction by its number in 1.6."""
        found = (
            key for key, one in self.transactions.items() if (one.station, one.number) == (station, number)
        )
        return next(found, None)
