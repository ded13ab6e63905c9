"""Independent EVs of ISO 15118-20 at `secc serve`, over a real link, with `[iso20] insecure_lab`.

Not part of `make test`: `make interop` names this file. Two of the EVs at hand speak ISO 15118-20 on plain
TCP only, so the station is a laboratory for these runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.cable import Cable
from tests.interop.iso20_ev import IndependentIso20Ev
from tests.interop.iso20_ev_sessions import AC_SESSION, DC_SESSION
from tests.interop.sessions import phases
from tests.interop.station import ROOT, ServedStation

pytestmark = pytest.mark.timeout(240)

LOGS = ROOT / "build/interop"
BUILT = ROOT / "build/crate-ev/bin/v2g_node"
CRATE_EV = os.environ.get("V2G_NODE", str(BUILT) if BUILT.is_file() else "")
"""Example `v2g_node` of the crate `iso15118` 0.7.0, built with all features: `make crate-ev`."""


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def logs(request: pytest.FixtureRequest) -> Path:
    return LOGS / str(request.node.name).replace("[", "-").rstrip("]")


@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize("service", ["AC", "DC", "AC_BPT", "DC_BPT"])
def test_session_of_the_python_ev_completes(cable: Cable, logs: Path, service: str, control: str) -> None:
    with station(cable, logs, service) as served:
        ev = IndependentIso20Ev(cable.ev, logs, service=service, dynamic=control == "dynamic")
        ev.start()
        verdict = ev.wait(90.0)
        assert verdict.completed, f"see {logs}: {verdict}"
        wanted = DC_SESSION if service.startswith("DC") else AC_SESSION
        # Its log has the names of the schema.
        sent = [name.replace("_", "").replace("supported", "Supported") for name in phases(verdict)]
        assert [name for name, before in zip(sent, ["", *sent], strict=False) if name != before] == wanted
        assert served.ends[-1] == "terminated by the EV"


@pytest.mark.skipif(not CRATE_EV, reason="`make crate-ev` has no build of the crate's v2g_node")
@pytest.mark.parametrize("service", ["dc", "ac"])
def test_session_of_the_rust_ev_completes(cable: Cable, logs: Path, service: str) -> None:
    with station(cable, logs, service.upper()) as served:
        command = cable.ev.command(
            *(CRATE_EV, "evcc", "--iface", cable.ev.interface, "--generation", "iso20"),
            *("--service", service, "--deadline-ms", "60000"),
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert served.ends[-1] == "terminated by the EV"


def station(cable: Cable, logs: Path, service: str) -> ServedStation:
    """A laboratory station with a simulated outlet, which discharges in a service of both directions."""
    both = service.endswith("BPT")
    dc = service.startswith("DC")
    lines = [
        f'interface = "{cable.station.interface}"',
        'protocols = ["iso15118-2", "iso15118-20"]',
        "[energy]",
        f'modes = ["{"DC_extended" if dc else "AC_three_phase_core"}"]',
        f"meter_info = {str(not both).lower()}",  # the Python EV has another name for the second register
        *(
            ["[energy.dc]", "max_discharge_power = 20000.0", "max_discharge_current = 50.0"]
            if dc and both
            else []
        ),
        *(["[energy.ac]", "max_discharge_current = 16.0"] if both and not dc else []),
        "[iso20]",
        "insecure_lab = true",
        f"discharge = {str(both).lower()}",
    ]
    return ServedStation(cable.station, logs, configuration="\n".join(lines) + "\n")


_DC_BOTH = ["[energy.dc]", "max_discharge_power = 20000.0", "max_discharge_current = 50.0"]
_AC_BOTH = ["[energy.ac]", "max_discharge_current = 16.0"]
