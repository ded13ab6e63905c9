"""Who may import whom: the layers of the style guide, checked on the import statements."""

import ast
import pathlib
import sys

import pytest

import secc

ROOT = pathlib.Path(secc.__file__).parent
WAITING = {"asyncio", "socket", "ssl", "time", "random", "secrets", "os", "threading", "select", "subprocess"}

# layer -> the layers of ours it may import. A layer is a module or package directly under secc.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors", "settings"},
    "messages": {"messages"},
    "_exi": set(),
    "exi": {"_exi", "errors", "exi", "messages"},
    "v2gtp": {"errors"},
    "sdp": {"errors", "settings", "v2gtp"},
    "slac": {"errors", "messages", "settings", "slac"},
    "sap": {"errors", "messages"},
    "pki": {"errors", "exi", "messages", "pki"},
    "session": {"errors", "messages", "pki", "session", "settings"},
    "connection": {"errors", "exi", "messages", "sap", "session", "settings", "v2gtp"},
    # The control pilot around matching and session: it knows the events of both.
    "pilot": {"pilot", "session", "settings", "slac"},
    "records": {"messages", "pilot", "pki", "session", "slac", "records"},
    "ports": {"errors", "messages", "pilot", "pki", "session", "settings"},
    # A trace is read and replayed without waiting; the file and the times are handed in.
    "trace": {
        *("connection", "errors", "exi", "messages", "pki", "session"),
        *("sdp", "settings", "slac", "trace", "v2gtp"),
    },
    # The other half of Plug and Charge stands beside the station, not in it.
    "site": {"errors", "exi", "messages", "pki", "ports", "session", "settings", "site"},
    "ocpp": {"errors", "ocpp", "pki", "ports", "records", "session", "settings", "station"},
    # The test bed of an integrator: anything public.
    "testing": {"errors", "messages", "ports", "session", "settings", "sim", "station", "testing"},
}
PURE = {
    "errors",
    "settings",
    "messages",
    "exi",
    "v2gtp",
    "sdp",
    "slac",
    "pilot",
    "sap",
    "session",
    "connection",
    "ports",
    "records",
    "trace",
}
THIRD_PARTY = {
    "messages": {"msgspec"},
    "exi": {"msgspec"},
    "connection": {"msgspec"},
    "records": {"msgspec"},
    "trace": {"cryptography", "msgspec"},  # captured TLS is opened
}


def layer_of(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: pathlib.Path) -> set[str]:
    """Every module named in an import statement, also under TYPE_CHECKING; `from secc import x` as secc.x."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            if node.module == "secc":
                found |= {f"secc.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


MODULES = sorted(path for path in ROOT.rglob("*.py") if layer_of(path) in ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_its_layer_may(path: pathlib.Path) -> None:
    layer = layer_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("secc.")}
    assert ours <= ALLOWED[layer], f"{layer} must not import {sorted(ours - ALLOWED[layer])}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer_of(path) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_core_imports_nothing_that_waits(path: pathlib.Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & WAITING


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer_of(path) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_core_needs_little_from_others(path: pathlib.Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)} - {"secc"}
    foreign = {name for name in tops if name not in sys.stdlib_module_names}
    assert foreign <= THIRD_PARTY.get(layer_of(path), set())


# The test bed judges without waiting; what calls a controller, and what pytest loads, are apart.
WAITS_IN_TESTING = {"bed.py", "plugin.py", "runner.py", "session.py"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer_of(path) == "testing" and path.name not in WAITS_IN_TESTING],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_judges_a_controller_imports_nothing_that_waits(path: pathlib.Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & WAITING


def test_every_module_of_the_core_is_looked_at() -> None:
    layers = {layer_of(path) for path in MODULES}
    assert {"session", "connection", "sap", "v2gtp", "sdp", "ports", "exi", "messages"} <= layers
