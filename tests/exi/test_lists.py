"""Lists, empty values and limits, in every form that is read."""

from __future__ import annotations

import random
from functools import partial

import msgspec
import pytest

from secc import _exi, exi
from secc.errors import DecodeError, EncodeError
from secc.messages import iso2, xmldsig
from secc.messages._base import Item
from tests.support.exi import SESSION_SETUP, decode, encode, kind_of, message, profile
from tests.support.messages import SETS, codec, full_generator

# --- lists, empty values, limits ---------------------------------------------------------------------------
FORMS: tuple[exi.FullLists, ...] = ("specified", "marked", "loop")


@pytest.mark.parametrize("entries", [1, 2, 23, 24])
def test_a_list_of_any_allowed_length_is_read_in_every_form(entries: int) -> None:
    for form in FORMS:
        stream = exi.codec("iso2", full_lists=form).encode(profile(entries))
        assert exi.ISO2.decode(stream) == profile(entries)


def test_the_forms_differ_only_where_a_list_is_full() -> None:
    marked = exi.codec("iso2", full_lists="marked")
    assert marked.encode(profile(23)) == exi.ISO2.encode(profile(23))
    assert marked.encode(profile(24)) != exi.ISO2.encode(profile(24))


def test_the_loop_form_is_refused_where_leniency_is_off() -> None:
    strict = _engine(lenient_lists=False)
    with pytest.raises(DecodeError):
        strict.decode(exi.codec("iso2", full_lists="marked").encode(profile(24)))
    assert strict.decode(exi.ISO2.encode(profile(24)))[0] == profile(24)


def test_a_full_list_before_an_element_of_zeros_is_not_misread() -> None:
    """All that follows the list is zeros, which the specified form takes for nothing."""
    status = iso2.DCEVStatus(ev_ready=True, ev_error_code=iso2.DCEVErrorCode.NO_ERROR, ev_ress_soc=0)
    parameter = iso2.DCEVPowerDeliveryParameter(
        dc_ev_status=status, bulk_charging_complete=False, charging_complete=False
    )
    request = profile(24).body
    assert isinstance(request, iso2.PowerDeliveryReq)
    request = msgspec.structs.replace(request, ev_power_delivery_parameter=parameter)
    for form in FORMS:
        stream = exi.codec("iso2", full_lists=form).encode(message(request))
        assert exi.ISO2.decode(stream) == message(request), form


@pytest.mark.parametrize("name", SETS)
def test_a_message_with_full_lists_comes_back_in_every_form(name: str) -> None:
    rng, make, full = random.Random(name), full_generator(name), 0
    for _ in range(40):
        element, value = make.message(rng)
        specified = encode(name, element, value)
        for form in FORMS:
            stream = encode(name, element, value, full_lists=form)
            full += stream != specified
            found = decode(name, stream)[0]
            if found != value:  # where both readings leave nothing behind the specified one wins
                assert form != "specified"
                assert encode(name, element, found) == stream
    assert full > 8 or name not in ("sap", "iso2", "iso20-common", "iso20-wpt")  # others have few such lists


def test_a_cut_message_is_called_truncated_in_every_form_of_full_lists() -> None:
    for form in FORMS:
        stream = exi.codec("iso2", full_lists=form).encode(profile(24))
        with pytest.raises(DecodeError) as caught:
            exi.ISO2.decode(stream[:-3])
        assert caught.value.kind == "truncated"


@pytest.mark.parametrize("entries", [0, 25])
def test_a_list_of_forbidden_length_is_not_written(entries: int) -> None:
    with pytest.raises(EncodeError) as caught:
        exi.ISO2.encode(profile(entries))
    assert caught.value.path.startswith("V2G_Message/Body/PowerDeliveryReq/ChargingProfile")


_engine = partial(_exi.Codec, "iso2", iso2.TYPES, iso2.ENUMS, Item, DecodeError, EncodeError)


def test_an_empty_value_is_written_without_content_or_with_length_0_and_read_in_both_forms() -> None:
    request = message(iso2.SessionSetupReq(evcc_id=b""), b"")
    bare, full = exi.ISO2.encode(request), _engine(empty_values=True).encode("V2G_Message", request)
    assert bare != full
    assert exi.ISO2.decode(bare) == request
    assert exi.ISO2.decode(full) == request


def test_an_empty_value_with_an_absent_attribute_is_written_without_content_too() -> None:
    signature = xmldsig.SignatureValue(value=b"")
    octets = exi.XMLDSIG.encode_fragment("SignatureValue", signature)
    assert exi.XMLDSIG.decode_fragment(octets) == ("SignatureValue", signature)


def test_zero_bytes_behind_the_end_are_counted_and_others_refused() -> None:
    assert decode("iso2", SESSION_SETUP + b"\0\0")[2] == 2
    assert kind_of("iso2", SESSION_SETUP + b"\1") == "trailing"


def test_input_beyond_the_limit_is_refused_before_it_is_read() -> None:
    assert kind_of("iso2", SESSION_SETUP + bytes(65536)) == "size"


def test_an_unbounded_list_ends_at_the_limit_of_the_codec() -> None:
    option = '"ExternalPayment",' * 300
    text = (
        '{"V2G_Message":{"Header":{"SessionID":"00"},"Body":{"ServiceDiscoveryRes":{"ResponseCode":"OK",'
        f'"PaymentOptions":{{"PaymentOption":[{option[:-1]}]}},"ChargeService":{{"ServiceTag":{{"ServiceID":1,'
        '"ServiceCategory":"EVCharging"},"FreeService":true,"EnergyTransferType":"DC_core"}}}}}'
    )
    assert kind_of("din", codec("din").encode(codec("din").from_json(text))) == "size"


# --- errors ------------------------------------------------------------------------------------------------


def test_the_explanation_of_a_full_list_of_another_form_goes_to_its_end() -> None:
    full = bytes.fromhex(
        "809802004080c1014181c211320012004400c8021005200c401c80410092014402c806100d201c403c808140"
    )
    pieces, fault = exi.ISO2.explain(full)
    assert fault is None
    assert pieces[-1].bit + pieces[-1].width == len(full) * 8


def test_a_message_with_full_lists_of_both_kinds_is_read_back() -> None:
    power = iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.W, value=1)
    schedule = iso2.PMaxSchedule(
        p_max_schedule_entry=tuple(
            iso2.PMaxScheduleEntry(time_interval=iso2.RelativeTimeInterval(start=n), p_max=power)
            for n in range(1024)
        )
    )
    full = iso2.SAScheduleList(
        sa_schedule_tuple=tuple(
            iso2.SAScheduleTuple(sa_schedule_tuple_id=n, p_max_schedule=schedule) for n in (1, 2, 3)
        )
    )
    octets = exi.ISO2.encode_fragment("SAScheduleList", full)
    assert exi.ISO2.decode_fragment(octets) == ("SAScheduleList", full)
