"""Reading capture files: pcap and pcapng, and every link layer that a charging station is recorded on."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secc.trace
from secc.sdp import SdpRequest, Security
from secc.slac.frames import Frame, encode
from secc.slac.messages import SlacParmReq
from secc.trace.capture import discovery, frames
from secc.trace.form import TraceError

ONE, TWO = bytes(12) + b"\x88\xe1one", bytes(12) + b"\x88\xe1two"


def pcap(packets: list[bytes], *, order: str = "<", magic: int = 0xA1B2C3D4, kind: int = 1) -> bytes:
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, kind)
    for i, packet in enumerate(packets):
        data += struct.pack(order + "IIII", i, 500_000, len(packet), len(packet)) + packet
    return data


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(packets: list[bytes], *, options: bytes = b"") -> bytes:
    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack("<HHI", 1, 0, 0) + options)
    for packet in packets:
        data += block(6, struct.pack("<IIIII", 0, 0, 2_500_000, len(packet), len(packet)) + packet)
    return data


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_a_pcap_come_with_their_times(order: str) -> None:
    assert list(frames(pcap([ONE, TWO], order=order))) == [(0.5, ONE), (1.5, TWO)]


def test_packets_of_a_pcapng_come_with_their_times() -> None:
    assert list(frames(pcapng([ONE, TWO + b"!"]))) == [(2.5, ONE), (2.5, TWO + b"!")]


def test_the_resolution_of_a_pcapng_is_obeyed() -> None:
    nanoseconds = struct.pack("<HHB3x", 9, 1, 9)
    assert [round(at, 6) for at, _ in frames(pcapng([ONE], options=nanoseconds))] == [0.0025]


def test_a_file_cut_off_gives_what_is_whole() -> None:
    assert [data for _, data in frames(pcap([ONE, TWO])[:-1])] == [ONE]


def test_other_files_are_refused() -> None:
    for data in (b"", b"PK\x03\x04", pcap([])[:20]):
        with pytest.raises(TraceError):
            list(frames(data))


@given(st.binary(max_size=120), st.sampled_from([pcap([ONE]), pcapng([ONE])]), st.integers(0, 140))
def test_damaged_files_give_packets_or_a_trace_error(noise: bytes, good: bytes, at: int) -> None:
    with contextlib.suppress(TraceError):
        list(frames(good[:at] + noise + good[at:]))


# --- link layers, in files that Wireshark's tools have written ---

SOURCE, TARGET = bytes.fromhex("fe80" + "00" * 13 + "01"), bytes.fromhex("fe80" + "00" * 13 + "02")
REQUEST = SdpRequest(Security.TLS).to_bytes()
UDP = struct.pack(">HHHH", 50001, 15118, 8 + len(REQUEST), 0) + REQUEST
IP = struct.pack(">IHBB", 6 << 28, len(UDP), 17, 64) + SOURCE + TARGET + UDP
MAC = bytes.fromhex("02005e100001")

LINKS = {
    "Ethernet": (1, bytes(6) + MAC + b"\x86\xdd"),
    "802.1Q": (1, bytes(6) + MAC + bytes.fromhex("8100 0002 86dd")),
    "802.1ad": (1, bytes(6) + MAC + bytes.fromhex("88a8 0064 8100 0002 86dd")),
    "QinQ of old": (1, bytes(6) + MAC + bytes.fromhex("9100 0064 8100 0002 86dd")),
    "Linux cooked 1": (113, bytes.fromhex("0000 0001 0006") + MAC + bytes.fromhex("0000 86dd")),
    "Linux cooked 2": (276, bytes.fromhex("86dd 0000 00000003 0001 00 06") + MAC + bytes(2)),
    "raw IP": (101, b""),
    "raw IPv6": (229, b""),
    "NULL of FreeBSD": (0, bytes.fromhex("1c000000")),
    "NULL of macOS": (0, bytes.fromhex("1e000000")),
    "LOOP of OpenBSD": (108, bytes.fromhex("00000018")),
}
WIRESHARK = ("text2pcap", "mergecap", "tshark")
needs_wireshark = pytest.mark.skipif(
    not all(map(shutil.which, WIRESHARK)), reason=f"not all of {', '.join(WIRESHARK)} are installed"
)


def written(path: pathlib.Path, link: int, packet: bytes, form: str) -> bytes:
    """A file with one packet at 12.5 s, by text2pcap."""
    text = f"1970-01-01T00:00:12.5Z\n000000 {packet.hex(' ')}\n"
    command = ["text2pcap", "-q", "-t", "ISO", "-l", str(link), "-F", form, "-", str(path)]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)
    return path.read_bytes()


@needs_wireshark
@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng"])
@pytest.mark.parametrize(("link", "head"), LINKS.values(), ids=LINKS)
def test_discovery_is_found_on_every_link_layer(
    tmp_path: pathlib.Path, link: int, head: bytes, form: str
) -> None:
    path = tmp_path / "capture"
    (found,) = discovery(written(path, link, head + IP, form))
    assert (found.at, found.source) == (12.5, "[fe80::1]:50001")
    assert found.message == SdpRequest(Security.TLS)
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "ipv6.src", "-e", "udp.srcport"]
    command = ["tshark", "-r", str(path), *fields]
    said = subprocess.run(command, text=True, check=True, capture_output=True).stdout.split()
    assert (float(said[0]), *said[1:]) == (12.5, "fe80::1", "50001")


@needs_wireshark
def test_interfaces_of_one_file_have_their_link_layers(tmp_path: pathlib.Path) -> None:
    files = []
    for name, (link, head) in LINKS.items():
        files.append(tmp_path / name)
        written(files[-1], link, head + IP, "pcapng")
    merged = tmp_path / "merged"
    subprocess.run(["mergecap", "-F", "pcapng", "-w", merged, *files], check=True, capture_output=True)
    assert [one.at for one in discovery(merged.read_bytes())] == [12.5] * len(LINKS)


@needs_wireshark
@pytest.mark.parametrize("name", ["Ethernet", "802.1Q", "802.1ad", "Linux cooked 1", "Linux cooked 2"])
def test_frames_of_matching_come_without_tags(tmp_path: pathlib.Path, name: str) -> None:
    link, head = LINKS[name]
    sent = encode(Frame(b"\xff" * 6, MAC, SlacParmReq(bytes(8))))
    packet = head.replace(b"\x86\xdd", b"\x88\xe1") + sent[14:]
    ((_, frame),) = frames(written(tmp_path / "capture", link, packet, "pcap"))
    assert (frame[6:12], frame[12:]) == (MAC, sent[12:])


def test_a_link_layer_that_is_not_known_is_named() -> None:
    with pytest.raises(TraceError, match="link layer 105"):
        list(frames(pcap([b"x"], kind=105)))


def test_without_dpkt_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "secc.trace.packets", None)
    monkeypatch.delattr(secc.trace, "packets", raising=False)
    with pytest.raises(TraceError, match=r"pip install secc\[capture\]"):
        discovery(pcap([]))


@given(st.sampled_from([head for _, head in LINKS.values()]), st.integers(0, 120), st.binary(max_size=40))
def test_after_any_packet_the_next_one_is_read(head: bytes, cut: int, noise: bytes) -> None:
    broken = (head + IP)[:cut] + noise
    good = LINKS["Ethernet"][1] + IP
    assert discovery(pcap([broken, good]))[-1].message == SdpRequest(Security.TLS)
