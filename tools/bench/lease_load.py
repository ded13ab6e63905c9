"""How much load the lease of the output leaves room for: `python -m tools.bench.lease_load`.

A DC charge of a station and a scripted EV, both in one process and one event loop, on a machine on which so
many other processes want all of the CPU. For each number: the longest time between two renewals of the lease,
as the driver sees it, against the time after which the output would have gone off; how late the event loop
was; and how the session ended. The figures of a run are those of its machine at that moment; what to compare
is how they grow.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import multiprocessing
import os
import time

from secc.messages.iso2 import EnergyTransferMode
from secc.records import OutputRecord, Record
from secc.session.outputs import EndSession
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.sim import Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable, SimulatedDcEvse
from secc.station.station import Station


class NotingEvse(SimulatedDcEvse):
    """Notes when its lease is renewed."""

    renewals: tuple[float, ...] = ()

    def lease(self, seconds: float) -> None:
        self.renewals = (*self.renewals, time.monotonic())
        super().lease(seconds)


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement."""

    others: int
    gap: float
    lag: float
    outcome: str


async def charge(seconds: float) -> tuple[float, float, str]:
    """One session: longest gap between renewals, longest delay of the loop, outcome."""
    cable = SimulatedCable()
    evse = NotingEvse(cable)
    config = SeccConfig(interface="lo", energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))
    ends: list[str] = []

    def note(record: Record) -> None:
        if isinstance(record, OutputRecord) and isinstance(record.output, EndSession):
            ends.append(f"{record.output.reason.value} {record.output.detail}".strip())

    async with Station(config, evse, SimulatedBackend(), reporter=note, sdp_port=0) as station:
        plan = Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=round(seconds / _PACE), pace=_PACE)
        car = ScriptedEvcc(plan, cable=cable, sdp_port=station.sdp_port or 0)
        result = await car.charge()
        lag = station.health.loop_lag
    gaps = [after - before for before, after in itertools.pairwise(evse.renewals)]
    outcome = "complete" if result.completed else f"{result.error}; station: {', '.join(ends)}"
    return max(gaps, default=0.0), lag, outcome


def busy() -> None:
    """Want all of a CPU."""
    while True:
        sum(range(100_000))


def measure(others: int, seconds: float) -> Row:
    """A charge beside so many busy processes."""
    rivals = [multiprocessing.Process(target=busy, daemon=True) for _ in range(others)]
    for rival in rivals:
        rival.start()
    try:
        return Row(others, *asyncio.run(charge(seconds)))
    finally:
        for rival in rivals:
            rival.terminate()
            rival.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How much load the lease leaves room for.")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the charge loop, per row")
    parser.add_argument("--per-core", type=int, nargs="*", default=[0, 1, 2, 4, 8, 16], help="busy processes")
    asked = parser.parse_args()
    cores = os.cpu_count() or 1
    timing = SeccConfig(interface="lo").timing
    print(f"{cores} cores, load average {os.getloadavg()[0]:.1f}; lease {timing.lease} s")
    print("| busy processes per core | longest gap / lease | loop late / room | session |")
    print("|---|---|---|---|")
    for per_core in asked.per_core:
        row = measure(per_core * cores, asked.seconds)
        room = timing.lease - timing.lease_renewal
        print(
            f"| {per_core} | {row.gap / timing.lease:.2f} | {row.lag / room:.2f} | {row.outcome} |",
            flush=True,
        )


_PACE = 0.1  # s between two CurrentDemandReq

if __name__ == "__main__":
    main()
