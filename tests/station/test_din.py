"""DIN SPEC 70121 over real sockets: a station that speaks both protocols, and a car that speaks this one."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.testpki import make
from secc import exi
from secc.messages import din
from secc.messages.app_protocol import ResponseCode, SupportedAppProtocolRes
from secc.records import OutputRecord, Record
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import EndReason, EndSession
from secc.settings import (
    DinConfig,
    EnergyConfig,
    EnergyMode,
    ProtocolName,
    SeccConfig,
    TimingConfig,
    TlsConfig,
    TlsPolicy,
)
from secc.sim import (
    AutoPilot,
    EvResult,
    Plan,
    ScriptedEvcc,
    SimulatedBackend,
    SimulatedCable,
    SimulatedDcEvse,
)
from secc.sim.moves import Ask, Move, Vanish, Wait
from secc.station.station import Station
from secc.tls import TlsContext
from tests.support.wire import DIN_OFFER, Car, eventually

PKI = Path(make.__file__).parent
DIN = Plan(protocol=ProtocolName.DIN70121, loops=10, pace=0.01)
ENDLESS = dataclasses.replace(DIN, loops=None)
CONFIG = SeccConfig(
    interface="lo",
    energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)),
    din=DinConfig(evse_id="49*80737*45678"),
    timing=TimingConfig(stop_delay=2.0),
)


@dataclasses.dataclass
class Bench:
    """A running station with everything around it."""

    station: Station
    evse: SimulatedDcEvse
    cable: SimulatedCable
    records: list[Record] = dataclasses.field(default_factory=list)

    def ev(self, plan: Plan = DIN, *, wired: bool = True) -> ScriptedEvcc:
        assert self.station.endpoint is not None
        port = self.station.endpoint.plain_port
        cable = self.cable if wired else None
        return ScriptedEvcc(plan, cable=cable, host="::1", port=port, patience=8.0)

    async def charging(self, plan: Plan = ENDLESS) -> asyncio.Task[EvResult]:
        """A car that takes current by now."""
        task = asyncio.ensure_future(self.ev(plan).charge())
        await eventually(lambda: self.evse.current > 10.0 or task.done())
        assert not task.done(), task.result().error
        return task

    async def off(self) -> None:
        await eventually(lambda: self.evse.current == 0.0 and not self.evse.snapshot().contactor_closed)

    @property
    def ends(self) -> list[EndSession]:
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output for output in outputs if isinstance(output, EndSession)]


@contextlib.asynccontextmanager
async def open_scenario(config: SeccConfig = CONFIG, *, pilot: bool = False) -> AsyncIterator[Bench]:
    """Run a scenario against a station."""
    cable = SimulatedCable()
    evse = SimulatedDcEvse(cable, isolation_time=0.02)
    records: list[Record] = []
    follows = AutoPilot(cable)

    def report(record: Record) -> None:
        records.append(record)
        if pilot:
            follows(record)

    backend = SimulatedBackend(delay=0.05)
    async with Station(config, evse, backend, reporter=report, sdp_port=0) as station:
        yield Bench(station, evse, cable, records)


async def test_a_whole_session_charges_and_both_sides_count_the_same_energy() -> None:
    async with open_scenario() as bench:
        result = await bench.ev(dataclasses.replace(DIN, loops=30)).charge()
        assert result.completed, result.error
        assert bench.evse.energy == pytest.approx(result.energy, rel=0.2)
        assert bench.evse.energy > 0.0
        assert [end.reason for end in bench.ends] == [EndReason.TERMINATED]
        setup = next(e.response for e in result.exchanges if isinstance(e.response, din.SessionSetupRes))
        assert setup.evse_id == bytes.fromhex("49a80737a45678")
        assert list(dict.fromkeys(result.requests)) == [
            "SupportedAppProtocolReq",
            "SessionSetupReq",
            "ServiceDiscoveryReq",
            "ServicePaymentSelectionReq",
            "ContractAuthenticationReq",
            "ChargeParameterDiscoveryReq",
            "CableCheckReq",
            "PreChargeReq",
            "PowerDeliveryReq",
            "CurrentDemandReq",
            "WeldingDetectionReq",
            "SessionStop",
        ]
        await bench.off()


async def test_a_session_of_each_protocol_after_the_other_at_one_station() -> None:
    async with open_scenario() as bench:
        for protocol in (ProtocolName.DIN70121, ProtocolName.ISO15118_2, ProtocolName.DIN70121):
            result = await bench.ev(Plan(protocol=protocol, loops=3, pace=0.01)).charge()
            assert result.completed, result.error
        assert [end.reason for end in bench.ends] == [EndReason.TERMINATED] * 3
        assert len({end.session_id for end in bench.ends}) == 3


async def test_an_ev_without_a_wire_charges_by_the_automatic_pilot() -> None:
    async with open_scenario(pilot=True) as bench:
        result = await bench.ev(dataclasses.replace(DIN, pace=0.1, loops=4), wired=False).charge()
        assert result.completed, result.error
        assert bench.evse.energy > 0.0
        assert bench.cable.pilot is ControlPilot.B


async def test_a_station_that_wants_to_stop_is_obeyed_by_its_status_code() -> None:
    async with open_scenario() as bench:
        car = await bench.charging()
        bench.station.stop_charging()
        result = await car
        assert result.completed, result.error
        demands = [e.response for e in result.exchanges if isinstance(e.response, din.CurrentDemandRes)]
        last = demands[-1].dc_evse_status
        assert last.evse_status_code is din.DCEVSEStatusCode.EVSE_SHUTDOWN
        assert last.evse_notification is din.EVSENotification.NONE


async def test_a_stop_before_energy_flows_lets_the_car_leave_in_order() -> None:
    async with open_scenario() as bench:

        def stop(request: object, number: int) -> Move | None:
            if isinstance(request, din.CableCheckReq) and number == 1:
                bench.station.stop_charging()
            return None

        result = await bench.ev(dataclasses.replace(DIN, tamper=stop)).charge()
        assert result.completed, result.error
        assert "PreChargeReq" not in result.requests
        assert bench.evse.energy == 0.0


async def test_an_emergency_stop_ends_the_charge_and_blocks_the_outlet() -> None:
    async with open_scenario() as bench:
        car = await bench.charging()
        bench.evse.inject(EvseFault.EMERGENCY_STOP)
        result = await car
        assert result.error == "CurrentDemandRes: FAILED"
        await bench.off()
        bench.evse.repair()
        following = await bench.ev().charge()
        assert following.completed  # it receives EVSE_EmergencyShutdown, and leaves
        assert "CableCheckReq" not in following.requests
        assert following.energy == 0.0
        assert [end.reason for end in bench.ends] == [EndReason.REFUSED, EndReason.TERMINATED]


async def test_a_pulled_plug_ends_the_session_and_the_current() -> None:
    async with open_scenario() as bench:
        car = await bench.charging()
        bench.cable.unplug()
        await bench.off()
        assert not (await car).completed
        assert [end.reason for end in bench.ends] == [EndReason.UNPLUGGED]


async def test_an_ev_that_vanishes_leaves_the_output_off_and_the_next_one_charges() -> None:
    def vanish(request: object, number: int) -> Move | None:
        return Vanish() if isinstance(request, din.CurrentDemandReq) and number == 5 else None

    async with open_scenario() as bench:
        assert (await bench.ev(dataclasses.replace(DIN, tamper=vanish)).charge()).vanished
        await bench.off()
        bench.cable.connect(None)
        bench.cable.set_pilot(ControlPilot.B)
        following = await bench.ev().charge()
        assert following.completed, following.error
        assert [end.reason for end in bench.ends] == [EndReason.LINK_LOST, EndReason.TERMINATED]


async def test_an_ev_that_falls_silent_in_the_loop_is_left_by_the_shorter_time() -> None:
    timing = dataclasses.replace(CONFIG.timing, din_demand=0.4)

    def silent(request: object, number: int) -> Move | None:
        return Wait(1.5) if isinstance(request, din.CurrentDemandReq) and number == 3 else None

    async with open_scenario(dataclasses.replace(CONFIG, timing=timing)) as bench:
        result = await bench.ev(dataclasses.replace(DIN, tamper=silent)).charge()
        assert not result.completed
        assert [end.reason for end in bench.ends] == [EndReason.SEQUENCE_TIMEOUT]
        await bench.off()


async def test_a_request_out_of_sequence_is_refused_by_its_paired_response() -> None:
    def tamper(request: object, number: int) -> Move | None:
        if isinstance(request, din.ContractAuthenticationReq):
            return Ask(din.WeldingDetectionReq(dc_ev_status=_STATUS))
        return None

    async with open_scenario() as bench:
        result = await bench.ev(dataclasses.replace(DIN, tamper=tamper)).charge()
        last = result.exchanges[-1].response
        assert isinstance(last, din.WeldingDetectionRes)
        assert last.response_code is din.ResponseCode.FAILED_SEQUENCE_ERROR


_STATUS = din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, ev_ress_soc=40)


@pytest.mark.req("V2G-DC-869")
@pytest.mark.parametrize("why", ["tls", "operator", "ac only"])
async def test_a_car_with_din_only_learns_that_there_is_no_common_protocol(why: str) -> None:
    config = CONFIG
    match why:
        case "tls":
            chain, key = PKI / "secc_chain.pem", PKI / "secc_leaf_key.pem"
            tls = TlsConfig(policy=TlsPolicy.REQUIRED, certificate_chain=chain, private_key=key)
            config = dataclasses.replace(CONFIG, tls=tls)
        case "operator":
            config = dataclasses.replace(CONFIG, protocols=(ProtocolName.ISO15118_2,))
        case _:
            config = dataclasses.replace(CONFIG, energy=EnergyConfig())

    async with open_scenario(config) as bench:
        endpoint = bench.station.endpoint
        assert endpoint is not None
        port = endpoint.tls_port if why == "tls" else endpoint.plain_port
        assert port is not None
        car = await Car.connect(port, TlsContext.for_client(None) if why == "tls" else None)
        await car.send(DIN_OFFER)
        payload = await car.next_payload()
        assert payload is not None
        assert exi.APP_PROTOCOL.decode(payload) == SupportedAppProtocolRes(
            response_code=ResponseCode.FAILED_NO_NEGOTIATION
        )
        car.close()
        await eventually(lambda: [end.reason for end in bench.ends] == [EndReason.NO_PROTOCOL])
