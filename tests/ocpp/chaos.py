"""Faults in the middle of charging, again and again: `python -m tests.ocpp.chaos --rounds 100`.

A real `secc serve` charges simulated cars and reports to a central system through a proxy. In each round one
thing fails: the process is killed, the central system restarts, the connection is open at one end only, the
disk is full, answers are lost or late or wrong, the clock of the central system jumps. At the end everything
has arrived once and in order, and memory and log have stayed within bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import random
import re
import resource
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from secc.messages.iso2 import EnergyTransferMode
from secc.ocpp.fake.csms import FakeCsms
from secc.sim import Plan, ScriptedEvcc
from tests.ocpp.support import knowing
from tests.support.serving import serving

SETTINGS = """
evse_id = "ZZ*000*E0"
[ocpp]
security_profile = 0
free_token = "FREE"
store = "store"
versions = ["2.1"]
reconnect_first = 0.05
reconnect_longest = 0.2
look_interval = 0.05
meter_interval = 0.2
ping_interval = 0.5
call_timeout = 1.0
attempts = 50
attempt_interval = 0.1
"""
FAULTS = ("kill", "restart", "half-open", "full disk", "lost answers", "silent", "wrong", "slow", "clock")
NOTICED = {
    "restart": "connected",
    "half-open": "connected",
    "full disk": "in memory only",
    "silent": "no answer",
    "clock": "clock of the CSMS differs",
}
"""What the log has about a fault; the others need no line."""
MOST_LINES = 40
"""Lines of the log about the central system in one round."""


_LONG = ("half-open", "silent")
"""Faults that show when `call_timeout` is over."""


class Proxy:
    """Between station and central system: passes everything on, or nothing while both ends stay open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def block(self) -> None:
        self._open.clear()

    def open(self) -> None:
        """New connections pass again; those of before end."""
        self._open.set()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._open.wait()
            onward, back = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, back))
                    group.create_task(self._pump(onward, writer))
            finally:
                back.close()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("the other end has closed")


@dataclasses.dataclass
class Figures:
    """What a run has shown."""

    rounds: int = 0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    sessions: int = 0
    transactions: int = 0
    events: int = 0
    repeats: int = 0
    most_lines: int = 0
    """Of the log, in one round."""
    memory: list[int] = dataclasses.field(default_factory=list)
    """KiB of the process at the end of each round."""
    wrong: list[str] = dataclasses.field(default_factory=list)


class StationProcess:
    """`secc serve` with its log."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._stack = contextlib.ExitStack()
        self.lines: list[str] = []
        """Lines of the log about the central system."""
        self.ending = ""
        """How the last session has ended, by the log."""

    def start(self) -> None:
        self.process, self.port = self._stack.enter_context(serving(*self._arguments))
        self.used = 0
        threading.Thread(target=self._drain, args=(self.process,), daemon=True).start()

    def _drain(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed with the process
            for line in process.stdout:
                if "CSMS" in line:
                    self.lines.append(line)
                if "is over" in line:
                    self.ending = line.partition("is over: ")[2].strip()
                if found := re.search(r"listening: \[::1\] of lo: plain (\d+)", line):
                    self.port = int(found[1])  # another one after each session

    async def listening(self) -> int:
        """Wait for the port of the next session."""
        async with asyncio.timeout(20):
            while self.port == self.used:  # noqa: ASYNC110 - a thread
                await asyncio.sleep(0.02)
        self.used = self.port
        return self.port

    def kill(self) -> None:
        self.process.kill()
        self._stack.close()

    def fill_disk(self, *, full: bool) -> None:
        """No file may grow beyond its first page."""
        most = 4096 if full else resource.RLIM_INFINITY
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    @property
    def memory(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


class Chaos:
    """One run."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self.csms: FakeCsms = knowing("FREE")
        self.figures = Figures()

    async def run(self, faults: list[str]) -> Figures:
        (self._folder / "station.toml").write_text(SETTINGS)
        await self.csms.start()
        self.proxy = Proxy(self.csms.port)
        async with self.proxy.serving() as port:
            url = f"ws://127.0.0.1:{port}/ocpp"
            config = str(self._folder / "station.toml")
            self.station = StationProcess(["--config", config, "--sim", "ac", "--ocpp", url])
            await asyncio.to_thread(self.station.start)
            try:
                for fault in faults:
                    await self._round(fault)
                await self._settled()
            finally:
                await asyncio.to_thread(self.station.kill)
                await self.csms.stop()
        self._judge()
        return self.figures

    async def _round(self, fault: str) -> None:
        figures, before = self.figures, len(self.station.lines)
        plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=30, pace=0.04)
        ev = ScriptedEvcc(plan, host="::1", port=await self.station.listening(), patience=20.0)
        charging = asyncio.create_task(ev.charge())
        await asyncio.sleep(self._random.uniform(0.2, 0.8))
        with self._failing(fault):
            await asyncio.sleep(self._random.uniform(1.1, 1.4) if fault in _LONG else 0.3)
            if fault == "kill":
                await asyncio.to_thread(self.station.kill)
            if fault in ("restart", "clock"):  # a time is read with a new connection
                await self.csms.stop()
                await asyncio.sleep(0.3)
                await self.csms.start(port=self.csms.port)
        result = await charging
        if fault == "kill":
            await asyncio.to_thread(self.station.start)
        elif not result.completed:
            figures.wrong.append(f"{fault}: {result.error}: {self.station.ending}")
        figures.sessions += result.completed
        figures.rounds += 1
        figures.faults[fault] = figures.faults.get(fault, 0) + 1
        figures.memory.append(self.station.memory)
        if fault in NOTICED:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    while not noticed(fault, self.station.lines[before:]):  # noqa: ASYNC110 - a thread
                        await asyncio.sleep(0.05)
        self._look(fault, self.station.lines[before:])

    def _look(self, fault: str, lines: list[str]) -> None:
        """The log has the fault, and not too often."""
        self.figures.most_lines = max(self.figures.most_lines, len(lines))
        if len(lines) > MOST_LINES:
            self.figures.wrong.append(f"{fault}: {len(lines)} lines in the log")
        if fault in NOTICED and not noticed(fault, lines):
            self.figures.wrong.append(f"{fault}: not noticed")

    @contextlib.contextmanager
    def _failing(self, fault: str) -> Iterator[None]:
        faults = self.csms.faults
        match fault:
            case "half-open":
                self.proxy.block()
            case "full disk":
                self.station.fill_disk(full=True)
            case "lost answers":
                faults.lost_answers = 2
            case "silent" | "wrong":
                setattr(faults, fault, True)
            case "slow":
                faults.slow = 0.3
            case "clock":
                faults.clock += self._random.choice((-7200.0, -60.0, 3600.0, 86_400.0))
        yield
        faults.silent = faults.wrong = False
        faults.slow = 0.0
        if fault == "half-open":
            self.proxy.open()
        if fault == "full disk":
            self.station.fill_disk(full=False)

    async def _settled(self) -> None:
        """Wait until everything has arrived: the last session has ended, and nothing waits in the store."""
        async with asyncio.timeout(60):
            while not self._delivered():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    def _delivered(self) -> bool:
        booked = list(self.csms.records.transactions.values())
        return bool(booked) and all(one.ended for one in booked) and self._queued() == 0

    def _queued(self) -> int:
        path = self._folder / "store" / "station.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            count: int = database.execute("SELECT count(*) FROM queue").fetchone()[0]
            return count

    def _judge(self) -> None:
        figures, booked = self.figures, list(self.csms.records.transactions.values())
        figures.transactions = len(booked)
        figures.events = sum(len(one.seqs) for one in booked)
        figures.repeats = sum(one.repeats for one in booked)
        if figures.sessions > figures.transactions:
            figures.wrong.append(f"{figures.sessions} sessions, {figures.transactions} transactions")
        for one in booked:
            if one.seqs != list(range(len(one.seqs))):
                figures.wrong.append(f"{one.id}: events {one.seqs}")
        contents: dict[tuple[str, int], str] = {}
        for message in self.csms.records.messages:
            if message.action == "TransactionEvent":
                body = message.payload
                key = (body["transactionInfo"]["transactionId"], body["seqNo"])
                text = json.dumps(body, sort_keys=True)
                if contents.setdefault(key, text) != text:
                    figures.wrong.append(f"{key} was repeated with another content")


def noticed(fault: str, lines: list[str]) -> bool:
    """Whether the log has the fault."""
    return any(NOTICED[fault] in line for line in lines)


def planned(rounds: int, seed: int) -> list[str]:
    """Every fault as often as the others, in a random order."""
    faults = [FAULTS[number % len(FAULTS)] for number in range(rounds)]
    random.Random(seed).shuffle(faults)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), arguments.seed)
        figures = asyncio.run(chaos.run(planned(arguments.rounds, arguments.seed)))
    shown = dataclasses.asdict(figures)
    shown["memory"] = {"first": figures.memory[0], "most": max(figures.memory), "last": figures.memory[-1]}
    print(json.dumps(shown, indent=1))
    raise SystemExit(1 if figures.wrong else 0)


if __name__ == "__main__":
    main()
