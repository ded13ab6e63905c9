"""A real station beside an integrator's code that hands in what it should not: sessions go on undisturbed."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from secc.errors import ConfigError, IntegrationError
from secc.ports import OffersServices, ReportsExpiry
from secc.records import LinkEvent, OutputRecord
from secc.session.contract_events import Verdict
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndSession
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.settings.services import ValueAddedService
from secc.station.station import Station
from tests.boundary.test_results import NO_POWER_LIMIT, forged_service
from tests.support import requests
from tests.support.wire import (
    AC_SETUP,
    Bed,
    Car,
    GrantingBackend,
    RecordingOutlet,
    config,
    eventually,
    finish,
    running,
    to_charge_loop,
    to_session,
)


def limit_of(bed: Bed) -> object:
    core = next(iter(bed.station._sessions.links)).connection
    assert core is not None
    return core.session.external_limit


async def a_whole_session(bed: Bed) -> None:
    """The next car charges as if nothing had been."""
    bed.outlet.pilot = ControlPilot.B
    await bed.until_idle()
    await eventually(lambda: bed.station.endpoint is not None)
    car = await Car.connect(bed.plain_port)
    await to_charge_loop(car, bed.outlet)
    await finish(car, bed.outlet)
    await bed.until_idle()


def ends(bed: Bed) -> list[EndSession]:
    outputs = [record.output for record in bed.records if isinstance(record, OutputRecord)]
    return [output for output in outputs if isinstance(output, EndSession)]


# --- methods of Station ------------------------------------------------------------------------------------

NO_TEXT: list[object] = [None, 5, True, b"stop", ["stop"], object(), math.nan]
CALLS: list[tuple[str, object]] = [
    *(("limit_power", value) for value in NO_POWER_LIMIT),
    *(("stop_charging", value) for value in NO_TEXT),
    *(("link_down", value) for value in NO_TEXT),
]


@pytest.mark.threat("BKE-03")
async def test_a_refused_call_names_itself_and_changes_nothing_in_this_session_or_the_next() -> None:
    async with running() as bed:
        bed.station.limit_power(10_000)
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        calls, told = list(bed.outlet.calls), len(bed.events(LinkEvent.COMPLAINT, LinkEvent.FAILED))
        for method, value in CALLS:
            with pytest.raises(IntegrationError, match=f"^{method}: (max_power|reason) is ") as caught:
                getattr(bed.station, method)(value)
            assert caught.value.method == method
            assert await car.ask(requests.charging_status()) == "OK"
        assert limit_of(bed) == 10_000.0
        assert bed.outlet.calls == calls
        assert len(bed.events(LinkEvent.COMPLAINT, LinkEvent.FAILED)) == told
        await finish(car, bed.outlet)
        await a_whole_session(bed)
        assert [end.fault for end in ends(bed)] == [None, None]


@pytest.mark.parametrize(
    "arguments", [{"sdp_port": "15118"}, {"sdp_port": True}, {"sdp_port": 70_000}, {"reporter": 5}]
)
def test_an_argument_of_another_type_is_refused_when_the_station_is_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        Station(config(), RecordingOutlet(), GrantingBackend(), **arguments)


def test_a_callback_that_would_need_to_be_awaited_is_refused() -> None:
    async def report(record: object) -> None: ...

    with pytest.raises(ConfigError, match=r"^reporter is async def reporter\(record"):
        Station(config(), RecordingOutlet(), GrantingBackend(), reporter=report)  # type: ignore[arg-type]


def test_a_configuration_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="config is an object of dict, expected a SeccConfig"):
        Station({}, RecordingOutlet(), GrantingBackend())  # type: ignore[arg-type]


async def test_a_source_of_random_bytes_that_fails_is_replaced_and_complained_of() -> None:
    records: list[Any] = []
    outlet = RecordingOutlet()
    station = Station(
        config(),
        outlet,
        GrantingBackend(),
        reporter=records.append,
        sdp_port=0,
        random_bytes=lambda size: b"four",
    )
    async with station:
        bed = Bed(station, outlet, GrantingBackend(), records)
        await a_whole_session(bed)
        assert any("random_bytes: it returned b'four'" in one.text for one in bed.events())


# --- snapshots ---------------------------------------------------------------------------------------------


class LyingOutlet(RecordingOutlet):
    """Its snapshot can be spoiled."""

    def __init__(self) -> None:
        super().__init__()
        self.spoil: Callable[[EvseSnapshot], object] = lambda good: good

    def snapshot(self) -> EvseSnapshot:
        return self.spoil(super().snapshot())  # type: ignore[return-value]


def raising(good: EvseSnapshot) -> object:
    raise OSError("bus error")


SPOILED: dict[str, Callable[[EvseSnapshot], object]] = {
    "raises": raising,
    "none": lambda good: None,
    "text": lambda good: "snapshot",
    "pilot": lambda good: msgspec.structs.replace(good, control_pilot="C"),
    "nan": lambda good: msgspec.structs.replace(good, max_power=math.nan),
    "infinite": lambda good: msgspec.structs.replace(good, present_voltage=math.inf),
    "negative": lambda good: msgspec.structs.replace(good, max_current=-1.0),
    "huge": lambda good: msgspec.structs.replace(good, max_current=10**400),
    "meter": lambda good: msgspec.structs.replace(good, meter=5),
    "fault": lambda good: msgspec.structs.replace(good, fault="no"),
    "clock": lambda good: msgspec.structs.replace(good, utc=math.nan),
}


@pytest.mark.threat("BKE-07")
@pytest.mark.parametrize("spoiled", SPOILED)
async def test_a_bad_snapshot_while_energised_ends_the_session_with_the_output_off(spoiled: str) -> None:
    outlet = LyingOutlet()
    async with running(config(close_delay=0.05), outlet=outlet) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, outlet)
        outlet.spoil = SPOILED[spoiled]
        await eventually(lambda: "open_contactor" in outlet.calls)
        assert not outlet.closed
        assert await car.ask(requests.charging_status()) in ("FAILED", "closed")
        assert await car.at_end()
        await eventually(lambda: not bed.station.health.in_session)
        (end,) = ends(bed)
        assert end.fault is not None
        texts = [one.text for one in bed.events(LinkEvent.COMPLAINT) if "snapshot" in one.text]
        assert len(texts) == 1
        await eventually(lambda: "snapshot: " in bed.station.health.reason)
        assert not bed.station.health.serving
        outlet.spoil = lambda good: good
        await eventually(lambda: bed.station.health.serving)
        await a_whole_session(bed)
        car.close()


@pytest.mark.parametrize("spoiled", SPOILED)
async def test_with_a_bad_snapshot_no_session_begins(spoiled: str) -> None:
    outlet = LyingOutlet()
    async with running(outlet=outlet) as bed:
        car = await Car.connect(bed.plain_port)
        outlet.spoil = SPOILED[spoiled]
        await car.send(b"\x80\x00")
        assert await car.at_end()
        assert bed.outlet.calls == ["make_safe"]
        outlet.spoil = lambda good: good
        await a_whole_session(bed)
        car.close()


# --- results of the back end -------------------------------------------------------------------------------


class LyingBackend(GrantingBackend):
    """Returns what it is given."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result

    async def authorize_external(self, evse_id: str) -> bool:
        return self.result  # type: ignore[return-value]


@pytest.mark.threat("BKE-03")
@pytest.mark.parametrize("result", [1, "yes", None, object(), Verdict.ACCEPTED, [True], math.nan])
async def test_an_authorization_that_is_no_bool_grants_nothing(result: object) -> None:
    async with running(config(close_delay=0.05), backend=LyingBackend(result)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        await car.ask(requests.service_discovery())
        await car.ask(requests.payment_selection())
        codes = [await car.ask(requests.authorization()) for _ in range(2)]
        assert codes[-1].startswith("FAILED")
        assert await car.at_end()
        assert "close_contactor" not in bed.outlet.calls
        assert any("authorize_external" in one.text for one in bed.events(LinkEvent.COMPLAINT))
        bed.backend.result = True  # type: ignore[attr-defined]
        await a_whole_session(bed)
        car.close()


class Planning(GrantingBackend):
    """Offers a schedule."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        return self.result  # type: ignore[return-value]


def asking() -> SeccConfig:
    energy = EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,), ask_backend_for_schedules=True)
    return dataclasses.replace(config(), energy=energy)


@pytest.mark.parametrize("result", [5, "plan", [], (), object(), EvseSnapshot, math.nan])
async def test_schedules_that_are_none_leave_the_limit_of_the_outlet(result: object) -> None:
    async with running(asking(), backend=Planning(result)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        for body in AC_SETUP:
            assert await car.ask(body) == "OK"
        await eventually(lambda: any("schedules: " in one.text for one in bed.events()))
        assert await car.ask(requests.ac_parameters()) == "OK"
        bed.outlet.pilot = ControlPilot.C
        assert await car.ask(requests.start()) == "OK"
        await finish(car, bed.outlet)


class Serving(GrantingBackend, OffersServices, ReportsExpiry):
    """Offers services, and raises when it is informed."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result

    def value_added_services(self, evse_id: str) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def services_chosen(self, evse_id: str, chosen: object) -> None:
        raise RuntimeError("no")

    async def expiring(self, now: datetime.datetime) -> Any:
        return self.result


@pytest.mark.parametrize(
    "result",
    [
        5,
        None,
        "internet",
        [5],
        RuntimeError("down"),
        [ValueAddedService(id=5, name="\ud800")],
        [ValueAddedService(id=5)] * 9,
        [forged_service(needs_tls="no")],
    ],
    ids=range(8),
)
@pytest.mark.threat("BKE-08")
async def test_services_that_are_none_are_left_out(result: object) -> None:
    async with running(backend=Serving(result)) as bed:
        await a_whole_session(bed)
        texts = [one.text for one in bed.events(LinkEvent.COMPLAINT)]
        assert any(text.startswith("value_added_services: ") for text in texts)
        assert any(text.startswith("expiring: ") for text in texts)


# --- results of the controller -----------------------------------------------------------------------------


class Answering(RecordingOutlet):
    """Its contactor answers something."""

    def __init__(self, method: str, result: object) -> None:
        super().__init__()
        self.method, self.result = method, result

    async def close_contactor(self) -> bool:
        done = await super().close_contactor()
        return self.result if self.method == "close_contactor" else done  # type: ignore[return-value]


@pytest.mark.parametrize("result", [1, "closed", None, object(), math.nan])
async def test_a_contactor_that_answers_no_bool_counts_as_not_closed(result: object) -> None:
    outlet = Answering("close_contactor", result)
    async with running(config(close_delay=0.05), outlet=outlet) as bed:
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        for body in AC_SETUP:
            assert await car.ask(body) == "OK"
        outlet.pilot = ControlPilot.C
        assert (await car.ask(requests.start())).startswith("FAILED")
        await bed.until_idle()
        assert not outlet.closed
        outlet.method = ""
        await a_whole_session(bed)
        car.close()
