"""When a contract is renewed: in time, spread, and always at the same moment for the same name."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from secc.operator.cpo.planning import BUCKETS, ContractRenewalPolicy, bucket_of, place, renew_at

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
AT_ONCE = ContractRenewalPolicy(spread=0.0)


def test_a_contract_of_two_years_is_renewed_sixty_days_before_its_end() -> None:
    assert renew_at("DEABC000000001", BEGIN, BEGIN + 730 * DAY, AT_ONCE) == BEGIN + 670 * DAY


def test_a_short_one_when_a_tenth_of_its_life_remains() -> None:
    assert renew_at("DEABC000000001", BEGIN, BEGIN + 30 * DAY, AT_ONCE) == BEGIN + 27 * DAY


def test_contracts_of_one_day_do_not_come_back_on_one_day() -> None:
    moments = [
        renew_at(f"DEABC{n:09d}", BEGIN, BEGIN + 730 * DAY, ContractRenewalPolicy()) for n in range(3000)
    ]
    days = {(BEGIN + 730 * DAY - moment).days for moment in moments}
    assert (min(days), max(days)) == (60, 89)
    busiest = max(sum((BEGIN + 730 * DAY - moment).days == day for moment in moments) for day in days)
    assert busiest < 2 * len(moments) / len(days)


@given(
    st.text(max_size=20),
    st.integers(1, 40 * 365 * 86400),
    st.floats(0.0, 1000.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_renewal_is_never_after_the_end_nor_before_the_beginning(
    name: str, seconds: int, days: float, fraction: float, spread: float
) -> None:
    end = BEGIN + datetime.timedelta(seconds=seconds)
    policy = ContractRenewalPolicy(days=days, fraction=fraction, spread=spread)
    moment = renew_at(name, BEGIN, end, policy)
    assert BEGIN <= moment <= end
    assert moment == renew_at(name, BEGIN, end, policy)


def test_names_are_spread_over_heaps_and_places() -> None:
    names = [f"DEABC{n:09d}" for n in range(5000)]
    assert {bucket_of(name) for name in names} == set(range(BUCKETS))
    assert 0.45 < sum(place(name) for name in names) / len(names) < 0.55
