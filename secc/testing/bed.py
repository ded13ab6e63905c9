"""Calls a controller, takes snapshots, renews the lease, and records all of it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

from secc.ports import EvseController, ReportsChanges
from secc.testing.evidence import Call, Exercise, Observations, Sample
from secc.testing.seen import how, level, settle


class Stopped(Exception):
    """The run must not go on."""


class Bed:
    """One controller under test. Only one exercise at a time."""

    def __init__(self, controller: EvseController, evidence: Observations) -> None:
        """`evidence` is filled by what the methods do."""
        self._controller = controller
        self._evidence = evidence
        self._owed = evidence.owed
        self._exercise = Exercise("")
        self._leasing: asyncio.Task[None] | None = None
        self._open: list[tuple[Call, asyncio.Task[None]]] = []

    @property
    def now(self) -> float:
        """s of the event loop's clock."""
        return asyncio.get_running_loop().time()

    @property
    def on(self) -> bool:
        """The last snapshot shows the output energised."""
        return bool(self._exercise.samples) and self._exercise.samples[-1].on(self._owed) is True

    @contextlib.asynccontextmanager
    async def exercise(self, name: str) -> AsyncIterator[Exercise]:
        """A stretch that begins and ends with a safe output. Raises `Stopped` when it does not end so."""
        exercise = self._exercise = self._evidence.exercises[name] = Exercise(name)
        sampler = asyncio.create_task(self._sample())
        try:
            yield exercise
            self.stop_lease()
            await self._end(exercise)
        finally:
            self.stop_lease()
            sampler.cancel()
            await asyncio.wait([sampler])

    async def _end(self, exercise: Exercise) -> None:
        call = await self.call("make_safe")
        await self.watch(self._owed.lease + settle(self._owed) + 0.1, until=lambda: not self.on)
        hung = await self._leave()
        if self.on:
            raise Stopped(f"{level(exercise.samples[-1], self._owed)} after make_safe and without a lease")
        if not call.fine:
            raise Stopped(how(call))
        if hung is not None:
            raise Stopped(how(hung))

    async def _leave(self) -> Call | None:
        """End what is in progress; returns the call that was cancelled for it."""
        hung = None
        for call, task in self._open:
            await asyncio.wait([task], timeout=0.0 if call.cancelled else _PATIENCE)
            if not task.done():
                hung = call
                call.given_up = True
                task.cancel()
                await asyncio.wait([task], timeout=_PATIENCE)
        self._open = []
        return hung

    async def call(self, method: str, *arguments: float) -> Call:
        """Call it and wait, somewhat longer than its limit."""
        call, task = self.start(method, *arguments)
        await self.wait(call, task)
        return call

    def start(self, method: str, *arguments: float) -> tuple[Call, asyncio.Task[None]]:
        """Call it and go on."""
        call = Call(method, arguments, self.now)
        self._exercise.calls.append(call)
        coroutine = getattr(self._controller, method)(*arguments)
        task = asyncio.create_task(self._run(call, coroutine))
        self._open.append((call, task))
        return call, task

    async def wait(self, call: Call, task: asyncio.Task[None]) -> None:
        """Until it has returned, somewhat longer than its limit. Raises `Stopped` when it does not."""
        await asyncio.wait([task], timeout=self._owed.limit(call.method) * 1.5 + _PATIENCE)
        if not task.done() and call.method != "make_safe":
            raise Stopped(how(call))
        if not task.done():
            call.given_up = True
            task.cancel()
            await asyncio.wait([task], timeout=_PATIENCE)

    async def _run(self, call: Call, coroutine: Coroutine[Any, Any, object]) -> None:
        try:
            call.result = await _Stepped(coroutine, call)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                call.cancelled = not call.given_up
                raise
            call.error = repr(error)
        except Exception as error:
            call.error = f"{type(error).__name__}: {error}".removesuffix(": ")
        call.ended = self.now
        call.after = self.take()

    def take(self) -> Sample:
        """One snapshot."""
        at, begun = self.now, time.perf_counter()
        try:
            value = self._controller.snapshot()
        except Exception as error:
            return Sample(at, time.perf_counter() - begun, error=f"{type(error).__name__}: {error}")
        return Sample(at, time.perf_counter() - begun, value)

    async def _sample(self) -> None:
        while True:
            self._exercise.samples.append(self.take())
            await asyncio.sleep(_PACE)

    def lease(self) -> None:
        """Grant it once."""
        at, begun = self.now, time.perf_counter()
        try:
            self._controller.lease(self._owed.lease)
        except Exception as error:
            self._exercise.lease_errors.append(f"{type(error).__name__}: {error}")
        self._exercise.leases.append((at, time.perf_counter() - begun))

    def keep_lease(self) -> None:
        """Grant it now and go on with it."""
        self.lease()
        self._leasing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._owed.renewal)
            self.lease()

    def stop_lease(self) -> None:
        """No renewal any more."""
        if self._leasing is None:
            return
        self._leasing.cancel()
        self._leasing = None
        last = self._exercise.leases[-1][0]
        self._exercise.marks |= {"lease ends": last, "lapses": last + self._owed.lease, "stopped": self.now}

    async def watch(self, duration: float, *, until: Callable[[], bool] | None = None) -> None:
        """Let s pass, or fewer."""
        end = self.now + duration
        while self.now < end and not (until is not None and until()):  # noqa: ASYNC110  it samples
            await asyncio.sleep(min(_PACE, end - self.now))

    @contextlib.asynccontextmanager
    async def watching_changes(self, controller: ReportsChanges) -> AsyncIterator[None]:
        """Note whenever `changed` returns; at the end it is cancelled, as by the station."""
        watcher = asyncio.create_task(self._changes(controller))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.wait([watcher], timeout=_PATIENCE)

    async def _changes(self, controller: ReportsChanges) -> None:
        exercise = self._exercise
        while len(exercise.changes) < _MOST_CHANGES:
            try:
                await controller.changed()
            except Exception:
                exercise.marks["changed raised"] = 1.0
                return
            exercise.changes.append(self.now)
            await asyncio.sleep(0)

    async def leave_safe(self) -> None:
        """Everything off, in every case; records when that is in doubt."""
        self.stop_lease()
        self._exercise = Exercise("")
        problem = ""
        for _ in range(_TRIES):
            call, task = self.start("make_safe")
            with contextlib.suppress(Stopped):
                await self.wait(call, task)
            if self._still_on():
                for method, arguments in self._off_commands():
                    with contextlib.suppress(Stopped):
                        await self.wait(*self.start(method, *arguments))
            await self._off()
            problem = "" if call.fine else how(call)
            if not problem and not self.on:
                break
        await self._leave()
        if self.on:
            problem = f"{level(self._exercise.samples[-1], self._owed)} after {_TRIES} times make_safe"
        self._evidence.unsafe = problem

    def _off_commands(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """The commands that a station also uses to switch off, where `make_safe` was not enough."""
        off = (("set_output", (0.0, 0.0)),) if self._owed.dc else ()
        return (*off, ("open_contactor", ()))

    def _still_on(self) -> bool:
        self._exercise.samples.append(self.take())
        return self.on

    async def _off(self) -> None:
        end = self.now + self._owed.lease + settle(self._owed)
        self._exercise.samples.append(self.take())
        while self.on and self.now < end:
            await asyncio.sleep(_PACE)
            self._exercise.samples.append(self.take())


_PACE = 0.01  # s between two snapshots
_PATIENCE = 2.0  # s for what is past its limit, or cancelled
_TRIES = 3
_MOST_CHANGES = 200


class _Step:
    """How long a stretch of code keeps the thread to itself.

    A busy machine may take the processor away in the middle of it: then only the time counts in which the
    thread worked. A thread that gave the processor away by itself waited for something: all time counts.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._worked = time.thread_time()
        self._waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

    def held_up(self) -> float:
        """s since it began."""
        waited = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw > self._waits
        return time.perf_counter() - self._begun if waited else time.thread_time() - self._worked


class _Stepped:
    """A coroutine whose steps are timed: between two of them the event loop serves everything else."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], call: Call) -> None:
        self._coroutine = coroutine
        self._call = call

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._coroutine.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            step = _Step()
            try:
                waiting = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self._call.longest_step = max(self._call.longest_step, step.held_up())
            value, error = None, None
            try:
                value = yield waiting
            except BaseException as thrown:
                error = thrown
