"""Attenuation as a picture."""

from __future__ import annotations

from xml.etree import ElementTree

from secc.slac import messages as m
from secc.slac import picture
from secc.slac.frames import BROADCAST, Frame, encode
from tests.support import vectors

EV = bytes.fromhex("0200000000e1")
EVSE = bytes.fromhex("0200000000c1")
MODEM = bytes.fromhex("0200000000aa")


def test_measurements_and_reports_are_collected_by_ev() -> None:
    frames = [
        encode(Frame(BROADCAST, MODEM, m.AttenProfileInd(EV, bytes([10] * 58)))),
        encode(Frame(BROADCAST, MODEM, m.AttenProfileInd(EV, bytes([20] * 58)))),
        encode(Frame(EV, EVSE, m.AttenCharInd(EV, bytes(8), 2, bytes([15] * 58)))),
        b"something else",
    ]
    found = picture.collect(frames)
    assert found[EV].profile == bytes([15] * 58)
    assert found[EV].told == {EVSE: bytes([15] * 58)}


def test_a_recorded_car_gives_the_profile_that_its_station_sent() -> None:
    row = next(row for row in vectors.lines("slac.jsonl") if row.get("name") == "vw-ac-iso2.pcap")
    found = picture.collect(bytes.fromhex(f["hex"]) for f in row["frames"] if f["n"] != "SDP")
    (measured,) = found.values()
    (told,) = measured.told.values()
    assert len(measured.profiles) == 10
    assert max(abs(a - b) for a, b in zip(measured.profile, told, strict=True)) <= 1


def test_bars_hang_down_by_the_attenuation() -> None:
    assert picture.bars(bytes([0, 3, 6, 12]), height=3, at_most=12)[:3] == [
        "  0 dB | ▀██|",
        "  4 dB |  ▀█|",
        "  8 dB |   █|",
    ]


def test_the_drawing_is_xml_with_a_curve_each_and_names_escaped() -> None:
    drawing = picture.svg([("one <&>", bytes([10] * 58)), ("two", bytes([30] * 58))])
    root = ElementTree.fromstring(drawing)
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    assert any(node.text == "one <&>: mean 10.0 dB" for node in root.iter())
