"""Job engines: a queue in PostgreSQL that many workers share, or a thread beside SQLite.

PostgreSQL uses procrastinate: one worker claims a job (`SKIP LOCKED`), one worker at a time works on a bucket
of contracts, and the jobs of a worker without heartbeat return to the queue. SQLite has one process whose
only state is the database: work that was lost with a process is due again.
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
    """Runs jobs until it is stopped."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Context in which jobs run."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobIntervals:
    """Intervals in seconds."""

    sweep: float = 60.0
    """Between searches for due contracts."""
    seal: float = 60.0
    roots: float = 3600.0
    """Between imports of the root pool of the ecosystem."""
    heartbeat: float = 10.0
    """Between heartbeats of a worker."""
    lost: float = 30.0
    """After this time without a heartbeat a worker counts as dead, and other workers take its jobs."""


class InProcess:
    """One job at a time in a thread; for SQLite."""

    def __init__(self, jobs: Jobs, pace: JobIntervals | None = None) -> None:
        self._jobs = jobs
        self._pace = pace or JobIntervals()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Context in which jobs run."""
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
        """Renew everything that is due; returns the number of renewals."""
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
    """Jobs with procrastinate on PostgreSQL; any number of processes may each have an instance."""

    def __init__(
        self, url: str, jobs: Jobs, pace: JobIntervals | None = None, *, concurrency: int = 2
    ) -> None:
        """`concurrency`: number of concurrent jobs in this process."""
        plain = "postgresql" + url[url.index("://") :]
        self.app = App(connector=PsycopgConnector(conninfo=plain, min_size=1, max_size=concurrency + 2))
        self._jobs = jobs
        self._pace = pace or JobIntervals()
        self._concurrency = concurrency
        self._add_tasks()

    async def prepare(self) -> None:
        """Create the missing tables of the queue."""
        async with self.app.open_async():
            if not await self.app.check_connection_async():
                await self.app.schema_manager.apply_schema_async()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Context in which jobs run; they continue when a lost database connection is restored."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.work(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)

    async def work(self, stop: asyncio.Event | None = None, *, drain: bool = False) -> None:
        """Work until `stop` is set, or with `drain` until no job is waiting."""
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

    # --- enqueued jobs -------------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Enqueue one job for each bucket with contracts to renew, unless it is enqueued already."""
        added = 0
        due = asyncio.ensure_future(asyncio.to_thread(self._jobs.due_buckets))
        try:
            buckets = await asyncio.shield(due)
        finally:  # a call in a thread cannot be cancelled, and the database stays open until it has returned
            await asyncio.gather(due, return_exceptions=True)
        for bucket in buckets:
            added += await self._defer("renew", f"renew {bucket}", bucket=bucket)
        return added

    async def rescue(self) -> int:
        """Return the jobs of dead workers to the queue."""
        manager, rescued = self.app.job_manager, 0
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.lost):
            assert job.id is not None
            try:
                await manager.retry_job(job)
                rescued += 1
            except ConnectorException:  # the same work is enqueued already as another job
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
