"""Line length of prose: lines of Markdown text and of comments in Rust have at most 110 columns.

    python -m tools.checks.prose            check; prints each longer line, exit code 1 if there is one
    python -m tools.checks.prose --write    wrap the Markdown paragraphs that have longer lines

Tables, code (also indented by four spaces), headings, generated pages and lines without a space are not
checked. ruff checks Python, rustfmt the code in Rust.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

WIDTH = 110
ROOT = Path(__file__).resolve().parents[2]
GENERATED = "<!-- generated "
"""First line of pages that are made of docstrings and tables."""
_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.|:)\s+|\s*>\s?|\s*")
_RUST = re.compile(r"\s*//[/!]?\s")
_UNWRAPPED = re.compile(r"\s*(?:[|#<]|!!!|\?\?\?|:::|\[[^\]]+\]:\s)")


def main(arguments: list[str] | None = None) -> int:
    """Check or wrap; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check the line length of prose.")
    parser.add_argument("--write", action="store_true", help="wrap Markdown paragraphs")
    write = parser.parse_args(arguments).write
    found = 0
    for path in _files():
        text = path.read_text(encoding="utf-8")
        if text.startswith(GENERATED):
            continue
        if write and path.suffix == ".md":
            path.write_text(text := wrapped(text), encoding="utf-8")
        for number, line in too_long(text, rust=path.suffix == ".rs"):
            found += 1
            print(f"{path.relative_to(ROOT)}:{number}: {len(line)} columns, expected at most {WIDTH}")
    return 1 if found else 0


def too_long(text: str, *, rust: bool = False) -> list[tuple[int, str]]:
    """Return number and text of the lines of prose that are too long."""
    lines = text.split("\n")
    if rust:
        checked = [number for number, line in enumerate(lines, 1) if _RUST.match(line)]
    else:
        checked = [number for numbers in paragraphs(lines) for number in numbers]
    longer = [(number, lines[number - 1]) for number in checked if len(lines[number - 1]) > WIDTH]
    return [(number, line) for number, line in longer if " " in _ITEM.sub("", line, count=1)]


def wrapped(text: str) -> str:
    """Return Markdown whose paragraphs with long lines are wrapped; other paragraphs are unchanged."""
    lines: list[str] = text.split("\n")
    for numbers in reversed(list(paragraphs(lines))):
        block = lines[numbers[0] - 1 : numbers[-1]]
        if all(len(line) <= WIDTH for line in block) or any(line.endswith("  ") for line in block):
            continue
        lead = _ITEM.match(block[0])
        first = lead.group(0) if lead is not None else ""
        rest = first if ">" in first else " " * len(first)
        words = " ".join([block[0][len(first) :], *(line.strip().removeprefix("> ") for line in block[1:])])
        lines[numbers[0] - 1 : numbers[-1]] = textwrap.wrap(
            words,
            WIDTH,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def paragraphs(lines: list[str]) -> Iterator[list[int]]:
    """Yield the line numbers of each paragraph or list item, without code blocks and tables."""
    current: list[int] = []
    code = False
    for number, line in enumerate(lines, 1):
        fence = line.lstrip().startswith("```")
        code ^= fence
        indented = not current and line.startswith("    ")
        skipped = code or fence or indented or not line.strip() or _UNWRAPPED.match(line) is not None
        starts = re.match(r"\s*(?:[-*+]|\d+\.|:)\s", line) is not None
        if current and (skipped or starts):
            yield current
            current = []
        if not skipped:
            current.append(number)
    if current:
        yield current


def _files() -> Iterator[Path]:
    done = subprocess.run(
        ["git", "ls-files", "*.md", "*.rs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in done.stdout.splitlines():
        if "/tables/" not in name:
            yield ROOT / name


if __name__ == "__main__":
    raise SystemExit(main())
