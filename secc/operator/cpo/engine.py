"""Who runs the jobs: a queue in PostgreSQL that many workers share, or a thread beside SQLite.

On PostgreSQL that is procrastinate: a job is claimed by one worker (`SKIP LOCKED`), one heap of contracts is
worked on by one worker at a time, and the jobs of a worker whose heartbeat has stopped go back to the queue.
On SQLite there is one process, and its state is the database's: what was lost with a process is due again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status

from secc.errors import SeccError
from secc.operator.cpo.jobs import Jobs

_log = logging.getLogger("secc.operator.cpo")


class Engine(Protocol):
    """Runs jobs for as long as it is told to."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Jobs run inside."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done; seconds."""

    sweep: float = 60.0
    """Look for contracts that are due."""
    seal: float = 60.0
    roots: float = 3600.0
    """Ask the ecosystem for its root pool."""
    heartbeat: float = 10.0
    """A worker says that it is alive."""
    lost: float = 30.0
    """A worker that has not said so for this time is dead: its jobs are given to others."""


class InProcess:
    """One thread at a time, beside everything else; for SQLite."""

    def __init__(self, jobs: Jobs, pace: Pace | None = None) -> None:
        self._jobs = jobs
        self._pace = pace or Pace()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Jobs run inside."""
        pace = self._pace
        tasks = [
            asyncio.create_task(self._repeat(self.sweep, pace.sweep)),
            asyncio.create_task(self._repeat(self._jobs.seal, pace.seal)),
            asyncio.create_task(self._repeat(self._jobs.fetch_roots, pace.roots)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def sweep(self) -> int:
        """Renew everything that is due; returns how many."""
        return sum(self._jobs.renew(bucket).renewed for bucket in self._jobs.due_buckets())

    async def _repeat(self, job: object, seconds: float) -> None:
        assert callable(job)
        while True:
            try:
                await asyncio.to_thread(job)
            except SeccError as error:
                _log.warning("job: %s", error)
            await asyncio.sleep(seconds)


class Queue:
    """procrastinate on PostgreSQL; any number of processes may each have one."""

    def __init__(self, url: str, jobs: Jobs, pace: Pace | None = None, *, concurrency: int = 2) -> None:
        """`concurrency`: jobs at once in this process."""
        plain = "postgresql" + url[url.index("://") :]
        self.app = App(connector=PsycopgConnector(conninfo=plain, min_size=1, max_size=concurrency + 2))
        self._jobs = jobs
        self._pace = pace or Pace()
        self._concurrency = concurrency
        self._add_tasks()

    async def prepare(self) -> None:
        """Make the tables of the queue where they are missing."""
        async with self.app.open_async():
            if not await self.app.check_connection_async():
                await self.app.schema_manager.apply_schema_async()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Jobs run inside; when the database goes away, they go on when it is back."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.work(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)

    async def work(self, stop: asyncio.Event | None = None, *, drain: bool = False) -> None:
        """Work until told to stop, or with `drain` until no job is waiting."""
        stop = stop or asyncio.Event()
        while not stop.is_set():
            try:
                await self.prepare()
                async with self.app.open_async():
                    await self._work(stop, drain=drain)
            except (ConnectorException, SeccError) as error:
                _log.warning("queue: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 2.0)
            if drain:
                return

    async def _work(self, stop: asyncio.Event, *, drain: bool) -> None:
        pace = self._pace
        worker = asyncio.create_task(
            self.app.run_worker_async(
                concurrency=self._concurrency,
                wait=not drain,
                install_signal_handlers=False,
                update_heartbeat_interval=pace.heartbeat,
                stalled_worker_timeout=pace.lost,
                fetch_job_polling_interval=min(5.0, pace.lost),
                shutdown_graceful_timeout=10.0,
                delete_jobs="successful",
            )
        )
        others = [
            asyncio.create_task(self._repeat(self.sweep, pace.sweep)),
            asyncio.create_task(self._repeat(self.rescue, pace.lost / 2)),
            asyncio.create_task(self._repeat(self._defer_seal, pace.seal)),
            asyncio.create_task(self._repeat(self._defer_roots, pace.roots)),
        ]
        if drain:
            others = []
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({worker, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (worker, waiting, *others):
                task.cancel()
            await asyncio.gather(waiting, *others, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    # --- what is put into the queue ------------------------------------------------------------------------

    async def sweep(self) -> int:
        """One job for each heap with something to renew, unless it waits there already."""
        added = 0
        for bucket in await asyncio.to_thread(self._jobs.due_buckets):
            added += await self._defer("renew", f"renew {bucket}", bucket=bucket)
        return added

    async def rescue(self) -> int:
        """Give the jobs of dead workers back to the queue."""
        manager, rescued = self.app.job_manager, 0
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.lost):
            assert job.id is not None
            try:
                await manager.retry_job(job)
                rescued += 1
            except ConnectorException:  # the same work is waiting in the queue as another job
                await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
        return rescued

    async def _defer_seal(self) -> None:
        await self._defer("seal", "seal")

    async def _defer_roots(self) -> None:
        await self._defer("roots", "roots")

    async def _defer(self, task: str, lock: str, **arguments: int) -> int:
        try:
            configured = self.app.configure_task(task, lock=lock, queueing_lock=lock)
            await configured.defer_async(**arguments)
        except AlreadyEnqueued:
            return 0
        return 1

    async def _repeat(self, job: object, seconds: float) -> None:
        assert callable(job)
        while True:
            try:
                await job()
            except (ConnectorException, SeccError) as error:
                _log.warning("queue: %s", error)
            await asyncio.sleep(seconds)

    def _add_tasks(self) -> None:
        jobs = self._jobs

        @self.app.task(name="renew", retry=3)
        def renew(bucket: int) -> int:
            return jobs.renew(bucket).renewed

        @self.app.task(name="seal")
        def seal() -> int:
            return jobs.seal()

        @self.app.task(name="roots", retry=3)
        def roots() -> int:
            return jobs.fetch_roots()
