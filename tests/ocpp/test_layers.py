"""What decides does not wait, and a station without a central system loads nothing of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import secc
from tests.test_architecture import WAITING, imports

FOLDER = Path(secc.__file__).parent / "ocpp"
PURE = ("authorising", "dialect", "profiles", "settings", "transactions", "v16", "v201", "words")


@pytest.mark.parametrize("name", PURE)
def test_what_decides_imports_nothing_that_waits(name: str) -> None:
    tops = {module.split(".")[0] for module in imports(FOLDER / f"{name}.py")}
    assert not tops & {*WAITING, "ocpp", "sqlite3", "websockets"}


def test_the_settings_need_no_extra() -> None:
    script = (
        "import sys, secc.settings, secc.ocpp, secc.settings.ocpp, secc.station.station, secc.cli.serve; "
        "print([name for name in ('ocpp', 'websockets', 'jsonschema', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
