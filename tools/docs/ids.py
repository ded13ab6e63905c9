"""Places of requirement and invariant ids in the sources: module and the surrounding definition."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENT = re.compile(r"V2G2-\d+|V2G20-\d+|V2G3-[AM]\d\d-\d+|V2G-DC-\d+")
INVARIANT = re.compile(r"INV-\d\d")

Places = dict[str, list[tuple[str, str]]]
"""Id to (file, name of the definition around it), in the order of files and lines, each once."""


@functools.cache
def in_code(pattern: re.Pattern[str]) -> Places:
    """Ids in the library and the crates; generated messages last, as they only repeat the schema."""
    found: Places = {}
    files = [path for path in sorted((ROOT / "secc").rglob("*.py")) if "messages" not in path.parts]
    files += sorted((ROOT / "rust").rglob("*.rs")) + sorted((ROOT / "secc/messages").glob("*.py"))
    for path in files:
        if "target" not in path.parts:
            _collect(path, pattern, found)
    return found


@functools.cache
def in_tests(pattern: re.Pattern[str]) -> Places:
    """Ids in test functions: in a marker, a docstring or a comment."""
    found: Places = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        _collect(path, pattern, found, only="test_")
    return found


def _collect(path: Path, pattern: re.Pattern[str], found: Places, *, only: str = "") -> None:
    text = path.read_text(encoding="utf-8")
    if not pattern.search(text):
        return
    spans = list(_definitions(ast.parse(text))) if path.suffix == ".py" else []
    for number, line in enumerate(text.splitlines(), start=1):
        for match in pattern.findall(line):
            around = [name for first, last, name in spans if first <= number <= last]
            name = around[-1] if around else ""
            place = (str(path.relative_to(ROOT)), name)
            if name.rpartition(".")[2].startswith(only) and place not in found.setdefault(match, []):
                found[match].append(place)


def _definitions(tree: ast.AST, outer: str = "") -> Iterator[tuple[int, int, str]]:
    """First line, decorators included, last line and name of each definition; inner ones after outer ones."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            name = f"{outer}{node.name}"
            yield first, node.end_lineno or node.lineno, name
            yield from _definitions(node, f"{name}.")


@functools.cache
def _names(file: str) -> frozenset[str]:
    """All definitions of a Python file."""
    return frozenset(
        name for _, _, name in _definitions(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    )


def placed(reference: str) -> tuple[str, str]:
    """File and definition of `file::name`; raises ValueError when there is no such definition."""
    file, _, name = reference.partition("::")
    if not (ROOT / file).is_file() or name not in _names(file):
        raise ValueError(f"{reference}: there is no such definition")
    return file, name


def cell(places: list[tuple[str, str]], most: int = 3) -> str:
    """A few of them, for a cell of a table."""
    words = [f"`{_short(file)}`" + (f" {name}" if name else "") for file, name in places[:most]]
    surplus = len(places) - most
    return "<br>".join(words + ([f"and {surplus} more"] if surplus > 0 else [])).replace("_", r"\_")


def _short(file: str) -> str:
    return file.removeprefix("secc/").removeprefix("tests/").removesuffix(".py")
