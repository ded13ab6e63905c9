"""One link by itself, with an owner that is a stub; what it does inside a station is in test_station."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from secc.connection import Connection
from secc.errors import LinkError
from secc.records import LinkEvent, LinkRecord, Record
from secc.session.inputs import StopRequested
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndReason, EndSession
from secc.settings import SeccConfig
from secc.station.link import Link, LinkGrant
from secc.station.outlet import Outlet
from secc.tls import PlainEngine
from secc.v2gtp import frame
from tests.support import requests
from tests.support.reports import HeardReports
from tests.support.wire import OFFER, Car, GrantingBackend, RecordingOutlet, config, eventually, to_session


class Owner:
    """Admits all connections, or none."""

    def __init__(self, made: SeccConfig, *, admits: bool = True) -> None:
        self.config = made
        self.admits = admits
        self.controller = RecordingOutlet()
        self.records: list[Record] = []
        self.ended: list[EndSession | None] = []
        self.closed: list[Link] = []

    async def admit(self, link: Link) -> LinkGrant | None:
        if not self.admits:
            return None
        now = asyncio.get_running_loop().time()
        snapshot = EvseSnapshot(control_pilot=ControlPilot.B)
        session = Session(self.config, random_bytes=lambda size: b"\x07" * size, snapshot=snapshot, now=now)
        outlet = Outlet(
            self.config, self.controller, GrantingBackend(), report=link.post, reports=HeardReports()
        )
        return LinkGrant(Connection(session), outlet, snapshot)

    def session_ended(self, link: Link, end: EndSession | None) -> None:
        self.ended.append(end)

    def link_closed(self, link: Link) -> None:
        self.closed.append(link)

    def record(self, record: Record) -> None:
        self.records.append(record)

    def events(self) -> list[LinkEvent]:
        return [record.event for record in self.records if isinstance(record, LinkRecord)]


class Pair:
    """A link and the other end of its wire."""

    def __init__(self, owner: Owner, link: Link, car: Car) -> None:
        self.owner = owner
        self.link = link
        self.car = car


@contextlib.asynccontextmanager
async def open_scenario(
    *,
    admits: bool = True,
    made: SeccConfig | None = None,
    engine: PlainEngine | None = None,
    setup: float = 5.0,
) -> AsyncIterator[Pair]:
    loop = asyncio.get_running_loop()
    owner = Owner(made or config(), admits=admits)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    deadline = loop.time() + setup
    link = Link(owner, engine or PlainEngine(), owner.config, peer="fe80::1", setup_deadline=deadline)
    await loop.connect_accepted_socket(lambda: link, ours)
    car = Car(theirs, PlainEngine())
    yield Pair(owner, link, car)
    car.close()
    await eventually(lambda: owner.closed == [link])
    await asyncio.sleep(0)


async def test_a_link_that_is_not_admitted_is_closed_and_touches_no_outlet() -> None:
    async with open_scenario(admits=False) as pair:
        await pair.car.send(OFFER)
        assert await pair.car.at_end()
        assert pair.owner.controller.calls == []
        assert pair.owner.ended == []


async def test_a_silent_link_can_be_shut_down() -> None:
    async with open_scenario() as pair:
        assert not pair.link.ending
        await pair.link.shut_down("not needed")
        assert pair.link.ending
        assert pair.owner.closed == [pair.link]
        assert pair.owner.events() == [LinkEvent.OPENED, LinkEvent.CLOSED]


async def test_inputs_without_a_session_are_forgotten() -> None:
    async with open_scenario() as pair:
        pair.link.post(StopRequested())
        pair.link.withdraw_authorization()
        await to_session(pair.car)
        assert await pair.car.ask(requests.service_discovery()) == "OK"


async def test_a_link_knows_whether_it_was_spoken_to() -> None:
    async with open_scenario() as pair:
        assert not pair.link.heard
        assert pair.link.connection is None
        assert not pair.link.secure
        await to_session(pair.car)
        assert pair.link.heard
        assert isinstance(pair.link.connection, Connection)


async def test_the_outlet_is_free_again_while_the_link_still_waits_for_the_ev_to_hang_up() -> None:
    async with open_scenario(made=config(close_delay=5.0)) as pair:
        await to_session(pair.car)
        assert await pair.car.ask(requests.charging_status()) == "FAILED_SequenceError"
        await eventually(lambda: len(pair.owner.ended) == 1)
        assert pair.owner.closed == []
        assert pair.owner.controller.calls == ["open_contactor", "make_safe"]
        await pair.car.raw(bytes(20_000))
        assert pair.owner.closed == []


async def test_the_station_hangs_up_when_the_ev_does_not() -> None:
    async with open_scenario(made=config(close_delay=0.05)) as pair:
        await to_session(pair.car)
        assert await pair.car.ask(requests.charging_status()) == "FAILED_SequenceError"
        assert await pair.car.answer() == "closed"
        await eventually(lambda: pair.owner.closed == [pair.link])


@pytest.mark.parametrize("at", [1, 8, 20])
async def test_a_message_that_never_gets_complete_ends_with_the_setup_time(at: int) -> None:
    async with open_scenario(made=config(communication_setup=0.1)) as pair:
        await pair.car.raw(frame(OFFER)[:at])
        await eventually(lambda: len(pair.owner.ended) == 1)
        end = pair.owner.ended[0]
        assert end is not None
        assert end.reason is EndReason.SETUP_TIMEOUT


async def test_nothing_said_until_the_setup_deadline_closes() -> None:
    async with open_scenario(setup=0.05) as pair:
        assert await pair.car.at_end()
        assert pair.owner.events()[:2] == [LinkEvent.OPENED, LinkEvent.FAILED]


async def test_an_engine_that_can_send_no_more_ends_the_session() -> None:
    class Broken(PlainEngine):
        def send(self, plaintext: bytes) -> bytes:
            raise LinkError("no TLS session to send in")

    async with open_scenario(engine=Broken()) as pair:
        await pair.car.send(OFFER)
        await eventually(lambda: len(pair.owner.ended) == 1)
        end = pair.owner.ended[0]
        assert end is not None
        assert (end.reason, end.detail) == (EndReason.LINK_LOST, "no TLS session to send in")
