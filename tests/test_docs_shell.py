"""Every shell block of the tutorial and the how-tos runs, page by page, in order, in one new folder.

A comment directly above a block tells the runner what a reader knows:

    <!-- not run: REASON -->    the block needs what a test does not have
    <!-- background: TEXT -->   the block is a server; it is ready when it has printed TEXT. An earlier server
                                with the same two first words is stopped before.
    <!-- file: NAME -->         the block is a file of this name (TOML)
    <!-- setup                  the lines up to `-->` are commands that a reader has other means for;
                                `stop_server "FIRST WORDS"` ends a server

In blocks of the kind `console`, lines that begin with `$ ` are commands and the others are their output. A
page runs in a separate network namespace where that is possible, so that its ports are free.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/how-to").glob("*.md")),
    *sorted((ROOT / "docs/tutorial").glob("*.md")),
]
BLOCK = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)^-->"
    r"|^(?:<!-- (?P<how>not run|background|file): (?P<what>[^\n]*?) -->\n)?"
    r"```(?P<kind>sh|bash|shell|console|toml)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
PATIENCE = 120
"""Seconds for a page; a busy machine is slow."""


@dataclasses.dataclass(frozen=True)
class Block:
    page: Path
    how: str
    what: str
    text: str

    def script(self) -> str:
        """The block as lines of a script for bash."""
        match self.how:
            case "not run":
                return ""
            case "file":
                return f"cat > {self.what} <<'END_OF_FILE'\n{self.text}END_OF_FILE\n"
            case "background":
                first = _quoted(" ".join(self.text.split()[:2]))
                return (
                    f"start_server {first} {_quoted(self.what)} <<'END_OF_BLOCK'\n{self.text}END_OF_BLOCK\n"
                )
            case _:
                return self.text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def blocks(page: Path) -> list[Block]:
    found = []
    for match in BLOCK.finditer(page.read_text()):
        if match["setup"] is not None:
            found.append(Block(page, "", "", match["setup"]))
            continue
        text, kind, how = match["text"], match["kind"], match["how"] or ""
        if kind == "toml" and how != "file":
            continue
        if kind == "console":
            commands = (line[2:] for line in text.splitlines() if line.startswith("$ "))
            text = "".join(f"{line}\n" for line in commands)
        found.append(Block(page, how, match["what"] or "", text))
    return found


WITH_SHELL = [page for page in PAGES if any(one.script() for one in blocks(page))]

PROLOGUE = r"""
set -euo pipefail
ip link set lo up 2>/dev/null || true
declare -A servers=()
stop_server() {
  if [ -n "${servers[$1]:-}" ]; then kill "${servers[$1]}"; wait "${servers[$1]}" 2>/dev/null || true; fi
}
start_server() {
  stop_server "$1"
  local log; log=$(mktemp)
  cat > "$log.sh"
  sed -i '$s/^/exec /' "$log.sh"
  . "$log.sh" > "$log" 2>&1 &
  servers[$1]=$!
  for _ in $(seq 600); do
    if grep -qF -- "$2" "$log"; then return 0; fi
    if ! kill -0 "${servers[$1]}" 2>/dev/null; then cat "$log"; echo "the server $1 has ended"; return 1; fi
    sleep 0.1
  done
  cat "$log"; echo "the server $1 has not printed: $2"; return 1
}
set -x
"""


def _apart() -> list[str]:
    """A separate network for the page, with its own loopback."""
    tried = ["unshare", "--user", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    works = subprocess.run([*tried, "true"], capture_output=True, check=False).returncode == 0
    return tried if works else []


@pytest.mark.parametrize("page", WITH_SHELL, ids=lambda page: str(page.relative_to(ROOT)))
def test_shell_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    script = PROLOGUE + "\n".join(one.script() for one in blocks(page))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [*_apart(), "bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        shown, _ = process.communicate(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, shown[-4000:]


def test_each_block_runs_or_has_the_reason_why_not() -> None:
    short = [one.page.name for page in PAGES for one in blocks(page) if one.how and len(one.what) < 4]
    assert short == []


def test_the_runner_shows_what_went_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: no such command -->\n```sh\nnothing\n```\n```console\n$ true\nok\n$ false\n```\n"
    )
    assert [one.script() for one in blocks(page)] == ["", "true\nfalse\n"]
    with pytest.raises(AssertionError, match="false"):
        test_shell_blocks_of_a_page_run(page, tmp_path)
