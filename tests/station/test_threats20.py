"""The rows of the bad-input catalogue that are special to ISO 15118-20, over sockets, with mutual TLS 1.3.

After each attack the output is off, and the next car charges.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from secc.bench import BenchTimers, Facts, Target
from secc.bench.car20 import Iso20Car, Point
from secc.bench.pki import CarPki
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.wire import Closed, WireFrame
from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargeProgress, ChargingSession, ResponseCode
from secc.messages.numbers import rational_number
from secc.records import OutputRecord, Record
from secc.session.iso20.services import ControlMode, Service
from secc.session.outlet import ControlPilot
from secc.session.outputs import SetOutput
from secc.sim import SimulatedBackend, SimulatedCable, SimulatedDcEvse
from secc.sim.iso20 import requests
from secc.station.station import Station
from tests.station.test_iso20 import configuration
from tests.support.tls13 import OLD, PKI20
from tests.support.wire import eventually

# The truth may take its time: on a busy machine nothing that is right comes too late.
PATIENT = BenchTimers(message=10.0, slow_message=10.0, charge_loop=10.0, close=10.0)
SEQUENCE = ResponseCode.FAILED_SEQUENCE_ERROR


@dataclasses.dataclass
class Stand:
    """A DC station and what surrounds it."""

    station: Station
    evse: SimulatedDcEvse
    cable: SimulatedCable
    records: list[Record]
    cars: list[Iso20Car] = dataclasses.field(default_factory=list)

    @property
    def set_points(self) -> list[float]:
        """Amperes, in the order of the commands."""
        outputs = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output.current for output in outputs if isinstance(output, SetOutput)]

    def car(self, service: Service = Service.DC, control: ControlMode = ControlMode.SCHEDULED) -> Iso20Car:
        """A car with a vehicle certificate, on a new connection."""

        async def pilot(state: str) -> None:
            self.cable.set_pilot(ControlPilot(state))

        target = Target(
            sdp_port=self.station.sdp_port or 0,
            roots=PKI20 / "v2g_root.pem",
            pki=CarPki.read(OLD),
            pilot=pilot,
            timers=PATIENT,
        )
        facts = Facts(iso20=frozenset({service}), iso20_tls=True)
        self.cars.append(Iso20Car(Trial(target, facts, tls=True), service, control))
        return self.cars[-1]

    async def leave(self) -> None:
        """All connections are closed."""
        for car in self.cars:
            await car.trial.clean_up()
        self.cars.clear()

    @property
    def off(self) -> bool:
        """No voltage is set, no current flows."""
        snapshot = self.evse.snapshot()
        return abs(snapshot.present_current) < 0.1 and not snapshot.contactor_closed


@contextlib.asynccontextmanager
async def attacked(
    *, service: Service = Service.DC, logs: bool = False, **iso20: Any
) -> AsyncIterator[Stand]:
    """A station under attack, which then charges another car."""
    cable = SimulatedCable()
    evse = SimulatedDcEvse(cable, isolation_time=0.02)
    found = configuration(service, tls=True)
    found = dataclasses.replace(found, iso20=dataclasses.replace(found.iso20, **iso20))
    records: list[Record] = []
    backend = SimulatedBackend()
    reporter = None if logs else records.append
    async with Station(found, evse, backend, reporter=reporter, sdp_port=0) as station:
        stand = Stand(station, evse, cable, records)
        yield stand
        await stand.leave()
        cable.set_pilot(ControlPilot.B)
        await eventually(lambda: stand.off)
        good = stand.car(service)
        await good.go(Point.LOOP)
        await good.go(Point.OVER)
        await stand.leave()


async def _silent(car: Iso20Car, body: msgspec.Struct) -> None:
    """A request that gets no answer any more."""
    await car.send_raw(car.encode(body, None, None), type(body).__name__)
    reply = await car.wire.wait_closed(5.0)
    assert not isinstance(reply, WireFrame), reply


@pytest.mark.threat("T20-01")
async def test_a_service_renegotiation_before_authorization_leads_nowhere() -> None:
    async with attacked() as stand:
        for _ in range(3):
            car = stand.car()
            await car.go(Point.AUTHORIZATION)
            stop = requests.session_stop(ChargingSession.SERVICE_RENEGOTIATION)
            await car.expect(stop, ResponseCode.FAILED_NO_SERVICE_RENEGOTIATION_SUPPORTED)
            await _silent(car, requests.service_discovery())
            assert stand.off
            await stand.leave()


@pytest.mark.threat("T20-02")
async def test_after_a_service_renegotiation_nothing_of_the_first_charge_makes_a_start_possible() -> None:
    async with attacked() as stand:
        car = stand.car()
        await car.go(Point.WELDED)
        await car.expect(requests.session_stop(ChargingSession.SERVICE_RENEGOTIATION))
        car.point = Point.DISCOVERY
        await car.go(Point.CABLE_CHECK)
        await car.refused(car.delivery(ChargeProgress.START), SEQUENCE)
        assert stand.off


@pytest.mark.threat("T20-03")
async def test_a_resumed_session_tests_the_isolation_before_a_start() -> None:
    async with attacked() as stand:
        first = stand.car()
        await first.go(Point.WELDED)
        await first.end(ChargingSession.PAUSE)
        await first.closed()
        again = stand.car()
        again.session_id = first.session_id
        await again.go(Point.SETUP)
        await again.set_up()
        assert again.session_id == first.session_id
        await again.go(Point.CABLE_CHECK)
        await again.refused(again.delivery(ChargeProgress.START), SEQUENCE)
        assert stand.off


@pytest.mark.threat("T20-07")
async def test_messages_of_another_energy_kind_direction_or_mode_move_nothing() -> None:
    async with attacked() as stand:
        zero = rational_number(0.0)
        mode = ac.ScheduledACCLReqControlMode(ev_present_active_power=zero)
        other_kind = ac.ACChargeLoopReq(
            header=requests.HEADER, meter_info_requested=False, cl_req_control_mode=mode
        )
        for wrong, code in (
            (other_kind, SEQUENCE),
            (stand.car(Service.DC_BPT).energy.request(1), ResponseCode.FAILED),
            (stand.car(Service.DC, ControlMode.DYNAMIC).energy.request(1), ResponseCode.FAILED),
        ):
            car = stand.car()
            await car.go(Point.LOOP)
            await car.refused(wrong, code)
            await eventually(lambda: stand.off)
            await stand.leave()


@pytest.mark.threat("T20-07")
async def test_a_second_handshake_in_the_session_closes_it() -> None:
    async with attacked() as stand:
        car = stand.car()
        await car.go(Point.LOOP)
        await car.send_raw(car.encode(car.offer(), None, None), "supportedAppProtocolReq")
        assert isinstance(await car.wire.wait_closed(5.0), Closed)
        await eventually(lambda: stand.off)


@pytest.mark.threat("T20-08")
async def test_after_a_failed_nothing_is_processed() -> None:
    async with attacked() as stand:
        for point in (Point.AUTHORIZATION, Point.CABLE_CHECK, Point.LOOP):
            car = stand.car()
            await car.go(point)
            await car.expect(requests.session_setup(car.plan.evcc_id), SEQUENCE)
            await _silent(car, requests.authorization())
            await eventually(lambda: stand.off)
            await stand.leave()


@pytest.mark.threat("T20-09")
async def test_no_pause_with_energy_at_the_output_or_in_the_tests_before_it() -> None:
    async with attacked() as stand:
        for point in (Point.PRE_CHARGE, Point.START, Point.LOOP):
            car = stand.car()
            await car.go(point)
            await car.refused(
                requests.session_stop(ChargingSession.PAUSE), ResponseCode.FAILED_PAUSE_NOT_ALLOWED
            )
            await eventually(lambda: stand.off)
            await stand.leave()


@pytest.mark.threat("T20-10")
@pytest.mark.parametrize("pilot", [ControlPilot.B, ControlPilot.E, ControlPilot.F])
async def test_the_pilot_ends_the_energy_while_a_schedule_is_exchanged_under_power(
    pilot: ControlPilot,
) -> None:
    async with attacked() as stand:
        car = stand.car()
        await car.go(Point.LOOP)
        await car.expect(car.delivery(ChargeProgress.SCHEDULE_RENEGOTIATION))
        stand.cable.set_pilot(pilot)
        await eventually(lambda: stand.off)


@pytest.mark.threat("T20-10")
async def test_the_pilot_ends_standby() -> None:
    async with attacked(standby=True) as stand:
        car = stand.car()
        await car.go(Point.LOOP)
        await car.expect(car.delivery(ChargeProgress.STANDBY))
        stand.cable.set_pilot(ControlPilot.F)
        await eventually(lambda: stand.off)
        assert isinstance(await car.wire.wait_closed(5.0), Closed)


@pytest.mark.threat("T20-11")
async def test_the_largest_profile_and_the_longest_list_of_warnings_are_bounded() -> None:
    async with attacked() as stand:
        car = stand.car()
        await car.go(Point.AUTHORIZATION)
        wrong = msgspec.structs.replace(
            requests.authorization(), selected_authorization_service=common.Authorization.PNC
        )
        codes = [await car.ask(wrong) for _ in range(5)]
        assert isinstance(codes[0], CarAnswer)
        assert codes[0].code == ResponseCode.WARNING_AUTHORIZATION_SELECTION_INVALID.value
        assert isinstance(codes[-1], CarAnswer)
        assert codes[-1].code == ResponseCode.FAILED.value
        large = stand.car()
        await large.go(Point.START)
        profile = large.script.profile()
        entry = common.PowerScheduleEntry(duration=1, power=rational_number(0.0))
        entries = common.EVPowerProfileEntryList(ev_power_profile_entry=(entry,) * 2048)
        long = msgspec.structs.replace(profile, ev_power_profile_entries=entries)
        await large.expect(requests.power_delivery(ChargeProgress.START, long))


@pytest.mark.threat("T20-13")
async def test_a_negative_target_in_a_service_of_one_direction_draws_nothing_from_the_car() -> None:
    async with attacked() as stand:
        car = stand.car()
        await car.go(Point.LOOP)
        await _wants(car, -50.0)
        assert min(stand.set_points) == 0.0


@pytest.mark.threat("T20-13")
async def test_a_permission_that_is_withdrawn_ends_the_discharge() -> None:
    async with attacked(service=Service.DC_BPT) as stand:
        car = stand.car(Service.DC_BPT)
        await car.go(Point.LOOP)
        await _wants(car, -20.0)
        assert stand.set_points[-1] == -20.0
        stand.station.permit_discharge(0.0)
        await eventually(lambda: stand.set_points[-1] == 0.0)
        await _wants(car, -20.0)
        assert stand.set_points[-1] == 0.0
        stand.station.permit_discharge(None)


async def _wants(car: Iso20Car, amperes: float) -> None:
    request: Any = car.energy.request(1)
    mode = msgspec.structs.replace(request.cl_req_control_mode, ev_target_current=rational_number(amperes))
    for _ in range(6):
        await car.expect(msgspec.structs.replace(request, cl_req_control_mode=mode))
        await asyncio.sleep(0.05)


@pytest.mark.threat("T20-14")
@pytest.mark.parametrize("stamp", [0, 1, 2**63, 2**64 - 1])
async def test_the_time_of_a_car_changes_nothing(stamp: int) -> None:
    async with attacked() as stand:
        car = stand.car()
        car.stamp = stamp
        await car.go(Point.LOOP)
        answer = await car.loop()
        assert answer.header.time_stamp > 1e15  # microseconds of now
        await car.go(Point.OVER)


@pytest.mark.threat("T20-15")
async def test_what_a_car_says_is_one_escaped_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with attacked(logs=True) as stand:
        car = stand.car()
        await car.go(Point.SETUP)
        name = "EV\r\n2026-01-01 secc granted\x1b[31m"
        await car.expect(requests.session_setup(name), ResponseCode.OK_NEW_SESSION_ESTABLISHED)
        assert car.last is not None
        car.session_id = car.last.session_id
        car.point = Point.AUTHORIZATION_SETUP
        await car.go(Point.DISCOVERY)
        stop = common.SessionStopReq(
            header=requests.HEADER,
            charging_session=ChargingSession.TERMINATE,
            ev_termination_code="one\ntwo",
            ev_termination_explanation="three\r\x1b[2Jfour",
        )
        await car.expect(stop)
    lines = [record.getMessage() for record in caplog.records]
    assert any("three" in line for line in lines)
    assert not [line for line in lines if {"\n", "\r", "\x1b"} & set(line)]


@pytest.mark.threat("T20-16")
@pytest.mark.parametrize("watts", [-1_000_000.0, 1_000_000.0])
async def test_a_target_of_energy_management_beyond_the_outlet_is_cut(watts: float) -> None:
    async with attacked(service=Service.DC_BPT) as stand:
        car = stand.car(Service.DC_BPT, ControlMode.DYNAMIC)
        await car.go(Point.LOOP)
        stand.station.set_power(watts)
        request: Any = car.energy.request(1)
        spare = rational_number(-10_000.0)  # so much may be taken out
        mode = msgspec.structs.replace(request.cl_req_control_mode, ev_minimum_v2_x_energy_request=spare)
        for _ in range(6):
            await car.expect(msgspec.structs.replace(request, cl_req_control_mode=mode))
            await asyncio.sleep(0.05)
        assert (min(stand.set_points) < 0) is (watts < 0)
        assert -60.0 <= min(stand.set_points) <= max(stand.set_points) <= car.script.vehicle.max_current
