"""Commands that have actions: `secc pki new`, `secc cpo serve`, `secc pnc add`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from secc.cli import misused, refused
from secc.cli.pki_files import UnusableArgument
from secc.errors import CertificateError, ConfigError

Subparsers = argparse._SubParsersAction  # the only name of this action


def add_action(
    commands: Subparsers[argparse.ArgumentParser],
    name: str,
    purpose: str,
    action: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Add an action; returns its parser."""
    parser = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    parser.set_defaults(action=action)
    return parser


def run_action(arguments: argparse.Namespace) -> int:
    """Run one action; returns 0 (done), 1 (refused) or 2 (misused)."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        return action(arguments)
    except (UnusableArgument, ConfigError) as error:
        return misused(str(error))
    except CertificateError as error:
        rule = f" ({error.rule})" if error.rule else ""
        return refused(f"{error}{rule}")
