"""`secc doctor --controller`: check a controller against its contract, without a car."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator

from secc import settings as configuration
from secc.cli import display, loading, misused
from secc.errors import ConfigError, SeccError
from secc.sdp import SDP_PORT
from secc.settings.config import SeccConfig
from secc.station.ownership import OutletClaim
from secc.testing import ControllerReport, Owed, Rig, RowResult, RowState, as_dict, check_controller


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    group = parser.add_argument_group(
        "a controller",
        "Call your outlet as a station does, without a car, and compare it with its contract.",
    )
    group.add_argument("--controller", metavar="PACKAGE.MODULE:CLASS", help="check only this controller")
    group.add_argument(
        "--energise", action="store_true", help="switch the output on, several times, without confirmation"
    )
    group.add_argument(
        "--outlet", choices=["ac", "dc"], help="kind of the outlet (default: from the configuration)"
    )
    group.add_argument(
        "--voltage", type=float, metavar="VOLTS", help="DC: set-point of the test in volts (200)"
    )
    group.add_argument(
        "--rig",
        metavar="PACKAGE.MODULE:FUNCTION",
        help="function that receives the controller and returns a secc.testing.Rig",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the check and show the result; not on hardware that a station controls."""
    try:
        if arguments.config is None:
            return _try(arguments, SeccConfig())
        settings = configuration.load(arguments.config)
        with OutletClaim(settings, SDP_PORT):
            return _try(arguments, settings)
    except SeccError as error:
        return misused(str(error))


def _try(arguments: argparse.Namespace, settings: SeccConfig) -> int:
    """Raises ConfigError."""
    try:
        report = _report(arguments, settings, _kind(arguments, settings))
    except asyncio.CancelledError:  # SIGTERM
        return 1
    _Screen(as_json=arguments.json).show(arguments.controller, report)
    return 0 if report.good else 1


def _report(arguments: argparse.Namespace, settings: SeccConfig, dc: bool) -> ControllerReport:
    """Create the controller and check it. Raises ConfigError."""
    controller = loading.make(arguments.controller, "--controller")
    rig = Rig() if arguments.rig is None else loading.make(arguments.rig, "--rig", controller)
    if not isinstance(rig, Rig):
        raise ConfigError(f"--rig {arguments.rig}: returned {rig!r}, expected a secc.testing.Rig")
    energise = arguments.energise or _allowed(arguments, Owed.of(settings, dc=dc, voltage=arguments.voltage))
    screen = _Screen(as_json=arguments.json)
    return asyncio.run(_check(controller, settings, dc, energise, arguments.voltage, rig, screen))


def _kind(arguments: argparse.Namespace, settings: SeccConfig) -> bool:
    """Return whether the outlet is DC. Raises ConfigError."""
    if arguments.voltage is not None and not 0.0 < arguments.voltage <= settings.energy.dc.max_voltage:
        most = settings.energy.dc.max_voltage
        raise ConfigError(f"--voltage {arguments.voltage:g}: expected above 0 and at most {most:g}")
    if arguments.outlet is not None:
        return bool(arguments.outlet == "dc")
    if settings.energy.offers_ac and settings.energy.offers_dc:
        raise ConfigError("energy.modes has AC and DC: add --outlet ac or --outlet dc")
    return settings.energy.offers_dc


def _allowed(arguments: argparse.Namespace, owed: Owed) -> bool:
    """Ask for confirmation at the terminal; without a terminal the answer is no."""
    if arguments.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    what = "closes its contactor"
    if owed.dc:
        what = f"sets {owed.voltage:g} V and runs isolation tests with up to {owed.max_voltage:g} V"
    print(f"{arguments.controller}: the full check {what} about ten times, without a car.")
    print("Make sure that nothing is connected and that no person touches the connector.")
    return input("Type energise to continue; otherwise only checks without power run: ").strip() == "energise"


async def _check(
    controller: object,
    settings: SeccConfig,
    dc: bool,
    energise: bool,
    voltage: float | None,
    rig: Rig,
    screen: _Screen,
) -> ControllerReport:
    """Stop on SIGINT and SIGTERM, after switching the output off."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await check_controller(
            controller, settings, dc=dc, energise=energise, voltage=voltage, rig=rig, progress=screen.progress
        )
    except asyncio.CancelledError as end:
        unsafe = str(end)
        print(f"secc: stopped; {_danger(unsafe) if unsafe else 'the output is off'}", file=sys.stderr)
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _danger(unsafe: str) -> str:
    return f"THE OUTPUT MAY BE ON, disconnect the supply: {unsafe}"


class _Screen:
    """Prints progress on a terminal, then the table; or JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._style = display.Style()

    def progress(self, name: str, number: int, total: int) -> None:
        """Show progress in one line of a terminal."""
        if not self._json and self._style.live:
            self._style.replace(f"{number} of {total}: {name}")

    def show(self, name: str, report: ControllerReport) -> None:
        """Print the report."""
        if self._json:
            print(json.dumps({"controller": name} | as_dict(report)))
            return
        if self._style.live:
            self._style.replace("")
        for line in self._table(report):
            self._style.line(line)
        self._style.line()
        paint = self._style.good if report.good else self._style.bad
        self._style.line(paint(report.summary))
        if not report.evidence.energised:
            self._style.line("Without power: add --energise for the rest.")
        if report.evidence.stopped:
            self._style.line(f"Stopped early: {report.evidence.stopped}.")
        if report.evidence.unsafe:
            self._style.line(self._style.bad(_danger(report.evidence.unsafe)))

    def _table(self, report: ControllerReport) -> Iterator[str]:
        section = ""
        for one in report.results:
            if one.row.section != section:
                section = one.row.section
                yield ""
                yield f"{self._style.bold(f'{section:16}')} {self._style.dim(one.row.reference)}"
            yield from self._row(one)

    def _row(self, one: RowResult) -> Iterator[str]:
        """Format state, id, requirement and observation; long observations continue below their column."""
        columns = shutil.get_terminal_size((120, 24)).columns
        narrow = columns < _NARROW
        left = _LEFT if narrow else _LEFT + _OWED + 1
        seen = textwrap.wrap(one.seen, max(30, columns - left - 1)) or [""]
        if one.state is RowState.FAILED:
            seen += [f"owed: {one.owed}"] if narrow else []
            seen.append(f"see {one.row.reference}")
        dim = one.state is RowState.NOT_TRIED
        for number, text in enumerate(seen):
            mark, id, owed = (_MARKS[one.state], one.row.id, one.owed) if number == 0 else ("", "", "")
            mark = self._painted(one.state, f"{mark:5}") if mark else " " * 5
            body = f"{id:20} {text}" if narrow else f"{id:20} {owed:{_OWED}} {text}"
            yield f"  {mark} {self._style.dim(body) if dim else body}".rstrip()

    def _painted(self, state: RowState, mark: str) -> str:
        match state:
            case RowState.OK:
                return self._style.good(mark)
            case RowState.FAILED:
                return self._style.bad(mark)
            case RowState.WARNING:
                return self._style.bold(mark)
            case RowState.NOT_TRIED:
                return self._style.dim(mark)


_MARKS = {RowState.OK: "ok", RowState.FAILED: "FAIL", RowState.WARNING: "warn", RowState.NOT_TRIED: "-"}
_LEFT = 2 + 5 + 1 + 20 + 1  # columns before the requirement
_OWED = 46  # width of the requirement in columns
_NARROW = 110  # columns; on narrower terminals the requirement is printed below, for failures only
