"""The time of an EV in the charge loop: lenient, and by the text; what switches off, and when."""

import dataclasses
from typing import Any

import pytest

from secc.session.inputs import EnergyTargeted, PowerLimited
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import EndReason, OpenContactor, RenewLease, SetOutput
from secc.settings import Iso20Config, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, DC, DC_BPT, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.states20 import in_state

STRICT: dict[str, Any] = {"loop_timeout": 0.5, "demand_age": 0.5}
FIELD = 0.53
"""Seconds between two requests of one EV of the field."""


def loop(bench: Bench20) -> Any:
    return bench.ask(r.dc_loop() if bench.config.energy.offers_dc else r.ac_loop())


def in_loop(config: SeccConfig) -> Bench20:
    return in_state(S.WAIT_LOOP_DC if config.energy.offers_dc else S.WAIT_LOOP_AC, config)


@pytest.mark.parametrize("config", [DC, AC], ids=["DC", "AC"])
def test_by_default_an_ev_that_paces_its_loop_at_the_limit_charges(config: SeccConfig) -> None:
    bench = in_loop(config)
    for _ in range(10):
        bench.tick(FIELD)
        assert code(loop(bench)) == "OK"


@pytest.mark.req("V2G20-1500", "V2G20-1502")
@pytest.mark.parametrize("config", [DC, AC], ids=["DC", "AC"])
def test_by_the_text_half_a_second_without_a_request_ends_the_session(config: SeccConfig) -> None:
    bench = in_loop(with_iso20(config, **STRICT))
    for _ in range(4):
        bench.tick(0.49)
        assert code(loop(bench)) == "OK"
    bench.tick(FIELD)
    assert bench.end is not None
    assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT
    assert OpenContactor() in bench.outputs


@pytest.mark.req("V2G20-1500", "V2G20-1502")
def test_the_strict_time_holds_in_the_loop_only() -> None:
    bench = in_state(S.WAIT_FIRST_LOOP_DC, with_iso20(DC, **STRICT))
    bench.tick(5.0)
    assert not bench.ended
    bench.ask(r.dc_loop())
    bench.ask(r.renegotiate())
    bench.tick(5.0)
    assert not bench.ended


@pytest.mark.inv("INV-31")
def test_without_requests_the_current_ends_first_and_then_the_session() -> None:
    bench = in_loop(DC)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    loop(bench)
    bench.tick(0.9)
    currents = [output.current for output in bench.outputs if isinstance(output, SetOutput)]
    assert currents[-1] > 0.0
    bench.tick(0.2)
    currents = [output.current for output in bench.outputs if isinstance(output, SetOutput)]
    assert currents[-1] == 0.0
    assert not bench.ended
    bench.tick(1.0)
    assert bench.ended


@pytest.mark.inv("INV-31")
def test_the_lease_is_renewed_between_two_requests_and_never_after_the_end() -> None:
    bench = in_loop(DC)
    renewals = [output for output in bench.tick(1.9) if isinstance(output, RenewLease)]
    assert len(renewals) >= 9
    bench.tick(0.2)
    assert bench.ended
    assert not any(isinstance(output, RenewLease) for output in bench.tick(1.0))


def current(bench: Bench20) -> float:
    return [output.current for output in bench.outputs if isinstance(output, SetOutput)][-1]


RAMPED = dataclasses.replace(
    DC, energy=dataclasses.replace(DC.energy, dc=dataclasses.replace(DC.energy.dc, current_ramp=10.0))
)


@pytest.mark.inv("INV-08", "INV-31")
@pytest.mark.req("V2G20-1502")
def test_a_ramp_stops_when_the_demand_is_half_a_second_old() -> None:
    bench = in_loop(RAMPED)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    loop(bench)
    bench.tick(0.5)
    risen = current(bench)
    assert risen > 1.0
    bench.tick(0.4)
    assert current(bench) == risen
    loop(bench)
    bench.tick(0.4)
    assert current(bench) > risen


@pytest.mark.inv("INV-08", "INV-31")
def test_a_limit_that_is_lifted_raises_no_current_without_a_fresh_request() -> None:
    bench = in_loop(DC)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.feed(PowerLimited(4_000.0))
    loop(bench)
    low = current(bench)
    bench.tick(0.6)
    bench.feed(PowerLimited(None))
    bench.tick(0.2)
    assert current(bench) == low
    bench.feed(PowerLimited(2_000.0))
    bench.tick(0.15)
    assert 0.0 < current(bench) < low


@pytest.mark.inv("INV-08", "INV-31")
def test_a_target_of_energy_management_lowers_an_old_demand_and_never_raises_or_turns_it() -> None:
    bench = Bench20(DC_BPT).to_first_loop_dc(6, DYNAMIC)
    bench.outlet(present_voltage=380.0)
    bench.feed(EnergyTargeted(3_800.0))
    bench.ask(r.dc_bpt_dynamic_loop())
    assert current(bench) == 10.0
    bench.tick(0.6)
    found = []
    for target in (7_600.0, 1_900.0, 3_800.0, -3_800.0):
        bench.feed(EnergyTargeted(target))
        bench.feed(EnergyTargeted(target))
        found.append(current(bench))
    assert found == [10.0, 5.0, 5.0, 0.0]


def test_the_demand_of_dynamic_mode_ages_as_well() -> None:
    bench = Bench20(DC).to_first_loop_dc(parameter_set=DYNAMIC)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_dynamic_loop())
    bench.tick(1.1)
    assert [output for output in bench.outputs if isinstance(output, SetOutput)][-1].current == 0.0


@pytest.mark.parametrize("pace", [-0.01, 0.21])
def test_a_pace_outside_the_time_of_an_answer_is_no_setting(pace: float) -> None:
    with pytest.raises(Exception, match=r"iso20\.loop_pace"):
        Iso20Config(loop_pace=pace)
