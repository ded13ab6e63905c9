"""How many outlets one process serves on one core: `python -m tools.bench.outlets_load`; `--help` for more.

The stations live in a child process on one CPU, the cars in this one on another. All cars are in the charge
loop and send CurrentDemandReq in the same moment, each 100 ms, which is the worst case; CurrentDemandRes is
due 25 ms after its request. The figures are of this machine at this moment: compare the ratios.

What else runs on the machine delays answers and is no cost of the station. So the columns "alone" count the
CPU time of the stations' process from the first request of a moment to each answer: the response time on a
core that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import selectors
import statistics
import time
from multiprocessing.connection import Connection as Pipe
from typing import TYPE_CHECKING

from secc.messages.iso2 import ChargeParameterDiscoveryRes, V2GMessage
from secc.records import Direction, MessageRecord, Record
from secc.session.outlet import ControlPilot
from secc.station.station import Station
from secc.tls import PlainEngine
from tools.bench.car import PACE, Car
from tools.bench.station import DC, Backend, Outlet, ReportingOutlet

if TYPE_CHECKING:
    from collections.abc import Callable

DUE = 0.025
"""Seconds after which CurrentDemandRes is late."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How many outlets one process serves on one core.")
    parser.add_argument("--outlets", type=int, nargs="*", default=[1, 16, 64, 128])
    parser.add_argument("--seconds", type=float, default=10.0, help="of the charge loop, per row")
    parser.add_argument("--polled", action="store_true", help="controllers that do not report changes")
    asked = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}; times as shares of the {DUE * 1e3:.0f} ms for the answer")
    print(
        "| outlets | median | p99 | longest | median alone | p99 alone "
        "| CPU time for one answer of each | CPU of the process |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for outlets in asked.outlets:
        times, alone, share, each = measure(outlets, asked.seconds, polled=asked.polled)
        shares = [statistics.median(times), quantile(times, 0.99), max(times)]
        shares += [statistics.median(alone), quantile(alone, 0.99), outlets * each]
        cells = [str(outlets), *(f"{one / DUE:.2f}" for one in shares), f"{share:.0%}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def quantile(times: list[float], share: float) -> float:
    """The time that this share of the answers does not exceed."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def measure(outlets: int, seconds: float, *, polled: bool) -> tuple[list[float], list[float], float, float]:
    """Response times, by the clock and by the CPU time of the stations; their share of a CPU and their
    seconds of CPU per exchange."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(there, outlets, polled), daemon=True)
    child.start()
    _pin(-1)
    try:
        cars = _connect(here.recv())
        gc.freeze()
        before, _ = _used(here)
        began = time.monotonic()
        times = _loops(cars, seconds)
        after, alone = _used(here)
        used, lasted = after - before, time.monotonic() - began
        for car in cars:
            car.close()
    finally:
        child.terminate()
        child.join()
    return times, alone, used / lasted, used / max(1, len(times))


def _used(pipe: Pipe) -> tuple[float, list[float]]:
    """The CPU time of the stations, and that of each answer since the last question."""
    pipe.send("used")
    used, times = pipe.recv()
    return used, times


def _pin(which: int) -> None:
    """The first CPU for the stations, the last one for the cars."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[which]})


# --- the cars ---------------------------------------------------------------------------------------------


def _connect(ports: list[int]) -> list[Car]:
    """All of them in the charge loop."""
    cars = []
    for port in ports:
        car = Car(PlainEngine(), Outlet(), dc=True)  # the pilot is moved where the stations are
        car.connect(port)
        cars.append(car)
    waiting = cars
    while waiting := [car for car in waiting if car.loops < 2 or not car.answered()]:
        for car in waiting:
            car.begin(time.monotonic())
        time.sleep(0.001)
    return cars


def _loops(cars: list[Car], seconds: float) -> list[float]:
    """Every car at once, each 100 ms: the times from a request to its answer."""
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for car in cars:
            selector.register(car.fileno(), selectors.EVENT_READ, car)
        started = time.monotonic()
        for number in range(round(seconds / PACE)):
            time.sleep(max(0.0, started + number * PACE - time.monotonic()))
            sent = {}
            for car in cars:
                sent[car] = time.monotonic()
                car.repeat(sent[car])
            while sent:
                for key, _ in selector.select(_PATIENCE):
                    if key.data.answered():
                        times.append(time.monotonic() - sent.pop(key.data))
    return times


_PATIENCE = 5.0  # s

# --- the stations -----------------------------------------------------------------------------------------


def _serve(pipe: Pipe, outlets: int, polled: bool) -> None:
    _pin(0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_stations(pipe, outlets, polled))


async def _stations(pipe: Pipe, outlets: int, polled: bool) -> None:
    loop = asyncio.get_running_loop()
    moments = _Moments(outlets)
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for _ in range(outlets):
            outlet = Outlet() if polled else ReportingOutlet()
            station = Station(DC, outlet, Backend(), reporter=_plugging(outlet, moments), sdp_port=0)
            await stack.enter_async_context(station)
            ports.append(station.endpoint.plain_port if station.endpoint is not None else None)
        gc.collect()
        gc.freeze()
        loop.add_reader(pipe.fileno(), lambda: pipe.send(moments.taken()) if pipe.recv() else None)
        pipe.send(ports)
        await asyncio.Event().wait()


class _Moments:
    """The CPU time from the first request of a moment to each answer."""

    def __init__(self, outlets: int) -> None:
        self._outlets = outlets
        self._times: list[float] = []
        self._began = 0.0

    def note(self, record: MessageRecord) -> None:
        """A message of any station; a moment is over when each has answered."""
        if record.direction is Direction.SENT:
            self._times.append(time.process_time() - self._began)
        elif len(self._times) % self._outlets == 0:
            self._began = time.process_time()

    def taken(self) -> tuple[float, list[float]]:
        """The CPU time of now, and the times since the last call."""
        times, self._times = self._times, []
        return time.process_time(), times


def _plugging(outlet: Outlet, moments: _Moments) -> Callable[[Record], None]:
    """State C as soon as the station is ready for the isolation test."""

    def note(record: Record) -> None:
        if not isinstance(record, MessageRecord) or not isinstance(record.message, V2GMessage):
            return
        moments.note(record)
        if isinstance(record.message.body, ChargeParameterDiscoveryRes):
            outlet.show(ControlPilot.C)

    return note


if __name__ == "__main__":
    main()
