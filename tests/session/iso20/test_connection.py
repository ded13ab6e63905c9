"""Whole sessions of ISO 15118-20 through the connection: bytes in, bytes out."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from secc import payloads
from secc.connection import Close, Connection, ConnectionOutput, Data, Write
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.messages.app_protocol import ResponseCode as SapCode
from secc.session.inputs import AuthorizationDecided, CableCheckReported, ContactorReported, Tick
from secc.session.iso20.states import Iso20State
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import Authorize, CloseContactor, EndReason, EndSession, SetOutput, StartCableCheck
from secc.settings import ProtocolName, SeccConfig
from secc.v2gtp import ISO20_TYPES, FrameAssembler, PayloadType, frame
from tests.support import iso20 as r
from tests.support.bench import counting_bytes
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, addressed, code
from tests.support.iso20_config import with_iso20
from tests.support.vehicles import vehicle_identity

AC_NAME, DC_NAME = "urn:iso:std:iso:15118:-20:AC", "urn:iso:std:iso:15118:-20:DC"


class Car:
    """Exchanges bytes with a connection whose outlet does as commanded."""

    def __init__(self, config: SeccConfig, **session: Any) -> None:
        self.config = dataclasses.replace(config, protocols=(ProtocolName.ISO15118_20,))
        self.now = 1000.0
        self.evse = EvseSnapshot(control_pilot=ControlPilot.C, utc=1_700_000_000)
        secure: dict[str, Any] = {"tls": True, "tls13": True, "vehicle": vehicle_identity()} | session
        made = Session(self.config, random_bytes=counting_bytes(), snapshot=self.evse, now=self.now, **secure)
        self.connection = Connection(made)
        self.outputs: list[ConnectionOutput] = []
        self.energy = "iso20-dc" if config.energy.offers_dc else "iso20-ac"
        self.payloads = payloads.iso20(self.energy)

    @property
    def session(self) -> Session:
        return self.connection.session

    def handshake(self) -> Any:
        name = DC_NAME if self.energy == "iso20-dc" else AC_NAME
        entry = AppProtocol(
            protocol_namespace=name,
            version_number_major=1,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        return self.send(payloads.HANDSHAKE.encode(SupportedAppProtocolReq(app_protocol=(entry,))))

    def ask(self, request: Any) -> Any:
        request = addressed(request, self.session.session_id)
        return self.send(self.payloads.encode(request))

    def send(self, data: bytes) -> Any:
        """One byte after the other; the message that is answered, however late."""
        self.now += 0.06
        before = len(self.outputs)
        for octet in data:
            self._take(self.connection.handle(Data(bytes([octet]), self.evse), self.now))
        writes = [output for output in self.outputs[before:] if isinstance(output, Write)]
        return writes[-1].message if writes else None

    def _take(self, outputs: tuple[ConnectionOutput, ...]) -> None:
        self.outputs += outputs
        for output in outputs:
            match output:
                case SetOutput(voltage, current):
                    self.evse = msgspec.structs.replace(
                        self.evse, present_voltage=380.0 if voltage else 0.0, present_current=current
                    )
                case Authorize(ticket):
                    self._take(self.connection.handle(AuthorizationDecided(ticket, True), self.now))
                case StartCableCheck(ticket):
                    report = CableCheckReported(ticket, IsolationLevel.VALID)
                    self._take(self.connection.handle(report, self.now))
                case CloseContactor(ticket):
                    self.evse = msgspec.structs.replace(self.evse, contactor_closed=True)
                    self._take(self.connection.handle(ContactorReported(ticket, True), self.now))
                case _:
                    pass

    def play(self, *requests: Any) -> list[str]:
        return [code(self.ask(request)) for request in requests]


def _until_parameters(service: int, parameter_set: int) -> tuple[Any, ...]:
    return (
        r.session_setup(),
        r.authorization_setup(),
        r.authorization(),
        r.authorization(),
        r.service_discovery(),
        r.service_detail(service),
        r.selection(service, parameter_set),
    )


DC_MIDDLE = (r.cable_check(), r.cable_check(), r.pre_charge())
DC_END = (r.stop(), r.welding(), r.session_stop())
AC_END = (r.stop(), r.session_stop())
SESSIONS: dict[str, tuple[SeccConfig, tuple[Any, ...]]] = {
    "DC Scheduled": (
        DC,
        (
            *_until_parameters(2, 1),
            r.dc_parameters(),
            r.scheduled(),
            *DC_MIDDLE,
            r.start(),
            r.dc_loop(),
            *DC_END,
        ),
    ),
    "DC Dynamic": (
        DC,
        (
            *(*_until_parameters(2, 2), r.dc_parameters(), r.dynamic(), *DC_MIDDLE, r.dynamic_start()),
            *(r.dc_dynamic_loop(), r.dc_dynamic_loop(), *DC_END),
        ),
    ),
    "DC_BPT Scheduled": (
        DC_BPT,
        (
            *(*_until_parameters(6, 1), r.dc_bpt_parameters(), r.scheduled(), *DC_MIDDLE, r.start()),
            *(r.dc_bpt_loop(), r.dc_bpt_loop(400, -20), *DC_END),
        ),
    ),
    "DC_BPT Dynamic": (
        DC_BPT,
        (
            *(*_until_parameters(6, 2), r.dc_bpt_parameters(), r.dynamic(), *DC_MIDDLE, r.dynamic_start()),
            *(r.dc_bpt_dynamic_loop(), *DC_END),
        ),
    ),
    "AC Scheduled": (
        AC,
        (*_until_parameters(1, 1), r.ac_parameters(), r.scheduled(), r.start(), r.ac_loop(), *AC_END),
    ),
    "AC Dynamic": (
        AC,
        (
            *(*_until_parameters(1, 2), r.ac_parameters(), r.dynamic(), r.dynamic_start()),
            *(r.ac_dynamic_loop(), *AC_END),
        ),
    ),
    "AC_BPT Scheduled": (
        AC_BPT,
        (*_until_parameters(5, 1), r.ac_bpt_parameters(), r.scheduled(), r.start(), r.ac_bpt_loop(), *AC_END),
    ),
    "AC_BPT Dynamic": (
        AC_BPT,
        (
            *(*_until_parameters(5, 2), r.ac_bpt_parameters(), r.dynamic(), r.dynamic_start()),
            *(r.ac_bpt_dynamic_loop(), *AC_END),
        ),
    ),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_whole_session_in_bytes(name: str) -> None:
    config, requests = SESSIONS[name]
    car = Car(config)
    assert car.handshake().response_code is SapCode.OK_SUCCESSFUL_NEGOTIATION
    codes = car.play(*requests)
    assert codes == ["OK_NewSessionEstablished", *["OK"] * (len(requests) - 1)]
    ends = [output for output in car.outputs if isinstance(output, EndSession)]
    assert [end.reason for end in ends] == [EndReason.TERMINATED]
    assert any(isinstance(output, Close) for output in car.outputs)


def test_each_message_travels_in_the_payload_type_of_its_set() -> None:
    config, requests = SESSIONS["DC Scheduled"]
    car = Car(config)
    car.handshake()
    car.play(*requests)
    frames = FrameAssembler(more=car.payloads.types)
    data = b"".join(output.data for output in car.outputs if isinstance(output, Write))
    types = [found.payload_type for found in frames.feed(data)]
    assert types[0] == PayloadType.EXI
    assert set(types[1:]) == {PayloadType.ISO20_COMMON, PayloadType.ISO20_DC}


# --- the pace of the loop, and streams beside it ---


def in_loop(config: SeccConfig = DC) -> Car:
    """A DC car after its first ChargeLoopReq."""
    car = Car(config)
    car.handshake()
    car.play(*_until_parameters(2, 1), r.dc_parameters(), r.scheduled(), *DC_MIDDLE, r.start(), r.dc_loop())
    return car


def framed(car: Car, request: Any, payload_type: int | None = None) -> bytes:
    return car.payloads.encode(addressed(request, car.session.session_id), payload_type)


def written(outputs: tuple[ConnectionOutput, ...]) -> list[str]:
    return [type(output.message).__name__ for output in outputs if isinstance(output, Write)]


def fed(car: Car, data: bytes, seconds: float) -> list[str]:
    """The responses to all these bytes at once, so long after the last input."""
    car.now += seconds
    return written(car.connection.handle(Data(data, car.evse), car.now))


def ticked(car: Car, seconds: float) -> list[str]:
    car.now += seconds
    outputs = car.connection.handle(Tick(car.evse), car.now)
    car.outputs += outputs
    return written(outputs)


def test_a_response_of_the_loop_leaves_no_sooner_than_the_pace_after_the_one_before() -> None:
    car = in_loop()
    assert fed(car, framed(car, r.dc_loop()), 0.01) == []
    assert car.connection.deadline == pytest.approx(car.now + 0.04)
    assert ticked(car, 0.039) == []
    assert ticked(car, 0.001) == ["DCChargeLoopRes"]
    assert fed(car, framed(car, r.dc_loop()), 0.06) == ["DCChargeLoopRes"]  # late enough by itself


def test_the_pace_of_the_loop_may_be_off() -> None:
    car = in_loop(with_iso20(DC, loop_pace=0.0))
    assert fed(car, framed(car, r.dc_loop()), 0.0) == ["DCChargeLoopRes"]


@pytest.mark.req("V2G20-435", "V2G20-1502")
def test_the_time_of_the_ev_counts_from_the_moment_the_response_leaves() -> None:
    car = in_loop(with_iso20(DC, loop_pace=0.2, loop_timeout=0.5, demand_age=0.5))
    assert fed(car, framed(car, r.dc_loop()), 0.05) == []
    assert ticked(car, 0.1501) == ["DCChargeLoopRes"]
    assert [ticked(car, 0.12) for _ in range(4)] == [[]] * 4
    assert not car.session.state.ended
    ticked(car, 0.03)
    assert [end.reason for end in car.outputs if isinstance(end, EndSession)] == [EndReason.SEQUENCE_TIMEOUT]


def test_a_flood_of_requests_of_the_loop_is_answered_at_the_pace_and_ends() -> None:
    car = in_loop()
    assert fed(car, framed(car, r.dc_loop()) * 8, 0.01) == []
    assert [ticked(car, 0.05) for _ in range(8)] == [["DCChargeLoopRes"]] * 8
    fed(car, framed(car, r.dc_loop()) * 10, 0.01)
    assert car.session.state.ended


SCHEDULE = PayloadType.ISO20_SCHEDULE


@pytest.mark.req("V2G20-1045")
def test_both_streams_are_answered_while_the_other_is_held_back() -> None:
    car = in_loop()
    both = framed(car, r.dc_loop()) + framed(car, r.dc_parameters(), SCHEDULE)
    assert fed(car, both, 0.01) == ["DCChargeParameterDiscoveryRes"]
    assert ticked(car, 0.04) == ["DCChargeLoopRes"]
    assert fed(car, framed(car, r.dc_loop()) + framed(car, r.scheduled(), SCHEDULE), 0.0) == []
    assert ticked(car, 0.01) == ["ScheduleExchangeRes"]
    assert ticked(car, 0.04) == ["DCChargeLoopRes"]


def types_of(outputs: tuple[ConnectionOutput, ...]) -> list[int]:
    return [
        found.payload_type
        for output in outputs
        if isinstance(output, Write)
        for found in FrameAssembler(more=ISO20_TYPES).feed(output.data)
    ]


@pytest.mark.req("V2G20-1045")
def test_an_answer_travels_in_the_payload_type_of_its_request() -> None:
    car = in_loop()
    car.now += 0.1
    request = framed(car, r.dc_parameters(), SCHEDULE)
    assert types_of(car.connection.handle(Data(request, car.evse), car.now)) == [SCHEDULE]


def test_two_requests_at_once_on_the_side_stream_are_one_after_the_other() -> None:
    car = in_loop()
    car.now += 0.1
    twice = framed(car, r.dc_parameters(), SCHEDULE) * 2
    outputs = car.connection.handle(Data(twice, car.evse), car.now)
    codes = [code(output.message) for output in outputs if isinstance(output, Write)]
    assert codes == ["OK", "FAILED_SequenceError"]
    assert car.session.state.ended


@pytest.mark.parametrize("payload", [b"\x80", b"\xff" * 40, b"\x80\x00\x00"], ids=repr)
def test_an_undecodable_message_beside_the_loop_is_ignored(payload: bytes) -> None:
    car = in_loop()
    for payload_type in (SCHEDULE, PayloadType.ISO20_METERING):
        assert fed(car, frame(payload, payload_type), 0.1) == []
        assert fed(car, framed(car, r.dc_loop()), 0.1) == ["DCChargeLoopRes"]


def test_many_undecodable_messages_beside_the_loop_end_the_session() -> None:
    car = in_loop()
    noise = frame(b"\xff", SCHEDULE)
    fed(car, noise * 16, 0.1)
    assert not car.session.state.ended
    fed(car, noise, 0.1)
    assert car.session.state.ended


def test_a_flood_beside_the_loop_does_not_hold_up_the_loop_and_is_bounded() -> None:
    car = in_loop()
    fed(car, framed(car, r.dc_parameters(), SCHEDULE), 0.1)
    flood = framed(car, r.scheduled(), SCHEDULE) * 10
    assert fed(car, flood + framed(car, r.dc_loop()), 0.01) == ["DCChargeLoopRes"]
    assert not car.session.state.ended
    fed(car, flood * 2, 0.001)
    assert car.session.state.ended


def test_large_requests_are_read_beside_the_loop_only_where_they_may_come() -> None:
    entries = tuple((1, 10_000.0) for _ in range(2000))
    large = r.renegotiate(r.profile(*entries))
    car = in_loop()
    assert len(framed(car, large)) > 8192
    fed(car, framed(car, large, SCHEDULE), 0.1)
    assert not car.session.state.ended  # too large here: ignored
    for request in (r.dc_parameters(), r.scheduled()):
        fed(car, framed(car, request, SCHEDULE), 0.1)
    assert fed(car, framed(car, large, SCHEDULE), 0.1) == ["PowerDeliveryRes"]
    assert car.session.state is Iso20State.WAIT_LOOP_DC


@pytest.mark.req("V2G20-1235", "V2G20-2356")
def test_without_mutual_tls_13_it_is_not_chosen_and_not_spoken() -> None:
    for security in ({"tls": False, "tls13": False, "vehicle": None}, {"tls13": False}, {"vehicle": None}):
        car = Car(DC, **security)
        assert car.handshake().response_code is SapCode.FAILED_NO_NEGOTIATION
        from secc.session.iso20.table import ISO20_DC
        from tests.support.iso20 import Bench20

        bench = Bench20(DC, **security)
        assert bench.session.dialect is ISO20_DC
        assert code(bench.ask(r.session_setup(), bytes(8))) == "FAILED"
        assert bench.ended
