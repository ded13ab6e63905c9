"""`secc decode`"""

import json
from pathlib import Path

import pytest

from secc.cli import main
from secc.v2gtp import frame

SESSION_SETUP = "809802000000000000000011d0180801784080c000"
SETUP_MESSAGE = {
    "V2G_Message": {
        "Header": {"SessionID": "0000000000000000"},
        "Body": {"SessionSetupReq": {"EVCCID": "02005E102030"}},
    }
}
HANDSHAKE_ANSWER = "80400040"


def test_exi_becomes_json_with_the_names_of_the_standard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", SESSION_SETUP]) == 0
    assert json.loads(capsys.readouterr().out) == SETUP_MESSAGE


def test_a_v2gtp_header_is_taken_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "01fe800100000015" + SESSION_SETUP]) == 0
    assert json.loads(capsys.readouterr().out) == SETUP_MESSAGE


def test_several_frames_give_several_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--compact", ("01fe800100000015" + SESSION_SETUP) * 2]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [SETUP_MESSAGE, SETUP_MESSAGE]


def test_the_handshake_is_tried_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", HANDSHAKE_ANSWER]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "supportedAppProtocolRes": {"ResponseCode": "OK_SuccessfulNegotiation", "SchemaID": 1}
    }


def test_a_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "message.bin").write_bytes(bytes.fromhex(SESSION_SETUP))
    assert main(["decode", str(tmp_path / "message.bin")]) == 0
    assert json.loads(capsys.readouterr().out) == SETUP_MESSAGE


def test_sdp_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "01fe9000000000020000"]) == 0
    assert json.loads(capsys.readouterr().out) == {"SDPRequest": {"Security": "TLS", "Transport": "TCP"}}
    assert main(["decode", "01fe900100000014fe8000000000000002aabbfffeccddeec3c61000"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "SDPResponse": {
            "Address": "fe80::2aa:bbff:fecc:ddee",
            "Port": 50118,
            "Security": "NONE",
            "Transport": "TCP",
        }
    }


def test_bytes_that_are_no_message_are_a_no_with_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", SESSION_SETUP[:20]]) == 1
    assert "bit " in capsys.readouterr().err


def test_a_frame_that_lies_about_its_length_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "01fe800100000016" + SESSION_SETUP]) == 1
    assert "announces 22 bytes, 21 follow" in capsys.readouterr().err


def test_an_unknown_payload_type_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "01fe70000000000100"]) == 1
    assert "0x7000" in capsys.readouterr().err


def test_something_else_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "no-such-file"]) == 2
    assert "neither hexadecimal nor a file" in capsys.readouterr().err


def test_the_fragment_that_a_signature_digests_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from secc import exi
    from secc.messages.iso2 import AuthorizationReq

    fragment = exi.ISO2.encode_fragment(
        "AuthorizationReq", AuthorizationReq(id="ID1", gen_challenge=bytes(16))
    )
    assert main(["decode", "--schema", "iso2", "--fragment", fragment.hex()]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "AuthorizationReq": {"Id": "ID1", "GenChallenge": "AAAAAAAAAAAAAAAAAAAAAA=="}
    }


def test_xml_is_written_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--xml", SESSION_SETUP]) == 0
    assert "<n3:EVCCID>02005E102030</n3:EVCCID>" in capsys.readouterr().out


def test_a_stream_is_explained_bit_by_bit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--explain", HANDSHAKE_ANSWER]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["8", "2", "01", "SE(supportedAppProtocolRes)", "1/3"]
    assert lines[-1].split() == ["28", "4", "0000", "padding"]


def test_the_explanation_of_a_bad_stream_ends_with_the_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--explain", SESSION_SETUP[:20]]) == 1
    captured = capsys.readouterr()
    assert [line.split()[3] for line in captured.out.splitlines()[-3:]] == ["CH", "fault", "unread"]
    assert "truncated" in captured.err


def test_din_is_tried_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "809a004011d018080c1014181c00"]) == 0
    assert "SessionSetupReq" in capsys.readouterr().out


STOP20 = '{"SessionStopReq": {"Header": {"SessionID": "0001020304050607", "TimeStamp": 1}, '
STOP20 += '"ChargingSession": "Terminate"}}'
WELDING20 = '{"DC_WeldingDetectionReq": {"Header": {"SessionID": "0001020304050607", "TimeStamp": 1}, '
WELDING20 += '"EVProcessing": "Ongoing"}}'


@pytest.mark.parametrize(("text", "header"), [(STOP20, "01fe8002"), (WELDING20, "01fe8004")])
def test_messages_of_iso_15118_20_go_with_their_payload_type(
    capsys: pytest.CaptureFixture[str], text: str, header: str
) -> None:
    assert main(["encode", "--v2gtp", text]) == 0
    framed = capsys.readouterr().out.strip()
    assert framed.startswith(header)
    assert main(["decode", "--compact", framed]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(text)


def test_a_side_stream_is_read_by_its_payload_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", WELDING20]) == 0
    document = bytes.fromhex(capsys.readouterr().out)
    assert main(["decode", frame(document, 0x8101).hex()]) == 0
    assert "DC_WeldingDetectionReq" in capsys.readouterr().out
