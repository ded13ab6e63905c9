"""The needs of the EV reach the back end: with each negotiation, and now and then in the loop."""

from typing import Any

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.session.iso20.needs import energy_offer
from secc.session.needs import EnergyOffer, FeedInFee, NeedsReported, OfferedPower, VehicleNeeds
from tests.support import iso20 as r
from tests.support.iso20 import DC, DC_BPT, DYNAMIC, Bench20, number
from tests.support.iso20_config import with_iso20


def with_offer(request: m.ScheduleExchangeReq) -> m.ScheduleExchangeReq:
    mode = request.scheduled_se_req_control_mode
    assert mode is not None
    mode = msgspec.structs.replace(mode, ev_energy_offer=offered())
    return msgspec.structs.replace(request, scheduled_se_req_control_mode=mode)


def reported(bench: Bench20) -> list[VehicleNeeds]:
    return [output.needs for output in bench.outputs if isinstance(output, NeedsReported)]


def offered(*, sign: int = 1) -> m.EVEnergyOffer:
    power = tuple(
        m.EVPowerScheduleEntry(duration=seconds, power=number(sign * watts))
        for seconds, watts in ((600, 5000), (1200, 8000))
    )
    cheap, dear = (
        m.EVPriceRule(energy_fee=number(fee), power_range_start=number(start))
        for fee, start in ((0.25, 0), (0.5, 5000))
    )
    stacks = (
        m.EVPriceRuleStack(duration=900, ev_price_rule=(cheap, dear)),
        m.EVPriceRuleStack(duration=900, ev_price_rule=(cheap,)),
    )
    return m.EVEnergyOffer(
        ev_power_schedule=m.EVPowerSchedule(
            time_anchor=0,
            ev_power_schedule_entries=m.EVPowerScheduleEntryList(ev_power_schedule_entry=power),
        ),
        ev_absolute_price_schedule=m.EVAbsolutePriceSchedule(
            time_anchor=0,
            currency="EUR",
            price_algorithm="urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power",
            ev_price_rule_stacks=m.EVPriceRuleStackList(ev_price_rule_stack=stacks),
        ),
    )


OFFER = EnergyOffer(
    power=(OfferedPower(0, 5000.0), OfferedPower(600, 8000.0)),
    duration=1800,
    currency="EUR",
    algorithm="urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power",
    fees=(FeedInFee(0, 0.0, 0.25), FeedInFee(0, 5000.0, 0.5), FeedInFee(900, 0.0, 0.25)),
)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_energy_offer_is_read_with_either_sign(sign: int) -> None:
    assert energy_offer(offered(sign=sign)) == OFFER


def test_a_scheduled_negotiation_reports_energies_departure_and_offer() -> None:
    bench = Bench20(DC_BPT).to_schedule(6)
    request = r.scheduled(departure=3600, energies=(1000, 20_000, 30_000))
    bench.ask(with_offer(request))
    (needs,) = reported(bench)
    assert (needs.departure, needs.target_energy, needs.minimum_energy) == (3600, 20_000.0, 1000.0)
    assert needs.offer == OFFER


def test_a_dynamic_negotiation_reports_states_of_charge_and_v2x_energies() -> None:
    bench = Bench20(DC_BPT).to_schedule(6, DYNAMIC)
    bench.ask(r.dynamic(socs=(30, 80), v2x=(-9000, 12_000)))
    (needs,) = reported(bench)
    assert (needs.minimum_soc, needs.target_soc) == (30, 80)
    assert (needs.minimum_v2x_energy, needs.maximum_v2x_energy) == (-9000.0, 12_000.0)
    assert needs.minimum_energy == -20_000.0


def in_loop(**iso20: Any) -> Bench20:
    bench = Bench20(with_iso20(DC, **iso20)).to_first_loop_dc(parameter_set=DYNAMIC)
    bench.ask(r.dc_dynamic_loop(display_parameters=r.display(present_soc=40)))
    return bench


def test_the_loop_reports_what_is_new_each_interval_at_most() -> None:
    bench = in_loop(needs_interval=10.0)
    before = len(reported(bench))
    for soc in range(41, 62):
        bench.tick(1.0)
        bench.ask(r.dc_dynamic_loop(display_parameters=r.display(present_soc=soc)))
    found = reported(bench)[before:]
    assert len(found) == 2
    assert [needs.present_soc for needs in found] == sorted(needs.present_soc or 0 for needs in found)


def test_what_is_not_new_is_not_reported() -> None:
    bench = in_loop(needs_interval=1.0)
    bench.tick(1.5)
    loop = r.dc_dynamic_loop(display_parameters=r.display(present_soc=40))
    bench.ask(loop)
    before = len(reported(bench))
    for _ in range(5):
        bench.tick(1.5)
        bench.ask(loop)
    assert len(reported(bench)) == before


def test_what_the_ev_says_changes_no_limit() -> None:
    bench = Bench20(DC_BPT).to_schedule(6)
    request = r.scheduled(energies=(1000, 20_000, 30_000))
    before = bench.session.may_discharge
    bench.ask(with_offer(request))
    assert bench.session.may_discharge <= before
