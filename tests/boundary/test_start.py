"""What a station checks of configuration and controller together before it starts."""

import dataclasses

import msgspec
import pytest

from secc.boundary.controller import CheckedController
from secc.boundary.start import settle_discharge
from secc.errors import ConfigError, IntegrationError
from secc.ports import Discharges
from secc.session.outlet import EvseSnapshot
from secc.settings import DcConfig, EnergyConfig, EnergyMode, SeccConfig
from tests.support.wire import RecordingOutlet

DC = SeccConfig(energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))
AC = SeccConfig(energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)))


class Outlet(RecordingOutlet):
    """Reports a current of the test's choice."""

    current = 0.0

    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(super().snapshot(), present_current=self.current)


class BothWays(Outlet, Discharges):
    async def set_discharge(self, least_voltage: float, current: float) -> None:
        raise NotImplementedError


def reads(config: SeccConfig, outlet: Outlet, current: float) -> float:
    checked = CheckedController(outlet)
    settle_discharge(config, checked)
    outlet.current = current
    return checked.snapshot().present_current


def test_a_dc_outlet_that_cannot_discharge_reads_no_current_that_flows_back() -> None:
    assert reads(DC, Outlet(), -60.0) == -60.0
    with pytest.raises(IntegrationError, match=r"present_current is -61, expected -60 A or more"):
        reads(DC, Outlet(), -61.0)


def test_an_outlet_that_discharges_may_read_it_and_so_may_an_ac_outlet() -> None:
    assert reads(DC, BothWays(), -200.0) == -200.0
    assert reads(AC, Outlet(), -80.0) == -80.0


def test_discharge_in_the_configuration_needs_a_controller_that_can() -> None:
    dc = DcConfig(max_discharge_current=100.0, max_discharge_power=30_000.0)
    config = dataclasses.replace(DC, energy=dataclasses.replace(DC.energy, dc=dc))
    settle_discharge(config, CheckedController(BothWays()))
    with pytest.raises(
        ConfigError, match=r"max_discharge_power is 30000 W.*Outlet does not declare Discharges"
    ):
        settle_discharge(config, CheckedController(Outlet()))
