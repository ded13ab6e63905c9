"""A controller with the pilot of a simulated cable, for trials without a pilot wire."""

from __future__ import annotations

import argparse

import pytest

from secc import ControlPilot, SeccConfig, Station
from secc.cli import serve
from secc.messages.iso2 import EnergyTransferMode
from secc.ports import EvseController
from secc.sim import AutoPilot, PilotFromCable, Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable
from tests.support.outlets import AcOutlet


async def test_only_the_pilot_is_replaced_and_every_command_is_passed_on() -> None:
    cable = SimulatedCable(ControlPilot.C)
    inner = AcOutlet()
    outlet = PilotFromCable(inner, cable)
    assert outlet.snapshot().control_pilot is ControlPilot.C
    outlet.lease(0.5)
    assert await outlet.close_contactor()
    assert inner.snapshot().contactor_closed
    assert outlet.snapshot().contactor_closed
    cable.unplug()
    assert outlet.snapshot().control_pilot is ControlPilot.A
    assert await outlet.open_contactor()
    await outlet.make_safe()
    assert not outlet.snapshot().contactor_closed


@pytest.mark.parametrize("elsewhere", [False, True], ids=["EV in this process", "EV elsewhere"])
async def test_a_simulated_ev_charges_at_a_controller_without_a_pilot_wire(elsewhere: bool) -> None:
    cable = SimulatedCable()
    outlet: EvseController = PilotFromCable(AcOutlet(), cable)
    reporter = AutoPilot(cable) if elsewhere else (lambda _record: None)
    config = SeccConfig(interface="lo")
    station = Station(config, outlet, SimulatedBackend(), reporter=reporter, sdp_port=0)
    async with station:
        plan = Plan(mode=EnergyTransferMode.AC_SINGLE_PHASE_CORE, loops=2)
        seen = None if elsewhere else cable
        assert station.sdp_port is not None
        car = ScriptedEvcc(plan, cable=seen, interface="lo", sdp_port=station.sdp_port)
        result = await car.charge()
    assert result.completed, result.error


def made(*arguments: str) -> tuple[object, object]:
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    words = ["--interface", "lo", "--controller", "tests.support.outlets:AcOutlet", *arguments]
    return serve._outlet(parser.parse_args(words), SeccConfig(interface="lo"))


def test_serve_replaces_the_pilot_of_a_controller_only_when_it_is_asked_to() -> None:
    controller, watcher = made()
    assert (type(controller).__name__, watcher) == ("AcOutlet", None)
    controller, watcher = made("--pilot", "auto")
    assert (type(controller).__name__, type(watcher).__name__) == ("PilotFromCable", "AutoPilot")
    controller, watcher = made("--pilot", "C")
    assert isinstance(controller, PilotFromCable)
    assert controller.snapshot().control_pilot is ControlPilot.C
    assert watcher is None
