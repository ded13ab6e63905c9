"""`secc csms --conformance`: run the cases for charging stations against the station that connects."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from secc.cli import misused, output

if TYPE_CHECKING:
    from secc.ocpp.conformance.case import CsmsCaseResult
    from secc.ocpp.conformance.runner import CsmsReport


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    group = parser.add_argument_group("conformance")
    group.add_argument(
        "--conformance",
        action="store_true",
        help="run the cases against the first station that connects, print the table, and exit",
    )
    group.add_argument("--car", action="store_true", help="a car is connected, and charges when authorised")
    group.add_argument(
        "--car20", action="store_true", help="a car of ISO 15118-20 in Dynamic mode is connected, for 2.1"
    )
    group.add_argument(
        "--wait", type=float, default=60.0, help="seconds to wait for the station to connect (60)"
    )
    group.add_argument(
        "--patience", type=float, default=10.0, help="seconds to wait for an answer or a message (10)"
    )
    group.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if every case that was run has passed, 1 if not, 2 without a verdict."""
    try:
        report = output.run(_report(arguments))
    except OSError as error:
        return misused(str(error))
    if report is None:
        return misused(f"no station has connected within {arguments.wait:g} s")
    if arguments.json:
        print(json.dumps(_as_json(report), indent=1))
    else:
        _print(report)
    if not report.trusted:
        return 2
    return 0 if report.good else 1


async def _report(arguments: argparse.Namespace) -> CsmsReport | None:
    from secc.ocpp.conformance.case import Needed
    from secc.ocpp.conformance.catalogue import CATALOGUE
    from secc.ocpp.conformance.runner import run_cases
    from secc.ocpp.conformance.strict import CaseFailed, StrictCsms

    version = arguments.only or "2.0.1"
    password = None if arguments.password is None else arguments.password.read_text().strip()
    csms = StrictCsms(version, password=password, patience=arguments.wait)
    quiet = arguments.quiet or arguments.json
    async with csms.serving(arguments.host, arguments.port) as url:
        if not quiet:
            output.say(f"waiting for a station of OCPP {version} at {url}")
        try:
            await csms.expect("BootNotification")
        except CaseFailed:
            return None
        csms.patience = arguments.patience
        cars = {Needed.CAR: arguments.car or arguments.car20, Needed.CAR20: arguments.car20}
        have = frozenset(need for need, there in cars.items() if there)
        progress = (lambda _result: None) if quiet else _show
        return await run_cases(csms, CATALOGUE[version], have=have, progress=progress)


def _show(result: CsmsCaseResult) -> None:
    why = f"  {result.why}" if result.why else ""
    output.say(f"{result.outcome.value:8} {result.id:14} {result.use_case:4} {result.title}{why}")


def _print(report: CsmsReport) -> None:
    if not report.trusted:
        output.say("a control has failed: no case was run")
        return
    for text in report.violations:
        output.say(f"violation {text}")
    skipped = len(report.results) - report.run
    output.say(
        f"{report.station}, OCPP {report.version}: {report.passed} of {report.run} cases passed, "
        f"{skipped} skipped, {len(report.violations)} messages against the schemas"
    )


def _as_json(report: CsmsReport) -> dict[str, object]:
    return {
        "station": report.station,
        "version": report.version,
        "trusted": report.trusted,
        "good": report.good,
        "passed": report.passed,
        "run": report.run,
        "controls": [dataclasses.asdict(one) for one in report.controls],
        "results": [dataclasses.asdict(one) for one in report.results],
        "violations": list(report.violations),
    }
