"""`secc states`: show the rule table of the session, by request or by state."""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secc.cli import refused
from secc.cli.protocols import DIALECTS, protocol_name
from secc.session.dialect import Dialect, Key, On
from secc.session.states import Timer
from secc.settings.protocols import ProtocolName

EXAMPLES = """examples:
  secc states PowerDeliveryReq     show each state in which it is legal, and the reaction
  secc states WAIT_DEMAND          show everything that is legal in that state
  secc states                      show the whole table, one line for each row
  secc states --protocol din70121  show the table of DIN SPEC 70121
  secc states --protocol iso20 DCChargeLoopReq
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="REQUEST", help="a request, another input, a timer, or a state; any case"
    )
    parser.add_argument(
        "--protocol",
        type=protocol_name,
        choices=list(DIALECTS),
        default=ProtocolName.ISO15118_2,
        metavar="{" + ",".join(DIALECTS) + "}",
        help="protocol of the table (default: iso15118-2); din and iso20 are short forms",
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print rows."""
    dialect = DIALECTS[arguments.protocol]
    rows = [*dialect.rules, *dialect.beside]
    if arguments.name is not None:
        rows = [row for row in rows if _matches(row, arguments.name)]
        anywhere = [key for key in dialect.anywhere if _same(arguments.name, input_name(key))]
        if not rows and not anywhere:
            return _unknown(dialect, arguments.name)
    if arguments.json:
        print(json.dumps([_as_dict(row) for row in rows], indent=2))
    elif arguments.name is None:
        _print_table(rows)
    else:
        _print_rows(rows)
        _print_anywhere(dialect, arguments.name)
        _print_otherwise(dialect, arguments.name, rows)
    return 0


def input_name(key: Key) -> str:
    """Return the input of a row as text."""
    return f"Timer {key.value}" if isinstance(key, Timer) else key.__name__


def _same(name: str, known: str) -> bool:
    wanted = name.casefold().removeprefix("timer ").removeprefix("timer.")
    known = known.casefold().removeprefix("timer ")
    return wanted in (known, known.removesuffix("req"))


def _matches(row: On, name: str) -> bool:
    return _same(name, input_name(row.input)) or name.casefold() == row.state.name.casefold()


def _unknown(dialect: Dialect, name: str) -> int:
    for request, response in dialect.pairs.items():
        if _same(name, request.__name__):
            return refused(
                f"{request.__name__} is not legal in any state: it is answered with {response.__name__} and "
                f"FAILED_SequenceError, and the session ends [{dialect.unexpected}]"
            )
    rows = (*dialect.rules, *dialect.beside)
    known = sorted({input_name(row.input) for row in rows} | {row.state.name for row in rows})
    lower = {entry.casefold(): entry for entry in known}
    close = difflib.get_close_matches(name.casefold(), lower, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(lower[entry] for entry in close)}?" if close else ""
    return refused(f"{name} is not a request, input or state{hint}")


def _print_table(rows: list[On]) -> None:
    width = max(len(row.state.name) for row in rows)
    for row in rows:
        leads = ", ".join(_targets(row)) or "(the session ends)"
        print(f"{row.state.name:{width}}  {input_name(row.input):28}  {leads}")


def _print_rows(rows: list[On]) -> None:
    for row in rows:
        only = f"   (leniency {row.leniency})" if row.leniency else ""
        print(f"{row.state.name}: {row.state.value}{only}")
        print(f"  on {input_name(row.input)}")
        print(f"    handler   {_handler(row.handler)}")
        print(f"    leads to  {', '.join(_targets(row)) or '(the session ends)'}")
        if meaning := inspect.getdoc(row.handler):
            print(textwrap.indent(textwrap.fill(" ".join(meaning.split()), 92), "    "))
        if row.ids:
            print(f"    ids       {' '.join(f'[{one}]' for one in row.ids.split())}")
        print()


def _print_anywhere(dialect: Dialect, name: str) -> None:
    for key, entry in dialect.anywhere.items():
        if _same(name, input_name(key)):
            print(f"In every state without a separate row, on {input_name(key)}")
            print(f"    handler   {_handler(entry.handler)}")
            print(f"    ids       {' '.join(f'[{one}]' for one in entry.ids.split())}\n")


def _print_otherwise(dialect: Dialect, name: str, rows: list[On]) -> None:
    """Return the rule for requests without a row."""
    request = next((key for key in dialect.pairs if _same(name, key.__name__)), None)
    if request is not None and rows:
        print(
            f"In every other state: {dialect.pairs[request].__name__} with FAILED_SequenceError, output off, "
            f"end of the session [{dialect.unexpected}]."
        )
    elif rows and name.casefold() == rows[0].state.name.casefold():
        print(
            "Every other request: its response with FAILED_SequenceError, output off, end of the session "
            f"[{dialect.unexpected}]."
        )


def _targets(row: On) -> list[str]:
    return [state.name for state in type(row.state) if state in row.leads_to]


def _handler(handler: Callable[..., Any]) -> str:
    """Return module, name and line."""
    place = inspect.getsourcefile(handler)
    line = handler.__code__.co_firstlineno
    path = Path(place).relative_to(_ROOT) if place else Path(handler.__module__)
    return f"{handler.__name__}  {path}:{line}"


_ROOT = Path(__file__).resolve().parents[2]


def _as_dict(row: On) -> dict[str, Any]:
    return {
        "state": row.state.name,
        "input": input_name(row.input),
        "handler": f"{row.handler.__module__}.{row.handler.__name__}",
        "leads_to": _targets(row),
        "ids": row.ids.split(),
        "leniency": row.leniency or None,
    }
