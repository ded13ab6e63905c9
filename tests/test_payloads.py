"""Payload types and schema sets: what is read in which type, and in which type a message travels."""

import json
import pathlib

import msgspec
import pytest

from secc import exi, payloads
from secc.errors import DecodeError, EncodeError
from secc.messages import iso2, iso20_ac, iso20_common, iso20_dc
from secc.messages.iso20_common import MessageHeader, Processing, RationalNumber
from secc.v2gtp import PayloadType, V2gtpFrame, frame, split_datagram

HEADER = MessageHeader(session_id=bytes(range(8)), time_stamp=1_700_000_000)
ZERO = RationalNumber(exponent=0, value=0)
STOP = iso20_common.SessionStopReq(header=HEADER, charging_session=iso20_common.ChargingSession.TERMINATE)
WELDING = iso20_dc.DCWeldingDetectionReq(header=HEADER, ev_processing=Processing.ONGOING)
AC_PARAMETERS = iso20_ac.ACChargeParameterDiscoveryReq(
    header=HEADER,
    ac_cpd_req_energy_transfer_mode=iso20_ac.ACCPDReqEnergyTransferMode(
        ev_maximum_charge_power=ZERO, ev_minimum_charge_power=ZERO
    ),
)
DC_PARAMETERS = iso20_dc.DCChargeParameterDiscoveryReq(
    header=HEADER,
    dc_cpd_req_energy_transfer_mode=iso20_dc.DCCPDReqEnergyTransferMode(
        ev_maximum_charge_power=ZERO,
        ev_minimum_charge_power=ZERO,
        ev_maximum_charge_current=ZERO,
        ev_minimum_charge_current=ZERO,
        ev_maximum_voltage=ZERO,
        ev_minimum_voltage=ZERO,
    ),
)
DC = payloads.iso20("iso20-dc")
AC = payloads.iso20("iso20-ac")
VECTORS = pathlib.Path(__file__).parent / "vectors" / "exi"


def taken(data: bytes) -> V2gtpFrame:
    return V2gtpFrame(*split_datagram(data))


@pytest.mark.parametrize(
    ("message", "payload_type"), [(STOP, 0x8002), (AC_PARAMETERS, 0x8003), (WELDING, 0x8004)]
)
@pytest.mark.parametrize("protocol", [AC, DC], ids=["ac", "dc"])
def test_the_class_of_a_message_chooses_the_payload_type(
    protocol: payloads.Payloads, message: msgspec.Struct, payload_type: int
) -> None:
    data = protocol.encode(message)
    assert taken(data).payload_type == protocol.type_of(message) == payload_type
    assert protocol.decode(taken(data)) == message


def test_a_response_on_a_side_stream_keeps_its_schema_set() -> None:
    data = DC.encode(STOP, PayloadType.ISO20_METERING)
    assert data == frame(exi.codec("iso20-common").encode(STOP), 0x8102)


@pytest.mark.parametrize(
    ("protocol", "message"), [(AC, AC_PARAMETERS), (DC, DC_PARAMETERS)], ids=["ac", "dc"]
)
def test_the_side_stream_of_schedules_carries_common_and_energy_messages(
    protocol: payloads.Payloads, message: msgspec.Struct
) -> None:
    for one in (STOP, message):
        assert protocol.decode(taken(protocol.encode(one, PayloadType.ISO20_SCHEDULE))) == one


@pytest.mark.parametrize(
    ("payload_type", "message"), [(0x8003, WELDING), (0x8004, AC_PARAMETERS), (0x8102, WELDING)]
)
def test_a_message_in_the_wrong_payload_type_does_not_decode(
    payload_type: int, message: msgspec.Struct
) -> None:
    document = taken(DC.encode(message)).payload
    with pytest.raises(DecodeError):
        DC.decode(V2gtpFrame(payload_type, document))


def test_the_fault_of_the_set_that_fits_best_is_reported() -> None:
    document = exi.codec("iso20-dc").encode(DC_PARAMETERS)[:-6]
    with pytest.raises(DecodeError) as caught:
        DC.decode(V2gtpFrame(PayloadType.ISO20_SCHEDULE, document))
    assert caught.value.path.startswith("DC_ChargeParameterDiscoveryReq")


def test_common_messages_in_8001_are_a_leniency() -> None:
    document = V2gtpFrame(PayloadType.EXI, exi.codec("iso20-common").encode(STOP))
    assert DC.decode(document) == STOP
    strict = payloads.iso20("iso20-dc", common_in_8001=False)
    assert PayloadType.EXI not in strict.types


def test_a_handshake_is_not_a_message_of_a_session() -> None:
    handshake = json.loads((VECTORS / "sap.json").read_text())["vectors"][0]["hex"]
    with pytest.raises(DecodeError):
        DC.decode(V2gtpFrame(PayloadType.EXI, bytes.fromhex(handshake)))


def test_a_message_of_another_protocol_is_not_encoded() -> None:
    with pytest.raises(EncodeError, match="SessionStopReq is not a message of this protocol"):
        DC.encode(iso2.SessionStopReq(charging_session=iso2.ChargingSession.TERMINATE))
    with pytest.raises(EncodeError):
        payloads.ISO2.encode(STOP)


def test_older_protocols_have_one_payload_type() -> None:
    assert payloads.HANDSHAKE.types == payloads.ISO2.types == payloads.DIN.types == {0x8001}


@pytest.mark.parametrize(
    ("schema", "payload_type"), [("iso20-common", 0x8002), ("iso20-ac", 0x8003), ("iso20-dc", 0x8004)]
)
def test_documents_of_another_encoder_are_read_by_their_payload_type(schema: str, payload_type: int) -> None:
    vectors = json.loads((VECTORS / f"{schema}.json").read_text())["vectors"]
    documents = [one for one in vectors if one["kind"] == "document"]
    assert len(documents) > 10
    for one in documents:
        message = DC.decode(V2gtpFrame(payload_type, bytes.fromhex(one["hex"])))
        assert exi.codec(schema).json_form.from_text(json.dumps(one["json"]))[1] == message


def test_frames_of_a_recording_are_read_without_knowing_the_session() -> None:
    for protocol, message in ((DC, STOP), (DC, WELDING), (AC, AC_PARAMETERS)):
        assert payloads.decoded(taken(protocol.encode(message)), handshake=False) == message
    side = taken(AC.encode(AC_PARAMETERS, PayloadType.ISO20_SCHEDULE))
    assert payloads.decoded(side, handshake=False) == AC_PARAMETERS
    assert payloads.decoded(V2gtpFrame(0xA000, b"\x80"), handshake=False) is None


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_each_schema_set_has_a_payload_type_in_which_it_is_looked_for(schema: str) -> None:
    payload_type = payloads.payload_type_of(schema)
    expected = ("sap", "iso2", "din", "xmldsig")
    assert (payload_type is PayloadType.EXI) is (schema in expected)
    if schema not in expected:
        assert payloads.schemas_of(payload_type) == (schema,)
