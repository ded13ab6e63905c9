"""An oracle that knows the rules of a safe outlet in ISO 15118-20, in both directions.

As `tests.support.safety`: it sees what goes into a session and what comes out, keeps its idea of the world,
and knows nothing of the implementation. A current below zero flows from the EV to the station.
"""

from __future__ import annotations

import copy
from typing import Any

from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session.contract_events import (
    AuthorizeContract,
    ContractDecided,
    ContractGranted,
    ContractRefused,
    GrantSource,
    Provision,
    StoreReceipt,
    Verdict,
)
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    DischargePermitted,
    EnergyTargeted,
    Input,
    PowerLimited,
    Received,
    SchedulesOffered,
    StopRequested,
    Tick,
)
from secc.session.iso20.refusals import PAIRS
from secc.session.iso20.refusals_der import PAIRS_DER
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.outputs import (
    AskSchedules,
    Authorize,
    CloseContactor,
    EndSession,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.session.schedules import DynamicOffer
from secc.session.streams import Stream
from secc.session.ticket import Ticket
from secc.settings import OfflinePolicy, SeccConfig
from tests.support.lasting import Lasting
from tests.support.outlet_rules import require
from tests.support.proof_rules import ProofRules
from tests.support.rules20 import AC_SERVICES, ROUNDING, OutletRules20, momentary, value

BOTH_WAYS = (5, 6, 9, 10)
_GRANTED = (Verdict.ACCEPTED, Verdict.UNREACHABLE)
_SOUND = (IsolationLevel.VALID, IsolationLevel.WARNING)


class Oracle20(OutletRules20):
    """Feed it every (now, input, outputs) of one session, in order."""

    def __init__(
        self,
        config: SeccConfig,
        snapshot: EvseSnapshot,
        session_id: bytes,
        lasting: Lasting | None = None,
        *,
        stranger: bool = False,
    ) -> None:
        """`lasting` comes from the session before at this outlet; `stranger`: this is another vehicle."""
        super().__init__(lasting)
        self.lasting.observe(snapshot)
        self.stranger = stranger
        self.config, self.evse, self.session_id = config, snapshot, session_id
        self.now = 0.0
        self.ended = self.output_on = self.granted = self.withdrawn = self.stopped = False
        self.finally_off = self.started = self.closed = self.denied = False
        self.leased_until = 0.0
        self.owed: Any = None
        self.second: Any = None
        """The request before `owed`, when the EV did not wait for its answer."""
        self.authorize: Ticket | None = None
        self.contract: Ticket | None = None
        """Of the last question about a contract."""
        self.closing: Ticket | None = None
        self.testing: Ticket | None = None
        self.level: IsolationLevel | None = None
        self.asked: Ticket | None = None
        self.answer: DynamicOffer | None = None
        """What the back end has planned, until the EV hears of it."""
        self.permitted: float | None = None if config.iso20.discharge else 0.0
        """W that may flow from the EV; None: as much as the outlet can take."""
        self.external: float | None = None
        self.service = 0
        self.ev: Any = None
        self.beside = False
        """The last request came on the side stream."""
        self.aside: tuple[Any, Any] = (None, None)
        """Limits of the EV and schedules that were negotiated there."""
        self.chosen_aside: tuple[Any, Any, Any] | None = None
        """The same with the EV's choice, until its next request of the loop."""
        self.current = 0.0
        self.set_point = SetOutput(0.0, 0.0)
        self.dynamic = self.looping = self.resting = False
        self.wanted: float | None = None
        """W by energy management in Dynamic mode, signed; None: as much as the EV takes."""
        self.target: float | None = None
        """That of the set-point."""
        self.planned_at = 0.0
        """V at which this power became a current."""
        self.told = 0.0
        """EVSETargetActivePower, W."""
        self.proofs = ProofRules()
        self.battery: dict[str, float] = {}
        """What the EV says about its battery, by names of elements."""

    def fork(self) -> Oracle20:
        """A copy that goes on by itself."""
        other = copy.copy(self)
        other.lasting = copy.copy(self.lasting)
        other.battery, other.offers = dict(self.battery), dict(self.offers)
        other.proofs = copy.copy(self.proofs)
        return other

    def step(self, now: float, event: Input, outputs: tuple[Output, ...]) -> None:
        """One input and what it led to."""
        if self.ended:
            require(outputs == (), "INV-16", f"{outputs} after the end")
            return
        self.now = now
        lapsed = self.output_on and now > self.leased_until
        self.take_world(event)
        self._take(event)
        for output in outputs:
            self.check_command(output)
            self._check(output)
        if isinstance(event, Tick) and any(isinstance(output, RenewLease) for output in outputs):
            self._check_renewed()
        require(self.ended or not lapsed, "INV-31", "a session outlives its lease")
        require(not (self.finally_off and self.output_on), "INV-29", "energy after a stop")
        self.finally_off = self.finally_off or ((self.stopped or self.withdrawn) and not self.output_on)
        if self.output_on:
            self._check_reasons("after the input")
            require(now <= self.leased_until, "INV-31", "energised without a lease")
        self.check_afterwards()

    # --- inputs ---

    def _take(self, event: Input) -> None:
        match event:
            case Received(message, snapshot):
                self.evse, self.beside = snapshot, event.stream is not Stream.MAIN
                if not self.beside and isinstance(message, _LOOPS):
                    self._take_choice()
                if type(message) in _PAIRS:
                    self.second, self.owed = self.owed, message
                if isinstance(message, _LOOPS):
                    self._plan()
                self.proofs.take_request(message)
                self.looping = self.started and (self.looping or isinstance(message, _LOOPS))
                if message.header.session_id == self.session_id:
                    self._see_battery(message)
            case Tick(snapshot):
                self.evse = snapshot
            case AuthorizationDecided(ticket, granted) if ticket == self.authorize:
                self.withdrawn = self.withdrawn or (self.granted and not granted)
                self.denied = self.denied or not granted  # a denial of this question is its last answer
                barred = self.denied or self.withdrawn
                self.granted = not barred and (self.granted or not self.stopped)
            case ContractDecided(ticket, verdict) if ticket == self.contract:
                self.withdrawn = self.withdrawn or (self.granted and verdict not in _GRANTED)
            case ContactorReported(ticket, closed) if ticket == self.closing:
                self.closed = closed
            case CableCheckReported(ticket, level) if ticket == self.testing:
                self.level = self.level or level
            case PowerLimited(watts):
                self.external = watts
            case DischargePermitted(watts):
                allowed = None if self.config.iso20.discharge else 0.0
                self.permitted = allowed if watts is None else watts
            case EnergyTargeted(power):
                self.wanted = power
                self._plan()
            case SchedulesOffered(ticket, offer) if ticket == self.asked:
                self.asked = None  # the first answer counts
                self.answer = offer if isinstance(offer, DynamicOffer) else None
            case StopRequested():
                self.stopped = True
            case _:
                pass

    def _plan(self) -> None:
        """With a request of the loop, and a new target: a power becomes a current at the voltage of now."""
        self.target = self.wanted
        self.planned_at = max(self.evse.present_voltage, self.config.energy.dc.min_voltage)

    def _see_battery(self, message: Any) -> None:
        """State of charge and energies, which stay as they were where a message leaves them out."""
        mode = getattr(message, "cl_req_control_mode", None) or getattr(
            message, "dynamic_se_req_control_mode", getattr(message, "scheduled_se_req_control_mode", None)
        )
        display = getattr(message, "display_parameters", None)
        for source, names in ((display, ("present_soc", "minimum_soc")), (mode, _ENERGIES)):
            for name in names:
                found = getattr(source, name, None)
                if found is not None:
                    self.battery[name] = value(found) if name in _ENERGIES else found

    def _may_give(self) -> bool:
        """Nothing that the EV says speaks against taking energy out of its battery."""
        said = self.battery
        present, least = said.get("present_soc"), said.get("minimum_soc")
        low = present is not None and least is not None and present <= least
        return not (
            low
            or said.get("ev_minimum_energy_request", -1.0) > 0
            or said.get("ev_minimum_v2_x_energy_request", -1.0) >= 0
            or said.get("ev_maximum_v2_x_energy_request", 1.0) < 0
        )

    # --- outputs ---

    def _check(self, output: Output) -> None:
        match output:
            case Send(message):
                self._check_response(message)
            case AuthorizeContract(ticket, contract):
                self.proofs.check_asked(contract)
                require(not self.stopped, "INV-29", "the back end is asked about a contract after a stop")
                require(self.owed is not None or not self.granted, "INV-09", "asked again after a grant")
                self.authorize, self.contract = None, ticket
                self.granted = self.denied = False
            case ContractGranted(contract, source):
                self.proofs.check_granted(contract)
                offline = self.config.pnc.offline is not OfflinePolicy.DENY
                require(offline or source is GrantSource.BACK_END, "INV-09", f"granted by {source}")
                require(not (self.denied or self.withdrawn), "INV-11", "granted after a refusal")
                self.granted = not self.stopped
            case Provision():
                self.proofs.check_provision(self.owed, self.config.iso20.installations)
            case StoreReceipt():
                self.proofs.check_stored(self.owed)
            case ContractRefused():
                self.withdrawn = self.withdrawn or self.granted
                self.granted, self.denied = False, True
            case Authorize(ticket):
                self.authorize, self.granted, self.denied = ticket, False, False
            case CloseContactor(ticket):
                start = isinstance(self.owed, m.PowerDeliveryReq)
                require(start and self.service in AC_SERVICES, "INV-01", "close without a start of AC")
                self._check_reasons("closing")
                require(self.leased_until >= self.now, "INV-01", "close without a lease")
                self.closing, self.closed, self.output_on = ticket, False, True
            case OpenContactor():
                self.output_on = False
            case StartCableCheck(ticket):
                self._check_reasons("isolation test")
                self.testing, self.level, self.output_on = ticket, None, True
            case SetOutput(voltage, current):
                self.set_point = output
                self._check_set_point(voltage, current)
            case AskSchedules(ticket):
                self.asked, self.answer = ticket, None
            case RenewLease(seconds):
                require(0 < seconds <= 0.5, "INV-31", f"lease of {seconds} s")
                self._check_reasons("renewing the lease")
                self.leased_until = self.now + seconds
            case EndSession():
                require(not self.output_on, "INV-03", "the end with energy at the output")
                self.ended = True
                self.check_end(output)
            case _:
                pass

    def _check_reasons(self, doing: str) -> None:
        require(self.granted, "INV-10", f"{doing} without a grant")
        require(self.evse.control_pilot.wants_energy, "INV-04", f"{doing}: pilot {self.evse.control_pilot}")
        require(self.evse.fault is None, "INV-03", f"{doing}: {self.evse.fault}")

    def _check_set_point(self, voltage: float, current: float) -> None:
        before, self.current = self.current, current
        if voltage == 0:
            require(current == 0, "INV-07", "current without voltage")
            if self.level is None:
                self.testing = None  # off before there was a result: the test is broken off
            if not isinstance(self.owed, dc.DCChargeLoopReq) or self.second is not None:
                self.output_on = False
            return
        self._check_reasons("set-point")
        require(self.leased_until >= self.now, "INV-04", "set-point without a lease")
        require(self.level in _SOUND, "INV-06", "no isolation test")
        require(before * current >= 0, "INV-07", f"from {before} A to {current} A without a step at zero")
        self._check_limits(voltage, current)
        self.output_on = True

    def _check_limits(self, voltage: float, current: float) -> None:
        self._check_direction(self.planned_at * current)
        if current < 0:
            self._check_discharge(voltage, -current)
        else:
            self._check_charge(voltage, current)

    def _check_renewed(self) -> None:
        """A lowered limit acts when the lease is renewed [INV-08]."""
        if self.output_on and self.set_point.voltage > 0:
            self._check_limits(self.set_point.voltage, self.set_point.current)

    def _check_direction(self, watts: float) -> None:
        """In Dynamic mode the station decides: no other direction than energy management wants, nor more."""
        if not self.dynamic or not self.looping:
            return
        if self.target is None:
            require(watts >= 0, "INV-07", f"{watts:g} W, and nobody wants energy from the EV")
            return
        low, high = sorted((0.0, self.target))
        fits = low * ROUNDING - 1 <= watts <= high * ROUNDING + 1
        require(fits, "INV-07", f"{watts:g} W, {self.target:g} W are wanted")

    def _check_charge(self, voltage: float, current: float) -> None:
        config, ev = self.config.energy.dc, self.ev
        require(self.started or current <= 2.0, "INV-05", f"{current} A before the start")
        require(voltage <= min(config.max_voltage, value(ev.ev_maximum_voltage)), "INV-07", f"{voltage} V")
        most = min(config.max_current, value(ev.ev_maximum_charge_current))
        require(current <= most, "INV-07", f"{current} A, at most {most}")
        for limit, actual in ((self.evse.max_voltage, voltage), (self.evse.max_current, current)):
            fits = limit is None or actual <= momentary(limit)
            require(fits, "INV-07", f"{voltage} V, {current} A: momentary {limit}")
        allowed = min(self.watts(), value(ev.ev_maximum_charge_power))
        scheduled = self.scheduled()
        if scheduled is not None and self.started:
            allowed = min(allowed, scheduled)
        watts = voltage * current
        require(watts <= allowed * ROUNDING, "INV-07", f"{watts} W, at most {allowed}")

    def _check_discharge(self, voltage: float, current: float) -> None:
        config, ev = self.config.energy.dc, self.ev
        require(self.service in BOTH_WAYS, "INV-07", f"discharge in service {self.service}")
        require(self.permitted != 0, "INV-07", "discharge without the permission of the operator")
        require(self.started and not self.stopped, "INV-07", "discharge before the start, or after a stop")
        require(self._may_give(), "INV-07", f"discharge of a battery with {self.battery}")
        require(voltage >= max(config.min_voltage, value(ev.ev_minimum_voltage)), "INV-07", f"{voltage} V")
        most = min(config.max_discharge_current, abs(value(ev.ev_maximum_discharge_current)))
        require(current <= most, "INV-07", f"-{current} A, at most {most}")
        watts = min(config.max_discharge_power, abs(value(ev.ev_maximum_discharge_power)))
        watts = watts if self.permitted is None else min(watts, self.permitted)
        found = self.evse.present_voltage * current
        require(found <= watts * ROUNDING, "INV-07", f"-{found} W, at most {watts}")

    # --- responses ---

    def _check_response(self, message: Any) -> None:
        code = str(message.response_code)
        if self.second is not None:  # the EV did not wait for its answer
            request, self.second = self.second, None
            require(code.startswith("FAILED"), "INV-15", "second request in flight answered OK")
        else:
            request, self.owed = self.owed, None
        require(request is not None, "INV-15", f"unsolicited {type(message).__name__}")
        require(type(message) is _PAIRS[type(request)], "INV-15", type(message).__name__)
        self._check_id(message)
        if code.startswith("FAILED"):
            require(not self.output_on, "INV-16", f"{code} with energy at the output")
        elif not code.startswith("WARNING"):
            self._check_accepted(request, message)
        elif isinstance(request, m.CertificateInstallationReq):
            self.proofs.installing = False
        elif isinstance(request, m.AuthorizationReq):
            self.granted = False  # the attempt has failed; the next one is a new question

    def _check_id(self, message: Any) -> None:
        """One id for the whole session, assigned or joined with SessionSetupRes [INV-12]."""
        found = message.header.session_id
        if isinstance(message, m.SessionSetupRes):
            if message.response_code is ResponseCode.OK_OLD_SESSION_JOINED:
                self.check_joined(found)
            self.session_id = found
        require(len(found) == 8 and found == self.session_id != bytes(8), "INV-12", f"session id {found!r}")

    def _take_choice(self) -> None:
        """What was chosen beside the loop counts with the next request of the main stream."""
        if self.chosen_aside is not None:
            self.ev, offered, choice = self.chosen_aside
            self.take_schedules(offered)
            self.choose_schedule(choice)
            self.chosen_aside = None

    def _check_beside(self, request: Any, message: Any) -> None:
        """Nothing that is negotiated beside the loop counts in it, before the EV has chosen."""
        overtaken = self.stopped or self.withdrawn  # then a start is answered OK, and no energy comes
        require(self.looping or overtaken, "INV-14", f"{type(request).__name__} accepted beside no loop")
        match request:
            case dc.DCChargeParameterDiscoveryReq():
                self.aside = (request.dc_cpd_req_energy_transfer_mode, None)
            case ac.ACChargeParameterDiscoveryReq() | der.ACChargeParameterDiscoveryReq():
                self.aside = (request.ac_cpd_req_energy_transfer_mode, None)
            case m.ScheduleExchangeReq():
                finished = message.evse_processing is Processing.FINISHED
                self.aside = (self.aside[0], message if finished else None)
            case m.PowerDeliveryReq(charge_progress=ChargeProgress.SCHEDULE_RENEGOTIATION):
                self.chosen_aside = (*self.aside, request)
            case _:
                require(False, "INV-14", f"{type(request).__name__} accepted beside the loop")

    def _check_accepted(self, request: Any, message: Any) -> None:
        self.check_stop_told(message)
        self.proofs.take_status(message)
        if self.beside and not isinstance(request, m.MeteringConfirmationReq):
            self._check_beside(request, message)
            return
        match request:
            case m.AuthorizationReq() if message.evse_processing is Processing.FINISHED:
                require(self.granted, "INV-09", "Finished without a grant")
                self.proofs.check_finished(request)
            case m.AuthorizationSetupReq():
                self.proofs.take_challenge(message)
            case m.MeteringConfirmationReq():
                self.proofs.check_confirmed(request)
            case m.ServiceSelectionReq():
                self.service = request.selected_energy_transfer_service.service_id
                self.level = self.testing = self.matched = self.followed = None
                self.started, self.battery = False, {}
            case dc.DCChargeParameterDiscoveryReq():
                self.ev = request.dc_cpd_req_energy_transfer_mode
                self._check_dc_offer(message.dc_cpd_res_energy_transfer_mode)
            case ac.ACChargeParameterDiscoveryReq() | der.ACChargeParameterDiscoveryReq():
                self.ev = request.ac_cpd_req_energy_transfer_mode
                self._check_ac_offer(message.ac_cpd_res_energy_transfer_mode)
            case m.ScheduleExchangeReq() if message.evse_processing is Processing.FINISHED:
                self.take_schedules(message)
                self.dynamic = request.dynamic_se_req_control_mode is not None
                if self.dynamic and self.answer is not None:
                    self.wanted, self.answer = self.answer.power, None
            case dc.DCCableCheckReq() if message.evse_processing is Processing.FINISHED:
                require(self.level in _SOUND, "INV-06", f"Finished with {self.level}")
            case dc.DCPreChargeReq():
                self.matched = min(value(request.ev_target_voltage), value(self.ev.ev_maximum_voltage))
            case m.PowerDeliveryReq():
                if request.charge_progress is ChargeProgress.STOP:
                    self.chosen_aside = None
                self._take_choice()
                self._check_power_delivery(request)
            case ac.ACChargeLoopReq() | der.ACChargeLoopReq():
                self._check_target(request.cl_req_control_mode, message.cl_res_control_mode)
            case dc.DCChargeLoopReq():
                self._check_dc_offer(message.cl_res_control_mode)
            case m.SessionStopReq():
                require(not self.output_on, "INV-03", "SessionStop answered with energy at the output")
                self.started, self.level, self.testing = False, None, None
            case _:
                pass

    def _check_power_delivery(self, request: m.PowerDeliveryReq) -> None:
        match request.charge_progress:
            case ChargeProgress.STOP:
                require(not self.output_on, "INV-03", "Stop answered with energy at the output")
                self.started, self.level, self.testing, self.followed = False, None, None, None
                self.resting = False
            case ChargeProgress.STANDBY:
                self.started = self.looping = False  # until the next start there is no current
                self.resting = self.service not in AC_SERVICES
            case ChargeProgress.START if not self.started:
                self._check_start(request)
            case _ if not self.stopped:
                self.choose_schedule(request)

    def _check_start(self, request: m.PowerDeliveryReq) -> None:
        if request.ev_processing is not Processing.FINISHED or self.stopped or self.withdrawn:
            return
        is_ac = self.service in AC_SERVICES
        require(self.closed or not is_ac, "INV-02", "OK without a closed contactor")
        require(self.level in _SOUND or is_ac, "INV-06", "OK without an isolation test")
        if not self.resting:  # the battery has stayed at the output
            self.check_start()
        self.choose_schedule(request)
        self.started, self.resting, self.told = True, False, 0.0

    # --- what is announced [INV-08] ---

    def _check_dc_offer(self, mode: Any) -> None:
        """The station's limits in a response are at most those in force."""
        config, evse = self.config.energy.dc, self.evse
        amperes = [config.max_current, *([] if evse.max_current is None else [momentary(evse.max_current)])]
        volts = [config.max_voltage, *([] if evse.max_voltage is None else [momentary(evse.max_voltage)])]
        for name, most in (
            ("evse_maximum_charge_power", self.watts()),
            ("evse_maximum_charge_current", min(amperes)),
            ("evse_maximum_voltage", min(volts)),
            ("evse_maximum_discharge_power", self._most_back(config.max_discharge_power)),
            ("evse_maximum_discharge_current", self._most_back(config.max_discharge_current)),
        ):
            told = getattr(mode, name, None)
            if told is not None:
                fits = abs(value(told)) <= most
                require(fits, "INV-08", f"{name} {value(told):g}, in force {most:g}")

    def _check_ac_offer(self, mode: Any) -> None:
        told = sum(_phases(mode, "evse_maximum_charge_power"))
        require(told <= self.watts() * ROUNDING, "INV-08", f"{told:g} W, in force {self.watts():g}")
        ac_config = self.config.energy.ac
        back = self._most_back(3 * ac_config.nominal_voltage * ac_config.max_discharge_current)
        given = abs(sum(_phases(mode, "evse_maximum_discharge_power")))
        require(given <= back * ROUNDING, "INV-08", f"{given:g} W back, in force {back:g}")

    def _most_back(self, hardware: float) -> float:
        return 0.0 if self.permitted == 0 or self.service not in BOTH_WAYS else hardware

    def _check_target(self, asked: Any, mode: Any) -> None:
        """EVSETargetActivePower: all that limits the power of an AC outlet."""
        parts = _phases(mode, "evse_target_active_power")
        if not parts:
            scheduled = self.scheduled()
            above = scheduled is not None and scheduled > self.watts() * ROUNDING
            require(not above, "INV-08", f"the schedule says {scheduled} W, the EV is not told to take less")
            return
        watts, before = sum(parts), self.told
        self.told = watts
        require(watts <= self.watts() * ROUNDING, "INV-07", f"{watts} W, at most {self.watts()}")
        require(watts * before >= 0, "INV-07", f"from {before} W to {watts} W without a step at zero")
        if not self.dynamic:
            return
        self._check_direction(watts)
        most = sum(_phases(asked, "ev_maximum_charge_power"))
        require(watts <= most * ROUNDING, "INV-07", f"{watts} W, the EV takes {most}")
        if watts < 0:
            self._check_target_back(asked, -watts)

    def _check_target_back(self, asked: Any, watts: float) -> None:
        allowed = self.service in (5, 10) and self.permitted != 0
        require(allowed, "INV-07", f"-{watts} W without the permission of the operator")
        require(
            not self.stopped and self._may_give(), "INV-07", f"-{watts} W after a stop, or {self.battery}"
        )
        ac_config = self.config.energy.ac
        back = 3 * ac_config.nominal_voltage * ac_config.max_discharge_current
        back = min(back, abs(sum(_phases(asked, "ev_maximum_discharge_power"))))
        back = back if self.permitted is None else min(back, self.permitted)
        require(watts <= back * ROUNDING, "INV-07", f"-{watts} W, at most {back}")


_PAIRS = {**PAIRS, **PAIRS_DER}
_LOOPS = (ac.ACChargeLoopReq, dc.DCChargeLoopReq, der.ACChargeLoopReq)
_ENERGIES = ("ev_minimum_energy_request", "ev_minimum_v2_x_energy_request", "ev_maximum_v2_x_energy_request")


def _phases(source: Any, name: str) -> list[float]:
    """W of the base element and of those of L2 and L3, as far as they are there."""
    parts = [getattr(source, f"{name}{phase}", None) for phase in ("", "_l2", "_l3")]
    return [value(part) for part in parts if part is not None]
