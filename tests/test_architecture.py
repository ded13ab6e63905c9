"""Import rules between the rooms of the style guide, checked on the import statements.

A room is a package or module of `secc` with its own rules; a package without rules belongs to the enclosing
room and is listed in PARTS. Imports under TYPE_CHECKING and inside functions count as well.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import pathlib
import subprocess
import sys

import pytest

import secc

ROOT = pathlib.Path(secc.__file__).parent

GROUND = {"errors", "settings"}
SESSIONS = {"session", "session.din", "session.iso2", "session.iso20"}
BELOW = {
    *(
        *GROUND,
        *SESSIONS,
        "boundary",
        "certificate_files",
        "connection",
        "exi",
        "messages",
        "payloads",
        "pilot",
        "pki",
        "ports",
        "records",
    ),
    *("private_files", "sap", "sdp", "slac", "tls", "trace", "v2gtp"),
}
"""All that a shell may use."""

# Room -> the other rooms that it may import.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "_lazy": set(),
    "private_files": set(),
    "settings": {"errors", "_lazy"},
    "messages": set(),
    "exi": {"errors", "messages"},
    "v2gtp": {"errors"},
    "lanes": {"v2gtp"},
    "sdp": {*GROUND, "v2gtp"},
    "payloads": {"errors", "exi", "v2gtp"},
    # Which protocol may be chosen depends on the settings and on the transport.
    "sap": {*GROUND, "messages", "pki"},
    "slac": GROUND,
    "pki": {*GROUND, "_lazy", "exi", "messages", "private_files"},
    "tls": {*GROUND, "_lazy", "pki", "private_files"},
    "session": {*GROUND, "pki"},
    "session.din": {*GROUND, "messages", "pki", "session"},
    "session.iso2": {*GROUND, "messages", "pki", "session"},
    "session.iso20": {*GROUND, "messages", "pki", "session"},
    "connection": {*GROUND, "lanes", "messages", "payloads", "pki", "sap", "v2gtp", *SESSIONS},
    # The control pilot joins matching and session: it knows the states of the pilot and why a session ended.
    "pilot": {*GROUND, "session", "slac"},
    "ports": {*GROUND, "messages", "pilot", "pki", "records", "session"},
    # What integrators provide is checked here, once: for the station, the central system and the tests.
    "boundary": {*GROUND, "exi", "messages", "pilot", "pki", "ports", "session"},
    "certificate_files": {*GROUND, "pki", "private_files"},
    # What a station reports, as values: written by the shell, read by back ends and tests.
    "records": {"messages", "pilot", "pki", "session", "slac"},
    # A trace is read and replayed without waiting; the file and the times are handed in.
    "trace": {*GROUND, "connection", "messages", "payloads", "pki", "sdp", "slac", "v2gtp", *SESSIONS},
    "station": BELOW,
    # The other half of Plug and Charge stands beside the station, not in it.
    "site": {*GROUND, "exi", "messages", "pki", "ports", "private_files", "session"},
    "ocpp": {
        *GROUND,
        *("boundary", "certificate_files", "messages", "pki", "ports", "private_files", "records", "session"),
    },
    "operator": set(),
    "operator.opcp": {*GROUND, "exi", "messages", "pki", "site"},
    "operator.cpo": {*GROUND, "exi", "messages", "operator.opcp", "pki", "private_files", "site"},
    "sim": {*BELOW, "_lazy", "station"},
    # The bench knows the services of ISO 15118-20 by name.
    "bench": {
        *GROUND,
        *("exi", "messages", "pki", "sap", "sdp", "session.iso20", "sim", "station", "tls", "v2gtp"),
    },
    "testing": {*GROUND, "boundary", "messages", "ports", "session", "sim", "station"},
    "cli": {
        *BELOW,
        *("bench", "ocpp", "operator.cpo", "operator.opcp", "sim", "site", "station", "testing"),
    },
    "__main__": {"cli"},
    # The front door shows what is below it.
    "": {
        *GROUND,
        "_lazy",
        "connection",
        "exi",
        "messages",
        "pilot",
        "pki",
        "ports",
        "records",
        "session",
        "station",
    },
}

EXTENSION = "secc._exi"
"""For `exi` alone."""

# Packages inside a room, without separate rules.
PARTS = {
    "bench.cases",
    "exi.schema",
    "ocpp.blocks",
    "ocpp.conformance",
    "ocpp.fake",
    "session.iso2.handlers",
    "session.iso20.handlers",
    "sim.iso20",
    "slac.handlers",
}

# Modules in a circle, by the prefix of all their names.
CIRCLES: dict[str, str] = {}

WAITING = {
    *("asyncio", "concurrent", "multiprocessing", "os", "random", "secrets", "select", "selectors"),
    *("signal", "socket", "ssl", "subprocess", "threading", "time"),
}
PURE = {
    *(
        "errors",
        "settings",
        "messages",
        "exi",
        "v2gtp",
        "lanes",
        "payloads",
        "sdp",
        "sap",
        "slac",
        "pilot",
        "pki",
    ),
    "tls",
    *SESSIONS,
    *("connection", "ports", "records", "trace"),
}
# os.urandom as the default source, and files of an authority written for their owner alone.
WAITS = {
    "pki/authority.py": {"os"},
    "pki/delivery.py": {"os"},
    "pki/iso20_delivery.py": {"os"},
    "pki/register.py": {"os"},
}
THIRD_PARTY = {
    "messages": {"msgspec"},
    "exi": {"msgspec"},
    "connection": {"msgspec"},
    "payloads": {"msgspec"},
    "records": {"msgspec"},
    "sap": {"msgspec"},
    "sdp": {"msgspec"},
    **{room: {"msgspec"} for room in SESSIONS},
    "pki": {"asn1crypto", "cryptography"},
    "tls": {"OpenSSL", "cryptography", "msgspec"},
    "trace": {"cryptography", "dpkt", "msgspec"},  # captures are read, captured TLS is opened
}


def name_of(path: pathlib.Path) -> str:
    parts = ("secc", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module: str) -> str:
    """The innermost room around a module; the front door is the room without a name."""
    inside = module.removeprefix("secc").removeprefix(".")
    while inside and inside not in ROOMS:
        inside = inside.rpartition(".")[0]
    return inside


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Every module named in an import statement; `from secc.pki import trust` as secc.pki.trust."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module is not None
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES or name == EXTENSION else node.module for name in inside}
    return frozenset(found)


def ours(module: str) -> set[str]:
    """The modules of `secc` that it imports, without the extension."""
    return {name for name in imports(module) if name in MODULES} - {module}


def shown(module: str) -> str:
    return module.removeprefix("secc.")


@pytest.mark.parametrize("module", MODULES, ids=shown)
def test_module_imports_only_what_its_room_may(module: str) -> None:
    room = room_of(module)
    found = {room_of(name) for name in ours(module)} - {room}
    assert found <= ROOMS[room], f"{room} must not import {sorted(found - ROOMS[room])}"


def test_only_exi_knows_the_extension() -> None:
    assert {room_of(module) for module in MODULES if EXTENSION in imports(module)} == {"exi"}


def test_every_package_has_a_room() -> None:
    packages = {shown(name_of(path)).rpartition(".")[0] for path in ROOT.rglob("*.py")} - {"secc", ""}
    modules = {shown(name) for name in MODULES if "." not in shown(name)} - {"secc"}
    assert packages | modules == {*ROOMS, *PARTS} - {""}


def circles() -> list[list[str]]:
    """Modules that import each other in a circle, one circle at a time."""
    graph = {module: ours(module) for module in MODULES}
    found = []
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            circle = list(dict.fromkeys(error.args[1]))
            found.append(sorted(circle))
            after = dict(zip(circle, [*circle[1:], circle[0]], strict=True))
            for one, other in after.items():
                graph[one].discard(other)
                graph[other].discard(one)
        else:
            return found


def allowed_circle(circle: list[str]) -> str | None:
    return next((prefix for prefix in CIRCLES if all(one.startswith(prefix) for one in circle)), None)


def test_modules_do_not_import_each_other_in_circles() -> None:
    assert [circle for circle in circles() if allowed_circle(circle) is None] == []


def test_a_circle_that_is_gone_is_no_exception_any_more() -> None:
    assert {allowed_circle(circle) for circle in circles()} - {None} == set(CIRCLES)


def test_rooms_do_not_allow_circles() -> None:
    """The table itself has an order from the ground up."""
    rooms = {room: others - {room} for room, others in ROOMS.items()}
    assert list(graphlib.TopologicalSorter(rooms).static_order())[-1] in {"", "__main__"}


PURE_MODULES = [module for module in MODULES if room_of(module) in PURE]


@pytest.mark.parametrize("module", PURE_MODULES, ids=shown)
def test_core_imports_nothing_that_waits(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(module)}
    path = MODULES[module].relative_to(ROOT).as_posix()
    assert tops & WAITING == WAITS.get(path, set())


@pytest.mark.parametrize("module", PURE_MODULES, ids=shown)
def test_core_needs_little_from_others(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(module)} - {"secc"}
    foreign = {name for name in tops if name not in sys.stdlib_module_names}
    assert foreign <= THIRD_PARTY.get(room_of(module), set())


# The test bed judges without waiting; what calls a controller, and what pytest loads, are apart.
WAITS_IN_TESTING = {f"secc.testing.{name}" for name in ("bed", "plugin", "runner", "session")}


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if room_of(module) == "testing" and module not in WAITS_IN_TESTING],
    ids=shown,
)
def test_what_judges_a_controller_imports_nothing_that_waits(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(module)}
    assert not tops & WAITING


def test_a_station_without_tls_loads_no_cryptography_and_no_protocol_that_is_off() -> None:
    """What is loaded lazily is named by `pki` or `tls` in the code: `pki.contract.verify`, for example."""
    code = (
        "import sys; from secc import Station; from tools.bench.station import AC, Backend, ReportingOutlet;"
        "Station(AC, ReportingOutlet(), Backend()); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"secc.session.iso2.table", "secc.station.station"} <= loaded
    assert not loaded & {"cryptography", "asn1crypto", "OpenSSL", "secc.pki.certificates", "secc.tls.engine"}
    assert not loaded & {"secc.session.din.table", "secc.session.iso20.table", "secc.messages.din"}
    assert not loaded & {"secc.messages.iso20_common", "secc.slac", "secc.trace"}
