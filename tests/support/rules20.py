"""What the safety oracle of ISO 15118-20 knows about the outlet: voltage, contactor, limits, stop, resume.

By the threat model, section 7. Mixed into `tests.support.safety20.Oracle20`, which feeds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvseNotification, RationalNumber
from secc.session.inputs import CableCheckReported, ControllerFault, Input, Received, StopRequested, Tick
from secc.session.outlet import IsolationLevel
from secc.session.outputs import CloseContactor, EndReason, EndSession, Output, SetOutput, StartCableCheck
from secc.session.ticket import Ticket
from tests.support.lasting import Lasting, Paused20
from tests.support.outlet_rules import SAFE_VOLTAGE, SwitchingRules, require

AC_SERVICES = (1, 5, 10)
ROUNDING = 1.001
"""A set-point is rounded to thousandths."""
FAR = 1.5
"""A first set-point this many times the matched voltage belongs to another battery."""


class OutletRules20(SwitchingRules):
    """Its part of the oracle's idea of the world."""

    started: bool
    granted: bool
    service: int
    testing: Ticket | None
    level: IsolationLevel | None
    session_id: bytes
    external: float | None
    stranger: bool

    def __init__(self, lasting: Lasting | None) -> None:
        super().__init__(lasting)
        self.matched: float | None = None
        """V that the EV has named in pre-charge, in this pass."""
        self.first_demand = False
        """The start is confirmed, and no current was read yet."""
        self.offers: dict[int, tuple[tuple[int, float], ...]] = {}
        """Start and watts of the steps of each schedule, with the moment of the offer."""
        self.offered_at = 0.0
        self.followed: tuple[float, tuple[tuple[int, float], ...]] | None = None

    # --- inputs ---

    def take_world(self, event: Input) -> None:
        """What an input says about the outlet."""
        match event:
            case Received(_, snapshot) | Tick(snapshot):
                self.lasting.observe(snapshot)
                if abs(snapshot.present_current) > self.config.energy.dc.pre_charge_current:
                    self.first_demand = False  # with current that flows the battery has been seen
            case CableCheckReported(_, IsolationLevel.FAULT):  # of whichever test
                self.lasting.tripped, self.lasting.reset, self.lasting.unplugged = True, False, False
            case ControllerFault(fault=fault):
                self.lasting.trip(fault)
            case StopRequested() if self.stopped_at is None:
                self.stopped_at = self.now
            case _:
                pass

    # --- commands ---

    def check_command(self, output: Output) -> None:
        """A command that may energise."""
        match output:
            case CloseContactor():
                self._check_switching_on("closing")
                require(self.service in AC_SERVICES, "INV-04", f"the contactor of AC in {self.service}")
                welded = self.evse.contactor_closed is True and not self.output_on
                require(not welded, "INV-02", "a contactor is closed that is closed already: welded")
                self.holds = False
            case StartCableCheck():
                self._check_switching_on("isolation test")
                self._check_dc("isolation test")
                volts = self.evse.present_voltage
                require(volts < SAFE_VOLTAGE, "INV-06", f"the isolation test begins at {volts:g} V")
                require(not self.output_on, "INV-06", "the isolation test begins with the output on")
                self.matched, self.first_demand = None, False
            case SetOutput(voltage, current) if voltage > 0 or current != 0:
                self._check_switching_on("set-point")
                self._check_dc("set-point")
                least = max(self.config.energy.dc.min_voltage, SAFE_VOLTAGE)
                require(voltage >= least, "INV-07", f"{output}: the outlet gives {least:g} V at least")
                self._check_first_demand(voltage, current)
            case _:
                pass

    def _check_dc(self, doing: str) -> None:
        require(self.service not in (0, *AC_SERVICES), "INV-04", f"{doing} in service {self.service}")

    def _check_first_demand(self, volts: float, amperes: float) -> None:
        """Between the confirmed start and the first current that is read the battery has not been seen."""
        if not self.first_demand or self.matched is None or amperes < 0:
            return
        dc = self.config.energy.dc
        require(volts <= self.matched * FAR, "INV-05", f"{volts:g} V onto {self.matched:g} V")
        near = volts <= self.matched + dc.demand_window
        require(near, "INV-05", f"{volts:g} V far from the {self.matched:g} V of pre-charge")
        away = abs(self.evse.present_voltage - self.matched) > dc.demand_window
        apart = away and amperes > dc.pre_charge_current
        require(not apart, "INV-05", f"{amperes:g} A with {self.evse.present_voltage:g} V at the output")

    def check_afterwards(self) -> None:
        """After each input, with everything done that it led to."""
        require(not (self.output_on and self.withdrawn), "INV-11", "energised after a withdrawal")
        super().check_afterwards()

    # --- limits ---

    def watts(self) -> float:
        """The most that may flow to the EV now, by outlet and operator."""
        return min(self._watt_limits())

    def _watt_limits(self) -> Iterator[float]:
        energy = self.config.energy
        if self.service in AC_SERVICES:
            volts = energy.ac.nominal_voltage * 3
            yield volts * energy.ac.max_current
            if self.evse.max_current is not None:
                yield volts * momentary(self.evse.max_current)
        else:
            yield energy.dc.max_power
        for limit in (self.evse.max_power, self.external):
            if limit is not None:
                yield momentary(limit)

    def scheduled(self) -> float | None:
        """W of the schedule that is followed; None where there is none."""
        if self.followed is None:
            return None
        began, steps = self.followed
        passed = [watts for start, watts in steps if start <= self.now - began]
        return passed[-1] if passed else steps[0][1]

    # --- responses that were not refusals ---

    def check_start(self) -> None:
        """A confirmed start."""
        if self.service in AC_SERVICES:
            require(self.evse.contactor_closed is not False, "INV-02", "OK with the feedback open")
            self.holds = True
            return
        dc, target = self.config.energy.dc, self.matched
        require(target is not None, "INV-05", "a start without a pre-charge in this pass")
        assert target is not None
        off = abs(self.evse.present_voltage - target)
        require(off <= dc.pre_charge_tolerance, "INV-05", f"a start at {self.evse.present_voltage:g} V")
        self.first_demand = True

    def choose_schedule(self, request: m.PowerDeliveryReq) -> None:
        """The schedule that an accepted PowerDeliveryReq names."""
        profile = request.ev_power_profile
        choice = None if profile is None else profile.scheduled_ev_ppt_control_mode
        if choice is not None:
            number = choice.selected_schedule_tuple_id
            require(number in self.offers, "V2G20-479", f"schedule {number} was not offered")
            self.followed = self.offered_at, self.offers[number]

    def take_schedules(self, message: m.ScheduleExchangeRes) -> None:
        """Nothing is offered above the limits of now [INV-08]."""
        scheduled = message.scheduled_se_res_control_mode
        if scheduled is None:
            return
        self.offered_at = self.now
        self.offers = {
            one.schedule_tuple_id: tuple(_steps(one.charging_schedule.power_schedule))
            for one in scheduled.schedule_tuple
        }
        most = self.watts() * ROUNDING
        for number, steps in self.offers.items():
            for start, watts in steps:
                require(watts <= most, "INV-08", f"{watts:g} W from {start} s on in schedule {number}")

    def check_stop_told(self, message: Any) -> None:
        """An EV that is answered after a stop is informed of it in this answer [INV-29]."""
        if not self.stopped or not hasattr(message, "evse_status"):
            return
        status = message.evse_status
        told = status is not None and status.evse_notification is EvseNotification.TERMINATE
        require(told, "INV-29", f"{type(message).__name__} after a stop says {status}")

    # --- from one session to the next ---

    def check_joined(self, session_id: bytes) -> None:
        """OK_OldSessionJoined: the session that the same vehicle has paused, and no other [INV-13]."""
        paused = self.lasting.paused20
        require(paused is not None, "INV-13", "joined, and none was paused, or it was unplugged")
        assert paused is not None
        require(not self.stranger, "INV-13", "joined by another vehicle")
        require(paused.session_id == session_id, "INV-13", "joined by another id")
        require(self.now < paused.until, "INV-13", "joined after its time")
        self.service, self.granted = paused.service, True

    def check_end(self, end: EndSession) -> None:
        """What the next session of this outlet may build on."""
        before = self.lasting.paused20
        if end.reason is EndReason.PAUSED:
            require(self.granted, "INV-13", "a pause without an authorization")
            until = self.now + self.config.timing.pause
            self.lasting.paused20 = Paused20(self.session_id, self.service, until)
        elif end.established and before is not None and before.session_id == self.session_id:
            self.lasting.paused20 = None


def momentary(limit: float) -> float:
    """A limit as the outlet or the back end gives it; what is no number allows nothing."""
    return limit if 0 < limit < float("inf") else 0.0


def value(number: RationalNumber) -> float:
    """The number in its unit."""
    found: float = number.value * 10.0**number.exponent
    return found


def _steps(schedule: m.PowerSchedule) -> Iterator[tuple[int, float]]:
    start = 0
    for entry in schedule.power_schedule_entries.power_schedule_entry:
        parts = (entry.power, entry.power_l2, entry.power_l3)
        yield start, sum(value(part) for part in parts if part is not None)
        start += entry.duration
