"""The command line: one module per sub-command, loaded only when it is used.

Exit codes: 0 done, 1 the answer is no (a message that cannot be decoded, a session that failed), 2 misused
(wrong arguments, wrong configuration).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from secc.station.outflow import stuck

COMMANDS = {
    "serve": "run a station for one outlet, simulated or your own",
    "ev": "charge a simulated EV at a station",
    "bench": "conformance: play an EV that tests a station, case by case",
    "demo": "a simulated EV charges at a simulated station: AC and DC, plain and TLS",
    "decode": "show EXI bytes as JSON",
    "encode": "make EXI bytes from JSON",
    "pki": "certificates: make, issue, renew, show, verify",
    "pnc": "contracts of a site without a network: cars, ends, receipts, refusals",
    "cpo": "services of an operator: contracts for cars, certificates for stations",
    "opcp-sim": "a double of the Plug and Charge ecosystem (OPCP), with faults that can be switched on",
    "csms": "a small central system (OCPP) for tests, with faults that can be switched on",
    "schema": "schemas of messages: import, export and check them",
    "slac": "what the modem hears of an EV, as a picture",
    "doctor": "is everything there that a station needs",
    "replay": "run the core again over a trace and show the first difference",
    "trace": "show a trace: sequence chart, charging curve, test",
    "health": "is a running station well",
    "states": "what happens when a request arrives in a state",
}


class Command(Protocol):
    """What a module of this package has."""

    EXAMPLES: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return the exit code."""
    if arguments is not None:
        return _run(list(arguments))
    code = _run(sys.argv[1:])
    if stuck():  # the interpreter would wait for the reader of the output
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
    except SystemExit as end:  # argparse ends the process; a caller wants the code
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:  # `secc states | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        if (printing := sys.modules.get("secc.cli.output")) is not None:  # help needs no loop
            printing.finish(_PATIENCE)


_PATIENCE = 5.0  # s for a reader of what a command has printed


def misused(text: str) -> int:
    """Say what has to be changed, on standard error; the exit code for it."""
    print(f"secc: {text}", file=sys.stderr)
    return 2


def refused(text: str) -> int:
    """Say why not, on standard error; the exit code for it."""
    print(f"secc: {text}", file=sys.stderr)
    return 1


def _version() -> str:
    try:
        return importlib.metadata.version("secc")
    except importlib.metadata.PackageNotFoundError:  # a checkout that was never installed
        return "unknown"


def _parser(chosen: str | None) -> tuple[argparse.ArgumentParser, Command | None]:
    parser = argparse.ArgumentParser(
        prog="secc",
        description="The charging-station side (SECC) of ISO 15118-2.",
        epilog="secc COMMAND --help shows options and examples.",
    )
    parser.add_argument("--version", action="version", version=f"secc {_version()}")
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
