"""The public surface: `secc.__all__`, `__all__` of each public module, and the pages of the API reference."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import secc

ROOT = Path(secc.__file__).resolve().parent
PAGES = ROOT.parent / "docs/reference"

# What an embedded station must never load just by importing the package.
HEAVY = (
    *("scapy", "pytest", "hypothesis", "cryptography", "OpenSSL", "asyncio", "ssl", "sqlite3"),
    *("http.server", "msgspec", "secc._exi", "secc.settings", "secc.errors"),
)


# --- the front door ----------------------------------------------------------------------------------------


HOME_OF = {name: f"secc.{home}" for home, names in secc._HOMES.items() for name in names}


def imported_for_type_checkers() -> dict[str, str]:
    """Name to module, from the block under TYPE_CHECKING."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_type_checker_and_python_see_the_same_names_from_the_same_modules() -> None:
    assert imported_for_type_checkers() == HOME_OF
    assert sorted(HOME_OF) == secc.__all__


def test_the_names_with_which_a_charger_is_written_are_there() -> None:
    assert {"Station", "SeccConfig", "load", "EvseController", "Backend", "EvseSnapshot"} <= {*secc.__all__}
    assert {"Reporter", "Connection", "codec", "SeccError", "ConfigError"} <= {*secc.__all__}
    assert len(secc.__all__) <= 45, "the front door stays short: the rest is imported from its module"


@pytest.mark.parametrize("name", secc.__all__)
def test_each_name_is_public_in_its_module(name: str) -> None:
    home = importlib.import_module(HOME_OF[name])
    assert getattr(secc, name) is getattr(home, name)
    assert name in home.__all__
    assert name in dir(secc)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'secc' has no attribute 'Charger'"):
        getattr(secc, "Charger")  # noqa: B009 - a type checker refuses secc.Charger


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", secc.__version__)


def test_importing_the_package_loads_nothing_but_the_names() -> None:
    script = f"import sys, secc; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_station_loads_no_tool_or_server_framework() -> None:
    names = ("scapy", "pytest", "hypothesis", "flask", "fastapi", "aiohttp", "django", "http.server")
    script = f"import sys, secc; secc.Station; print([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- public modules ----------------------------------------------------------------------------------------


def all_modules() -> list[str]:
    names = [found.name for found in pkgutil.walk_packages([str(ROOT)], "secc.")]
    return [name for name in names if not name.startswith(("secc._exi", "secc.__main__"))]


def declared(module: str) -> list[str] | None:
    """Its `__all__` without importing it; None where it has none."""
    path = ROOT.joinpath(*module.split(".")[1:])
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


PUBLIC = {name: names for name in all_modules() if (names := declared(name)) is not None}


def is_package(module: str) -> bool:
    return ROOT.joinpath(*module.split(".")[1:]).is_dir()


def on_pages() -> list[str]:
    """Every `::: module` of the reference."""
    text = "\n".join(page.read_text() for page in sorted(PAGES.glob("*.md")))
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


def test_each_public_module_is_on_one_page_and_each_module_on_a_page_is_public() -> None:
    modules = {name for name in PUBLIC if not is_package(name) or name in on_pages()}
    assert sorted(on_pages()) == sorted(modules)


@pytest.mark.parametrize("module", sorted(name for name in PUBLIC if is_package(name)))
def test_the_names_of_a_package_are_public_in_a_module_that_is_on_a_page(module: str) -> None:
    if module in on_pages():
        return
    shown = {name for one in on_pages() for name in PUBLIC.get(one, [])}
    assert {*PUBLIC[module]} <= shown | {name.rpartition(".")[2] for name in PUBLIC}


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_each_public_name_exists_and_says_what_it_is(module: str) -> None:
    loaded = importlib.import_module(module)
    assert len(PUBLIC[module]) == len({*PUBLIC[module]})
    for name in PUBLIC[module]:
        assert not name.startswith("_")
        found = getattr(loaded, name)
        if inspect.isclass(found) or (inspect.isfunction(found) and found.__name__ == name):
            assert (found.__doc__ or "").strip(), f"{module}.{name} has no docstring"


@pytest.mark.parametrize("module", sorted(name for name in PUBLIC if not is_package(name)))
def test_what_a_public_module_defines_is_public_or_begins_with_an_underscore(module: str) -> None:
    path = ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    defined = {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    hidden = {name for name in defined if not name.startswith("_")} - {*PUBLIC[module]}
    assert hidden == set(), "add them to __all__, or begin their names with _"


def test_the_front_page_of_the_reference_names_every_name_of_the_front_door() -> None:
    text = (PAGES / "index.md").read_text()
    for name, home in HOME_OF.items():
        assert f"[`{name}`][{home}.{name}]" in text
