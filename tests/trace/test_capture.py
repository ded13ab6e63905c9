"""Captures of the network: TCP put in order, V2GTP found in it."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.testpki import make
from secc import exi, payloads
from secc.cli import main
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolRes
from secc.messages.iso2 import V2GMessage
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.sim.player import Recording
from secc.slac import messages as m
from secc.slac.frames import Frame, encode
from secc.tls import TlsContext
from secc.trace import power_line
from secc.trace.as_test import write_capture_test
from secc.trace.capture import conversations, discovery, is_capture, matching
from secc.trace.chart import chart
from secc.trace.curve import svg
from secc.trace.form import TraceError
from secc.trace.summary import summarize_capture
from secc.trace.tls_records import read_keys
from secc.v2gtp import frame
from tests.support.recordings import dc_session

PKI = pathlib.Path(make.__file__).parent
EV, STATION = bytes.fromhex("fe80" + "00" * 13 + "01"), bytes.fromhex("fe80" + "00" * 13 + "02")


def segment(*, from_ev: bool, number: int, data: bytes = b"", flags: int = 0x10, port: int = 50000) -> bytes:
    """An Ethernet frame."""
    source, target = (EV, STATION) if from_ev else (STATION, EV)
    ports = (port, 61000) if from_ev else (61000, port)
    tcp = struct.pack(">HHIIBBHHH", *ports, number, 0, 0x50, flags, 1000, 0, 0) + data
    ip = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source + target
    return bytes(12) + b"\x86\xdd" + ip + tcp


def datagram(*, from_ev: bool, ports: tuple[int, int], data: bytes) -> bytes:
    """An Ethernet frame with UDP in it."""
    source, target = (EV, STATION) if from_ev else (STATION, EV)
    udp = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
    ip = struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + source + target
    return bytes(12) + b"\x86\xdd" + ip + udp


def pcap(*frames: tuple[float, bytes]) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack("<IIII", int(at), round(at % 1 * 1e6), len(data), len(data)) + data for at, data in frames
    )


def captured(recording: Recording) -> list[tuple[float, bytes]]:
    """A recording as packets, with a handshake of TCP."""
    sent = {True: 1001, False: 5001}
    frames = [
        (9.0, segment(from_ev=True, number=1000, flags=0x02)),
        (9.1, segment(from_ev=False, number=5000, flags=0x12)),
    ]

    def add(at: float, payload: bytes, *, from_ev: bool) -> None:
        data = frame(payload)
        frames.append((at, segment(from_ev=from_ev, number=sent[from_ev], data=data)))
        sent[from_ev] += len(data)

    for exchange in recording.exchanges:
        add(exchange.at, exchange.payload, from_ev=True)
        assert exchange.answer is not None
        codec = exi.ISO2 if isinstance(exchange.answer, V2GMessage) else exi.APP_PROTOCOL
        add(exchange.at + 0.05, codec.encode(exchange.answer), from_ev=False)
    return frames


def test_payloads_of_both_sides_come_in_their_order() -> None:
    recording = dc_session()
    (talk,) = conversations(pcap(*captured(recording)))
    assert talk.ev == "[fe80::1]:50000"
    assert [p.data for p in talk.payloads if p.from_ev] == [e.payload for e in recording.exchanges]
    assert len(talk.payloads) == 2 * len(recording.exchanges)
    assert not talk.tls


def test_segments_out_of_order_twice_and_overlapping_make_the_same_stream() -> None:
    data = frame(b"one") + frame(b"two") + frame(b"three")
    parts = [(1001 + 5, data[5:12]), (1001, data[:7]), (1001, data[:7]), (1001 + 10, data[10:])]
    frames = [(1.0, segment(from_ev=True, number=1000, flags=0x02))]
    frames += [(2.0, segment(from_ev=True, number=n, data=d)) for n, d in parts]
    (talk,) = conversations(pcap(*frames))
    assert [payload.data for payload in talk.payloads] == [b"one", b"two", b"three"]


def test_sequence_numbers_wrap_around() -> None:
    data = frame(b"payload")
    first = 2**32 - 4
    frames = [
        (1.0, segment(from_ev=True, number=first, data=data[:8])),
        (2.0, segment(from_ev=True, number=4, data=data[8:])),
    ]
    (talk,) = conversations(pcap(*frames))
    assert [payload.data for payload in talk.payloads] == [b"payload"]


def test_tls_stays_closed() -> None:
    (talk,) = conversations(pcap((1.0, segment(from_ev=True, number=1, data=b"\x16\x03\x01\x00\x05hello"))))
    assert (talk.tls, talk.payloads) == (True, ())


def test_a_capture_becomes_a_chart_and_a_curve(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pcap(*captured(dc_session()))
    (talk,) = conversations(data)
    summary = summarize_capture(talk)
    assert "CurrentDemandReq ──────────────────▶  400 V 80 A" in chart(summary)
    assert max(point.value for point in summary.curves["power"]) == 32_000.0
    ET.fromstring(svg(summary))
    path = tmp_path / "field.pcap"
    path.write_bytes(data)
    assert main(["trace", str(path)]) == 0
    assert "TCP connections: 1" in capsys.readouterr().out
    assert main(["trace", str(path), "--svg", str(tmp_path / "c.svg")]) == 0


def test_what_is_no_capture_is_reported() -> None:
    assert not is_capture(b'{"tr')
    with pytest.raises(TraceError, match="not a capture"):
        conversations(b"nonsense")


@given(st.binary(max_size=300))
def test_any_packet_is_let_pass(data: bytes) -> None:
    conversations(pcap((1.0, data), (2.0, segment(from_ev=True, number=1, data=data))))
    conversations(pcap((1.0, bytes(12) + b"\x86\xdd\x60" + data)))


# --- discovery and matching ---


def test_discovery_is_found() -> None:
    answer = SdpResponse(IPv6Address("fe80::2"), 61000, Security.NONE)
    found = discovery(
        pcap(
            (1.0, datagram(from_ev=True, ports=(50001, 15118), data=SdpRequest(Security.TLS).to_bytes())),
            (1.1, datagram(from_ev=False, ports=(15118, 50001), data=answer.to_bytes())),
            (1.2, datagram(from_ev=True, ports=(50001, 53), data=SdpRequest(Security.TLS).to_bytes())),
            (1.3, datagram(from_ev=True, ports=(50001, 15118), data=b"nonsense")),
        )
    )
    assert [(one.at, one.message) for one in found] == [(1.0, SdpRequest(Security.TLS)), (1.1, answer)]
    assert found[0].source == "[fe80::1]:50001"


CAR, MODEM, RUN = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", bytes(range(8))


def matched() -> list[tuple[float, bytes]]:
    """The first and the last message of a matching."""
    key = b"\xab" * 16
    return [
        (1.0, encode(Frame(bytes.fromhex("ffffffffffff"), CAR, m.SlacParmReq(RUN)))),
        (1.1, encode(Frame(CAR, MODEM, m.SlacParmCnf(RUN, CAR)))),
        (1.2, encode(Frame(CAR, MODEM, m.SlacMatchCnf(CAR, MODEM, RUN, bytes(7), key)))),
    ]


@pytest.mark.inv("INV-25")
def test_matching_is_found_without_its_key() -> None:
    found = matching(pcap(*matched()))
    assert [frame.sent for frame in found] == [False, True, True]
    assert b"\xab" * 16 not in b"".join(frame.data for frame in found)
    assert "CM_SLAC_MATCH.CNF" in power_line.chart(found, began=1.0)


# --- TLS ---


def shaken(tmp_path: pathlib.Path, recording: Recording) -> tuple[bytes, pathlib.Path]:
    """A recording through TLS, as a capture and its key log."""
    log = tmp_path / "keys.log"
    station = TlsContext.for_server(PKI / "secc_chain.pem", PKI / "secc_leaf_key.pem", key_log=log).engine()
    car = TlsContext.for_client(PKI / "v2g_root.pem").engine()
    sent = {True: 1001, False: 5001}
    frames = [(9.0, segment(from_ev=True, number=1000, flags=0x02))]
    frames.append((9.1, segment(from_ev=False, number=5000, flags=0x12)))

    def carry(at: float, data: bytes, *, from_ev: bool) -> bytes:
        for start in range(0, len(data), 1000):
            part = data[start : start + 1000]
            frames.append((at, segment(from_ev=from_ev, number=sent[from_ev], data=part)))
            sent[from_ev] += len(part)
        return (station if from_ev else car).feed(data).to_send

    waiting = car.start()
    while waiting:
        waiting = carry(9.5, waiting, from_ev=True)
        waiting = carry(9.5, waiting, from_ev=False) if waiting else b""
    for exchange in recording.exchanges:
        carry(exchange.at, car.send(frame(exchange.payload)), from_ev=True)
        codec = exi.ISO2 if isinstance(exchange.answer, V2GMessage) else exi.APP_PROTOCOL
        assert exchange.answer is not None
        carry(exchange.at + 0.05, station.send(frame(codec.encode(exchange.answer))), from_ev=False)
    return pcap(*frames), log


def test_tls_is_opened_with_the_key_log(tmp_path: pathlib.Path) -> None:
    recording = dc_session()
    data, log = shaken(tmp_path, recording)
    (talk,) = conversations(data, read_keys(log.read_text()))
    assert (talk.tls, talk.closed) == (True, "")
    assert [p.data for p in talk.payloads if p.from_ev] == [e.payload for e in recording.exchanges]
    assert len(talk.payloads) == 2 * len(recording.exchanges)


def test_without_its_secret_tls_stays_closed(tmp_path: pathlib.Path) -> None:
    data, _ = shaken(tmp_path, dc_session())
    (talk,) = conversations(data)
    assert (talk.payloads, talk.closed) == ((), "TLS: the key log has no secret for this connection")


def test_another_secret_does_not_verify(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    keys = {random: {"CLIENT_RANDOM": bytes(48)} for random in read_keys(log.read_text())}
    (talk,) = conversations(data, keys)
    assert talk.payloads == ()
    assert "does not verify" in talk.closed or "impossible length" in talk.closed


def test_a_flipped_bit_is_noticed(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    (talk,) = conversations(data[:-1] + bytes([data[-1] ^ 1]), read_keys(log.read_text()))
    assert "does not verify" in talk.closed
    assert len(talk.payloads) > 10  # what came before it


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_opens_the_same(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    path = tmp_path / "field.pcap"
    path.write_bytes(data)
    command = ["tshark", "-r", str(path), "-o", f"tls.keylog_file:{log}", "-q", "-z", "follow,tls,raw,0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    heard = "".join(line.strip() for line in said if re.fullmatch(r"\t?[0-9a-f]+", line))
    (talk,) = conversations(data, read_keys(log.read_text()))
    assert heard == b"".join(frame(payload.data) for payload in talk.payloads).hex()


# --- the command ---


def test_a_whole_capture_is_shown(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = datagram(from_ev=True, ports=(50001, 15118), data=SdpRequest(Security.NONE).to_bytes())
    path = tmp_path / "field.pcap"
    path.write_bytes(pcap(*matched(), (2.0, ask)) + pcap(*captured(dc_session()))[24:])
    assert main(["trace", str(path)]) == 0
    said = capsys.readouterr().out
    positions = [said.index(text) for text in ("CM_SLAC_PARM.REQ", "wants no TLS", "SessionSetupReq")]
    assert positions == sorted(positions)


def test_an_encrypted_capture_is_shown_with_its_keys(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, log = shaken(tmp_path, dc_session())
    path = tmp_path / "field.pcap"
    path.write_bytes(data)
    assert main(["trace", str(path)]) == 0
    assert "closed to us: TLS: the key log has no secret" in capsys.readouterr().out
    assert main(["trace", str(path), "--keys", str(log)]) == 0
    assert "CurrentDemandReq" in capsys.readouterr().out


def test_a_capture_becomes_a_test_that_passes(tmp_path: pathlib.Path) -> None:
    path, test = tmp_path / "field.pcap", tmp_path / "test_field.py"
    path.write_bytes(pcap(*captured(dc_session())))
    assert main(["trace", str(path), "--as-test", str(test)]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stdout
    assert main(["trace", str(path), "--as-test", str(test)]) == 2  # never overwritten


def test_a_capture_without_messages_becomes_no_test(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "field.pcap"
    path.write_bytes(pcap(*matched()))
    assert main(["trace", str(path), "--as-test", str(tmp_path / "test_x.py")]) == 2


# --- ISO 15118-20 ---

HEADER = common.MessageHeader(session_id=bytes(8), time_stamp=1)


def number(value: int) -> common.RationalNumber:
    return common.RationalNumber(exponent=0, value=value)


def loop_request() -> dc.DCChargeLoopReq:
    mode = dc.BPTScheduledDCCLReqControlMode(ev_target_current=number(-30), ev_target_voltage=number(390))
    return dc.DCChargeLoopReq(
        header=HEADER,
        display_parameters=common.DisplayParameters(present_soc=55),
        meter_info_requested=False,
        ev_present_voltage=number(390),
        cl_req_control_mode=mode,
    )


def loop_response(amperes: int) -> dc.DCChargeLoopRes:
    return dc.DCChargeLoopRes(
        header=HEADER,
        response_code=common.ResponseCode.OK,
        evse_present_current=number(amperes),
        evse_present_voltage=number(400),
        evse_power_limit_achieved=False,
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        cl_res_control_mode=dc.BPTScheduledDCCLResControlMode(),
    )


def bidirectional() -> bytes:
    """A capture of both directions of power, with a message of the side stream."""
    wire = payloads.iso20("iso20-dc")
    found = [(9.0, segment(from_ev=True, number=1000, flags=0x02))]
    sent = {True: 1001, False: 5001}
    stop = common.SessionStopReq(header=HEADER, charging_session=common.ChargingSession.TERMINATE)
    said = [
        (True, wire.encode(loop_request())),
        (False, wire.encode(loop_response(30))),
        (True, wire.encode(stop, 0x8101)),
        (True, wire.encode(loop_request())),
        (False, wire.encode(loop_response(-30))),
    ]
    handshake = exi.APP_PROTOCOL.encode(
        SupportedAppProtocolRes(response_code=ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=1)
    )
    said = [(True, frame(handshake)), (False, frame(handshake)), *said]
    for at, (from_ev, data) in enumerate(said, 10):
        found.append((float(at), segment(from_ev=from_ev, number=sent[from_ev], data=data)))
        sent[from_ev] += len(data)
    return pcap(*found)


def test_a_capture_of_iso_15118_20_is_read_by_its_payload_types() -> None:
    (talk,) = conversations(bidirectional())
    assert [one.frame.payload_type for one in talk.payloads][2:] == [0x8004, 0x8004, 0x8101, 0x8004, 0x8004]
    summary = summarize_capture(talk)
    assert [type(one.message).__name__ for one in summary.messages][2:5] == [
        *("DCChargeLoopReq", "DCChargeLoopRes", "SessionStopReq")
    ]
    text = chart(summary)
    assert "DCChargeLoopReq ───────────────────▶  390 V -30 A" in text
    assert "DCChargeLoopRes  400 V -30 A" in text
    assert sum("═▶  0x8101" in line for line in text.splitlines()) == 1


def test_power_into_the_station_is_drawn_below_zero() -> None:
    (talk,) = conversations(bidirectional())
    summary = summarize_capture(talk)
    assert [point.value for point in summary.curves["power"]] == [12_000.0, -12_000.0]
    assert [point.value for point in summary.curves["soc"]] == [55.0, 55.0]
    texts = [element.text for element in ET.fromstring(svg(summary)).iter()]
    assert {"power, kW", "10", "0", "-10", "-20", "▲ to the EV", "▼ from the EV"} <= set(texts)


def test_a_capture_of_iso_15118_20_does_not_become_a_test_yet(tmp_path: pathlib.Path) -> None:
    (talk,) = conversations(bidirectional())
    with pytest.raises(TraceError, match="ISO 15118-20 cannot be played from a capture"):
        write_capture_test(talk, "field.pcap", tmp_path / "test_field.py")
