"""What a station needs of a small machine: `python -m tools.bench.footprint [seconds]`. Linux.

Memory is the proportional set size of the process, processor time what it has used itself; ratios are what
matters. The station idles on loopback: nothing plugged in, for `seconds` (10).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = {
    "an interpreter with asyncio": "import asyncio",
    "the codec": "from secc import exi; exi.codec('iso2')",
    "the session core": "import secc.connection",
    "the station": "import secc.station.station",
    "the station with SLAC": "import secc.station.plc",
}
STATIONS = {
    "AC": ["--sim", "ac"],
    "DC": ["--sim", "dc"],
    "AC with SLAC": ["--sim", "ac", "--config", "slac.toml"],
}
SLAC = "[slac]\nenabled = true\n"


def main() -> None:
    """Both tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    unit: tuple[float, float] | None = None
    for name, program in PROGRAMS.items():
        found = loaded(program)
        unit = unit or found
        memory, used = found
        print(f"{name:30} {memory:8.0f} KiB {memory / unit[0]:6.2f} {used:8.3f} s {used / unit[1]:6.2f}")
    assert unit is not None
    for name, arguments in STATIONS.items():
        memory, share, descriptors = idling(arguments, seconds)
        ratio = memory / unit[0]
        print(f"{name + ', idling':30} {memory:8.0f} KiB {ratio:6.2f} {share:8.2%}, {descriptors} files")


def loaded(program: str) -> tuple[float, float]:
    """KiB and seconds of the processor after these imports, the least of seven runs."""
    text = f"{program}\nimport os, time\nprint(time.process_time(), os.getpid(), flush=True)\ninput()"
    found = []
    for _ in range(7):
        child = subprocess.Popen([sys.executable, "-c", text], stdin=-1, stdout=-1, text=True)
        assert child.stdout is not None
        used, pid = child.stdout.readline().split()
        found.append((pss(int(pid)), float(used)))
        child.communicate("\n")
    return min(memory for memory, _ in found), min(used for _, used in found)


def idling(arguments: list[str], seconds: float) -> tuple[float, float, int]:
    """KiB, share of a core, and open files of a station that waits for a car."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "slac.toml").write_text(SLAC)
        command = [sys.executable, "-m", "secc", "serve", "-i", "lo", "--sdp-port", "0", *arguments]
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=_environment()
        )
        try:
            time.sleep(5.0)
            before = ticks(child.pid)
            time.sleep(seconds)
            share = (ticks(child.pid) - before) / os.sysconf("SC_CLK_TCK") / seconds
            return pss(child.pid), share, len(list(Path(f"/proc/{child.pid}/fd").iterdir()))
        finally:
            child.terminate()
            child.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def pss(pid: int) -> float:
    """Proportional set size, KiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return float(text.split("Pss:")[1].split()[0])


def ticks(pid: int) -> int:
    """Processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    main()
