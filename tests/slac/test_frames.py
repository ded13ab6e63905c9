"""The frame codec: byte-exact against captures, and silent about nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import FramingError
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import Frame, Message, OtherMessage, decode, encode, redacted
from tests.support import vectors

CASES = Path(__file__).parents[3] / "shared" / "cases"
EV = bytes.fromhex("0200000000e1")
EVSE = bytes.fromhex("0200000000c1")
RUN = bytes.fromhex("0011223344556677")
ONE_OF_EACH: tuple[Message, ...] = (
    m.SetKeyReq(nid=bytes(7), nmk=bytes(range(16))),
    m.SetKeyCnf(result=1),
    m.SlacParmReq(RUN),
    m.SlacParmCnf(RUN, EV),
    m.StartAttenCharInd(RUN, EV),
    m.MnbcSoundInd(RUN, 9),
    m.AttenProfileInd(EV, bytes(range(58))),
    m.AttenCharInd(EV, RUN, 10, bytes(range(58))),
    m.AttenCharRsp(EV, RUN),
    m.ValidateReq(0, 0, 1),
    m.ValidateCnf(0, 3, 2),
    m.SlacMatchReq(EV, EVSE, RUN),
    m.SlacMatchCnf(EV, EVSE, RUN, bytes(7), bytes(range(16))),
    m.AmpMapReq(917, bytes(459)),
    m.AmpMapCnf(0),
    v.LinkStatusReq(),
    v.LinkStatusCnf(0, 1),
    v.SoftwareVersionReq(),
    v.SoftwareVersionCnf(0, 0x20, b"MAC-QCA7420"),
    v.OperationAttributesReq(7),
    v.OperationAttributesCnf(0, 7, 0, b"QCA7000".ljust(118, b"\0")),
    v.RestartReq(),
    v.NetworkInfoReq(),
    v.NetworkInfoCnf(0, 0, b"\0\0"),
    v.LumissilResetReq(),
    v.LumissilVersionReq(3),
    v.LumissilVersionCnf(3),
    v.LumissilLinkReq(4),
    v.LumissilLinkCnf(4, 1),
)
# Rows whose fault lies in an address or a run: only the running matching can know, see test_matching.
FAULTY_FOR_THE_MATCHING = {340, 342, 343, 349, 351, 352}


def captured() -> list[tuple[int, str, bool, str]]:
    """(row, name, whether it is a good frame, hex) of every management frame beside the checkout."""
    found: list[tuple[int, str, bool, str]] = []
    row: dict[str, Any]
    for row in vectors.lines("slac.jsonl"):
        if row["kind"] in ("sequence", "lab_sequence"):
            found += [(row["id"], f["n"], True, f["hex"]) for f in row["frames"] if f["n"] != "SDP"]
        elif "88e1" in row.get("hex", "")[24:28]:
            found.append((row["id"], row["name"], row["valid"], row["hex"]))
    return found


def test_every_good_captured_frame_is_decoded_and_encoded_to_the_same_bytes() -> None:
    good = [bytes.fromhex(text) for _, _, valid, text in captured() if valid]
    assert len(good) > 700
    assert [encode(decode(data)) for data in good] == good


def test_every_malformed_captured_frame_is_refused() -> None:
    bad = [
        (row, text) for row, _, valid, text in captured() if not valid and row not in FAULTY_FOR_THE_MATCHING
    ]
    assert len(bad) > 25
    for _row, text in bad:
        with pytest.raises(FramingError):
            decode(bytes.fromhex(text))


def test_fields_of_captured_frames_are_read_as_their_descriptions_say() -> None:
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "mme" and row.get("fields")]
    assert len(rows) > 150
    for row in rows:
        message = decode(bytes.fromhex(row["hex"])).message
        match message:
            case m.SlacParmReq() | m.MnbcSoundInd() | m.AttenCharRsp():
                assert message.run_id.hex() == row["fields"]["run_id"]
            case m.AttenProfileInd():
                assert list(message.profile) == row["fields"]["aag"]
            case m.AttenCharInd():
                assert list(message.profile) == row["fields"]["aag"]
                assert message.sounds == row["fields"]["num_sounds"]
            case m.SlacMatchCnf() | m.SetKeyReq():
                assert (message.nid.hex(), message.nmk.hex()) == (row["fields"]["nid"], row["fields"]["nmk"])
            case m.SetKeyCnf():
                assert message.result == row["fields"]["result"]
                assert message.your_nonce.hex() == row["fields"]["your_nonce"]


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda message: type(message).__name__)
def test_each_message_survives_the_wire(message: Message) -> None:
    frame = decode(encode(Frame(EVSE, EV, message)))
    assert frame.message == message
    assert (frame.destination, frame.source) == (EVSE, EV)


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda message: type(message).__name__)
def test_a_frame_cut_anywhere_is_refused_or_unknown(message: Message) -> None:
    data = encode(Frame(EVSE, EV, message, trailing=b""))
    for size in range(len(data)):
        try:
            assert isinstance(decode(data[:size]).message, OtherMessage)
        except FramingError:
            continue


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda message: type(message).__name__)
def test_a_check_sequence_left_in_the_frame_does_no_harm(message: Message) -> None:
    data = encode(Frame(EVSE, EV, message)) + bytes.fromhex("deadbeef")
    assert decode(data).message == message
    assert encode(decode(data)) == data


@pytest.mark.parametrize("size", [1514, 9000])
def test_a_frame_much_longer_than_its_type_is_refused(size: int) -> None:
    data = encode(Frame(m.BROADCAST, EV, m.SlacParmReq(RUN))).ljust(size, b"\xa5")
    with pytest.raises(FramingError, match="too many"):
        decode(data)


@pytest.mark.parametrize(
    "message",
    [m.AttenCharRsp(EV, RUN), m.SlacMatchReq(EV, EVSE, RUN), m.ValidateReq(0, 0, 1), m.SetKeyCnf(1)],
    ids=lambda message: type(message).__name__,
)
def test_what_is_for_one_station_is_refused_when_it_was_sent_to_all(message: Message) -> None:
    with pytest.raises(FramingError, match="group"):
        decode(encode(Frame(m.BROADCAST, EV, message)))


def test_the_amplitude_map_comes_in_two_versions() -> None:
    data = encode(Frame(EVSE, EV, m.AmpMapReq(4, b"\x12\x34"), mmv=2))
    assert decode(data).message == m.AmpMapReq(4, b"\x12\x34")
    assert encode(decode(data)) == data


def test_an_amplitude_map_that_announces_more_than_there_is_is_refused() -> None:
    data = bytearray(encode(Frame(EVSE, EV, m.AmpMapReq(4, b"\x12\x34"))))
    data[19:21] = b"\xff\xff"
    with pytest.raises(FramingError, match="fewer bytes"):
        decode(bytes(data))


def test_a_vendor_message_of_another_maker_is_only_kept() -> None:
    data = bytearray(encode(Frame(EVSE, EV, v.LinkStatusCnf(0, 1))))
    data[17:20] = b"\x00\x11\x22"
    assert isinstance(decode(bytes(data)).message, OtherMessage)


def test_networks_are_read_from_the_answer_of_a_modem() -> None:
    data = bytes.fromhex("0001") + bytes.fromhex("d5925cb82e6808") + bytes(2) + b"\x04\x04" + bytes(4)
    data += b"\x02" + EVSE + b"\x01" + bytes(3) + b"\x01" + bytes(5) + EV + bytes(18)
    (network,) = v.NetworkInfoCnf(0, 0, data).networks
    assert network == v.Network(bytes.fromhex("d5925cb82e6808"), 4, 2, EVSE, (EV,))


def test_secrets_do_not_show_in_the_text_of_a_message() -> None:
    secret = bytes(range(0x41, 0x51))
    for message in (m.SetKeyReq(bytes(7), secret), m.SlacMatchCnf(EV, EVSE, RUN, bytes(7), secret)):
        assert repr(secret)[2:-1] not in repr(message)
        assert secret.hex() not in repr(message)


def test_the_key_is_blanked_for_traces_and_nothing_else() -> None:
    secret = bytes(range(0x41, 0x51))
    for message in (m.SetKeyReq(bytes(7), secret), m.SlacMatchCnf(EV, EVSE, RUN, bytes(7), secret)):
        data = encode(Frame(EVSE, EV, message))
        assert redacted(data) == data.replace(secret, bytes(16))
    other = encode(Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN)))
    assert redacted(other) == other
    assert redacted(b"") == b""


@given(st.binary(max_size=400))
def test_random_bytes_give_a_frame_or_a_framing_error(data: bytes) -> None:
    with contextlib.suppress(FramingError):
        assert encode(decode(data)) == data


@given(
    st.sampled_from(ONE_OF_EACH),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 80),
)
def test_damaged_frames_give_a_frame_or_a_framing_error(
    message: Message, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(encode(Frame(EVSE, EV, message)))
    for at, value in changes:
        data[at % len(data)] = value
    damaged = bytes(data[: len(data) - cut])
    with contextlib.suppress(FramingError):
        assert encode(decode(damaged)) == damaged


def op_attr(report: bytes, tail: int) -> bytes:
    """VS_OP_ATTR.CNF byte by byte, as a QCA7000 lays it out."""
    head = EVSE + EV + bytes.fromhex("88e1 00 69a0") + bytes.fromhex("00b052 0000 45230100 00")
    return head + len(report).to_bytes(2, "little") + report + bytes(tail)


def test_the_attributes_of_a_real_modem_are_read() -> None:
    data = op_attr(b"QCA7000".ljust(16, b"\0") + b"MAC".ljust(102, b"\0"), 906)
    assert len(data) == 1053
    frame = decode(data)
    message = frame.message
    assert isinstance(message, v.OperationAttributesCnf)
    assert (message.status, message.cookie, message.report, message.hardware) == (0, 0x12345, 0, "QCA7000")
    assert encode(frame) == data


def test_attributes_that_are_shorter_than_announced_are_refused() -> None:
    data = op_attr(b"QCA7000".ljust(118, b"\0"), 0)
    with pytest.raises(FramingError, match="expected 130"):
        decode(data[:60])


def test_attributes_in_another_form_have_no_name() -> None:
    data = bytearray(op_attr(b"QCA7000".ljust(118, b"\0"), 0))
    data[26] = 1
    message = decode(bytes(data)).message
    assert isinstance(message, v.OperationAttributesCnf)
    assert message.hardware == ""


def test_a_short_name_of_the_firmware_in_a_frame_of_the_usual_size_is_read() -> None:
    data = encode(Frame(EVSE, EV, v.SoftwareVersionCnf(0, 0x22, b"BootLoader\0"))).ljust(297, b"\xcc")
    message = decode(data).message
    assert isinstance(message, v.SoftwareVersionCnf)
    assert message.text == "BootLoader"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the captured frame in ../shared/cases")
def test_a_captured_frame_of_a_real_modem_is_read() -> None:
    data = bytes.fromhex((CASES / "vs_op_attr_cnf.hex").read_text())
    frame = decode(data)
    assert isinstance(frame.message, v.OperationAttributesCnf)
    assert frame.message.hardware == "QCA7000"
    assert encode(frame) == data


@pytest.mark.parametrize("kind", [v.LumissilVersionCnf, v.LumissilLinkReq, v.LumissilResetReq])
def test_a_lumissil_message_comes_in_version_0_or_1(kind: type[v.VendorMessage]) -> None:
    for mmv in (0, 1):
        frame = Frame(EVSE, EV, kind(3), None, mmv)  # type: ignore[call-arg]
        read = decode(encode(frame))
        assert read.message == frame.message
        assert read.mmv == (None if mmv == kind.mmv else mmv)


def test_a_qualcomm_message_in_another_version_is_not_read() -> None:
    read = decode(encode(Frame(EVSE, EV, v.LinkStatusCnf(0, 1), None, 1)))
    assert isinstance(read.message, OtherMessage)
