"""`secc opcp-sim`: a simulated Plug and Charge ecosystem, on loopback."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from secc.cli import misused
from secc.cli.cpo import run_until_signal
from secc.private_files import write_private

if TYPE_CHECKING:
    from secc.operator.opcp.pools import Party

EXAMPLES = """examples:
  secc opcp-sim --folder pool                          write its PKI and the secrets of its parties there
  secc opcp-sim --folder pool --fault slow --delay 5   answer too late for a car
  secc opcp-sim --folder pool --days 400               simulate a later date

Change faults while it runs: POST /_control/fault {"fault": "expired-cps", "calls": 1}. A car for a
simulation: POST /_control/cars/ZZZTESTCAR0000001, with ?pool=true also in the pool. Parties: `cpo`, `mo`,
`oem`, and `all` with all roles.
Needs `pip install secc[cpo]`.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--folder", type=Path, required=True, help="for roots, keys and secrets; created if missing"
    )
    parser.add_argument("--port", type=int, default=8480, help="default: %(default)s; 0 for a free one")
    parser.add_argument("--seed", help="the same keys each time; for tests only")
    parser.add_argument("--days", type=float, default=0.0, help="add this number of days to the clock")
    parser.add_argument("--fault", default="none", help="fault from the start; see the guide")
    parser.add_argument("--delay", type=float, default=5.0, help="seconds, for --fault slow")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal arrives."""
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("httpx2") is None:
        return misused("the simulated ecosystem needs more packages: pip install 'secc[cpo]'")
    import uvicorn

    from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults
    from secc.operator.opcp.server import EcosystemServer
    from secc.operator.opcp.simulated import SimulatedEcosystem
    from secc.pki.hierarchy import write_hierarchy

    try:
        fault = EcosystemFault(arguments.fault)
    except ValueError:
        return misused(f"--fault: one of {', '.join(EcosystemFault)}")
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    ecosystem = SimulatedEcosystem(
        seed=arguments.seed.encode() if arguments.seed else None, parties=_parties(folder)
    )
    ecosystem.offset = datetime.timedelta(days=arguments.days)
    ecosystem.faults = EcosystemFaults(fault, delay=arguments.delay)
    write_hierarchy(ecosystem.pki, folder, ecosystem.now)
    write_hierarchy(ecosystem.iso20.pki, folder / "iso20", ecosystem.now)
    config = uvicorn.Config(
        EcosystemServer(ecosystem).app, port=arguments.port, log_level="warning", server_header=False
    )
    listener = config.bind_socket()
    listener.listen()  # a connection that comes before the server runs waits
    print(f"ecosystem on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    run_until_signal(uvicorn.Server(config), listener)
    return 0


def _parties(folder: Path) -> list[Party]:
    from secc.operator.opcp.pools import Party

    path = folder / "parties.json"
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    else:
        known = {name: secrets.token_urlsafe(24) for name in ("cpo", "mo", "oem", "all")}
        write_private(path, json.dumps(known, indent=2).encode())
    everything = frozenset({"cpo", "mo", "oem", "cps"})
    return [
        Party(
            client_id=name,
            secret=secret,
            roles=everything if name == "all" else frozenset({name}),
            manufacturers=frozenset({"ZZZ"}),
            providers=frozenset({"DEABC"}),
        )
        for name, secret in known.items()
    ]
