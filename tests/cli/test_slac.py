"""secc slac."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from secc.cli import main, slac
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, encode
from tests.trace.test_packets import pcap

EV = bytes.fromhex("0200000000e1")
FRAMES = [
    encode(Frame(BROADCAST, bytes.fromhex("0200000000aa"), m.AttenProfileInd(EV, bytes([12] * 58)))),
    encode(Frame(EV, bytes.fromhex("0200000000c1"), m.AttenCharInd(EV, bytes(8), 1, bytes([12] * 58)))),
]


@pytest.fixture
def capture(tmp_path: Path) -> str:
    (tmp_path / "matching.pcap").write_bytes(pcap(FRAMES))
    return str(tmp_path / "matching.pcap")


def test_a_capture_is_shown_as_bars(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slac", capture]) == 0
    text = capsys.readouterr().out
    assert "02:00:00:00:00:e1 measured here, 1 sounds: mean 12.0 dB" in text
    assert "reported by 02:00:00:00:00:c1" in text
    assert "█" * 58 in text


def test_figures_come_as_json(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slac", capture, "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["mean"] == 12.0
    assert len(first["profile"]) == 58


def test_a_drawing_is_written(capture: str, tmp_path: Path) -> None:
    assert main(["slac", capture, "--svg", str(tmp_path / "a.svg"), "--json"]) == 0
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


def test_a_capture_without_measurements_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").write_bytes(pcap([b"\0" * 60]))
    assert main(["slac", str(tmp_path / "empty.pcap")]) == 1


def test_misuse_is_reported(tmp_path: Path, capture: str) -> None:
    (tmp_path / "text").write_text("no capture")
    assert main(["slac"]) == 2
    assert main(["slac", capture, "--interface", "lo"]) == 2
    assert main(["slac", str(tmp_path / "text")]) == 2
    assert main(["slac", str(tmp_path / "missing")]) == 2
    assert main(["slac", "--interface", "nosuch0"]) == 2


class Wire:
    """Replaces the packet socket: a few frames, then silence."""

    def __init__(self, interface: str) -> None:
        self.frames = [*FRAMES, b"noise"]

    def open(self) -> bytes:
        return bytes(6)

    def close(self) -> None:
        self.frames.clear()

    async def receive(self) -> bytes:
        if self.frames:
            return self.frames.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


def test_an_interface_is_listened_to_for_as_long_as_configured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slac, "RawModem", Wire)
    assert main(["slac", "--interface", "eth1", "--seconds", "0.05"]) == 0
    assert "02:00:00:00:00:e1 measured here, 1 sounds: mean 12.0 dB" in capsys.readouterr().out
