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
    "messages": {"messages"},
    "_exi": set(),
    # The text forms belong to exi and name its Codec in annotations; a codec may be given tables of a schema.
    "jsonform": {"errors", "exi", "messages", "structure"},
    "structure": {"errors", "exi"},
    "xmlform": {"errors", "exi", "messages", "structure"},
    "exi": {"_exi", "errors", "jsonform", "messages", "schema", "xmlform"},
    "schema": {"exi", "schema"},
    "v2gtp": {"errors"},
    "sdp": {"errors", "v2gtp"},
    "slac": {"errors", "messages", "slac"},
    "sap": {"errors", "messages"},
    # Not in the guide's table: settings are read by the pure core, so they stand below it.
    "config": {
        *("errors", "ocpp", "operation_settings", "pnc_settings", "sdp", "service_settings", "settings"),
        *("compat_settings", "energy_settings", "slac"),
    },
    "compat_settings": set(),
    "energy_settings": {"settings"},
    "pnc_settings": {"settings"},
    "operation_settings": {"settings"},
    "service_settings": {"settings"},
    "settings": {"errors"},
    "pki": {"errors", "exi", "messages", "pki"},
    "session": {"config", "errors", "messages", "pki", "service_settings", "session"},
    "connection": {"config", "errors", "exi", "messages", "sap", "session", "v2gtp"},
    # The control pilot around matching and session: it knows the events of both.
    "pilot": {"pilot", "session", "slac"},
    "ports": {"pilot", "config", "errors", "messages", "pki", "service_settings", "session"},
    # A trace is read and replayed without waiting; whoever records hands in the file and the times.
    "trace": {
        *("config", "connection", "errors", "exi", "messages", "pki", "service_settings", "session"),
        *("sdp", "slac", "trace", "v2gtp"),
    },
    # The other half of Plug and Charge stands beside the station, not in it.
    "pnc": {"config", "errors", "exi", "messages", "pki", "pnc", "pnc_settings", "ports", "session"},
    # A back end stands on the shell; its settings are read by `config`, so they import nothing of ours.
    "ocpp": {"aio", "config", "errors", "ocpp", "pki", "ports", "session"},
    # The test bed of an integrator: anything public.
    "testing": {"aio", "config", "errors", "messages", "ports", "session", "sim", "testing"},
}
PURE = {
    "errors",
    "messages",
    "jsonform",
    "structure",
    "xmlform",
    "schema",
    "exi",
    "v2gtp",
    "sdp",
    "slac",
    "pilot",
    "sap",
    "session",
    "connection",
    "ports",
    "trace",
}
THIRD_PARTY = {
    "messages": {"msgspec"},
    "exi": {"msgspec"},
    "structure": {"msgspec"},
    "schema": {"msgspec"},
    "connection": {"msgspec"},
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
