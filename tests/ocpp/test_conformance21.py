"""The cases of OCPP 2.1: the station of this project passes them, and a wrong station fails each."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secc.ocpp import handlers21
from secc.ocpp.conformance import cases21, cases21_der
from secc.ocpp.conformance.case import CsmsCase, CsmsCaseResult, CsmsCaseVerdict, Needed
from secc.ocpp.conformance.runner import run_cases
from secc.ocpp.conformance.strict import StrictCsms
from secc.ocpp.der_control import DerControls
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.link import CsmsLink
from secc.ocpp.model import Payload
from secc.ocpp.v21 import V21
from secc.ocpp.v201 import V201
from secc.session.iso20.services import ControlMode, Service
from secc.settings import SeccConfig, TimingConfig
from secc.settings.ocpp import OcppVersion
from secc.sim import ScriptedEvcc, Vehicle
from secc.sim.iso20 import Iso20Plan
from tests.ocpp.support import Certificates, Running, eim_config, pnc_config, station
from tests.ocpp.test_der import with_der

CASES: dict[str, CsmsCase] = {one.id: one for one in (*cases21.CASES, *cases21_der.CASES)}
VERSIONS = (OcppVersion.V21, OcppVersion.V201)
PLAN = Iso20Plan(service=Service.AC, control=ControlMode.DYNAMIC, loops=2000, pace=0.02)


def with_iso20(config: SeccConfig) -> SeccConfig:
    found = with_der(config)
    energy = dataclasses.replace(found.energy, ask_backend_for_schedules=True)
    iso20 = dataclasses.replace(found.iso20, insecure_lab=True, discharge=True)
    timing = TimingConfig(stop_delay=0.2, stop_grace=0.5)
    return dataclasses.replace(found, energy=energy, iso20=iso20, timing=timing)


async def results(
    cases: list[CsmsCase], *, car: bool = False, patience: float = 20.0
) -> dict[str, CsmsCaseResult]:
    csms = StrictCsms("2.1", patience=patience)
    async with csms.serving() as url:
        config = with_iso20(eim_config(url, versions=VERSIONS, needs_wait=2.0))
        async with station(config) as running:
            await csms.expect("BootNotification")
            await running.online()
            driving = asyncio.create_task(_drive(running)) if car else None
            have = frozenset({Needed.CAR, Needed.CAR20} if car else ())
            report = await run_cases(csms, cases, have=have)
            if driving is not None:
                driving.cancel()
                await asyncio.wait([driving])
    assert report.trusted
    return {one.id: one for one in report.results}


async def _drive(running: Running) -> None:
    """A car of ISO 15118-20 comes again and again."""
    while True:
        port = running.station.sdp_port or 0
        ev = ScriptedEvcc(PLAN, vehicle=Vehicle(), cable=running.cable, sdp_port=port, patience=20.0)
        await ev.charge()
        await asyncio.sleep(0.05)


async def test_the_station_passes_the_cases_without_a_car() -> None:
    found = await results([one for one in CASES.values() if one.needs is Needed.NOTHING])
    wrong = [one for one in found.values() if one.outcome is CsmsCaseVerdict.FAILED]
    assert wrong == []
    skipped = {id_ for id_, one in found.items() if one.outcome is CsmsCaseVerdict.SKIPPED}
    assert skipped == {"SECC_A_21"}  # a laboratory without TLS signs nothing


async def test_the_station_passes_the_cases_with_a_car_of_iso_15118_20() -> None:
    found = await results([one for one in CASES.values() if one.needs is Needed.CAR20], car=True)
    assert [one for one in found.values() if one.outcome is not CsmsCaseVerdict.PASSED] == []


async def test_a_station_without_the_abilities_of_a_case_is_not_judged_by_it() -> None:
    csms = StrictCsms("2.1", patience=5.0)
    cases = [one for one in CASES.values() if one.id.startswith(("SECC_R", "SECC_Q_21", "SECC_B_21"))]
    async with csms.serving() as url, station(eim_config(url, versions=(OcppVersion.V21,))) as running:
        await csms.expect("BootNotification")
        await running.online()
        report = await run_cases(csms, cases)
    outcomes = {one.id: one.outcome for one in report.results}
    assert set(outcomes.values()) == {CsmsCaseVerdict.SKIPPED}, report.results


@pytest.mark.parametrize("numbered", [True, False])
async def test_a_request_for_a_certificate_must_have_its_number(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path, *, numbered: bool
) -> None:
    if not numbered:
        monkeypatch.setattr(V21, "sign_certificate", V201.sign_certificate)
    csms = StrictCsms("2.1", patience=5.0)
    async with csms.serving() as url:
        config = pnc_config(certificates, url, versions=(OcppVersion.V21,), store=tmp_path)
        async with station(config) as running:
            await csms.expect("BootNotification")
            await running.online()
            report = await run_cases(csms, [CASES["SECC_A_21"]])
    (found,) = report.results
    assert found.outcome is (CsmsCaseVerdict.PASSED if numbered else CsmsCaseVerdict.FAILED), found


# --- wrong stations ----------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def answers(action: str, **body: Any) -> Patch:
    """A station that answers an action in the same way always."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def answer(_commands: object, _body: Payload) -> Payload:
            return dict(body)

        monkeypatch.setitem(handlers21.HANDLERS, action, answer)

    return patch


def without(kind: type, name: str) -> Patch:
    """A station in which a function does nothing."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kind, name, lambda *_arguments, **_named: None)

    return patch


def stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A station that does not connect again."""
    connect, calls = CsmsLink._connect_once, [0]

    async def once(self: CsmsLink) -> None:
        calls[0] += 1
        if calls[0] > 1:
            await asyncio.Event().wait()
        await connect(self)

    monkeypatch.setattr(CsmsLink, "_connect_once", once)


def keeps_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """A station for which a dynamic profile has no end."""
    usual = ChargingLimits._dated

    def dated(self: ChargingLimits, profile: Any) -> Any:
        found = usual(self, profile)
        endless = tuple(msgspec.structs.replace(one, duration=None) for one in found.schedules)
        return msgspec.structs.replace(found, schedules=endless)

    monkeypatch.setattr(ChargingLimits, "_dated", dated)


def forgets_superseding(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = DerControls.set

    def set_(self: DerControls, body: Payload) -> tuple[str, str, list[str]]:
        return (*usual(self, body)[:2], [])

    monkeypatch.setattr(DerControls, "set", set_)


ACCEPTED = {"status": "Accepted"}
WRONG: list[tuple[str, Patch]] = [
    ("SECC_B_21", stays_away),
    ("SECC_A_22", answers("CertificateSigned", **ACCEPTED)),
    ("SECC_M_21", answers("InstallCertificate", **ACCEPTED)),
    ("SECC_K_21", answers("SetChargingProfile", **ACCEPTED)),
    ("SECC_K_22", answers("UpdateDynamicSchedule", **ACCEPTED)),
    ("SECC_K_23", keeps_expired),
    ("SECC_K_24", answers("UpdateDynamicSchedule", **ACCEPTED)),
    ("SECC_K_25", answers("UsePriorityCharging", **ACCEPTED)),
    ("SECC_Q_21", answers("SetChargingProfile", **ACCEPTED)),
    ("SECC_Q_22", answers("SetChargingProfile", **ACCEPTED)),
    ("SECC_Q_23", answers("SetChargingProfile", **ACCEPTED)),
    ("SECC_Q_24", answers("NotifyAllowedEnergyTransfer", **ACCEPTED)),
    ("SECC_I_21", answers("GetTariffs", status="NoTariff")),
    ("SECC_I_22", answers("ChangeTransactionTariff", **ACCEPTED)),
    ("SECC_R_21", answers("ClearDERControl", **ACCEPTED)),
    ("SECC_R_22", answers("ClearDERControl", **ACCEPTED)),
    ("SECC_R_23", answers("SetDERControl", **ACCEPTED)),
    ("SECC_R_24", forgets_superseding),
    ("SECC_R_25", without(DerControls, "observe")),
]


@pytest.mark.parametrize(("case", "patch"), WRONG, ids=[one for one, _ in WRONG])
async def test_a_wrong_station_fails_the_case(
    monkeypatch: pytest.MonkeyPatch, case: str, patch: Patch
) -> None:
    patch(monkeypatch)
    found = await results([CASES[case]], patience=1.0)
    assert found[case].outcome is CsmsCaseVerdict.FAILED, found[case]


def test_every_case_without_a_car_has_a_wrong_station() -> None:
    there = {id_ for id_, one in CASES.items() if one.needs is Needed.NOTHING}
    assert there - {one for one, _ in WRONG} == {"SECC_A_21"}
