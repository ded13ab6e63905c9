"""`secc bench`: conformance cases against any station."""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from secc import bench
from secc.bench import (
    ALL,
    BenchReport,
    BenchTimers,
    BenchVerdict,
    Case,
    CaseOutcome,
    EvData,
    Target,
    page,
    reports,
)
from secc.bench.compare import compare
from secc.bench.pki import CarPki
from secc.bench.stand import StationCommand
from secc.bench.target import DECLARATIONS
from secc.cli import display, misused, output
from secc.errors import CertificateError
from secc.sdp import SDP_PORT

EXAMPLES = f"""examples:
  secc bench --interface eth1                           run every applicable case, with discovery
  secc bench --interface eth1 --tls --roots v2g_root.pem --pki testpki --junit result.xml --html result.html
  secc bench --host fe80::1%eth1 --port 54321           without discovery
  secc bench --interface eth1 --only '*PowerDelivery*'
  secc bench --interface eth1 --pilot-command 'pilot-box {{state}}'
  secc bench --list

The bench is an EV. Without --pilot-command it cannot set the control pilot: the station must follow
the messages of the EV, as `secc serve --sim` does; cases that need the pilot are skipped with that reason.

Declarations about a station (--declare, separated by commas):
{chr(10).join(f"  {name:22} {text}" for name, text in DECLARATIONS.items())}

--timer NAME=SECONDS declares that the station has another value than the standard: sequence, setup,
station_ongoing; or sets the patience of the tester. All names:
{", ".join(f.name for f in dataclasses.fields(BenchTimers))}.
The report names each one that differs.

Exit code 0 if all applicable cases have passed, 1 if not, 2 for wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    where = parser.add_argument_group("the station")
    where.add_argument("--interface", "-i", default="lo", help="interface of the station (default: lo)")
    where.add_argument("--host", help="address of the station; without discovery")
    where.add_argument("--port", type=int, help="port of the station; without discovery")
    where.add_argument("--sdp-port", type=int, default=SDP_PORT, help=f"default {SDP_PORT}")
    where.add_argument("--tls", action="store_true", help="use TLS for cases that work with and without TLS")
    where.add_argument("--roots", type=Path, help="PEM of V2G roots; without it any certificate is accepted")
    where.add_argument("--name", default="", help="name of the station in the reports")
    where.add_argument("--declare", type=_declared, default=frozenset(), metavar="WORDS", help="see below")
    tester = parser.add_argument_group("the tester")
    tester.add_argument(
        "--pki", type=Path, metavar="DIR", help="folder of `secc pki new` with contract and keys"
    )
    tester.add_argument(
        "--pilot-command",
        metavar="COMMAND",
        help="command that sets the control pilot; {state} becomes A to E",
    )
    tester.add_argument(
        "--link-command",
        metavar="COMMAND",
        help="command that sets the data link; {state} becomes up or down",
    )
    tester.add_argument("--timer", action="append", default=[], metavar="NAME=SECONDS", help="see below")
    for field in dataclasses.fields(EvData):
        if isinstance(field.default, (int, float)):
            name = "--ev-" + field.name.replace("_", "-")
            tester.add_argument(name, type=type(field.default), default=field.default, metavar="NUMBER",
                                help=f"value in messages of the EV (default {field.default:g})")  # fmt: skip
    choice = parser.add_argument_group("the cases")
    choice.add_argument("--list", action="store_true", help="show the cases and exit")
    choice.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="run only these ids or groups, with * and ?",
    )
    choice.add_argument(
        "--skip", action="append", default=[], metavar="PATTERN", help="skip these ids or groups"
    )
    choice.add_argument("--long", action="store_true", help="also wait for timers of a minute")
    output = parser.add_argument_group("output")
    output.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    output.add_argument(
        "--compare", type=Path, nargs="+", metavar="RUN", help="print runs (files of --json) side by side"
    )
    output.add_argument("--html", type=Path, metavar="FILE", help="write an HTML page")
    output.add_argument("--json", action="store_true", help="print everything as one JSON object")
    output.add_argument("--verbose", "-v", action="store_true", help="print the messages of each case")
    output.add_argument(
        "--quiet", "-q", action="store_true", help="print only what did not pass, and the count"
    )


def run(arguments: argparse.Namespace) -> int:
    """Test the station."""
    if arguments.compare:
        return _compare(arguments.compare, arguments.html)
    if (arguments.host is None) != (arguments.port is None):
        return misused("expected --host and --port together")
    cases = _chosen(arguments.only, arguments.skip)
    if not cases:
        return misused("no case matches --only; --list shows all cases")
    if arguments.list:
        print("\n".join(reports.listing(cases)))
        return 0
    try:
        target = _target(arguments)
    except (ValueError, CertificateError) as error:
        return misused(str(error))
    printer = _Printer(arguments)
    report = output.run(bench.run(cases, target, name=arguments.name, progress=printer.progress))
    try:
        if arguments.junit is not None:
            arguments.junit.write_bytes(reports.junit(report))
        if arguments.html is not None:
            arguments.html.write_text(page.html(report), encoding="utf-8")
    except OSError as error:
        return misused(f"{error.filename}: {error.strerror}")
    printer.report(report)
    return 0 if report.good else 1


def _compare(files: Sequence[Path], html: Path | None) -> int:
    """Print runs side by side as Markdown, and write the HTML page."""
    try:
        found = compare([(file.name, file.read_text(encoding="utf-8")) for file in files])
        if html is not None:
            html.write_text(found.html(), encoding="utf-8")
    except (OSError, ValueError) as error:
        return misused(str(error))
    output.say(found.markdown().rstrip())
    return 0


def _declared(text: str) -> frozenset[str]:
    words = frozenset(word for word in text.split(",") if word)
    if unknown := words - set(DECLARATIONS):
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; expected: {', '.join(DECLARATIONS)}"
        )
    return words


def _chosen(only: Sequence[str], skip: Sequence[str]) -> list[Case]:
    def fits(case: Case, patterns: Sequence[str]) -> bool:
        return any(
            fnmatch.fnmatch(case.id, pattern) or fnmatch.fnmatch(case.group.casefold(), pattern.casefold())
            for pattern in patterns
        )

    return [case for case in ALL if (not only or fits(case, only)) and not fits(case, skip)]


def _target(arguments: argparse.Namespace) -> Target:
    given = {
        field.name: getattr(arguments, f"ev_{field.name}")
        for field in dataclasses.fields(EvData)
        if hasattr(arguments, f"ev_{field.name}")
    }
    return Target(
        interface=arguments.interface,
        host=arguments.host,
        port=arguments.port,
        sdp_port=arguments.sdp_port,
        tls=arguments.tls,
        roots=arguments.roots,
        timers=_timers(arguments.timer),
        ev=EvData(**given),
        declared=arguments.declare,
        pilot=_command(arguments.pilot_command, "--pilot-command"),
        link=_command(arguments.link_command, "--link-command"),
        pki=None if arguments.pki is None else CarPki.read(arguments.pki),
        long=arguments.long,
    )


def _command(text: str | None, option: str) -> StationCommand | None:
    return None if text is None else StationCommand(text, option)


def _timers(given: Sequence[str]) -> BenchTimers:
    known = [field.name for field in dataclasses.fields(BenchTimers)]
    values: dict[str, float] = {}
    for one in given:
        name, _, text = one.partition("=")
        try:
            values[name] = float(text)
        except ValueError:
            raise ValueError(f"--timer {one}: expected NAME=SECONDS") from None
        if name not in known or not 0.0 < values[name] < 3600.0:
            raise ValueError(f"--timer {one}: expected one of {', '.join(known)}, up to 3600 s")
    return BenchTimers(**values)


class _Printer:
    """Prints progress lines and the final table."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._json = arguments.json
        self._quiet = arguments.quiet
        self._verbose = arguments.verbose
        self._style = display.Style()
        self._group = ""

    def progress(self, number: int, total: int, what: CaseOutcome | Case) -> None:
        if isinstance(what, Case):
            if not self._json and sys.stdout.isatty():
                self._style.replace(f"{number:4} of {total}  {what.id}")
            return
        if self._json or (self._quiet and what.verdict in (BenchVerdict.PASS, BenchVerdict.NOT_APPLICABLE)):
            return
        if what.case.group != self._group:
            self._group = what.case.group
            self._style.line(self._style.bold(self._group))
        text = f"  {self._mark(what.verdict)} {what.case.id}"
        if what.verdict is BenchVerdict.PASS:
            text += f"  {what.duration:.1f} s"
        else:
            text += f"  {what.reason}"
        self._style.line(text)
        for remark in what.remarks:
            self._style.line(f"      remark: {remark}")
        if self._verbose or what.verdict is BenchVerdict.FAIL:
            self._details(what)

    def _details(self, what: CaseOutcome) -> None:
        self._style.line(f"      done: {what.case.title}")
        self._style.line(f"      expected: {what.case.expect}")
        lines = reports.log_lines(what)
        for line in lines if self._verbose else lines[-4:]:
            self._style.line(f"      {line}")

    def report(self, report: BenchReport) -> None:
        if self._json:
            output.say(json.dumps(reports.as_dict(report), indent=1))
            return
        self._style.line()
        for line in reports.station_lines(report):
            self._style.line(line)
        self._style.line()
        if not self._quiet:
            for line in reports.table(report):
                self._style.line(line)
            self._style.line()
        count = reports.headline(report)
        paint = self._style.good if report.good else self._style.bad
        self._style.line(f"{paint(count)}  ({report.duration:.0f} s)")

    def _mark(self, verdict: BenchVerdict) -> str:
        match verdict:
            case BenchVerdict.PASS:
                return self._style.good("pass")
            case BenchVerdict.FAIL:
                return self._style.bad("FAIL")
            case BenchVerdict.INCONCLUSIVE:
                return self._style.bad("inconclusive")
        return "n/a "
