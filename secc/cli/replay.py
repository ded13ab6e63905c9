"""`secc replay`: run the present code over a recorded trace."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from secc import settings as configuration
from secc.cli import misused, refused
from secc.errors import ConfigError
from secc.trace import Difference, Trace, TraceError, read, replay

EXAMPLES = """examples:
  secc replay session.trace
  secc replay session.trace --config other.toml        replay with another configuration

Exit code 0: all outputs are the same; 1: the first difference is printed.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("trace", type=Path, help="a file that `secc serve --trace` wrote")
    parser.add_argument(
        "--config", "-c", type=Path, help="use this configuration instead of the recorded one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Compare, and report the result."""
    try:
        trace = read(arguments.trace)
        config = None if arguments.config is None else configuration.load(arguments.config)
        difference = replay(trace, config)
    except OSError as error:
        return misused(str(error))
    except (TraceError, ConfigError) as error:
        return misused(str(error))
    if arguments.json:
        print(json.dumps(_as_json(trace, difference)))
        return 0 if difference is None else 1
    if difference is not None:
        return refused(f"{arguments.trace}: {difference}")
    print(f"{_size(trace)}: every output is the same")
    if trace.torn:
        print("the last line is incomplete: the recording was interrupted there")
    return 0


def _size(trace: Trace) -> str:
    inputs = sum(len(session.steps) for session in trace.sessions)
    return f"sessions {len(trace.sessions)}, inputs {inputs}, written by secc {trace.written_by}"


def _as_json(trace: Trace, difference: Difference | None) -> dict[str, object]:
    result: dict[str, object] = {
        "sessions": len(trace.sessions),
        "inputs": sum(len(session.steps) for session in trace.sessions),
        "same": difference is None,
        "torn": trace.torn,
    }
    if difference is not None:
        result["difference"] = {
            "line": difference.line,
            "session": difference.session,
            "at": difference.at,
            "state": difference.state.name,
            "event": difference.event,
            "recorded": difference.recorded,
            "now": difference.now,
            "problem": difference.problem,
        }
    return result
