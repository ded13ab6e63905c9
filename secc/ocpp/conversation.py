"""What is said over the line whatever happens at the outlet: boot, heartbeat, the queue of what must arrive.

A message of a transaction is on the disk before it is sent, and leaves the disk when the CSMS has answered
it. So it arrives at least once, in order, with the same id and the same content each time; the CSMS knows a
second one by its transaction and its number. Whatever the CSMS answers with an error several times is set
aside, so that it does not hold up the rest, and kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from secc.ocpp.client_chain import Probation
from secc.ocpp.dialect import Dialect, EventAnswer, Request, StationLabel
from secc.ocpp.link import CsmsLink
from secc.ocpp.rpc import CallFailed, Handler, NoAnswer
from secc.ocpp.store import Entry, Event, Store
from secc.ocpp.v16 import V16
from secc.ocpp.v201 import V21, V201
from secc.ocpp.words import EventKind, Payload, Registration, SecurityEvent, TransactionEvent
from secc.settings.ocpp import OcppConfig, OcppVersion
from secc.station.renewal import CertificateFiles

T = TypeVar("T")

DIALECTS: dict[OcppVersion, Dialect] = {
    OcppVersion.V21: V21(),
    OcppVersion.V201: V201(),
    OcppVersion.V16: V16(),
}
EARLIEST = 1_577_836_800.0
"""2020: a CSMS that says less has no clock."""
SKEW = 2.0
"""s by which clocks may differ without a word."""


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel these, each once, and wait for their ends: who is cancelled again cannot clean up."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


class Conversation:
    """One per station; `run` until cancelled."""

    def __init__(
        self,
        config: OcppConfig,
        identity: str,
        label: StationLabel,
        store: Store,
        *,
        handle: Handler,
        accepted: Callable[[], None],
        answered: Callable[[TransactionEvent, EventAnswer], None],
        tell: Callable[[str], None],
        listen: Callable[[bool, str], None] = lambda _ours, _text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`accepted` is called each time the CSMS lets us speak, `answered` for each event it has taken."""
        self.dialect: Dialect = DIALECTS[config.versions[0]]
        """Of the connection, or of the last one."""
        self.online = False
        """The CSMS has accepted us, on this connection."""
        self._boot_reason: str | None = "PowerUp"
        self._config = config
        self._label = label
        self._store = store
        self._handle = handle
        self._accepted = accepted
        self._answered = answered
        self._tell = tell
        self._clock = clock
        self._offset, self.interval = 0.0, 300.0
        self._registration: Registration | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ocpp-store")
        self._unwritten: asyncio.Queue[tuple[Sequence[Event], Mapping[str, object]]] = asyncio.Queue()
        self._wake, self._is_online, self._boot_now = (asyncio.Event() for _ in range(3))
        self._boot_pause = config.reconnect_longest
        self._attempts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._problem, self._writing = "", False
        self.link = CsmsLink(
            config,
            identity,
            handle=self._command,
            opened=self._opened,
            tell=tell,
            listen=listen,
            probation=_probation(config, clock),
            went_back=self._went_back,
        )

    def _went_back(self, why: str) -> None:
        self.enqueue([SecurityEvent("InvalidChargingStationCertificate", self.now, why)])

    # --- for the owner -------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Unix seconds, by the clock of the CSMS where ours is wrong."""
        return self._clock() + self._offset

    @property
    def idle(self) -> bool:
        """Everything that was enqueued has been handed to the disk."""
        return self._unwritten.empty() and not self._writing

    def number_of(self, transaction: str) -> int | None:
        """The id that a CSMS of 1.6 has given to it."""
        return self._numbers.get(transaction)

    def transaction_of(self, number: int) -> str:
        """The reverse; empty: none."""
        return next((name for name, known in self._numbers.items() if known == number), "")

    async def until_online(self, seconds: float) -> bool:
        """Wait for the CSMS to accept us, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_online.wait()
        return self.online

    async def ask(self, request: Request, *, patience: float | None = None) -> Payload:
        """Ask now or never. Raises NoAnswer, also while the CSMS has not accepted us, or CallFailed.

        `patience`, in seconds, includes the wait for calls that were before this one.
        """
        if not self.online:
            raise NoAnswer("the CSMS is away")
        try:
            async with asyncio.timeout(patience):
                return await self.link.call(*request)
        except TimeoutError:
            raise NoAnswer(f"{request[0]}: no answer within {patience:g} s") from None

    def enqueue(self, events: Sequence[Event], state: Mapping[str, object] | None = None) -> None:
        """Write these down with the state they leave behind, then send them when it is their turn."""
        if events or state:
            self._unwritten.put_nowait((tuple(events), dict(state or {})))

    async def stored(self, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Do it in the thread of the store, behind what is under way there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(call, *arguments, **named))

    async def boot_again(self, reason: str) -> None:
        """Announce the station anew, over a new connection."""
        self._boot_reason = reason
        await self.link.drop(f"boot again: {reason}")

    def announce(self) -> None:
        """Send BootNotification now, if the CSMS has not accepted us yet."""
        self._boot_now.set()

    async def run(self) -> None:
        """Until cancelled; what has been enqueued by then is written down."""
        numbers = await self.stored(self._store.get, "numbers")
        if isinstance(numbers, dict):
            self._numbers = {str(name): int(number) for name, number in numbers.items()}
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self.link.run())]
        try:
            await asyncio.gather(*tasks)
        finally:
            try:
                await ended(tasks)
                while not self._unwritten.empty():
                    events, state = self._unwritten.get_nowait()
                    await self.stored(self._store.append, events, state)
            finally:
                self._thread.shutdown()  # waits for what is under way in it

    # --- the queue -----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            events, state = await self._unwritten.get()
            self._writing = True
            await asyncio.shield(self.stored(self._store.append, events, state))
            self._writing = False
            self._report_problem()
            self._wake.set()

    async def _send_queue(self) -> None:
        while True:
            self._wake.clear()
            entries = await self.stored(self._store.pending)
            for entry in entries:
                await self._send(entry)
            if not entries:
                await self._until_woken()

    async def _until_woken(self) -> None:
        """There is something to send; meanwhile what the disk has not taken is offered to it again."""
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

    async def _send(self, entry: Entry) -> None:
        """Until the CSMS has answered it, or the connection is given up (NoAnswer)."""
        event = entry.event
        while True:
            if isinstance(event, TransactionEvent):
                request = self.dialect.event(event, self._numbers.get(event.transaction))
            else:
                request = self.dialect.security(event)
            if request is None:
                await self.stored(self._store.done, entry)
                return
            try:
                answer = await self.link.call(*request, message_id=entry.message_id)
            except CallFailed as error:
                if await self._failed(entry, error):
                    return
            else:
                await self._done(entry, answer)
                return

    async def _failed(self, entry: Entry, error: CallFailed) -> bool:
        """True: it is out of the way."""
        failures = self._attempts[entry.message_id] = self._attempts.get(entry.message_id, 0) + 1
        if failures < self._config.attempts:
            await asyncio.sleep(self._config.attempt_interval * failures)
            return False
        self._tell(f"the CSMS does not take a message, set aside after {failures} attempts: {error}")
        del self._attempts[entry.message_id]
        await self.stored(self._store.set_aside, entry, str(error))
        return True

    async def _done(self, entry: Entry, answer: Payload) -> None:
        self._attempts.pop(entry.message_id, None)
        event = entry.event
        if not isinstance(event, TransactionEvent):
            await self.stored(self._store.done, entry)
            return
        told = self.dialect.read_event(answer)
        if told.number is not None:
            self._numbers[event.transaction] = told.number
        if event.kind is EventKind.ENDED:
            self._numbers.pop(event.transaction, None)
        await asyncio.shield(self.stored(self._store.done, entry, {"numbers": dict(self._numbers)}))
        self._report_problem()
        self._answered(event, told)

    def _report_problem(self) -> None:
        problem = self._store.problem
        if problem and problem != self._problem:
            self._tell(problem)
        self._problem = problem

    # --- the connection ------------------------------------------------------------------------------------

    async def _command(self, action: str, payload: Payload) -> Payload:
        if self._registration in (None, Registration.REJECTED):
            raise CallFailed("SecurityError", "not registered")
        return await self._handle(action, payload)

    async def _opened(self, version: OcppVersion) -> None:
        """As long as a connection lasts."""
        self.dialect = DIALECTS[version]
        try:
            await self._boot()
            self.online = True
            self._is_online.set()
            self._accepted()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_queue())
                group.create_task(self._beat())
        except* NoAnswer as errors:
            self._tell(f"connection given up: {errors.exceptions[0]}")
        finally:
            self.online = False
            self._is_online.clear()
            self._registration = None

    async def _boot(self) -> None:
        """Until the CSMS says Accepted; then a new connection only needs a sign of life (OCPP B04)."""
        if self._boot_reason is None:
            with contextlib.suppress(CallFailed):
                self._take_clock(self.dialect.read_heartbeat(await self.link.call("Heartbeat", {})))
                self._registration = Registration.ACCEPTED
                return
        while not await self._boot_once(self._boot_reason or "Unknown"):
            self._boot_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._boot_pause):
                    await self._boot_now.wait()
        self._boot_reason = None

    async def _boot_once(self, reason: str) -> bool:
        """Whether the CSMS says Accepted; what it says instead is told, and how long to wait is noted."""
        self._boot_pause = self._config.reconnect_longest
        try:
            answer = await self.link.call(*self.dialect.boot(self._label, reason))
        except CallFailed as error:
            self._tell(f"BootNotification: {error}")
            return False
        told = self.dialect.read_boot(answer)
        self._registration = told.status
        self._take_clock(told.now)
        if told.status is Registration.ACCEPTED:
            self.interval = told.interval or 300.0
            return True
        self._tell(f"BootNotification: {told.status.value}")
        self._boot_pause = told.interval or self._boot_pause
        return False

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            await self.beat()

    async def beat(self) -> None:
        """One heartbeat, which also brings the clock."""
        try:
            self._take_clock(self.dialect.read_heartbeat(await self.link.call("Heartbeat", {})))
        except CallFailed as error:
            self._tell(f"Heartbeat: {error}")

    def _take_clock(self, theirs: float | None) -> None:
        if theirs is None or theirs < EARLIEST:
            return
        difference = theirs - self._clock()
        if abs(difference) <= SKEW:
            difference = 0.0
        if abs(difference - self._offset) > SKEW:
            text = "what is told to it follows its clock" if self._config.follow_clock else "ours is kept"
            self._tell(f"the clock of the CSMS is {difference:+.0f} s from ours: {text}")
        self._offset = difference if self._config.follow_clock else 0.0


_FLUSH_FIRST, _FLUSH_LONGEST = 1.0, 60.0  # s between two tries to write, as long as the disk does not take it


def _probation(config: OcppConfig, clock: Callable[[], float]) -> Probation | None:
    chain, key = config.client_certificate, config.client_key
    if config.security_profile != 3 or chain is None or key is None:
        return None
    return Probation(CertificateFiles(chain, key), clock)
