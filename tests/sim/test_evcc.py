"""End to end over real TCP and TLS on the loopback interface, station and EV in one process."""

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import AsyncIterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import TypeVar

import pytest

from certs.testpki import make
from secc.messages import iso2
from secc.messages.iso2 import ChargingSession, EnergyTransferMode
from secc.messages.numbers import number
from secc.records import OutputRecord, Record
from secc.sdp import SdpResponse, Security
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import EndReason, EndSession
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyConfig, EnergyMode, SeccConfig, TlsConfig, TlsPolicy
from secc.sim import (
    AutoPilot,
    Plan,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedDcEvse,
)
from secc.sim.moves import Ask, Move, Vanish
from secc.station.station import Station

T = TypeVar("T")
PKI = Path(make.__file__).parent
AC, DC = EnergyTransferMode.AC_THREE_PHASE_CORE, EnergyTransferMode.DC_EXTENDED
QUICK = 0.01  # s between the messages of a loop
OFF = ("open", "set 0 V 0 A")
PATIENCE = 8.0  # on a busy machine the EV must not be the one that gives up


@dataclasses.dataclass
class Bench:
    """A running station with everything around it."""

    station: Station
    evse: SimulatedAcEvse | SimulatedDcEvse
    cable: SimulatedCable
    backend: SimulatedBackend
    records: list[Record]

    def ev(self, plan: Plan, *, tls: bool = False, cable: bool = True) -> ScriptedEvcc:
        assert self.station.sdp_port is not None
        return ScriptedEvcc(
            plan,
            cable=self.cable if cable else None,
            tls=tls,
            roots=PKI / "v2g_root.pem",
            sdp_port=self.station.sdp_port,
            patience=PATIENCE,
        )

    async def until_charging(self) -> None:
        while self.evse.current < 10.0:  # noqa: ASYNC110 - the model is looked at, it does not tell
            await asyncio.sleep(0.01)

    async def until_off(self) -> None:
        async with asyncio.timeout(5.0):
            while self.evse.snapshot().contactor_closed or self.evse.current > 0.0:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    @property
    def ends(self) -> list[EndReason]:
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output.reason for output in outputs if isinstance(output, EndSession)]


@contextlib.asynccontextmanager
async def on_bench(
    mode: EnergyTransferMode,
    *,
    tls: TlsPolicy = TlsPolicy.OFF,
    backend: SimulatedBackend | None = None,
    auto_pilot: bool = False,
) -> AsyncIterator[Bench]:
    """A station for one mode."""
    cable = SimulatedCable()
    evse = SimulatedDcEvse(cable, isolation_time=0.02) if mode is DC else SimulatedAcEvse(cable)
    granting = backend if backend is not None else SimulatedBackend()
    config = SeccConfig(
        interface="lo",
        energy=EnergyConfig(modes=(EnergyMode(mode.value),), ask_backend_for_schedules=True),
        tls=TlsConfig(
            policy=tls, certificate_chain=PKI / "secc_chain.pem", private_key=PKI / "secc_leaf_key.pem"
        ),
    )
    records: list[Record] = []
    pilot = AutoPilot(cable)

    def report(record: Record) -> None:
        records.append(record)
        if auto_pilot:
            pilot(record)

    async with Station(config, evse, granting, reporter=report, sdp_port=0) as station:
        granting.on_withdraw = station.withdraw_authorization
        yield Bench(station, evse, cable, granting, records)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("mode", [AC, DC], ids=["ac", "dc"])
async def test_a_whole_session_charges_and_both_sides_count_the_same_energy(
    mode: EnergyTransferMode, tls: bool
) -> None:
    async with on_bench(mode, tls=TlsPolicy.REQUIRED if tls else TlsPolicy.OFF) as bench:
        result = await bench.ev(Plan(mode=mode, loops=30, pace=QUICK), tls=tls).charge()
        assert result.completed, result.error
        assert result.tls is tls
        assert result.energy > 0.0
        assert bench.evse.energy == pytest.approx(result.energy, rel=0.2)
        assert bench.ends == [EndReason.TERMINATED]
        assert bench.evse.current == 0.0


@pytest.mark.parametrize("mode", [AC, DC], ids=["ac", "dc"])
async def test_an_ev_without_a_wire_charges_by_the_automatic_pilot(mode: EnergyTransferMode) -> None:
    async with on_bench(mode, auto_pilot=True) as bench:
        result = await bench.ev(Plan(mode=mode, loops=5, pace=0.1), cable=False).charge()
        assert result.completed, result.error
        assert bench.evse.energy > 0.0
        assert bench.cable.pilot is ControlPilot.B


@pytest.mark.parametrize("mode", [AC, DC], ids=["ac", "dc"])
async def test_an_ev_that_vanishes_leaves_the_output_off_within_50_ms_and_the_next_one_charges(
    mode: EnergyTransferMode,
) -> None:
    moments: list[float] = []

    def vanish(request: object, number: int) -> Move | None:
        if not isinstance(request, iso2.ChargingStatusReq | iso2.CurrentDemandReq) or number < 5:
            return None
        moments.append(time.monotonic())
        return Vanish()

    async with on_bench(mode) as bench:
        gone = bench.ev(Plan(mode=mode, pace=QUICK, tamper=vanish))
        result = await gone.charge()
        assert result.vanished
        assert bench.evse.cable.pilot is ControlPilot.C
        await bench.until_off()
        off = next(at for at, what in bench.evse.commands if at >= moments[0] and what in OFF)
        assert off - moments[0] < 0.05
        bench.cable.connect(None)
        bench.cable.set_pilot(ControlPilot.B)
        following = await bench.ev(Plan(mode=mode, loops=3, pace=QUICK)).charge()
        assert following.completed, following.error
        assert bench.ends == [EndReason.LINK_LOST, EndReason.TERMINATED]


async def test_a_pulled_plug_ends_the_session_and_the_current() -> None:
    async with on_bench(DC) as bench:
        ev = asyncio.ensure_future(bench.ev(Plan(mode=DC, loops=None, pace=QUICK)).charge())
        await bench.until_charging()
        bench.cable.unplug()
        await bench.until_off()
        result = await ev
        assert not result.completed
        assert bench.ends == [EndReason.UNPLUGGED]


async def test_a_fault_of_the_outlet_ends_the_charge() -> None:
    async with on_bench(AC) as bench:
        ev = asyncio.ensure_future(bench.ev(Plan(mode=AC, loops=None, pace=QUICK)).charge())
        await bench.until_charging()
        bench.evse.inject(EvseFault.RESIDUAL_CURRENT)
        result = await ev
        assert result.error == "ChargingStatusRes: FAILED"
        await bench.until_off()


async def test_a_station_that_wants_to_stop_is_obeyed_and_the_session_completes() -> None:
    async with on_bench(DC) as bench:
        ev = asyncio.ensure_future(bench.ev(Plan(mode=DC, loops=None, pace=QUICK)).charge())
        await bench.until_charging()
        bench.station.stop_charging()
        result = await ev
        assert result.completed, result.error


async def test_a_withdrawn_authorization_ends_the_charge() -> None:
    async with on_bench(AC, backend=SimulatedBackend(withdraw_after=0.3)) as bench:
        result = await bench.ev(Plan(mode=AC, loops=None, pace=QUICK)).charge()
        assert result.completed, result.error  # it is informed, and leaves in order
        await bench.until_off()


@pytest.mark.inv("INV-08")
async def test_a_limit_between_offer_and_start_makes_the_ev_renegotiate() -> None:
    async with on_bench(AC) as bench:

        def limit(request: object, number: int) -> Move | None:
            if isinstance(request, iso2.PowerDeliveryReq) and number == 0:
                bench.station.limit_power(5000.0)
            return None

        result = await bench.ev(Plan(mode=AC, loops=6, pace=QUICK, tamper=limit)).charge()
        assert result.completed, result.error
        assert result.requests.count("PowerDeliveryReq") == 4  # start, renegotiation, start, stop
        answers = [e.response for e in result.exchanges if isinstance(e.response, iso2.ChargingStatusRes)]
        currents = [number(answer.evse_max_current) for answer in answers if answer.evse_max_current]
        assert max(currents) * 3 * 230.0 <= 5000.0


async def test_a_denied_authorization_is_reported_and_nothing_is_switched_on() -> None:
    async with on_bench(AC, backend=SimulatedBackend(grant=False, delay=0.05)) as bench:
        result = await bench.ev(Plan(mode=AC, pace=QUICK)).charge()
        assert result.error == "AuthorizationRes: FAILED"
        assert bench.evse.energy == 0.0


async def test_the_ev_follows_the_schedules_of_the_back_end() -> None:
    offer = ScheduleOffer((PowerSchedule(3, (PowerStep(0, 6900.0),), 3600),))

    async with on_bench(AC, backend=SimulatedBackend(offer=offer, offer_delay=0.05)) as bench:
        result = await bench.ev(Plan(mode=AC, loops=3, pace=0.05)).charge()
        assert result.completed, result.error
        statuses = [e.response for e in result.exchanges if isinstance(e.response, iso2.ChargingStatusRes)]
        assert {status.sa_schedule_tuple_id for status in statuses} == {3}
        assert statuses[0].evse_max_current == iso2.PhysicalValue(
            multiplier=0, unit=iso2.UnitSymbol.A, value=10
        )


@pytest.mark.parametrize("mode", [AC, DC], ids=["ac", "dc"])
async def test_a_renegotiation_in_the_middle_is_completed(mode: EnergyTransferMode) -> None:
    async with on_bench(mode) as bench:
        plan = Plan(mode=mode, loops=6, pace=QUICK, renegotiate_at=3)
        result = await bench.ev(plan).charge()
        assert result.completed, result.error
        assert result.requests.count("ChargeParameterDiscoveryReq") >= 2


async def test_a_session_can_be_paused() -> None:
    async with on_bench(AC) as bench:
        plan = Plan(mode=AC, loops=2, pace=QUICK, end=ChargingSession.PAUSE)
        result = await bench.ev(plan).charge()
        assert result.completed, result.error
        assert bench.ends == [EndReason.PAUSED]


async def test_a_paused_session_is_joined_again_by_its_id() -> None:
    async with on_bench(AC) as bench:
        plan = Plan(mode=AC, loops=2, pace=QUICK, end=ChargingSession.PAUSE)
        paused = await bench.ev(plan).charge()
        again = await bench.ev(Plan(mode=AC, loops=2, pace=QUICK, session_id=paused.session_id)).charge()
        assert again.completed, again.error
        assert again.session_id == paused.session_id
        setup = next(e.response for e in again.exchanges if isinstance(e.response, iso2.SessionSetupRes))
        assert setup.response_code is iso2.ResponseCode.OK_OLD_SESSION_JOINED


async def test_a_request_out_of_sequence_is_refused_by_its_paired_response() -> None:
    def tamper(request: object, number: int) -> Move | None:
        if isinstance(request, iso2.AuthorizationReq):
            return Ask(iso2.ChargingStatusReq())
        return None

    async with on_bench(AC) as bench:
        result = await bench.ev(Plan(mode=AC, pace=QUICK, tamper=tamper)).charge()
        last = result.exchanges[-1].response
        assert isinstance(last, iso2.ChargingStatusRes)
        assert last.response_code is iso2.ResponseCode.FAILED_SEQUENCE_ERROR
        assert bench.ends == [EndReason.REFUSED]


async def test_an_ev_that_wants_tls_does_not_charge_without() -> None:
    async with on_bench(AC) as bench:
        result = await bench.ev(Plan(mode=AC, pace=QUICK), tls=True).charge()
        assert result.error == "the station has no TLS, and this EV does not charge without"


async def test_an_ev_that_asks_for_none_takes_the_tls_that_the_station_insists_on() -> None:
    async with on_bench(AC, tls=TlsPolicy.REQUIRED) as bench:
        result = await bench.ev(Plan(mode=AC, loops=2, pace=QUICK), tls=False).charge()
        assert result.completed, result.error
        assert result.tls


async def test_host_and_port_skip_discovery() -> None:
    async with on_bench(AC) as bench:
        endpoint = bench.station.endpoint
        assert endpoint is not None
        ev = ScriptedEvcc(
            Plan(mode=AC, loops=2, pace=QUICK),
            cable=bench.cable,
            host="::1",
            port=endpoint.plain_port,
            patience=PATIENCE,
        )
        assert (await ev.charge()).completed


async def test_a_closed_port_is_an_error_of_the_result() -> None:
    result = await ScriptedEvcc(host="::1", port=9).charge()
    assert not result.completed
    assert result.error.startswith("[::1]:9:")


async def test_a_station_that_has_just_changed_its_port_is_looked_for_again() -> None:
    async with on_bench(AC) as bench:
        loop = asyncio.get_running_loop()
        assert bench.station.endpoint is not None
        ports = [9, bench.station.endpoint.plain_port or 0]
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as discovery:
            discovery.setblocking(False)
            discovery.bind(("::1", 0))
            ev = ScriptedEvcc(
                Plan(mode=AC, loops=2, pace=QUICK),
                cable=bench.cable,
                sdp_port=discovery.getsockname()[1],
                patience=PATIENCE,
            )
            charging = asyncio.ensure_future(ev.charge())
            for port in ports:
                _, asking = await loop.sock_recvfrom(discovery, 64)
                found = SdpResponse(IPv6Address("::1"), port, Security.NONE)
                await loop.sock_sendto(discovery, found.to_bytes(), asking)
            result = await charging
        assert result.completed, result.error


async def test_a_link_local_address_needs_an_interface_that_exists() -> None:
    result = await ScriptedEvcc(host="fe80::1%nosuch0", port=9).charge()
    assert result.error == "fe80::1%nosuch0: no interface nosuch0"


async def test_many_answers_to_current_demand_come_within_25_ms() -> None:
    async with on_bench(DC) as bench:
        result = await bench.ev(Plan(mode=DC, loops=200, pace=0.001)).charge()
        assert result.completed, result.error
        times = sorted(
            exchange.response_time
            for exchange in result.exchanges
            if isinstance(exchange.response, iso2.CurrentDemandRes)
        )
        assert len(times) == 200
        assert times[197] < 0.025
