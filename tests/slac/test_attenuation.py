"""Averaging of attenuation profiles."""

from __future__ import annotations

from secc.slac.attenuation import average, mean
from tests.support import vectors


def test_averages_agree_with_the_computed_ones() -> None:
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "average"]
    assert len(rows) == 3
    for row in rows:
        assert average([bytes.fromhex(text) for text in row["profiles"]]).hex() == row["floor"]


def test_the_average_is_rounded_down() -> None:
    assert average([b"\x0a\x0b", b"\x0b\x0b", b"\x0b\x0b"]) == b"\x0a\x0b"


def test_the_offset_is_taken_off_and_the_result_stays_a_byte() -> None:
    assert average([b"\x05\x14\xff"], offset=8.0) == b"\x00\x0c\xf7"


def test_the_mean_of_nothing_is_zero() -> None:
    assert mean(b"") == 0.0
    assert mean(b"\x0a\x14") == 15.0
