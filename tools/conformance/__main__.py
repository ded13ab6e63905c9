"""The station of this library against the conformance bench, in all variants: `make conformance`.

One station cannot show everything: a case with a silent back end and a case that charges exclude each other.
So several are started in this process, each on a separate discovery port, and the bench runs against all of
them; a case counts as passed when it has passed where it applies and failed nowhere. Timers of a minute are
shortened to seconds, which the report states: their lengths are proved by the tests of the core, with a
simulated clock.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from secc import bench
from secc.bench import (
    ALL,
    BenchReport,
    BenchTimers,
    BenchVerdict,
    Case,
    CaseOutcome,
    Need,
    Target,
    page,
    reports,
)
from secc.bench.pki import CarPki
from secc.records import Record
from secc.session.outlet import ControlPilot
from secc.sim import SimulatedAcEvse, SimulatedCable, SimulatedDcEvse
from secc.station.station import Station
from tools.conformance.setups import PKI, SETUPS, Setup, shortened_timers
from tools.conformance.setups20 import BACK_ENDS20, PKI20, SETUPS20

STATIONS: dict[str, Setup] = {**SETUPS, **SETUPS20, **BACK_ENDS20}

# --- running -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """One case over all stations it was run against."""

    case: Case
    verdict: BenchVerdict
    text: str
    where: tuple[str, ...]
    """Stations that gave this verdict."""


def merge(found: Sequence[BenchReport]) -> list[Merged]:
    """Failed anywhere is failed; else passed somewhere is passed; else what is left."""
    by_id: dict[str, list[tuple[str, CaseOutcome]]] = {}
    for report in found:
        for outcome in report.outcomes:
            by_id.setdefault(outcome.case.id, []).append((report.name, outcome))
    merged = []
    for case in ALL:
        outcomes = by_id.get(case.id, [])
        for verdict in (
            BenchVerdict.FAIL,
            BenchVerdict.INCONCLUSIVE,
            BenchVerdict.PASS,
            BenchVerdict.NOT_APPLICABLE,
        ):
            there = [(name, outcome) for name, outcome in outcomes if outcome.verdict is verdict]
            there.sort(key=lambda one: one[1].reason in _SHAPE)
            if there:
                names = tuple(name for name, _ in there)
                merged.append(Merged(case, verdict, there[0][1].reason, names))
                break
    return merged


def as_dict(one: Merged) -> dict[str, Any]:
    """For the page."""
    case = one.case
    return {
        "id": case.id,
        "group": case.group,
        "title": case.title,
        "expected": case.expect,
        "verdict": one.verdict.value,
        "reason": one.text,
        "stations": list(one.where),
    }


_SHAPE = (Need.AC.value, Need.DC.value, Need.TLS.value, Need.PLAIN.value, Need.CONTRACT.value)
"""Reasons that hold for one station, but not for the one next to it."""


async def run_setup(
    setup: Setup,
    *,
    cases: Sequence[Case] | None = None,
    make: Callable[..., Station] = Station,
    timers: BenchTimers | None = None,
) -> BenchReport:
    """The station up, the bench against it, the station down. `make` may make a broken station."""
    cable, linked = SimulatedCable(), False
    evse = SimulatedDcEvse(cable, isolation_time=0.15) if setup.dc else SimulatedAcEvse(cable)

    async def pilot(state: str) -> None:
        cable.set_pilot(ControlPilot(state))

    async def link(state: str) -> None:
        nonlocal linked
        if state == "down":
            station.link_down()
        elif not linked or station.endpoint is None:  # each session needs a separate match
            station.link_up()
        linked = state == "up"

    # The cases provoke failures on purpose: the log of the station would hide the result.
    station = make(setup.config(), evse, setup.backend(), sdp_port=0, reporter=_unreported)
    with tempfile.TemporaryDirectory() as folder:
        async with station:
            assert station.sdp_port is not None
            target = Target(
                interface="lo",
                sdp_port=station.sdp_port,
                tls=setup.over_tls,
                roots=_roots(Path(folder)),
                timers=timers or shortened_timers(),
                declared=setup.declared,
                pilot=pilot,
                link=link if setup.slac else None,
                pki=CarPki.read(PKI),
            )
            return await bench.run(setup.cases() if cases is None else cases, target, name=setup.name)


async def _run_part(setup: Setup, cases: Sequence[Case]) -> BenchReport:
    """The cases; a station that the bench does not recognise, twice, has shown nothing in any of them."""
    for _ in range(2):
        report = await run_setup(setup, cases=cases)
        if setup.recognised(report.facts):
            return report
    lost = [
        dataclasses.replace(
            one, verdict=BenchVerdict.INCONCLUSIVE, reason="the bench has not found the service"
        )
        for one in report.outcomes
    ]
    return dataclasses.replace(report, outcomes=tuple(lost))


def _roots(folder: Path) -> Path:
    """The V2G roots of both generations in one file."""
    path = folder / "roots.pem"
    path.write_bytes((PKI / "v2g_root.pem").read_bytes() + (PKI20 / "v2g_root.pem").read_bytes())
    return path


def _unreported(_record: Record) -> None:
    return None


async def run_all(names: Sequence[str]) -> list[BenchReport]:
    """Those of a group at the same time, as most of it is waiting; not all of them, as the handshakes of TLS
    1.3 would hold up the loops of the others."""
    found = []
    for group in (SETUPS, SETUPS20, BACK_ENDS20):
        chosen = [group[name] for name in names if name in group]
        found += await asyncio.gather(*(_run_divided(setup) for setup in chosen))
    return found


async def _run_divided(setup: Setup) -> BenchReport:
    """A setup with many cases on several stations alike, each of which runs a part; one report of all."""
    cases = setup.cases()
    parts = [cases[number :: setup.stations] for number in range(setup.stations)]
    found = await asyncio.gather(*(_run_part(setup, part) for part in parts))
    outcomes = {outcome.case.id: outcome for report in found for outcome in report.outcomes}
    lost = [one.case for one in outcomes.values() if one.verdict is BenchVerdict.INCONCLUSIVE]
    if lost:  # the way to the point of the case failed: a pause of the machine, unless it fails again
        again = await run_setup(setup, cases=lost)
        outcomes |= {outcome.case.id: outcome for outcome in again.outcomes}
    return dataclasses.replace(
        found[0],
        outcomes=tuple(outcomes[case.id] for case in cases),
        duration=max(report.duration for report in found),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, say what has not passed, write the reports."""
    parser = argparse.ArgumentParser(description="the station of this library against the conformance bench")
    parser.add_argument("--setup", action="append", choices=list(STATIONS), help="default: all")
    parser.add_argument("--html", type=Path, metavar="DIR", help="write a page per station")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the merged result")
    parser.add_argument("--verbose", "-v", action="store_true")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    found = asyncio.run(run_all(given.setup or list(STATIONS)))
    for report in found:
        print(f"{report.name:22} {reports.headline(report)}  ({report.duration:.0f} s)")
        for outcome in report.outcomes:
            if outcome.verdict in (BenchVerdict.FAIL, BenchVerdict.INCONCLUSIVE):
                _tell(outcome, verbose=given.verbose)
        if given.html is not None:
            given.html.mkdir(parents=True, exist_ok=True)
            name = "".join(char if char.isalnum() else "-" for char in report.name.casefold())
            (given.html / f"{name}.html").write_text(page.html(report), encoding="utf-8")
    merged = merge(found)
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps([as_dict(one) for one in merged], indent=1) + "\n", encoding="utf-8")
    passed = sum(one.verdict is BenchVerdict.PASS for one in merged)
    left = [one for one in merged if one.verdict is BenchVerdict.NOT_APPLICABLE]
    print(f"\n{passed} of {len(merged) - len(left)} passed, {len(left)} not applicable anywhere", end="")
    print(f"  ({time.monotonic() - began:.0f} s)")
    for one in left if given.verbose else ():
        print(f"  n/a  {one.case.id}  {one.text}")
    return 0 if passed == len(merged) - len(left) > 0 else 1


def _tell(outcome: CaseOutcome, *, verbose: bool) -> None:
    print(f"  {outcome.verdict.value:12} {outcome.case.id}  {outcome.reason}")
    for line in reports.log_lines(outcome) if verbose else ():
        print(f"      {line}")


if __name__ == "__main__":
    sys.exit(main())
