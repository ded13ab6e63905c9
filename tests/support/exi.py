"""Codecs of the tests: encode and decode one document, and small values."""

from __future__ import annotations

from typing import Any

import pytest

from secc import exi
from secc.errors import DecodeError
from secc.messages import iso2, xmldsig
from tests.support.messages import codec

SESSION_SETUP = bytes.fromhex("809802000000000000000011d0180801784080c000")
CURRENT_DEMAND = bytes.fromhex("809802286cb0f5397d81c610d1001e81061260401881ac06300c2100118810c060")
APP_PROTOCOLS = bytes.fromhex(
    "8000ebab9371d34b9b79d189a98989c1d191d191818999d26b9b3a232b30020000040001b75726e3a64696e3a37303132313"
    "a323031323a4d73674465660040000100880"
)
GRAMMARS = {"sap": "sap", "v2": "iso2", "dsig": "xmldsig"}


def decode(name: str, data: bytes, *, fragment: bool = False) -> tuple[Any, str, int]:
    """Value, element name and number of zero bytes behind the end."""
    engine = codec(name).engine
    return engine.decode_fragment(data) if fragment else engine.decode(data)


def encode(
    name: str,
    element: str,
    value: object,
    *,
    fragment: bool = False,
    full_lists: exi.FullLists = "specified",
) -> bytes:
    engine = codec(name, full_lists).engine
    return engine.encode_fragment(element, value) if fragment else engine.encode(element, value)


def physical(value: int, unit: iso2.UnitSymbol, multiplier: int = 0) -> iso2.PhysicalValue:
    return iso2.PhysicalValue(multiplier=multiplier, unit=unit, value=value)


def message(body: Any, session_id: bytes = bytes(8)) -> iso2.V2GMessage:
    return iso2.V2GMessage(header=iso2.MessageHeader(session_id=session_id), body=body)


def kind_of(name: str, data: bytes) -> str:
    """The kind of fault found in `data`."""
    with pytest.raises(DecodeError) as caught:
        decode(name, data)
    return caught.value.kind


# --- examples of the guide ---------------------------------------------------------------------------------


def signed_info(digest: bytes) -> xmldsig.SignedInfo:
    canonical = "http://www.w3.org/TR/canonical-exi/"
    return xmldsig.SignedInfo(
        canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=canonical),
        signature_method=xmldsig.SignatureMethod(
            algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
        ),
        reference=(
            xmldsig.Reference(
                uri="#id1",
                transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=canonical),)),
                digest_method=xmldsig.DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha256"),
                digest_value=digest,
            ),
        ),
    )


def profile(entries: int) -> iso2.V2GMessage:
    entry = iso2.ProfileEntry(
        charging_profile_entry_start=0,
        charging_profile_entry_max_power=physical(1, iso2.UnitSymbol.W),
    )
    return message(
        iso2.PowerDeliveryReq(
            charge_progress=iso2.ChargeProgress.START,
            sa_schedule_tuple_id=1,
            charging_profile=iso2.ChargingProfile(profile_entry=(entry,) * entries),
        )
    )
