"""Every tool has a line in the index, and every line a tool."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2] / "tools"
INDEX = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_tool_is_in_the_index() -> None:
    scripts = [path for path in ROOT.glob("*/*") if path.suffix in (".py", ".sh")]
    words = set(re.findall(r"\w+", INDEX))
    pages = {
        "codes",
        "diagram",
        "ids",
        "invariants",
        "matching",
        "model",
        "requirements",
        "threats",
        "timers",
    }
    missing = {one.stem for one in scripts if one.parent.name != "codegen"} - words - pages
    assert missing == {"__init__", "__main__"}


def test_every_room_is_in_the_index() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/*.py")}
    assert set(re.findall(r"^\| \*\*(\w+)\*\*", INDEX, re.MULTILINE)) == rooms


def test_what_the_index_names_exists() -> None:
    for module in re.findall(r"python -m tools\.([\w.]+)", INDEX):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
