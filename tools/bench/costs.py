"""What a station costs, in instructions: start, import, and the messages of the charge loop.

`tools.bench.steps` runs once under callgrind, with a fixed seed for the hashes of strings. What the kernel
does for sockets is not counted.
"""

from __future__ import annotations

import collections
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench import instructions
from tools.bench.car import COUNTED

TEXTS = {
    "import secc": "`import secc`, with the interpreter",
    "start": "`secc serve` until it listens, AC without TLS and SLAC",
    "decode": "CurrentDemandReq from bytes to message object, called from Python",
    "decode, by classes": "the same, with objects made by their classes (`direct=False`)",
    "encode": "CurrentDemandReq from message object to bytes, called from Python",
    "encode, by classes": "the same, with objects read by attribute (`direct=False`)",
    "session, DC": "CurrentDemandReq through the session",
    "connection, DC": "CurrentDemandReq through `Connection`, from bytes to bytes",
    "exchange, DC": "CurrentDemandReq through a station, with everything that runs within 100 ms",
    "exchange, DC, polled": "the same, with a controller that does not report changes",
    "exchange, DC, TLS": "the same as the row before the last, over TLS",
    "session, AC": "ChargingStatusReq through the session",
    "connection, AC": "ChargingStatusReq through `Connection`, from bytes to bytes",
    "exchange, AC": "ChargingStatusReq through a station, with everything that runs within 100 ms",
}
"""What each row counts."""

_ONCE = ("interpreter", "import secc", "start")


def python() -> str:
    """The interpreter on which the counts depend."""
    return f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"


def of_station() -> dict[str, int]:
    """Instructions of each row of `TEXTS`."""
    _run([sys.executable])  # the compiled files of the modules are there, as in an installation
    parts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile")
        callgrind = [
            "valgrind",
            "--tool=callgrind",
            "--dump-before=getppid",
            "--dump-line=no",
            f"--callgrind-out-file={profile}",
        ]
        for number, row in enumerate(_run([*callgrind, sys.executable]), 1):
            parts[row] += _total(Path(f"{profile}.{number}"))
    parts["import secc"] += parts["interpreter"]
    parts["start"] += parts["import secc"]
    return {row: parts[row] if row in _ONCE else round(parts[row] / COUNTED) for row in TEXTS}


def _run(python: list[str]) -> list[str]:
    """The rows of the parts of one run."""
    command = [*python, "-m", "tools.bench.steps"]
    fixed = {**os.environ, "PYTHONHASHSEED": "0"}
    fixed.pop("PYTHONDONTWRITEBYTECODE", None)
    run = subprocess.run(command, capture_output=True, text=True, cwd=instructions.ROOT, env=fixed)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {run.stdout[-1000:]} {run.stderr[-3000:]}")
    return run.stdout.splitlines()


def _total(profile: Path) -> int:
    found = re.search(r"^totals: (\d+)", profile.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no total in {profile}")
    return int(found[1])


if __name__ == "__main__":
    for row, count in of_station().items():
        print(f"{count:>13,} {TEXTS[row]}")
