"""`secc health`: report the health of a running station, for containers and supervisors."""

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
  secc health --port 9150                    use the port of `secc serve --metrics` or `--health`
  secc health --config station.toml          use the port in [operation]
  secc health --port 9150 --ready            also check that a session could start now

Asks the running station, which sends a request over its charging interface to its discovery, checks
its listener and reads its controller. A station that hangs does not answer and fails too. Exit 0: healthy.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--config", "-c", type=Path, help="TOML file of the station")
    parser.add_argument("--port", type=int, help="port of the monitor of the station")
    parser.add_argument("--address", help="its address (127.0.0.1)")
    parser.add_argument("--ready", action="store_true", help="also require that a session could start now")
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="SECONDS", help="limit for the answer (5)"
    )
    parser.add_argument("--json", action="store_true", help="print the answer unchanged")


def run(arguments: argparse.Namespace) -> int:
    """Ask the station and report problems."""
    address, port = arguments.address, arguments.port
    if arguments.config is not None:
        try:
            operation = configuration.load(arguments.config).operation
        except ConfigError as error:
            return misused(str(error))
        address, port = address or operation.address, port or operation.port
    if not port:
        return misused("expected --port, or --config with a file that has operation.port")
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
        raise ValueError("the answer is not from a station")
    return answer


def _words(found: dict[str, Any], *, good: bool) -> str:
    if good:
        waited = found["discovery_seconds"]
        heard = "" if waited is None else f", discovery answers in {waited * 1000:.1f} ms"
        reason = f" ({found['reason']})" if found["reason"] else ""
        return f"{'in a session' if found['in_session'] else 'healthy'}{reason}{heard}{_warnings(found)}"
    return ("; ".join(found["troubles"]) or f"not serving: {found['reason']}") + _warnings(found)


def _warnings(found: dict[str, Any]) -> str:
    """Print one line for each recorder below the verdict; they do not change it."""
    lines = list(found.get("warnings", ()))
    for one in found.get("reports", ()):
        if one["problem"] or one["dropped"]:
            counts = f"{one['waiting']} waiting, {one['dropped']} dropped"
            lines.append(f"{one['name']}: {one['problem'] or 'keeps up again'}; {counts}")
    return "".join(f"\nwarning: {line}" for line in lines)
