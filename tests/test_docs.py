"""Every Python block of the documentation runs, page by page, as a reader would paste it."""

from __future__ import annotations

import argparse
import configparser
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> str:
    return "\n".join(BLOCK.findall(page.read_text()))


PAGES_WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text())]


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_of_a_page_run(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks(page)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


COMMAND = re.compile(r"^secc (?:decode|states) .*$", re.MULTILINE)
COMMANDS = sorted({line for page in PAGES for line in COMMAND.findall(page.read_text())})


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_documentation_works(command: str) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_unit_of_a_service_starts_a_command_that_exists_without_root() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    page = (ROOT / "docs/how-to/installing.md").read_text()
    unit.read_string(page.partition("```ini\n")[2].partition("```")[0])
    service = unit["Service"]
    program, command, *arguments = shlex.split(service["ExecStart"])
    parser = argparse.ArgumentParser()
    importlib.import_module(f"secc.cli.{command}").configure(parser)
    parsed = parser.parse_args(arguments)
    assert (program, parsed.config) == ("/opt/secc/bin/secc", "/etc/secc/%i.toml")
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_RAW"
    assert (service["DynamicUser"], service["NoNewPrivileges"]) == ("yes", "yes")
    assert "User" not in service


def test_no_block_is_left_open() -> None:
    odd = [page.name for page in PAGES if page.read_text().count("```") % 2]
    assert odd == []


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run([sys.executable, "-m", "tools.docs", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0
