"""Optional elements of the responses: the page says of each when it is sent, or why not."""

import pathlib
import re
import typing
from typing import Any

import msgspec
import pytest

from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "explanation" / "charge-loop.md"
RESPONSES = (
    ac.ACChargeParameterDiscoveryRes,
    ac.ACChargeLoopRes,
    dc.DCChargeParameterDiscoveryRes,
    dc.DCChargeLoopRes,
    der.ACChargeParameterDiscoveryRes,
    der.ACChargeLoopRes,
    m.ScheduleExchangeRes,
    m.PowerDeliveryRes,
)
ELSEWHERE = (m.MessageHeader, m.AbsolutePriceSchedule, m.PriceLevelSchedule, m.Receipt, der.DERControl)
"""What these consist of has pages of their own."""


def parts(kind: Any) -> list[Any]:
    """The classes that a type of a field consists of."""
    inner = typing.get_args(kind)
    return [kind] if not inner else [part for one in inner for part in parts(one)]


def optional(kind: Any, seen: set[Any]) -> set[str]:
    """The names of its optional elements, and of those of its parts."""
    if kind in seen or not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return set()
    seen.add(kind)
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        if type(None) in typing.get_args(field.type):
            found.add(field.encode_name)
        for part in parts(field.type):
            found |= optional(part, seen)
    return found


@pytest.mark.parametrize("response", RESPONSES, ids=lambda kind: f"{kind.__module__[14:]} {kind.__name__}")
def test_the_page_says_of_each_optional_element_whether_it_is_sent(response: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("## Optional elements of the responses")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    elements = optional(response, set(ELSEWHERE))
    assert elements
    assert {
        name for name in elements if name not in named and name.removesuffix(name[-3:]) not in named
    } == set()
