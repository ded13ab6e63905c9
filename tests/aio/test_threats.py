"""The rows of the bad-input catalogue about V2GTP and the order of messages, against the real station
over sockets. After each one: alive, off, every command lawful, the next car charges (see `attacked`).

The rows about content are in `test_threats_content`, more about SDP in `test_discovery` and `tests/test_sdp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.iso2 import ChargingSession
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.session.events import ControlPilot
from secc.v2gtp import frame
from tests.support import requests as r
from tests.support.attacks import (
    WAYS,
    Watch,
    at,
    attacked,
    due,
    reach,
    refused_and_closed,
)
from tests.support.wire import (
    OFFER,
    Bed,
    Car,
    GrantingBackend,
    RecordingOutlet,
    discover,
    eventually,
    running,
)

SEQUENCE, UNKNOWN = "FAILED_SequenceError", "FAILED_UnknownSession"


def play(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


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
def test_bad_datagrams_are_not_answered_and_the_next_good_one_is(row: str) -> None:
    async def scenario() -> None:
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

    play(scenario)


@pytest.mark.threat("SDP-10")
def test_discovery_during_a_session_changes_nothing() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "loop")
            calls = list(bed.outlet.calls)
            assert bed.station.sdp_port is not None
            assert (await discover(bed.station.sdp_port)).port == bed.plain_port
            assert await car.ask(r.charging_status()) == "OK"
            assert bed.outlet.calls == calls
            car.close()

    play(scenario)


# --- TCP and V2GTP -----------------------------------------------------------------------------------------


@pytest.mark.threat("TPT-01", "TPT-02")
@pytest.mark.parametrize("length", ["ffffffff", "fffffff8", "80000000", "00002001"])
def test_a_length_beyond_the_limit_closes(length: str) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "setup")
            await car.raw(bytes.fromhex("01fe8001" + length) + bytes(100))
            assert await car.at_end()
            car.close()

    play(scenario)


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
def test_a_header_that_is_none_of_ours_is_ignored_and_the_next_message_counts(junk: str) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "setup")
            await car.raw(bytes.fromhex(junk))
            await silent(car)
            assert await car.ask(r.session_setup()) == "OK_NewSessionEstablished"
            car.close()

    play(scenario)


@pytest.mark.threat("TPT-03", "TPT-05")
def test_headers_to_ignore_are_ignored_sixteen_times() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "setup")
            await car.raw(bytes.fromhex("01fe800100000000") * 16)
            await silent(car)
            await car.raw(bytes.fromhex("01fe800100000000"))
            assert await car.at_end()
            car.close()

    play(scenario)


@pytest.mark.threat("TPT-06", "TPT-07")
def test_every_cut_of_every_message_gives_the_same_answers() -> None:
    """In session k each message comes in two segments, cut after byte k; in session 1 also byte by byte."""

    async def scenario() -> None:
        async with attacked() as bed:
            for cut in range(1, 60):
                bed.outlet.pilot = ControlPilot.B
                car = Cutting(await Car.connect(bed.plain_port), cut)
                await reach(car, bed, "stopped")
                assert await car.ask(r.session_stop()) == "OK"
                assert car.answers == ALL_OK
                car.close()
                await bed.until_idle()

    play(scenario)


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
def test_two_requests_in_one_segment_are_both_answered_in_order() -> None:
    async def scenario() -> None:
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

    play(scenario)


@pytest.mark.threat("TPT-09")
@pytest.mark.parametrize("point", ["setup", "discovery", "parameters", "loop"])
@pytest.mark.parametrize("surplus", [1, 1000])
def test_bytes_after_the_document_are_left_alone_in_every_state(point: str, surplus: int) -> None:
    """The rule: what follows the end of the document inside the payload is padding."""

    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, point)
            await car.send(car.encode(due(point)) + bytes(surplus))
            assert (await car.answer()).startswith("OK")
            car.close()

    play(scenario)


@pytest.mark.threat("TPT-10")
@pytest.mark.parametrize("point", ["setup", "parameters", "loop"])
def test_a_document_that_is_cut_closes(point: str) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, point)
            await car.send(car.encode(due(point))[:-4])
            assert await car.at_end()
            car.close()

    play(scenario)


@pytest.mark.threat("TPT-11")
def test_single_bytes_do_not_move_the_timer() -> None:
    async def scenario() -> None:
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

    play(scenario)


@pytest.mark.threat("TPT-12")
def test_a_silent_connection_holds_up_nobody_and_is_closed() -> None:
    async def scenario() -> None:
        async with attacked(timing={"communication_setup": 0.4}) as bed:
            quiet = await Car.connect(bed.plain_port)
            car = await at(bed, "selection")
            assert await car.ask(r.service_detail()) == "OK"
            car.close()
            assert await quiet.at_end()
            quiet.close()

    play(scenario)


@pytest.mark.threat("TPT-14")
@pytest.mark.parametrize(("dc", "point"), [(dc, point) for dc in (False, True) for point in WAYS[dc]])
def test_a_reset_in_any_state_switches_off_at_once(dc: bool, point: str) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc) as bed:
            car = await at(bed, point, dc=dc)
            loop = asyncio.get_running_loop()
            began, before = loop.time(), len(bed.outlet.calls)
            car.reset()
            if point != "handshake":  # nothing was said there, so there was no session
                await eventually(lambda: "make_safe" in bed.outlet.calls[before:])
                assert loop.time() - began < 0.5  # 50 ms by rule; a busy machine gets ten times that

    play(scenario)


@pytest.mark.threat("TPT-15")
def test_an_end_right_after_a_request_gets_at_most_that_answer() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "loop")
            await car.send(car.encode(r.charging_status()))
            car.socket.shutdown(socket.SHUT_WR)
            answers = 0
            while await car.next_payload() is not None:
                answers += 1
            assert answers <= 1
            car.close()

    play(scenario)


@pytest.mark.threat("TPT-16")
def test_a_second_connection_changes_nothing_of_the_session() -> None:
    async def scenario() -> None:
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

    play(scenario)


@pytest.mark.threat("TPT-17")
def test_a_line_that_goes_dead_is_switched_off_by_the_pilot_or_the_timer() -> None:
    async def scenario(*, pilot: bool) -> None:
        async with attacked(timing={"sequence": 0.3}) as bed:
            car = await at(bed, "loop")
            before = len(bed.outlet.calls)
            if pilot:
                bed.outlet.pilot = ControlPilot.B
            await eventually(lambda: "open_contactor" in bed.outlet.calls[before:])
            await bed.until_idle()
            car.close()

    asyncio.run(scenario(pilot=True))
    asyncio.run(scenario(pilot=False))


@pytest.mark.threat("TPT-18")
def test_nobody_listens_on_ipv4() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", bed.plain_port), 1.0):
                pass

    play(scenario)


@pytest.mark.threat("TPT-19")
def test_only_the_announced_ports_are_open() -> None:
    async def scenario() -> None:
        before = listening()
        async with running() as bed:
            assert listening() - before == {("tcp6", bed.plain_port), ("udp6", bed.station.sdp_port)}

    play(scenario)


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


# --- order -------------------------------------------------------------------------------------------------

_COMMON: dict[str, set[type]] = {
    "setup": {iso2.SessionSetupReq},
    "discovery": {iso2.ServiceDiscoveryReq},
    "selection": {iso2.ServiceDetailReq, iso2.PaymentServiceSelectionReq},
    "authorization": {iso2.AuthorizationReq},
    "parameters": {iso2.ChargeParameterDiscoveryReq},
    "power on": {iso2.PowerDeliveryReq},
}
LEGAL: dict[tuple[bool, str], set[type]] = {
    **{(dc, point): classes for dc in (False, True) for point, classes in _COMMON.items()},
    (False, "first loop"): {iso2.ChargingStatusReq},
    (False, "loop"): {iso2.ChargingStatusReq, iso2.PowerDeliveryReq},
    (False, "stopped"): {iso2.SessionStopReq},
    (True, "cable check"): {iso2.CableCheckReq},
    (True, "pre-charge"): {iso2.PreChargeReq},
    (True, "power on"): {iso2.PreChargeReq, iso2.PowerDeliveryReq},
    (True, "first loop"): {iso2.CurrentDemandReq},
    (True, "loop"): {iso2.CurrentDemandReq, iso2.PowerDeliveryReq},
    (True, "stopped"): {iso2.WeldingDetectionReq, iso2.SessionStopReq, iso2.ChargeParameterDiscoveryReq},
}
"""What may come at each point, from the list of requirements and not from the station's table."""


@pytest.mark.threat("SEQ-01", "SEQ-04", "SEQ-06")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
def test_each_request_at_each_point_is_taken_or_refused_as_listed(dc: bool, point: str) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc) as bed:
            for kind, body in r.EACH.items():
                if kind in LEGAL[dc, point]:
                    continue
                bed.outlet.pilot = ControlPilot.B
                car = await at(bed, point, dc=dc)
                before = len(bed.outlet.calls)
                await refused_and_closed(car, body, SEQUENCE)
                await bed.until_idle()
                done = bed.outlet.calls[before:]
                assert not [call for call in done if call.startswith(("close", "check"))], (kind, done)

    play(scenario)


@pytest.mark.threat("SEQ-02", "SEQ-03")
@pytest.mark.parametrize(("dc", "point"), sorted(one for one in LEGAL if one[1] != "setup"))
def test_another_session_id_is_unknown_at_every_point(dc: bool, point: str) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc) as bed:
            for wrong in (
                lambda right: right[:7] + bytes([right[7] ^ 4]),
                lambda _: bytes(8),
                lambda right: right[:7],
            ):
                bed.outlet.pilot = ControlPilot.B
                car = await at(bed, point, dc=dc)
                car.session_id = wrong(car.session_id)
                await refused_and_closed(car, due(point, dc=dc), UNKNOWN)
                await bed.until_idle()

    play(scenario)


@pytest.mark.threat("SEQ-05")
@pytest.mark.parametrize("dc", [False, True])
def test_a_start_without_authorization_moves_nothing(dc: bool) -> None:
    async def scenario() -> None:
        async with attacked(
            dc=dc, backend=GrantingBackend(granted=False), timing={"authorization": 0.2}
        ) as bed:
            bed.outlet.pilot = ControlPilot.C
            car = await at(bed, "authorization", dc=dc)
            await refused_and_closed(car, r.start(), SEQUENCE)
            await bed.until_idle()

    play(scenario)


@pytest.mark.threat("SEQ-07")
@pytest.mark.parametrize("dc", [False, True])
def test_a_renegotiation_before_any_start_fails(dc: bool) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc) as bed:
            car = await at(bed, "power on", dc=dc)
            await refused_and_closed(car, r.renegotiate(), "FAILED")
            assert "close_contactor" not in bed.outlet.calls

    play(scenario)


@pytest.mark.threat("SEQ-08")
@pytest.mark.parametrize("point", ["setup", "discovery", "selection", "loop"])
def test_a_second_handshake_closes_and_switches_nothing(point: str) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, point)
            await car.send(OFFER)
            assert await car.answer() == "closed"
            car.close()

    play(scenario)


@pytest.mark.threat("SEQ-09")
def test_only_unknown_protocols_are_told_and_closed() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await Car.connect(bed.plain_port)
            assert await agreed(car, ("urn:x", 1, 1, 1), ("urn:y", 2, 2, 2)) == ("Failed_NoNegotiation", None)
            assert await car.at_end()
            car.close()

    play(scenario)


ISO2 = "urn:iso:15118:2:2013:MsgDef"


@pytest.mark.threat("SEQ-10")
@pytest.mark.parametrize(
    ("entries", "schema_id"),
    [
        ((("urn:x", 1, 5, 1), (ISO2, 2, 6, 20)), 6),
        (((ISO2, 2, 6, 20), ("urn:x", 1, 5, 1)), 6),
        (((ISO2, 2, 6, 3), (ISO2, 2, 7, 2)), 7),
        (((ISO2, 2, 6, 2), (ISO2, 2, 7, 2)), 6),
        ((("urn:x", 1, 9, 1), (ISO2, 2, 9, 2)), 9),
    ],
)
def test_the_best_supported_priority_is_taken_always(
    entries: tuple[tuple[str, int, int, int], ...], schema_id: int
) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            for _ in range(3):
                car = await Car.connect(bed.plain_port)
                assert await agreed(car, *entries) == ("OK_SuccessfulNegotiation", schema_id)
                car.close()
                await bed.until_idle()

    play(scenario)


async def agreed(car: Car, *entries: tuple[str, int, int, int]) -> tuple[str, int | None]:
    """Namespace, major version, SchemaID and priority of each; code and SchemaID of the answer."""
    offer = SupportedAppProtocolReq(
        app_protocol=tuple(
            AppProtocol(
                protocol_namespace=namespace,
                version_number_major=major,
                version_number_minor=0,
                schema_id=schema_id,
                priority=priority,
            )
            for namespace, major, schema_id, priority in entries
        )
    )
    await car.send(exi.APP_PROTOCOL.encode(offer))
    payload = await car.next_payload()
    assert payload is not None
    answer = exi.APP_PROTOCOL.decode(payload)
    return answer.response_code.value, answer.schema_id


class Undecided(GrantingBackend):
    """Never says anything."""

    async def authorize_external(self, evse_id: str) -> bool:
        await asyncio.Event().wait()
        return True


@pytest.mark.threat("SEQ-11")
def test_polling_for_an_authorization_is_bounded() -> None:
    async def scenario() -> None:
        backend = Undecided(granted=False)
        async with attacked(backend=backend, timing={"authorization": 0.3}) as bed:
            car = await at(bed, "authorization")
            codes = []
            while (code := await car.ask(r.authorization())) == "OK":
                codes.append(code)
            assert code == "FAILED"
            assert len(codes) > 10
            assert await car.at_end()
            car.close()

    play(scenario)


class Stuck(RecordingOutlet):
    """An isolation test that never ends, and a voltage that never comes."""

    async def check_cable(self, max_voltage: float):  # type: ignore[no-untyped-def]
        await self._called("check_cable")
        await asyncio.Event().wait()


@pytest.mark.threat("SEQ-12")
@pytest.mark.parametrize(
    ("point", "timers"),
    [("cable check", {"cable_check": 0.3}), ("pre-charge", {"pre_charge": 0.2, "pre_charge_total": 0.3})],
)
def test_polling_in_front_of_the_output_is_bounded_and_ends_off(point: str, timers: dict[str, float]) -> None:
    async def scenario() -> None:
        outlet = Stuck() if point == "cable check" else None
        async with attacked(dc=True, outlet=outlet, timing={"controller_call": 2.0, **timers}) as bed:
            car = await at(bed, point, dc=True)
            bed.outlet.pilot = ControlPilot.C
            answers = [await car.ask(due(point, dc=True))]
            while answers[-1] == "OK":
                answers.append(await car.ask(due(point, dc=True)))
            assert answers[-1] == "FAILED"
            assert await car.at_end()
            car.close()

    play(scenario)


@pytest.mark.threat("SEQ-13", "SEQ-14", "SEQ-15")
@pytest.mark.parametrize(
    ("how", "change", "code"),
    [
        (ChargingSession.PAUSE, "same", "OK_OldSessionJoined"),
        (ChargingSession.PAUSE, "other", "OK_NewSessionEstablished"),
        (ChargingSession.TERMINATE, "same", "OK_NewSessionEstablished"),
    ],
)
def test_only_a_paused_session_is_joined_and_with_the_output_off(
    how: ChargingSession, change: str, code: str
) -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "stopped")
            before = car.session_id
            assert await car.ask(r.session_stop(how)) == "OK"
            car.close()
            await bed.until_idle()
            calls = len(bed.outlet.calls)
            again = await at(bed, "setup")
            again.session_id = before if change == "same" else bytes(range(1, 9))
            proposed = again.session_id
            assert await again.ask(r.session_setup()) == code
            assert (again.session_id == before) is (code == "OK_OldSessionJoined")
            assert again.session_id != bytes(8)
            if code != "OK_OldSessionJoined":
                assert again.session_id != proposed
            await reach_after_setup(again)
            assert not [call for call in bed.outlet.calls[calls:] if call == "close_contactor"]
            again.close()

    play(scenario)


async def reach_after_setup(car: Car) -> None:
    """As far as the parameters: nothing is inherited, an authorization is needed again."""
    for body in (r.service_discovery(), r.payment_selection(), r.authorization()):
        assert await car.ask(body) == "OK"


@pytest.mark.threat("SEQ-16")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
def test_silence_at_any_point_ends_with_the_output_off(dc: bool, point: str) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc, timing={"sequence": 0.25, "communication_setup": 5.0}) as bed:
            car = await at(bed, point, dc=dc)
            assert await car.at_end()
            car.close()

    play(scenario)


@pytest.mark.threat("SEQ-17")
@pytest.mark.parametrize(("dc", "point"), sorted(LEGAL))
def test_a_session_stop_at_any_point_ends_with_the_output_off(dc: bool, point: str) -> None:
    async def scenario() -> None:
        async with attacked(dc=dc) as bed:
            car = await at(bed, point, dc=dc)
            expected = "OK" if point == "stopped" else SEQUENCE
            assert await car.ask(r.session_stop()) == expected
            assert await car.at_end()
            car.close()

    play(scenario)


@pytest.mark.threat("SEQ-18")
def test_orders_of_the_owner_out_of_order_move_nothing() -> None:
    async def scenario() -> None:
        async with attacked() as bed:
            orders: list[Callable[[Bed], None]] = [
                lambda b: b.station.stop_charging(),
                lambda b: b.station.renegotiate(),
                lambda b: b.station.limit_power(-1.0),
                lambda b: b.station.withdraw_authorization(),
                lambda b: b.station.reset_fault(),
                lambda b: b.station.limit_power(None),
            ]
            for order in orders:
                order(bed)
            await asyncio.sleep(0.02)
            assert bed.outlet.calls == ["make_safe"]

    play(scenario)


def test_a_good_session_closes_the_contactor_once() -> None:
    """The trace of a whole good session, for comparison."""

    async def scenario() -> None:
        async with attacked() as bed:
            car = await at(bed, "stopped")
            assert await car.ask(r.session_stop()) == "OK"
            car.close()
            await bed.until_idle()
            assert bed.outlet.calls == ["make_safe", "close_contactor", *["open_contactor"] * 2, "make_safe"]

    play(scenario)


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
