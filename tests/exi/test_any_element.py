"""Elements where the schema allows any, and elements that name their type."""

from __future__ import annotations

import pytest

from secc import exi
from secc.errors import DecodeError, EncodeError
from secc.messages import iso2, xmldsig
from secc.messages._base import Item
from tests.support.exi import decode, encode, message, physical
from tests.support.messages import codec

PAUSE = iso2.SessionStopReq(charging_session=iso2.ChargingSession.PAUSE)
DS = "{http://www.w3.org/2000/09/xmldsig#}"
INNER = xmldsig.Object(content=(Item("{urn:iso:15118:2:2013:MsgBody}SessionStopReq", PAUSE),))
WILD = xmldsig.Object(
    content=(Item("", "before "), Item(f"{DS}KeyName", "k"), Item(f"{DS}Object", INNER)),
)


def test_a_global_element_may_stand_where_the_schema_allows_any() -> None:
    octets = exi.ISO2.encode_fragment("Object", WILD)
    assert exi.ISO2.decode_fragment(octets) == ("Object", WILD)
    assert exi.ISO2.json_form.to_value(exi.ISO2.json_form.from_value("Object", WILD)) == ("Object", WILD)
    assert exi.ISO2.xml_form.from_xml(exi.ISO2.xml_form.to_xml("Object", WILD)) == ("Object", WILD)


def test_names_are_spelled_through_the_name_tables() -> None:
    octets = exi.XMLDSIG.encode_fragment("Object", xmldsig.Object(content=(Item(f"{DS}KeyName", "k"),)))
    pieces, fault = exi.XMLDSIG.explain(octets, fragment=True)
    assert fault is None
    assert [piece.event for piece in pieces][:3] == ["header", "SE(Object)", "SE(*)"]
    assert exi.XMLDSIG.decode_fragment(octets)[1].content == (Item(f"{DS}KeyName", "k"),)


def test_an_unknown_element_is_reported_by_name() -> None:
    with pytest.raises(EncodeError, match="is no global element of this schema set"):
        exi.ISO2.encode_fragment("Object", xmldsig.Object(content=(Item("{urn:x}y", "k"),)))
    octets = exi.XMLDSIG.encode_fragment("Object", xmldsig.Object(content=(Item(f"{DS}KeyName", "k"),)))
    bits = f"{int.from_bytes(octets):0{len(octets) * 8}b}"
    uri = bits[17:20]  # behind header, fragment code and SE(*)
    assert uri == "101"
    spelled = (
        bits[:17] + "000" + "00000011" + "".join(f"{ord(c):08b}" for c in "urn") + "00000010" + "01111001"
    )
    stream = int(spelled.ljust(-(-len(spelled) // 8) * 8, "0"), 2).to_bytes(-(-len(spelled) // 8))
    with pytest.raises(DecodeError, match=r"\{urn\}y is no global element") as caught:
        exi.XMLDSIG.decode_fragment(stream)
    assert caught.value.kind == "undeclared"


def test_an_element_that_names_its_type_is_the_message_of_that_type() -> None:
    # EVSEStatus with xsi:type="DC_EVSEStatusType", as EXIficient writes it.
    typed = bytes.fromhex("809802000000000000000011600a5c007800010800")
    message = exi.ISO2.decode(typed)
    status = iso2.DCEVSEStatus(
        notification_max_delay=0,
        evse_notification=iso2.EVSENotification.NONE,
        evse_status_code=iso2.DCEVSEStatusCode.EVSE_READY,
    )
    assert message.body == iso2.PowerDeliveryRes(response_code=iso2.ResponseCode.OK, evse_status=status)
    assert exi.ISO2.encode(message).hex() == "809802000000000000000011600400010800"
    pieces, fault = exi.ISO2.explain(typed)
    assert fault is None
    assert "second level: xsi:type" in [piece.event for piece in pieces]
    assert "{urn:iso:15118:2:2013:MsgDataTypes}DC_EVSEStatusType" in [piece.value for piece in pieces]


def charge_service() -> iso2.ChargeService:
    mode = iso2.SupportedEnergyTransferMode(energy_transfer_mode=(iso2.EnergyTransferMode.DC_EXTENDED,))
    return iso2.ChargeService(
        service_id=1,
        service_category=iso2.ServiceCategory.EV_CHARGING,
        free_service=True,
        supported_energy_transfer_mode=mode,
    )


def test_an_element_of_a_type_that_extends_another_names_it() -> None:
    service = charge_service()
    response = iso2.ServiceDiscoveryRes(
        response_code=iso2.ResponseCode.OK,
        payment_option_list=iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.CONTRACT,)),
        charge_service=service,
        service_list=iso2.ServiceList(service=(service,)),
    )
    # ServiceList/Service with xsi:type="ChargeServiceType", as EXIficient writes it.
    stream = "8098004051c00020048283212e00140090506480"
    assert exi.ISO2.encode(message(response, b"\x01")).hex() == stream
    assert exi.ISO2.decode(bytes.fromhex(stream)) == message(response, b"\x01")


def test_an_abstract_element_where_any_may_stand_names_its_type() -> None:
    din = codec("din").module
    status = din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, ev_ress_soc=5)
    full = "{urn:din:70121:2012:MsgDataTypes}EVStatus"
    held = xmldsig.Object(content=(Item(full, status),))
    assert encode("din", "Object", held).hex() == "8050dc01221c0074a000a2"
    assert decode("din", bytes.fromhex("8050dc01221c0074a000a2"))[0] == held
    assert encode("din", "EVStatus", status).hex() == "803f0e003a500050"
    assert decode("din", bytes.fromhex("803f0e003a500050"))[:2] == (status, "EVStatus")


def test_an_element_of_an_unrelated_type_is_refused() -> None:
    listed = iso2.ServiceList(service=(physical(1, iso2.UnitSymbol.A),))  # type: ignore[arg-type]
    with pytest.raises(EncodeError, match=r"PhysicalValue in field 0; .* expected Service"):
        encode("iso2", "ServiceList", listed, fragment=True)
    with pytest.raises(EncodeError, match="V2GMessage found, Object expected"):
        encode("iso2", "Object", message(iso2.SessionSetupReq(evcc_id=b"")))


def test_a_declared_type_that_is_named_again_changes_nothing() -> None:
    typed = bytes.fromhex("80980200000000000000001160065c007800010800")
    assert exi.ISO2.encode(exi.ISO2.decode(typed)).hex() == "809802000000000000000011600400010800"
