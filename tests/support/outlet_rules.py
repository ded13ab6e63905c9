"""What the safety oracle knows about the outlet itself: voltage, contactor, mode, limits, stop, resume.

By the threat model, section 7. Mixed into `tests.support.safety.SafetyOracle`, which feeds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from secc.messages import iso2
from secc.messages.iso2 import DCEVErrorCode, EVSENotification
from secc.session.inputs import (
    CableCheckReported,
    ControllerFault,
    Input,
    PowerLimited,
    Received,
    StopRequested,
    Tick,
)
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.outputs import CloseContactor, EndReason, EndSession, Output, SetOutput, StartCableCheck
from secc.session.ticket import Ticket
from secc.settings import SeccConfig
from tests.support.lasting import Lasting, Paused, Schedule

SAFE_VOLTAGE = 60
"""V: below it nothing happens to a person, and no car has a battery there."""
FAR = Fraction(3, 2)
"""A first set-point this many times the matched voltage belongs to another battery."""
SLACK = 0.3
"""s between the end of a time and the look at what it has led to."""
AC_PHASES = {
    iso2.EnergyTransferMode.AC_SINGLE_PHASE_CORE: 1,
    iso2.EnergyTransferMode.AC_THREE_PHASE_CORE: 3,
}


class Broken(AssertionError):
    """An invariant does not hold."""


def require(condition: bool, invariant: str, what: str) -> None:
    if not condition:
        raise Broken(f"{invariant}: {what}")


class SwitchingRules:
    """What holds for every protocol: nothing is switched on, or stays on, that must be off."""

    config: SeccConfig
    evse: EvseSnapshot
    now: float
    output_on: bool
    stopped: bool
    withdrawn: bool

    def __init__(self, lasting: Lasting | None) -> None:
        self.lasting = lasting or Lasting()
        self.stopped_at: float | None = None
        self.holds = False
        """The start of AC is confirmed: the contactor must stay closed."""
        self.fallen_at: float | None = None
        """Since when a contactor that must be closed reads open."""

    def _check_switching_on(self, doing: str) -> None:
        """From off to on; what goes on is looked at elsewhere."""
        require(not self.lasting.tripped, "INV-30", f"{doing} with a latched fault")
        if not self.output_on:
            require(not self.stopped and not self.withdrawn, "INV-29", f"{doing} after a stop")

    def check_afterwards(self) -> None:
        """After each input, with everything done that it led to."""
        if not self.output_on:
            self.holds, self.fallen_at = False, None
            return
        require(not self.lasting.tripped, "INV-30", "energised with a latched fault")
        fallen = self.holds and self.evse.contactor_closed is False
        if not fallen:
            self.fallen_at = None
        elif self.fallen_at is None:
            self.fallen_at = self.now
        limit = self.config.timing.contactor_lost + SLACK
        late = self.fallen_at is not None and self.now > self.fallen_at + limit
        require(not late, "INV-03", "charging goes on with the contactor open by its feedback")
        if self.stopped_at is not None:
            due = self.stopped_at + self.config.timing.stop_delay + SLACK
            require(self.now <= due, "INV-03", "energised after the announced stop")


class OutletRules(SwitchingRules):
    """Its part of the oracle's idea of the world."""

    owed: iso2.BodyElement | None
    ev: iso2.DCEVChargeParameter | None
    payment: iso2.PaymentOption | None
    started: bool
    close_confirmed: bool
    test_ticket: Ticket | None
    test_level: IsolationLevel | None
    session_id: bytes
    offered_at: float

    def __init__(self, lasting: Lasting | None) -> None:
        super().__init__(lasting)
        self.mode: iso2.EnergyTransferMode | None = None
        self.joined: Paused | None = None
        self.continues = False
        """Joined, and no schedule offered yet."""
        self.services: frozenset[tuple[int, int | None]] | None = None
        self.matched: Fraction | None = None
        """V that the EV asked pre-charge for, in this pass."""
        self.first_demand = False
        """The start is confirmed, and no current was read yet."""
        self.external: float | None = None
        self.ev_failed = False
        self.schedules: dict[int, Schedule] = {}
        self.followed: tuple[int, Schedule] | None = None

    # --- inputs ---

    def take_world(self, event: Input) -> None:
        match event:
            case Received(message, snapshot):
                self.lasting.observe(snapshot)
                body = message.body
                if isinstance(body, iso2.CurrentDemandReq):
                    error = body.dc_ev_status.ev_error_code
                    self.ev_failed = self.ev_failed or error is not DCEVErrorCode.NO_ERROR
                self._see_current(snapshot)
            case Tick(snapshot):
                self.lasting.observe(snapshot)
                self._see_current(snapshot)
            case CableCheckReported(_, IsolationLevel.FAULT):  # of whichever test
                self.lasting.tripped, self.lasting.reset, self.lasting.unplugged = True, False, False
            case ControllerFault(fault=fault):
                self.lasting.trip(fault)
            case PowerLimited(watts):
                self.external = watts
            case StopRequested() if self.stopped_at is None:
                self.stopped_at = self.now
            case _:
                pass

    def _see_current(self, snapshot: EvseSnapshot) -> None:
        """With current that flows the battery has been seen."""
        if snapshot.present_current > self.config.energy.dc.pre_charge_current:
            self.first_demand = False

    # --- commands ---

    def check_command(self, output: Output) -> None:
        """A command that may energise."""
        match output:
            case CloseContactor():
                self._check_switching_on("closing")
                require(self._mode_is(dc=False), "INV-04", f"the contactor of AC in {self.mode}")
                live = self.config.energy.offers_dc and self.evse.present_voltage >= SAFE_VOLTAGE
                live = live and not self.output_on
                require(not live, "INV-04", f"AC is closed with {self.evse.present_voltage:g} V of DC")
                welded = self.evse.contactor_closed is True and not self.output_on
                require(not welded, "INV-02", "a contactor is closed that is closed already: welded")
                self.holds = False
            case StartCableCheck():
                self._check_switching_on("isolation test")
                require(self._mode_is(dc=True), "INV-04", f"isolation test in {self.mode}")
                volts = self.evse.present_voltage
                require(volts < SAFE_VOLTAGE, "INV-06", f"the isolation test begins at {volts:g} V")
                require(not self.output_on, "INV-06", "the isolation test begins with the output on")
                self.matched, self.first_demand = None, False
            case SetOutput(voltage, current) if voltage > 0 or current > 0:
                self._check_switching_on("set-point")
                require(self._mode_is(dc=True), "INV-04", f"a set-point of DC in {self.mode}")
                require(not self.ev_failed, "MSG-12", f"{output} after an error code of the EV")
                least = max(self.config.energy.dc.min_voltage, SAFE_VOLTAGE)
                require(voltage >= least, "INV-07", f"{output}: the outlet gives {least:g} V at least")
                self._check_demand(exact(voltage), exact(current))
            case _:
                pass

    def _check_demand(self, volts: Fraction, amperes: Fraction) -> None:
        """Between the confirmed start and the first current that is read the battery has not been seen."""
        if not self.first_demand or self.matched is None:
            return
        dc = self.config.energy.dc
        present, window = exact(self.evse.present_voltage), exact(dc.demand_window)
        require(volts <= self.matched * FAR, "INV-05", f"{float(volts):g} V onto {float(self.matched):g} V")
        near = volts <= self.matched + window
        require(near, "INV-05", f"{float(volts):g} V far from the {float(self.matched):g} V of pre-charge")
        apart = abs(present - self.matched) > window and amperes > exact(dc.pre_charge_current)
        require(not apart, "INV-05", f"{float(amperes):g} A with {float(present):g} V at the output")

    def _mode_is(self, *, dc: bool) -> bool:
        return self.mode is not None and (self.mode not in AC_PHASES) == dc

    # --- responses that were not refusals ---

    def check_outlet_response(self, request: iso2.BodyElement, body: iso2.BodyElement) -> None:
        match body:
            case iso2.SessionSetupRes(response_code=iso2.ResponseCode.OK_OLD_SESSION_JOINED):
                paused = self.lasting.paused
                require(paused is not None, "INV-13", "joined, and none was paused, or it was unplugged")
                assert paused is not None
                require(paused.session_id == self.session_id, "INV-13", "joined by another id")
                self.joined, self.continues = paused, True
            case iso2.ServiceDiscoveryRes():
                self._check_services(body)
            case iso2.PaymentServiceSelectionRes():
                assert isinstance(request, iso2.PaymentServiceSelectionReq)
                self._check_selection(request)
            case iso2.ChargeParameterDiscoveryRes():
                assert isinstance(request, iso2.ChargeParameterDiscoveryReq)
                self._check_parameters(request, body)
            case iso2.PreChargeRes():
                assert isinstance(request, iso2.PreChargeReq)
                self.matched = value(request.ev_target_voltage)
            case iso2.CurrentDemandRes():
                self._check_announced(body)
            case iso2.ChargingStatusRes():
                self._check_status(body)
            case _:
                pass
        self._check_stop_told(body)

    def check_start(self, request: iso2.PowerDeliveryReq) -> None:
        """PowerDeliveryRes(OK) to a Start."""
        if self.mode in AC_PHASES:
            require(self.evse.contactor_closed is not False, "INV-02", "OK with the feedback open")
            self.holds = True
        else:
            self._check_matched()
            self.first_demand = True
        if request.sa_schedule_tuple_id in self.schedules:
            self.followed = request.sa_schedule_tuple_id, self.schedules[request.sa_schedule_tuple_id]

    def _check_matched(self) -> None:
        """Full power only onto a battery whose voltage is at the output already [INV-04] [INV-05]."""
        dc, target, present = self.config.energy.dc, self.matched, exact(self.evse.present_voltage)
        require(target is not None, "INV-05", "a start without a pre-charge in this pass")
        assert target is not None
        least = max(exact(dc.min_voltage), Fraction(SAFE_VOLTAGE))
        require(target >= least, "INV-05", f"a start from a pre-charge to {float(target):g} V")
        off = abs(present - target)
        close = off <= exact(dc.pre_charge_tolerance)
        require(close, "INV-05", f"a start at {float(present):g} V: {float(off):g} off")

    def _check_services(self, body: iso2.ServiceDiscoveryRes) -> None:
        if self.joined is None:
            return
        if self.joined.payment is not None:
            options = body.payment_option_list.payment_option
            require(set(options) == {self.joined.payment}, "INV-13", f"{options} offered in a joined session")
        if self.joined.mode is not None:
            modes = body.charge_service.supported_energy_transfer_mode.energy_transfer_mode
            require(set(modes) == {self.joined.mode}, "INV-13", f"{modes} offered in a joined session")

    def _check_selection(self, request: iso2.PaymentServiceSelectionReq) -> None:
        selected = request.selected_service_list.selected_service
        self.services = frozenset((one.service_id, one.parameter_set_id) for one in selected)
        if self.joined is not None and self.joined.payment is not None:
            option = request.selected_payment_option
            require(option is self.joined.payment, "INV-13", f"{option} accepted in a joined session")
            assert self.joined.services is not None
            require(self.services <= self.joined.services, "INV-13", f"{selected} in a joined session")

    def _check_parameters(
        self, request: iso2.ChargeParameterDiscoveryReq, body: iso2.ChargeParameterDiscoveryRes
    ) -> None:
        mode = request.requested_energy_transfer_mode
        before = self.mode
        same = before is None or (before in AC_PHASES) == (mode in AC_PHASES)
        require(same, "INV-04", f"the mode changes from {before} to {mode}")
        if self.joined is not None and self.joined.mode is not None:
            require(mode is self.joined.mode, "INV-13", f"{mode} in a joined session of {self.joined.mode}")
        self.mode = mode
        if not self.output_on:
            self.followed = None  # later values are offered again
        announced = getattr(body.evse_charge_parameter, "evse_max_current", None)
        if announced is not None:
            self._require_at_most(announced, self._ac_limit(), "EVSEMaxCurrent")
        if isinstance(body.sa_schedules, iso2.SAScheduleList):
            self._take_schedules(body.sa_schedules)

    def _take_schedules(self, offer: iso2.SAScheduleList) -> None:
        self.schedules = {
            one.sa_schedule_tuple_id: Schedule(self.now, *_steps_and_end(one))
            for one in offer.sa_schedule_tuple
        }
        most = min(self._watt_limits(), default=None)
        for number, schedule in self.schedules.items():
            for start, watts in schedule.steps:
                fits = most is None or watts <= most or self.says_nothing(watts, most)
                require(fits, "INV-08", f"PMax {float(watts):g} W from {start} s on in schedule {number}")
            self._check_continued(number, schedule)
        self.continues = False

    def says_nothing(self, watts: Fraction, most: Fraction) -> bool:
        """A PMax that means more than the message can express."""
        return False

    def _check_continued(self, number: int, schedule: Schedule) -> None:
        """A joined session goes on with what is left of its schedule [V2G2-741]."""
        before = None if self.joined is None else self.joined.schedule
        if not self.continues or before is None or self.joined is None or number != self.joined.schedule_id:
            return
        gone = self.now - before.offered_at
        if gone < before.end - 1:
            for start, watts in schedule.steps:
                most = max(before.at(start + gone + slip) for slip in (-1, 0, 1))
                require(watts <= most, "V2G2-741", f"{float(watts):g} W at {start} s after {gone:g} s gone")
            require(schedule.end <= before.end - gone + 1, "V2G2-741", "the schedule ends later than it did")

    def _watt_limits(self) -> Iterator[Fraction]:
        """Everything that limits the power now, but the schedule."""
        energy = self.config.energy
        if self.mode in AC_PHASES:
            yield exact(energy.ac.nominal_voltage) * exact(energy.ac.max_current) * AC_PHASES[self.mode]
        elif self.mode is not None:
            yield exact(energy.dc.max_power)
        for limit in (self.evse.max_power, self.external):
            if limit is not None:
                yield momentary(limit)

    def _ac_limit(self) -> Fraction:
        """A per phase."""
        ac = self.config.energy.ac
        limits = [exact(ac.max_current)]
        if self.evse.max_current is not None:
            limits.append(momentary(self.evse.max_current))
        if self.mode in AC_PHASES:
            watts = [*self._watt_limits(), *self._scheduled()]
            limits.append(min(watts) / (exact(ac.nominal_voltage) * AC_PHASES[self.mode]))
        return min(limits)

    def _scheduled(self) -> Iterator[Fraction]:
        if self.followed is not None:
            schedule = self.followed[1]
            yield schedule.at(self.now - schedule.offered_at)

    def _check_status(self, body: iso2.ChargingStatusRes) -> None:
        if self.payment is iso2.PaymentOption.CONTRACT:
            require(body.evse_max_current is None, "V2G2-844", "EVSEMaxCurrent with a contract")
        if body.evse_max_current is not None:
            self._require_at_most(body.evse_max_current, self._ac_limit(), "EVSEMaxCurrent")
        above = [watts for watts in self._scheduled() if watts > min(self._watt_limits())]
        told = body.ac_evse_status.evse_notification in (
            EVSENotification.RE_NEGOTIATION,
            EVSENotification.STOP_CHARGING,
        )
        require(
            not above or told,
            "INV-08",
            "PMax is above the limit in force, and the EV is not asked to renegotiate",
        )

    def _check_announced(self, body: iso2.CurrentDemandRes) -> None:
        dc = self.config.energy.dc
        for announced, configured, now in (
            (getattr(body, "evse_maximum_voltage_limit", None), dc.max_voltage, self.evse.max_voltage),
            (getattr(body, "evse_maximum_current_limit", None), dc.max_current, self.evse.max_current),
        ):
            if announced is not None:
                most = min([exact(configured), *([] if now is None else [momentary(now)])])
                self._require_at_most(announced, most, "a maximum")
        power = getattr(body, "evse_maximum_power_limit", None)
        if power is not None:
            self._require_at_most(power, min(self._watt_limits()), "EVSEMaximumPowerLimit")

    def _require_at_most(self, announced: iso2.PhysicalValue, most: Fraction, name: str) -> None:
        fits = value(announced) <= most
        require(fits, "INV-08", f"{name} {float(value(announced)):g}, in force {float(most):g}")

    def _check_stop_told(self, body: iso2.BodyElement) -> None:
        """An EV that is answered after a stop is informed of it in this answer [INV-29]."""
        status = status_of(body)
        if not self.stopped or status is None:
            return
        told = status.evse_notification is EVSENotification.STOP_CHARGING
        if isinstance(status, iso2.DCEVSEStatus):
            told = told and status.evse_status_code in _SHUT_DOWN
        require(told, "INV-29", f"{type(body).__name__} after a stop says {status}")

    # --- the end ---

    def check_end(self, end: EndSession) -> None:
        """What the next session of this outlet may build on."""
        if end.reason is EndReason.PAUSED:
            number, schedule = self.followed or next(iter(self.schedules.items()), (0, None))
            self.lasting.paused = Paused(
                self.session_id, self.payment, self.mode, self.services, number, schedule
            )
        elif end.established:
            self.lasting.paused = None


_SHUT_DOWN = (
    iso2.DCEVSEStatusCode.EVSE_SHUTDOWN,
    iso2.DCEVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN,
    iso2.DCEVSEStatusCode.EVSE_MALFUNCTION,
)


def status_of(body: object) -> iso2.ACEVSEStatus | iso2.DCEVSEStatus | None:
    """Return the status in a response."""
    holder = getattr(body, "evse_charge_parameter", None) or body
    for name in ("dc_evse_status", "ac_evse_status", "evse_status"):
        status = getattr(holder, name, None)
        if isinstance(status, (iso2.ACEVSEStatus, iso2.DCEVSEStatus)):
            return status
    return None


def _steps_and_end(one: iso2.SAScheduleTuple) -> tuple[tuple[tuple[int, Fraction], ...], int]:
    entries = one.p_max_schedule.p_max_schedule_entry
    steps = tuple((entry.time_interval.start, value(entry.p_max)) for entry in entries)
    return steps, entries[-1].time_interval.start + (entries[-1].time_interval.duration or 0)


def momentary(limit: float) -> Fraction:
    """A limit as the outlet or the back end gives it; what is no number allows nothing."""
    return exact(limit) if 0 < limit < float("inf") else Fraction(0)


def exact(number: float) -> Fraction:
    return Fraction(Decimal(repr(number)))


def value(physical: iso2.PhysicalValue) -> Fraction:
    return physical.value * Fraction(10) ** physical.multiplier
