"""XML documents of messages."""

from __future__ import annotations

import random

import pytest

from secc import exi
from secc.errors import EncodeError
from secc.messages import iso2, xmldsig
from secc.messages._base import Item
from tests.support.messages import IN_XML, SETS, Generator, codec
from tests.support.vectors import lines, own

STOP = iso2.V2GMessage(
    header=iso2.MessageHeader(session_id=bytes.fromhex("0a0b")),
    body=iso2.SessionStopReq(charging_session=iso2.ChargingSession.TERMINATE),
)
STOP_XML = """\
<n1:V2G_Message xmlns:n1="urn:iso:15118:2:2013:MsgDef" xmlns:n2="urn:iso:15118:2:2013:MsgHeader" \
xmlns:n3="urn:iso:15118:2:2013:MsgBody">
  <n1:Header>
    <n2:SessionID>0A0B</n2:SessionID>
  </n1:Header>
  <n1:Body>
    <n3:SessionStopReq>
      <n3:ChargingSession>Terminate</n3:ChargingSession>
    </n3:SessionStopReq>
  </n1:Body>
</n1:V2G_Message>
"""


def test_a_message_is_written_with_its_namespaces() -> None:
    assert exi.ISO2.to_xml(STOP) == STOP_XML


def test_a_document_is_read_back() -> None:
    assert exi.ISO2.from_xml(STOP_XML) == STOP


def test_attributes_and_simple_content_are_kept() -> None:
    value = iso2.EMAID(id="id4", value="DEABCC123ABC56")
    text = exi.ISO2.xml_form.to_xml("eMAID", value)
    assert text == (
        '<n1:eMAID xmlns:n1="urn:iso:15118:2:2013:MsgBody" xmlns:n2="urn:iso:15118:2:2013:MsgDataTypes" '
        'n2:Id="id4">DEABCC123ABC56</n1:eMAID>\n'
    )
    assert exi.ISO2.xml_form.from_xml(text) == ("eMAID", value)


def test_ordered_content_keeps_its_order() -> None:
    value = xmldsig.KeyInfo(content=(Item("KeyName", "a"), Item("MgmtData", "b"), Item("KeyName", "c")))
    form = exi.XMLDSIG.xml_form
    assert form.from_xml(form.to_xml("KeyInfo", value)) == ("KeyInfo", value)


def test_project_vectors_survive_the_way_through_xml() -> None:
    for schema, vector in own():
        codec = exi.codec(schema)
        octets = bytes.fromhex(vector["hex"])
        if vector["kind"] == "fragment":
            name, value = codec.decode_fragment(octets)
        else:
            value = codec.decode(octets)
            name = codec.root_name(value)
        assert codec.xml_form.from_xml(codec.xml_form.to_xml(name, value)) == (name, value)


def test_documents_of_an_independent_processor_mean_the_same() -> None:
    codecs = {"sap": exi.APP_PROTOCOL, "v2": exi.ISO2, "dsig": exi.XMLDSIG}
    for record in lines("exi.jsonl"):
        if not record.get("xml"):
            continue
        codec = codecs[record["grammar"]]
        octets = bytes.fromhex(record["exi_hex"])
        value, name, _ = (
            codec.engine.decode_fragment if record["kind"] == "fragment" else codec.engine.decode
        )(octets)
        assert codec.xml_form.from_xml(record["xml"]) == (name, value), record["name"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a>", "not XML"),
        ("<a/>", "a is not an element of this schema set"),
        (STOP_XML.replace("Terminate", "Forever"), "Forever"),
        (STOP_XML.replace("0A0B", "0A0"), "is not a valid hex"),
        (STOP_XML.replace("n3:ChargingSession", "n3:Session"), "Session is not permitted here"),
        (STOP_XML.replace("<n2:SessionID>0A0B</n2:SessionID>", ""), "session_id"),
        (STOP_XML.replace("<n1:Header>", '<n1:Header id="1">'), "id is not permitted here"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(EncodeError, match=words):
        exi.ISO2.from_xml(text)


def test_an_element_given_twice_is_refused() -> None:
    twice = "<n2:SessionID>0A0B</n2:SessionID>" * 2
    with pytest.raises(EncodeError, match="more than once"):
        exi.ISO2.from_xml(STOP_XML.replace("<n2:SessionID>0A0B</n2:SessionID>", twice))


def test_what_xml_cannot_carry_is_refused() -> None:
    request = iso2.V2GMessage(
        header=iso2.MessageHeader(session_id=b""), body=iso2.ServiceDiscoveryReq(service_scope="\0" * 64)
    )
    with pytest.raises(EncodeError, match=r"U\+0000 cannot be written in XML"):
        exi.ISO2.to_xml(request)


def test_what_xml_cannot_carry_between_elements_is_refused_too() -> None:
    mixed = xmldsig.Object(content=(Item("", "a\uffff"),))
    with pytest.raises(EncodeError, match=r"U\+FFFF cannot be written in XML"):
        exi.XMLDSIG.xml_form.to_xml("Object", mixed)


SERVICES = """\
<n1:ServiceList xmlns:n1="urn:iso:15118:2:2013:MsgBody" xmlns:n2="urn:iso:15118:2:2013:MsgDataTypes" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <n2:Service xsi:type="n2:ChargeServiceType">
    <n2:ServiceID>1</n2:ServiceID>
    <n2:ServiceCategory>EVCharging</n2:ServiceCategory>
    <n2:FreeService>true</n2:FreeService>
    <n2:SupportedEnergyTransferMode>
      <n2:EnergyTransferMode>DC_extended</n2:EnergyTransferMode>
    </n2:SupportedEnergyTransferMode>
  </n2:Service>
</n1:ServiceList>
"""


def test_a_type_that_extends_the_declared_one_is_named() -> None:
    mode = iso2.SupportedEnergyTransferMode(energy_transfer_mode=(iso2.EnergyTransferMode.DC_EXTENDED,))
    service = iso2.ChargeService(
        service_id=1,
        service_category=iso2.ServiceCategory.EV_CHARGING,
        free_service=True,
        supported_energy_transfer_mode=mode,
    )
    services = iso2.ServiceList(service=(service,))
    assert exi.ISO2.xml_form.to_xml("ServiceList", services) == SERVICES
    assert exi.ISO2.xml_form.from_xml(SERVICES) == ("ServiceList", services)
    other = SERVICES.replace("n2:Service ", 'n2:Service xmlns="urn:iso:15118:2:2013:MsgDataTypes" ')
    assert exi.ISO2.xml_form.from_xml(other.replace('"n2:Charge', '"Charge')) == ("ServiceList", services)


@pytest.mark.parametrize("named", ["n1:ChargeServiceType", "ChargeServiceType", "n2:ServiceTagType"])
def test_a_type_that_does_not_extend_the_declared_one_is_refused(named: str) -> None:
    with pytest.raises(EncodeError, match="is not a type that extends that of Service"):
        exi.ISO2.xml_form.from_xml(SERVICES.replace("n2:ChargeServiceType", named))


def test_a_value_of_another_class_is_refused_and_not_cut_to_what_fits() -> None:
    info = iso2.ServiceList(service=(iso2.MeterInfo(meter_id="1"),))  # type: ignore[arg-type]
    with pytest.raises(EncodeError, match="found MeterInfo, expected Service"):
        exi.ISO2.xml_form.to_xml("ServiceList", info)


def test_a_carriage_return_stays_one() -> None:
    request = iso2.V2GMessage(
        header=iso2.MessageHeader(session_id=b""), body=iso2.ServiceDiscoveryReq(service_scope="a\r\nb")
    )
    assert exi.ISO2.from_xml(exi.ISO2.to_xml(request)) == request


@pytest.mark.parametrize("name", SETS)
def test_any_message_that_xml_can_carry_goes_through_xml_and_back(name: str) -> None:
    form, make, rng = codec(name).xml_form, Generator(name, odd=IN_XML), random.Random(15118)
    filled = 0
    for _ in range(60):
        made = make.message(rng)
        document = form.to_xml(*made)
        assert form.from_xml(document) == made, document
        filled += "Item(name='{" in repr(made)
    assert filled > 0 or name == "sap"  # elements where any may stand
