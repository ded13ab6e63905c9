"""Tools find the files beside them and the root of the project, in whichever room they are."""

import re
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SOURCES = sorted(TOOLS.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOOLS)))
def test_a_tool_counts_its_folders_right(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    depth = len(path.relative_to(TOOLS).parts)
    assert "__file__).parent.parent" not in source
    for number in re.findall(r"__file__\)\.(?:resolve\(\)\.)?parents\[(\d+)\]", source):
        assert int(number) == depth
    for name in re.findall(r"__file__\)\.with_name\(\"([^\"]+)\"\)", source):
        assert (path.parent / name).exists(), name


def test_the_fuzz_script_runs_in_the_folder_of_the_engine() -> None:
    script = (TOOLS / "fuzz" / "targets.sh").read_text(encoding="utf-8")
    (folder,) = re.findall(r'^cd "\$\(dirname "\$0"\)/(.+)"$', script, re.MULTILINE)
    assert (TOOLS / "fuzz" / folder / "fuzz" / "Cargo.toml").exists()


def test_a_tool_names_files_of_the_tools_that_exist() -> None:
    for path in SOURCES:
        for parts in re.findall(r'ROOT((?: / "[\w.]+")+)', path.read_text(encoding="utf-8")):
            names = re.findall(r'"([\w.]+)"', parts)
            if names[0] == "tools":
                assert TOOLS.parent.joinpath(*names).exists(), f"{path}: {'/'.join(names)}"
