"""The time in which each response is due."""

import pytest

from secc.session.performance import performance_time


@pytest.mark.req("V2G2-865")
@pytest.mark.parametrize(
    ("response", "seconds"),
    [("CurrentDemandRes", 0.025), ("PowerDeliveryRes", 4.5), ("SessionSetupRes", 1.5)],
)
def test_the_performance_times_of_the_standard(response: str, seconds: float) -> None:
    assert performance_time(response) == seconds
