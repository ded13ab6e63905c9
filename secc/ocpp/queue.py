"""Messages that must reach the CSMS: stored first, sent in order, removed when they are answered.

A message of a transaction is on the disk before it is sent, and leaves the disk when the CSMS has answered
it. So it arrives at least once, in order, with the same id and content each time; the CSMS recognizes a
repetition by transaction and sequence number. A message that the CSMS answers with an error several times is
set aside, so that it does not block the others; it stays on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from secc.ocpp.dialect import EventAnswer, OcppDialect, Request
from secc.ocpp.model import EventKind, OutgoingCall, Payload, TransactionEvent
from secc.ocpp.rpc import CallFailed
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.store import Event, QueuedMessage, Store

__all__ = ["OutgoingQueue", "SendCall"]

T = TypeVar("T")


class SendCall(Protocol):
    """Sends one call and returns the answer; raises NoAnswer or CallFailed."""

    def __call__(self, action: str, payload: Payload, *, message_id: str) -> Awaitable[Payload]:
        """`message_id` is the same at each attempt."""
        ...


class OutgoingQueue:
    """The queue of one station. All access to the store runs in one thread."""

    def __init__(
        self,
        settings: RuntimeSettings,
        store: Store,
        *,
        answered: Callable[[TransactionEvent, EventAnswer], None],
        report: Callable[[str], None],
    ) -> None:
        """`answered` is called for each transaction event that the CSMS has accepted."""
        self._settings = settings
        self._store = store
        self._answered = answered
        self._report = report
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ocpp-store")
        self._unwritten: asyncio.Queue[tuple[Sequence[Event], Mapping[str, object]]] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._attempts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._problem, self._writing = "", False

    @property
    def idle(self) -> bool:
        """Everything that was enqueued has been passed to the store."""
        return self._unwritten.empty() and not self._writing

    def number_of(self, transaction: str) -> int | None:
        """Return the number that a CSMS of 1.6 has given to a transaction."""
        return self._numbers.get(transaction)

    def transaction_of(self, number: int) -> str:
        """Return the transaction with this number of a CSMS of 1.6; empty: none."""
        return next((name for name, known in self._numbers.items() if known == number), "")

    def enqueue(self, events: Sequence[Event], state: Mapping[str, object] | None = None) -> None:
        """Store events together with the state that they leave, then send them in order."""
        if events or state:
            self._unwritten.put_nowait((tuple(events), dict(state or {})))

    async def waits_for(self, transaction: str) -> bool:
        """Return whether messages wait, of this transaction or, for an empty text, of any kind."""
        await self._unwritten.join()
        return await self.stored(self._store.waits_for, transaction)

    async def stored(self, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run a function of the store in its thread, after the calls before it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(call, *arguments, **named))

    # --- for the conversation ------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the numbers of transactions that were open at the last stop."""
        numbers = await self.stored(self._store.get, "numbers")
        if isinstance(numbers, dict):
            self._numbers = {str(name): int(number) for name, number in numbers.items()}

    async def write(self) -> None:
        """Store what is enqueued, until cancelled."""
        while True:
            events, state = await self._unwritten.get()
            self._writing = True
            await asyncio.shield(self.stored(self._store.append, events, state))
            self._writing = False
            self._unwritten.task_done()
            self._report_problem()
            self._wake.set()

    async def close(self) -> None:
        """Store what is still enqueued, and wait for the thread."""
        try:
            while not self._unwritten.empty():
                events, state = self._unwritten.get_nowait()
                await self.stored(self._store.append, events, state)
        finally:
            self._thread.shutdown()

    async def send(self, dialect: OcppDialect, call: SendCall) -> None:
        """Send what is stored, until cancelled; raises NoAnswer when the connection is lost."""
        while True:
            self._wake.clear()
            messages = await self.stored(self._store.pending)
            for message in messages:
                await self._send_one(message, dialect, call)
            if not messages:
                await self._until_woken()

    async def _until_woken(self) -> None:
        """Wait for something to send; meanwhile offer to the disk again what it has refused."""
        pause = _FLUSH_FIRST
        while self._store.dirty:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                return
            await self.stored(self._store.flush)
            self._report_problem()
            pause = min(2 * pause, _FLUSH_LONGEST)
        await self._wake.wait()

    async def _send_one(self, message: QueuedMessage, dialect: OcppDialect, call: SendCall) -> None:
        """Return when the CSMS has answered, or the message is set aside; raises NoAnswer."""
        event = message.event
        while True:
            request = self._request(event, dialect)
            if request is None:
                await self.stored(self._store.done, message)
                return
            try:
                answer = await call(*request, message_id=message.message_id)
            except CallFailed as error:
                if await self._failed(message, error):
                    return
            else:
                await self._done(message, dialect, answer)
                return

    def _request(self, event: Event, dialect: OcppDialect) -> Request | None:
        match event:
            case TransactionEvent():
                return dialect.event(event, self._numbers.get(event.transaction))
            case OutgoingCall():
                return (event.action, event.body) if dialect.version.value in event.versions else None
        return dialect.security(event)

    async def _failed(self, message: QueuedMessage, error: CallFailed) -> bool:
        """Return True when the message has been set aside, False to send it again."""
        if isinstance(message.event, OutgoingCall):  # a CSMS without this message must not hold up the others
            self._report(f"{message.event.action}: {error}")
            await self.stored(self._store.done, message)
            return True
        failures = self._attempts[message.message_id] = self._attempts.get(message.message_id, 0) + 1
        if failures < self._settings.ocpp.attempts:
            await asyncio.sleep(self._settings.ocpp.attempt_interval * failures)
            return False
        self._report(f"the CSMS refuses a message, set aside after {failures} attempts: {error}")
        del self._attempts[message.message_id]
        await self.stored(self._store.set_aside, message, str(error))
        return True

    async def _done(self, message: QueuedMessage, dialect: OcppDialect, body: Payload) -> None:
        self._attempts.pop(message.message_id, None)
        event = message.event
        if not isinstance(event, TransactionEvent):
            await self.stored(self._store.done, message)
            return
        answer = dialect.read_event(body)
        if answer.number is not None:
            self._numbers[event.transaction] = answer.number
        if event.kind is EventKind.ENDED:
            self._numbers.pop(event.transaction, None)
        await asyncio.shield(self.stored(self._store.done, message, {"numbers": dict(self._numbers)}))
        self._report_problem()
        self._answered(event, answer)

    def _report_problem(self) -> None:
        problem = self._store.problem
        if problem and problem != self._problem:
            self._report(problem)
        self._problem = problem


_FLUSH_FIRST, _FLUSH_LONGEST = 1.0, 60.0  # s between two attempts to write while the disk refuses
