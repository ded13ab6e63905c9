"""The charging cable of a simulation: what an outlet and a vehicle know of each other without a message.

In one process the simulated outlet and the scripted EV share one `SimulatedCable`. With an EV in another
process, or a real one on the network, there is no pilot wire: `AutoPilot` then moves the pilot of the outlet
by what the EV says, as a car that does what it announces.
"""

from __future__ import annotations

from collections.abc import Callable

from secc.messages import din, iso2, iso20_ac, iso20_common, iso20_dc
from secc.messages.iso2 import ChargeProgress
from secc.messages.numbers import number
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndSession
from secc.sim.physics import Load

__all__ = ["AutoPilot", "SimulatedCable"]


class SimulatedCable:
    """Control pilot and power lines between one outlet and one vehicle."""

    def __init__(self, pilot: ControlPilot = ControlPilot.B) -> None:
        """By default plugged in and not asking for energy."""
        self._pilot = pilot
        self._load: Load | None = None
        self._draw = NO_DRAW
        self._lines: tuple[float, float, float] | None = None
        self._before: list[Callable[[], None]] = []
        self._after: list[Callable[[], None]] = []

    def watch(self, *, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Call back around each change: `before`, to account for the time until then, and `after`."""
        self._before.append(before)
        self._after.append(after)

    @property
    def pilot(self) -> ControlPilot:
        """Control pilot state, as both sides see it."""
        return self._pilot

    @property
    def load(self) -> Load | None:
        """DC: the battery while the vehicle's contactors are closed."""
        return self._load

    @property
    def draw(self) -> tuple[float, int]:
        """AC: A per phase that the on-board charger takes when there is voltage, below zero gives back, and
        the number of phases."""
        return self._draw

    @property
    def lines(self) -> tuple[float, float, float]:
        """The same on L1, L2 and L3."""
        current, phases = self._draw
        if self._lines is not None:
            return self._lines
        return current, current if phases > 1 else 0.0, current if phases > 2 else 0.0

    def set_pilot(self, pilot: ControlPilot) -> None:
        """What the vehicle shows; outside C and D its charger takes nothing."""
        if pilot is not self._pilot:
            if pilot.wants_energy:
                self._change(pilot, self._load, self._draw, self._lines)
            else:
                self._change(pilot, self._load, NO_DRAW)

    def connect(self, load: Load | None) -> None:
        """DC: the vehicle closes its contactors towards this battery, or opens them with None."""
        if load != self._load:
            self._change(self._pilot, load, self._draw, self._lines)

    def take(self, current: float, phases: int = 1, lines: tuple[float, float, float] | None = None) -> None:
        """AC: what the on-board charger takes from now on, in A per phase; below zero it gives back. `lines`:
        on each phase, where they differ."""
        if (current, phases, lines) != (*self._draw, self._lines):
            self._change(self._pilot, self._load, (current, phases), lines)

    def unplug(self) -> None:
        """Pull the plug: pilot A, and nothing is connected."""
        self._change(ControlPilot.A, None, NO_DRAW)

    def plug_in(self) -> None:
        """A vehicle is there and does not ask for energy yet: pilot B."""
        self._change(ControlPilot.B, None, NO_DRAW)

    def _change(
        self,
        pilot: ControlPilot,
        load: Load | None,
        draw: tuple[float, int],
        lines: tuple[float, float, float] | None = None,
    ) -> None:
        for callback in self._before:
            callback()
        self._pilot, self._load, self._draw, self._lines = pilot, load, draw, lines
        for callback in self._after:
            callback()


NO_DRAW = (0.0, 1)


class AutoPilot:
    """Moves the pilot for an EV that has no wire to this process; feed it the records of the station.

    C when CableCheckReq or a PowerDeliveryReq that starts comes in, B when energy is given up and when the
    connection ends. A battery appears behind the vehicle's contactors with the first demand, at the voltage
    of the pre-charge; an AC charger takes what it is offered, up to the maximum of the EV.
    """

    def __init__(self, cable: SimulatedCable) -> None:
        """`cable` is the one that the simulated outlet looks at."""
        self._cable = cable
        self._battery = 0.0
        self._phases = 1
        self._current = 0.0

    def __call__(self, record: Record) -> None:
        """Take a record of the station."""
        match record:
            case MessageRecord(direction=Direction.RECEIVED, message=iso2.V2GMessage(body=body)):
                self._heard(body)
            case MessageRecord(direction=Direction.RECEIVED, message=din.V2GMessage(body=body)):
                self._heard_din(body)
            case MessageRecord(direction=Direction.SENT, message=iso2.V2GMessage(body=body)):
                self._answered(body)
            case MessageRecord(direction=Direction.RECEIVED, message=message):
                self._heard_iso20(message)
            case MessageRecord(direction=Direction.SENT, message=message):
                self._answered_iso20(message)
            case LinkRecord(event=LinkEvent.CLOSED) | OutputRecord(output=EndSession()):
                self._rest()

    def _heard(self, request: object) -> None:
        match request:
            case iso2.ChargeParameterDiscoveryReq(ev_charge_parameter=iso2.ACEVChargeParameter() as ev):
                self._current = number(ev.ev_max_current)
                three = iso2.EnergyTransferMode.AC_THREE_PHASE_CORE
                self._phases = 3 if request.requested_energy_transfer_mode is three else 1
            case iso2.CableCheckReq():
                self._cable.set_pilot(ControlPilot.C)
            case iso2.PreChargeReq():
                self._battery = number(request.ev_target_voltage)
            case iso2.PowerDeliveryReq(charge_progress=ChargeProgress.START):
                self._cable.set_pilot(ControlPilot.C)
            case iso2.PowerDeliveryReq(charge_progress=ChargeProgress.RENEGOTIATE):
                self._cable.connect(None)  # the isolation is tested again, with the vehicle's contactors open
            case iso2.PowerDeliveryReq(charge_progress=ChargeProgress.STOP) | iso2.SessionStopReq():
                self._rest()
            case iso2.CurrentDemandReq():
                if self._cable.load is None:
                    self._cable.connect(Load(self._battery))

    def _heard_din(self, request: object) -> None:
        match request:
            case din.CableCheckReq() | din.PowerDeliveryReq(ready_to_charge_state=True):
                self._cable.set_pilot(ControlPilot.C)
            case din.PreChargeReq():
                self._battery = number(request.ev_target_voltage)
            case din.PowerDeliveryReq() | din.SessionStop():
                self._rest()
            case din.CurrentDemandReq() if self._cable.load is None:
                self._cable.connect(Load(self._battery))

    def _heard_iso20(self, request: object) -> None:
        match request:
            case iso20_ac.ACChargeParameterDiscoveryReq(ac_cpd_req_energy_transfer_mode=limits):
                # The sum over the phases; their number is in the parameter set of the station.
                self._phases = _PHASES
                self._current = number(limits.ev_maximum_charge_power) / (_MAINS * _PHASES)
            case iso20_dc.DCCableCheckReq():
                self._cable.set_pilot(ControlPilot.C)
            case iso20_dc.DCPreChargeReq():
                self._battery = number(request.ev_target_voltage)
            case iso20_common.PowerDeliveryReq(charge_progress=iso20_common.ChargeProgress.START):
                self._cable.set_pilot(ControlPilot.C)
            case iso20_common.PowerDeliveryReq(charge_progress=iso20_common.ChargeProgress.STOP):
                self._rest()
            case iso20_common.SessionStopReq():
                self._rest()
            case iso20_dc.DCChargeLoopReq() if self._cable.load is None:
                self._cable.connect(Load(self._battery))

    def _answered_iso20(self, response: object) -> None:
        """An AC charger follows the set-point, in both directions."""
        if not isinstance(response, iso20_ac.ACChargeLoopRes) or not self._cable.pilot.wants_energy:
            return
        target = response.cl_res_control_mode.evse_target_active_power
        wanted = self._current if target is None else number(target) / (_MAINS * self._phases)
        self._cable.take(max(-self._current, min(self._current, wanted)), self._phases)

    def _answered(self, response: object) -> None:
        if isinstance(response, iso2.ChargingStatusRes) and self._cable.pilot.wants_energy:
            offered = response.evse_max_current
            limit = self._current if offered is None else min(self._current, number(offered))
            self._cable.take(limit, self._phases)

    def _rest(self) -> None:
        if self._cable.pilot is not ControlPilot.A:
            self._cable.connect(None)
            self._cable.set_pilot(ControlPilot.B)


_MAINS = 230.0  # V, line to neutral
_PHASES = 3
