"""The worlds that the exhaustive search goes through: an outlet, and everything that may happen to it.

Each world has all requests and all answers, and its own choice of what else changes: all of it at once would
be too many states, and most of it does not meet. `WORLDS` says what is looked at together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from secc.messages import din, iso2
from secc.session.battery_events import SocReading
from secc.session.contract_events import ContractDecided, RevocationReported, Verdict
from secc.session.din.soc import DIN_SOC
from secc.session.din.table import DIN as DIN_DIALECT
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    Input,
    LinkLost,
    PeerMisbehaved,
    PowerLimited,
    Received,
    SchedulesOffered,
    StopRequested,
)
from secc.session.iso2.soc import ISO2_SOC
from secc.session.iso2.table import ISO2
from secc.session.latch import FaultLatch
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel, MeterReading
from secc.session.pause import PauseMemory
from secc.session.states import Timer
from secc.session.ticket import Ticket
from secc.settings import EnergyConfig, EnergyMode, SeccConfig, SocConfig
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, counting_bytes
from tests.support.contracts import UTC
from tests.support.din_safety import DinOracle
from tests.support.pnc import PNC_AC, PNC_DC, with_pnc
from tests.support.proofs import Car
from tests.support.safety import SafetyOracle
from tests.support.soc_safety import SocOracle

if TYPE_CHECKING:
    from tests.support.search import Node

STALE = Ticket(7, 7)
_RANDOM = counting_bytes()


@dataclasses.dataclass(slots=True)
class Move:
    """An input, with what changes before it."""

    name: str
    event: Input | None = None
    outlet: dict[str, object] = dataclasses.field(default_factory=dict)
    timer: Timer | None = None
    late: bool = False
    """Silence for longer than the lease."""
    stale: bool = False
    """An answer without a waiting request."""
    lawful: bool = False
    """A request with nothing wrong in it."""
    between: bool = False
    """Between two sessions."""
    reset: bool = False
    next_car: bool = False
    stranger: bool = False
    """The next car is another one than the first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """An outlet and what happens around it."""

    name: str
    config: SeccConfig
    good: tuple[Any, ...]
    bad: tuple[Any, ...] = ()
    pilots: tuple[ControlPilot, ...] = (ControlPilot.A, ControlPilot.B, ControlPilot.C)
    voltages: tuple[float, ...] = ()
    faults: tuple[EvseFault | None, ...] = ()
    feedback: tuple[bool | None, ...] = ()
    limits: tuple[float | None, ...] = ()
    """W: momentary limits of the outlet, and of load management."""
    orders: tuple[Input, ...] = (StopRequested(),)
    levels: tuple[IsolationLevel, ...] = (IsolationLevel.VALID, IsolationLevel.FAULT)
    late_faults: bool = False
    """A fault of the isolation may come after the result of its test as well."""
    decisions: tuple[bool, ...] = (True, False)
    """What back end and contactor can answer."""
    patient: bool = False
    """No time runs out but those that judge the outlet; the lease is renewed."""
    hostile: bool = False
    """Foreign ids, responses, stale answers, and silence."""
    sessions: bool = False
    """After a session comes another one."""
    first: str = ""
    """Names of the steps, separated by bars, that lead from the first car to the start of the search."""
    car: Car | None = None
    """With a contract."""
    din: bool = False
    reads_soc: bool = False
    """The session only reads the state of charge."""

    def plugged(self) -> EvseSnapshot:
        """A car has just been plugged in."""
        feedback = self.feedback[0] if self.feedback else None
        meter = MeterReading("METER-1", 1000) if self.car is not None else None
        return EvseSnapshot(control_pilot=ControlPilot.B, utc=UTC, contactor_closed=feedback, meter=meter)

    def session(
        self,
        snapshot: EvseSnapshot,
        now: float,
        latch: FaultLatch,
        pauses: PauseMemory,
        *,
        stranger: bool = False,
    ) -> Session:
        """The session of the next car; here all cars are alike."""
        contract = {} if self.car is None else {"tls": True, "contracts": self.car.terms}
        made = Session(
            self.config,
            random_bytes=_random_bytes,
            snapshot=snapshot,
            now=now,
            blocked=latch.blocked,
            paused=pauses.paused(now),
            soc_reading=SocReading.ASK if self.reads_soc else SocReading.OFF,
            **contract,  # type: ignore[arg-type]
        )
        if self.reads_soc:
            made.only_read(DIN_SOC if self.din else ISO2_SOC)
        else:
            made.speak(DIN_DIALECT if self.din else ISO2)
        return made

    @property
    def oracle(self) -> Callable[..., SafetyOracle]:
        if self.reads_soc:
            return SocOracle
        return DinOracle if self.din else SafetyOracle

    def pending(self, session: Session) -> tuple[object, ...]:
        """What the state of the session does not tell apart, and makes a difference."""
        return ()

    # --- what can happen ---

    def moves(self, node: Node) -> Iterator[Move]:
        if node.session.state.ended and (self.sessions or not node.began):
            yield from self._between(node)
            return
        yield from self._requests(node)
        yield from self._outlet(node)
        yield from self._answers(node.session)
        for event in self.orders:
            yield Move(type(event).__name__, event)
        timers = _OF_THE_OUTLET if self.patient else tuple(Timer)
        for timer in node.session.timers.due.keys() & timers:
            yield Move(f"timer {timer.value}", timer=timer)
        if node.session.energised is not None and self.hostile:
            yield Move("nobody was there", late=True)

    def _message(self, session_id: bytes, body: Any) -> Any:
        return d.message(session_id, body) if self.din else r.message(session_id, body)

    def _requests(self, node: Node) -> Iterator[Move]:
        session = node.session
        evse, session_id = session.evse, session.session_id
        for body in self.good:
            message = self._message(session_id, body)
            lawful = not _asks_again(body)
            yield Move(_name(body), Received(message, evse), lawful=lawful)
        for number, body in enumerate(self.bad):
            message = self._message(session_id, body)
            yield Move(f"{type(body).__name__} bad {number}", Received(message, evse))
        if self.car is not None:
            for name, message, payload in self.car.says(session):
                yield Move(name, Received(message, evse, payload))
        paused = node.pauses.paused(node.now)
        if paused is not None and session.state is session.dialect.begin:
            joining = self._message(paused.session_id, r.session_setup())
            yield Move("the paused session again", Received(joining, evse))
        if self.hostile:
            foreign = self._message(bytes(8), self.good[-1])
            yield Move("another session id", Received(foreign, evse))
            response = din.SessionStopRes(response_code=din.ResponseCode.OK) if self.din else _RESPONSE
            yield Move("a response", Received(self._message(session_id, response), evse))

    def _outlet(self, node: Node, *, between: bool = False) -> Iterator[Move]:
        evse = node.session.evse
        for name, field, values in (
            ("pilot", "control_pilot", self.pilots),
            ("volts", "present_voltage", self.voltages),
            ("fault", "fault", self.faults),
            ("feedback", "contactor_closed", self.feedback),
            ("momentary limit", "max_power", self.limits),
        ):
            for value in values:
                if value != getattr(evse, field):
                    yield Move(f"{name} {value}", outlet={field: value}, between=between)
        if not between:
            for watts in self.limits:
                if watts != node.session.external_limit:
                    yield Move(f"limit {watts}", PowerLimited(watts))

    def _between(self, node: Node) -> Iterator[Move]:
        yield from self._outlet(node, between=True)
        yield Move("reset", between=True, reset=True)
        yield Move("a while", between=True, late=True)
        if node.session.evse.control_pilot.connected:
            yield Move("the next car", next_car=True)

    def _answers(self, session: Session) -> Iterator[Move]:
        asked = session.grant.ticket if session.grant is not None else None
        testing = session.cable_test.ticket if session.cable_test is not None else None
        closing = session.contactor_ticket
        for granted in self.decisions:
            yield from self._answer("authorized", asked, AuthorizationDecided, granted)
        if self.config.energy.offers_ac:
            for closed in self.decisions:
                yield from self._answer("contactor", closing, ContactorReported, closed)
        if self.config.energy.offers_dc:
            first = session.cable_test is None or session.cable_test.level is None
            for level in self.levels:
                if not (first or self.late_faults) and level is IsolationLevel.FAULT:
                    continue
                yield from self._answer("isolation", testing, CableCheckReported, level)
        if self.car is not None:
            verdicts = (Verdict.ACCEPTED, Verdict.BLOCKED, Verdict.UNREACHABLE)
            for verdict in verdicts[: len(self.decisions)]:
                yield from self._answer("contract", asked, ContractDecided, verdict)
            question = session.pnc.revocation_question
            if question is not None:
                yield Move("revocation data", RevocationReported(question.ticket, self.car.evidence))
            yield from self.car.provisioned(session)
        if self.hostile:
            for event in _NOBODY_WAITS:
                yield Move(f"stale {type(event).__name__}", event, stale=True)

    def _answer(self, name: str, ticket: Ticket | None, kind: Any, value: Any) -> Iterator[Move]:
        if ticket is not None:
            yield Move(f"{name} {value}", kind(ticket, value))
        elif self.hostile and value is not IsolationLevel.FAULT:  # which is never stale
            yield Move(f"stale {name} {value}", kind(STALE, value), stale=True)


def _random_bytes(size: int) -> bytes:
    """Ids differ; a challenge is the same each time, so that a proof is made once."""
    return _RANDOM(size) if size == 8 else bytes(range(size))


def _name(body: Any) -> str:
    dc = (
        isinstance(body, iso2.ChargeParameterDiscoveryReq) and "DC" in type(body.ev_charge_parameter).__name__
    )
    return type(body).__name__ + " DC" * dc


def _asks_again(body: object) -> bool:
    """A renegotiation after a stop is no way to end in order."""
    return getattr(body, "charge_progress", None) is iso2.ChargeProgress.RENEGOTIATE


_RESPONSE = iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)
_NOBODY_WAITS: tuple[Input, ...] = (
    AuthorizationDecided(STALE, True),
    AuthorizationDecided(STALE, False),
    SchedulesOffered(STALE, None),
    CableCheckReported(STALE, IsolationLevel.VALID),
    ContactorReported(STALE, True),
)
_ENDS: tuple[Input, ...] = (StopRequested(), LinkLost(), PeerMisbehaved("garbage"))

_SETUP: tuple[iso2.BodyElement, ...] = (
    r.session_setup(),
    r.service_discovery(),
    r.service_detail(),
    r.payment_selection(),
    r.payment_details(),
    r.authorization(),
)
_AC: tuple[iso2.BodyElement, ...] = (r.ac_parameters(), r.charging_status())
_DC: tuple[iso2.BodyElement, ...] = (
    r.dc_parameters(),
    r.cable_check(),
    r.pre_charge(),
    r.current_demand(),
    r.welding_detection(),
)
_POWER: tuple[iso2.BodyElement, ...] = (r.start(), r.stop(), r.renegotiate())
_END: tuple[iso2.BodyElement, ...] = (r.session_stop(), r.session_stop(iso2.ChargingSession.PAUSE))
EVERYTHING = (*_SETUP, *_AC, *_DC, *_POWER, *_END)
BAD = (
    r.payment_selection(services=(2,)),
    r.power_delivery(schedule_id=9),
    r.pre_charge(voltage=r.volts(-1)),
    r.current_demand(current=r.amperes(-1)),
    r.current_demand(status=r.dc_ev_status(error=iso2.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)),
)
_PILOTS = (ControlPilot.A, ControlPilot.B, ControlPilot.C, ControlPilot.F)
_STOP = EvseFault.EMERGENCY_STOP
_BOTH = SeccConfig(
    evse_id="DE*AAA*E6",
    energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED)),
)
_DIN_GOOD = (
    d.session_setup(),
    din.ServiceDiscoveryReq(),
    din.ServiceDetailReq(service_id=1),
    d.payment_selection(),
    din.ContractAuthenticationReq(),
    d.parameters(),
    d.cable_check(),
    d.pre_charge(),
    d.power(True),
    d.power(False),
    d.current_demand(),
    d.welding_detection(),
    din.SessionStop(),
)
_DIN_BAD = (
    d.power(True, schedule_id=9),
    d.ac_parameters(),
    d.pre_charge(d.volts(-1)),
    d.current_demand(d.volts(400), d.amperes(-1)),
    d.current_demand(status=d.ev_status(error=din.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)),
)
_VOLTAGES = (r.pre_charge(r.volts(0)), r.pre_charge(r.volts(180)))
_TO_PARAMETERS = (
    "SessionSetupReq|ServiceDiscoveryReq|PaymentServiceSelectionReq|AuthorizationReq|authorized True|"
    "AuthorizationReq"
)
_OF_THE_OUTLET = (
    Timer.LEASE_RENEWAL,
    Timer.VOLTAGE_READING,
    Timer.DISCHARGE,
    Timer.CONTACTOR,
    Timer.CONTACTOR_RELEASE,
    Timer.CONTACTOR_LOST,
)
_READS = dataclasses.replace(AC, soc=SocConfig(read=True, patience=1))
_YES = (True,)
_SOUND = (IsolationLevel.VALID,)
_FEW = (*_SETUP[:2], r.payment_selection(), r.authorization())
_RECEIPTS = {"receipt_interval": 0.0005}
_TO_AND_FRO = (ControlPilot.B, ControlPilot.C)

WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(
            name="AC",
            config=AC,
            good=EVERYTHING,
            bad=BAD,
            pilots=_PILOTS,
            faults=(None, _STOP),
            orders=_ENDS,
            hostile=True,
        ),
        World(
            name="DC",
            config=DC,
            good=EVERYTHING,
            bad=BAD,
            pilots=_PILOTS,
            voltages=(0.0, 380.0),
            orders=_ENDS,
            hostile=True,
            levels=(IsolationLevel.VALID, IsolationLevel.FAULT, IsolationLevel.NO_IMD),
        ),
        World(
            name="DIN",
            config=d.DIN,
            good=_DIN_GOOD,
            bad=_DIN_BAD,
            pilots=_PILOTS,
            voltages=(0.0, 380.0),
            orders=_ENDS,
            hostile=True,
            din=True,
        ),
        World(
            name="DC voltages",
            config=DC,
            good=(*_FEW, *_DC, r.start(), r.stop(), r.session_stop()),
            bad=_VOLTAGES,
            voltages=(0.0, 180.0, 380.0),
            pilots=(ControlPilot.C,),
            orders=(),
            levels=_SOUND,
            decisions=_YES,
            patient=True,
        ),
        World(
            name="DIN voltages",
            config=d.DIN,
            good=_DIN_GOOD,
            bad=(d.pre_charge(d.volts(0)), d.pre_charge(d.volts(180))),
            voltages=(0.0, 180.0, 380.0),
            pilots=(ControlPilot.C,),
            orders=(),
            levels=_SOUND,
            decisions=_YES,
            patient=True,
            din=True,
        ),
        World(
            name="AC feedback",
            config=AC,
            good=(*_FEW, *_AC, *_POWER, r.session_stop()),
            pilots=(ControlPilot.A, ControlPilot.C),
            feedback=(False, True, None),
            sessions=True,
            patient=True,
            orders=(),
        ),
        World(
            name="AC latches",
            config=AC,
            good=(*_FEW, *_AC, r.start(), r.stop(), r.session_stop()),
            pilots=(ControlPilot.A, ControlPilot.C),
            faults=(None, _STOP),
            sessions=True,
            orders=(ControllerFault("driver"), ControllerFault("off", EvseFault.SWITCH_OFF)),
            decisions=_YES,
            patient=True,
        ),
        World(
            name="DC latches",
            late_faults=True,
            config=DC,
            good=(*_FEW, r.dc_parameters(), r.cable_check(), r.pre_charge(), r.session_stop()),
            pilots=(ControlPilot.A, ControlPilot.C),
            voltages=(0.0, 380.0),
            sessions=True,
            orders=(),
            decisions=_YES,
            patient=True,
        ),
        World(
            name="AC limits",
            config=AC,
            good=(*_FEW, *_AC, *_POWER, r.session_stop()),
            pilots=_TO_AND_FRO,
            limits=(None, 5000.0),
            bad=(r.power_delivery(profile=((0, r.watts(22_000)),)),),
            orders=(),
            decisions=_YES,
            patient=True,
        ),
        World(
            name="AC contract",
            config=with_pnc(PNC_AC, **_RECEIPTS),
            good=(*_FEW, *_AC, *_POWER, r.session_stop(iso2.ChargingSession.PAUSE)),
            pilots=(ControlPilot.C,),
            car=Car(),
            orders=(),
            patient=True,
        ),
        World(
            name="DC contract",
            config=with_pnc(PNC_DC, **_RECEIPTS),
            good=(*_FEW, *_DC, *_POWER, r.session_stop()),
            pilots=_TO_AND_FRO,
            voltages=(0.0, 380.0),
            car=Car(finds_revocation=True),
            orders=(),
            levels=_SOUND,
            patient=True,
        ),
        World(
            name="resumed, both modes",
            config=_BOTH,
            good=(*_FEW, *_AC, *_DC, *_POWER, r.session_stop(iso2.ChargingSession.PAUSE)),
            first=f"{_TO_PARAMETERS}|ChargeParameterDiscoveryReq DC|SessionStopReq|the next car",
            pilots=(ControlPilot.A, ControlPilot.C),
            voltages=(0.0, 380.0),
            orders=(),
            levels=_SOUND,
            decisions=_YES,
            patient=True,
        ),
        World(
            name="resumed, unplugged",
            config=AC,
            good=(*_FEW, *_AC, *_POWER, r.session_stop(iso2.ChargingSession.PAUSE)),
            first=f"{_TO_PARAMETERS}|ChargeParameterDiscoveryReq|SessionStopReq|pilot A|pilot C|the next car",
            pilots=(ControlPilot.A, ControlPilot.C),
            orders=(),
            decisions=_YES,
            patient=True,
        ),
        World(
            name="state of charge",
            config=_READS,
            good=EVERYTHING,
            bad=BAD,
            pilots=(ControlPilot.A, ControlPilot.B, ControlPilot.C),
            faults=(None, _STOP),
            orders=_ENDS,
            reads_soc=True,
        ),
        World(
            name="state of charge, DIN",
            config=_READS,
            good=_DIN_GOOD,
            bad=_DIN_BAD,
            pilots=(ControlPilot.A, ControlPilot.B, ControlPilot.C),
            orders=_ENDS,
            din=True,
            reads_soc=True,
        ),
        World(
            name="resumed, contract",
            config=PNC_AC,
            good=(*_FEW, *_AC, *_POWER, r.session_stop(iso2.ChargingSession.PAUSE)),
            first="SessionSetupReq|ServiceDiscoveryReq|Contract selected|PaymentDetailsReq of the car|proof|"
            "contract accepted|AuthorizationReq|ChargeParameterDiscoveryReq|SessionStopReq|the next car",
            pilots=(ControlPilot.A, ControlPilot.C),
            car=Car(),
            orders=(),
            patient=True,
        ),
    )
}
