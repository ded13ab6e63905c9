"""What differs between AC and DC for a simulated EV of ISO 15118-20: parameters, start, loop, end."""

from __future__ import annotations

import abc
from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from secc.messages import iso20_ac as ac
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import DisplayParameters, Processing, RationalNumber
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import ControlMode
from secc.session.outlet import ControlPilot
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.moves import Answer, Connect, Draw, EvGivesUp, Move, Script, ShowPilot

__all__ = ["AcEnergy", "DcEnergy", "Energy", "MAINS"]

MAINS = 230.0
"""V between a line and neutral, what the on-board charger assumes."""


class Energy(abc.ABC):
    """One kind of energy transfer, for one session."""

    namespace: str
    discovery: type[Any]
    """Response class of ChargeParameterDiscovery."""
    loop: type[Any]
    """Response class of the charge loop."""

    def __init__(self, script: Iso20Exchanges) -> None:
        self.script = script
        self.vehicle = script.vehicle
        self.plan = script.plan

    def discover(self) -> Script:
        """Exchange the charge parameters."""
        yield from self.script.ask(self.parameters(), self.discovery)

    @abc.abstractmethod
    def parameters(self) -> msgspec.Struct:
        """ChargeParameterDiscoveryReq."""

    @abc.abstractmethod
    def prepare(self) -> Script:
        """Between the schedules and PowerDeliveryReq(Start)."""

    @abc.abstractmethod
    def request(self, loops: int) -> msgspec.Struct:
        """ChargeLoopReq, after so many of them."""

    @abc.abstractmethod
    def follow(self, response: Any) -> Script:
        """Do what the response of the charge loop says."""

    @abc.abstractmethod
    def rest(self) -> Script:
        """Into standby."""

    @abc.abstractmethod
    def resume(self) -> Script:
        """Before PowerDeliveryReq(Start) out of standby."""

    @abc.abstractmethod
    def finish(self) -> Script:
        """Between PowerDeliveryRes to Stop and SessionStopReq."""

    @property
    def variant(self) -> str:
        """Beginning of the class names of the control mode in the loop."""
        bpt = "BPT" if self.plan.service.bidirectional else ""
        return bpt + ("Dynamic" if self.dynamic else "Scheduled")

    @property
    def dynamic(self) -> bool:
        """The station sets the power."""
        return self.plan.control is ControlMode.DYNAMIC

    @property
    @abc.abstractmethod
    def discharge_power(self) -> float:
        """W that it can give back at most."""

    def discharge_limit(self, value: float) -> RationalNumber:
        """A limit of the discharge direction, with the sign of the plan."""
        return rational_number(-value if self.plan.negative_limits else value)

    def display(self) -> DisplayParameters:
        """Figures for the station's display."""
        vehicle = self.vehicle
        return DisplayParameters(
            present_soc=vehicle.percent,
            target_soc=int(vehicle.full_soc * 100),
            charging_complete=vehicle.full,
            battery_energy_capacity=rational_number(vehicle.capacity),
        )

    def energies(self) -> dict[str, Any]:
        """Energy requests in Wh: to the wanted charge, to a full battery, to the least useful charge."""
        vehicle = self.vehicle
        return {
            "ev_target_energy_request": rational_number((vehicle.full_soc - vehicle.soc) * vehicle.capacity),
            "ev_maximum_energy_request": rational_number((1.0 - vehicle.soc) * vehicle.capacity),
            "ev_minimum_energy_request": rational_number((vehicle.min_soc - vehicle.soc) * vehicle.capacity),
        }

    def v2x_energies(self) -> dict[str, Any]:
        """Energy to the ends of the range that may be cycled, in Wh; the lower end is below zero while energy
        may be taken out."""
        vehicle = self.vehicle
        return {
            "ev_maximum_v2_x_energy_request": rational_number(
                (vehicle.full_soc - vehicle.soc) * vehicle.capacity
            ),
            "ev_minimum_v2_x_energy_request": rational_number(
                (vehicle.min_soc - vehicle.soc) * vehicle.capacity
            ),
        }

    def check_mode(self, mode: object, suffix: str) -> None:
        """The response has the control mode and the direction of the request [V2G20-1600]."""
        if type(mode).__name__ != self.variant + suffix:
            raise EvGivesUp(f"the charge loop was answered by {type(mode).__name__}")


class DcEnergy(Energy):
    """DC and megawatt charging."""

    namespace = "urn:iso:std:iso:15118:-20:DC"
    discovery = dc.DCChargeParameterDiscoveryRes
    loop = dc.DCChargeLoopRes

    @property
    def discharge_power(self) -> float:
        return self.vehicle.max_discharge_power

    def parameters(self) -> msgspec.Struct:
        vehicle = self.vehicle
        values = self._limits() | {
            "ev_minimum_charge_current": rational_number(0.0),
            "target_soc": int(vehicle.full_soc * 100),
        }
        mode: Any = dc.DCCPDReqEnergyTransferMode
        if self.plan.service.bidirectional:
            mode = dc.BPTDCCPDReqEnergyTransferMode
            values |= self._discharge() | {"ev_minimum_discharge_current": rational_number(0.0)}
        return dc.DCChargeParameterDiscoveryReq(
            header=self.script.header, dc_cpd_req_energy_transfer_mode=mode(**values)
        )

    def prepare(self) -> Script:
        """Isolation test and pre-charge; the EV closes its contactors at the end."""
        script = self.script
        yield ShowPilot(ControlPilot.C)
        yield from script.until_finished(
            dc.DCCableCheckReq(header=script.header), dc.DCCableCheckRes, limit=CABLE_CHECK_TIME
        )
        yield from self._pre_charge()
        yield Connect(self.vehicle.load())

    def _pre_charge(self) -> Script:
        script, begun = self.script, self.script.now
        target = round(self.vehicle.open_voltage, 1)
        voltage = 0.0
        while True:
            reached = abs(voltage - target) <= PRE_CHARGE_TOLERANCE
            if reached and not self.plan.finishes_pre_charge:
                return
            request = dc.DCPreChargeReq(
                header=script.header,
                ev_processing=Processing.FINISHED if reached else Processing.ONGOING,
                ev_present_voltage=rational_number(voltage),
                ev_target_voltage=rational_number(target),
            )
            response = yield from script.ask(request, dc.DCPreChargeRes, paced=True)
            if reached:
                return
            voltage = number(response.evse_present_voltage)
            script.check_time(begun, PRE_CHARGE_TIME, request)

    def request(self, loops: int) -> msgspec.Struct:
        vehicle, script = self.vehicle, self.script
        values = self._limits()
        if self.dynamic:
            values |= self.energies() | {"departure_time": script.time_left}
        else:
            values |= self._targets(loops)
        if self.plan.service.bidirectional:
            values |= self._discharge() | (self.v2x_energies() if self.dynamic else {})
        mode = getattr(dc, f"{self.variant}DCCLReqControlMode")
        return dc.DCChargeLoopReq(
            header=script.header,
            display_parameters=self.display(),
            meter_info_requested=loops == 0,
            ev_present_voltage=rational_number(round(vehicle.open_voltage, 1)),
            cl_req_control_mode=mode(**values),
        )

    def follow(self, response: dc.DCChargeLoopRes) -> Script:
        self.check_mode(response.cl_res_control_mode, "DCCLResControlMode")
        self.script.measure(number(response.evse_present_voltage) * number(response.evse_present_current))
        yield Connect(self.vehicle.load())

    def rest(self) -> Script:
        """The contactors stay closed, and the pilot stays as it is [V2G20-2122]."""
        yield Connect(self.vehicle.load())

    def resume(self) -> Script:
        yield Connect(self.vehicle.load())

    def finish(self) -> Script:
        """The station's voltage must go away while the EV's contactors are open."""
        script = self.script
        yield Connect(None)
        yield ShowPilot(ControlPilot.B)
        if not self.plan.welding_detection:
            return
        for left in reversed(range(WELDING_TRIES)):
            response = yield from self._weld(Processing.ONGOING if left else Processing.FINISHED)
            if left and number(response.evse_present_voltage) < SAFE_VOLTAGE:
                yield from self._weld(Processing.FINISHED)
                return
        script.notes.append("voltage stays at the output")

    def _weld(self, processing: Processing) -> Generator[Move, Answer, dc.DCWeldingDetectionRes]:
        request = dc.DCWeldingDetectionReq(header=self.script.header, ev_processing=processing)
        return (yield from self.script.ask(request, dc.DCWeldingDetectionRes, paced=True))

    def _targets(self, loops: int) -> dict[str, Any]:
        """Scheduled: current and voltage; below 0 A the battery feeds the station."""
        vehicle, plan = self.vehicle, self.plan
        wanted = min(vehicle.wanted_current, self.script.scheduled_power / max(vehicle.open_voltage, 1.0))
        if plan.service.bidirectional and plan.discharge_at is not None and loops >= plan.discharge_at:
            wanted = -vehicle.discharge_current
        if self.script.standing_by:
            wanted = 0.0
        return {
            "ev_target_current": rational_number(round(wanted, 1)),
            "ev_target_voltage": rational_number(vehicle.max_voltage),
        }

    def _limits(self) -> dict[str, Any]:
        vehicle = self.vehicle
        return {
            "ev_maximum_charge_power": rational_number(vehicle.max_power),
            "ev_minimum_charge_power": rational_number(0.0),
            "ev_maximum_charge_current": rational_number(
                vehicle.wanted_current if self.dynamic else vehicle.max_current
            ),
            "ev_maximum_voltage": rational_number(vehicle.max_voltage),
            "ev_minimum_voltage": rational_number(vehicle.min_voltage),
        }

    def _discharge(self) -> dict[str, Any]:
        vehicle = self.vehicle
        return {
            "ev_maximum_discharge_power": self.discharge_limit(vehicle.max_discharge_power),
            "ev_minimum_discharge_power": rational_number(0.0),
            "ev_maximum_discharge_current": self.discharge_limit(vehicle.max_discharge_current),
        }


class AcEnergy(Energy):
    """AC: the on-board charger takes power, or gives it, as it is allowed to."""

    namespace = "urn:iso:std:iso:15118:-20:AC"
    discovery: type[Any] = ac.ACChargeParameterDiscoveryRes
    loop: type[Any] = ac.ACChargeLoopRes

    def __init__(self, script: Iso20Exchanges) -> None:
        super().__init__(script)
        self._power = 0.0
        self._each = (0.0, 0.0, 0.0)

    def parameters(self) -> msgspec.Struct:
        mode: Any = ac.ACCPDReqEnergyTransferMode
        values = self._limits()
        if self.plan.service.bidirectional:
            mode = ac.BPTACCPDReqEnergyTransferMode
            values |= self._discharge()
        return ac.ACChargeParameterDiscoveryReq(
            header=self.script.header, ac_cpd_req_energy_transfer_mode=mode(**values)
        )

    def prepare(self) -> Script:
        """State C comes within 250 ms of PowerDeliveryReq(Start) [V2G20-847]: here right before it."""
        yield ShowPilot(ControlPilot.C)

    def request(self, loops: int) -> msgspec.Struct:
        values = self._limits() | self._present()
        if self.dynamic:
            values |= self.energies() | {"departure_time": self.script.time_left}
            values |= {"ev_present_reactive_power": rational_number(0.0)}
        if self.plan.service.bidirectional:
            values |= self._discharge() | (self.v2x_energies() if self.dynamic else {})
        mode = getattr(ac, f"{self.variant}ACCLReqControlMode")
        return ac.ACChargeLoopReq(
            header=self.script.header,
            display_parameters=self.display(),
            meter_info_requested=loops == 0,
            cl_req_control_mode=mode(**values),
        )

    def follow(self, response: ac.ACChargeLoopRes) -> Script:
        self.check_mode(response.cl_res_control_mode, "ACCLResControlMode")
        mode, lines = response.cl_res_control_mode, None
        if self.plan.phase_currents is None:
            target = mode.evse_target_active_power
            wanted = self.script.scheduled_power if target is None else number(target)
            self._power = self._possible(wanted, self.vehicle.ac_current, self.plan.phases)
        else:
            pairs = zip(self._wanted__of_each(mode), self.plan.phase_currents, strict=True)
            first, second, third = (self._possible(watts, current, 1) for watts, current in pairs)
            self._each, self._power = (first, second, third), first + second + third
            lines = (round(first / MAINS, 2), round(second / MAINS, 2), round(third / MAINS, 2))
        self.script.measure(self._power)
        yield Draw(round(self._power / (MAINS * self.plan.phases), 2), self.plan.phases, lines)

    def _wanted__of_each(self, mode: Any) -> tuple[float, float, float]:
        """W on L1, L2 and L3: the set-point, or the schedule where there is none."""
        base, second, third = (
            mode.evse_target_active_power,
            mode.evse_target_active_power_l2,
            mode.evse_target_active_power_l3,
        )
        if base is None:
            return self.script.scheduled_phases
        if second is None or third is None:
            return (number(base) / 3,) * 3
        return number(base), number(second), number(third)

    def rest(self) -> Script:
        """Nothing is drawn, and the pilot says so: the contactor may open."""
        self._power, self._each = 0.0, (0.0, 0.0, 0.0)
        yield Draw(0.0, self.plan.phases)
        yield ShowPilot(ControlPilot.B)

    def resume(self) -> Script:
        yield ShowPilot(ControlPilot.C)

    def finish(self) -> Script:
        yield from self.rest()

    def _possible(self, wanted: float, current: float, phases: int) -> float:
        """What the on-board charger makes of a set-point for so many phases with so many A each, in W."""
        most, least = MAINS * current * phases, MAINS * self.vehicle.ac_min_current * phases
        if wanted < 0.0:
            return max(wanted, -most) if self.plan.service.bidirectional else 0.0
        power = min(wanted, most)
        return power if power >= least and not self.vehicle.full else 0.0

    @property
    def discharge_power(self) -> float:
        currents = self.plan.phase_currents
        return self._watts(self.vehicle.ac_current) if currents is None else MAINS * sum(currents)

    def _watts(self, current: float) -> float:
        return MAINS * current * self.plan.phases

    def _limits(self) -> dict[str, Any]:
        """The base element is the sum over the phases [V2G20-1817], or that of L1 beside the others
        [V2G20-1818]."""
        vehicle, currents = self.vehicle, self.plan.phase_currents
        if currents is None:
            return {
                "ev_maximum_charge_power": rational_number(self._watts(vehicle.ac_current)),
                "ev_minimum_charge_power": rational_number(self._watts(vehicle.ac_min_current)),
            }
        least = min(MAINS * vehicle.ac_min_current, *(MAINS * one for one in currents if one > 0.0))
        return _of_each("ev_maximum_charge_power", [MAINS * one for one in currents]) | _of_each(
            "ev_minimum_charge_power", [least if one > 0.0 else 0.0 for one in currents]
        )

    def _discharge(self) -> dict[str, Any]:
        currents = self.plan.phase_currents
        most = "ev_maximum_discharge_power"
        limits: dict[str, Any] = {most: self.discharge_limit(self.discharge_power)}
        if currents is not None:
            names = (most, f"{most}_l2", f"{most}_l3")
            limits = {
                name: self.discharge_limit(MAINS * one) for name, one in zip(names, currents, strict=True)
            }
        return limits | {"ev_minimum_discharge_power": rational_number(0.0)}

    def _present(self) -> dict[str, Any]:
        """EVPresentActivePower, of each phase where the limits are."""
        name = "ev_present_active_power"
        if self.plan.phase_currents is None:
            return {name: rational_number(round(self._power))}
        return _of_each(name, [round(one) for one in self._each])


def _of_each(name: str, watts: Sequence[float]) -> dict[str, RationalNumber]:
    """A value of each phase, as fields."""
    names = (name, f"{name}_l2", f"{name}_l3")
    return {field: rational_number(one) for field, one in zip(names, watts, strict=True)}


PRE_CHARGE_TOLERANCE = 15.0  # V, less than the usual 20 V that contactors stand
PRE_CHARGE_TIME = 10.0  # s
CABLE_CHECK_TIME = 40.0  # s
SAFE_VOLTAGE = 60.0  # V
WELDING_TRIES = 20
