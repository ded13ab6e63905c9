"""AC_DER_IEC for a simulated EV: an inverter that feeds the grid by its rules."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from secc.messages import iso20_ac_der_iec as der
from secc.messages.iso20_common import Processing
from secc.messages.numbers import number, rational_number
from secc.sim.iso20.energy import AcEnergy
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.moves import Answer, EvGivesUp, Move

__all__ = ["DerEnergy"]


class DerEnergy(AcEnergy):
    """AC with the messages of AC_DER_IEC."""

    namespace = "urn:iso:std:iso:15118:-20:AC-DER-IEC"
    discovery = der.ACChargeParameterDiscoveryRes
    loop = der.ACChargeLoopRes

    def __init__(self, script: Iso20Exchanges) -> None:
        super().__init__(script)
        self.processing = Processing.FINISHED
        """EVProcessing of the next ChargeParameterDiscoveryReq."""
        self.control: der.DERControl | None = None
        """The rules of the grid, as the station has sent them."""
        self.reactive = 0.0
        """var, as the station asks for."""

    @property
    def variant(self) -> str:
        return "DERDynamic" if self.dynamic else "DERScheduled"

    def discover(self) -> Generator[Move, Answer, Any]:
        """Twice: first while the inverter still checks the rules [V2G20-3150]."""
        for self.processing in (Processing.ONGOING, Processing.FINISHED):
            answer: Any = yield from self.script.ask(self.parameters(), self.discovery)
            mode = answer.ac_cpd_res_energy_transfer_mode
            if not isinstance(mode, der.DERACCPDResEnergyTransferMode):
                raise EvGivesUp(f"the charge parameters were answered by {type(mode).__name__}")
            self.control = mode.der_control

    def parameters(self) -> msgspec.Struct:
        watts = self._watts(self.vehicle.ac_current)
        limits = der.EVReactivePowerLimits(
            ev_maximum_charge_reactive_power=rational_number(watts),
            ev_maximum_discharge_reactive_power=rational_number(watts),
        )
        mode = der.DERACCPDReqEnergyTransferMode(
            **self._limits(),
            **self._discharge(),
            ev_processing=self.processing,
            ev_reactive_power_limits=limits,
        )
        return der.ACChargeParameterDiscoveryReq(
            header=self.script.header, ac_cpd_req_energy_transfer_mode=mode
        )

    def v2x_energies(self) -> dict[str, Any]:
        """What may be taken out, below zero, and what fits in."""
        vehicle = self.vehicle
        return {
            "ev_minimum_v2_x_energy_request": rational_number(
                (vehicle.min_soc - vehicle.soc) * vehicle.capacity
            ),
            "ev_maximum_v2_x_energy_request": rational_number((1.0 - vehicle.soc) * vehicle.capacity),
        }

    def request(self, loops: int) -> msgspec.Struct:
        values = self._limits() | self._discharge() | self._present()
        values |= {"ev_present_reactive_power": rational_number(round(self.reactive))}
        if self.dynamic:
            values |= self.energies() | self.v2x_energies() | {"departure_time": self.script.time_left}
        mode = getattr(der, f"{self.variant}ACCLReqControlMode")
        condition = self.plan.grid_event if loops >= self.plan.grid_event_at else 0
        return der.ACChargeLoopReq(
            header=self.script.header,
            display_parameters=self.display(),
            meter_info_requested=loops == 0,
            cl_req_control_mode=mode(**values, grid_event_condition=condition),
        )

    def follow(self, response: Any) -> Generator[Move, Answer, None]:
        target = response.cl_res_control_mode.evse_target_reactive_power
        self.reactive = 0.0 if target is None else number(target)
        yield from super().follow(response)
