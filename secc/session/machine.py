"""Session: looks the input up in the table, runs the handler, keeps the timers and the lease.

These rules are enforced here, for every handler:

* a request is answered exactly once, in order; an unexpected one with its own response [V2G2-459] [V2G2-538];
* a refusal is final: output off, answer, end [INV-16]; what a refusing handler emitted is dropped [INV-27];
* every end switches the output off first [INV-03];
* an energised output is checked against pilot, fault and lease before anything else happens, at each input
  [INV-31], and the limits are applied again each time the lease is renewed [INV-08].
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from secc.pki.transport import TlsVersion, Transport
from secc.session import beside, ending, feedback, limits, metering, output, reply, soc, transition
from secc.session.agreed import ContractSide
from secc.session.battery_events import SocReading
from secc.session.context import Context, SessionConfig
from secc.session.contract_events import ContractTerms
from secc.session.dialect import Dialect, Key, On
from secc.session.handshake import HANDSHAKE
from secc.session.identity import Names
from secc.session.inputs import Input, Received, Tick
from secc.session.outlet import EvseFault, EvseSnapshot
from secc.session.outputs import EndReason, Notice, NoticeKind, OpenContactor, Output
from secc.session.paused import PausedSession
from secc.session.refusals import Refused, Warned
from secc.session.states import FeedbackChanged, PilotChanged, Stage, Timer
from secc.session.streams import Stream
from secc.session.timers import Timers
from secc.settings.services import ValueAddedService

if TYPE_CHECKING:
    from secc.pki.vehicle import VehicleIdentity

__all__ = ["Session"]


class Session(Context):
    """One V2G communication session, from the link to the end, in the protocol that `speak` names.

    Pure: `handle` is a function of the state, the input and `now` (monotonic seconds). Call it again at
    `deadline` at the latest, with a `Tick`.

    `random_bytes` must be cryptographically secure [V2G2-835]. `generation` counts the station's sessions
    [INV-20], `recent_ids` are session ids not to be given again [INV-12], `blocked` says that a latched
    fault has not been reset (`secc.session.latch`). `tls` and `tls13` say what protects the connection,
    TLS of any version and TLS 1.3; `vehicle` is who the EV proved to be in the TLS handshake, where it
    was asked: a contract shown there binds PaymentDetailsReq. `asks_vehicle`: its revocation can be found
    out. `contracts` is what is needed to deal with contracts: without it Plug and Charge is not offered.
    `paused` is the session that this one may continue (`secc.session.pause`), `services` are value-added
    ones besides those of the configuration. `soc_reading`: it only reads the state of charge.
    """

    dialect: Dialect

    def __init__(
        self,
        config: SessionConfig,
        *,
        random_bytes: Callable[[int], bytes],
        snapshot: EvseSnapshot,
        now: float,
        generation: int = 0,
        tls: bool = False,
        tls13: bool = False,
        vehicle: VehicleIdentity | None = None,
        asks_vehicle: bool = False,
        contracts: ContractTerms | None = None,
        recent_ids: Collection[bytes] = (),
        blocked: bool = False,
        paused: PausedSession | None = None,
        services: tuple[ValueAddedService, ...] = (),
        soc_reading: SocReading = SocReading.OFF,
    ) -> None:
        """Begin at `now`, the moment the link came up: the communication setup time runs [V2G2-716]."""
        self.config, self.evse, self.now = config, snapshot, now
        self.tls, self.vehicle, self.contracts, self.services = tls, vehicle, contracts, services
        self.asks_vehicle, self.soc_reading = asks_vehicle, soc_reading
        self.transport = _transport(config, vehicle, tls=tls, tls13=tls13)
        self.pnc = ContractSide()
        self.dialect = HANDSHAKE
        self.state: Stage = HANDSHAKE.begin
        self.names = Names(random_bytes, generation, recent_ids, paused)
        self.timers = Timers(config.timing)
        self.session_id = self.names.new_id()
        self.earlier_fault, self.fault = blocked, EvseFault.EMERGENCY_STOP if blocked else None
        self.lease_until = self.answer_by = self.ramped_at = now
        self.streams = {}
        self._outputs: list[Output] = []
        self.evse = metering.checked(self, snapshot)
        feedback.watch(self)
        self.timers.start(Timer.COMMUNICATION_SETUP, now)  # [V2G2-716]
        self.timers.start(Timer.SEQUENCE, now)

    # --- the whole interface ------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When to hand in a `Tick` at the latest; None once the session has ended."""
        return self.timers.deadline

    @property
    def may_continue(self) -> bool:
        """It has continued a paused session, or still can: its authorization may be that of before."""
        return self.names.paused is not None and (self.evcc_id is None or self.continues is not None)

    def speak(self, dialect: Dialect) -> None:
        """Use the protocol that the handshake has selected; only before the first message."""
        if self.state is not self.dialect.begin:
            raise RuntimeError(f"{dialect.name} is too late")
        self.dialect, self.state, self.room = dialect, dialect.begin, dialect.room()

    def only_read(self, dialect: Dialect) -> None:
        """Use a protocol that energises nothing and reads the state of charge; as `speak`."""
        if dialect.energises:
            raise RuntimeError(f"{dialect.name} energises")
        self.speak(dialect)
        self.config, self.services, self.contracts = self.config.for_soc, (), None

    def answer_left(self, now: float) -> None:
        """The last response of the main stream was held back and leaves now: the time of the EV for its next
        request counts from here [V2G2-443] [V2G20-435]."""
        if Timer.SEQUENCE in self.timers.due and self.state.waits_for_ev:
            self.timers.start(Timer.SEQUENCE, now, self.dialect.sequence(self.config, self.state))

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """Take one input; return the outputs to perform, in order. After the end inputs have no effect."""
        if self.state.ended:
            return ()
        self.now = max(self.now, now)
        before = self.evse
        if looked := isinstance(event, (Received, Tick)):
            self.evse = metering.checked(self, event.snapshot)
            self.match = limits.matched(self)
        output.watch_lease(self)
        ending.watch_outlet(self, before.control_pilot)
        if looked:
            feedback.watch(self)
        if self.evse.control_pilot is not before.control_pilot:
            self.run(PilotChanged, None)
        if self.evse.contactor_closed is not before.contactor_closed:
            self.run(FeedbackChanged, None)
        self._fire_timers(looked)
        if isinstance(event, Received):
            self._receive(event)
        elif not isinstance(event, Tick):
            self.run(type(event), event)
        if self.timers.due.get(Timer.LEASE_RENEWAL, self.now + 1.0) <= self.now:
            output.renew(self)
        feedback.watch(self)
        outputs, self._outputs = tuple(self._outputs), []
        return outputs

    # --- what handlers may do -----------------------------------------------------------------------------

    def answer(self, body: object, *, signature: object | None = None, payload: bytes | None = None) -> None:
        """Send the response to the request at hand, under the session's id [V2G2-388] [V2G2-390] [V2G2-747]
        [V2G-DC-388]. `payload`: as these bytes, which say the same."""
        send = reply.response(self, self.dialect, body, signature, payload)
        self.owed = None
        self._outputs.append(send)

    def emit(self, output: Output) -> None:
        """Add an output. Raises RuntimeError for one that energises in a protocol that does not."""
        if not self.dialect.energises and soc.energises(output):
            raise RuntimeError(f"{type(output).__name__} in {self.dialect.name}")
        self._outputs.append(output)

    def notice(self, kind: NoticeKind, text: str) -> None:
        """Report to the log."""
        self._outputs.append(Notice(kind, text))

    def end(self, reason: EndReason, detail: str = "", code: enum.StrEnum | None = None) -> None:
        """The session is over; the output goes off first, an owed answer is given."""
        if self.state.ended:
            return
        if self.energised is not None or OpenContactor() not in self._outputs:
            output.off(self, final=True)
        if self.owed is not None and reason is not EndReason.LINK_LOST:
            self.answer(reply.failed(self, self.dialect))
        self.owed = None
        self._outputs.append(ending.record(self, reason, detail, code))
        self.state = self.dialect.end
        self.timers.clear()

    def refuse(self, refused: Refused) -> None:
        """Output off, the paired negative response, end [V2G2-539] [V2G-DC-665]."""
        code = self.dialect.code(refused)
        if self.owed is not None:
            reply.say(self, self.dialect, refused)
            output.off(self, final=True)
            self.answer(self.dialect.refusal(self, self.owed, code))
        self.end(EndReason.REFUSED, str(refused), code)

    def _receive(self, event: Received) -> None:
        if self.state.ended:
            return
        session_id, signature, request = self.dialect.opened(event.message)
        if request is None or type(request) not in self.dialect.pairs:
            name = "an empty body" if request is None else type(request).__name__
            self.end(EndReason.PROTOCOL_ERROR, f"{name} is not a request")
            return
        overrun = self.owed is not None
        if overrun:  # not lock-step: the first request is answered still, and the second one refused [INV-15]
            output.off(self)
            self.answer(reply.failed(self, self.dialect))
        self.owed = request
        self.answer_by = reply.answer_by(self.dialect, self.config.timing, request, self.now)
        self.received_id, self.received_signature = session_id, signature
        self.received_payload, self.received_stream = event.payload, event.stream
        stage = self.state if event.stream is Stream.MAIN else self.streams.get(event.stream)
        rule = (
            None if stage is None or overrun else self.dialect.find(stage, type(request), self.config.compat)
        )
        if (wrong := reply.foreign(self, self.dialect, request)) is not None:
            self.refuse(wrong)
        elif rule is None:
            self.refuse(reply.unexpected(self, self.dialect, request))
        else:
            if rule.leniency:
                self.notice(NoticeKind.LENIENT, f"{type(request).__name__} by {rule.leniency}")
            self._apply(rule, request)

    def run(self, key: Key, event: object) -> None:
        """Take what is no request: a row of the state, or of a side stream, or what holds everywhere."""
        if self.state.ended:
            return
        rule = self.dialect.find(self.state, key, self.config.compat)
        if rule is not None or (rule := beside.find(self, self.dialect, key)) is not None:
            self._apply(rule, event)
        elif (everywhere := self.dialect.anywhere.get(key)) is not None:
            everywhere.handler(self, event)

    def _apply(self, rule: On, event: object) -> None:
        mark, owed = len(self._outputs), self.owed
        try:
            state = rule.handler(self, event)
        except Refused as refused:
            del self._outputs[mark:]  # no effect before validation [INV-27]
            if not isinstance(refused, Warned):
                self.refuse(refused)
                return
            state = self._warn(refused) or rule.state
        if self.state.ended:
            return
        if state not in rule.leads_to:
            raise RuntimeError(f"{rule.handler.__name__} led to {state}, the table says {rule.leads_to}")
        if state.waits_for_ev == (self.owed is not None):
            raise RuntimeError(f"{rule.handler.__name__} led to {state} with the answer {self.owed}")
        if (stream := beside.stream_of(self, rule)) is not Stream.MAIN:
            beside.enter(self, self.dialect, stream, state)
            return
        answered = owed is not None and self.owed is None
        transition.enter(self, self.dialect, state, answered=answered)

    def _warn(self, warned: Warned) -> Stage | None:
        """Answer with a code that refuses, and go on."""
        code = self.dialect.code(warned)
        if self.owed is None:
            raise RuntimeError(f"nothing is owed that could be answered {code}")
        reply.say(self, self.dialect, warned)
        self.answer(self.dialect.refusal(self, self.owed, code))
        return warned.state

    def _fire_timers(self, looked: bool) -> None:
        """Each due timer once, the earliest first; the lease is renewed after everything else. What judges a
        reading waits for a reading of now."""
        waiting = _RENEWAL if looked else _UNSEEN
        while not self.state.ended and (timer := self.timers.take(self.now, waiting)) is not None:
            self.run(timer, None)


def _transport(
    config: SessionConfig, vehicle: VehicleIdentity | None, *, tls: bool, tls13: bool
) -> Transport:
    version = TlsVersion.TLS_1_3 if tls13 else TlsVersion.TLS_1_2 if tls else None
    return Transport(version=version, vehicle=vehicle, laboratory=config.iso20.insecure_lab)


_RENEWAL = frozenset({Timer.LEASE_RENEWAL})
_UNSEEN = _RENEWAL | feedback.JUDGED
