"""Messages as JSON: the form of the vectors, both ways, and errors that name the member."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from secc import exi
from secc.errors import EncodeError
from secc.messages import iso2, xmldsig
from secc.messages._base import Item
from tests.support.messages import SETS, codec, messages
from tests.support.vectors import lines, own

GRAMMARS = {"sap": "sap", "v2": "iso2", "dsig": "xmldsig"}
STOP = iso2.V2GMessage(
    header=iso2.MessageHeader(session_id=bytes.fromhex("00a1")),
    body=iso2.SessionStopReq(charging_session=iso2.ChargingSession.PAUSE),
)
TEXT = '{"V2G_Message":{"Header":{"SessionID":"00A1"},"Body":{"SessionStopReq":{"ChargingSession":"Pause"}}}}'


def test_a_message_is_an_object_with_the_names_of_the_schema() -> None:
    assert exi.ISO2.to_json(STOP) == TEXT
    assert exi.ISO2.from_json(TEXT) == STOP


def test_text_may_be_indented() -> None:
    assert exi.ISO2.to_json(STOP, indent=2).startswith('{\n  "V2G_Message": {\n    "Header": {')
    assert exi.ISO2.from_json(exi.ISO2.to_json(STOP, indent=2).encode()) == STOP


def test_base64_and_hex_values_are_kept_apart() -> None:
    form = exi.ISO2.json_form
    request = iso2.AuthorizationReq(id="a", gen_challenge=b"\xff\xfe")
    assert form.from_value("AuthorizationReq", request) == {
        "AuthorizationReq": {"Id": "a", "GenChallenge": "//4="}
    }


def test_an_empty_body_is_an_empty_object() -> None:
    empty = iso2.V2GMessage(header=STOP.header, body=None)
    text = '{"V2G_Message":{"Header":{"SessionID":"00A1"},"Body":{}}}'
    assert exi.ISO2.to_json(empty) == text
    assert exi.ISO2.from_json(text) == empty


def test_ordered_content_is_an_array_of_objects_and_text_has_the_empty_name() -> None:
    value = xmldsig.Transform(algorithm="a", content=(Item("", "t"), Item("XPath", "x")))
    data = {"Transform": {"Algorithm": "a", "content": [{"": "t"}, {"XPath": "x"}]}}
    assert exi.XMLDSIG.json_form.from_value("Transform", value) == data
    assert exi.XMLDSIG.json_form.to_value(data) == ("Transform", value)


def test_a_single_entry_of_a_list_may_stand_without_its_array() -> None:
    data = {"PaymentOptionList": {"PaymentOption": "Contract"}}
    _, value = exi.ISO2.json_form.to_value(data)
    assert value == iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.CONTRACT,))


@pytest.mark.parametrize(("name", "vector"), [pytest.param(s, v, id=f"{s}-{v['name']}") for s, v in own()])
def test_project_vector_as_json_goes_there_and_back(name: str, vector: dict[str, Any]) -> None:
    form = codec(name).json_form
    assert form.from_value(*form.to_value(vector["json"])) == vector["json"]


def test_every_shared_vector_has_its_known_json() -> None:
    compared = 0
    for vector in lines("exi.jsonl"):
        if vector["json"] is None:
            continue
        engine, form = codec(GRAMMARS[vector["grammar"]]).engine, codec(GRAMMARS[vector["grammar"]]).json_form
        read = engine.decode_fragment if vector["kind"] == "fragment" else engine.decode
        value, element, _ = read(bytes.fromhex(vector["exi_hex"]))
        assert form.from_value(element, value) == vector["json"], vector["name"]
        assert form.to_value(json.loads(json.dumps(vector["json"]))) == (element, value), vector["name"]
        compared += 1
    assert compared == 374


@pytest.mark.parametrize("name", SETS)
def test_any_message_goes_through_json_and_back(name: str) -> None:
    @given(messages(name))
    def check(made: tuple[str, Any]) -> None:
        form = codec(name).json_form
        assert form.to_value(json.loads(json.dumps(form.from_value(*made)))) == made

    check()


HEAD = '"Header":{"SessionID":"00A1"}'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "line 1, column 2: not JSON: "),
        ("[]", "expected an object with one member, the root element"),
        ("{}", "expected an object with one member, the root element"),
        ('{"a":{},"b":{}}', "expected an object with one member, the root element"),
        ('{"Message":{}}', "Message is not an element of this schema set (in Message)"),
        (
            '{"SessionStopRes":{"ResponseCode":"OK"}}',
            "expected V2G_Message; SessionStopRes is its body (in SessionStopRes)",
        ),
        ('{"V2G_Message":[]}', "found list, expected an object (in V2G_Message)"),
        ('{"V2G_Message":{"Body":{}}}', "@V2G_Message: Missing required argument 'header' (in V2G_Message)"),
        (
            f'{{"V2G_Message":{{{HEAD},"Foot":1}}}}',
            "Foot is not permitted here, expected Header, Body (in V2G_Message)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"SessionStopReq":{{"ChargingSession":"Sleep"}}}}}}}}',
            "'Sleep': 'Sleep' is not a valid ChargingSession"
            " (in V2G_Message/Body/SessionStopReq/ChargingSession)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"ServiceDetailReq":{{"ServiceID":"1"}}}}}}}}',
            "found '1', expected integer (in V2G_Message/Body/ServiceDetailReq/ServiceID)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"ServiceDetailReq":{{"ServiceID":true}}}}}}}}',
            "found True, expected integer (in V2G_Message/Body/ServiceDetailReq/ServiceID)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"SessionSetupReq":{{"EVCCID":"0x"}}}}}}}}',
            "'0x': non-hexadecimal number found in fromhex() arg at position 1"
            " (in V2G_Message/Body/SessionSetupReq/EVCCID)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"AuthorizationReq":{{"GenChallenge":"*"}}}}}}}}',
            "'*': Only base64 data is allowed (in V2G_Message/Body/AuthorizationReq/GenChallenge)",
        ),
        (
            f'{{"V2G_Message":{{{HEAD},"Body":{{"SessionStopReq":{{"ChargingSession":"Pause"}},'
            '"SessionStopRes":{"ResponseCode":"OK"}}}}',
            "excluded by another element of the same choice (in V2G_Message/Body/SessionStopRes)",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(text: str, error: str) -> None:
    with pytest.raises(EncodeError) as caught:
        exi.ISO2.from_json(text)
    assert str(caught.value).startswith(error)


def test_content_that_is_no_element_of_a_repeated_choice_is_refused() -> None:
    data = {"Transform": {"Algorithm": "a", "content": [{"Other": "x"}]}}
    with pytest.raises(EncodeError, match=r"expected an object with one of XPath \(in Transform/content\)"):
        exi.XMLDSIG.json_form.to_value(data)


def test_a_type_that_extends_the_declared_one_is_named() -> None:
    mode = {"EnergyTransferMode": ["DC_extended"]}
    plain = {"ServiceID": 1, "ServiceCategory": "EVCharging", "FreeService": True}
    data = {"Service": {"xsi:type": "ChargeServiceType", **plain, "SupportedEnergyTransferMode": mode}}
    form = exi.ISO2.json_form
    _, service = form.to_value(data)
    assert type(service) is iso2.ChargeService
    assert form.from_value("Service", service) == data
    with pytest.raises(EncodeError, match=r"V2G_MessageType is not a type that extends that of Service"):
        form.to_value({"Service": {"xsi:type": "V2G_MessageType", **plain}})
    with pytest.raises(EncodeError, match="found MessageHeader, expected Service"):
        form.from_value("Service", STOP.header)


def test_a_value_of_no_alternative_is_refused() -> None:
    wrong = iso2.V2GMessage(header=STOP.header, body=STOP.header)  # type: ignore[arg-type]
    with pytest.raises(
        EncodeError, match="found MessageHeader, expected one of AuthorizationReq, AuthorizationRes"
    ):
        exi.ISO2.to_json(wrong)


def test_what_is_no_message_has_no_json() -> None:
    with pytest.raises(EncodeError, match="MessageHeader is not a message of schema set iso2"):
        exi.ISO2.to_json(STOP.header)
