"""`secc health`: is the station well? For containers and supervisors."""

from __future__ import annotations

import argparse
import http.client
import json
from pathlib import Path
from typing import Any

from secc import settings as configuration
from secc.cli import misused, refused
from secc.errors import ConfigError

EXAMPLES = """examples:
  secc health --port 9150                    the port of `secc serve --metrics` or `--health`
  secc health --config station.toml          the port in [operation]
  secc health --port 9150 --ready            also: could a car begin a session now?

Asks the running station, which sends a request over its own charging interface to its discovery, looks at
its listener, and reads its controller. A station that hangs does not answer: that fails too. Exit 0: well.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--config", "-c", type=Path, help="TOML file of the station")
    parser.add_argument("--port", type=int, help="port of the station's monitor")
    parser.add_argument("--address", help="its address (127.0.0.1)")
    parser.add_argument("--ready", action="store_true", help="a session could begin now")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="for the answer (5)")
    parser.add_argument("--json", action="store_true", help="the answer as it comes")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and say what is wrong."""
    address, port = arguments.address, arguments.port
    if arguments.config is not None:
        try:
            operation = configuration.load(arguments.config).operation
        except ConfigError as error:
            return misused(str(error))
        address, port = address or operation.address, port or operation.port
    if not port:
        return misused("name the port: --port, or operation.port in a file: --config")
    try:
        found = _ask(
            address or "127.0.0.1", port, "/ready" if arguments.ready else "/health", arguments.timeout
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        return refused(f"the station does not answer: {error}")
    good = bool(found["serving"] if arguments.ready else found["healthy"])
    print(json.dumps(found) if arguments.json else _words(found, good=good))
    return 0 if good else 1


def _ask(address: str, port: int, path: str, timeout: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if not isinstance(answer, dict) or "healthy" not in answer:
        raise ValueError("something else answers there")
    return answer


def _words(found: dict[str, Any], *, good: bool) -> str:
    if good:
        waited = found["discovery_seconds"]
        heard = "" if waited is None else f", discovery answers in {waited * 1000:.1f} ms"
        reason = f" ({found['reason']})" if found["reason"] else ""
        return f"{'in a session' if found['in_session'] else 'well'}{reason}{heard}{_warnings(found)}"
    return ("; ".join(found["troubles"]) or f"not serving: {found['reason']}") + _warnings(found)


def _warnings(found: dict[str, Any]) -> str:
    """One line for each, below the verdict; they do not change it."""
    lines = list(found.get("warnings", ()))
    for one in found.get("reports", ()):
        if one["problem"] or one["dropped"]:
            counts = f"{one['waiting']} waiting, {one['dropped']} dropped"
            lines.append(f"{one['name']}: {one['problem'] or 'keeps up again'}; {counts}")
    return "".join(f"\nwarning: {line}" for line in lines)
