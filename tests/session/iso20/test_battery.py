"""What the EV says about its battery, and whether it may give."""

import pytest

from secc.session.iso20.battery import seen
from secc.session.iso20.side import BatteryState
from tests.support import iso20 as r


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (BatteryState(), True),
        (BatteryState(present_soc=31, minimum_soc=30), True),
        (BatteryState(present_soc=30, minimum_soc=30), False),
        (BatteryState(present_soc=10), True),
        (BatteryState(minimum_energy=0), True),
        (BatteryState(minimum_energy=1), False),
        (BatteryState(minimum_v2x=-1, maximum_v2x=0), True),
        (BatteryState(minimum_v2x=0, maximum_v2x=10), False),
        (BatteryState(minimum_v2x=-5, maximum_v2x=-1), False),
    ],
    ids=str,
)
def test_a_battery_gives_while_nothing_speaks_against_it(state: BatteryState, expected: bool) -> None:
    assert state.may_discharge is expected


def test_what_a_request_leaves_out_stays_as_it_was() -> None:
    before = BatteryState(present_soc=50, minimum_soc=20, minimum_v2x=-7, maximum_v2x=9)
    mode = r.dc_bpt_dynamic_loop(ev_maximum_v2_x_energy_request=5, ev_minimum_v2_x_energy_request=-2)
    found = seen(before, r.display(present_soc=51, charging_complete=True), mode.cl_req_control_mode)
    assert (found.present_soc, found.minimum_soc, found.complete) == (51, 20, True)
    assert (found.minimum_v2x, found.maximum_v2x, found.minimum_energy) == (-2000, 5000, -20_000_000)
    assert seen(found, None, r.dc_loop().cl_req_control_mode) == found
