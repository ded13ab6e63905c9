"""What decides does not wait, and a station without a central system loads nothing of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Generic, Protocol

import pytest

import secc
from secc.ocpp.backend import OcppBackend
from secc.ocpp.handlers import HANDLERS
from secc.settings.ocpp import OcppVersion
from tests.test_architecture import WAITING, imports

FOLDER = Path(secc.__file__).parent / "ocpp"
PURE = (
    *("authorising", "clock", "composite", "customers", "dialect", "model", "network", "profile_model"),
    *("profiles", "reservations", "runtime", "tariffs", "transactions", "v16", "v201"),
)


@pytest.mark.parametrize("name", PURE)
def test_what_decides_imports_nothing_that_waits(name: str) -> None:
    tops = {module.split(".")[0] for module in imports(f"secc.ocpp.{name}")}
    assert not tops & {*WAITING, "ocpp", "sqlite3", "websockets"}


def test_the_settings_need_no_extra() -> None:
    script = (
        "import sys, secc.settings, secc.ocpp, secc.settings.ocpp, secc.station.station, secc.cli.serve; "
        "print([name for name in ('ocpp', 'websockets', 'jsonschema', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_back_end_is_composed_and_inherits_no_implementation() -> None:
    bases = [one for one in OcppBackend.__mro__ if one not in (OcppBackend, object, Generic, Protocol)]
    assert {one.__module__ for one in bases} == {"secc.ports"}
    assert all(getattr(one, "_is_protocol", False) for one in bases)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_imports_inside_a_function_or_leaves_a_method_to_another(path: Path) -> None:
    tree = ast.parse(path.read_text())
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {node.col_offset for node in inner} <= {0}
    assert "NotImplementedError" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_every_version_has_one_table_of_handlers() -> None:
    assert set(HANDLERS) == set(OcppVersion)
    assert set(HANDLERS[OcppVersion.V201]) <= set(HANDLERS[OcppVersion.V21])
    assert not {"RequestStartTransaction", "GetVariables"} & set(HANDLERS[OcppVersion.V16])
    assert not {"RemoteStartTransaction", "GetDiagnostics"} & set(HANDLERS[OcppVersion.V201])
