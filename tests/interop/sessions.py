"""Whole charging sessions between an EV that nobody here wrote and `secc serve`, over a real link.

Not part of `make test` (it needs root, Linux and Java): `make interop` names this file. What the runs mean,
with which versions they were made and what is peculiar about that EV is in docs/reference/interop.md.
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


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def logs(request: pytest.FixtureRequest) -> Path:
    return LOGS / str(request.node.name).replace("[", "-").rstrip("]")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_ac_session_with_external_identification_completes(cable: Cable, logs: Path, tls: bool) -> None:
    with station(cable, logs, mode=AC, tls=tls):
        verdict = charge(cable, logs, mode=AC, tls=tls)
    assert phases(verdict) == AC_SESSION
    assert verdict.tls is tls


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_dc_session_with_external_identification_completes(cable: Cable, logs: Path, tls: bool) -> None:
    with station(cable, logs, mode=DC, tls=tls):
        verdict = charge(cable, logs, mode=DC, tls=tls)
    assert phases(verdict) == DC_SESSION
    assert verdict.tls is tls


def test_ev_that_was_plugged_in_before_the_station_started_is_served(cable: Cable, logs: Path) -> None:
    ev = IndependentEv(cable.ev, logs, mode=AC, tls=False)
    ev.start()
    ev.wait_until_logged("Sending SDPRequest")
    with station(cable, logs, mode=AC, tls=False):
        verdict = ev.wait()
    assert verdict.completed, verdict


def test_second_session_in_a_row_is_served_by_the_same_station(cable: Cable, logs: Path) -> None:
    with station(cable, logs, mode=DC, tls=True):
        charge(cable, logs / "first", mode=DC, tls=True)
        charge(cable, logs / "second", mode=DC, tls=True)


@pytest.mark.parametrize(("mode", "request_name"), [(AC, "ChargingStatusReq"), (DC, "CurrentDemandReq")])
def test_session_after_an_ev_that_vanished_while_charging_is_good(
    cable: Cable, logs: Path, mode: str, request_name: str
) -> None:
    with station(cable, logs, mode=mode, tls=False) as served:
        vanishing = IndependentEv(cable.ev, logs / "vanishing", mode=mode, tls=False, loops=1000)
        vanishing.start()
        vanishing.wait_until_sent(request_name)
        vanishing.kill()
        assert served.alive
        charge(cable, logs / "next", mode=mode, tls=False)


def station(cable: Cable, logs: Path, *, mode: str, tls: bool) -> ServedStation:
    """A station with a simulated EVSE for `mode`; on TLS it offers external payment only.

    That EV takes Contract whenever it is offered on TLS.
    """
    return ServedStation(cable.station, logs, configuration=configuration(cable, mode=mode, tls=tls))


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


def charge(cable: Cable, logs: Path, *, mode: str, tls: bool) -> Verdict:
    """One whole session; repeated once, and said so, when that EV missed a timeout of its own."""
    for attempt in (1, 2):
        ev = IndependentEv(cable.ev, logs / f"attempt{attempt}", mode=mode, tls=tls)
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
