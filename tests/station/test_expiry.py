"""Upcoming expiry is reported once, and again when it comes nearer, ends, is prepared or fails."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest

from secc.pki.expiry import Expiry
from secc.pki.hierarchy import make_hierarchy, write_hierarchy
from secc.pki.profiles import Kind
from secc.pki.trust import trust
from secc.ports import ReportsExpiry
from secc.records import LinkEvent, LinkRecord
from secc.settings import SeccConfig, TlsConfig, TlsPolicy
from secc.station.contracts import StationContracts
from secc.station.expiry import ExpiryWatch
from secc.station.tls import TlsKeeper
from tests.support.pnc import PNC_AC
from tests.support.reports import HeardReports
from tests.support.wire import GrantingBackend, config, eventually, running

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
PKI = make_hierarchy(not_before=BEGIN, seed=b"expiry")
LEAF = "station " + PKI[Kind.SECC_LEAF].certificate.subject.common_name
LEAF_END = PKI[Kind.SECC_LEAF].certificate.not_after


class Contracts(GrantingBackend, ReportsExpiry):
    """A back end that says what ends soon."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: Sequence[Expiry] = ()
        self.error: Exception | None = None

    async def expiring(self, now: datetime.datetime) -> Sequence[Expiry]:
        if self.error is not None:
            raise self.error
        return self.ends


class Scene:
    def __init__(self, folder: Path) -> None:
        write_hierarchy(PKI, folder, BEGIN)
        tls = TlsConfig(
            policy=TlsPolicy.REQUIRED,
            certificate_chain=folder / "secc_chain.pem",
            private_key=folder / "secc_leaf_key.pem",
        )
        made = dataclasses.replace(SeccConfig(), tls=tls)
        self.now = BEGIN + DAY
        self.told: list[str] = []
        self.backend = Contracts()
        keeper = TlsKeeper(made, report=lambda _event, _text: None, clock=lambda: self.now)
        self.contracts = StationContracts(PNC_AC, self.backend, reports=HeardReports(self.told))
        self.watch = ExpiryWatch(
            made,
            self.backend,
            keeper,
            self.contracts,
            report=lambda _event, text: self.told.append(text),
            clock=lambda: self.now,
        )

    def look(self, at: datetime.datetime) -> list[str]:
        """The reports at that time."""
        self.now, before = at, len(self.told)
        asyncio.run(self.watch.look())
        return self.told[before:]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_stations_certificate_is_reported_at_each_level_once(scene: Scene) -> None:
    assert scene.look(LEAF_END - 31 * DAY) == []
    end = f"{LEAF_END:%Y-%m-%d}"
    assert scene.look(LEAF_END - 30 * DAY) == [f"{LEAF} ends on {end}, 30 days left"]
    assert scene.look(LEAF_END - 20 * DAY) == []
    assert scene.look(LEAF_END - 14 * DAY) == [f"{LEAF} ends on {end}, 14 days left"]
    assert scene.look(LEAF_END - 7 * DAY) == [f"{LEAF} ends on {end}, 7 days left"]
    assert scene.look(LEAF_END) == [f"{LEAF} has ended on {end}"]
    assert scene.look(LEAF_END + DAY) == []
    assert [(one.what, one.level) for one in scene.watch.found] == [("station", 0)]


def test_roots_are_watched(scene: Scene) -> None:
    root = PKI[Kind.MO_ROOT].certificate
    scene.contracts._trust = trust([(Kind.MO_ROOT, root)])
    told = scene.look(root.not_after - 3 * DAY)
    assert any(text.startswith("root MORootCA Test ends on") for text in told)


def contract(end: datetime.datetime, **changes: object) -> Expiry:
    return dataclasses.replace(Expiry("contract", "DEABC000000001G", end, 30), **changes)  # type: ignore[arg-type]


def test_contracts_of_the_back_end_are_reported_with_what_is_done_about_them(scene: Scene) -> None:
    now, end = BEGIN + DAY, BEGIN + 20 * DAY
    scene.backend.ends = [contract(end, failure="no car is known for the contract")]
    line = "contract DEABC000000001G ends on 2026-01-21"
    assert scene.look(now) == [
        f"{line}; could not be renewed: no car is known for the contract, 19 days left"
    ]
    scene.backend.ends = [contract(end, prepared=True)]
    assert scene.look(now) == [f"{line}; the next one waits for the car, 19 days left"]
    assert scene.look(now) == []
    scene.backend.ends = []
    assert scene.look(now) == []
    assert scene.watch.found == ()


def test_what_occurs_twice_is_reported_once(scene: Scene) -> None:
    root = PKI[Kind.MO_ROOT].certificate
    scene.contracts._trust = trust([(Kind.MO_ROOT, root), (Kind.V2G_ROOT, root)])
    scene.backend.ends = [contract(root.not_after)] * 2
    told = scene.look(root.not_after - 3 * DAY)
    assert len([text for text in told if text.startswith(("root", "contract"))]) == 2
    assert scene.look(root.not_after - 3 * DAY) == []


def test_a_back_end_that_fails_is_complained_of_and_asked_again(scene: Scene) -> None:
    scene.backend.ends = [contract(BEGIN + 20 * DAY)]
    scene.look(BEGIN + DAY)
    scene.backend.error = RuntimeError("down")
    assert scene.look(BEGIN + DAY) == ["expiring: RuntimeError: down"]
    assert len(scene.watch.found) == 1
    scene.backend.error = None
    assert scene.look(BEGIN + DAY) == []


def test_without_a_clock_nothing_is_said(scene: Scene) -> None:
    assert scene.look(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) == []


async def test_a_running_station_looks_by_itself_and_its_health_says_what_it_found() -> None:
    backend = Contracts()
    end = datetime.datetime.now(datetime.UTC) + 10 * DAY
    backend.ends = [contract(end, level=14)]
    made = config(TlsPolicy.OFF)
    async with running(made, backend=backend) as bed:
        await eventually(lambda: bool(bed.events(LinkEvent.EXPIRY)))
        assert [one.identity for one in bed.station.health.ends_soon] == ["DEABC000000001G"]
        assert all(isinstance(one, LinkRecord) for one in bed.events(LinkEvent.EXPIRY))
