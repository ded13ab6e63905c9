"""The codec: errors by place and path, schema sets, threads, and what it refuses to encode."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from secc import _exi, exi
from secc.errors import DecodeError, EncodeError
from secc.messages import iso2
from secc.messages._base import Item
from tests.support.exi import CURRENT_DEMAND, SESSION_SETUP, kind_of, message, physical, profile


def test_a_decode_error_says_what_was_found_where() -> None:
    percent = bytearray(CURRENT_DEMAND)
    percent[14] |= 0x3F
    percent[15] |= 0x80
    with pytest.raises(DecodeError) as caught:
        exi.ISO2.decode(bytes(percent))
    assert caught.value.kind == "value range"
    assert caught.value.path == "V2G_Message/Body/CurrentDemandReq/DC_EVStatus/EVRESSSOC"
    assert 114 <= caught.value.bit_offset <= 122


def test_a_global_element_that_is_no_message_is_refused() -> None:
    bare = exi.ISO2.engine.encode("SessionStopRes", iso2.SessionStopRes(response_code=iso2.ResponseCode.OK))
    with pytest.raises(DecodeError, match="SessionStopRes is no message of its own"):
        exi.ISO2.decode(bare)


STOP = iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)
BODY = "V2G_Message/Body"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(iso2.SessionSetupReq(evcc_id=bytes(7)), "SessionSetupReq/EVCCID", id="length"),
        pytest.param(
            iso2.SessionSetupReq(evcc_id="0cab"),  # type: ignore[arg-type]
            "SessionSetupReq/EVCCID",
            id="class of a value",
        ),
        pytest.param(
            iso2.ServiceDetailReq(service_id=65536),
            "ServiceDetailReq/ServiceID",
            id="above the range",
        ),
        pytest.param(
            iso2.ServiceDetailReq(service_id=-1),
            "ServiceDetailReq/ServiceID",
            id="below the range",
        ),
        pytest.param(
            iso2.SessionStopRes(response_code=iso2.ChargeProgress.STOP),  # type: ignore[arg-type]
            "SessionStopRes/ResponseCode",
            id="literal of another enumeration",
        ),
    ],
)
def test_an_encode_error_has_the_path_of_the_value(body: Any, path: str) -> None:
    with pytest.raises(EncodeError) as caught:
        exi.ISO2.encode(message(body))
    assert caught.value.path == f"{BODY}/{path}"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (iso2.SessionSetupReq(evcc_id="0cab"), "EVCCID"),  # type: ignore[arg-type]
        (iso2.ServiceDetailReq(service_id=65536), "ServiceDetailReq"),
        (iso2.ServiceDetailReq(service_id=None), "ServiceDetailReq"),  # type: ignore[arg-type]
        (iso2.SessionStopReq(charging_session="Pause"), "ChargingSession"),  # type: ignore[arg-type]
        (iso2.CableCheckReq(dc_ev_status=STOP), "CableCheckReq"),  # type: ignore[arg-type]
        (physical(1, iso2.UnitSymbol.V), "Body"),
    ],
)
def test_a_value_that_the_schema_forbids_is_refused_by_name(body: Any, named: str) -> None:
    with pytest.raises(EncodeError) as caught:
        exi.ISO2.encode(message(body))
    assert named in str(caught.value)


def test_a_body_without_its_message_is_not_encoded_and_the_whole_message_is_shown() -> None:
    words = re.escape(
        "SessionStopRes is not a message of schema set iso2: it is the body of one, "
        "expected V2GMessage(header=MessageHeader(session_id=...), body=SessionStopRes(...))"
    )
    for call in (exi.ISO2.encode, exi.ISO2.to_json, exi.ISO2.to_xml):
        with pytest.raises(EncodeError, match=f"^{words}$"):
            call(STOP)


def test_what_is_no_message_is_not_encoded() -> None:
    with pytest.raises(EncodeError, match=r"^str is not a message of schema set iso2$"):
        exi.ISO2.encode("x")  # type: ignore[arg-type]


def test_an_unknown_element_is_not_encoded() -> None:
    with pytest.raises(EncodeError):
        exi.ISO2.encode_fragment("NoSuchElement", STOP)


def test_an_unknown_schema_set_or_wrong_classes_are_refused() -> None:
    with pytest.raises(ValueError, match='no schema set is called "iso3"'):
        _exi.Codec("iso3", (), (), Item, DecodeError, EncodeError)
    with pytest.raises(ValueError, match="0 classes for 3 types"):
        _exi.Codec("sap", (), (), Item, DecodeError, EncodeError)


def test_one_codec_serves_many_threads() -> None:
    request = message(iso2.SessionSetupReq(evcc_id=bytes.fromhex("02005e102030")))

    def work(_: int) -> bool:
        return all(
            exi.ISO2.encode(exi.ISO2.decode(SESSION_SETUP)) == SESSION_SETUP
            and exi.ISO2.decode(exi.ISO2.encode(profile(24))) == profile(24)
            for _ in range(200)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert exi.ISO2.encode(request) == SESSION_SETUP


def test_a_fragment_of_a_name_with_several_types_is_refused_by_name() -> None:
    with pytest.raises(EncodeError, match="IntentionalDelayPowerControl is declared with different types"):
        exi.codec("iso20-ac-der-iec").encode_fragment("IntentionalDelayPowerControl", 1)


def test_an_unknown_codec_names_those_there_are() -> None:
    with pytest.raises(
        exi.UnknownSchema, match=r"'x' is not a schema set; known are sap, iso2, .*iso20-ac-der-sae$"
    ):
        exi.codec("x")


def test_a_value_beyond_its_range_is_read_where_that_is_asked_for() -> None:
    """A state of charge of 101 %, in seven bits."""
    demand = bytearray(CURRENT_DEMAND)
    pieces, _ = exi.ISO2.explain(CURRENT_DEMAND)
    (soc,) = [p for p in pieces if p.event == "value" and p.path.endswith("EVRESSSOC")]
    stream = int.from_bytes(demand)
    shift = len(demand) * 8 - soc.bit - soc.width
    stream = stream & ~(127 << shift) | 101 << shift
    data = stream.to_bytes(len(demand))
    assert kind_of("iso2", data) == "value range"
    lenient = exi.codec("iso2", lenient_ranges=True)
    read = lenient.decode(data)
    assert read.body.dc_ev_status.ev_ress_soc == 101
    assert lenient.explain(data)[1] is None
    with pytest.raises(EncodeError, match="101, expected"):
        lenient.encode(read)


def test_each_schema_set_has_a_codec() -> None:
    assert {exi.codec(name).schema for name in exi.SCHEMAS} == set(exi.SCHEMAS)
    with pytest.raises(KeyError, match="not a schema set"):
        exi.codec("iso3")


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("24", "cookie"),
        ("a0", "options"),
        ("81", "another version"),
        ("90", "preview version"),
        ("00", "no EXI"),
        ("c0", "no EXI"),
    ],
)
def test_another_header_than_that_of_v2g_is_refused_by_name(first: str, said: str) -> None:
    with pytest.raises(DecodeError, match=f"first byte {first}, expected 80: .*{said}") as caught:
        exi.ISO2.decode(bytes.fromhex(first + "98020000"))
    assert caught.value.kind == "header"
