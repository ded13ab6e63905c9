"""Session: looks the input up in the table, runs the handler, keeps the timers and the lease.

What holds whatever a handler does is enforced here:

* a request is answered exactly once, in order; an unexpected one with its own response [V2G2-459] [V2G2-538];
* a refusal is final: output off, answer, end [INV-16]; what a refusing handler emitted is dropped [INV-27];
* every end switches the output off first [INV-03];
* an energised output is checked against pilot, fault and lease before anything else happens, at each input
  [INV-31], and the limits are applied anew each time the lease is renewed [INV-08].
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction

from secc.messages.iso2 import ResponseCode
from secc.messages.xmldsig import Signature
from secc.pki.transport import TlsVersion, Transport
from secc.pki.vehicle import VehicleIdentity
from secc.session import feedback, limits, metering, pause, quantities
from secc.session.context import (
    Agreed,
    ContractSide,
    Demand,
    Energised,
    Purpose,
)
from secc.session.contract_events import ContractTerms
from secc.session.dialect import Body, Code, Dialect, Key, On
from secc.session.inputs import Input, Received, Tick
from secc.session.iso2 import table
from secc.session.iso2.refusals import unrecorded
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from secc.session.outputs import (
    EndReason,
    EndSession,
    Notice,
    NoticeKind,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
)
from secc.session.paused import PausedSession
from secc.session.refusals import Refused
from secc.session.states import FeedbackChanged, PilotChanged, Stage, StopOrdered, Timer
from secc.session.ticket import Ticket
from secc.settings.config import SeccConfig
from secc.settings.services import ValueAddedService


class Session(Agreed):
    """One V2G communication session, from the link to the end, in the dialect that `speak` names.

    Pure: `handle` is a function of the state, the input and `now` (monotonic seconds). Call it again at
    `deadline` at the latest, with a `Tick`.
    """

    def __init__(
        self,
        config: SeccConfig,
        *,
        random_bytes: Callable[[int], bytes],
        snapshot: EvseSnapshot,
        now: float,
        generation: int = 0,
        tls: bool = False,
        tls13: bool = False,
        vehicle: VehicleIdentity | None = None,
        contracts: ContractTerms | None = None,
        recent_ids: Collection[bytes] = (),
        blocked: bool = False,
        paused: PausedSession | None = None,
        services: tuple[ValueAddedService, ...] = (),
    ) -> None:
        """Begin at `now`, the moment the link came up: the communication setup time runs [V2G2-716].

        `random_bytes` has to be cryptographically secure [V2G2-835]. `generation` counts the station's
        sessions [INV-20], `recent_ids` are session ids not to be given again [INV-12], `blocked` says that
        a latched fault has not been reset (`secc.session.latch`), `tls` and `tls13` say what protects the
        connection, TLS of any version and TLS 1.3, `vehicle` is who the EV proved to be in the
        TLS handshake, where it was asked; a contract shown there binds PaymentDetailsReq. `contracts` is what
        is needed to deal with contracts: without it Plug and Charge is not offered. `paused` is the session
        that this one may continue (`secc.session.pause`), `services` are value-added ones besides those of
        the configuration.
        """
        self.config = config
        self.evse = snapshot
        self.now = now
        self.tls = tls
        version = TlsVersion.TLS_1_3 if tls13 else TlsVersion.TLS_1_2 if tls else None
        laboratory = config.iso20.insecure_lab
        self.transport = Transport(version=version, vehicle=vehicle, laboratory=laboratory)
        self.vehicle = vehicle
        self.contracts = contracts
        self.services = services
        self.pnc = ContractSide()
        self.dialect: Dialect = table.ISO2
        self.state: Stage = self.dialect.begin
        self._random_bytes = random_bytes
        self._recent_ids = recent_ids
        self._paused = paused
        self.session_id = self.new_id()
        self.fault = EvseFault.EMERGENCY_STOP if blocked else None
        self.earlier_fault = blocked
        self._generation, self._questions = generation, 0
        self._timers: dict[Timer, float] = {}
        self._expired: set[Timer] = set()
        self._lease_until = now
        self._owed: Body | None = None
        self._answer_by = now
        self._outputs: list[Output] = []
        self._set_output: SetOutput | None = None
        self._ramped_at = now
        self.evse = metering.checked(self, snapshot)
        feedback.watch(self)
        self.start_timer(Timer.COMMUNICATION_SETUP)  # [V2G2-716]
        self.start_timer(Timer.SEQUENCE)

    # --- the whole interface ------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When to hand in a `Tick` at the latest; None once the session has ended."""
        return min(self._timers.values(), default=None)

    def speak(self, dialect: Dialect) -> None:
        """What the handshake has chosen; only before the first message."""
        if self.state is not self.dialect.begin:
            raise RuntimeError(f"{dialect.name} is too late")
        self.dialect, self.state = dialect, dialect.begin

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """Take one input; return what has to be done, in this order. After the end nothing has any effect."""
        if self.state.ended:
            return ()
        self.now = max(self.now, now)
        before, looked = self.evse, isinstance(event, (Received, Tick))
        if isinstance(event, (Received, Tick)):
            self.evse = metering.checked(self, event.snapshot)
            self.match = limits.matched(self)
        self._watch_lease()
        self._watch_outlet(before.control_pilot)
        if looked:
            feedback.watch(self)
        if self.evse.control_pilot is not before.control_pilot:
            self._run(PilotChanged, None)
        if self.evse.contactor_closed is not before.contactor_closed:
            self._run(FeedbackChanged, None)
        self._fire_timers(looked)
        if isinstance(event, Received):
            self._receive(event)
        elif not isinstance(event, Tick):
            self._run(type(event), event)
        if Timer.LEASE_RENEWAL in self._timers and self._timers[Timer.LEASE_RENEWAL] <= self.now:
            self._renew_lease()
        feedback.watch(self)
        outputs, self._outputs = tuple(self._outputs), []
        return outputs

    # --- what handlers may use ----------------------------------------------------------------------------

    def assign_id(self) -> bool:
        """Settle the session id: the paused session's if the EV names it, else a new one. True if joined.

        [V2G2-463] [V2G2-753] [V2G2-754] [V2G2-756]
        """
        paused = self._paused if self.dialect.joins else None
        if paused is not None and self.received_id == paused.session_id:
            self.session_id, self.joined, self.continues = paused.session_id, paused, paused
            return True
        if self.session_id == self.received_id:
            self.session_id = self.new_id(avoid=self.received_id)
        return False

    def new_id(self, *, avoid: bytes = b"") -> bytes:
        """Eight random bytes: not zero, not used lately, not `avoid` [V2G2-750] [V2G2-756] [INV-12]."""
        paused = b"" if self._paused is None else self._paused.session_id
        while True:
            session_id = self._random_bytes(8)
            if session_id not in (bytes(8), avoid, paused) and session_id not in self._recent_ids:
                return session_id

    def random_bytes(self, size: int) -> bytes:
        """From the generator that the session was given."""
        return self._random_bytes(size)

    def answer(
        self,
        body: Body,
        *,
        signature: Signature | None = None,
        payload: bytes | None = None,
    ) -> None:
        """Send the response to the request at hand, under the session's id [V2G2-388] [V2G2-390] [V2G2-747]
        [V2G-DC-388].
        `payload`: as these bytes, which say the same."""
        if self._owed is None or type(body) is not self.dialect.pairs[type(self._owed)]:
            raise RuntimeError(f"{type(body).__name__} does not answer {type(self._owed).__name__}")
        self._owed = None
        message = self.dialect.envelope(self.session_id, signature, body)
        self._outputs.append(Send(message, payload, self.received_stream))

    def emit(self, output: Output) -> None:
        """Ask the outside for something."""
        self._outputs.append(output)

    def notice(self, kind: NoticeKind, text: str) -> None:
        self._outputs.append(Notice(kind, text))

    def ticket(self) -> Ticket:
        """A name for a new question."""
        self._questions += 1
        return Ticket(self._generation, self._questions)

    def start_timer(self, timer: Timer) -> None:
        """From now on, anew."""
        self._expired.discard(timer)
        self._timers[timer] = self.now + getattr(self.config.timing, timer.value)

    def start_timer_once(self, timer: Timer) -> None:
        """Unless it runs, or has run out: a budget is not restarted by repeats [V2G2-712]."""
        if timer not in self._timers and timer not in self._expired:
            self.start_timer(timer)

    def stop_timer(self, timer: Timer) -> None:
        self._timers.pop(timer, None)
        self._expired.discard(timer)

    def expired(self, timer: Timer) -> bool:
        """It has run out, and was not started again."""
        return timer in self._expired

    def check_budget(self, timer: Timer) -> None:
        """Refuse when the time for a loop is used up."""
        if self.expired(timer):
            raise Refused(ResponseCode.FAILED, f"{timer.value} time is used up [V2G2-713]")

    @property
    def owed(self) -> Body | None:
        """The request that waits for its answer."""
        return self._owed

    def energise(self, purpose: Purpose, demand: Demand | None = None) -> None:
        """The output may be on from now: the lease begins, or goes on. Emit the command after this."""
        if self.energised is None and self.stop is not None:
            raise Refused(ResponseCode.FAILED, "nothing is switched on after a stop [INV-29]")
        if self.energised is None:
            self._lease_until = self.now
        self.contactor_ordered = None
        self.energised = Energised(purpose, demand)
        self._renew_lease(apply_limits=False)

    def command(self, volts: float, amperes: float) -> None:
        """A DC set-point; repeats are left out, and the current rises no faster than it may."""
        output = SetOutput(volts, self._ramped(amperes))
        if output != self._set_output:
            self._set_output = output
            self._outputs.append(output)

    def _ramped(self, amperes: float) -> float:
        """Down at once; up by so much since the last look, which is at least at each renewal of the lease."""
        ramp = self.config.energy.dc.current_ramp
        if ramp is None:
            return amperes
        before = 0.0 if self._set_output is None else self._set_output.current
        elapsed = 0.0 if self._set_output is None else self.now - self._ramped_at
        self._ramped_at = self.now
        return min(amperes, quantities.milli(quantities.decimal(before + ramp * elapsed)))

    def off(self, why: str | None = None, *, final: bool = False) -> None:
        """Output off, whatever was on; `why` makes a notice, `final` means every switch of the outlet."""
        if why is not None:
            self.notice(NoticeKind.OUTPUT, f"output off: {why}")
        self.energised = None
        self.pre_charge = self.match = None
        self._set_output = None
        self.stop_timer(Timer.LEASE_RENEWAL)
        if self.config.energy.offers_dc:
            self._outputs.append(SetOutput(0.0, 0.0))
        if final or not self.is_dc:
            self._outputs.append(OpenContactor())
            self.contactor_ordered = False

    def interrupt(self, why: str, code: Code = ResponseCode.FAILED) -> None:
        """Output off in the middle of something; an owed answer becomes a refusal."""
        if self.energised is not None:
            self.interrupted = True
            self.off(why)
        if self._owed is not None and not self.state.waits_for_ev:
            self._refuse(Refused(code, why))

    def overtake(self, why: str) -> None:
        """Output off because of a stop; an answer that is owed is given as the table says, with the stop in
        it, and not as a refusal."""
        if self.energised is not None:
            self.interrupted = True
            self.off(why)
        if self._owed is not None and not self.state.waits_for_ev:
            self._run(StopOrdered, None)

    def end(self, reason: EndReason, detail: str = "", code: Code | None = None) -> None:
        """The session is over; the output goes off first, an owed answer is given."""
        if self.state.ended:
            return
        if self.energised is not None or OpenContactor() not in self._outputs:
            self.off(final=True)
        if self._owed is not None and reason is not EndReason.LINK_LOST:
            self.answer(self.dialect.refusal(self, self._owed, ResponseCode.FAILED))
        self._owed = None
        self._outputs.append(
            EndSession(
                reason=reason,
                code=code,
                detail=detail,
                session_id=self.session_id,
                established=self.evcc_id is not None,
                fault=None if self.earlier_fault else self.fault,
                fault_detail="" if self.earlier_fault else self.fault_detail,
                meter=self.reading,
                energy=metering.energy(self),
                paused=pause.kept(self, self.session_id) if reason is EndReason.PAUSED else None,
            )
        )
        self.state = self.dialect.end
        self._timers.clear()

    @property
    def answer_by(self) -> float:
        """Monotonic seconds at which the answer to the last request leaves at the latest."""
        return self._answer_by

    # --- requests -----------------------------------------------------------------------------------------

    def _receive(self, event: Received) -> None:
        if self.state.ended:
            return
        request = event.message.body
        if request is None or type(request) not in self.dialect.pairs:
            name = "an empty body" if request is None else type(request).__name__
            self.end(EndReason.PROTOCOL_ERROR, f"{name} is not a request")
            return
        if self._owed is not None:
            # Not lock-step: the first request is answered still, then the second one [INV-15].
            self.off()
            self.answer(self.dialect.refusal(self, self._owed, ResponseCode.FAILED))
        self._owed = request
        self._answer_by = self._due(request)
        self.received_id = event.message.header.session_id
        self.received_signature = event.message.header.signature
        self.received_payload = event.payload
        self.received_stream = event.stream
        try:
            self._check_session(event.message.header.session_id, request)
            rule = self._rule(type(request))
            if rule is None:
                why = f"{type(request).__name__} while the session {self.state.value}"
                why = f"{why} [{self.dialect.unexpected}]"
                raise Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)
        except Refused as refused:
            self._refuse(refused)
            return
        if rule.leniency:
            self.notice(NoticeKind.LENIENT, f"{type(request).__name__} by {rule.leniency}")
        self._apply(rule, request)

    def _check_session(self, session_id: bytes, request: Body) -> None:
        """[V2G2-460]: byte-equal, length included; SessionSetupReq is exempt, and all before the setup."""
        if isinstance(request, self.dialect.setup) or self.evcc_id is None:
            return
        if session_id != self.session_id:
            why = f"SessionID is not the assigned one [{self.dialect.foreign}]"
            raise Refused(ResponseCode.FAILED_UNKNOWN_SESSION, why)

    def _refuse(self, refused: Refused) -> None:
        """[V2G2-539] [V2G-DC-665]: output off, the paired negative response, end."""
        if self._owed is None:
            self.end(EndReason.REFUSED, str(refused), refused.code)
            return
        request = self._owed
        self.notice(NoticeKind.REFUSED, f"{type(request).__name__}: {refused.code.value}, {refused}")
        record = refused.record or unrecorded(self, request, refused)
        if record is not None:
            self.emit(record)
        self.off(final=True)
        self.answer(self.dialect.refusal(self, request, refused.code))
        self.end(EndReason.REFUSED, str(refused), refused.code)

    # --- the table ----------------------------------------------------------------------------------------

    def _rule(self, key: Key) -> On | None:
        return self.dialect.find(self.state, key, self.config.compat)

    def _run(self, key: Key, event: object) -> None:
        """An input that is not a request: a row of the state, else what holds everywhere, else nothing."""
        if self.state.ended:
            return
        if (rule := self._rule(key)) is not None:
            self._apply(rule, event)
        elif (everywhere := self.dialect.anywhere.get(key)) is not None:
            everywhere.handler(self, event)

    def _apply(self, rule: On, event: object) -> None:
        mark = len(self._outputs)
        try:
            state = rule.handler(self, event)
        except Refused as refused:
            del self._outputs[mark:]  # no effect before validation [INV-27]
            self._refuse(refused)
            return
        if self.state.ended:
            return
        if state not in rule.leads_to:
            raise RuntimeError(f"{rule.handler.__name__} led to {state}, the table says {rule.leads_to}")
        if state.waits_for_ev == (self._owed is not None):
            raise RuntimeError(f"{rule.handler.__name__} led to {state} with the answer {self._owed}")
        self._enter(state, answered=any(isinstance(output, Send) for output in self._outputs[mark:]))

    def _enter(self, state: Stage, *, answered: bool) -> None:
        """Timers of the old state end; the sequence timer runs while the EV has to speak [V2G2-443]."""
        if state is not self.state:
            for timer in [*self._timers, *self._expired]:
                runs_on = timer in self.dialect.anywhere
                if not runs_on and self.dialect.find(state, timer, self.config.compat) is None:
                    self.stop_timer(timer)
            self.state = state
        if not state.waits_for_ev:
            self.stop_timer(Timer.SEQUENCE)
            self._keep_answer_time(state)
        elif answered:
            self.start_timer(Timer.SEQUENCE)

    def _due(self, request: Body) -> float:
        """When the answer to a request leaves at the latest: its performance time, less a margin."""
        seconds = self.dialect.performance(self.dialect.pairs[type(request)].__name__)
        return self.now + max(0.0, seconds - self.config.timing.answer_margin)

    def _keep_answer_time(self, state: Stage) -> None:
        """What ends the wait in a state that owes an answer ends it in time, however many waits there are."""
        for timer, at in self._timers.items():
            rule = self.dialect.find(state, timer, self.config.compat)
            if rule is not None and state not in rule.leads_to:  # else it is a look at the world, not the end
                self._timers[timer] = min(at, self._answer_by)

    def _fire_timers(self, looked: bool) -> None:
        """Each due timer once, the earliest first; the lease is renewed after everything else. What judges a
        reading waits for a reading of now."""
        waiting = {Timer.LEASE_RENEWAL} if looked else {Timer.LEASE_RENEWAL, *feedback.JUDGED}
        while not self.state.ended:
            due = [(at, timer.value, timer) for timer, at in self._timers.items() if at <= self.now]
            due = [entry for entry in due if entry[2] not in waiting]
            if not due:
                return
            timer = min(due)[2]
            del self._timers[timer]
            self._expired.add(timer)
            self._run(timer, None)

    # --- the output ---------------------------------------------------------------------------------------

    def _watch_lease(self) -> None:
        """A lease that has run out means that the output is off already and that we were not there."""
        if self.energised is not None and self.now > self._lease_until:
            late = self.now - self._lease_until
            self.end(EndReason.LEASE_LAPSED, f"the station was too slow: the lease was over for {late:.3f} s")

    def _watch_outlet(self, before: ControlPilot) -> None:
        """Unplugging, a fault or the pilot end what is energised at once [INV-03] [INV-04] [V2G2-025]
        [V2G-DC-962]."""
        pilot = self.evse.control_pilot
        if before.connected and not pilot.connected:
            unplugged = pilot is ControlPilot.A
            reason = EndReason.UNPLUGGED if unplugged else EndReason.PILOT_ERROR
            self.end(reason, f"control pilot {before.value} to {pilot.value}")
            return
        fault = self.evse.fault
        if fault is not None and (self.fault is None or (fault.latched and not self.fault.latched)):
            self.trip(fault)
            self.interrupt(fault.value)
        if self.energised is not None and not pilot.wants_energy:
            self.interrupt(f"control pilot {pilot.value}")

    def _renew_lease(self, *, apply_limits: bool = True) -> None:
        """The output may stay on a little longer; all reasons against it were looked at just now [INV-31]."""
        energised = self.energised
        if energised is None:
            return
        if apply_limits and energised.demand is not None:
            point = limits.set_point(
                self, energised.demand, max_current=self.purpose_limit(energised.purpose)
            )
            self.command(quantities.milli(point.voltage), quantities.milli(point.current))
        self._lease_until = self.now + self.config.timing.lease
        self.start_timer(Timer.LEASE_RENEWAL)
        self._outputs.append(RenewLease(self.config.timing.lease))

    def purpose_limit(self, purpose: Purpose) -> Fraction | None:
        """One more limit for what the output is used for: pre-charge has its own [INV-05]."""
        if purpose is not Purpose.PRE_CHARGE:
            return None
        return quantities.decimal(self.config.energy.dc.pre_charge_current)
