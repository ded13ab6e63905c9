"""The bench can fail: contracts, their installation, metering confirmation, AC_DER_IEC, TLS 1.3.

As `test_lies20`. TLS hides the messages from a proxy, so here the station itself is the wrong one.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secc import bench
from secc.bench import ALL, BenchReport, BenchVerdict, Target
from secc.bench.pki import CarPki
from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as common
from secc.messages.iso20_common import EvseNotification, ResponseCode
from secc.messages.numbers import rational_number
from secc.pki.certificates import read_certificate
from secc.pki.kinds import Kind
from secc.pki.trust import Role
from secc.pki.vehicle import VehicleIdentity, recorded_identity
from secc.ports import Backend
from secc.session.iso20.services import Service
from secc.session.outlet import ControlPilot
from secc.settings import CompatConfig, PncConfig, RevocationCheck, SeccConfig, ServiceConfig, TimingConfig
from secc.settings.trust import TrustConfig
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedCable
from secc.station.station import Station
from tests.station.test_iso20 import configuration
from tests.support.grid import GridBackend
from tests.support.installing_site import SpoiledBackend
from tests.support.liar import Change, Lie
from tests.support.liar20 import PATIENT, code, lie, lying_inside, stations_that_lie
from tests.support.tls13 import OLD, PKI20
from tools.conformance.setups import PAYMENTS
from tools.conformance.setups20 import filled, site20

AC, DER = "iso20-ac", "iso20-ac-der-iec"
R = ResponseCode
PKI = CarPki.read(OLD)
TRUST = TrustConfig(
    v2g_roots=(PKI20 / "v2g_root.pem",),
    oem_roots=(PKI20 / "oem_root.pem",),
    mo_roots=(PKI20 / "mo_root.pem",),
)
SLOW = configuration(Service.AC, tls=True)
CONFIG = dataclasses.replace(
    SLOW,
    iso20=dataclasses.replace(SLOW.iso20, loop_timeout=20.0),
    trust=TRUST,
    service=ServiceConfig(payment_options=PAYMENTS),
    pnc=PncConfig(revocation=RevocationCheck.PREFER, receipt_interval=0.0),
    timing=TimingConfig(sequence=5.0, close_delay=0.05),
    compat=CompatConfig.strict(),
)


EXTERNAL = dataclasses.replace(CONFIG, service=ServiceConfig())


def refusing() -> Backend:
    """A back end that authorizes nobody."""
    return SimulatedBackend(grant=False)


def der_config() -> SeccConfig:
    """A station that offers AC_DER_IEC."""
    base = configuration(Service.AC_BPT, tls=True)
    iso20 = dataclasses.replace(base.iso20, der=True, der_reactive_power=5000.0, loop_timeout=20.0)
    return dataclasses.replace(base, iso20=iso20, timing=CONFIG.timing, compat=CONFIG.compat)


def asked(notification: EvseNotification | None) -> Change:
    """Another notification in each response of the loop."""

    def change(said: Any) -> Any:
        if not isinstance(said, ac.ACChargeLoopRes):
            return said
        status = None
        if notification is not None:
            status = common.EVSEStatus(notification_max_delay=5, evse_notification=notification)
        return msgspec.structs.replace(said, evse_status=status)

    return change


def closed_to_the_car() -> Backend:
    """A back end that encrypts the key of the contract for another vehicle."""
    backend = filled(SpoiledBackend)
    assert PKI.iso20 is not None
    backend.receiver = PKI.iso20.foreign().certificates[Kind.OEM_LEAF]
    return backend


def endless() -> Backend:
    """A back end that always has further contracts."""
    backend = filled(SpoiledBackend)
    backend.remaining = 5
    return backend


def parameters(**changes: Any) -> Change:
    """Something else in the charge parameters of AC_DER_IEC."""

    def change(said: Any) -> Any:
        if not isinstance(said, der.ACChargeParameterDiscoveryRes):
            return said
        mode = msgspec.structs.replace(said.ac_cpd_res_energy_transfer_mode, **changes)
        return msgspec.structs.replace(said, ac_cpd_res_energy_transfer_mode=mode)

    return change


def one_challenge(said: Any) -> Any:
    """The same challenge in each session."""
    if not isinstance(said, common.AuthorizationSetupRes):
        return said
    offered = said.pnc_as_res_authorization_mode
    mode = None if offered is None else msgspec.structs.replace(offered, gen_challenge=bytes(16))
    return msgspec.structs.replace(said, pnc_as_res_authorization_mode=mode)


def accepts(old: ResponseCode) -> Lie:
    """OK where this code is due."""
    return code(old, R.OK, energy=AC)


CONTRACTS: list[tuple[Lie, str]] = [
    (lie("one challenge for all", one_challenge, energy=AC), "ASU-007"),
    (accepts(R.FAILED_SIGNATURE_ERROR), "AUT-012"),
    (accepts(R.FAILED_SIGNATURE_ERROR), "AUT-016"),
    (accepts(R.WARNING_CHALLENGE_INVALID), "AUT-020"),
    (accepts(R.WARNING_CERTIFICATE_EXPIRED), "AUT-022"),
    (accepts(R.WARNING_CERTIFICATE_VALIDATION_ERROR), "AUT-025"),
    (accepts(R.WARNING_CERTIFICATE_VALIDATION_ERROR), "AUT-029"),
    (accepts(R.OK_CERTIFICATE_EXPIRES_SOON), "AUT-032"),
    (accepts(R.WARNING_E_MSP_UNKNOWN), "AUT-033"),
    (accepts(R.FAILED_SEQUENCE_ERROR), "AUT-039"),
    (accepts(R.WARNING_CERTIFICATE_EXPIRED), "CIN-006"),
    (accepts(R.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND), "CIN-011"),
    (accepts(R.FAILED_SIGNATURE_ERROR), "CIN-WRONG_KEY"),
    (lie("no request of a confirmation", asked(None), energy=AC), "MET-001"),
    (accepts(R.FAILED_METERING_SIGNATURE_NOT_VALID), "MET-003"),
    (accepts(R.FAILED_METERING_SIGNATURE_NOT_VALID), "MET-UNSIGNED"),
    (accepts(R.FAILED_SEQUENCE_ERROR), "MET-006"),
    (
        lie("a request whoever pays", asked(EvseNotification.METERING_CONFIRMATION), energy=AC),
        "MET-007",
    ),
]
REFUSALS: list[tuple[Lie, str]] = [
    (accepts(R.WARNING_EIM_AUTHORIZATION_FAILURE), "AUT-003"),
    (code(R.FAILED, R.WARNING_EIM_AUTHORIZATION_FAILURE, energy=AC), "AUT-005"),
]
GRID: list[tuple[Lie, str]] = [
    (lie("no rules of the grid", parameters(der_control=der.DERControl()), energy=DER), "CPD-022"),
    (
        lie(
            "more nominal power than there is",
            parameters(evse_nominal_discharge_power=rational_number(99_000.0)),
            energy=DER,
        ),
        "CPD-023",
    ),
    (code(R.FAILED_WRONG_CHARGE_PARAMETER, R.OK, energy=DER), "CPD-DER-VARIANT"),
]
REFUSING = frozenset({"refuses"})
PAID = frozenset({"meter", "receipt"})
Told = tuple[Lie, str, SeccConfig, Callable[[], Backend], frozenset[str]]
"""The lie, the case, the station."""
TRUE = lie("the back end is wrong", lambda said: said, energy=AC)
LIES: list[Told] = [
    (TRUE, "CIN-001", CONFIG, closed_to_the_car, PAID),
    (TRUE, "CIN-002", CONFIG, endless, PAID),
    *((wrong, case, CONFIG, site20, PAID) for wrong, case in CONTRACTS),
    *((wrong, case, EXTERNAL, refusing, REFUSING) for wrong, case in REFUSALS),
    *((wrong, case, der_config(), GridBackend, frozenset()) for wrong, case in GRID),
]


async def examine(one: Told, roots: Path, *, truly: bool) -> BenchReport:
    """The case before this station, or before the same one without a lie."""
    wrong, case, config, backend, declared = one
    good = truly and wrong is TRUE
    cable = SimulatedCable()

    async def pilot(state: str) -> None:
        cable.set_pilot(ControlPilot(state))

    with lying_inside(None if truly else wrong.response):
        station = Station(config, SimulatedAcEvse(cable), site20() if good else backend(), sdp_port=0)
        async with station:
            target = Target(
                interface="lo",
                sdp_port=station.sdp_port or 0,
                roots=roots,
                timers=PATIENT,
                declared=declared,
                pilot=pilot,
                pki=PKI,
            )
            return await bench.run([found for found in ALL if found.id == f"I20-{case}"], target)


async def everything(roots: Path, *, truly: bool) -> list[BenchReport]:
    """Some at the same time: most of it is waiting."""
    room = asyncio.Semaphore(6)

    async def one_of_them(one: Told) -> BenchReport:
        async with room:
            return await examine(one, roots, truly=truly)

    with stations_that_lie():
        return await asyncio.gather(*(one_of_them(one) for one in LIES))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of both generations, as the tester needs them at such a station."""
    path: Path = tmp_path_factory.mktemp("roots") / "roots.pem"
    path.write_bytes((OLD / "v2g_root.pem").read_bytes() + (PKI20 / "v2g_root.pem").read_bytes())
    return path


@pytest.fixture(scope="module")
def reports(roots: Path) -> list[BenchReport]:
    return asyncio.run(everything(roots, truly=False))


@pytest.mark.parametrize("number", range(len(LIES)), ids=[f"{one[1]} {one[0].title}" for one in LIES])
def test_a_station_that_is_wrong_fails(reports: list[BenchReport], number: int) -> None:
    report = reports[number]
    outcome = report.outcomes[0]
    assert (outcome.verdict, report.good) == (BenchVerdict.FAIL, False), outcome.reason


def test_the_same_stations_pass_without_a_lie(roots: Path) -> None:
    found = asyncio.run(everything(roots, truly=True))
    assert [(one.outcomes[0].case.id, one.outcomes[0].reason) for one in found if not one.good] == []


# --- TLS 1.3 ------------------------------------------------------------------------------------------------

STRANGERS = (
    *("TLS-012", "TLS-013", "TLS-014", "TLS-015", "TLS-015-NOT-YET", "TLS-016", "TLS-018", "TLS-019"),
)


def over_tls(
    config: SeccConfig, names: Sequence[str], roots: Path, backend: Backend | None = None
) -> BenchReport:
    """These cases before a station with TLS."""

    async def run() -> BenchReport:
        evse = SimulatedAcEvse(SimulatedCable())
        async with Station(config, evse, backend or SimulatedBackend(), sdp_port=0) as station:
            assert station.sdp_port is not None
            target = Target(interface="lo", sdp_port=station.sdp_port, roots=roots, pki=PKI, timers=PATIENT)
            return await bench.run([one for one in ALL if one.id.removeprefix("I20-") in names], target)

    return asyncio.run(run())


def test_a_station_that_takes_any_certificate_for_a_vehicle_fails(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anybody(chain: Sequence[bytes], *_: object, **__: object) -> VehicleIdentity:
        name = read_certificate(chain[0]).subject.common_name
        return recorded_identity(
            role=Role.VEHICLE, subject=name, common_name=name, fingerprint="", leaf_digest=bytes(64)
        )

    monkeypatch.setattr("secc.tls.peers.identify_vehicle", anybody)
    report = over_tls(configuration(Service.AC, tls=True), STRANGERS, roots)
    assert {one.case.id: one.verdict for one in report.outcomes} == {
        f"I20-{name}": BenchVerdict.FAIL for name in STRANGERS
    }


def test_a_station_with_groups_of_a_laboratory_fails(roots: Path) -> None:
    config = configuration(Service.AC, tls=True)
    config = dataclasses.replace(config, iso20=dataclasses.replace(config.iso20, insecure_lab=True))
    report = over_tls(config, ("TLS-005", "TLS-013"), roots)
    assert [one.verdict for one in report.outcomes] == [BenchVerdict.FAIL, BenchVerdict.FAIL]


def test_what_is_issued_again_without_a_change_is_accepted(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the cases of wrong certificates would pass because of how those are made."""
    assert PKI.iso20 is not None
    certificates = dict(PKI.iso20.certificates)
    for kind in (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_1, Kind.OEM_LEAF):
        certificates[kind] = PKI.iso20.again(kind)
    again = dataclasses.replace(PKI.iso20, certificates=certificates)
    with again.files(Role.VEHICLE, leaf=again.again(Kind.VEHICLE_LEAF)) as vehicle:
        same = dataclasses.replace(PKI, iso20=again, vehicle=vehicle)
        monkeypatch.setattr(f"{__name__}.PKI", same)
        report = over_tls(CONFIG, ("TLS-001", "AUT-009"), roots, site20())
    assert [(one.reason, one.verdict) for one in report.outcomes] == [("", BenchVerdict.PASS)] * 2
