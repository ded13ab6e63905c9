"""Whole charging sessions between an independent EV and `secc serve`, over a real link.

Not part of `make test` (it needs root, Linux and Java): `make interop` names this file. The meaning of the
runs, their versions and the peculiarities of that EV are in docs/reference/interop.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.cable import Cable
from tests.interop.ev import RETRIES, IndependentEv, Verdict
from tests.interop.station import ROOT, ServedStation

pytestmark = pytest.mark.timeout(240)

LOGS = ROOT / "build/interop"
AC, DC = "AC_three_phase_core", "DC_extended"

TERMINATED = "terminated by the EV"

OPENING = [
    "supportedAppProtocolReq",
    "SessionSetupReq",
    "ServiceDiscoveryReq",
    "PaymentServiceSelectionReq",
    "AuthorizationReq",
    "ChargeParameterDiscoveryReq",
]
AC_SESSION = [*OPENING, "PowerDeliveryReq", "ChargingStatusReq", "PowerDeliveryReq", "SessionStopReq"]
DC_SESSION = [
    *OPENING,
    "CableCheckReq",
    "PreChargeReq",
    "PowerDeliveryReq",
    "CurrentDemandReq",
    "PowerDeliveryReq",
    "WeldingDetectionReq",
    "SessionStopReq",
]


DIN_SESSION = [
    "supportedAppProtocolReq",
    "SessionSetupReq",
    "ServiceDiscoveryReq",
    "ServicePaymentSelectionReq",
    "ContractAuthenticationReq",
    "ChargeParameterDiscoveryReq",
    *DC_SESSION[len(OPENING) :],
]


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def logs(request: pytest.FixtureRequest) -> Path:
    return LOGS / str(request.node.name).replace("[", "-").rstrip("]")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_ac_session_with_external_identification_completes(cable: Cable, logs: Path, tls: bool) -> None:
    with station(cable, logs, mode=AC, tls=tls) as served:
        verdict = charge(cable, logs, mode=AC, tls=tls)
        assert phases(verdict) == AC_SESSION
        assert verdict.tls is tls
        assert served.ends[-1] == TERMINATED


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_dc_session_with_external_identification_completes(cable: Cable, logs: Path, tls: bool) -> None:
    with station(cable, logs, mode=DC, tls=tls) as served:
        verdict = charge(cable, logs, mode=DC, tls=tls)
        assert phases(verdict) == DC_SESSION
        assert verdict.tls is tls
        assert served.ends[-1] == TERMINATED


def test_dc_session_by_din_spec_70121_completes(cable: Cable, logs: Path) -> None:
    with station(cable, logs, mode=DC, tls=False) as served:
        verdict = charge(cable, logs, mode=DC, tls=False, protocol="DIN_SPEC_70121")
        assert phases(verdict) == DIN_SESSION
        assert served.ends[-1] == TERMINATED


def test_dc_session_over_tls_keeps_time_and_memory(cable: Cable, logs: Path) -> None:
    with station(cable, logs, mode=DC, tls=True) as served:
        charge(cable, logs, mode=DC, tls=True, loops=60)
        times = served.demand_response_times
        assert len(times) >= 60
        assert times[-2] < 0.025  # one may be late on a machine that does other things as well
        assert served.peak_memory < 64 * 2**20


def test_ev_that_was_plugged_in_before_the_station_started_is_served(cable: Cable, logs: Path) -> None:
    ev = IndependentEv(cable.ev, logs, mode=AC, tls=False)
    ev.start()
    ev.wait_until_logged("Sending SDPRequest")
    with station(cable, logs, mode=AC, tls=False):
        verdict = ev.wait()
    assert verdict.completed, verdict


def test_second_session_in_a_row_is_served_by_the_same_station(cable: Cable, logs: Path) -> None:
    with station(cable, logs, mode=DC, tls=True) as served:
        charge(cable, logs / "first", mode=DC, tls=True)
        charge(cable, logs / "second", mode=DC, tls=True)
        assert served.ends[-2:] == [TERMINATED, TERMINATED]


@pytest.mark.parametrize(
    ("mode", "request_name"), [(AC, "ChargingStatusReq"), (DC, "CurrentDemandReq")], ids=["ac", "dc"]
)
def test_session_after_an_ev_that_was_killed_while_charging_is_good(
    cable: Cable, logs: Path, mode: str, request_name: str
) -> None:
    with station(cable, logs, mode=mode, tls=False) as served:
        killed = IndependentEv(cable.ev, logs / "killed", mode=mode, tls=False, loops=1000)
        killed.start()
        killed.wait_until_sent(request_name)
        killed.kill()
        served.wait_for_end(1, seconds=2.0)
        assert served.ends == ["link lost"]
        charge(cable, logs / "next", mode=mode, tls=False)


def test_session_after_a_cable_that_went_dead_while_charging_is_good(cable: Cable, logs: Path) -> None:
    timing = "[timing]\nsequence = 5.0\n"  # instead of 60, which would take too long here
    with station(cable, logs, mode=DC, tls=True, more=timing) as served:
        vanishing = IndependentEv(cable.ev, logs / "vanishing", mode=DC, tls=True, loops=1000)
        vanishing.start()
        vanishing.wait_until_sent("CurrentDemandReq")
        cable.cut()
        vanishing.kill()
        served.wait_for_end(1)
        assert served.ends == ["sequence timeout"]
        cable.mend()
        charge(cable, logs / "next", mode=DC, tls=True)


def station(cable: Cable, logs: Path, *, mode: str, tls: bool, more: str = "") -> ServedStation:
    """A station with a simulated EVSE for `mode`; it offers external payment only.

    That EV takes Contract whenever it is offered on TLS.
    """
    text = configuration(cable, mode=mode, tls=tls) + more
    return ServedStation(cable.station, logs, configuration=text)


def configuration(cable: Cable, *, mode: str, tls: bool) -> str:
    """The TOML file of the station."""
    pki = ROOT / "certs/testpki"
    lines = [
        'evse_id = "ZZ*000*E0815"',
        f'interface = "{cable.station.interface}"',
        "[energy]",
        f'modes = ["{mode}"]',
        "[service]",
        'payment_options = ["ExternalPayment"]',
        "[tls]",
        f'policy = "{"required" if tls else "off"}"',
    ]
    if tls:
        lines += [f'certificate_chain = "{pki}/secc_chain.pem"', f'private_key = "{pki}/secc_leaf_key.pem"']
    return "\n".join(lines) + "\n"


def charge(
    cable: Cable, logs: Path, *, mode: str, tls: bool, loops: int = 5, protocol: str = "ISO_15118_2"
) -> Verdict:
    """Run one whole session; repeat it once, with a note, when that EV has missed one of its timeouts."""
    for attempt in (1, 2):
        where = logs / f"attempt{attempt}"
        ev = IndependentEv(cable.ev, where, mode=mode, tls=tls, loops=loops, protocol=protocol)
        ev.start()
        verdict = ev.wait()
        if attempt == 1 and verdict.was_too_slow:
            RETRIES.append(f"{logs.name}: {verdict.reason}")
            continue
        assert verdict.completed, f"see {logs}: {verdict}"
        return verdict
    raise AssertionError("unreachable")


def phases(verdict: Verdict) -> list[str]:
    """The requests in order, each loop once."""
    sent = verdict.sent
    return [name for name, before in zip(sent, ("", *sent), strict=False) if name != before]
