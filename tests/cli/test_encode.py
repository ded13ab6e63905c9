"""`secc encode`"""

import json
from pathlib import Path

import pytest

from secc.cli import main

SESSION_SETUP = "809802000000000000000011d0180801784080c000"
SETUP_MESSAGE = json.dumps(
    {
        "V2G_Message": {
            "Header": {"SessionID": "0000000000000000"},
            "Body": {"SessionSetupReq": {"EVCCID": "02005E102030"}},
        }
    }
)


def test_json_becomes_exi(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", SETUP_MESSAGE]) == 0
    assert capsys.readouterr().out == SESSION_SETUP + "\n"


def test_a_header_is_put_in_front(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "--v2gtp", SETUP_MESSAGE]) == 0
    assert capsys.readouterr().out == "01fe800100000015" + SESSION_SETUP + "\n"


def test_bytes_are_written_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["encode", "--binary", SETUP_MESSAGE]) == 0
    assert capfdbinary.readouterr().out == bytes.fromhex(SESSION_SETUP)


def test_the_handshake_is_known_by_its_root(capsys: pytest.CaptureFixture[str]) -> None:
    answer = '{"supportedAppProtocolRes": {"ResponseCode": "OK_SuccessfulNegotiation", "SchemaID": 1}}'
    assert main(["encode", answer]) == 0
    assert capsys.readouterr().out == "80400040\n"


def test_a_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "message.json").write_text(SETUP_MESSAGE)
    assert main(["encode", str(tmp_path / "message.json")]) == 0
    assert capsys.readouterr().out == SESSION_SETUP + "\n"


def test_a_member_that_does_not_belong_is_a_no_with_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", '{"V2G_Message": {"Head": {}}}']) == 1
    assert "Head is not permitted here" in capsys.readouterr().err


def test_what_is_no_json_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "{nonsense"]) == 1
    assert "not JSON" in capsys.readouterr().err


def test_a_missing_file_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "no-such-file"]) == 2
    assert "no-such-file" in capsys.readouterr().err


def test_xml_is_taken_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--xml", "809802000000000000000011d0180801784080c000"]) == 0
    document = capsys.readouterr().out
    assert main(["encode", document]) == 0
    assert capsys.readouterr().out.strip() == "809802000000000000000011d0180801784080c000"


def test_xml_of_no_schema_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "<a/>"]) == 1
    assert "belongs to none of the schema sets" in capsys.readouterr().err


def test_the_form_of_full_lists_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    service = {"ServiceID": 1}
    body = {"PaymentServiceSelectionReq": {"SelectedPaymentOption": "ExternalPayment"}}
    body["PaymentServiceSelectionReq"]["SelectedServiceList"] = {"SelectedService": [service] * 16}  # type: ignore[assignment]
    text = json.dumps({"V2G_Message": {"Header": {"SessionID": "00"}, "Body": body}})
    written = []
    for form in ("specified", "marked"):
        assert main(["encode", "--full-lists", form, text]) == 0
        written.append(capsys.readouterr().out)
        assert main(["decode", written[-1]]) == 0
        assert json.loads(capsys.readouterr().out)["V2G_Message"]["Body"] == body
    assert main(["encode", text]) == 0
    assert capsys.readouterr().out == written[0] != written[1]


def test_an_error_of_the_text_has_file_line_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text('{"V2G_Message": {\n  "Header" 1}}')
    assert main(["encode", str(tmp_path / "broken.json")]) == 1
    assert "broken.json, line 2, column 12: not JSON: Expecting ':' delimiter" in capsys.readouterr().err
    assert main(["encode", "--schema", "iso2", "<a>\n <b></a>"]) == 1
    assert "line 2, column 7: not XML: mismatched tag" in capsys.readouterr().err


def test_a_body_without_its_envelope_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ('{"SessionStopReq": {"ChargingSession": "Terminate"}}', '{"Body": {}}'):
        assert main(["encode", text]) == 1
        assert "is its body" in capsys.readouterr().err
    space = "urn:iso:15118:2:2013:MsgBody"
    assert main(["encode", "--schema", "iso2", f'<SessionStopReq xmlns="{space}"/>']) == 1
    assert "expected V2G_Message; SessionStopReq is its body" in capsys.readouterr().err
