"""A session on a link: inputs go into the core, its outputs to the wire and to the outlet.

Theory of operation. The core is pure and answers at once, and so does everything that performs its outputs,
with one exception (below). Therefore a session needs no task that waits for its next input: each input is
handled in the callback that brings it.

* Bytes, the end of the stream and the deadline come from the event loop itself; `take` handles them at once.
* Everything else (the outlet's answers, the back end's, a change of the outlet, a stop) may come from code
  that is in the middle of something; `post` handles it when that has returned to the loop.
* Inputs are handled one after the other, in the order in which they came, each with all of its outputs.
* One timer serves all deadlines of the core. When they become later it is not moved: it fires, finds none
  due, and is set again.
* The exception: an answer waits until the driver of the outlet has heard of an off that was ordered before it
  [INV-02]. Until then no input is handled, and reading pauses.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import enum
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from secc.connection import (
    Close,
    Connection,
    ConnectionInput,
    ConnectionOutput,
    Data,
    EndOfStream,
    Heard,
    Write,
)
from secc.records import Direction, MessageRecord, NoticeRecord, OutputRecord, Record
from secc.session.inputs import LinkLost, Tick
from secc.session.outlet import EvseFault, EvseSnapshot
from secc.session.outputs import (
    CloseContactor,
    EndSession,
    Notice,
    OpenContactor,
    RenewLease,
    SetOutput,
    StartCableCheck,
)
from secc.station.hardware import watch
from secc.station.outlet import Outlet


@dataclasses.dataclass(slots=True)
class Chunk:
    """Bytes of the peer and the time of their arrival, in seconds of the loop."""

    data: bytes
    at: float


@dataclasses.dataclass(slots=True)
class Plaintext:
    """The content of a chunk, after TLS where there is TLS."""

    data: bytes
    at: float


class StreamEnd(enum.Enum):
    """Nothing more comes from the peer."""

    CLOSED = "closed by the EV"
    BROKEN = "connection reset"


@dataclasses.dataclass(frozen=True, slots=True)
class HangUp:
    """The station ends the link."""

    reason: str


class Look(enum.Enum):
    """The outlet has changed, or a deadline is there."""

    NOW = "now"


LinkInput = Chunk | Plaintext | StreamEnd | HangUp | Look | ConnectionInput
"""Inputs of a link, from the wire and from inside the station."""


class Wire(Protocol):
    """What a session needs of its link."""

    def decrypt(self, chunk: Chunk) -> Plaintext:
        """The content of a chunk; what TLS answers is sent."""
        ...

    @property
    def finished(self) -> bool:
        """Nothing more will be read or written."""
        ...

    def send(self, plaintext: bytes) -> None:
        """Send it, through TLS where there is TLS."""
        ...

    def record(self, record: Record) -> None:
        """Report what has happened."""
        ...

    def complaint(self, text: str) -> None:
        """Report what only a log needs."""
        ...

    def pause(self) -> None:
        """Read nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class Conversation:
    """One session on its link: `run` lasts as long as the link has the outlet."""

    def __init__(
        self,
        wire: Wire,
        connection: Connection,
        outlet: Outlet,
        snapshot: EvseSnapshot,
        observe: Callable[[EvseSnapshot], None],
    ) -> None:
        """`snapshot` is the one with which the session was made; `observe` gets each later one."""
        self.connection = connection
        self.outlet = outlet
        self.seen = snapshot
        self.close_at: float | None = None
        """When to close the link, in seconds of the loop; None while the session lasts."""
        self.end: EndSession | None = None
        """How it ended."""
        self.over = False
        """No input is handled any more."""
        self._wire = wire
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._events: collections.deque[LinkInput] = collections.deque()
        self._inputs: collections.deque[ConnectionInput] = collections.deque()
        self._handling = self._look_queued = self._turn_queued = False
        self._changes: list[EvseSnapshot] = []  # what the watch has seen and the core has not
        self._request_at = self._looked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[None] | None = None  # for the driver to hear of an off
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def run(self, first: Sequence[LinkInput]) -> float:
        """Handle `first` and all further inputs until the core closes; return the time at which to close.

        The outlet is watched until then. Raises the exception of an internal error.
        """
        watching = self._loop.create_task(self._watch())
        try:
            self._events.extendleft(reversed(first))
            self._handle_all()
            await self._ended
        finally:
            self.over = True
            for one in (self._timer, self._waiting):
                if one is not None:
                    one.cancel()
            try:
                await self.outlet.release()
            finally:
                watching.cancel()
        return self._loop.time() if self.close_at is None else self.close_at

    def left(self) -> list[LinkInput]:
        """What came and was not handled."""
        left, self._events = list(self._events), collections.deque()
        return left

    def take(self, event: LinkInput) -> None:
        """Handle it now, in its turn; only for callbacks of the event loop."""
        self._events.append(event)
        self._handle_all()

    def post(self, event: LinkInput) -> None:
        """Handle it after the present input, at the latest in the next turn of the loop."""
        self._events.append(event)
        if not self._turn_queued:
            self._turn_queued = True
            self._loop.call_soon(self._turn)

    # --- inputs --------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._turn_queued = False
        self._handle_all()

    def _deadline(self) -> None:
        """A deadline is there, or was before later messages moved it."""
        self._timer = None
        due = self.connection.deadline
        if due is not None and due > self._loop.time():
            self._set_timer()
            return
        self._events.append(Look.NOW)
        self._handle_all()

    def _handle_all(self) -> None:
        """Handle all waiting inputs, unless a caller further up does or an answer waits for the driver."""
        if self._handling or self._waiting is not None or self.over:
            return
        self._handling = True
        try:
            while self.close_at is None and self._waiting is None:
                if self._inputs:
                    self._handle(self._inputs.popleft())
                elif self._events:
                    self._inputs.extend(self._meaning(self._events.popleft()))
                else:
                    break
            self._set_timer()
        except Exception as error:  # an internal error ends this session and nothing else [INV-28]
            self._fail(error)
        finally:
            self._handling = False

    def _meaning(self, event: LinkInput) -> list[ConnectionInput]:
        """What an event means to the core."""
        match event:
            case Chunk():
                inputs = self._meaning(self._wire.decrypt(event))
                if self._wire.finished:
                    inputs.append(EndOfStream("TLS closed by the EV or failed"))
                return inputs
            case Plaintext(data, at):
                self._request_at = at
                inputs = self.ticks()
                inputs.pop()  # the message brings the last snapshot itself
                if data:
                    inputs.append(Data(data, self.seen))
                return inputs
            case Look():
                self._look_queued = False
                return self.ticks()
            case StreamEnd():
                return [EndOfStream(event.value)]
            case HangUp(reason):
                return [LinkLost(reason)]
            case _:
                return [event]

    def _handle(self, event: ConnectionInput) -> None:
        decided = self._loop.time()
        outputs = self.connection.handle(event, decided)
        for output in outputs:  # the hardware first, before anything that may take time
            if isinstance(output, _HARDWARE):
                self.outlet.perform(output, decided)
        for at, output in enumerate(outputs):
            if isinstance(output, Write) and self.outlet.off_pending:
                self._wire.pause()
                self._waiting = self._loop.create_task(self._perform_when_heard(outputs[at:]))
                return
            self._perform(output)

    def _set_timer(self) -> None:
        """For the deadline of the core; at the end of the session, for its close."""
        if self.close_at is not None:
            self.over = True
            if not self._ended.done():
                self._ended.set_result(None)
            return
        due = self.connection.deadline
        if due is None or self._waiting is not None:  # what is over or waits looks again by itself
            return
        if self._timer is not None:
            when = self._timer.when()
            if when == due or (when < due and when > self._loop.time() + _SOON):
                return  # nearly each message moves the deadline, and the timer looks again in time
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._deadline)

    def _fail(self, error: Exception) -> None:
        self.over = True
        if not self._ended.done():
            self._ended.set_exception(error)

    # --- outputs -------------------------------------------------------------------------------------------

    async def _perform_when_heard(self, outputs: Sequence[ConnectionOutput]) -> None:
        """The off goes to the outlet first, then the answer to the EV [INV-02]."""
        try:
            for output in outputs:
                if isinstance(output, Write) and self.outlet.off_pending:
                    await self.outlet.off_heard(self.connection.session.answer_by)
                self._perform(output)
        except Exception as error:
            self._fail(error)
        self._waiting = None
        self._wire.resume()
        self._handle_all()

    def _perform(self, output: ConnectionOutput) -> None:
        now = self._loop.time()
        name = self.connection.session.session_id.hex().upper()
        match output:
            case Heard(message, stream):
                self._wire.record(MessageRecord(now, Direction.RECEIVED, message, None, name, stream))
            case Write(data, message, stream):
                self._wire.send(data)
                waited = now - self._request_at
                self._wire.record(MessageRecord(now, Direction.SENT, message, waited, name, stream))
            case Close(after):
                self.close_at = now + after
            case Notice():
                self._wire.record(NoticeRecord(now, output, name))
            case EndSession():
                self.end = output
                self._wire.record(OutputRecord(now, output, name))
            case _:
                if not isinstance(output, _HARDWARE):
                    self.outlet.perform(output)
                self._wire.record(OutputRecord(now, output, name))

    # --- the outlet ----------------------------------------------------------------------------------------

    def look(self) -> EvseSnapshot:
        """The outlet now; a controller that cannot report it is a fault of the outlet."""
        self._looked_at = self._loop.time()
        try:
            self.seen = self.outlet.controller.snapshot()
        except Exception:
            self.seen = msgspec.structs.replace(self.seen, fault=EvseFault.MALFUNCTION, ready=False)
        self._observe(self.seen)
        return self.seen

    def notices_change(self) -> bool:
        """A change that cannot wait for the next message or timer: the core gets it, even if the state has
        passed by then.

        A fault register may clear itself when it is read.
        """
        before = _urgent(self.seen)
        if before == _urgent(self.look()):
            return False
        self._changes = [*self._changes, self.seen][-_MAX_CHANGES:]
        return True

    def ticks(self) -> list[ConnectionInput]:
        """The outlet now, preceded by a passing state since the last reading."""
        now = self.look()
        if not self._changes:
            return [Tick(now)]
        passed, self._changes = self._changes, []
        moments = [msgspec.structs.replace(now, **_urgent_fields(one)) for one in passed]
        return [Tick(one) for one in (*moments, now)]

    def queue_look(self) -> None:
        """Look in the next turn of the loop, once."""
        if not self._look_queued:
            self._look_queued = True
            self.post(Look.NOW)

    async def _watch(self) -> None:
        await watch(self.outlet.controller, self._watched, self._wire, looked_at=lambda: self._looked_at)

    def _watched(self, reported: bool) -> None:
        if self.notices_change() or reported:
            self.queue_look()


_HARDWARE = (RenewLease, SetOutput, OpenContactor, CloseContactor, StartCableCheck)
_URGENT = (
    "control_pilot",
    "fault",
    "contactor_closed",
    "ready",
    "max_voltage",
    "max_current",
    "max_power",
)
_urgent = operator.attrgetter(*_URGENT)
_SOON = 1.0  # s
_MAX_CHANGES = 16  # a look follows each at once; more of them only while the loop stands still


def _urgent_fields(snapshot: EvseSnapshot) -> dict[str, Any]:
    return dict(zip(_URGENT, _urgent(snapshot), strict=True))
