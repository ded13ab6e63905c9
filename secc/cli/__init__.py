"""The command line: one module for each sub-command, loaded only when it is used.

Exit codes: 0 success, 1 the command reports a failure (an undecodable message, a failed session), 2 wrong use
(wrong arguments, wrong configuration).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from secc.station.outflow import stuck

COMMANDS = {
    "serve": "run a station for one outlet, simulated or real",
    "ev": "charge a simulated EV at a station",
    "bench": "test the conformance of a station, case by case",
    "demo": "charge a simulated EV at a simulated station: AC and DC, plain and TLS",
    "decode": "show EXI bytes as JSON",
    "encode": "encode JSON to EXI bytes",
    "pki": "make, issue, renew, show and verify certificates",
    "pnc": "manage the contracts of a site without a network",
    "cpo": "run the services of an operator: contracts for cars, certificates for stations",
    "opcp-sim": "simulate the Plug and Charge ecosystem (OPCP), with optional faults",
    "csms": "run a small central system (OCPP) for tests, with optional faults",
    "schema": "import, export and check message schemas",
    "slac": "show the attenuation between EV and station that the modem measures",
    "doctor": "check configuration, interface, modem and certificates",
    "replay": "replay a trace and show the first difference",
    "trace": "show a trace as sequence chart, charging curve or test",
    "health": "report the health of a running station",
    "states": "show what happens when a request arrives in a state",
}


class Command(Protocol):
    """Interface of the modules in this package."""

    EXAMPLES: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return the exit code."""
    if arguments is not None:
        return _run(list(arguments))
    code = _run(sys.argv[1:])
    if stuck():  # otherwise the interpreter would wait for the reader of the output
        os._exit(code)
    return code


def _run(given: list[str]) -> int:
    chosen = next((word for word in given if not word.startswith("-")), None)
    parser, command = _parser(chosen)
    try:
        parsed = parser.parse_args(given)
        if command is None:
            parser.print_help()
            return 2
        code = command.run(parsed)
        sys.stdout.flush()
        return code
    except SystemExit as end:  # argparse ends the process; callers need the code
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:  # `secc states | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        if (printing := sys.modules.get("secc.cli.output")) is not None:  # help needs no loop
            printing.finish(_PATIENCE)


_PATIENCE = 5.0  # seconds for a reader of the output


def misused(text: str) -> int:
    """Report what must be changed, on standard error; returns the exit code."""
    print(f"secc: {text}", file=sys.stderr)
    return 2


def refused(text: str) -> int:
    """Report a failure on standard error; returns the exit code."""
    print(f"secc: {text}", file=sys.stderr)
    return 1


class _Version(argparse.Action):
    """Print the version and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata  # a large import, for this option alone

        try:
            version = metadata.version("secc")
        except metadata.PackageNotFoundError:  # a checkout that was never installed
            version = "unknown"
        print(f"secc {version}")
        parser.exit()


def _parser(chosen: str | None) -> tuple[argparse.ArgumentParser, Command | None]:
    parser = argparse.ArgumentParser(
        prog="secc",
        description="The charging-station side (SECC) of ISO 15118-2.",
        epilog="secc COMMAND --help shows options and examples.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    command: Command | None = None
    for name, purpose in COMMANDS.items():
        if name != chosen:
            subparsers.add_parser(name, help=purpose)
            continue
        command = cast(Command, importlib.import_module(f"secc.cli.{name.replace('-', '_')}"))
        subparser = subparsers.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(subparser)
    return parser, command
