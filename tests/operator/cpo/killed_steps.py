"""A process that is killed with SIGKILL at every statement of every step: `python -m … FOLDER`.

Each try is a fork of this process, which has no threads. The output is JSON: for every step, the number of
tries, and the tries that did not leave the state as it was, or could not be repeated.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event

from secc.operator.cpo.service import OperatorService
from tests.operator.cpo.steps import STEPS, Step, beginning, sizes, state
from tests.operator.cpo.support import make_service


def main(folder: Path) -> None:
    print(json.dumps({step.name: tries(step, folder / step.name.replace(" ", "_")) for step in STEPS}))


def tries(step: Step, folder: Path) -> dict[str, Any]:
    """Kill the step at its first, second, … statement, until it is faster than the killer."""
    folder.mkdir()
    service = make_service(folder)
    beginning(service, step)
    before = state(service)
    files = {one: one.read_bytes() for one in files_after(service, folder)}
    step.run(service)
    clean = sizes(service)
    number = 0
    wrong: list[int] = []
    while True:
        restore(service, folder, files)
        child = os.fork()
        if child == 0:
            killed(step, service, number)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return {"tries": number, "wrong": wrong}
        if state(service) != before and sizes(service) != clean:
            wrong.append(number)
        step.run(service)
        if sizes(service) != clean:
            wrong.append(number)
        number += 1


def files_after(service: OperatorService, folder: Path) -> list[Path]:
    """The files of the database without a connection to it."""
    service.database.engine.dispose()
    return [one for one in folder.iterdir() if one.name.startswith("cpo.db")]


def restore(service: OperatorService, folder: Path, files: dict[Path, bytes]) -> None:
    """Put the database back to the state before the step, and close every connection."""
    for path in files_after(service, folder):
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


def killed(step: Step, service: OperatorService, number: int) -> None:
    """Run the step, and kill this process at the statement with this number, or at a commit."""
    left = [number]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(service.database.engine, "before_cursor_execute", count)
    event.listen(service.database.engine, "commit", count)
    step.run(service)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
