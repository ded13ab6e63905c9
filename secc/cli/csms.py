"""`secc csms`: a small central system for tests and demonstrations, and commands for a running one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secc.cli import csms_conformance, misused, output, refused

if TYPE_CHECKING:
    from secc.ocpp.fake.csms import FakeCsms
    from secc.ocpp.fake.services import CsmsServices

EXAMPLES = """examples:
  secc csms --accept DEABC000000001G                       accept one contract, print all messages
  secc csms --cpo http://127.0.0.1:8470 --cpo-token T      use the contracts of `secc cpo serve`, and report
                                                           sessions to it
  secc csms --conformance --only 2.0.1                     test the charging station that connects
  secc csms ask stations                                   ask a running central system
  secc csms ask DE-AAA-E1 RequestStopTransaction '{"transactionId": "…"}'
  secc csms ask faults '{"slow": 3}'                       set faults: slow, silent, wrong, refusing, twice,
                                                           lost_answers, clock, registration

Stations connect to ws://HOST:PORT/ocpp/NAME: `secc serve --ocpp ws://127.0.0.1:9000/ocpp`. It is not a
product: no users, no database. The control port serves every program on loopback.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("ask", nargs="*", metavar="ask …", help="send a command to a running central system")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9000, help="port for stations (9000)")
    parser.add_argument("--control-port", type=int, default=9001, help="port for commands (9001)")
    parser.add_argument(
        "--accept", action="append", default=[], metavar="TOKEN", help="eMAID or card that may charge"
    )
    parser.add_argument(
        "--block",
        action="append",
        default=[],
        metavar="TOKEN",
        help="eMAID or card that is known and may not charge",
    )
    parser.add_argument("--password", metavar="FILE", type=Path, help="password of the stations (profile 1)")
    parser.add_argument("--cpo", metavar="URL", help="use contracts and certificates of `secc cpo serve`")
    parser.add_argument("--cpo-token", default="", metavar="TOKEN", help="access token for `secc cpo serve`")
    parser.add_argument(
        "--only",
        choices=["2.1", "2.0.1", "1.6"],
        help="offer only this version; default: all, 2.0.1 for --conformance",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing")
    csms_conformance.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal arrives, or send a command."""
    if arguments.ask:
        return _ask(arguments)
    try:
        import secc.ocpp.fake.csms
    except ImportError as error:
        return misused(f"the fake CSMS needs pip install 'secc[ocpp]': {error}")
    assert secc.ocpp.fake.csms
    if arguments.conformance:
        return csms_conformance.run(arguments)
    try:
        output.run(_serve(arguments))
    except OSError as error:
        return misused(str(error))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    from secc.ocpp.fake.control import controlling
    from secc.ocpp.fake.csms import FakeCsms
    from secc.settings.ocpp import OcppVersion

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    show = (lambda _text: None) if arguments.quiet else _print
    password = None if arguments.password is None else arguments.password.read_text().strip()
    versions = tuple(OcppVersion) if arguments.only is None else (OcppVersion(arguments.only),)
    csms = FakeCsms(_ecosystem(arguments), versions=versions, password=password, show=show)
    async with (
        _reporting(csms, show),
        csms.serving(arguments.host, arguments.port) as url,
        controlling(csms, port=arguments.control_port) as control,
    ):
        _print(f"stations connect to {url}, commands to http://127.0.0.1:{control}")
        await stop.wait()


def _ecosystem(arguments: argparse.Namespace) -> CsmsServices:
    from secc.ocpp.fake.services import Accounts, CpoService
    from secc.ocpp.model import TokenStatus

    known = dict.fromkeys(arguments.accept, TokenStatus.ACCEPTED)
    known.update(dict.fromkeys(arguments.block, TokenStatus.BLOCKED))
    accounts = Accounts(known)
    if arguments.cpo is None:
        return accounts
    return CpoService(arguments.cpo, token=arguments.cpo_token, others=accounts)


def _reporting(csms: FakeCsms, show: Callable[[str], None]) -> contextlib.AbstractAsyncContextManager[None]:
    """Report sessions to the service of the operator, if there is one."""
    from secc.ocpp.fake.reporting import SessionReports
    from secc.ocpp.fake.services import CpoService

    if not isinstance(csms.services, CpoService):
        return contextlib.nullcontext()
    reports = SessionReports(csms.services.report, show=show)
    csms.records.changed = reports.add
    return reports.running()


def _print(text: str) -> None:
    now = time.time()
    output.say(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03d} {text}")


# --- commands ----------------------------------------------------------------------------------------------


def _ask(arguments: argparse.Namespace) -> int:
    """Send a request to the control port of a running fake CSMS."""
    match arguments.ask:
        case ["ask", "stations" | "transactions" | "messages" | "faults" as what]:
            path, body = what, None
        case ["ask", "faults", text]:
            path, body = "faults", text
        case ["ask", station, action]:
            path, body = f"stations/{urllib.parse.quote(station, safe='')}/{action}", "{}"
        case ["ask", station, action, text]:
            path, body = f"stations/{urllib.parse.quote(station, safe='')}/{action}", text
        case _:
            return misused("expected stations, transactions, messages, faults, or STATION ACTION [JSON]")
    url = f"http://127.0.0.1:{arguments.control_port}/{path}"
    data = None if body is None else body.encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=data), timeout=15) as answer:
            told: Any = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return refused(error.read().decode(errors="replace").strip())
    except OSError as error:
        return refused(f"no answer from {url}: {error}")
    json.dump(told, sys.stdout, indent=1)
    print()
    return 0
