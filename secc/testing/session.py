"""One session between a simulated EV and a station around a controller, on the loopback interface."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import cast

from secc.messages.iso2 import EnergyTransferMode
from secc.ports import EvseController
from secc.session.outlet import ControlPilot
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyMode
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable
from secc.station.station import Station


async def one_session(
    factory: Callable[[], object],
    config: SeccConfig | None = None,
    *,
    pilot: Callable[[object, ControlPilot], None],
    dc: bool | None = None,
    loops: int,
    sdp_port: int,
) -> EvResult:
    """The EV charges for `loops` rounds and stops; `pilot` shows the controller what the EV shows.

    The output is energised: use a simulated outlet, or hardware that is prepared for it.
    """
    given = config if config is not None else SeccConfig()
    is_dc = given.energy.offers_dc if dc is None else dc
    modes = tuple(mode for mode in given.energy.modes if mode.is_dc is is_dc)
    if not modes:
        modes = (EnergyMode.DC_EXTENDED,) if is_dc else (EnergyMode.AC_THREE_PHASE_CORE,)
    energy = dataclasses.replace(given.energy, modes=modes)
    settings = dataclasses.replace(given, interface="lo", energy=energy)
    controller = factory()
    cable = SimulatedCable()
    cable.watch(before=lambda: None, after=lambda: pilot(controller, cable.pilot))
    pilot(controller, cable.pilot)
    outlet = cast(EvseController, controller)
    async with Station(settings, outlet, SimulatedBackend(), sdp_port=sdp_port):
        plan = Plan(mode=EnergyTransferMode(modes[0].value), loops=loops)
        return await ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=sdp_port).charge()
