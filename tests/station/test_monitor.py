"""Health and readiness over HTTP, with a healthy station and an unhealthy one."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from secc.errors import ConfigError
from secc.station.monitor import Monitor
from tests.support.wire import Bed, Car, finish, running, to_charge_loop


async def get(
    monitor: Monitor, path: str = "/health", head: str = "GET {} HTTP/1.1\r\n\r\n"
) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
    writer.write(head.format(path).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    status, _, body = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), body


async def health(monitor: Monitor, path: str = "/health") -> tuple[int, dict[str, Any]]:
    status, body = await get(monitor, path)
    found = json.loads(body)
    assert isinstance(found, dict)
    return status, found


@contextlib.asynccontextmanager
async def open_bed_and_monitor() -> AsyncIterator[tuple[Bed, Monitor]]:
    async with running() as bed:
        async with Monitor(bed.station, "127.0.0.1", 0, metrics=lambda: b"secc_up 1\n") as monitor:
            yield bed, monitor
        await asyncio.sleep(0.01)


async def test_a_station_that_is_well_has_asked_its_discovery() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        status, found = await health(monitor)
        assert (status, found["healthy"], found["serving"], found["troubles"]) == (200, True, True, [])
        assert 0 < found["discovery_seconds"] < 1
        assert bed.station.health.discovery.faults == 0


async def test_the_examination_does_not_count_as_an_ev() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        before = dict(bed.station.diagnostics.discovery_counts)
        await health(monitor)
        assert dict(bed.station.diagnostics.discovery_counts) == before


async def test_a_discovery_that_cannot_receive_is_no_health() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        opened = bed.station._discovery._socket
        assert opened is not None
        asyncio.get_running_loop().remove_reader(opened)  # it is alive, and its output is not read
        status, found = await health(monitor)
        assert (status, found["healthy"]) == (503, False)
        assert found["troubles"] == ["discovery cannot receive: a request was not answered"]


async def test_a_responder_that_fails_is_no_health() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        bed.station._discovery._answer = None  # type: ignore[assignment,method-assign]
        status, found = await health(monitor)
        assert (status, found["healthy"]) == (503, False)


async def test_a_listener_that_cannot_be_opened_is_no_health() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        bed.station._supervision.close("no port")
        status, found = await health(monitor)
        assert (status, found["troubles"]) == (503, ["no port"])


async def test_a_controller_that_does_not_answer_is_no_health() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        bed.outlet.fail.add("snapshot")
        status, found = await health(monitor)
        assert status == 503
        assert found["troubles"] == ["the controller does not answer: RuntimeError: snapshot failed"]


async def test_a_session_is_health_and_readiness_both() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        status, found = await health(monitor)
        assert (status, found["in_session"]) == (200, True)
        await finish(car, bed.outlet)
        await bed.until_idle()


async def test_a_station_that_waits_for_a_data_link_is_well_but_not_ready() -> None:
    async with open_bed_and_monitor() as (bed, monitor):
        bed.station._supervision.close("no data link")
        assert (await health(monitor))[0] == 200
        status, found = await health(monitor, "/ready")
        assert (status, found["reason"]) == (503, "no data link")


async def test_metrics_are_there() -> None:
    async with open_bed_and_monitor() as (_, monitor):
        assert await get(monitor, "/metrics") == (200, b"secc_up 1\n")


async def test_without_metrics_there_are_none() -> None:
    async with running() as bed, Monitor(bed.station, "127.0.0.1", 0) as monitor:
        assert (await get(monitor, "/metrics"))[0] == 404
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /health HTTP/1.1\r\n\r\n", 405),
        ("GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        ("hello\r\n\r\n", 400),
    ],
)
async def test_what_is_not_asked_properly_is_reported(head: str, status: int) -> None:
    async with open_bed_and_monitor() as (_, monitor):
        assert (await get(monitor, head=head))[0] == status


@pytest.mark.inv("INV-26")
async def test_a_request_without_an_end_is_dropped() -> None:
    async with open_bed_and_monitor() as (_, monitor):
        reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
        writer.write(b"GET /" + b"x" * 20_000)
        assert await reader.read() == b""
        writer.close()
        assert (await health(monitor))[0] == 200


async def test_a_port_that_is_taken_is_a_configuration_error() -> None:
    async def run(port: int) -> None:
        async with running() as bed, Monitor(bed.station, "127.0.0.1", port):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="operation"):
        await run(taken.getsockname()[1])
