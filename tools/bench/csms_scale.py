"""Many stations at one central system: `python -m tools.bench.csms_scale [STATIONS] [--json FILE]`.

Each station is the OCPP client of this library with its own store, queue and connection (`OcppBackend`), many
of them in one process; only the outlet is left out. The central system is the fake CSMS in the process of
this tool. Measured are

* the boot storm: all stations connect at once, until the CSMS has accepted each of them;
* a transaction of each station while the CSMS is there, and one while it is away, delivered when it is back;
* a process of stations that is killed with SIGKILL while it delivers, and started again on its stores;
* memory and processor time for each station, on both sides.

The tool fails when an event is lost, is recorded twice, or is recorded in another order than it happened.
Each step is limited in time. All traffic is on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from secc.ocpp.backend import OcppBackend
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import IdToken, TokenStatus
from secc.ocpp.transactions import Transactions
from secc.session.outlet import ControlPilot, EvseSnapshot, MeterReading
from secc.session.outputs import EndReason, EndSession
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig

PER_PROCESS = 1000
"""Stations in one process."""
PATIENCE = 900.0
"""Seconds for one step."""
EVENTS = 3
"""Events of a transaction: start, a change of state, end."""


# --- a process with stations ------------------------------------------------------------------------------


def name_of(number: int) -> str:
    """Return the identity of a station."""
    return f"S{number:05d}"


def station(number: int, url: str, folder: Path) -> OcppBackend:
    """Return the client of one station, on its store."""
    own = folder / name_of(number)
    own.mkdir(exist_ok=True)
    ocpp = OcppConfig(
        url=url,
        security_profile=0,
        identity=name_of(number),
        store=own,
        connect_timeout=120.0,
        call_timeout=120.0,
        reconnect_first=1.0,
        reconnect_longest=20.0,
        ping_interval=600.0,
    )
    return OcppBackend(SeccConfig(interface="lo", ocpp=ocpp))


def charge(backend: OcppBackend, transaction: str, at: float) -> None:
    """Enqueue the events of one transaction."""
    plugged = EvseSnapshot(control_pilot=ControlPilot.B, meter=MeterReading("M", 1000))
    charging = msgspec.structs.replace(
        plugged, control_pilot=ControlPilot.C, contactor_closed=True, meter=MeterReading("M", 1100)
    )
    offline = not backend.conversation.online
    made = Transactions(interval=3600.0)
    events = made.authorised(IdToken("CARD"), transaction, plugged, at, offline=offline)
    events += made.observe(charging, at + 1, offline=offline)
    events += made.session_over(EndSession(reason=EndReason.TERMINATED), at + 2, offline=offline)
    for event in events:
        backend.conversation.queue.enqueue([event])


async def stations(first: int, count: int, url: str, folder: Path) -> None:
    """Run stations and obey commands on standard input until it ends."""
    empty = resident()
    backends = [station(number, url, folder) for number in range(first, first + count)]
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = [asyncio.create_task(one.conversation.run()) for one in backends]
    print("created", flush=True)
    while command := (await reader.readline()).decode().split():
        match command:
            case ["charge", name]:
                now = time.time()
                for one in backends:
                    charge(one, f"{one.conversation.identity}-{name}", now)
                while not all(one.conversation.queue.idle for one in backends):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                print("stored", flush=True)
            case ["figures"]:
                online = sum(one.conversation.online for one in backends)
                print(f"figures {online} {resident() - empty} {processor_time():.3f}", flush=True)
            case _:
                break
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def resident() -> int:
    """Return the resident memory of this process in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmRSS")


def processor_time() -> float:
    """Return the processor time of this process in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- the measurement --------------------------------------------------------------------------------------


class Fleet:
    """The processes with stations."""

    def __init__(self, count: int, url: str, folder: Path) -> None:
        self.count, self._url, self._folder = count, url, folder
        self.processes: list[asyncio.subprocess.Process] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Context in which all stations run."""
        try:
            for first in range(0, self.count, PER_PROCESS):
                self.processes.append(await self._start(first))
            yield
        finally:
            for process in self.processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()

    async def say(self, command: str, answer: str) -> list[list[str]]:
        """Send a command to every process; returns the words of their answers."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{command}\n".encode())
        return [await self._answer(process, answer) for process in self.processes]

    async def kill_one(self) -> None:
        """Kill the first process, and start its stations again on their stores."""
        self.processes[0].send_signal(signal.SIGKILL)
        await self.processes[0].wait()
        self.processes[0] = await self._start(0)

    async def _start(self, first: int) -> asyncio.subprocess.Process:
        count = min(PER_PROCESS, self.count - first)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.bench.csms_scale", "--stations-of", str(first), str(count)),
            *(self._url, str(self._folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self._answer(process, "created")
        return process

    async def _answer(self, process: asyncio.subprocess.Process, answer: str) -> list[str]:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await process.stdout.readline()).decode():
                if line.startswith(answer):
                    return line.split()
        raise RuntimeError("a process with stations has ended")


class Measurement:
    """One run."""

    def __init__(self, count: int, folder: Path) -> None:
        self._count = count
        self._folder = folder
        self._booted: set[str] = set()
        self._csms = FakeCsms(Accounts({"CARD": TokenStatus.ACCEPTED}), heartbeat=3600)
        self.figures: dict[str, float] = {"stations": count}

    async def run(self) -> dict[str, float]:
        """Measure; raises RuntimeError when an event is lost, recorded twice or out of order."""
        csms, begin = self._csms, resident()
        async with csms.serving() as url:
            fleet = Fleet(self._count, url, self._folder)
            used, since = processor_time(), time.monotonic()
            async with fleet.running():
                await self._until(lambda: len(csms.lines) == self._count and self._all_booted())
                self._note("boot storm", since)
                self.figures["boot storm, processor time of the CSMS, ms"] = self._each(
                    processor_time() - used
                )
                self.figures["memory of the CSMS, KiB"] = round((resident() - begin) / self._count, 1)
                await self._of_stations(fleet)
                await self._transactions(fleet, "online")
                await self._outage(fleet)
                await self._killed(fleet)
                self._check(("online", "offline", "killed"))
        return self.figures

    async def _transactions(self, fleet: Fleet, name: str) -> None:
        used, since = processor_time(), time.monotonic()
        await fleet.say(f"charge {name}", "stored")
        await self._until(lambda: self._ended(name) == self._count)
        self._note(f"transactions {name}", since)
        self.figures[f"transactions {name}, processor time of the CSMS, ms"] = self._each(
            processor_time() - used
        )

    async def _outage(self, fleet: Fleet) -> None:
        await self._csms.stop()
        await fleet.say("charge offline", "stored")
        used, since = processor_time(), time.monotonic()
        await self._csms.start()
        await self._until(lambda: self._ended("offline") == self._count)
        self._note("everything delivered after the outage", since)
        self.figures["after the outage, processor time of the CSMS, ms"] = self._each(processor_time() - used)

    async def _killed(self, fleet: Fleet) -> None:
        """Kill a process when some of its events have arrived."""
        await fleet.say("charge killed", "stored")
        await self._until(lambda: self._ended("killed") > 0)
        self.figures["delivered when a process was killed"] = self._ended("killed")
        await fleet.kill_one()
        await self._until(lambda: self._ended("killed") == self._count)

    async def _of_stations(self, fleet: Fleet) -> None:
        answers = await fleet.say("figures", "figures")
        self.figures["memory of a station, KiB"] = self._share(sum(int(one[2]) for one in answers))
        self.figures["start and boot, processor time of a station, ms"] = self._each(
            sum(float(one[3]) for one in answers)
        )

    def _check(self, names: tuple[str, ...]) -> None:
        records = self._csms.records
        expected = {f"{name_of(number)}-{name}" for number in range(self._count) for name in names}
        if lost := expected - set(records.transactions):
            raise RuntimeError(f"{len(lost)} transactions are lost, such as {min(lost)}")
        wrong = [one.id for one in records.transactions.values() if one.seqs != list(range(EVENTS))]
        if wrong or set(records.transactions) != expected:
            raise RuntimeError(
                f"{len(wrong)} transactions have other events than expected, such as {wrong[:1]}"
            )
        self.figures["events that were sent again"] = sum(
            one.repeats for one in records.transactions.values()
        )

    def _all_booted(self) -> bool:
        records = self._csms.records
        self._booted |= {one.station for one in records.messages if one.action == "BootNotification"}
        records.messages.clear()
        return len(self._booted) == self._count

    def _ended(self, name: str) -> int:
        self._csms.records.messages.clear()
        transactions = self._csms.records.transactions.values()
        return sum(one.ended and one.id.endswith(f"-{name}") for one in transactions)

    async def _until(self, reached: object) -> None:
        """Look again every half second, so that looking costs little."""
        assert callable(reached)
        async with asyncio.timeout(PATIENCE):
            while not reached():  # noqa: ASYNC110 - the events of the CSMS would be looked at too often
                await asyncio.sleep(0.5)

    def _note(self, what: str, since: float) -> None:
        self.figures[f"{what}, s"] = round(time.monotonic() - since, 1)
        print(f"{what}: {self.figures[f'{what}, s']} s", file=sys.stderr, flush=True)

    def _each(self, seconds: float) -> float:
        return round(1000 * seconds / self._count, 2)

    def _share(self, total: float) -> float:
        return round(total / self._count, 1)


def main(arguments: list[str]) -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stations", type=int, nargs="?", default=500)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--stations-of", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.stations_of:
        first, count, url, folder = given.stations_of
        asyncio.run(stations(int(first), int(count), url, Path(folder)))
        os._exit(0)  # a thousand threads of stores need not be waited for
    place = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="secc-csms-", dir=place if place.is_dir() else None))
    try:
        figures = asyncio.run(Measurement(given.stations, made).run())
    finally:
        shutil.rmtree(made, ignore_errors=True)
    for name, value in figures.items():
        print(f"{name:60} {value:g}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
