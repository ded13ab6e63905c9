"""Calls from other threads: the station refuses them, `threadsafe` takes them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest

from secc.errors import ConfigError, IntegrationError
from secc.session.grid import GridCode, GridTargets
from secc.station.plc import PlcStation, ThreadsafePlcStation
from secc.station.station import Station
from secc.station.threads import ThreadsafeStation
from tests.support import requests
from tests.support.wire import Car, GrantingBackend, RecordingOutlet, config, finish, running, to_charge_loop

CALLS: dict[str, tuple[object, ...]] = {
    "link_up": (),
    "link_down": (),
    "stop_charging": (),
    "renegotiate": (),
    "renegotiate_service": (),
    "request_pause": (),
    "pause_charging": (),
    "resume_charging": (),
    "leave_standby": (),
    "set_power": (-5000.0,),
    "permit_discharge": (5000.0,),
    "set_grid_code": (GridCode(),),
    "set_grid_targets": (GridTargets(),),
    "limit_power": (5000.0,),
    "withdraw_authorization": (),
    "renew_tls": (),
    "reset_fault": (),
}


def made() -> Station:
    return Station(config(), RecordingOutlet(), GrantingBackend(), sdp_port=0)


def methods(kind: type) -> set[str]:
    """Public methods that are called and change something."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {
        name
        for name, function in found
        if not name.startswith("_") and not inspect.iscoroutinefunction(function)
    }


LINKS = {"session_ended", "link_closed", "record", "distrust"}  # for the station's own parts


def test_each_method_of_a_station_can_be_called_from_every_thread() -> None:
    assert methods(ThreadsafeStation) == set(CALLS) == methods(Station) - LINKS
    assert methods(ThreadsafePlcStation) == methods(ThreadsafeStation) | methods(PlcStation)


@pytest.mark.parametrize("name", CALLS)
async def test_another_thread_is_refused_and_shown_the_way(name: str) -> None:
    async with running() as bed:
        with pytest.raises(IntegrationError) as caught:
            await asyncio.to_thread(getattr(bed.station, name), *CALLS[name])
        assert str(caught.value).startswith(f"{name}: it was called in the thread 'asyncio_")
        assert str(caught.value).endswith(f"; use station.threadsafe.{name}")
        assert bed.station._sessions.power_limit is None
        assert bed.station.health.serving


@pytest.mark.parametrize("name", CALLS)
async def test_every_thread_may_call_the_threadsafe_way(name: str) -> None:
    async with running() as bed:
        call: Callable[..., Any] = getattr(bed.station.threadsafe, name)
        answer = await asyncio.to_thread(call, *CALLS[name])
        assert await asyncio.wrap_future(answer) is None


async def test_a_limit_from_a_thread_holds_at_once_although_the_loop_has_nothing_to_do() -> None:
    async with running() as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        threads = [
            threading.Thread(target=bed.station.threadsafe.limit_power, args=(1000.0 + number,))
            for number in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await asyncio.wrap_future(bed.station.threadsafe.limit_power(3000.0))
        core = next(iter(bed.station._sessions.links)).connection
        assert await car.ask(requests.charging_status()) == "OK"
        assert core is not None
        assert core.session.external_limit == 3000.0
        await finish(car, bed.outlet)


async def test_a_bad_value_is_refused_in_the_thread_that_gives_it() -> None:
    async with running() as bed:
        for name, value in (("limit_power", "32"), ("stop_charging", 5), ("link_down", None)):
            with pytest.raises(IntegrationError, match=f"^{name}: "):
                await asyncio.to_thread(getattr(bed.station.threadsafe, name), value)


async def test_what_the_station_raises_is_raised_by_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConfigError("tls.private_key: gone")

    async with running() as bed:
        monkeypatch.setattr(bed.station._tls, "renew", refuse)
        answer = await asyncio.to_thread(bed.station.threadsafe.renew_tls)
        with pytest.raises(ConfigError, match="gone"):
            await asyncio.to_thread(answer.result, 5.0)


async def test_in_the_thread_of_the_loop_the_answer_is_there_at_once() -> None:
    async with running() as bed:
        answer = bed.station.threadsafe.limit_power(4000)
        assert answer.done()
        assert bed.station._sessions.power_limit == 4000.0


async def test_an_answer_that_is_cancelled_in_time_is_not_carried_out() -> None:
    async with running() as bed:
        given: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def call() -> None:
            answer = bed.station.threadsafe.limit_power(4000)
            given.set_result(answer.cancel())

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()  # the loop stands still meanwhile
        assert given.result() is True
        await asyncio.sleep(0)
        assert bed.station._sessions.power_limit is None


def test_a_station_that_does_not_run_takes_nothing_from_other_threads() -> None:
    station = made()
    with pytest.raises(IntegrationError, match="limit_power: the station does not run"):
        station.threadsafe.limit_power(5000.0)
    station.limit_power(5000.0)  # before the start there is no loop to disturb
    assert station._sessions.power_limit == 5000.0


def test_a_loop_that_is_closed_takes_nothing() -> None:
    station = made()

    async def scenario() -> None:
        await station.start()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(scenario())
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait(tasks))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        station._discovery.close()
        station._supervision.close("stopped")
        loop.close()
        with pytest.raises(IntegrationError, match="the event loop is closed"):
            pool.submit(station.threadsafe.renegotiate).result(5.0)
    station._claim.release()


async def test_a_stop_from_another_loop_is_refused() -> None:
    async with running() as bed:
        with pytest.raises(IntegrationError, match=r"^stop: it was called in the thread"):
            await asyncio.to_thread(lambda: asyncio.run(bed.station.stop()))
        assert bed.station.health.serving
