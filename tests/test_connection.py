"""Connection: frames, documents and the handshake around a session."""

import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc import exi
from secc.connection import (
    Close,
    Connection,
    ConnectionInput,
    ConnectionOutput,
    Data,
    EndOfStream,
    Heard,
    Write,
)
from secc.messages.app_protocol import AppProtocol, SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.messages.app_protocol import ResponseCode as SapCode
from secc.messages.iso2 import BodyElement, SessionStopRes
from secc.messages.iso2 import ResponseCode as Code
from secc.session.din.table import DIN
from secc.session.inputs import AuthorizationDecided, ContactorReported, Tick
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot, MeterReading
from secc.session.outputs import Authorize, CloseContactor, EndReason, EndSession, OpenContactor
from secc.settings import ProtocolName, SeccConfig, TimingConfig
from secc.v2gtp import ISO20_TYPES, FrameAssembler, frame
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, Clock, code, counting_bytes
from tests.support.wire import offer

ISO2 = AppProtocol(
    protocol_namespace="urn:iso:15118:2:2013:MsgDef",
    version_number_major=2,
    version_number_minor=0,
    schema_id=1,
    priority=1,
)
HANDSHAKE = frame(exi.APP_PROTOCOL.encode(SupportedAppProtocolReq(app_protocol=(ISO2,))))
ID = bytes.fromhex("0000000000000001")


DIN_NAME, ISO_NAME = "urn:din:70121:2012:MsgDef", "urn:iso:15118:2:2013:MsgDef"
DIN_FIRST, ISO_FIRST, DIN_ONLY = offer(DIN_NAME, ISO_NAME), offer(ISO_NAME, DIN_NAME), offer(DIN_NAME)


def packed(body: BodyElement | None, session_id: bytes = ID) -> bytes:
    return frame(exi.ISO2.encode(r.message(session_id, body)))


class Wire:
    """A connection on the bench."""

    def __init__(
        self, config: SeccConfig = AC, pilot: ControlPilot = ControlPilot.C, *, tls: bool = False
    ) -> None:
        self.clock = Clock()
        self.evse = EvseSnapshot(control_pilot=pilot)
        session = Session(
            config, random_bytes=counting_bytes(), snapshot=self.evse, now=self.clock.now, tls=tls
        )
        self.connection = Connection(session)
        self.outputs: list[ConnectionOutput] = []

    def feed(self, event: ConnectionInput) -> tuple[ConnectionOutput, ...]:
        outputs = self.connection.handle(event, self.clock.now)
        self.outputs += outputs
        return outputs

    def data(self, data: bytes) -> list[str]:
        """Bytes in; codes of the responses that come at once."""
        return codes(self.feed(Data(data, self.evse)))

    def tick(self, seconds: float) -> tuple[ConnectionOutput, ...]:
        self.clock.advance(seconds)
        return self.feed(Tick(self.evse))

    @property
    def close(self) -> Close | None:
        return next((output for output in self.outputs if isinstance(output, Close)), None)

    @property
    def reason(self) -> EndReason | None:
        return next((output.reason for output in self.outputs if isinstance(output, EndSession)), None)


def codes(outputs: tuple[ConnectionOutput, ...]) -> list[str]:
    found = []
    for output in outputs:
        if isinstance(output, Write):
            message = output.message
            found.append(code(getattr(message, "body", message)))
    return found


GOOD = [
    (HANDSHAKE, "OK_SuccessfulNegotiation"),
    (packed(r.session_setup(), b"\0"), "OK_NewSessionEstablished"),
    (packed(r.service_discovery()), "OK"),
    (packed(r.payment_selection()), "OK"),
    (packed(r.authorization()), "OK"),
    (packed(r.session_stop()), "OK"),
]
STREAM = b"".join(data for data, _ in GOOD)
ANSWERS = [answer for _, answer in GOOD]


def test_session_message_by_message() -> None:
    wire = Wire()
    assert [wire.data(data) for data, _ in GOOD] == [[answer] for answer in ANSWERS]
    assert wire.close == Close(2.0)
    assert wire.reason is EndReason.TERMINATED


@pytest.mark.inv("INV-34")
def test_written_bytes_are_the_framed_document_of_the_message() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    (write,) = [output for output in wire.outputs if isinstance(output, Write)]
    assert write.message == SupportedAppProtocolRes(
        response_code=write.message.response_code,  # type: ignore[attr-defined]
        schema_id=1,
    )
    assert write.data == frame(exi.APP_PROTOCOL.encode(write.message))


def test_decoded_messages_are_reported_for_the_record() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.outputs[0] == Heard(SupportedAppProtocolReq(app_protocol=(ISO2,)))


def test_all_messages_in_one_segment_are_answered_in_order() -> None:
    assert Wire().data(STREAM) == ANSWERS


def test_byte_by_byte_gives_the_same_answers() -> None:
    wire = Wire()
    answers = []
    for byte in STREAM:
        answers += wire.data(bytes([byte]))
    assert answers == ANSWERS


@pytest.mark.parametrize("cut", range(1, len(STREAM), 7))
def test_every_cut_gives_the_same_answers(cut: int) -> None:
    wire = Wire()
    assert wire.data(STREAM[:cut]) + wire.data(STREAM[cut:]) == ANSWERS


# --- payload types ---


@pytest.mark.req("V2G2-800")
@pytest.mark.parametrize("payload_type", ISO20_TYPES)
def test_types_of_iso_15118_20_are_ignored_in_other_protocols(payload_type: int) -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.data(frame(b"\x80\x00", payload_type) + packed(r.session_setup(), b"\0")) == [
        "OK_NewSessionEstablished"
    ]


def with_two_types() -> Connection:
    """A connection that knows a second payload type, which the protocol in use does not have."""
    wire = Wire()
    connection = wire.connection
    connection._frames = FrameAssembler(more=(0x8002,))
    connection.handle(Data(HANDSHAKE, wire.evse), 0.0)
    return connection


def test_a_frame_without_use_is_ignored_and_the_next_message_counts() -> None:
    connection, evse = with_two_types(), EvseSnapshot(control_pilot=ControlPilot.C)
    stray = frame(b"\x80", 0x8002)
    outputs = connection.handle(Data(stray + packed(r.session_setup(), b"\0"), evse), 0.0)
    assert codes(outputs) == ["OK_NewSessionEstablished"]


def test_the_seventeenth_frame_without_use_closes() -> None:
    connection, evse = with_two_types(), EvseSnapshot(control_pilot=ControlPilot.C)
    stray = frame(b"\x80", 0x8002)
    for _ in range(16):
        connection.handle(Data(stray, evse), 0.0)
    assert not connection.closed
    outputs = connection.handle(Data(stray, evse), 0.0)
    assert connection.closed
    assert any(isinstance(one, EndSession) and "more than 16 headers" in one.detail for one in outputs)


def test_a_large_payload_is_refused_in_a_state_without_large_requests() -> None:
    wire = Wire()
    wire.connection._frames = FrameAssembler(max_payload=65536)
    wire.data(HANDSHAKE)
    assert wire.data(frame(bytes(8193))) == []
    assert wire.reason is EndReason.PROTOCOL_ERROR
    assert any("expected at most 8192" in str(output) for output in wire.outputs)


def test_a_response_of_the_ev_ends_the_session() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    wire.data(packed(SessionStopRes(response_code=Code.OK)))
    assert wire.reason is EndReason.PROTOCOL_ERROR
    assert wire.close == Close(0.0)


# --- handshake ---


@pytest.mark.req("V2G2-172", "V2G2-540")
def test_no_common_protocol_is_answered_then_closed() -> None:
    wire = Wire()
    other = AppProtocol(
        protocol_namespace="urn:tesla:din:2018:MsgDef",
        version_number_major=2,
        version_number_minor=0,
        schema_id=0,
        priority=1,
    )
    offer = SupportedAppProtocolReq(app_protocol=(other,))
    assert wire.data(frame(exi.APP_PROTOCOL.encode(offer))) == ["Failed_NoNegotiation"]
    assert wire.close == Close(2.0)
    assert wire.reason is EndReason.NO_PROTOCOL


@pytest.mark.req("V2G2-169", "V2G-DC-869")
@pytest.mark.parametrize(
    ("config", "tls", "ranks", "chosen"),
    [
        (DC, False, DIN_FIRST, "DIN SPEC 70121"),
        (DC, False, ISO_FIRST, "ISO 15118-2"),
        (DC, False, DIN_ONLY, "DIN SPEC 70121"),
        (DC, True, DIN_FIRST, "ISO 15118-2"),
        (DC, True, DIN_ONLY, None),
        (AC, False, DIN_FIRST, "ISO 15118-2"),
        (AC, False, DIN_ONLY, None),
        (dataclasses.replace(DC, protocols=(ProtocolName.ISO15118_2,)), False, DIN_FIRST, "ISO 15118-2"),
        (dataclasses.replace(DC, protocols=(ProtocolName.DIN70121,)), False, ISO_FIRST, "DIN SPEC 70121"),
    ],
)
def test_protocol_is_what_the_ev_ranks_highest_of_what_is_offered_here(
    config: SeccConfig, tls: bool, ranks: bytes, chosen: str | None
) -> None:
    wire = Wire(config, tls=tls)
    answers = wire.data(frame(ranks))
    if chosen is None:
        assert answers == ["Failed_NoNegotiation"]
        assert wire.reason is EndReason.NO_PROTOCOL
    else:
        assert answers == ["OK_SuccessfulNegotiation"]
        assert wire.connection.session.dialect.name == chosen


def test_each_protocol_is_decoded_by_its_grammar() -> None:
    din_setup = frame(exi.codec("din").encode(d.message(b"\0", d.session_setup())))
    iso_setup = packed(r.session_setup(), b"\0")
    spoken = [(DIN_FIRST, din_setup), (ISO_FIRST, iso_setup)]
    for ranks, setup in spoken:
        wire = Wire(DC)
        wire.data(frame(ranks))
        assert wire.data(setup) == ["OK_NewSessionEstablished"]
    for ranks, setup in [(DIN_FIRST, iso_setup), (ISO_FIRST, din_setup)]:
        wire = Wire(DC)
        wire.data(frame(ranks))
        assert wire.data(setup) == []
        assert wire.reason is EndReason.PROTOCOL_ERROR


def test_a_protocol_cannot_be_chosen_in_the_middle() -> None:
    wire = Wire(DC)
    wire.data(frame(ISO_FIRST))
    wire.data(packed(r.session_setup(), b"\0"))
    with pytest.raises(RuntimeError, match="DIN SPEC 70121 is too late"):
        wire.connection.session.speak(DIN)


@pytest.mark.req("V2G2-536")
def test_second_handshake_closes_without_switching() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.data(HANDSHAKE) == []
    assert wire.close == Close(0.0)


@pytest.mark.req("V2G2-536")
def test_session_message_before_the_handshake_closes() -> None:
    wire = Wire()
    assert wire.data(packed(r.session_setup(), b"\0")) == []
    assert wire.close == Close(0.0)
    assert wire.reason is EndReason.PROTOCOL_ERROR


def test_silence_after_connecting_closes_after_18_seconds() -> None:
    wire = Wire()
    assert wire.connection.deadline == 1018.0
    wire.tick(18.0)
    assert wire.close == Close(0.0)
    assert wire.reason is EndReason.SETUP_TIMEOUT


# --- bad bytes ---


@pytest.mark.req("V2G2-538", "V2G2-034")
def test_unexpected_request_is_answered_and_the_connection_closes_later() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.data(packed(r.service_discovery())) == ["FAILED_SequenceError"]
    assert wire.close == Close(2.0)


def test_undecodable_document_closes_at_once() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.data(frame(bytes.fromhex("80ffffff"))) == []
    assert wire.close == Close(0.0)
    assert wire.reason is EndReason.PROTOCOL_ERROR


def test_response_sent_by_the_ev_closes_at_once() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    wire.data(packed(r.session_setup(), b"\0"))
    response = next(o for o in wire.outputs[::-1] if isinstance(o, Write))
    assert wire.data(response.data) == []
    assert wire.close == Close(0.0)


def test_handshake_response_sent_by_the_ev_closes_at_once() -> None:
    wire = Wire()
    no = SupportedAppProtocolRes(response_code=SapCode.FAILED_NO_NEGOTIATION)
    assert wire.data(frame(exi.APP_PROTOCOL.encode(no))) == []
    assert wire.reason is EndReason.PROTOCOL_ERROR


def test_response_that_cannot_be_encoded_ends_the_session_with_the_output_off() -> None:
    wire = Wire()
    in_charge(wire)
    wire.data(packed(r.start()))
    asked = next(o for o in wire.outputs if isinstance(o, CloseContactor))
    wire.feed(ContactorReported(asked.ticket, True))
    wire.evse = msgspec.structs.replace(wire.evse, meter=MeterReading("meter", 1, utc=2**70))
    assert wire.data(packed(r.charging_status())) == []
    assert OpenContactor() in wire.outputs
    assert wire.close == Close(0.0)


def test_answer_held_back_is_written_before_the_end() -> None:
    wire = Wire(dataclasses.replace(AC, timing=TimingConfig(minimum_pace=0.1)))
    wire.data(HANDSHAKE)
    wire.data(packed(r.session_setup(), b"\0"))
    outputs = wire.feed(EndOfStream())
    assert codes(outputs) == ["OK_NewSessionEstablished"]
    assert outputs[-1] == Close(0.0)


def test_frame_that_is_too_long_closes_after_what_came_before_it() -> None:
    wire = Wire()
    assert wire.data(HANDSHAKE + bytes.fromhex("01fe8001ffffffff")) == ["OK_SuccessfulNegotiation"]
    assert wire.close == Close(0.0)


def test_frame_in_drops_closes_after_five_seconds() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    for byte in HANDSHAKE[:5]:
        wire.data(bytes([byte]))
        wire.tick(1.0)
    assert wire.close == Close(0.0)


def test_ignored_headers_leave_the_session_alone() -> None:
    wire = Wire()
    wire.data(HANDSHAKE)
    assert wire.data(bytes.fromhex("01fe800100000000")) == []
    assert wire.data(packed(r.session_setup(), b"\0")) == ["OK_NewSessionEstablished"]


def test_nothing_has_an_effect_after_close() -> None:
    wire = Wire()
    wire.data(bytes.fromhex("1603010005010000"))
    assert wire.connection.closed
    assert wire.data(HANDSHAKE) == []
    assert wire.connection.deadline is None


# --- order ---


def in_charge(wire: Wire) -> None:
    """Up to the charge loop."""
    for data, _ in GOOD[:5]:
        wire.data(data)
    asked = next(o for o in wire.outputs if isinstance(o, Authorize))
    wire.feed(AuthorizationDecided(asked.ticket, True))
    wire.data(packed(r.authorization()))
    wire.data(packed(r.ac_parameters()))


@pytest.mark.threat("TPT-05", "TPT-10")
@pytest.mark.parametrize("start", ["02fd8001", "01fe8002", "01fe9000"])
def test_request_inside_the_payload_of_an_ignored_header_has_no_effect(start: str) -> None:
    wire = Wire()
    in_charge(wire)
    inside = packed(r.start())
    assert wire.data(bytes.fromhex(start + "00001000") + inside + bytes(4096 - len(inside))) == []
    assert not any(isinstance(output, CloseContactor) for output in wire.outputs)
    assert wire.data(packed(r.session_stop())) == ["OK"]


@pytest.mark.threat("TPT-03", "TPT-10")
@pytest.mark.parametrize("header", ["01fe800100000000aaaa8001ffffffff", "02fd8001ffffffff"])
def test_request_after_a_lost_boundary_has_no_effect_and_the_sequence_timer_ends_it(header: str) -> None:
    wire = Wire()
    in_charge(wire)
    assert wire.data(bytes.fromhex(header) + packed(r.start())) == []
    assert wire.data(packed(r.start())) == []
    assert not any(isinstance(output, CloseContactor) for output in wire.outputs)
    assert wire.close is None
    wire.tick(60.0)
    assert wire.reason is EndReason.SEQUENCE_TIMEOUT


def test_request_that_comes_while_an_answer_is_owed_is_handled_after_it() -> None:
    wire = Wire()
    in_charge(wire)
    assert wire.data(packed(r.start()) + packed(r.charging_status())) == []
    asked = next(o for o in wire.outputs if isinstance(o, CloseContactor))
    outputs = wire.feed(ContactorReported(asked.ticket, True))
    assert codes(outputs) == ["OK", "OK"]


def test_too_many_waiting_requests_close_with_the_contactor_open() -> None:
    wire = Wire()
    in_charge(wire)
    wire.data(packed(r.start()) + packed(r.charging_status()) * 9)
    assert wire.reason is EndReason.PROTOCOL_ERROR
    assert OpenContactor() in wire.outputs


def test_end_of_stream_in_charge_opens_the_contactor() -> None:
    wire = Wire()
    in_charge(wire)
    wire.data(packed(r.start()))
    outputs = wire.feed(EndOfStream())
    assert OpenContactor() in outputs
    assert outputs[-1] == Close(0.0)


def test_minimum_pace_holds_the_answer_back() -> None:
    wire = Wire(dataclasses.replace(AC, timing=TimingConfig(minimum_pace=0.1)))
    wire.data(HANDSHAKE)
    assert wire.data(packed(r.session_setup(), b"\0") + packed(r.service_discovery())) == []
    assert wire.connection.deadline == pytest.approx(1000.1)
    assert codes(wire.tick(0.1)) == ["OK_NewSessionEstablished"]
    assert codes(wire.tick(0.1)) == ["OK"]


def test_minimum_pace_does_not_hold_back_a_refusal() -> None:
    wire = Wire(dataclasses.replace(AC, timing=TimingConfig(minimum_pace=0.1)))
    wire.data(HANDSHAKE)
    assert wire.data(packed(r.service_discovery())) == ["FAILED_SequenceError"]


# --- any bytes ---


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_raise_nothing(chunks: list[bytes]) -> None:
    wire = Wire()
    for chunk in chunks:
        wire.data(chunk)
        wire.tick(0.1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=100), max_size=6), st.integers(0, 5))
def test_any_framed_documents_raise_nothing(documents: list[bytes], messages: int) -> None:
    wire = Wire()
    for data, _ in GOOD[:messages]:
        wire.data(data)
    for document in documents:
        wire.data(frame(b"\x80" + document))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_any_bit_flips_raise_nothing_and_energise_nothing(data: st.DataObject) -> None:
    wire = Wire()
    stream = bytearray(STREAM)
    for position in data.draw(st.lists(st.integers(0, len(STREAM) * 8 - 1), max_size=6)):
        stream[position // 8] ^= 1 << position % 8
    wire.data(bytes(stream))
    wire.tick(120.0)
    assert wire.connection.closed
    assert not any(isinstance(output, CloseContactor) for output in wire.outputs)
