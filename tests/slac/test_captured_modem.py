"""The second simulated modem sends what captured modems sent; recorded exchanges of other EVs are matched."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest

from secc.settings.slac import SlacConfig
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import Frame, encode
from secc.slac.matching import Matching
from tests.support import vectors
from tests.support.captured_modem import HOST, LOCAL, Qualcomm, frame
from tests.support.messages import ROOT


def captured(name: str, **wanted: object) -> bytes:
    """The first captured frame of this kind."""
    for row in vectors.lines("slac.jsonl"):
        fields: dict[str, Any] = row.get("fields") or {}
        if row.get("name") == name and row["kind"] == "mme" and wanted.items() <= fields.items():
            return bytes.fromhex(row["hex"])
    raise LookupError(name)


def asked(modem: Qualcomm, mmtype: int, body: bytes, *, mmv: int) -> bytes:
    """The only answer of the modem to a question of its host."""
    (answer,) = modem._answers(frame(LOCAL, HOST, mmtype, body, mmv=mmv))
    return answer


def blanked(data: bytes, *ranges: tuple[int, int]) -> bytes:
    """The frame without its addresses and without what differs between two modems or requests."""
    view = bytearray(data)
    for begin, end in ((0, 12), *ranges):
        view[begin:end] = bytes(end - begin)
    return bytes(view)


def set_key(modem: Qualcomm, nid: bytes = bytes(7), nmk: bytes = bytes(16)) -> bytes:
    body = b"\x01" + bytes(4) + bytes(4) + b"\x04\0\0\0\0" + nid + b"\x01" + nmk
    return asked(modem, 0x6008, body, mmv=1)


def test_its_confirmation_of_a_key_is_that_of_a_captured_modem() -> None:
    theirs = captured("CM_SET_KEY.CNF", result=1, your_nonce="00000000")
    assert blanked(set_key(Qualcomm()), (20, 24)) == blanked(theirs, (20, 24))


@pytest.mark.parametrize("has_it", [True, False])
def test_its_answer_to_a_question_for_the_key_is_that_of_a_captured_modem(has_it: bool) -> None:
    found = [
        bytes.fromhex(r["hex"]) for r in vectors.lines("slac.jsonl") if r.get("name") == "CM_GET_KEY.CNF"
    ]
    theirs = next(data for data in found if (data[19] == 0) is has_it)
    modem, nid = Qualcomm(), theirs[29:36]
    set_key(modem, nid if has_it else bytes(7), b"a key of 16 byte")
    request = b"\0\x01" + nid + b"\xaa\xaa\xaa\xaa" + b"\x04\0\0\0"
    ours = asked(modem, 0x600C, request, mmv=1)
    assert blanked(ours, (21, 25), (41, 57)) == blanked(theirs, (21, 25), (41, 57))


def test_the_name_of_its_firmware_is_laid_out_as_by_a_captured_modem() -> None:
    theirs = captured("VS_SW_VER.CNF")
    length = theirs[22]
    name = theirs[23 : 23 + length].rstrip(b"\0").decode()
    ours = asked(Qualcomm(firmware=name), 0xA000, b"\x00\xb0\x52", mmv=0)
    behind = 23 + length
    rest = (21, 22), (behind, len(theirs))  # kind of device, and uninitialised memory
    assert blanked(ours, *rest) == blanked(theirs, *rest)


@pytest.mark.skipif(not (ROOT.parent / "shared" / "cases").is_dir(), reason="needs ../shared/cases")
def test_its_attributes_are_laid_out_as_by_a_captured_modem() -> None:
    theirs = bytes.fromhex((ROOT.parent / "shared" / "cases" / "vs_op_attr_cnf.hex").read_text())
    ours = asked(Qualcomm(), 0xA068, b"\x00\xb0\x52" + theirs[22:26] + b"\0", mmv=0)
    report = 29, 29 + struct.unpack_from("<H", theirs, 27)[0]
    assert ours[29:45] == theirs[29:45]
    assert blanked(ours, report) == blanked(theirs, report)


def test_its_measurement_of_a_sound_is_laid_out_as_by_a_captured_modem() -> None:
    theirs = captured("CM_ATTEN_PROFILE.IND")
    modem = Qualcomm()
    modem.hear(frame(b"\xff" * 6, theirs[19:25], 0x6076, bytes(52), mmv=1, size=71))
    _, ours, extra = (modem._inbox.get_nowait() for _ in range(3))
    assert blanked(ours, (27, 85)) == blanked(theirs[:85], (27, 85))
    beside = captured("VS_ATTENUATION_CHARACTERISTICS.IND")
    assert blanked(extra, (20, 26), (36, 94)) == blanked(beside, (20, 26), (36, 94))


# --- EVs of others, as recorded with an emulated modem ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "matched"), [("m_pev_everest", True), ("pyplc_secc", True), ("m_everest_openplc", False)]
)
def test_a_recorded_ev_of_another_project_is_matched(name: str, matched: bool) -> None:
    """open-plc-utils `pev`, pyPLC and the EV of EVerest: their frames and those of the modem, our answers.

    The recording of the last one ends with its response to the average.
    """
    row = next(row for row in vectors.lines("slac.jsonl") if row.get("name") == name)
    frames = [(f["ms"] / 1000, bytes.fromhex(f["hex"])) for f in row["frames"] if f["n"] != "SDP"]
    matching = Matching(SlacConfig(key_check=0.0), evse_mac=HOST, random_bytes=os.urandom)
    sent: list[bytes] = []

    def put(event: e.Input, now: float) -> None:
        while (due := matching.deadline) is not None and due <= now:
            take(matching.handle(e.SlacTick(), due))
        take(matching.handle(event, now))

    def take(outputs: tuple[e.Output, ...]) -> None:
        sent.extend(output.data for output in outputs if isinstance(output, e.SendFrame))

    modem = next(data[6:12] for _, data in frames if data[15:17] == b"\x86\x60")
    put(e.ModemOpened(), 0.0)
    put(e.FrameReceived(encode(Frame(HOST, modem, m.SetKeyCnf(1)))), 0.0)
    put(e.VehicleConnected(), 0.1)
    for at, data in frames:
        if data[6:12] != HOST and data[15:17] != b"\x09\x60":
            put(e.FrameReceived(data), 0.2 + at)
    assert (b"\x7d\x60" in [data[15:17] for data in sent]) is matched  # CM_SLAC_MATCH.CNF
    theirs = [data for _, data in frames if data[6:12] == HOST and data[15:17] == b"\x6e\x60"]
    ours = next(data for data in sent if data[15:17] == b"\x6e\x60")
    assert ours[:71] == theirs[0][:71]
