"""What a link does with its socket and with what its outlet shows, with a transport that only remembers.

Virtual time; the link's owner is the stub of `test_link`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from secc.errors import LinkError
from secc.records import LinkEvent, LinkRecord, MessageRecord
from secc.session.inputs import Tick
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import EndReason
from secc.settings import SeccConfig
from secc.station.link import Link, LinkGrant
from secc.station.outlet import Outlet
from secc.tls import PlainEngine, TlsProgress
from secc.v2gtp import frame
from tests.station.test_link import Owner
from tests.support.wire import OFFER, ReportingOutlet, config

pytestmark = pytest.mark.loop("virtual")


class Transport:
    """Remembers what was done to it, in order."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.written = b""
        self.unsent = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        self.did.append("write")
        self.written += data

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def write_eof(self) -> None:
        self.did.append("eof")

    def abort(self) -> None:
        self.did.append("abort")

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Wire:
    """A link with its transport; `say` is what the EV sends."""

    def __init__(self, made: SeccConfig, setup: float, engine: PlainEngine | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.owner = Owner(made)
        self.outlet = ReportingOutlet()
        self.owner.controller = self.outlet
        self.link = Link(
            self.owner, engine or PlainEngine(), made, peer="ev", setup_deadline=self.loop.time() + setup
        )
        self.transport = Transport()
        self.began = self.loop.time()
        self.link.connection_made(cast(asyncio.Transport, self.transport))

    def now(self) -> float:
        return round(self.loop.time() - self.began, 2)

    async def say(self, data: bytes) -> None:
        self.link.get_buffer(-1)[: len(data)] = data
        self.link.buffer_updated(len(data))
        await asyncio.sleep(0.01)

    @property
    def records(self) -> list[tuple[LinkEvent, str]]:
        return [(one.event, one.text) for one in self.owner.records if isinstance(one, LinkRecord)]

    @property
    def reason(self) -> EndReason | None:
        ends = [end for end in self.owner.ended if end is not None]
        return ends[0].reason if ends else None


@contextlib.asynccontextmanager
async def open_wire(*, setup: float = 5.0, **timing: Any) -> AsyncIterator[Wire]:
    wire = Wire(config(**timing), setup)
    yield wire
    await wire.link.shut_down("the test is over")
    assert wire.owner.closed == [wire.link]


# --- reading and writing ---


async def test_reading_pauses_for_each_chunk_and_goes_on_when_it_is_handled() -> None:
    async with open_wire() as wire:
        wire.link.get_buffer(-1)[:3] = b"\x01\xfe\x80"
        wire.link.buffer_updated(3)
        assert wire.transport.did == ["pause"]
        await asyncio.sleep(0.01)
        assert wire.transport.did == ["pause", "resume"]
        assert wire.link.heard


async def test_the_buffer_takes_one_chunk() -> None:
    async with open_wire() as wire:
        assert len(wire.link.get_buffer(100_000)) == 4096


async def test_the_answer_is_written_and_recorded_with_its_time() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        assert wire.transport.written[:2] == b"\x01\xfe"
        sent = [one for one in wire.owner.records if isinstance(one, MessageRecord)]
        assert [one.response_time for one in sent if one.response_time is not None] == [
            pytest.approx(0.0, abs=0.01)
        ]


async def test_an_ev_that_does_not_read_loses_its_session() -> None:
    async with open_wire() as wire:
        wire.transport.unsent = 65_536
        await wire.say(frame(OFFER))
        assert wire.reason is None
        wire.transport.unsent = 65_537
        wire.link._send_raw(b"x")
        await asyncio.sleep(0.01)
        assert wire.reason is EndReason.LINK_LOST
        assert wire.owner.ended[0] is not None
        assert wire.owner.ended[0].detail == "the EV does not read"


@pytest.mark.parametrize("why", ["gone", "closing", "nothing"])
async def test_nothing_is_written_to_a_wire_that_is_gone(why: str) -> None:
    async with open_wire() as wire:
        if why == "gone":
            wire.link.connection_lost(None)
        wire.transport.closing = why == "closing"
        before = len(wire.transport.did)
        wire.link._send_raw(b"" if why == "nothing" else b"x")
        wire.link.resume()
        assert [one for one in wire.transport.did[before:] if one == "write"] == []
        assert ("resume" in wire.transport.did[before:]) is (why == "nothing")
        wire.transport.closing = False


async def test_bytes_of_a_wire_that_is_gone_do_not_touch_it() -> None:
    async with open_wire() as wire:
        wire.link.connection_lost(None)
        wire.link.buffer_updated(1)
        assert "pause" not in wire.transport.did


async def test_before_there_is_a_wire_nothing_happens() -> None:
    made = config()
    link = Link(Owner(made), PlainEngine(), made, peer="ev", setup_deadline=0.0)
    link._send_raw(b"x")
    link.resume()
    link.abort()
    link.buffer_updated(1)
    await link.shut_down("no task yet")
    assert link.ending
    assert not link.secure
    assert link.connection is None


class OffOutlet:
    """The outlet of a session, with an off that the driver has or has not heard of."""

    def __init__(self, outlet: Outlet, did: list[str], pending: bool) -> None:
        self.real, self.did, self.off_pending = outlet, did, pending

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    async def off_heard(self, until: float) -> None:
        self.did.append("heard")


@pytest.mark.inv("INV-02")
@pytest.mark.parametrize(("pending", "order"), [(True, ["heard", "write"]), (False, ["write"])])
async def test_the_outlet_hears_of_an_off_before_the_ev_is_answered(pending: bool, order: list[str]) -> None:
    async with open_wire() as wire:
        admit = wire.owner.admit

        async def admit_with_off(link: Link) -> LinkGrant | None:
            grant = await admit(link)
            assert grant is not None
            outlet = OffOutlet(grant.outlet, wire.transport.did, pending)
            return dataclasses.replace(grant, outlet=cast(Outlet, outlet))

        wire.owner.admit = admit_with_off  # type: ignore[method-assign]
        await wire.say(frame(OFFER))
        assert [one for one in wire.transport.did if one in ("heard", "write")] == order


@pytest.mark.parametrize(("done", "event"), [(True, LinkEvent.FAILED), (False, LinkEvent.TLS_FAILED)])
async def test_a_failure_of_tls_is_recorded_by_when_it_came(done: bool, event: LinkEvent) -> None:
    class Failing(PlainEngine):
        handshake_done = done

        def feed(self, data: bytes) -> TlsProgress:
            return msgspec.structs.replace(super().feed(data), failure=LinkError("bad record"), closed=True)

    wire = Wire(config(), 5.0, Failing())
    await wire.say(b"\x01")
    assert wire.records[1] == (event, "bad record")
    await wire.link.shut_down("over")


async def test_an_outlet_that_cannot_report_changes_is_complained_of() -> None:
    async with open_wire() as wire:

        async def changed() -> None:
            raise OSError("no bus")

        wire.outlet.changed = changed  # type: ignore[method-assign]
        await wire.say(frame(OFFER))
        complaints = [text for event, text in wire.records if event is LinkEvent.COMPLAINT]
        assert len(complaints) == 1
        assert "no bus" in complaints[0]


# --- the end of a link ---


async def test_a_link_sends_its_closing_message_waits_half_a_second_for_the_peer_and_is_gone() -> None:
    async with open_wire() as wire:
        await wire.link.shut_down("enough")
        assert wire.now() == 0.5
        assert wire.transport.did == ["eof", "resume", "abort"]
        assert wire.records == [(LinkEvent.OPENED, ""), (LinkEvent.CLOSED, "")]


async def test_a_peer_that_has_hung_up_is_not_waited_for() -> None:
    async with open_wire() as wire:
        assert wire.link.eof_received() is True
        await wire.link.shut_down("enough")
        assert wire.now() == 0.0
        assert wire.transport.did[-1] == "abort"


async def test_a_wire_that_is_gone_gets_no_farewell() -> None:
    async with open_wire() as wire:
        wire.link.connection_lost(OSError("reset"))
        await wire.link.shut_down("enough")
        assert wire.transport.did == ["abort"]
        assert wire.now() == 0.0


async def test_an_aborted_link_is_over_at_once() -> None:
    async with open_wire() as wire:
        wire.link.abort()
        assert wire.transport.did == ["abort"]
        assert wire.link.ending
        await asyncio.sleep(0.6)
        assert wire.owner.closed == [wire.link]


@pytest.mark.parametrize(
    ("error", "detail"), [(None, "closed by the EV"), (OSError("reset"), "connection reset")]
)
async def test_a_lost_connection_ends_the_session_by_what_it_was(
    error: Exception | None, detail: str
) -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        wire.link.connection_lost(error)
        await asyncio.sleep(0.01)
        assert wire.reason is EndReason.LINK_LOST
        assert wire.owner.ended[0] is not None
        assert wire.owner.ended[0].detail == detail


@pytest.mark.parametrize(("event", "seconds"), [("bytes", 1.0), ("eof", 0.2), ("stop", 0.2), ("gone", 0.2)])
async def test_after_the_session_the_peer_has_its_time_to_hang_up_and_what_it_sends_is_dropped(
    event: str, seconds: float
) -> None:
    loop, made = asyncio.get_running_loop(), config()
    link = Link(Owner(made), PlainEngine(), made, peer="ev", setup_deadline=0.0)
    transport = Transport()
    link._transport = cast(asyncio.Transport, transport)
    began = loop.time()
    happens = {
        "bytes": lambda: link.buffer_updated(8),
        "eof": link.eof_received,
        "stop": lambda: link.hang_up("the station ends"),
        "gone": lambda: link.connection_lost(None),
    }
    loop.call_later(0.2, happens[event])
    await link._wait_for_the_peer(began + 1.0)
    assert round(loop.time() - began, 2) == seconds
    assert transport.did == (["pause", "resume"] if event == "bytes" else [])
    await link._wait_for_the_peer(began + 9.0 if event in ("eof", "gone") else began)
    assert round(loop.time() - began, 2) == seconds


# --- the setup ---


async def test_a_peer_that_says_nothing_is_left_at_the_setup_deadline() -> None:
    async with open_wire(setup=2.0) as wire:
        await asyncio.sleep(1.99)
        assert wire.transport.did == []
        await asyncio.sleep(0.02)
        assert wire.records[-1] == (LinkEvent.FAILED, "no message in the setup time")


class Slow(PlainEngine):
    """A handshake that never ends."""

    handshake_done = False


@pytest.mark.parametrize(("handshake", "setup"), [(0.4, 5.0), (5.0, 0.4)])
async def test_a_handshake_has_the_shorter_of_its_time_and_the_setup_time(
    handshake: float, setup: float
) -> None:
    made = config()
    object.__setattr__(made.tls, "handshake_timeout", handshake)
    wire = Wire(made, setup, Slow())
    await asyncio.sleep(0.39)
    assert wire.records == [(LinkEvent.OPENED, "")]
    await asyncio.sleep(0.02)
    assert wire.records[-1] == (LinkEvent.TLS_FAILED, "not finished in time")
    await wire.link.shut_down("over")


async def test_a_plain_link_is_not_said_to_be_secured() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        assert LinkEvent.SECURED not in [event for event, _ in wire.records]
        assert wire.link.vehicle is None


# --- what the outlet shows ---


@pytest.mark.inv("INV-03")
async def test_what_an_outlet_reports_is_looked_at_in_the_same_moment() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        wire.outlet.plug(ControlPilot.A)
        await asyncio.sleep(0.01)
        assert wire.reason is EndReason.UNPLUGGED


@pytest.mark.inv("INV-30")
async def test_an_outlet_that_cannot_say_how_it_is_has_a_malfunction() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        session = wire.link._session
        assert session is not None
        wire.outlet.fail.add("snapshot")
        seen = session.look()
        assert (seen.fault, seen.ready, seen.control_pilot) == (EvseFault.MALFUNCTION, False, ControlPilot.B)
        assert not session.notices_change()
        wire.outlet.fail.clear()
        assert session.notices_change()
        assert not session.notices_change()
        wire.outlet.pilot = ControlPilot.C
        assert session.notices_change()


@pytest.mark.inv("INV-03")
async def test_what_has_passed_is_handed_in_before_what_is_now() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        session = wire.link._session
        assert session is not None
        for pilot in (ControlPilot.C, ControlPilot.D, ControlPilot.B):
            wire.outlet.pilot = pilot
            assert session.notices_change()
        wire.outlet.closed = True
        looks = [one.snapshot for one in session.ticks() if isinstance(one, Tick)]
        assert [one.control_pilot.value for one in looks] == ["C", "D", "B", "B"]
        assert [one.contactor_closed for one in looks] == [False, False, False, True]
        assert len(session.ticks()) == 1
        for at in range(40):
            wire.outlet.pilot = (ControlPilot.C, ControlPilot.B)[at % 2]
            session.notices_change()
        assert len(session.ticks()) == 17


def count_looks(outlet: ReportingOutlet) -> list[EvseSnapshot]:
    """The snapshots taken from now on."""
    looks: list[EvseSnapshot] = []
    take = outlet.snapshot

    def snapshot() -> EvseSnapshot:
        looks.append(take())
        return looks[-1]

    outlet.snapshot = snapshot  # type: ignore[method-assign]
    return looks


async def test_a_look_waits_once_however_often_something_changes() -> None:
    async with open_wire() as wire:
        await wire.say(frame(OFFER))
        session = wire.link._session
        assert session is not None
        looks = count_looks(wire.outlet)
        session.queue_look()
        session.queue_look()
        assert looks == []
        await asyncio.sleep(0.001)
        assert len(looks) == 1
        session.queue_look()
        await asyncio.sleep(0.001)
        assert len(looks) == 2
