"""The explanation of a stream: every bit once, the same end as the decoder."""

from __future__ import annotations

from secc import exi
from secc.errors import DecodeError
from tests.support.exi import CURRENT_DEMAND, GRAMMARS, SESSION_SETUP, decode
from tests.support.messages import codec
from tests.support.vectors import lines, own


def test_an_explanation_covers_every_bit_once() -> None:
    pieces, fault = exi.ISO2.explain(SESSION_SETUP)
    assert fault is None
    ends = [piece.bit + piece.width for piece in pieces]
    assert [piece.bit for piece in pieces] == [0, *ends[:-1]]
    assert ends[-1] == len(SESSION_SETUP) * 8


def test_an_explanation_names_element_event_and_value() -> None:
    pieces, _ = exi.ISO2.explain(CURRENT_DEMAND)
    found = [(p.bit, p.value) for p in pieces if p.event == "value" and p.path.endswith("EVErrorCode")]
    assert found == [(107, "NO_ERROR")]
    assert pieces[1] == exi.Piece(8, 7, "SE(V2G_Message)", (76, 81), "", "")


def test_an_explanation_ends_where_the_stream_is_wrong() -> None:
    pieces, fault = exi.ISO2.explain(SESSION_SETUP[:10])
    assert fault is not None
    assert (fault.kind, fault.path) == ("truncated", "V2G_Message/Header/SessionID")
    assert [piece.event for piece in pieces[-3:]] == ["CH", "fault", "unread"]


def assert_explained(name: str, data: bytes, *, fragment: bool = False) -> None:
    """The pieces of `data` join from its first bit to its last, and the fault is that of the decoder."""
    pieces, fault = codec(name).explain(data, fragment=fragment)
    ends = [piece.bit + piece.width for piece in pieces]
    assert [piece.bit for piece in pieces] == [0, *ends[:-1]][: len(pieces)], data.hex()
    assert (ends[-1] if ends else 0) == len(data) * 8, data.hex()
    try:
        decode(name, data, fragment=fragment)
    except DecodeError as error:
        assert fault is not None, data.hex()
        found = (error.kind, error.bit_offset, error.path, str(error))
        assert (fault.kind, fault.bit_offset, fault.path, str(fault)) == found, data.hex()
    else:
        assert fault is None, data.hex()
    assert fault is None or fault.bit_offset <= len(data) * 8, data.hex()


def test_an_explanation_of_every_cut_names_a_place_in_the_stream() -> None:
    for number in range(len(CURRENT_DEMAND)):
        assert_explained("iso2", CURRENT_DEMAND[:number])
        for bit in range(8):  # in the middle of an octet what is not there is zeros, or ones
            for fill in (0, 0xFF):
                octet = CURRENT_DEMAND[number] & (0xFF00 >> bit) | fill >> bit
                assert_explained("iso2", CURRENT_DEMAND[:number] + bytes([octet & 0xFF]))


def test_an_explanation_of_any_vector_says_what_the_decoder_says() -> None:
    for name, vector in own():
        data, fragment = bytes.fromhex(vector["hex"]), vector["kind"] == "fragment"
        assert_explained(name, data, fragment=fragment)
        assert_explained(name, data + bytes(2), fragment=fragment)
        step = max(1, len(data) // 40)
        for number in range(0, len(data), step):
            assert_explained(name, data[:number], fragment=fragment)
            for bit in range(8):
                flipped = bytearray(data)
                flipped[number] ^= 0x80 >> bit
                assert_explained(name, bytes(flipped), fragment=fragment)


def test_an_explanation_of_a_shared_vector_says_what_the_decoder_says() -> None:
    for vector in lines("exi.jsonl"):
        data, name = bytes.fromhex(vector["exi_hex"]), GRAMMARS[vector["grammar"]]
        for number in (len(data), len(data) // 2, len(data) // 3):
            assert_explained(name, data[:number], fragment=vector["kind"] == "fragment")
