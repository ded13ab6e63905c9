"""ISO 15118-20 over real sockets: the simulated EV at a running station, in each service and control mode."""

import asyncio
import contextlib
import dataclasses
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargingSession, ResponseCode
from secc.ports import Backend
from secc.records import OutputRecord, Record
from secc.session.iso20.services import ControlMode, Service
from secc.session.outputs import EndReason, EndSession
from secc.settings import (
    AcConfig,
    DcConfig,
    EnergyConfig,
    EnergyMode,
    Iso20Config,
    Iso20TlsConfig,
    ProtocolName,
    SeccConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.sim import (
    AutoPilot,
    EvResult,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedDcEvse,
    Vehicle,
)
from secc.sim.iso20 import Iso20Misbehaviour, Iso20Plan, misbehaving
from secc.station.station import Station
from secc.tls.credentials import CredentialFiles
from secc.trace import read, replay
from secc.trace.recorder import Recorder
from tests.support.tls13 import OLD, PKI20
from tests.support.wire import eventually

SCHEDULED, DYNAMIC = ControlMode
PLAN = Iso20Plan(loops=10, pace=0.05)
PLAIN = [service for service in Service if service is not Service.AC_DER_IEC]
"""Services without rules of a grid; the other one: `test_der`."""
VEHICLE = CredentialFiles(chain=PKI20 / "vehicle_chain.pem", key=PKI20 / "vehicle_leaf_key.pem")


def configuration(service: Service, *, tls: bool = False) -> SeccConfig:
    """A station for a service: on plain TCP in a laboratory, or with TLS 1.3 as the text demands it."""
    mode = EnergyMode.DC_EXTENDED if service.is_dc else EnergyMode.AC_THREE_PHASE_CORE
    credentials = Iso20TlsConfig(
        certificate_chain=PKI20 / "secc_chain.pem", private_key=PKI20 / "secc_leaf_key.pem"
    )
    older = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=OLD / "secc_chain.pem",
        private_key=OLD / "secc_leaf_key.pem",
    )
    return SeccConfig(
        interface="lo",
        protocols=(ProtocolName.ISO15118_2, ProtocolName.ISO15118_20),
        energy=EnergyConfig(
            modes=(mode,),
            dc=DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0),
            ac=AcConfig(max_discharge_current=16.0),
        ),
        tls=older if tls else TlsConfig(),
        trust=TrustConfig(oem_roots=(PKI20 / "oem_root.pem",), v2g_roots=(PKI20 / "v2g_root.pem",)),
        iso20=Iso20Config(
            tls=credentials if tls else Iso20TlsConfig(),
            insecure_lab=not tls,
            discharge=service.bidirectional,
            mcs=service in (Service.MCS, Service.MCS_BPT),
        ),
    )


@dataclasses.dataclass
class Bench:
    """A running station with everything around it."""

    station: Station
    evse: SimulatedDcEvse | SimulatedAcEvse
    cable: SimulatedCable
    records: list[Record]
    tls: bool
    vehicle: Vehicle = dataclasses.field(default_factory=Vehicle)

    def ev(self, plan: Iso20Plan, *, wired: bool = True) -> ScriptedEvcc:
        return ScriptedEvcc(
            plan,
            vehicle=self.vehicle,
            cable=self.cable if wired else None,
            tls=self.tls,
            roots=PKI20 / "v2g_root.pem",
            certificate=VEHICLE if self.tls else None,
            sdp_port=self.station.sdp_port or 0,
            patience=8.0,
        )

    async def charge(self, plan: Iso20Plan) -> EvResult:
        return await self.ev(plan).charge()

    async def off(self) -> None:
        """The outlet is safe."""
        await eventually(lambda: self.evse.current == 0.0 and not self.evse.snapshot().contactor_closed)

    @property
    def ends(self) -> list[EndReason]:
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output.reason for output in outputs if isinstance(output, EndSession)]


@contextlib.asynccontextmanager
async def on_bench(
    service: Service,
    *,
    tls: bool = False,
    pilot: bool = False,
    config: SeccConfig | None = None,
    recorder: Recorder | None = None,
    backend: Backend | None = None,
) -> AsyncIterator[Bench]:
    """A station for a service."""
    cable = SimulatedCable()
    dc = SimulatedDcEvse(cable, isolation_time=0.02) if service.is_dc else None
    evse = dc or SimulatedAcEvse(cable)
    records: list[Record] = []
    follows = AutoPilot(cable)

    def report(record: Record) -> None:
        records.append(record)
        if pilot:
            follows(record)

    chosen = config or configuration(service, tls=tls)
    used = backend or SimulatedBackend(delay=0.02)
    async with Station(chosen, evse, used, reporter=report, sdp_port=0, recorder=recorder) as station:
        yield Bench(station, evse, cable, records, tls)


@pytest.mark.parametrize("control", ControlMode)
@pytest.mark.parametrize("service", PLAIN)
async def test_a_whole_session_moves_energy_and_both_sides_count_the_same(
    service: Service, control: ControlMode
) -> None:
    async with on_bench(service) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=service, control=control, loops=20))
        assert result.completed, result.error
        assert result.notes == []
        assert bench.evse.energy > 0.0
        assert bench.evse.energy == pytest.approx(result.energy, rel=0.25, abs=0.3)
        assert bench.ends == [EndReason.TERMINATED]
        await bench.off()


@pytest.mark.req("V2G20-1235", "V2G20-1264", "V2G20-2356")
@pytest.mark.parametrize("service", [Service.DC, Service.AC])
async def test_a_session_over_mutual_tls_1_3_completes(service: Service) -> None:
    async with on_bench(service, tls=True) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=service))
        assert result.completed, result.error
        assert result.tls


@pytest.mark.req("V2G20-1237", "V2G20-2356")
@pytest.mark.threat("T20-06")
async def test_without_the_laboratory_there_is_no_session_on_plain_tcp() -> None:
    lab = configuration(Service.DC)
    strict = dataclasses.replace(lab, iso20=dataclasses.replace(lab.iso20, insecure_lab=False))

    async with on_bench(Service.DC, config=strict) as bench:
        result = await bench.charge(PLAN)
        assert "no common protocol" in result.error
        assert bench.evse.energy == 0.0


async def test_power_goes_both_ways_and_the_meter_counts_both() -> None:
    async with on_bench(Service.DC_BPT) as bench:
        plan = dataclasses.replace(PLAN, service=Service.DC_BPT, loops=60, discharge_at=20)
        result = await bench.charge(plan)
        assert result.completed, result.error
        assert result.energy > 0.0
        assert result.discharged > 0.0
        assert bench.evse.exported == pytest.approx(result.discharged, rel=0.25, abs=0.3)
        await bench.off()


async def test_without_a_permission_a_service_of_both_directions_is_not_offered() -> None:
    lab = configuration(Service.DC_BPT)
    config = dataclasses.replace(lab, iso20=dataclasses.replace(lab.iso20, discharge=False))

    async with on_bench(Service.DC_BPT, config=config) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=Service.DC_BPT))
        assert result.error == "service DC_BPT is not offered"
        assert bench.evse.exported == 0.0


@pytest.mark.parametrize("service", [Service.DC, Service.AC])
async def test_a_schedule_is_renegotiated_on_the_main_stream(service: Service) -> None:
    async with on_bench(service) as bench:
        plan = dataclasses.replace(PLAN, service=service, renegotiate_at=4, side_stream=False)
        result = await bench.charge(plan)
        assert result.completed, result.error
        assert result.requests.count("ScheduleExchangeReq") == 2


@pytest.mark.req("V2G20-1045", "V2G20-1046", "V2G20-1048", "V2G20-1050", "V2G20-1052")
@pytest.mark.parametrize(
    ("service", "control"), [(Service.DC, SCHEDULED), (Service.AC, SCHEDULED), (Service.DC_BPT, DYNAMIC)]
)
async def test_a_schedule_is_renegotiated_beside_the_loop(service: Service, control: ControlMode) -> None:
    async with on_bench(service) as bench:
        plan = dataclasses.replace(PLAN, service=service, control=control, renegotiate_at=4)
        result = await bench.charge(plan)
        assert result.completed, result.error
        assert result.notes == []
        assert result.requests.count("ScheduleExchangeReq") >= 2
        assert result.requests.count("PowerDeliveryReq") == 3
        assert bench.ends == [EndReason.TERMINATED]


@pytest.mark.req("V2G20-1845")
async def test_the_station_asks_for_a_new_schedule_and_the_car_takes_it_beside_the_loop() -> None:
    async with on_bench(Service.DC) as bench:
        task = asyncio.ensure_future(bench.charge(dataclasses.replace(PLAN, loops=30)))
        await eventually(lambda: bench.evse.current > 5.0 or task.done())
        bench.station.renegotiate()
        result = await task
        assert result.completed, result.error
        assert result.requests.count("ScheduleExchangeReq") >= 2
        assert bench.ends == [EndReason.TERMINATED]


@pytest.mark.parametrize("service", [Service.DC_BPT, Service.AC])
async def test_the_service_is_renegotiated_with_the_isolation_test_again(service: Service) -> None:
    async with on_bench(service) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=service, renegotiate_service=True))
        assert result.completed, result.error
        assert result.requests.count("ServiceSelectionReq") == 2
        if service.is_dc:
            second = len(result.requests) - result.requests[::-1].index("ServiceSelectionReq")
            assert "DCCableCheckReq" in result.requests[second:]


async def test_standby_is_refused_with_a_warning_and_the_loop_goes_on() -> None:
    async with on_bench(Service.DC) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, standby_at=3))
        assert result.completed, result.error
        assert result.notes == ["PowerDeliveryRes: WARNING_StandbyNotAllowed"]


def with_standby(service: Service) -> SeccConfig:
    lab = configuration(service)
    return dataclasses.replace(lab, iso20=dataclasses.replace(lab.iso20, standby=True))


@pytest.mark.req("V2G20-1311", "V2G20-1386", "V2G20-1615")
@pytest.mark.parametrize("service", [Service.DC, Service.AC])
async def test_a_car_stands_by_and_goes_on(service: Service) -> None:
    async with on_bench(service, config=with_standby(service)) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, service=service, standby_at=3))
        assert result.completed, result.error
        assert result.notes == []
        progress = [
            one.request.charge_progress.value
            for one in result.exchanges
            if isinstance(one.request, common.PowerDeliveryReq)
        ]
        assert progress == ["Start", "Standby", "Start", "Stop"]
        assert bench.ends == [EndReason.TERMINATED]
        await bench.off()


@pytest.mark.req("V2G20-1386")
async def test_the_station_asks_a_car_to_leave_standby() -> None:
    async with on_bench(Service.DC, config=with_standby(Service.DC)) as bench:
        plan = dataclasses.replace(PLAN, standby_at=3, standby_loops=1000)
        task = asyncio.ensure_future(bench.charge(plan))
        standby = common.ChargeProgress.STANDBY

        def stands_by() -> bool:
            return any(
                getattr(getattr(one, "message", None), "charge_progress", None) is standby
                for one in bench.records
            )

        await eventually(lambda: stands_by() or task.done())
        bench.station.leave_standby()
        result = await task
        assert result.completed, result.error
        assert result.requests.count("PowerDeliveryReq") == 4


async def test_a_paused_session_is_joined_by_the_same_vehicle() -> None:
    async with on_bench(Service.DC, tls=True) as bench:
        paused = await bench.charge(dataclasses.replace(PLAN, end=ChargingSession.PAUSE))
        assert paused.completed, paused.error
        await bench.off()
        again = await bench.charge(dataclasses.replace(PLAN, session_id=paused.session_id))
        assert again.completed, again.error
        assert again.session_id == paused.session_id
        assert "AuthorizationReq" not in again.requests
        assert bench.ends == [EndReason.PAUSED, EndReason.TERMINATED]


async def test_a_hold_asks_the_ev_to_pause_and_its_end_asks_no_longer() -> None:
    async with on_bench(Service.DC, tls=True) as bench:
        task = asyncio.ensure_future(bench.charge(dataclasses.replace(PLAN, loops=10_000)))
        await eventually(
            lambda: (bench.station.state is not None and bench.station.state.in_charge_loop) or task.done()
        )
        bench.station.pause_charging()
        paused = await task
        assert paused.completed, paused.error
        await eventually(lambda: bench.ends == [EndReason.PAUSED])
        bench.station.resume_charging()
        again = await bench.charge(dataclasses.replace(PLAN, session_id=paused.session_id))
        assert again.completed, again.error
        assert bench.ends == [EndReason.PAUSED, EndReason.TERMINATED]


@pytest.mark.inv("INV-11")
async def test_an_authorization_withdrawn_in_the_continued_session_ends_it() -> None:
    async with on_bench(Service.DC, tls=True) as bench:
        paused = await bench.charge(dataclasses.replace(PLAN, end=ChargingSession.PAUSE))
        assert paused.completed, paused.error
        await bench.off()
        plan = dataclasses.replace(PLAN, session_id=paused.session_id, loops=10_000)
        task = asyncio.ensure_future(bench.charge(plan))
        await eventually(
            lambda: (bench.station.state is not None and bench.station.state.in_charge_loop) or task.done()
        )
        assert not task.done()
        bench.station.withdraw_authorization()
        await bench.off()
        await task


@pytest.mark.inv("INV-11", "INV-29")
@pytest.mark.parametrize("order", ["stop_charging", "withdraw_authorization"])
async def test_a_paused_session_that_was_stopped_or_lost_its_authorization_is_not_continued(
    order: str,
) -> None:
    async with on_bench(Service.DC, tls=True) as bench:
        paused = await bench.charge(dataclasses.replace(PLAN, end=ChargingSession.PAUSE))
        assert paused.completed, paused.error
        await bench.off()
        await eventually(lambda: bench.station.state is None)
        getattr(bench.station, order)()
        again = await bench.charge(dataclasses.replace(PLAN, session_id=paused.session_id))
        assert again.completed, again.error
        assert again.session_id != paused.session_id
        assert "AuthorizationReq" in again.requests


@pytest.mark.req("V2G20-2626")
@pytest.mark.threat("T20-04")
async def test_a_session_is_not_joined_by_its_id_alone() -> None:
    async with on_bench(Service.DC) as bench:  # no TLS: nobody has proved who the vehicle is
        paused = await bench.charge(dataclasses.replace(PLAN, end=ChargingSession.PAUSE))
        assert paused.completed, paused.error
        await bench.off()
        await eventually(lambda: bench.ends == [EndReason.PAUSED])
        await asyncio.sleep(0.1)
        again = await bench.charge(dataclasses.replace(PLAN, session_id=paused.session_id))
        assert again.completed, again.error
        assert again.session_id != paused.session_id
        assert "AuthorizationReq" in again.requests


async def test_a_stop_of_the_station_ends_the_loop_in_order() -> None:
    async with on_bench(Service.DC) as bench:
        task = asyncio.ensure_future(bench.charge(dataclasses.replace(PLAN, loops=None)))
        await eventually(lambda: bench.evse.current > 5.0 or task.done())
        bench.station.stop_charging("ordered")
        result = await task
        assert result.completed, result.error
        await bench.off()


async def test_the_pilot_follows_an_ev_without_a_wire() -> None:
    async with on_bench(Service.DC, pilot=True) as bench:
        result = await bench.ev(PLAN, wired=False).charge()
        assert result.completed, result.error
        assert bench.evse.energy > 0.0


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (Iso20Misbehaviour.WRONG_SESSION_ID, "AuthorizationRes: FAILED_UnknownSession"),
        (Iso20Misbehaviour.UNKNOWN_SERVICE, "ServiceSelectionRes: FAILED_ServiceSelectionInvalid"),
        (Iso20Misbehaviour.WRONG_SET, "answered by ACChargeLoopRes"),
        (Iso20Misbehaviour.WRONG_MODE, "DCChargeLoopRes: FAILED"),
        (Iso20Misbehaviour.SECOND_HANDSHAKE, "the station closed the connection"),
        (Iso20Misbehaviour.SKIPPED_CABLE_CHECK, "answered by DCPreChargeRes"),
        (Iso20Misbehaviour.SKIPPED_PRE_CHARGE, "answered by PowerDeliveryRes"),
        (Iso20Misbehaviour.EARLY_START, "answered by PowerDeliveryRes"),
        (Iso20Misbehaviour.EARLY_SERVICE_RENEGOTIATION, "answered by SessionStopRes"),
        (Iso20Misbehaviour.PAUSE_UNDER_POWER, "answered by SessionStopRes"),
        (Iso20Misbehaviour.SILENCE, ""),
        (Iso20Misbehaviour.VANISH, ""),
        (Iso20Misbehaviour.NOISE, ""),
    ],
)
async def test_a_misbehaving_car_gets_no_energy_after_it_and_the_next_one_charges(
    what: Iso20Misbehaviour, error: str
) -> None:
    async with on_bench(Service.DC) as bench:
        result = await bench.charge(dataclasses.replace(PLAN, tamper=misbehaving(what)))
        assert not result.completed
        assert error in result.error
        codes = [getattr(one.response, "response_code", ResponseCode.OK) for one in result.exchanges]
        if error.startswith("answered by"):
            assert codes[-1].value.startswith("FAILED")
        bench.cable.plug_in()  # whatever it left behind: the next car is another one
        await bench.off()
        taken = bench.evse.energy
        await asyncio.sleep(0.05)
        assert bench.evse.energy == taken
        again = await bench.charge(PLAN)
        assert again.completed, again.error


async def test_a_recorded_session_is_replayed_with_the_same_outputs(tmp_path: Path) -> None:
    lines = io.StringIO()
    config = configuration(Service.DC_BPT)
    recorder = Recorder(lines.write, config, now=0.0, wall=0.0)

    async with on_bench(Service.DC_BPT, config=config, recorder=recorder) as bench:
        plan = dataclasses.replace(PLAN, service=Service.DC_BPT, discharge_at=5)
        result = await bench.charge(plan)
        assert result.completed, result.error
        setup = next(e.response for e in result.exchanges if isinstance(e.response, common.SessionSetupRes))
        assert setup.evse_id
    path = tmp_path / "session.trace"
    path.write_text(lines.getvalue(), "utf-8")
    assert replay(read(path)) is None
