"""The pytest plug-in, in a separate pytest run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
from secc.session.outlet import ControlPilot
from secc.sim import SimulatedAcEvse, SimulatedDcEvse
from secc.testing import Rig, RowState


def test_passive(controller_check):
    report = controller_check(SimulatedAcEvse)
    assert report.state("lease-lapse") is RowState.NOT_TRIED


def test_with_power(controller_check):
    report = controller_check(
        SimulatedAcEvse, energise=True, rig=lambda outlet: Rig(pilot=outlet.cable.set_pilot)
    )
    assert report.state("lease-lapse") is report.state("changed") is RowState.OK


def test_a_session(charge):
    result = charge(SimulatedDcEvse, dc=True, pilot=lambda outlet, state: outlet.cable.set_pilot(state))
    assert result.completed
"""

BAD = """
from secc.sim import SimulatedAcEvse


class Outlet(SimulatedAcEvse):
    def snapshot(self):
        return None


def test_outlet(controller_check):
    controller_check(Outlet)
"""


def pytest_of(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`-p` for a checkout that was installed before the plug-in was there; an entry point loads it else."""
    (folder / "test_outlet.py").write_text(text)
    script = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "secc.testing.plugin"]
    script += ["-c", "/dev/null", "--rootdir", str(folder), "-W", "error", *options, str(folder)]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_fixtures_try_an_outlet_and_charge_at_it(tmp_path: Path) -> None:
    done = pytest_of(tmp_path, GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_failed_row_fails_the_test_and_says_what_is_owed(tmp_path: Path) -> None:
    done = pytest_of(tmp_path, BAD)
    assert done.returncode == 1
    assert "snapshot-values: it returned None, expected an object of EvseSnapshot" in done.stdout
    assert "docs/how-to/controller.md#what-each-method-owes" in done.stdout


def test_loading_the_plug_in_loads_no_station() -> None:
    heavy = ("asyncio", "cryptography", "OpenSSL", "secc.session", "secc.messages", "secc.sim")
    script = f"import secc, sys; had = set(sys.modules); import secc.testing\n{_LOAD}"
    script += f"print([name for name in {heavy!r} if name in sys.modules and name not in had])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_LOAD = "import pytest\nhad |= set(sys.modules)\nimport secc.testing.plugin\n"
