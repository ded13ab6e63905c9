"""The worlds of ISO 15118-20 for the exhaustive search: AC and DC, both modes, both directions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import msgspec

from secc.messages.iso20_common import ChargingSession, Processing
from secc.session.contract_events import ContractDecided, ContractJudged, Verdict
from secc.session.dialect import Dialect
from secc.session.inputs import (
    DischargePermitted,
    EnergyTargeted,
    GridCodeGiven,
    Input,
    Received,
    StopRequested,
)
from secc.session.iso20.side import side
from secc.session.iso20.table import ISO20_AC, ISO20_DC
from secc.session.iso20.table_der import ISO20_DER
from secc.session.latch import FaultLatch
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel
from secc.session.pause import PauseMemory
from secc.session.streams import Stream
from secc.settings import Iso20Config, Payment, PncConfig, SeccConfig, ServiceConfig, TimestampUnit
from tests.support import der as d
from tests.support import iso20 as r
from tests.support.grid import CODE
from tests.support.iso20 import AC_BPT, DC_BPT, addressed
from tests.support.pnc20 import METER
from tests.support.proofs20 import Car20
from tests.support.safety import SafetyOracle
from tests.support.safety20 import Oracle20
from tests.support.vehicles import vehicle_identity
from tests.support.worlds import Move, World, _random_bytes

if TYPE_CHECKING:
    from tests.support.search import Node


@dataclasses.dataclass(frozen=True, kw_only=True)
class World20(World):
    """An outlet that speaks ISO 15118-20, and what happens around it."""

    beside: tuple[Any, ...] = ()
    """Requests on the side stream for schedules."""
    holder: Car20 | None = None
    """The car with contracts."""

    def plugged(self) -> EvseSnapshot:
        """With a meter, where contracts pay."""
        snapshot = super().plugged()
        return snapshot if self.holder is None else msgspec.structs.replace(snapshot, meter=METER)

    def pending(self, session: Session) -> tuple[object, ...]:
        return () if self.holder is None else self.holder.pending(session)

    def session(
        self,
        snapshot: EvseSnapshot,
        now: float,
        latch: FaultLatch,
        pauses: PauseMemory,
        *,
        stranger: bool = False,
    ) -> Session:
        """The session of the next car."""
        made = Session(
            self.config,
            random_bytes=_random_bytes,
            snapshot=snapshot,
            now=now,
            blocked=latch.blocked,
            paused=pauses.paused(now),
            tls=True,
            tls13=True,
            vehicle=vehicle_identity("WMIV0000000000ABCDEX") if stranger else vehicle_identity(),
            contracts=None if self.holder is None else self.holder.terms,
        )
        made.speak(self._dialect)
        return made

    @property
    def _dialect(self) -> Dialect:
        if self.config.iso20.der:
            return ISO20_DER
        return ISO20_DC if self.config.energy.offers_dc else ISO20_AC

    @property
    def oracle(self) -> Callable[..., SafetyOracle]:
        return cast("Callable[..., SafetyOracle]", Oracle20)  # the search needs only what both have

    def _requests(self, node: Node) -> Iterator[Move]:
        session = node.session
        for number, body in enumerate(self.good):
            message = addressed(body, session.session_id)
            lawful = getattr(body, "charging_session", None) in (None, ChargingSession.TERMINATE)
            yield Move(f"{type(body).__name__} {number}", Received(message, session.evse), lawful=lawful)
        for number, body in enumerate(self.beside):
            message = addressed(body, session.session_id)
            event = Received(message, session.evse, stream=Stream.SCHEDULE)
            yield Move(f"beside {type(body).__name__} {number}", event)
        if self.holder is not None:
            for name, received in self.holder.says(session):
                yield Move(name, received)
        paused = node.pauses.paused(node.now)
        if paused is not None and session.state is session.dialect.begin:
            joining = addressed(r.session_setup(), paused.session_id)
            yield Move("the paused session again", Received(joining, session.evse))
        if self.hostile:
            foreign = addressed(self.good[-1], bytes(8))
            yield Move("another session id", Received(foreign, session.evse))

    def _answers(self, session: Session) -> Iterator[Move]:
        yield from super()._answers(session)
        attempt, grid = side(session).attempt, side(session).grid.ticket
        if attempt is not None and not attempt.judged:
            yield Move("judged", ContractJudged(attempt.ticket))
        if self.holder is not None and session.grant is not None:
            for verdict in (Verdict.ACCEPTED, Verdict.BLOCKED):
                yield Move(f"contract {verdict}", ContractDecided(session.grant.ticket, verdict))
        if grid is not None:
            for code in (CODE, None):
                yield Move(f"rules {code is not None}", GridCodeGiven(grid, code))

    def _between(self, node: Node) -> Iterator[Move]:
        yield from super()._between(node)
        if node.session.evse.control_pilot.connected:
            yield Move("another car", next_car=True, stranger=True)


def _config(config: SeccConfig, *, standby: bool = False, der: bool = False) -> SeccConfig:
    """Time stamps that stand still: a search compares what can happen, not when."""
    iso20 = Iso20Config(
        der=der,
        discharge=True,
        timestamp_unit=TimestampUnit.SECONDS,
        authorization_attempts=2,
        price_schedule=False,
        standby=standby,
    )
    return dataclasses.replace(config, iso20=iso20)


def _contract(config: SeccConfig, interval: float | None = None) -> SeccConfig:
    """Contracts are accepted, and with an interval the meter is confirmed."""
    pnc = PncConfig(receipt_interval=interval)
    return dataclasses.replace(config, service=_CONTRACTS, pnc=pnc)


_FEW: tuple[Any, ...] = (r.session_setup(), r.authorization_setup(), r.authorization(), r.service_discovery())
_DC: tuple[Any, ...] = (r.cable_check(), r.pre_charge(), r.pre_charge(processing=Processing.ONGOING))
_END: tuple[Any, ...] = (r.stop(), r.session_stop(), r.session_stop(ChargingSession.SERVICE_RENEGOTIATION))
_BACK: tuple[Input, ...] = (EnergyTargeted(-5000.0), EnergyTargeted(5000.0), DischargePermitted(0.0))
_CONTRACTS = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))
_FULL = r.display(present_soc=20, minimum_soc=30)
_PAUSE = r.session_stop(ChargingSession.PAUSE)
_TO_CONTRACT = "SessionSetupReq 0|AuthorizationSetupReq 1|the contract|judged|contract accepted|the contract|"
_TO_SERVICE = (
    "SessionSetupReq 0|AuthorizationSetupReq 1|AuthorizationReq 2|authorized True|AuthorizationReq 2|"
    "ServiceDiscoveryReq 3|ServiceSelectionReq 4|"
)

WORLDS20: dict[str, World20] = {
    world.name: world
    for world in (
        World20(
            name="DC Scheduled",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(2, 1), r.dc_parameters(), r.scheduled(), *_DC, r.start()),
                *(r.dc_loop(), r.renegotiate(), r.renegotiate(r.profile()), r.welding(), *_END),
            ),
            pilots=(ControlPilot.B, ControlPilot.C),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID, IsolationLevel.FAULT),
            decisions=(True,),
            patient=True,
        ),
        World20(
            name="DC, beside the loop",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(2, 1), r.dc_parameters(ev_maximum_charge_current=60), r.scheduled()),
                *(*_DC[:2], r.start(), r.dc_loop(), r.renegotiate(), r.welding(), *_END[:2]),
            ),
            beside=(r.dc_parameters(), r.scheduled(), r.renegotiate(r.profile())),
            pilots=(ControlPilot.B, ControlPilot.C),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=(StopRequested(),),
            patient=True,
        ),
        World20(
            name="AC, beside the loop",
            config=_config(AC_BPT),
            good=(
                *(*_FEW, r.selection(1, 1), r.ac_parameters(ev_maximum_charge_power=11_000), r.scheduled()),
                *(r.start(), r.ac_loop(), r.renegotiate(), *_END[:2]),
            ),
            beside=(r.ac_parameters(), r.scheduled(), r.renegotiate(r.profile())),
            pilots=(ControlPilot.B, ControlPilot.C),
            decisions=(True,),
            orders=(StopRequested(),),
            patient=True,
        ),
        World20(
            name="DC_BPT Dynamic, beside the loop",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(6, 2), r.dc_bpt_parameters(ev_maximum_charge_current=60), r.dynamic()),
                *(*_DC[:2], r.dynamic_start(), r.dc_bpt_dynamic_loop(), r.welding(), *_END[:2]),
            ),
            beside=(r.dc_bpt_parameters(), r.dynamic(), r.renegotiate(r.profile(tuple_id=None))),
            pilots=(ControlPilot.C,),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=_BACK[:1],
            patient=True,
        ),
        World20(
            name="AC, contracts",
            config=_contract(_config(AC_BPT)),
            good=(
                *_FEW,
                r.selection(1, 1),
                r.ac_parameters(),
                r.scheduled(),
                r.start(),
                r.ac_loop(),
                *_END[:2],
            ),
            holder=Car20(),
            pilots=(ControlPilot.C,),
            decisions=(True,),
            orders=(StopRequested(),),
        ),
        World20(
            name="AC, metering",
            config=_contract(_config(AC_BPT), interval=0.0),
            good=(
                *_FEW,
                r.selection(1, 1),
                r.ac_parameters(),
                r.scheduled(),
                r.start(),
                r.ac_loop(),
                *_END[:2],
            ),
            first=f"{_TO_CONTRACT}ServiceDiscoveryReq 3",
            holder=Car20(),
            pilots=(ControlPilot.C,),
            decisions=(True,),
            orders=(StopRequested(),),
        ),
        World20(
            name="AC_DER_IEC Dynamic",
            config=_config(AC_BPT, der=True),
            good=(
                *(*_FEW, r.selection(10, 2), d.parameters(), d.parameters(Processing.ONGOING), r.dynamic()),
                *(r.dynamic_start(), d.dynamic_loop(), d.dynamic_loop(display_parameters=_FULL), *_END[:2]),
            ),
            pilots=(ControlPilot.C,),
            decisions=(True,),
            orders=_BACK,
            patient=True,
        ),
        World20(
            name="DC_BPT Scheduled",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(6, 1), r.dc_bpt_parameters(), r.scheduled(), *_DC[:2], r.start()),
                *(r.dc_bpt_loop(400, 20), r.dc_bpt_loop(400, -20), r.welding(), *_END[:2]),
            ),
            pilots=(ControlPilot.C,),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=(DischargePermitted(0.0),),
            patient=True,
        ),
        World20(
            name="DC_BPT Dynamic",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(6, 2), r.dc_bpt_parameters(), r.dynamic(), *_DC[:2], r.dynamic_start()),
                *(
                    r.dc_bpt_dynamic_loop(),
                    r.dc_bpt_dynamic_loop(display_parameters=_FULL),
                    r.welding(),
                    *_END[:2],
                ),
            ),
            pilots=(ControlPilot.C,),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=_BACK,
            patient=True,
        ),
        World20(
            name="AC_BPT Dynamic",
            config=_config(AC_BPT),
            good=(
                *(*_FEW, r.selection(5, 2), r.ac_bpt_parameters(), r.dynamic(), r.dynamic_start()),
                *(r.ac_bpt_dynamic_loop(), r.ac_bpt_dynamic_loop(display_parameters=_FULL), *_END[:2]),
            ),
            pilots=(ControlPilot.C,),
            decisions=(True,),
            orders=_BACK,
            hostile=True,
        ),
        World20(
            name="AC Scheduled",
            config=_config(AC_BPT),
            good=(
                *(*_FEW, r.selection(1, 1), r.ac_parameters(), r.scheduled(), r.start(), r.ac_loop()),
                *(r.renegotiate(), r.renegotiate(r.profile()), *_END),
            ),
            pilots=(ControlPilot.B, ControlPilot.C),
            faults=(None, EvseFault.EMERGENCY_STOP),
            decisions=(True,),
            orders=(StopRequested(),),
            patient=True,
        ),
        World20(
            name="AC, standby",
            config=_config(AC_BPT, standby=True),
            good=(
                *(*_FEW, r.selection(1, 1), r.ac_parameters(), r.scheduled(), r.start(), r.ac_loop()),
                *(r.standby(), r.stop(), r.session_stop()),
            ),
            pilots=(ControlPilot.B, ControlPilot.C),
            decisions=(True,),
            orders=(StopRequested(),),
            patient=True,
        ),
        World20(
            name="DC, standby",
            config=_config(DC_BPT, standby=True),
            good=(
                *(*_FEW, r.selection(2, 1), r.dc_parameters(), r.scheduled(), *_DC[:2], r.start()),
                *(r.dc_loop(), r.standby(), r.stop(), r.welding(), r.session_stop()),
            ),
            pilots=(ControlPilot.C,),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=(),
            patient=True,
        ),
        World20(
            name="DC_BPT, paused",
            config=_config(DC_BPT),
            good=(
                *(*_FEW, r.selection(6, 1), r.dc_bpt_parameters(), r.scheduled(), *_DC[:2], r.start()),
                *(r.dc_bpt_loop(400, -20), r.stop(), r.welding(), _PAUSE),
            ),
            first=f"{_TO_SERVICE}DCChargeParameterDiscoveryReq 5|SessionStopReq 13|the next car",
            pilots=(ControlPilot.C,),
            voltages=(0.0, 380.0),
            levels=(IsolationLevel.VALID,),
            decisions=(True,),
            orders=(),
            patient=True,
            sessions=True,
        ),
        World20(
            name="AC, paused",
            config=_config(AC_BPT),
            good=(
                *(*_FEW, r.selection(1, 1), r.ac_parameters(), r.scheduled(), r.start(), r.ac_loop()),
                *(r.stop(), _PAUSE),
            ),
            first=f"{_TO_SERVICE}ACChargeParameterDiscoveryReq 5|SessionStopReq 10|the next car",
            pilots=(ControlPilot.A, ControlPilot.C),
            decisions=(True,),
            orders=(),
            patient=True,
            sessions=True,
        ),
    )
}
