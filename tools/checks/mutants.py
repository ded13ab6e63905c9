"""Mutation run over the safety modules: `python -m tools.checks.mutants`, `make mutants-safety`.

pytest collects once; the tests run once under coverage, so that it is known which test passes which line.
Then each mutant (`tools.checks.mutation`) gets a process of its own, forked from that warm one: the code of
the function is put in the place of the old one, and the fast tests that pass the line run until one fails.
A test that waits for real time has to fail twice. A test that takes far longer than it should counts as a
time-out, which kills as well. Some of the processes change nothing (the control): what they kill is an
error of the method.

Results go to `build/mutants/`; tests that the file of coverage does not have yet are run before the mutants.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import gc
import importlib
import json
import mmap
import os
import pathlib
import random
import resource
import signal
import struct
import sys
import time
import traceback
from types import CodeType, FunctionType, ModuleType

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tools.checks.mutation import Mutant, Scope, mutants

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "mutants"
MODULES = (
    "secc.session.machine",
    "secc.session.limits",
    "secc.session.output",
    "secc.session.ending",
    "secc.session.isolation",
    "secc.session.pre_charge",
    "secc.session.loop",
    "secc.session.contactor",
    "secc.session.feedback",
    "secc.session.latch",
    "secc.station.orders",
    "secc.station.actuator",
    "secc.station.link",
)
TESTS = (
    "tests/session",
    "tests/station",
    "tests/testing",
    "tests/test_connection.py",
    "tests/test_attacks.py",
)
SLOW = ("test_model.py", "test_walk.py", "test_plc_soak.py", "test_plc.py", "test_contract_cost.py")
LONGEST = 4.0  # s that a test may take to be one of the fast ones
CASES = 5  # of a test with parameters that are run for one mutant
_MEMORY = 4 << 30  # bytes of address space for a mutant that collects without end


@dataclasses.dataclass
class Result:
    """Result of a mutant."""

    name: str
    module: str
    outcome: str
    by: str = ""
    tests: int = 0
    seconds: float = 0.0


class Swap:
    """Puts the code of a mutant in the place of the original."""

    def __init__(self) -> None:
        gc.collect()
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = collections.defaultdict(list)
        for one in gc.get_objects():
            if isinstance(one, FunctionType):
                self._functions[_key(one.__code__)].append(one)

    def install(self, mutant: Mutant) -> bool:
        """Whether there was something to put it into."""
        code = mutant.compiled()
        if not mutant.scope.name:
            return _install_constant(mutant, code)
        found = False
        for inner in _codes(code):
            if (inner.co_qualname, inner.co_firstlineno) == (mutant.scope.name, mutant.scope.first_line):
                for function in self._functions[_key(inner)]:
                    function.__code__ = inner
                    found = True
        return found


def _short(mutant: Mutant) -> str:
    return mutant.name.replace(f"{ROOT}/", "")


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> list[CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(deeper for one in inner for deeper in _codes(one))]


def _install_constant(mutant: Mutant, code: CodeType) -> bool:
    """A constant of the module, in every module that has it under this name."""
    module = next(one for one in sys.modules.values() if getattr(one, "__file__", None) == mutant.file)
    fresh: dict[str, object] = {"__name__": module.__name__, "__package__": module.__package__}
    exec(code, fresh)
    names = [
        name for name, value in vars(module).items() if isinstance(value, (int, float, frozenset, tuple))
    ]
    changed = [name for name in names if fresh.get(name) != vars(module)[name]]
    for name in changed:
        old = vars(module)[name]
        for other in [*sys.modules.values()]:
            if isinstance(other, ModuleType) and vars(other).get(name) is old:
                setattr(other, name, fresh[name])
    return bool(changed)


class Run:
    """The pytest plugin: in the place of the tests, the mutants."""

    def __init__(self, options: argparse.Namespace, screen: int) -> None:
        self._options = options
        self._screen = screen
        self._files = {str(importlib.import_module(name).__file__): name for name in options.modules}
        self._coverage = coverage.Coverage(data_file=None, include=[*self._files], config_file=False)
        self._coverage.set_option("run:disable_warnings", ["no-data-collected"])
        self._passed: dict[str, dict[str, list[int]]] = {}
        self._seconds: dict[str, float] = {}
        self._kills: dict[Scope, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self._results: list[Result] = []
        if options.resume:
            self._results = [Result(**one) for one in json.loads(pathlib.Path(options.results).read_text())]

    def say(self, text: str) -> None:
        os.write(self._screen, f"{text}\n".encode())

    # --- which test passes which line ---------------------------------------------------------------------

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        try:
            self._measure(items)
            self._items = {name: item for name, item in items.items() if self._seconds[name] <= LONGEST}
            self.say(f"{len(self._items)} of {len(items)} tests are fast enough")
            self._mutate()
        except BaseException:
            self.say(traceback.format_exc())  # pytest has no screen
            raise
        return True

    def _measure(self, items: dict[str, pytest.Item]) -> None:
        store = OUT / "coverage.json"
        known = json.loads(store.read_text()) if store.exists() else {}
        fresh = [item for name, item in items.items() if name not in known]
        self.say(f"{len(fresh)} tests to run under coverage")
        for at, item in enumerate(fresh):
            self._coverage.erase()
            self._coverage.start()
            began = time.monotonic()
            try:
                following = fresh[at + 1] if at + 1 < len(fresh) else None
                reports = runtestprotocol(item, log=False, nextitem=following)
            finally:
                self._coverage.stop()
            good = not any(report.failed for report in reports)
            data = self._coverage.get_data()
            lines = {self._files[file]: sorted(data.lines(file) or ()) for file in data.measured_files()}
            if at % 200 == 0:
                self.say(f"{at} {item.nodeid}")
            known[item.nodeid] = [time.monotonic() - began, lines if good else {}]
            if not good:
                self.say(f"fails without a mutant, left out: {item.nodeid}")
        store.write_text(json.dumps(known))
        for name in items:
            self._seconds[name], self._passed[name] = known[name]

    # --- the mutants --------------------------------------------------------------------------------------

    def _mutate(self) -> None:
        rng = random.Random(self._options.seed)
        todo: list[tuple[Mutant, bool]] = []
        for file, name in self._files.items():
            found = mutants(file, pathlib.Path(file).read_text(), importlib.import_module(name))
            self.say(f"{name}: {len(found)} mutants")
            todo += [(mutant, True) for mutant in found if self._wanted(mutant)]
        rng.shuffle(todo)
        todo = todo[: self._options.sample]
        todo += [(mutant, False) for mutant, _ in todo[: min(self._options.control, len(todo))]]
        self._swap = Swap()
        gc.freeze()
        until = time.monotonic() + self._options.seconds
        running: dict[int, _Child] = {}
        slots = [*range(self._options.jobs)]
        progress = mmap.mmap(-1, 16 * len(slots))
        waiting = todo[::-1]
        while (waiting and time.monotonic() < until) or running:
            while waiting and slots and time.monotonic() < until:
                child = self._fork(*waiting.pop(), progress, slots.pop())
                running[child.pid] = child
            for child in [*running.values()]:
                if child.over(progress):
                    del running[child.pid]
                    slots.append(child.slot)
                    self._take(child)
            time.sleep(0.002)
        if waiting:
            self.say(f"not run for want of time: {len(waiting)} of {len(todo)}")

    def _wanted(self, mutant: Mutant) -> bool:
        if any(one.name == _short(mutant) for one in self._results):
            return False
        return not self._options.only or _short(mutant) in self._options.only

    def _tests(self, mutant: Mutant) -> list[str]:
        """That pass the function: first those that have killed in it, then those that pass the statement,
        then the fastest; of a test with many parameters, and of all, no more than there is time for.

        The line is not enough: coverage loses a coroutine in which an exception was thrown.
        """
        module, scope, near = self._files[mutant.file], mutant.scope, self._options.first
        kills, lines = self._kills[scope], set(mutant.lines)
        passed = {name: set(self._passed[name].get(module, ())) for name in self._items}
        within = set(range(scope.first_line + 1, scope.last_line + 1)) | lines
        found = [name for name, its in passed.items() if (within & its if scope.name else its)]
        random.Random(self._options.seed).shuffle(found)
        found.sort(
            key=lambda name: (
                -kills[name],
                lines.isdisjoint(passed[name]),
                name.partition("::")[0] not in near,
                self._seconds[name],
            )
        )
        chosen: list[str] = []
        cases: collections.Counter[str] = collections.Counter()
        seconds = 0.0
        for name in found:
            test = name.partition("[")[0]
            if cases[test] < CASES and seconds < self._options.each:
                chosen.append(name)
                cases[test] += 1
                seconds += self._seconds[name]
        return chosen

    def _fork(self, mutant: Mutant, real: bool, progress: mmap.mmap, slot: int) -> _Child:
        tests = self._tests(mutant)
        struct.pack_into("dd", progress, 16 * slot, time.monotonic(), 10.0)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return _Child(pid, slot, reader, mutant, real, len(tests), time.monotonic())
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            verdict = self._try(mutant if real else None, tests, progress, slot)
        except BaseException as error:
            verdict = ["broken", repr(error)]
        os.write(writer, json.dumps(verdict).encode())
        os._exit(0)

    def _try(self, mutant: Mutant | None, tests: list[str], progress: mmap.mmap, slot: int) -> list[str]:
        """In the child."""
        if mutant is not None:
            try:
                if not self._swap.install(mutant):
                    return ["not possible", ""]
            except (
                SyntaxError,
                ValueError,
                TypeError,
                NameError,
                AttributeError,
                ZeroDivisionError,
            ) as error:
                return ["not possible", repr(error)]
        for at, name in enumerate(tests):
            following = self._items[tests[at + 1]] if at + 1 < len(tests) else None
            for attempt in range(2):
                struct.pack_into("dd", progress, 16 * slot, time.monotonic(), 6 + 12 * self._seconds[name])
                reports = runtestprotocol(
                    self._items[name], log=False, nextitem=None if attempt else following
                )
                if not any(report.failed for report in reports):
                    break
                if attempt or not name.startswith("tests/station"):
                    return ["killed", name]
        return ["survived", ""]

    def _take(self, child: _Child) -> None:
        mutant = child.mutant
        if child.verdict[0] == "killed" and child.real:
            self._kills[mutant.scope][child.verdict[1]] += 1
        outcome = child.verdict[0] if child.tests else "no test"
        if not child.real:
            outcome = f"control {outcome}"
        module = self._files[mutant.file]
        name = _short(mutant)
        spent = time.monotonic() - child.began
        self._results.append(Result(name, module, outcome, child.verdict[1], child.tests, round(spent, 2)))
        if outcome in ("survived", "no test", "control killed") or len(self._results) % 50 == 0:
            self.say(f"{len(self._results)} {outcome} {name} ({child.tests} tests, {spent:.1f} s)")
            self.write()

    # --- figures ------------------------------------------------------------------------------------------

    def write(self) -> None:
        found = [dataclasses.asdict(one) for one in self._results]
        pathlib.Path(self._options.results).write_text(json.dumps(found, indent=1))

    def table(self) -> str:
        rows = []
        for module in [*self._options.modules, ""]:
            of = [one for one in self._results if module in ("", one.module)]
            count = collections.Counter(one.outcome for one in of)
            killed, late = count["killed"], count["time-out"]
            run = killed + late + count["survived"] + count["no test"]
            share = f"{100 * (killed + late) / run:.1f} %" if run else "-"
            rows.append(f"{module or 'all':34} run {run:5} killed {killed:5} time-outs {late:3} {share}")
        control = collections.Counter(
            one.outcome for one in self._results if one.outcome.startswith("control")
        )
        return "\n".join([*rows, f"control: {dict(control)}"])


@dataclasses.dataclass
class _Child:
    pid: int
    slot: int
    reader: int
    mutant: Mutant
    real: bool
    tests: int
    began: float
    verdict: tuple[str, str] = ("broken", "")

    def over(self, progress: mmap.mmap) -> bool:
        """It has ended, or was ended because its test takes too long."""
        since, allowed = struct.unpack_from("dd", progress, 16 * self.slot)
        late = time.monotonic() - since > allowed
        if late:
            os.killpg(self.pid, signal.SIGKILL)
        pid, _ = os.waitpid(self.pid, 0 if late else os.WNOHANG)
        if not pid:
            return False
        said = os.read(self.reader, 65536)
        os.close(self.reader)
        if said:
            outcome, by = json.loads(said)
            self.verdict = (outcome, by)
        elif late:
            self.verdict = ("time-out", "")
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--modules", nargs="*", default=MODULES)
    parser.add_argument("--tests", nargs="*", default=TESTS)
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="stop after so long: an even sample is run"
    )
    parser.add_argument("--each", type=float, default=12.0, help="seconds of tests for one mutant at most")
    parser.add_argument("--sample", type=int, default=None, help="so many mutants, drawn evenly")
    parser.add_argument("--control", type=int, default=40, help="so many processes that change nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", nargs="*", default=(), help="files of tests that are tried first")
    parser.add_argument("--resume", action="store_true", help="go on where the file of results ends")
    parser.add_argument("--survivors", help="only the survivors in this file of results")
    parser.add_argument("--results", default=str(OUT / "results.json"))
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(OUT / "hypothesis")
    options.only = set()
    if options.survivors:
        old = json.loads(pathlib.Path(options.survivors).read_text())
        options.only = {one["name"] for one in old if one["outcome"] in ("survived", "no test", "time-out")}
    screen = os.dup(2)
    run = Run(options, screen)
    ignored = [f"--ignore-glob=*/{name}" for name in SLOW]
    flags = ["-q", "-x", "-s", "--timeout=0", "-p", "no:cacheprovider", *ignored]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    pytest.main([*flags, *options.tests], plugins=[run])
    run.write()
    run.say(run.table())


if __name__ == "__main__":
    main()
