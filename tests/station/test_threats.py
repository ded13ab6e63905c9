"""The rows of the bad-input catalogue about SDP and V2GTP, against the real station over sockets.

After each one: alive, off, every command of the outlet lawful, the next car charges (see `attacked`). The
order and the content of messages are in `test_threats_order` and `test_threats_content`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from secc import exi
from secc.messages import iso2
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.session.outlet import ControlPilot
from secc.v2gtp import frame
from tests.support import requests as r
from tests.support.attacks import (
    WAYS,
    Watch,
    at,
    attacked,
    due,
    reach,
)
from tests.support.wire import (
    OFFER,
    Car,
    discover,
    eventually,
    running,
)

SEQUENCE, UNKNOWN = "FAILED_SequenceError", "FAILED_UnknownSession"


async def silent(car: Car, seconds: float = 0.15) -> None:
    """No answer, and the connection is open."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await car.next_payload()


def points(*, dc: bool, without: tuple[str, ...] = ("handshake",)) -> list[str]:
    return [point for point in WAYS[dc] if point not in without]


# --- SDP ---------------------------------------------------------------------------------------------------


HOSTILE_SDP = {
    "SDP-01": [f"01fe9000fffffff{digit:x}1000" for digit in range(8, 16)],
    "SDP-02": ["01fe900000000000", "01fe90000000000110", "01fe900000000003100000", "01fe9000000000021000ff"],
    "SDP-03": [
        *("fffe9000000000021000", "01ff9000000000021000", "01fe7000000000021000"),
        *("01fe8001000000021000", "01fe9001000000021000"),
    ],
    "SDP-04": [f"01fe900000000002{one}00" for one in ("01", "0f", "ff")],
    "SDP-05": ["01fe9000000000021010"],
    "SDP-08": ["", "00" * 65_507],
}


@pytest.mark.threat("SDP-01", "SDP-02", "SDP-03", "SDP-04", "SDP-05", "SDP-08")
@pytest.mark.parametrize("row", HOSTILE_SDP)
async def test_bad_datagrams_are_not_answered_and_the_next_good_one_is(row: str) -> None:
    async with attacked() as bed:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            for datagram in HOSTILE_SDP[row]:
                client.sendto(bytes.fromhex(datagram), ("::1", bed.station.sdp_port))
            client.sendto(SdpRequest(Security.NONE).to_bytes(), ("::1", bed.station.sdp_port))
            async with asyncio.timeout(2.0):
                answer = await loop.sock_recv(client, 2048)
            assert SdpResponse.parse(answer).port == bed.plain_port
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await loop.sock_recv(client, 2048)


@pytest.mark.threat("SDP-10")
async def test_discovery_during_a_session_changes_nothing() -> None:
    async with attacked() as bed:
        car = await at(bed, "loop")
        calls = list(bed.outlet.calls)
        assert bed.station.sdp_port is not None
        assert (await discover(bed.station.sdp_port)).port == bed.plain_port
        assert await car.ask(r.charging_status()) == "OK"
        assert bed.outlet.calls == calls
        car.close()


# --- TCP and V2GTP -----------------------------------------------------------------------------------------


@pytest.mark.threat("TPT-01", "TPT-02")
@pytest.mark.parametrize("length", ["ffffffff", "fffffff8", "80000000", "00002001"])
async def test_a_length_beyond_the_limit_closes(length: str) -> None:
    async with attacked() as bed:
        car = await at(bed, "setup")
        await car.raw(bytes.fromhex("01fe8001" + length) + bytes(100))
        assert await car.at_end()
        car.close()


@pytest.mark.threat("TPT-03", "TPT-04", "TPT-05")
@pytest.mark.parametrize(
    "junk",
    [
        "01fe800100000000",
        "01fe700100000004aabbccdd",
        "01fe9000000000021000",
        "01fe8002000000021000",
        "00ff800100000000",
        "02fd800100000000",
        "fffe800100000000",
        "01ff800100000000",
    ],
)
async def test_a_header_that_is_not_known_is_ignored_and_the_next_message_counts(junk: str) -> None:
    async with attacked() as bed:
        car = await at(bed, "setup")
        await car.raw(bytes.fromhex(junk))
        await silent(car)
        assert await car.ask(r.session_setup()) == "OK_NewSessionEstablished"
        car.close()


@pytest.mark.threat("TPT-03", "TPT-05")
async def test_headers_to_ignore_are_ignored_sixteen_times() -> None:
    async with attacked() as bed:
        car = await at(bed, "setup")
        await car.raw(bytes.fromhex("01fe800100000000") * 16)
        await silent(car)
        await car.raw(bytes.fromhex("01fe800100000000"))
        assert await car.at_end()
        car.close()


@pytest.mark.threat("TPT-06", "TPT-07")
async def test_every_cut_of_every_message_gives_the_same_answers() -> None:
    """In session k each message comes in two segments, cut after byte k; in session 1 also byte by byte."""

    async with attacked() as bed:
        for cut in range(1, 60):
            bed.outlet.pilot = ControlPilot.B
            car = Cutting(await Car.connect(bed.plain_port), cut)
            await reach(car, bed, "stopped")
            assert await car.ask(r.session_stop()) == "OK"
            assert car.answers == ALL_OK
            car.close()
            await bed.until_idle()


ALL_OK = ["OK_NewSessionEstablished", *["OK"] * 9]


class Cutting(Car):
    """Cuts each message in two."""

    def __init__(self, car: Car, cut: int) -> None:
        super().__init__(car.socket, car.engine)
        self.cut = cut
        self.answers: list[str] = []

    async def raw(self, data: bytes) -> None:
        pieces = [data[: self.cut], data[self.cut :]]
        if self.cut == 1:
            pieces = [data[index : index + 1] for index in range(len(data))]
        for piece in pieces:
            await super().raw(piece)
            await asyncio.sleep(0)

    async def next_payload(self) -> bytes | None:
        payload = await super().next_payload()
        if payload is not None and self.session_id != b"\x00":
            message = exi.ISO2.decode(payload)
            assert isinstance(message, iso2.V2GMessage)
            told: Any = message.body
            self.answers.append(told.response_code.value)
        elif payload is not None and payload[:1] == b"\x80" and len(payload) > 10:
            self.answers.append("OK_NewSessionEstablished")
        return payload


@pytest.mark.threat("TPT-08")
async def test_two_requests_in_one_segment_are_both_answered_in_order() -> None:
    async with attacked() as bed:
        car = await at(bed, "selection")
        both = (r.service_detail(1), r.payment_selection())
        await car.raw(b"".join(frame(car.encode(body)) for body in both))
        first, second = await car.next_payload(), await car.next_payload()
        assert first is not None
        assert second is not None
        told = [type(exi.ISO2.decode(one).body).__name__ for one in (first, second)]
        assert told == ["ServiceDetailRes", "PaymentServiceSelectionRes"]
        car.close()


@pytest.mark.threat("TPT-09")
@pytest.mark.parametrize("point", ["setup", "discovery", "parameters", "loop"])
@pytest.mark.parametrize("surplus", [1, 1000])
async def test_bytes_after_the_document_are_left_alone_in_every_state(point: str, surplus: int) -> None:
    """The rule: what follows the end of the document inside the payload is padding."""

    async with attacked() as bed:
        car = await at(bed, point)
        await car.send(car.encode(due(point)) + bytes(surplus))
        assert (await car.answer()).startswith("OK")
        car.close()


@pytest.mark.threat("TPT-10")
@pytest.mark.parametrize("point", ["setup", "parameters", "loop"])
async def test_a_document_that_is_cut_closes(point: str) -> None:
    async with attacked() as bed:
        car = await at(bed, point)
        await car.send(car.encode(due(point))[:-4])
        assert await car.at_end()
        car.close()


@pytest.mark.threat("TPT-11")
async def test_single_bytes_do_not_move_the_timer() -> None:
    async with attacked(timing={"communication_setup": 0.3}) as bed:
        car = await Car.connect(bed.plain_port)
        began = asyncio.get_running_loop().time()
        for byte in frame(OFFER):
            try:
                await car.raw(bytes([byte]))
            except ConnectionError:
                break
            await asyncio.sleep(0.05)
        assert await car.at_end()
        assert asyncio.get_running_loop().time() - began < 2.0
        car.close()


@pytest.mark.threat("TPT-12")
async def test_a_silent_connection_delays_nothing_else_and_is_closed() -> None:
    async with attacked(timing={"communication_setup": 0.4}) as bed:
        quiet = await Car.connect(bed.plain_port)
        car = await at(bed, "selection")
        assert await car.ask(r.service_detail()) == "OK"
        car.close()
        assert await quiet.at_end()
        quiet.close()


@pytest.mark.threat("TPT-14")
@pytest.mark.parametrize(("dc", "point"), [(dc, point) for dc in (False, True) for point in WAYS[dc]])
async def test_a_reset_in_any_state_switches_off_at_once(dc: bool, point: str) -> None:
    async with attacked(dc=dc) as bed:
        car = await at(bed, point, dc=dc)
        loop = asyncio.get_running_loop()
        began, before = loop.time(), len(bed.outlet.calls)
        car.reset()
        if point != "handshake":  # no message was received there, so there was no session
            await eventually(lambda: "make_safe" in bed.outlet.calls[before:])
            assert loop.time() - began < 0.5  # 50 ms by rule; a busy machine gets ten times that


@pytest.mark.threat("TPT-15")
async def test_an_end_right_after_a_request_gets_at_most_that_answer() -> None:
    async with attacked() as bed:
        car = await at(bed, "loop")
        await car.send(car.encode(r.charging_status()))
        car.socket.shutdown(socket.SHUT_WR)
        answers = 0
        while await car.next_payload() is not None:
            answers += 1
        assert answers <= 1
        car.close()


@pytest.mark.threat("TPT-16")
async def test_a_second_connection_changes_nothing_of_the_session() -> None:
    async with attacked() as bed:
        car = await at(bed, "loop")
        calls = list(bed.outlet.calls)
        other = await Car.connect(bed.plain_port, handshake=False)
        with contextlib.suppress(ConnectionError):
            await other.raw(frame(OFFER))
        assert await other.at_end()
        other.close()
        assert await car.ask(r.charging_status()) == "OK"
        assert bed.outlet.calls == calls
        car.close()


@pytest.mark.threat("TPT-17")
async def test_a_line_that_goes_dead_is_switched_off_by_the_pilot_or_the_timer() -> None:
    async def scenario(*, pilot: bool) -> None:
        async with attacked(timing={"sequence": 0.3}) as bed:
            car = await at(bed, "loop")
            before = len(bed.outlet.calls)
            if pilot:
                bed.outlet.pilot = ControlPilot.B
            await eventually(lambda: "open_contactor" in bed.outlet.calls[before:])
            await bed.until_idle()
            car.close()

    await scenario(pilot=True)
    await scenario(pilot=False)


@pytest.mark.threat("TPT-18")
async def test_no_port_listens_on_ipv4() -> None:
    async with attacked() as bed:
        with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", bed.plain_port), 1.0):
            pass


@pytest.mark.threat("TPT-19")
async def test_only_the_announced_ports_are_open() -> None:
    before = listening()
    async with running() as bed:
        assert listening() - before == {("tcp6", bed.plain_port), ("udp6", bed.station.sdp_port)}


def listening() -> set[tuple[str, int | None]]:
    """Ports of this process, from the kernel's tables."""
    mine = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            mine.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    found: set[tuple[str, int | None]] = set()
    for table, state in (("tcp6", "0A"), ("udp6", "07"), ("tcp", "0A"), ("udp", "07")):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and f"socket:[{fields[9]}]" in mine:
                found.add((table, int(fields[1].rpartition(":")[2], 16)))
    return found


# --- the oracle itself --------------------------------------------------------------------------------------


async def test_a_good_session_closes_the_contactor_once() -> None:
    """The trace of a whole good session, for comparison."""

    async with attacked() as bed:
        car = await at(bed, "stopped")
        assert await car.ask(r.session_stop()) == "OK"
        car.close()
        await bed.until_idle()
        assert bed.outlet.calls == ["make_safe", "close_contactor", *["open_contactor"] * 2, "make_safe"]


def test_the_watch_over_the_outlet_can_fail() -> None:
    watch = Watch()
    with pytest.raises(AssertionError, match="without a grant"):
        watch.command("close_contactor")
    watch.granted = True
    with pytest.raises(AssertionError, match="after NoneType"):
        watch.command("close_contactor")
    watch.heard(r.start())
    watch.command("close_contactor")
    watch.heard(r.pre_charge())
    with pytest.raises(AssertionError, match="INV-07"):
        watch.command("set_output 380 2")
    watch.heard(r.dc_parameters())
    watch.heard(r.pre_charge())
    with pytest.raises(AssertionError, match="INV-05"):
        watch.command("set_output 380 3")
    watch.told(iso2.SessionStopRes(response_code=iso2.ResponseCode.OK))
    with pytest.raises(AssertionError, match="after the end"):
        watch.command("set_output 380 2")
