"""Instruction counts by callgrind: the same for the same binary and input, independent of the load of the
machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ROOT / "benches" / "messages.txt"
_FEW, _MANY = 10, 60


def missing() -> str:
    """Why nothing can be counted here; empty if it can."""
    tools = [tool for tool in ("cargo", "valgrind") if shutil.which(tool) is None]
    return f"{' and '.join(tools)} not installed" if tools else ""


def compiler() -> str:
    """Version of the Rust compiler, on which the counts depend."""
    run = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout.strip()


def example(package: str, name: str) -> Path:
    """The example program `name` of a crate, built as the library is built for a release."""
    build = ["cargo", "build", "--quiet", "--locked", "--release", "-p", package, "--example", name]
    subprocess.run(build, check=True, cwd=ROOT)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "examples" / name


def of_messages(lines: list[str]) -> dict[str, dict[str, int]]:
    """Instructions to decode and to encode each message of `lines` with the Rust core."""
    once = example("v2g-exi", "once")
    text = "\n".join(lines) + "\n"

    def one(job: tuple[str, str]) -> int:
        name, what = job
        return per_step([str(once), name, what], text)

    names = [line.split(" ")[0] for line in lines]
    jobs = [(name, what) for name in names for what in ("decode", "encode")]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(jobs, pool.map(one, jobs), strict=True))
    return {name: {what: counts[name, what] for what in ("decode", "encode")} for name in names}


def per_step(command: list[str], text: str) -> int:
    """Instructions of one step of `command`, whose last argument is the number of steps."""
    few, many = (_count([*command, str(steps)], text) for steps in (_FEW, _MANY))
    return round((many - few) / (_MANY - _FEW))


def _count(command: list[str], text: str) -> int:
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    run = subprocess.run(valgrind, input=text, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if found is None:
        raise RuntimeError(f"no count in the output of {' '.join(valgrind)}")
    return int(found[1])
