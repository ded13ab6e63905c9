"""Jobs on both databases; on PostgreSQL by several workers, one of which is killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from secc.operator.cpo.contracts import due_query
from secc.operator.cpo.database import bundle, car, certificate, contract
from secc.operator.cpo.engine import InProcess, JobIntervals, Queue
from secc.operator.cpo.planning import bucket_of
from secc.operator.cpo.service import OperatorService
from secc.pki.profiles import Kind
from tests.operator.cpo.support import Clock, make_service, settings
from tests.support.contracts import DAY, NOW, identity

QUICK = JobIntervals(sweep=0.2, seal=60.0, roots=60.0, heartbeat=0.3, lost=1.5)


def fill(service: OperatorService, count: int) -> None:
    """Contracts that are due, each with a car; the cars share one provisioning certificate."""
    leaf = identity(Kind.OEM_LEAF).certificate
    keys = [f"DEABC{number:09d}" for number in range(count)]
    with service.database.write() as connection:
        connection.execute(
            car.insert(),
            [
                {"pcid": f"ZZZ{number:014d}", "fingerprint": leaf.fingerprint, "der": leaf.der}
                for number in range(count)
            ],
        )
        connection.execute(
            contract.insert(),
            [
                {
                    "key": key,
                    "emaid": key,
                    "status": "active",
                    "pcid": f"ZZZ{number:014d}",
                    "generation": 1,
                    "bucket": bucket_of(key),
                    "renew_at": NOW - DAY,
                    "not_after": NOW + 30 * DAY,
                }
                for number, key in enumerate(keys)
            ],
        )


def totals(service: OperatorService) -> tuple[int, int, int, int]:
    """Contracts of generation 2, bundles, certificates, different owners of certificates."""
    with service.database.read() as connection:

        def one(query: object) -> int:
            return int(connection.execute(query).scalar_one())  # type: ignore[call-overload]

        return (
            one(select(func.count()).where(contract.c.generation == 2)),
            one(select(func.count()).select_from(bundle)),
            one(select(func.count()).select_from(certificate)),
            one(select(func.count(func.distinct(certificate.c.owner)))),
        )


def test_everything_due_is_renewed_once(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = make_service(tmp_path, **changes)
    fill(service, 30)
    assert InProcess(service.jobs).sweep() == 30
    assert totals(service) == (30, 30, 30, 30)
    assert InProcess(service.jobs).sweep() == 0
    service.close()


def test_a_renewed_contract_is_due_again_before_it_ends(tmp_path: Path, changes: dict[str, Any]) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock, **changes)
    fill(service, 3)
    InProcess(service.jobs).sweep()
    clock.now += 340 * DAY
    assert InProcess(service.jobs).sweep() == 3
    service.close()


def test_a_contract_without_a_car_is_tried_again_later_and_noted(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock, **changes)
    fill(service, 1)
    with service.database.write() as connection:
        connection.execute(update(contract).values(pcid=None))
    assert InProcess(service.jobs).sweep() == 0
    (note,) = service.journal.notes()
    assert (note.what, note.detail) == ("renewal failed", "no car is known for the contract")
    assert service.jobs.due_buckets() == ()
    clock.move(hours=7)
    assert len(service.jobs.due_buckets()) == 1
    service.close()


def test_work_is_found_by_index_and_not_by_reading_the_table(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = make_service(tmp_path, **changes)
    fill(service, 2000)
    postgresql = service.database.is_postgresql
    with service.database.write() as connection:
        connection.execute(text("ANALYZE"))
        compiled = due_query(7, NOW, 10).compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        plan = "\n".join(str(row) for row in connection.execute(text(f"{explain} {compiled}")))
    assert "contract_due" in plan
    assert "Seq Scan on contract" not in plan
    assert "SCAN contract" not in plan
    service.close()


async def test_two_queues_share_the_work(tmp_path: Path, postgres_url: str) -> None:
    service = make_service(tmp_path, database=postgres_url)
    fill(service, 40)
    queues = [Queue(postgres_url, service.jobs, QUICK) for _ in range(2)]
    await queues[0].prepare()
    async with queues[0].running(), queues[1].running():
        while totals(service)[0] != 40:  # noqa: ASYNC110 - the database reports no changes
            await asyncio.sleep(0.05)
    assert totals(service) == (40, 40, 40, 40)
    service.close()


async def test_a_queue_that_is_stopped_leaves_no_call_in_a_thread(tmp_path: Path, postgres_url: str) -> None:
    service = make_service(tmp_path, database=postgres_url)
    entered, leave, returned = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> tuple[int, ...]:
        entered.set()
        leave.wait(10.0)
        returned.set()
        return ()

    service.jobs.due_buckets = slowly  # type: ignore[method-assign]
    async with Queue(postgres_url, service.jobs, QUICK).running():
        await asyncio.to_thread(entered.wait, 10.0)
        asyncio.get_running_loop().call_later(0.1, leave.set)
    assert returned.is_set()
    service.close()


def work_for_ever(folder: Path, url: str) -> None:
    """A worker process; slow, so that it is killed in the middle of something."""
    service = OperatorService(settings(folder, database=url), clock=Clock())
    made = service.delivery.make

    def slowly(*arguments: object) -> object:
        time.sleep(0.01)
        return made(*arguments)  # type: ignore[arg-type]

    service.delivery.make = slowly  # type: ignore[method-assign, assignment]
    queue = Queue(url, service.jobs, QUICK)
    asyncio.run(queue.work())


def test_of_two_workers_one_is_killed_and_nothing_is_lost_or_double(
    tmp_path: Path, postgres_url: str
) -> None:
    service = make_service(tmp_path, database=postgres_url)
    asyncio.run(Queue(postgres_url, service.jobs).prepare())
    fill(service, 200)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=work_for_ever, args=(tmp_path, postgres_url)) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        wait_for(service, 50)
        workers[0].kill()
        assert totals(service)[0] < 200
        wait_for(service, 200)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert totals(service) == (200, 200, 200, 200)
    service.close()


def wait_for(service: OperatorService, count: int) -> None:
    for _ in range(400):
        if totals(service)[0] >= count:
            return
        time.sleep(0.1)
    pytest.fail(f"{totals(service)[0]} of {count} renewed")
