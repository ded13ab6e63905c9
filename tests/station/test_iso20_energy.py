"""What an EV says about its energy and its place, over sockets: offers, limits of each phase, parking."""

import dataclasses
from typing import Any

import pytest

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages.numbers import number
from secc.ports import FollowsNeeds
from secc.session.iso20.services import ControlMode, Service
from secc.session.needs import FeedInFee, OfferedPower, VehicleNeeds
from secc.sim import EvResult, SimulatedBackend
from secc.sim.iso20 import Iso20Plan
from tests.station.test_iso20 import configuration, on_bench

PLAN = Iso20Plan(pace=0.02, loops=10)


class Following(SimulatedBackend, FollowsNeeds):
    """Keeps what vehicles need and offer."""

    def __init__(self) -> None:
        super().__init__(delay=0.02)
        self.seen: list[VehicleNeeds] = []

    async def vehicle_needs(self, evse_id: str, needs: VehicleNeeds) -> None:
        self.seen.append(needs)


def names(result: EvResult) -> list[str]:
    return [type(one.request).__name__ for one in result.exchanges]


@pytest.mark.parametrize("negative", [False, True], ids=["positive limits", "negative limits"])
async def test_an_energy_offer_of_the_ev_reaches_the_back_end(negative: bool) -> None:
    backend = Following()
    plan = dataclasses.replace(PLAN, service=Service.DC_BPT, offer_fee=0.25, negative_limits=negative)
    async with on_bench(Service.DC_BPT, backend=backend) as bench:
        result = await bench.charge(plan)
        assert result.completed, result.error
        (offer,) = {needs.offer for needs in backend.seen if needs.offer is not None}
        assert offer.power == (OfferedPower(0, 20_000.0),)
        assert offer.fees == (FeedInFee(0, 0.0, 0.25),)
        assert offer.currency == "EUR"
        assert 0 < offer.duration <= 3600


async def test_v2x_energies_reach_the_back_end() -> None:
    backend = Following()
    plan = dataclasses.replace(PLAN, service=Service.DC_BPT, control=ControlMode.DYNAMIC)
    async with on_bench(Service.DC_BPT, backend=backend) as bench:
        result = await bench.charge(plan)
        assert result.completed, result.error
        first = backend.seen[0]
        assert first.minimum_v2x_energy == pytest.approx(-9_000.0)  # from 35 % down to 20 % of 60 kWh
        assert first.maximum_v2x_energy == pytest.approx(27_000.0)  # and up to 80 %


@pytest.mark.req("V2G20-1818", "V2G20-1822")
async def test_an_ev_with_uneven_phases_gets_set_points_and_readings_of_each() -> None:
    plan = dataclasses.replace(
        PLAN,
        service=Service.AC_BPT,
        control=ControlMode.DYNAMIC,
        phase_currents=(16.0, 10.0, 0.0),
        loops=20,
    )
    async with on_bench(Service.AC_BPT) as bench:
        result = await bench.charge(plan)
        assert result.completed, result.error
        last: Any = result.exchanges[-3].response
        assert isinstance(last, ac.ACChargeLoopRes)
        mode: Any = last.cl_res_control_mode
        for name in ("evse_target_active_power", "evse_present_active_power"):
            each = [number(getattr(mode, f"{name}{phase}")) for phase in ("", "_l2", "_l3")]
            assert each == pytest.approx([3680.0, 2300.0, 0.0], abs=10.0)
        assert bench.evse.energy == pytest.approx(result.energy, rel=0.2, abs=0.3)


@pytest.mark.req("V2G20-1985")
@pytest.mark.parametrize("service", [Service.AC, Service.DC])
async def test_an_ev_checks_in_before_the_charge_and_out_after_it(service: Service) -> None:
    base = configuration(service)
    config = dataclasses.replace(base, iso20=dataclasses.replace(base.iso20, parking=(2, 6)))
    async with on_bench(service, config=config) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=service, parking=True))
        assert result.completed, result.error
        assert result.notes == []
        said = names(result)
        chosen = next(
            one.request for one in result.exchanges if isinstance(one.request, common.ServiceSelectionReq)
        )
        assert chosen.selected_vas_list is not None
        assert [one.parameter_set_id for one in chosen.selected_vas_list.selected_service] == [2, 6]
        after = said.index("ServiceSelectionReq") + 1
        assert said[after : after + 2] == ["VehicleCheckInReq"] * 2
        assert said[-3:] == ["VehicleCheckOutReq", "VehicleCheckOutReq", "SessionStopReq"]


async def test_a_station_without_parking_is_noted_and_the_ev_charges() -> None:
    async with on_bench(Service.AC) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=Service.AC, parking=True))
        assert result.completed, result.error
        assert result.notes == ["ParkingStatus is not offered"]
