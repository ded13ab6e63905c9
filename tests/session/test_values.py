"""Values with a unit that an EV sends in ISO 15118-2 and DIN SPEC 70121: what is refused."""

from __future__ import annotations

import pytest

from secc.messages.iso2 import PhysicalValue
from secc.session.quantities import ChargeLimit
from secc.session.refusals import Cause, Refused
from secc.session.values import maximum, positive, target
from tests.support import requests as r


def test_a_target_of_zero_or_more_is_taken() -> None:
    assert target(r.volts(400), "V") == 400_000
    assert target(r.amperes(0), "A") == 0


@pytest.mark.inv("INV-07")
def test_a_negative_target_or_maximum_is_refused() -> None:
    with pytest.raises(Refused, match="a negative target") as refused:
        target(r.amperes(-1), "A")
    assert refused.value.cause is Cause.FAILED
    with pytest.raises(Refused, match="a negative maximum"):
        maximum(r.watts(-1), "W")


def test_a_value_with_another_unit_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        target(r.watts(5), "V")
    assert refused.value.cause is Cause.FAILED
    with pytest.raises(Refused) as refused:
        positive(r.watts(5), "V", "EVMaximumVoltageLimit")
    assert refused.value.cause is Cause.PARAMETERS


def test_a_maximum_that_is_not_sent_is_none() -> None:
    assert maximum(None, "W") is None
    assert maximum(r.watts(7_000), "W") == ChargeLimit(7_000_000)


@pytest.mark.parametrize(
    ("value", "unit", "taken"),
    [
        (r.volts(1, -3), "V", True),
        (r.volts(0), "V", False),
        (r.volts(-400), "V", False),
        (r.volts(10, 3), "V", True),
        (r.volts(10_001), "V", False),
        (r.amperes(10, 3), "A", True),
        (r.amperes(10_001), "A", False),
        (r.watts(20_000, 3), "W", True),
        (r.watts(20_001, 3), "W", False),
    ],
)
def test_a_maximum_of_a_vehicle_is_above_zero_and_plausible(
    value: PhysicalValue, unit: str, *, taken: bool
) -> None:
    if taken:
        assert positive(value, unit, "the maximum") > 0
        return
    with pytest.raises(Refused, match="the maximum is"):
        positive(value, unit, "the maximum")
