"""An oracle that knows the rules of a safe outlet and nothing of the implementation.

It sees what goes into a session and what comes out, keeps its own idea of the world, and raises as soon as an
invariant is broken. The rules are the INV-nn of the threat model, read from there and not from the code.
"""

import copy
from fractions import Fraction

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, ChargingStatusReq, EVSEProcessing, PowerDeliveryReq
from secc.pki.contract import ForwardedContract, VerifiedContract
from secc.session.contract_events import (
    AuthorizeContract,
    ContractDecided,
    ContractGranted,
    ContractRefused,
    GrantSource,
    Verdict,
)
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    Input,
    PowerLimited,
    Received,
    StopRequested,
    Tick,
)
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.outputs import (
    AskSchedules,
    Authorize,
    CloseContactor,
    EndReason,
    EndSession,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.session.ticket import Ticket
from secc.settings import OfflinePolicy, SeccConfig
from tests.support.lasting import Lasting
from tests.support.outlet_rules import Broken as Broken
from tests.support.outlet_rules import OutletRules, exact, momentary, require, value


class SafetyOracle(OutletRules):
    """Feed it every (now, input, outputs) of one session, in order."""

    def __init__(
        self,
        config: SeccConfig,
        snapshot: EvseSnapshot,
        session_id: bytes,
        lasting: Lasting | None = None,
    ) -> None:
        """`lasting` comes from the session before at this outlet."""
        super().__init__(lasting)
        self.lasting.observe(snapshot)
        self.config = config
        self.evse = snapshot
        self.session_id = session_id
        self.now = 0.0
        self.owed: iso2.BodyElement | None = None
        self.second: iso2.BodyElement | None = None
        """The request before `owed`, when the EV did not wait for its answer."""
        self.ended = False
        self.arrived = False
        self.authorize_ticket: Ticket | None = None
        self.granted = False
        self.withdrawn = False
        self.stopped = False
        self.close_ticket: Ticket | None = None
        self.close_confirmed = False
        self.test_ticket: Ticket | None = None
        self.test_level: IsolationLevel | None = None
        self.output_on = False  # contactor commanded closed, voltage commanded, or isolation test running
        self.leased_until = 0.0
        self.mode: iso2.EnergyTransferMode | None = None
        self.external: float | None = None
        self.finally_off = False  # off after a stop or a withdrawal: nothing in this session may undo it
        self.started = False  # PowerDelivery(Start) accepted, Stop or Renegotiate not yet received
        self.ev: iso2.DCEVChargeParameter | None = None
        self.offered_ids: set[int] = set()
        self.offers: dict[int, list[tuple[int, Fraction]]] = {}
        """PMax of each schedule offered last: start and watts."""
        self.offered_at = 0.0
        self.in_force: tuple[float, list[tuple[int, Fraction]]] | None = None
        self.set_point = SetOutput(0.0, 0.0)
        self.payment: iso2.PaymentOption | None = None
        self.challenge: bytes | None = None
        self.challenges: set[bytes] = set()
        self.signed = False  # the request at hand carries a signature
        self.contract_ticket: Ticket | None = None

    def fork(self) -> "SafetyOracle":
        """A copy that goes on by itself."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.lasting = copy.copy(self.lasting)
        other.offered_ids, other.offers = set(self.offered_ids), dict(self.offers)
        other.challenges, other.schedules = set(self.challenges), dict(self.schedules)
        return other

    def step(self, now: float, event: Input, outputs: tuple[Output, ...]) -> None:
        """One input and what it led to."""
        if self.ended:
            require(outputs == (), "INV-16", f"{outputs} after the end")
            return
        self.now = now
        self.arrived = isinstance(event, Received)
        lapsed = self.output_on and now > self.leased_until
        self.take_world(event)
        self._take(event)
        for output in outputs:
            if lapsed:
                off = isinstance(output, (OpenContactor, SetOutput, EndSession)) or not self.output_on
                require(off, "INV-31", f"{output} with a lapsed lease")
            self._check(output)
        if isinstance(event, Tick) and any(isinstance(output, RenewLease) for output in outputs):
            self._check_momentary(self.set_point)  # a lowered limit acts when the lease is renewed [INV-08]
        require(not (self.finally_off and self.output_on), "INV-29", "energy after a stop")
        self.finally_off = self.finally_off or ((self.stopped or self.withdrawn) and not self.output_on)
        if self.output_on:
            self._check_reasons("after the input")
            require(now <= self.leased_until, "INV-31", "energised without a lease")
        self.check_afterwards()

    # --- inputs ---

    def _take(self, event: Input) -> None:
        match event:
            case Received(iso2.V2GMessage() as message, snapshot):
                self.evse = snapshot
                self.signed = message.header.signature is not None
                self._request(message.body)
            case Tick(snapshot):
                self.evse = snapshot
            case AuthorizationDecided(ticket, granted) if ticket == self.authorize_ticket:
                self.withdrawn = self.withdrawn or not granted
                if self.withdrawn:
                    self.granted = False
                elif not self.stopped:  # a grant after a stop adds nothing, nor does it take anything away
                    self.granted = True
            case ContractDecided(ticket, Verdict.ACCEPTED) if ticket == self.contract_ticket:
                self.granted = self.granted or not (self.withdrawn or self.stopped)
            case ContractDecided(ticket, Verdict.UNREACHABLE) if ticket == self.contract_ticket:
                pass  # grants nothing by itself
            case ContractDecided(ticket, _) if ticket == self.contract_ticket:
                self.withdrawn, self.granted = True, False
            case ContactorReported(ticket, closed) if ticket == self.close_ticket:
                self.close_confirmed = closed
            case CableCheckReported(ticket, level) if ticket == self.test_ticket:
                self.test_level = self.test_level or level
            case PowerLimited(watts):
                self.external = watts
            case StopRequested():
                self.stopped = True
            case _:
                pass

    def _request(self, body: iso2.BodyElement | None) -> None:
        if body is None or type(body) not in iso2.PAIRS:
            return
        self.second = self.owed
        self.owed = body
        if isinstance(body, PowerDeliveryReq) and body.charge_progress is not ChargeProgress.START:
            self.started = False

    # --- outputs ---

    def _check(self, output: Output) -> None:
        self.check_command(output)
        match output:
            case Send(iso2.V2GMessage() as message):
                self._check_response(message)
            case AuthorizeContract(ticket, contract):
                self._check_claim(contract)
                self.contract_ticket = ticket
            case ContractGranted(_, source):
                offline = self.config.pnc.offline is not OfflinePolicy.DENY
                require(offline or source is GrantSource.BACK_END, "INV-09", f"granted by {source}")
                require(not self.withdrawn, "INV-11", "granted after a refusal")
                self.granted = not self.stopped
            case ContractRefused(step="AuthorizationReq") if self.contract_ticket is not None:
                self.withdrawn, self.granted = True, False
            case CloseContactor(ticket):
                start = isinstance(self.owed, PowerDeliveryReq)
                require(start, "INV-01", f"close while answering {type(self.owed).__name__}")
                require(self.ev is None, "INV-01", "close in a session that has agreed on DC")
                volts = self.evse.present_voltage if self.config.energy.offers_dc else 0.0
                live = volts >= self.config.energy.dc.safe_voltage
                require(self.output_on or not live, "INV-01", f"close onto {volts} V")
                assert isinstance(self.owed, PowerDeliveryReq)
                require(self.owed.charge_progress is ChargeProgress.START, "INV-01", "close without Start")
                require(self.owed.sa_schedule_tuple_id in self.offered_ids, "INV-01", "schedule not offered")
                self._check_reasons("closing")
                self._check_lease("INV-01")
                self.close_ticket, self.close_confirmed, self.output_on = ticket, False, True
            case OpenContactor():
                self.output_on = False
            case StartCableCheck(ticket, max_voltage):
                self._check_reasons("isolation test")
                self._check_lease("INV-04")
                assert self.ev is not None
                require(
                    exact(max_voltage) <= value(self.ev.ev_maximum_voltage_limit), "INV-07", "test voltage"
                )
                self.test_ticket, self.test_level, self.output_on = ticket, None, True
            case SetOutput():
                self._check_set_point(output)
            case RenewLease(seconds):
                require(0 < seconds <= 0.5, "INV-31", f"lease of {seconds} s")
                self._check_reasons("renewing the lease")
                self.leased_until = self.now + seconds
            case Authorize(ticket):
                self.authorize_ticket = ticket
            case AskSchedules():
                pass
            case EndSession(reason=reason):
                require(not self.ended, "INV-36", "a second end")
                require(not self.output_on, "INV-03", "the end with energy at the output")
                # If the session ended before the request came, nothing can answer the request.
                too_late = reason is EndReason.LINK_LOST or (self.arrived and reason in _BEFORE_THE_REQUEST)
                require(self.owed is None or too_late, "INV-15", f"the end owes {type(self.owed).__name__}")
                self.ended = True
                self.check_end(output)
            case _:
                pass

    def _check_reasons(self, doing: str) -> None:
        require(self.granted, "INV-10", f"{doing} without a grant")
        require(self.evse.control_pilot.wants_energy, "INV-04", f"{doing}: pilot {self.evse.control_pilot}")
        require(self.evse.fault is None, "INV-03", f"{doing}: {self.evse.fault}")

    def _check_lease(self, invariant: str) -> None:
        require(self.leased_until >= self.now, invariant, "command without a lease")

    def _check_set_point(self, output: SetOutput) -> None:
        self.set_point = output
        volts, amperes = exact(output.voltage), exact(output.current)
        require(volts >= 0 and amperes >= 0, "INV-07", f"negative {output}")
        if volts == 0:
            require(amperes == 0, "INV-07", f"current without voltage: {output}")
            if not isinstance(self.owed, iso2.CurrentDemandReq) or self.second is not None:
                self.output_on = False
            return
        self._check_reasons("set-point")
        self._check_lease("INV-04")
        require(
            self.test_level in (IsolationLevel.VALID, IsolationLevel.WARNING), "INV-06", "no isolation test"
        )
        if not self.started:
            require(amperes <= 2, "INV-05", f"{output} before the start")
        dc, ev = self.config.energy.dc, self.ev
        assert ev is not None
        require(volts <= exact(dc.max_voltage), "INV-07", f"{output} above the outlet")
        require(amperes <= exact(dc.max_current), "INV-07", f"{output} above the outlet")
        require(volts * amperes <= exact(dc.max_power), "INV-07", f"{output} above the outlet's power")
        self._check_momentary(output)
        if self.started and self.in_force is not None:
            began, steps = self.in_force
            pmax = [watts for start, watts in steps if start <= self.now - began][-1]
            require(volts * amperes <= pmax, "INV-07", f"{output} above PMax {float(pmax)}")
        require(volts <= value(ev.ev_maximum_voltage_limit), "INV-07", f"{output} above the EV's voltage")
        require(amperes <= value(ev.ev_maximum_current_limit), "INV-07", f"{output} above the EV's current")
        if ev.ev_maximum_power_limit is not None and value(ev.ev_maximum_power_limit) > 0:  # 0: not specified
            require(volts * amperes <= value(ev.ev_maximum_power_limit), "INV-07", f"{output}: EV power")
        if isinstance(self.owed, (iso2.CurrentDemandReq, iso2.PreChargeReq)):
            require(volts <= value(self.owed.ev_target_voltage), "INV-07", f"{output} above the target")
            require(amperes <= value(self.owed.ev_target_current), "INV-07", f"{output} above the target")
        self.output_on = True

    def _check_momentary(self, output: SetOutput) -> None:
        volts, amperes = exact(output.voltage), exact(output.current)
        for limit, actual in (
            (self.evse.max_voltage, volts),
            (self.evse.max_current, amperes),
            (self.evse.max_power, volts * amperes),
            (self.external, volts * amperes),
        ):
            allowed = None if limit is None else momentary(limit)
            require(allowed is None or actual <= allowed, "INV-07", f"{output}: momentary {limit}")

    def _check_claim(self, contract: VerifiedContract | ForwardedContract) -> None:
        """The conditions for asking a back end about a contract [INV-09] [INV-23] [INV-24]."""
        require(isinstance(contract, VerifiedContract), "INV-09", "a chain without a root of ours")
        request = self.owed
        require(self.payment is iso2.PaymentOption.CONTRACT, "INV-09", "contract without its selection")
        require(isinstance(request, iso2.AuthorizationReq), "INV-09", f"while answering {type(request)}")
        assert isinstance(request, iso2.AuthorizationReq)
        require(self.signed, "INV-09", "an unsigned request authorised a contract")
        require(request.gen_challenge == self.challenge is not None, "INV-23", "another challenge")
        require(self.contract_ticket is None, "INV-23", "a challenge was used twice")
        named = contract.chain.leaf.subject.common_name
        require(str(contract.emaid) == named, "INV-24", "an eMAID that is not the certificate's")

    # --- responses ---

    def _check_response(self, message: iso2.V2GMessage) -> None:
        body = message.body
        request = self.second if self.second is not None else self.owed
        require(request is not None, "INV-15", f"unsolicited {type(body).__name__}")
        assert request is not None
        assert body is not None
        require(
            type(body) is iso2.PAIRS[type(request)], "INV-15", f"{type(body).__name__} for {type(request)}"
        )
        if isinstance(body, iso2.SessionSetupRes):
            self.session_id = message.header.session_id  # assigned with this response [V2G2-390]
        require(len(message.header.session_id) == 8, "INV-12", "length of the session id")
        require(message.header.session_id == self.session_id != bytes(8), "INV-12", "session id")
        code = str(getattr(body, "response_code", ""))
        if self.second is not None:
            self.second = None
            require(code.startswith("FAILED"), "INV-15", "second request in flight answered OK")
        else:
            self.owed = None
        if code.startswith("FAILED"):
            require(not self.output_on, "INV-16", f"{code} with energy at the output")
            return
        self._check_accepted(request, body)
        self.check_outlet_response(request, body)

    def _check_accepted(self, request: iso2.BodyElement, body: iso2.BodyElement) -> None:
        match body:
            case iso2.PaymentServiceSelectionRes():
                assert isinstance(request, iso2.PaymentServiceSelectionReq)
                require(self.payment is None, "INV-09", "the payment option changed")
                self.payment = request.selected_payment_option
            case iso2.PaymentDetailsRes(gen_challenge=challenge):
                require(self.payment is iso2.PaymentOption.CONTRACT, "INV-09", "contract not selected")
                require(len(challenge) == 16 and challenge not in self.challenges, "INV-23", "challenge")
                self.challenges.add(challenge)
                self.challenge = challenge
            case iso2.AuthorizationRes(evse_processing=EVSEProcessing.FINISHED):
                require(self.granted, "INV-09", "Finished without a grant")
                contract = self.payment is iso2.PaymentOption.CONTRACT
                require(contract == (self.contract_ticket is not None), "INV-09", "a grant of the other kind")
            case iso2.CableCheckRes(evse_processing=EVSEProcessing.FINISHED):
                sound = self.test_level in (IsolationLevel.VALID, IsolationLevel.WARNING)
                require(sound, "INV-06", f"Finished with {self.test_level}")
            case iso2.ChargingStatusRes():
                contract = self.payment is iso2.PaymentOption.CONTRACT
                require((body.evse_max_current is None) is contract, "INV-08", "EVSEMaxCurrent")
            case iso2.ChargeParameterDiscoveryRes(sa_schedules=iso2.SAScheduleList() as offer):
                assert isinstance(request, iso2.ChargeParameterDiscoveryReq)
                mode = request.requested_energy_transfer_mode
                require(self.mode in (None, mode), "INV-01", f"{self.mode} became {mode}")
                self.mode = mode
                self._check_offer(offer)
                self.offered_at = self.now
                self.offers = {
                    entry.sa_schedule_tuple_id: [
                        (step.time_interval.start, value(step.p_max))
                        for step in entry.p_max_schedule.p_max_schedule_entry
                    ]
                    for entry in offer.sa_schedule_tuple
                }
                self.offered_ids = {entry.sa_schedule_tuple_id for entry in offer.sa_schedule_tuple}
                if isinstance(request.ev_charge_parameter, iso2.DCEVChargeParameter):
                    self.ev = request.ev_charge_parameter
                    self.test_level = self.test_ticket = None  # a new pass needs a new test
            case iso2.PowerDeliveryRes():
                assert isinstance(request, PowerDeliveryReq)
                self._check_power_delivery(request, body.evse_status)
            case iso2.WeldingDetectionRes():
                require(not self.output_on, "INV-04", "energy in welding detection")
            case _:
                pass
        if isinstance(request, ChargingStatusReq):
            require(self.evse.fault is None, "INV-03", "charging goes on with a fault")

    def _check_offer(self, offer: iso2.SAScheduleList) -> None:
        """Nothing is offered that the limits in force do not allow [INV-08]."""
        steps = [step for one in offer.sa_schedule_tuple for step in one.p_max_schedule.p_max_schedule_entry]
        most = max(value(step.p_max) for step in steps)
        for limit in (self.external, self.evse.max_power):
            if limit is not None and most < _UNTOLD:
                allowed = exact(limit) if 0 < limit < float("inf") else Fraction(0)
                require(most <= allowed, "INV-08", f"PMax {float(most)}, limit {limit}")

    def _check_overtaken(self, status: iso2.ACEVSEStatus | iso2.DCEVSEStatus | None) -> None:
        """A start that a stop has overtaken is taken and not applied; DIN says so in words not seen here."""
        require(not self.output_on, "INV-29", "a start after a stop was applied")
        stops = status is None or status.evse_notification is iso2.EVSENotification.STOP_CHARGING
        require(stops, "INV-29", "a start after a stop is answered without it")

    def _check_power_delivery(
        self, request: PowerDeliveryReq, status: iso2.ACEVSEStatus | iso2.DCEVSEStatus | None
    ) -> None:
        if request.charge_progress is ChargeProgress.START:
            dc = self.ev is not None
            if self.stopped or self.withdrawn:
                self._check_overtaken(status)
                return
            require(dc or self.close_confirmed, "INV-02", "OK without a closed contactor")
            self.check_start(request)
            steps = self.offers[request.sa_schedule_tuple_id]
            self.in_force = (self.offered_at, steps)
            self.started = True
            highest = max(watts for _, watts in steps)
            entries = () if request.charging_profile is None else request.charging_profile.profile_entry
            for entry in entries:
                above = value(entry.charging_profile_entry_max_power) > highest
                require(not above, "V2G2-225", "profile above PMax accepted")
        elif request.charge_progress is ChargeProgress.RENEGOTIATE:
            require(self.ev is None or not self.output_on, "INV-06", "DC renegotiation with voltage")
        elif request.charge_progress is ChargeProgress.STOP:
            require(not self.output_on, "INV-03", "Stop answered with energy at the output")


_UNTOLD = 32_767_000  # W, what a DIN schedule that says nothing is translated to
_BEFORE_THE_REQUEST = (
    EndReason.LEASE_LAPSED,
    EndReason.SEQUENCE_TIMEOUT,
    EndReason.SETUP_TIMEOUT,
    EndReason.UNPLUGGED,
    EndReason.PILOT_ERROR,
    EndReason.PROTOCOL_ERROR,
)
