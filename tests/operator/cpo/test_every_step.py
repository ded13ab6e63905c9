"""A fault in the middle of every step: nothing is changed, and the same call again makes the change once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from secc.operator.cpo.database import StorageError
from secc.operator.cpo.service import OperatorService
from tests.operator.cpo.steps import STEPS, Step, beginning, put_contract, sizes, state
from tests.operator.cpo.support import Clock, make_service
from tests.support.contracts import NOW

ROOT = Path(__file__).resolve().parents[3]


class Failing:
    """Makes the database fail at one statement or commit, as a full disk or a lost server does."""

    def __init__(self, service: OperatorService) -> None:
        self.left = -1
        for name in ("before_cursor_execute", "commit"):
            event.listen(service.database.engine, name, self._count)

    def at(self, number: int) -> None:
        self.left = number

    def _count(self, *_: object) -> None:
        if self.left == 0:
            self.left = -1
            raise OperationalError("statement", {}, Exception("database or disk is full"))
        self.left -= 1


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_that_fails_anywhere_changes_nothing_and_can_be_repeated(tmp_path: Path, step: Step) -> None:
    fails_anywhere(tmp_path, step, {})


@pytest.mark.parametrize("step", [STEPS[0], STEPS[3], STEPS[5]], ids=lambda step: step.name)
def test_a_step_that_fails_anywhere_changes_nothing_in_postgresql_either(
    tmp_path: Path, step: Step, postgres_url: str
) -> None:
    fails_anywhere(tmp_path, step, {"database": postgres_url})


def fails_anywhere(tmp_path: Path, step: Step, changes: dict[str, Any]) -> None:
    complete = completed(tmp_path / "twin", step)
    service = make_service(tmp_path, **changes)
    beginning(service, step)
    failing, before, number = Failing(service), state(service), 0
    while True:
        failing.at(number)
        try:
            step.run(service)
        except StorageError:
            failing.at(-1)
            number += 1
            if state(service) != before:
                break  # the change was complete, and only what follows it has failed
        else:
            break
    failing.at(-1)
    assert number >= 3
    assert sizes(service) == complete
    if step.name != "remove root":  # a repetition has no effect but its row in the audit log
        step.run(service)
    assert {**sizes(service), "audit": 0} == {**complete, "audit": 0}
    service.close()


def completed(folder: Path, step: Step) -> dict[str, int]:
    """The sizes of the tables after a step without a fault."""
    folder.mkdir()
    service = make_service(folder)
    beginning(service, step)
    step.run(service)
    found = sizes(service)
    service.close()
    return found


def test_a_process_killed_at_any_statement_of_any_step_has_changed_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.operator.cpo.killed_steps", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {step.name for step in STEPS}
    assert {name: one["wrong"] for name, one in found.items() if one["wrong"]} == {}
    assert all(one["tries"] >= 3 for one in found.values()), found


# --- the clock ---


def test_a_clock_that_jumps_back_does_not_break_the_seals(tmp_path: Path, changes: dict[str, Any]) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock, **changes)
    put_contract(service)
    clock.move(days=400)
    put_contract(service)
    clock.move(days=-400)
    put_contract(service)
    clock.move(minutes=5)
    assert service.journal.seal(clock()) == 3
    state = service.journal.check(clock())
    assert (state.problem, state.unsealed) == ("", 0)
    service.close()


def test_a_row_is_not_sealed_before_the_ones_with_lower_numbers(tmp_path: Path) -> None:
    clock = Clock()
    service = make_service(tmp_path, clock)
    clock.move(minutes=5)  # a worker whose clock is ahead
    put_contract(service)
    clock.move(minutes=-5)
    put_contract(service)
    clock.move(minutes=1)
    assert service.journal.seal(clock()) == 0
    clock.move(minutes=5)
    assert service.journal.seal(clock()) == 2
    assert service.journal.check(clock()).problem == ""
    service.close()


def test_a_clock_that_jumps_ahead_and_back_issues_nothing_twice(tmp_path: Path) -> None:
    from tests.operator.cpo.steps import install

    clock = Clock()
    service = make_service(tmp_path, clock)
    beginning(service, STEPS[3])
    first = install(service)
    clock.move(days=330)
    (bucket,) = service.jobs.due_buckets()
    assert service.jobs.renew(bucket).renewed == 1
    clock.now = NOW
    assert service.jobs.due_buckets() == ()
    (contract,) = service.contracts.page()
    assert contract.generation == 2
    clock.move(days=331)
    assert install(service) != first
    assert install(service) == install(service)
    assert service.contracts.page()[0].generation == 2
    service.close()
