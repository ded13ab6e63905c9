"""Independent decoders and encoders of the same frames: Wireshark, and the PyPI packages scapy and pyslac."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from secc.slac import messages as m
from secc.slac.frames import BROADCAST, LOCAL_MODEM, Frame, Message, decode, encode
from tests.support import vectors
from tests.support.messages import ROOT

EV = bytes.fromhex("0200000000e1")
EVSE = bytes.fromhex("0200000000c1")
RUN = bytes.fromhex("0011223344556677")
NID = bytes.fromhex("0394bbf59bb80b")
NMK = bytes(range(0x60, 0x70))
PROFILE = bytes(range(10, 68))
TSHARK = shutil.which("tshark")
PYSLAC = ROOT / ".venv-pyslac" / "bin" / "python"


def pcap(frames: Sequence[bytes]) -> bytes:
    """A capture file of Ethernet frames."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack("<IIII", i, 0, len(data), len(data)) + data for i, data in enumerate(frames)
    )


def seen_by_tshark(frames: Sequence[bytes], fields: Sequence[str], folder: Path) -> list[list[str]]:
    if TSHARK is None:
        pytest.skip("tshark is not installed (Debian package tshark)")
    (folder / "frames.pcap").write_bytes(pcap(frames))
    command = [TSHARK, "-r", str(folder / "frames.pcap"), "-T", "fields", "-E", "separator=;"]
    command += [part for field in fields for part in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    return [line.split(";") for line in done.stdout.splitlines()]


FIELDS = (
    "homeplug_av.mmhdr.mmtype",
    "homeplug_av.gp.cm_slac_parm.runid",
    "homeplug_av.gp.cm_start_atten_char.runid",
    "homeplug_av.gp.cm_mnbc_sound.runid",
    "homeplug_av.gp.cm_atten_char.runid",
    "homeplug_av.gp.cm_slac_match.runid",
    "homeplug_av.gp.cm_mnbc_sound.countdown",
    "homeplug_av.gp.cm_atten_profile_ind.aag",
    "homeplug_av.gp.cm_atten_char.aag",
    "homeplug_av.gp.cm_slac_match.nid",
    "homeplug_av.gp.cm_slac_match.nmk",
    "homeplug_av.cm_set_key_req.nw_key",
    "homeplug_av.gp.cm_validate.togglenum",
)


def seen_by_us(data: bytes) -> list[str]:
    """The same fields as our decoder reads them."""
    message = decode(data).message
    row = dict.fromkeys(FIELDS, "")
    row[FIELDS[0]] = f"0x{message.mmtype:04x}"
    match message:
        case m.SlacParmReq(run_id=run) | m.SlacParmCnf(run_id=run):
            row[FIELDS[1]] = run.hex()
        case m.StartAttenCharInd(run_id=run):
            row[FIELDS[2]] = run.hex()
        case m.MnbcSoundInd(run_id=run):
            row[FIELDS[3]], row[FIELDS[6]] = run.hex(), str(message.remaining)
        case m.AttenProfileInd():
            row[FIELDS[7]] = ",".join(str(level) for level in message.profile)
        case m.AttenCharInd(run_id=run):
            row[FIELDS[4]] = run.hex()
            row[FIELDS[8]] = ",".join(str(level) for level in message.profile)
        case m.AttenCharRsp(run_id=run) | m.SlacMatchReq(run_id=run):
            row[FIELDS[4 if isinstance(message, m.AttenCharRsp) else 5]] = run.hex()
        case m.SlacMatchCnf():
            row[FIELDS[5]], row[FIELDS[9]] = message.run_id.hex(), message.nid.hex()
            row[FIELDS[10]] = message.nmk.hex()
        case m.SetKeyReq():
            row[FIELDS[11]] = message.nmk.hex()
        case m.ValidateCnf():
            row[FIELDS[12]] = str(message.toggles)
    return list(row.values())


OURS: tuple[Frame, ...] = (
    Frame(LOCAL_MODEM, EVSE, m.SetKeyReq(NID, NMK)),
    Frame(EVSE, EV, m.SetKeyCnf(1)),
    Frame(BROADCAST, EV, m.SlacParmReq(RUN)),
    Frame(EV, EVSE, m.SlacParmCnf(RUN, EV)),
    Frame(BROADCAST, EV, m.StartAttenCharInd(RUN, EV)),
    Frame(BROADCAST, EV, m.MnbcSoundInd(RUN, 7)),
    Frame(BROADCAST, EVSE, m.AttenProfileInd(EV, PROFILE)),
    Frame(EV, EVSE, m.AttenCharInd(EV, RUN, 10, PROFILE)),
    Frame(EVSE, EV, m.AttenCharRsp(EV, RUN)),
    Frame(EV, EVSE, m.ValidateCnf(0, 3, 2)),
    Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN)),
    Frame(EV, EVSE, m.SlacMatchCnf(EV, EVSE, RUN, NID, NMK)),
)


def plain(rows: list[list[str]]) -> list[list[str]]:
    """Without the colons and prefixes that one of the two writes, and hexadecimal or decimal levels alike."""
    return [[cell.replace(":", "") for cell in row] for row in rows]


def test_wireshark_reads_the_frames_of_secc_alike(tmp_path: Path) -> None:
    frames = [encode(frame) for frame in OURS]
    assert plain(seen_by_tshark(frames, FIELDS, tmp_path)) == [seen_by_us(data) for data in frames]


def test_wireshark_reads_the_captures_alike(tmp_path: Path) -> None:
    known = {frame.message.mmtype for frame in OURS}
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "mme" and row["valid"]]
    frames = [bytes.fromhex(row["hex"]) for row in rows if row["mmtype"] in known]
    assert len(frames) > 150
    assert plain(seen_by_tshark(frames, FIELDS, tmp_path)) == [seen_by_us(data) for data in frames]


def test_wireshark_finds_nothing_malformed_in_the_frames_of_secc(tmp_path: Path) -> None:
    rows = seen_by_tshark([encode(frame) for frame in OURS], ["_ws.malformed"], tmp_path)
    assert [row for row in rows if row != [""]] == []


BUILD = """
import json
from pyslac import messages as p
from pyslac.layer_2_headers import EthernetHeader, HomePlugHeader
ev, evse = bytes.fromhex("0200000000e1"), bytes.fromhex("0200000000c1")
run = bytes.fromhex("0011223344556677")
nid, nmk, aag = bytes.fromhex("0394bbf59bb80b"), bytes(range(0x60, 0x70)), list(range(10, 68))
everybody, modem = b"\\xff" * 6, bytes.fromhex("00b052000001")
made = [
    (modem, evse, 0x6008, p.SetKeyReq(nid=nid, new_key=nmk)),
    (everybody, ev, 0x6064, p.SlacParmReq(run_id=run)),
    (ev, evse, 0x6065, p.SlacParmCnf(forwarding_sta=ev, run_id=run)),
    (everybody, ev, 0x606A, p.StartAtennChar(num_sounds=10, time_out=6, forwarding_sta=ev, run_id=run)),
    (everybody, evse, 0x6086, p.AttenProfile(pev_mac=ev, aag=aag)),
    (ev, evse, 0x606E, p.AtennChar(source_address=ev, run_id=run, num_sounds=10, num_groups=58, aag=aag)),
    (evse, ev, 0x606F, p.AtennCharRsp(source_address=ev, run_id=run, source_id=0, resp_id=0, result=0)),
    (evse, ev, 0x607C, p.MatchReq(pev_mac=ev, evse_mac=evse, run_id=run)),
    (ev, evse, 0x607D, p.MatchCnf(pev_mac=ev, evse_mac=evse, run_id=run, nid=nid, nmk=nmk)),
]
frames = [
    bytes(EthernetHeader(d, s)) + bytes(HomePlugHeader(t)) + bytes(x.__bytes__()) for d, s, t, x in made
]
print(json.dumps([frame.ljust(60, b"\\0").hex() for frame in frames]))
"""


def made_by_pyslac() -> list[bytes]:
    if not PYSLAC.exists():
        pytest.skip("no .venv-pyslac here: `make oracles` makes it")
    done = subprocess.run([str(PYSLAC), "-c", BUILD], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return [little(bytes.fromhex(text)) for text in json.loads(done.stdout)]


def little(data: bytes) -> bytes:
    """pyslac makes the length in CM_SLAC_MATCH.REQ big endian; every captured frame has it little endian."""
    return data[:21] + b"\x3e\x00" + data[23:] if data[15:17] == b"\x7c\x60" else data


def test_pyslac_makes_the_same_frames() -> None:
    ours: list[Message] = [
        m.SetKeyReq(NID, NMK, my_nonce=b"\xaa" * 4),
        m.SlacParmReq(RUN),
        m.SlacParmCnf(RUN, EV),
        m.StartAttenCharInd(RUN, EV),
        m.AttenProfileInd(EV, PROFILE),
        m.AttenCharInd(EV, RUN, 10, PROFILE),
        m.AttenCharRsp(EV, RUN),
        m.SlacMatchReq(EV, EVSE, RUN),
        m.SlacMatchCnf(EV, EVSE, RUN, NID, NMK),
    ]
    theirs = made_by_pyslac()
    assert [decode(data).message for data in theirs] == ours
    assert [encode(decode(data)) for data in theirs] == theirs


READ = """
import json, sys
from scapy.contrib import homeplugav, homepluggp
from scapy.layers.l2 import Ether

def fields(packet):
    found = {}
    while packet and hasattr(packet, "fields_desc"):
        for field in packet.fields_desc:
            value = packet.getfieldval(field.name)
            if isinstance(value, bytes):
                found[field.name] = value.hex()
            elif isinstance(value, list):
                found[field.name] = [getattr(part, "group", None) for part in value]
            elif hasattr(value, "fields_desc"):
                found.update(fields(value))
            else:
                found[field.name] = value
        packet = packet.payload
        if packet.name in ("Raw", "Padding", "NoPayload"):
            break
    return found

json.dump([fields(Ether(bytes.fromhex(line)).payload) for line in sys.stdin.read().split()], sys.stdout)
"""


def read_by_scapy(frames: Sequence[bytes]) -> list[dict[str, object]]:
    if not PYSLAC.exists():
        pytest.skip("no .venv-pyslac here: `make oracles` makes it")
    text = "\n".join(data.hex() for data in frames)
    command = [str(PYSLAC), "-c", READ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=50)
    if "No module named 'scapy'" in done.stderr:
        pytest.skip("no scapy in .venv-pyslac: `make oracles` puts it there")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def in_words_of_scapy(data: bytes) -> dict[str, object]:
    """What our decoder reads, by the names that scapy has for it."""
    message = decode(data).message
    words: dict[str, object] = {"HPtype": message.mmtype}
    match message:
        case m.SetKeyReq():
            words |= {"NetworkID": message.nid.hex(), "NewKey": message.nmk.hex()}
        case m.SetKeyCnf():
            words |= {"Result": message.result, "YourNonce": int.from_bytes(message.your_nonce, "big")}
        case m.SlacParmReq(run_id=run):
            words |= {"RunID": run.hex()}
        case (
            m.SlacParmCnf(run_id=run, forwarding_station=ev)
            | m.StartAttenCharInd(run_id=run, forwarding_station=ev)
        ):
            words |= {"RunID": run.hex(), "ForwardingSTA": ev.hex(":"), "TimeOut": message.time_out}
        case m.MnbcSoundInd(run_id=run):
            words |= {"RunID": run.hex(), "Countdown": message.remaining, "RandomValue": message.random.hex()}
        case m.AttenProfileInd():
            words |= {"EVMACAddress": message.pev_mac.hex(":"), "Groups": list(message.profile)}
        case m.AttenCharInd(run_id=run):
            words |= {"RunID": run.hex(), "NumberOfSounds": message.sounds, "Groups": list(message.profile)}
        case m.AttenCharRsp(run_id=run):
            words |= {"RunID": run.hex(), "SourceAdress": message.source_address.hex(":"), "Result": 0}
        case m.SlacMatchReq(run_id=run):
            words |= {"RunID": run.hex(), "EVMAC": message.pev_mac.hex(":")}
            words |= {"EVSEMAC": message.evse_mac.hex(":")}
        case m.SlacMatchCnf(run_id=run):
            words |= {"RunID": run.hex(), "NetworkID": message.nid.hex(), "NMK": message.nmk.hex()}
    return words


def agreed(frames: Sequence[bytes]) -> None:
    for data, theirs in zip(frames, read_by_scapy(frames), strict=True):
        ours = in_words_of_scapy(data)
        assert {name: theirs.get(name) for name in ours} == ours


def test_scapy_reads_the_frames_of_secc_alike() -> None:
    agreed([encode(frame) for frame in OURS])


def test_scapy_reads_the_captures_alike() -> None:
    known = {frame.message.mmtype for frame in OURS}
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "mme" and row["valid"]]
    frames = [bytes.fromhex(row["hex"]) for row in rows if row["mmtype"] in known]
    assert len(frames) > 150
    agreed(frames)
