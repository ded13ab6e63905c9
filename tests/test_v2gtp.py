"""V2GTP framing: the rules in the docstring of secc.v2gtp, one by one."""

import contextlib
import dataclasses
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import FramingError
from secc.v2gtp import ISO20_TYPES, FrameAssembler, PayloadType, V2gtpFrame, frame, split_datagram

HELLO = bytes.fromhex("01fe800100000005") + b"hello"
WORLD = bytes.fromhex("01fe800100000005") + b"world"


class _Assembler(FrameAssembler):
    def payloads(self, data: bytes) -> tuple[bytes, ...]:
        """What `feed` gives, without the types."""
        return tuple(taken.payload for taken in self.feed(data))


@pytest.mark.req("V2G2-085")
def test_a_frame_is_the_header_and_the_payload() -> None:
    assert frame(b"hello") == HELLO
    assert frame(b"\x10\x00", PayloadType.SDP_REQUEST) == bytes.fromhex("01fe9000000000021000")


def test_a_whole_frame_gives_its_payload() -> None:
    assembler = _Assembler()
    assert assembler.payloads(HELLO) == (b"hello",)
    assert assembler.pending == 0
    assert assembler.ignored == 0


def test_one_byte_per_segment_gives_the_same_payload() -> None:
    assembler = _Assembler()
    got = [assembler.payloads(bytes([byte])) for byte in HELLO]
    assert got == [()] * 12 + [(b"hello",)]


@pytest.mark.parametrize("split", range(1, 26))
def test_every_split_point_gives_the_same_payloads(split: int) -> None:
    assembler = _Assembler()
    stream = HELLO + WORLD
    assert assembler.payloads(stream[:split]) + assembler.payloads(stream[split:]) == (b"hello", b"world")


def test_two_frames_in_one_segment_come_in_order() -> None:
    assert _Assembler().payloads(HELLO + WORLD) == (b"hello", b"world")


def test_pending_counts_the_bytes_of_an_unfinished_frame() -> None:
    assembler = _Assembler()
    assembler.payloads(HELLO + WORLD[:10])
    assert assembler.pending == 10


@pytest.mark.parametrize("length", ["ffffffff", "fffffff8", "80000000", "00002001"])
def test_a_length_above_the_limit_closes_without_reading_the_payload(length: str) -> None:
    with pytest.raises(FramingError, match="above the limit of 8192"):
        _Assembler().payloads(bytes.fromhex("01fe8001" + length))


def test_a_length_at_the_limit_is_accepted() -> None:
    payload = bytes(8192)
    assert _Assembler().payloads(frame(payload)) == (payload,)


def test_the_limit_can_be_chosen() -> None:
    with pytest.raises(FramingError, match="above the limit of 4 bytes"):
        _Assembler(max_payload=4).payloads(HELLO)


def test_a_length_above_the_limit_closes_for_types_to_skip_too() -> None:
    with pytest.raises(FramingError):
        _Assembler().payloads(bytes.fromhex("01fe8002ffffffff"))


@pytest.mark.inv("INV-26")
def test_nothing_is_allocated_by_the_declared_length() -> None:
    assembler = _Assembler(max_payload=65536)
    tracemalloc.start()
    try:
        assembler.payloads(bytes.fromhex("01fe800100010000"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096


def test_length_zero_is_ignored_and_the_next_message_counts() -> None:
    assembler = _Assembler()
    assert assembler.payloads(bytes.fromhex("01fe800100000000") + HELLO) == (b"hello",)
    assert assembler.ignored == 1


def test_after_length_zero_with_a_payload_nothing_is_a_message_and_nothing_closes() -> None:
    """As the conformance test sends it: SessionSetupReq under a header of length 0."""
    assembler = _Assembler()
    payload = b"\x80\x98\x02\x10\x50\x90\x8c\x0c\x0c\x0e"
    assert assembler.payloads(bytes.fromhex("01fe800100000000") + payload) == ()
    assert assembler.payloads(HELLO) == ()
    assert assembler.ignored == 2
    assert assembler.error is None


@pytest.mark.parametrize("payload_type", ISO20_TYPES)
def test_accepted_types_come_with_their_payload(payload_type: PayloadType) -> None:
    assembler = FrameAssembler(more=ISO20_TYPES)
    taken = assembler.feed(frame(b"hello", payload_type) + WORLD)
    assert taken == (V2gtpFrame(payload_type, b"hello"), V2gtpFrame(0x8001, b"world"))
    assert assembler.ignored == 0


@pytest.mark.parametrize("payload_type", [0x8005, 0x8006, 0x8011, 0x8103, 0x8104, 0x80FF, 0xA000])
def test_other_types_are_skipped_beside_accepted_ones(payload_type: int) -> None:
    assembler = FrameAssembler(more=ISO20_TYPES)
    assert assembler.feed(frame(HELLO, payload_type) + WORLD) == (V2gtpFrame(0x8001, b"world"),)
    assert assembler.ignored == 1


def test_accepted_types_have_a_separate_limit() -> None:
    assembler = FrameAssembler(max_payload=100, more=(0x8002,), max_more=200)
    assert assembler.feed(frame(bytes(200), 0x8002)) == (V2gtpFrame(0x8002, bytes(200)),)
    for payload_type, length, limit in ((0x8002, 201, 200), (0x8001, 101, 100), (0x8003, 101, 100)):
        with pytest.raises(FramingError, match=f"{payload_type:#06x}, length {length} is above .* {limit} "):
            FrameAssembler(max_payload=100, more=(0x8002,), max_more=200).feed(
                frame(bytes(length), payload_type)
            )


def test_frames_without_use_count_as_ignored_headers() -> None:
    assembler = FrameAssembler(more=ISO20_TYPES)
    for _ in range(16):
        assembler.ignore("type 0x8002")
    with pytest.raises(FramingError, match="more than 16 headers to ignore, the last one: type 0x8002"):
        assembler.ignore("type 0x8002")


def test_the_seventeenth_ignored_header_closes() -> None:
    assembler = _Assembler()
    empty = bytes.fromhex("01fe800100000000")
    assert assembler.payloads(empty * 16) == ()
    with pytest.raises(FramingError, match="more than 16 headers"):
        assembler.payloads(empty)


@pytest.mark.req("V2G2-086", "V2G2-800")
@pytest.mark.parametrize("payload_type", ["7000", "7001", "8002", "9000", "9001", "a000", "ffff"])
def test_another_payload_type_is_skipped_with_its_payload(payload_type: str) -> None:
    assembler = _Assembler()
    stream = bytes.fromhex("01fe" + payload_type + "0000000d") + HELLO + WORLD
    assert assembler.payloads(stream) == (b"world",)
    assert assembler.ignored == 1


def test_a_skipped_payload_is_not_kept() -> None:
    assembler = _Assembler()
    assembler.payloads(bytes.fromhex("01fe800200001000") + bytes(1000))
    assert assembler.pending == 0
    assert assembler.payloads(bytes(3096) + HELLO) == (b"hello",)


@pytest.mark.req("V2G2-800")
@pytest.mark.parametrize("start", ["00fe", "02fe", "fffe", "01ff", "0101", "02fd"])
def test_a_wrong_version_is_ignored_and_the_next_message_counts(start: str) -> None:
    assembler = _Assembler()
    assert assembler.payloads(bytes.fromhex(start) + HELLO[2:]) == ()
    assert assembler.payloads(WORLD) == (b"world",)
    assert assembler.ignored == 1


def test_a_wrong_version_and_a_good_message_in_one_segment() -> None:
    assert _Assembler().payloads(b"\x02" + HELLO[1:] + WORLD) == (b"world",)


@pytest.mark.req("V2G2-800")
@pytest.mark.parametrize("start", ["02fd8001", "00fe8001", "01ff8001", "fffe8001", "01fe8002", "01fe9000"])
def test_a_message_inside_the_payload_of_an_ignored_header_is_not_one(start: str) -> None:
    assembler = _Assembler()
    header = bytes.fromhex(start + "00001000")
    assert assembler.payloads(header + HELLO + bytes(4096 - len(HELLO))) == ()
    assert assembler.payloads(WORLD) == (b"world",)
    assert assembler.ignored == 1


def test_an_unknown_version_with_a_length_above_the_limit_loses_the_boundary() -> None:
    assembler = _Assembler()
    assert assembler.payloads(bytes.fromhex("02fd800100002001") + HELLO) == ()
    assert assembler.payloads(HELLO) == ()
    assert assembler.ignored == 1


def test_more_than_a_frame_after_a_lost_boundary_closes() -> None:
    assembler = _Assembler()
    assert assembler.payloads(bytes.fromhex("02fd8001ffffffff") + bytes(8200)) == ()
    assert assembler.pending == 0
    with pytest.raises(FramingError, match="8201 bytes after a header of unknown version"):
        assembler.payloads(b"\0")


def test_text_of_another_protocol_is_never_a_message() -> None:
    assembler = _Assembler()
    assert assembler.payloads(b"GET / HTTP/1.1\r\n\r\n" + HELLO) == ()


def test_a_tls_client_hello_closes_at_once() -> None:
    with pytest.raises(FramingError, match="TLS record"):
        _Assembler().payloads(bytes.fromhex("16030100a5010000a10303"))


def test_a_frame_before_the_defect_is_not_lost() -> None:
    assembler = _Assembler()
    assert assembler.payloads(HELLO + bytes.fromhex("01fe8001ffffffff")) == (b"hello",)
    assert isinstance(assembler.error, FramingError)
    with pytest.raises(FramingError, match="above the limit"):
        assembler.payloads(b"")


def test_after_a_defect_nothing_is_accepted_any_more() -> None:
    assembler = _Assembler()
    with pytest.raises(FramingError):
        assembler.payloads(bytes.fromhex("01fe8001ffffffff"))
    with pytest.raises(FramingError):
        assembler.payloads(HELLO)
    assert assembler.pending == 0


def test_a_datagram_gives_type_and_payload() -> None:
    assert split_datagram(bytes.fromhex("01fe9000000000021000")) == (0x9000, b"\x10\x00")


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        ("", "shorter than"),
        ("01fe90000000", "shorter than"),
        ("02fe9000000000021000", "version 0x02/0xfe"),
        ("01ff9000000000021000", "version 0x01/0xff"),
        ("01fe90000000000210", "length 2, found 1"),
        ("01fe900000000002100000", "length 2, found 3"),
        ("01fe9000fffffffa1000", "length 4294967290, found 2"),
    ],
)
def test_a_malformed_datagram_is_refused(datagram: str, reason: str) -> None:
    with pytest.raises(FramingError, match=reason):
        split_datagram(bytes.fromhex(datagram))


@dataclasses.dataclass
class _Outcome:
    frames: list[bytes]
    closed: bool
    ignored: int


def _run(stream: bytes, cuts: list[int]) -> _Outcome:
    assembler = _Assembler(max_payload=_LIMIT)
    frames: list[bytes] = []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    with contextlib.suppress(FramingError):
        for start, end in itertools.pairwise(edges):
            frames += assembler.payloads(stream[start:end])
    return _Outcome(frames, assembler.error is not None, assembler.ignored)


_LIMIT = 64


def _model(stream: bytes) -> _Outcome:
    """The table of the module's docstring, read off the whole stream at once; shares no code with it."""
    out = _Outcome([], False, 0)
    at = 0
    while len(stream) - at >= 8:
        start = stream[at : at + 2]
        length = int.from_bytes(stream[at + 4 : at + 8], "big")
        ours = start == b"\x01\xfe"
        tls = at == 0 and start == b"\x16\x03"
        if tls or (ours and length > _LIMIT) or (out.ignored == 16 and not _is_message(stream, at)):
            out.closed = True
            out.ignored += not tls and not (ours and length > _LIMIT)
            return out
        at += 8
        if _is_message(stream, at - 8):
            if len(stream) - at < length:
                return out
            out.frames.append(stream[at : at + length])
            at += length
            continue
        out.ignored += 1
        if length > _LIMIT:
            out.closed = len(stream) - at > _LIMIT + 8
            return out
        at += length
    return out


def _is_message(stream: bytes, at: int) -> bool:
    return stream[at : at + 4] == b"\x01\xfe\x80\x01" and int.from_bytes(stream[at + 4 : at + 8], "big") > 0


_HEADS = [
    b"\x01\xfe\x80\x02",
    b"\x02\xfd\x80\x01",
    b"\x01\xff\x80\x01",
    b"\x01\xfe\x70\x00",
    b"\x01\xfe\x80\x01",
]
_LENGTHS = st.one_of(
    st.integers(0, 80), st.sampled_from([0, 64, 65, 4096, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF])
)
_FAULTY = st.builds(
    lambda head, length, payload: head + length.to_bytes(4, "big") + payload,
    st.sampled_from(_HEADS),
    _LENGTHS,
    st.one_of(st.binary(max_size=40), st.binary(max_size=24).map(frame)),
)
_HONEST = st.builds(
    lambda head, payload: head + len(payload).to_bytes(4, "big") + payload,
    st.sampled_from(_HEADS),
    st.one_of(st.binary(max_size=40), st.binary(max_size=24).map(frame)),
)
_PIECES = st.one_of(
    st.binary(max_size=24),
    st.binary(max_size=80).map(frame),
    _HONEST,
    _FAULTY,
    st.sampled_from([b"\x01", b"\x01\xfe", b"\x01\xfe\x80", b"\x01\xfe\x80\x01", b"\x16\x03\x01"]),
)


@given(st.lists(_PIECES, max_size=24))
def test_every_stream_in_every_two_segments_is_what_the_table_says(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    expected = _model(stream)
    for cut in range(len(stream) + 1):
        assert _run(stream, [cut]) == expected
    assert _run(stream, list(range(len(stream)))) == expected


@given(st.lists(_PIECES, max_size=24), st.lists(st.integers(0, 2**16), max_size=30))
def test_the_same_bytes_in_any_segments_give_the_same_outcome(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    assert _run(stream, cuts) == _model(stream)


@given(st.lists(_HONEST, max_size=12), st.lists(st.integers(0, 2**16), max_size=10))
def test_only_what_a_chain_of_declared_lengths_reaches_is_a_message(
    pieces: list[bytes], cuts: list[int]
) -> None:
    """Each piece declares what it has, so that its own header alone decides; a frame inside is not one."""
    expected = [piece[8:] for piece in pieces if piece[:4] == b"\x01\xfe\x80\x01" and len(piece) > 8]
    assert _run(b"".join(pieces), cuts).frames == expected


@given(st.lists(st.binary(min_size=1, max_size=64), max_size=8), st.lists(st.integers(0, 2**16), max_size=10))
def test_good_frames_survive_any_segmentation(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    assert _run(stream, cuts) == _Outcome(payloads, False, 0)
