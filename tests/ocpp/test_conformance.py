"""The cases for charging stations, against the station of this project and against worse ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from secc.cli import main
from secc.ocpp.conformance import cases21, cases21_der, schemas
from secc.ocpp.conformance.case import CsmsCaseVerdict, Needed
from secc.ocpp.conformance.catalogue import CATALOGUE
from secc.ocpp.conformance.runner import CsmsReport, run_cases
from secc.ocpp.conformance.strict import StrictCsms
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import eim_config, station

VERSIONS = ("2.1", "2.0.1", "1.6")
LATER = {one.id for one in (*cases21.CASES, *cases21_der.CASES)}
"""Cases of 2.1 alone; see `test_conformance21`."""


def test_every_case_has_another_id() -> None:
    for version in VERSIONS:
        ids = [case.id for case in CATALOGUE[version]]
        assert len(set(ids)) == len(ids)
        assert all(id_.startswith(("TC_", "SECC_")) for id_ in ids)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("car", [True, False], ids=["with a car", "with a free connector"])
async def test_the_station_passes_every_case_that_can_be_run(version: str, car: bool) -> None:
    csms = StrictCsms(version, patience=20.0)
    config = {"versions": (OcppVersion(version),)}
    async with csms.serving() as url, station(eim_config(url, **config)) as running:
        await csms.expect("BootNotification")
        await running.online()
        if not car:
            running.cable.unplug()
        driving = asyncio.create_task(_drive(running)) if car else None
        have = frozenset({Needed.CAR} if car else ())
        cases = [one for one in CATALOGUE[version] if one.id not in LATER]
        report = await run_cases(csms, cases, have=have)
        if driving is not None:
            driving.cancel()
    assert [one for one in report.results if one.outcome is CsmsCaseVerdict.FAILED] == []
    assert report.violations == ()
    assert report.good
    needs = {case.id: case.needs for case in CATALOGUE[version]}
    skipped = {needs[one.id] for one in report.results if one.outcome is CsmsCaseVerdict.SKIPPED}
    assert skipped == {Needed.FREE if car else Needed.CAR}


async def _drive(running: Any) -> None:
    while True:
        await running.charge(loops=2000)
        await asyncio.sleep(0.05)


class Stub:
    """A station that answers every call in the same way."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def run(self, url: str) -> None:
        async with connect(f"{url}/STUB", subprotocols=[Subprotocol("ocpp2.0.1")], proxy=None) as socket:
            station = {"vendorName": "v", "model": "m"}
            boot = {"reason": "PowerUp", "chargingStation": station}
            await socket.send(json.dumps([2, "1", "BootNotification", boot]))
            with contextlib.suppress(ConnectionClosed):
                async for text in socket:
                    frame = json.loads(text)
                    if frame[0] == 2:
                        await socket.send(json.dumps(self._answer(frame)))


async def judged(stub: Stub) -> CsmsReport:
    csms = StrictCsms("2.0.1", patience=0.2)
    async with csms.serving() as url:
        task = asyncio.create_task(stub.run(url))
        await csms.expect("BootNotification")
        report = await run_cases(csms, CATALOGUE["2.0.1"])
        task.cancel()
        return report


async def test_a_station_that_accepts_everything_is_not_trusted() -> None:
    report = await judged(Stub(lambda frame: [3, frame[1], {"status": "Accepted"}]))
    assert not report.trusted
    assert report.results == ()


async def test_a_station_that_supports_nothing_fails_the_cases() -> None:
    def answer(frame: Any) -> Any:
        if frame[2] == "GetLocalListVersion":
            return [3, frame[1], {"versionNumber": 0}]
        return [4, frame[1], "NotSupported", "", {}]

    report = await judged(Stub(answer))
    assert report.trusted
    assert not report.good
    assert report.passed == 0


async def test_an_answer_against_the_schema_is_a_violation() -> None:
    def answer(frame: Any) -> Any:
        if frame[2] == "NoSuchAction":
            return [4, frame[1], "NotImplemented", "", {}]
        return [3, frame[1], {"versionNumber": 0, "more": 1}]

    report = await judged(Stub(answer))
    assert report.violations
    assert not report.good


def test_the_schemas_know_every_action_of_the_three_versions() -> None:
    assert schemas.known("2.1", "UpdateDynamicSchedule")
    assert not schemas.known("2.0.1", "UpdateDynamicSchedule")
    assert schemas.known("1.6", "SignedUpdateFirmware")
    assert not schemas.known("1.6", "../__init__")


def test_the_command_without_a_station_has_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csms", "--conformance", "--port", "0", "--wait", "0.1"]) == 2
    assert "no station has connected" in capsys.readouterr().err
