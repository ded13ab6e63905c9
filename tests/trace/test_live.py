"""A session as it happens, packet after packet, and captures for Wireshark."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from unittest import mock

import pytest

from secc.cli import main, trace_live
from secc.cli.trace_live import KeyLog
from secc.sdp import SdpRequest, Security
from secc.trace import read
from secc.trace.capture import conversations, matching
from secc.trace.live import LiveChart, page
from secc.trace.packets import recorded
from secc.trace.reader import messages
from secc.trace.tls_records import read_keys
from tests.support.recordings import dc_session
from tests.trace.test_capture import bidirectional, captured, datagram, matched, pcap, shaken

TRACE = pathlib.Path(__file__).parents[1] / "traces" / "simulated_both_ways.trace"


def lines_of(chart: LiveChart, data: bytes) -> Iterator[str]:
    for at, link, packet in recorded(data):
        yield from chart.take(at, link, packet)


def test_matching_discovery_and_messages_come_as_lines_while_they_happen() -> None:
    ask = datagram(from_ev=True, ports=(50001, 15118), data=SdpRequest(Security.NONE).to_bytes())
    chart = LiveChart()
    lines = list(lines_of(chart, pcap(*matched(), (2.0, ask)) + pcap(*captured(dc_session()))[24:]))
    texts = ["CM_SLAC_PARM.REQ", "wants no TLS", "TCP [fe80::1]", "SessionSetupReq", "SessionStopRes"]
    positions = [next(n for n, line in enumerate(lines) if text in line) for text in texts]
    assert positions == sorted(positions)
    assert chart.status.startswith("SessionStopRes")
    assert not any("abababab" in line for line in lines)


def test_the_content_is_that_of_the_finished_capture() -> None:
    chart = LiveChart()
    lines = list(lines_of(chart, bidirectional()))
    assert any("DCChargeLoopReq ───────────────────▶  390 V -30 A" in line for line in lines)
    assert chart.picture().startswith("<svg")
    text = page(chart, interface="eth<1>")
    assert "eth&lt;1&gt;" in text
    assert "DCChargeLoopRes" in text
    assert '<meta http-equiv="refresh" content="2">' in text


def test_exchanges_that_repeat_are_counted() -> None:
    frames = captured(dc_session())
    chart = LiveChart()
    lines = list(lines_of(chart, pcap(*frames)))
    shown = sum("CurrentDemandReq" in line for line in lines)
    hidden = [int(line.split("⋮ ")[1].split()[0]) for line in lines if "⋮" in line]
    said = [name for talk in conversations(pcap(*frames)) for name in talk.payloads]
    assert shown <= 3
    assert len(lines) - 1 - len(hidden) + sum(hidden) == len(said)


def test_tls_opens_with_keys_that_come_later(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    path = tmp_path / "live.log"
    keys = KeyLog(path)  # the file does not exist yet
    assert (keys.text(), list(keys), len(keys)) == ("", [], 0)
    chart = LiveChart(keys)
    path.write_text(log.read_text())
    assert any("CurrentDemandReq" in line for line in lines_of(chart, data))


def test_tls_without_keys_is_said_once(tmp_path: pathlib.Path) -> None:
    chart = LiveChart()
    data, _ = shaken(tmp_path, dc_session())
    assert sum("no secret for this connection" in line for line in lines_of(chart, data)) == 1
    assert chart.picture() == ""


def test_many_connections_do_not_fill_the_memory() -> None:
    chart = LiveChart()
    frames = captured(dc_session())
    for number in range(40):
        port = (40_000 + number).to_bytes(2, "big")
        moved = [(at, data.replace((50_000).to_bytes(2, "big"), port)) for at, data in frames]
        list(lines_of(chart, pcap(*moved)))
    assert len(chart._streams) <= 16


# --- pcapng ---


def test_a_trace_becomes_a_capture_with_the_same_messages(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "session.pcapng"
    assert main(["trace", str(TRACE), "--pcapng", str(target)]) == 0
    (talk,) = conversations(target.read_bytes())
    trace = read(TRACE)
    assert [p.frame for p in talk.payloads] == [one.frame for one in messages(trace.sessions[0])]
    assert talk.payloads[0].at == pytest.approx(trace.wall + trace.sessions[0].steps[0].at - trace.now)
    assert main(["trace", str(TRACE), "--pcapng", str(target)]) == 2  # never overwritten


def test_a_capture_takes_its_secrets_along(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    source, target = tmp_path / "field.pcap", tmp_path / "field.pcapng"
    source.write_bytes(pcap(*matched()) + data[24:])
    assert main(["trace", str(source), "--keys", str(log), "--pcapng", str(target)]) == 0
    written = target.read_bytes()
    before, after = (list(recorded(data)) for data in (source.read_bytes(), written))
    assert [packet[1:] for packet in after] == [packet[1:] for packet in before]
    assert [packet[0] for packet in after] == pytest.approx([packet[0] for packet in before], abs=1e-6)
    assert log.read_text().strip().encode() in written
    assert len(matching(written)) == 3
    (talk,) = conversations(written, read_keys(log.read_text()))
    assert talk.closed == ""


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_decrypts_a_capture_without_another_file(tmp_path: pathlib.Path) -> None:
    data, log = shaken(tmp_path, dc_session())
    source, target = tmp_path / "field.pcap", tmp_path / "field.pcapng"
    source.write_bytes(data)
    assert main(["trace", str(source), "--keys", str(log), "--pcapng", str(target)]) == 0
    command = ["tshark", "-r", str(target), "-q", "-z", "follow,tls,raw,0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (talk,) = conversations(data, read_keys(log.read_text()))
    assert talk.payloads[0].data.hex() in said.replace("\n", "")


# --- the command ---


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "expected a file or --live INTERFACE"),
        (["x.trace", "--live", "lo"], "expected a file or --live INTERFACE"),
        (["x.trace", "--html", "x.html"], "--html needs --live INTERFACE"),
        (["--live", "no0"], "there is no no0"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", *arguments]) == 2
    assert problem in capsys.readouterr().err


def may_listen() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (OSError, AttributeError):
        return False
    return True


@pytest.mark.skipif(not may_listen(), reason="a raw socket needs CAP_NET_RAW")
def test_each_packet_of_loopback_is_taken_once() -> None:
    view = mock.Mock()
    marker = os.urandom(16)
    listener = trace_live._listener("lo")
    with listener, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.bind(("::1", 0))
        sender.sendto(marker, sender.getsockname())
        seen, end = 0, None
        for at, data in trace_live._packets(listener, view):
            seen += marker in data
            end = at + 0.2 if marker in data and end is None else end
            if end is not None and at > end:
                break
            sender.sendto(b"go on", sender.getsockname())
    assert seen == 1
    assert view.idle.called


def test_packets_are_shown_written_and_drawn(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    html, capture = tmp_path / "live.html", tmp_path / "live.pcapng"

    def packets(_: object, view: trace_live._View) -> Iterator[tuple[float, bytes]]:
        for at, _link, packet in recorded(pcap(*captured(dc_session()))):
            yield at, packet
        view.idle(time.time())
        raise KeyboardInterrupt

    monkeypatch.setattr(trace_live, "_packets", packets)
    monkeypatch.setattr(trace_live, "_listener", mock.Mock())
    monkeypatch.setattr(signal, "signal", mock.Mock())
    assert main(["trace", "--live", "lo", "--html", str(html), "--pcapng", str(capture)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("listening on lo; Ctrl-C ends it\n")
    assert "SessionSetupReq" in said
    text = html.read_text("utf-8")
    assert "<svg" in text
    assert "<pre>  seconds  EV" in text
    (talk,) = conversations(capture.read_bytes())
    assert len(talk.payloads) == 2 * len(dc_session().exchanges)


def test_who_may_not_listen_gets_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trace_live, "_listener", mock.Mock(side_effect=PermissionError))
    assert main(["trace", "--live", "lo"]) == 2
    assert "CAP_NET_RAW" in capsys.readouterr().err
