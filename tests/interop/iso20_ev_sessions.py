"""The simulated EV of ISO 15118-20 at a station of other authors, over a real link.

Not part of `make test` (it needs root, Linux and Java): `make interop` names this file. What that station
does not have: TLS without a hierarchy of its own layout, pause and resume, renegotiation of schedules or of
the service.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.cable import Cable
from tests.interop.peer_station import ROOT, PeerStation

pytestmark = pytest.mark.timeout(240)

LOGS = ROOT / "build/interop"
TERMINATED = "Communication session terminated"
OPENING = [
    *("SupportedAppProtocolReq", "SessionSetupReq", "AuthorizationSetupReq", "AuthorizationReq"),
    *("ServiceDiscoveryReq", "ServiceDetailReq", "ServiceSelectionReq"),
]
AC_SESSION = [
    *OPENING,
    *("ACChargeParameterDiscoveryReq", "ScheduleExchangeReq", "PowerDeliveryReq", "ACChargeLoopReq"),
    *("PowerDeliveryReq", "SessionStopReq"),
]
DC_SESSION = [
    *OPENING,
    *("DCChargeParameterDiscoveryReq", "ScheduleExchangeReq", "DCCableCheckReq", "DCPreChargeReq"),
    *("PowerDeliveryReq", "DCChargeLoopReq", "PowerDeliveryReq", "DCWeldingDetectionReq", "SessionStopReq"),
]


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture(scope="module")
def station(cable: Cable) -> Iterator[PeerStation]:
    with PeerStation(cable.station, LOGS / "iso20-peer-station") as served:
        yield served


@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize("service", ["AC", "DC", "AC_BPT", "DC_BPT"])
def test_session_with_the_simulated_ev_completes(
    cable: Cable, station: PeerStation, service: str, control: str
) -> None:
    arguments = ["--service", service, *(["--dynamic"] if control == "dynamic" else [])]
    exchanges, result = charge(cable, *arguments)
    assert result["completed"], result
    assert phases(exchanges) == (DC_SESSION if service.startswith("DC") else AC_SESSION)
    assert not any("FAILED" in one["detail"] or "WARNING" in one["detail"] for one in exchanges)
    assert station.ends[-1].startswith(TERMINATED)


def test_the_ev_takes_energy_and_gives_it_back(cable: Cable, station: PeerStation) -> None:
    _, result = charge(cable, "--service", "DC_BPT", "--discharge-at", "4", "--loops", "8")
    assert result["completed"], result
    assert result["energy"] > 0.0
    assert result["discharged"] > 0.0


def test_a_negative_set_point_of_the_station_discharges_the_ev(cable: Cable, station: PeerStation) -> None:
    station.set_ac_power(-5_000.0)
    _, result = charge(cable, "--service", "AC_BPT", "--dynamic", "--loops", "8")
    assert result["completed"], result
    assert result["discharged"] > 0.0
    assert result["energy"] == 0.0


def charge(cable: Cable, *arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One session of `secc ev`; its exchanges and its result. That station needs seconds for a message."""
    command = cable.ev.command(
        *(str(ROOT / ".venv/bin/secc"), "ev", "--interface", cable.ev.interface, "--protocol", "iso20"),
        *("--json", "--patience", "30", "--loops", "4", *arguments),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    *exchanges, result = (json.loads(line) for line in done.stdout.splitlines())
    return exchanges, result


def phases(exchanges: list[dict[str, Any]]) -> list[str]:
    """The requests in order, each loop once."""
    sent = [one["request"] for one in exchanges]
    return [name for name, before in zip(sent, ("", *sent), strict=False) if name != before]
