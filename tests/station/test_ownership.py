"""One station per interface and outlet: the second one is refused before it touches anything."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secc.cli import main
from secc.errors import ConfigError, InUseError
from secc.settings import SeccConfig
from secc.station import ownership
from secc.station import station as station_module
from secc.station.ownership import OutletClaim
from secc.station.station import Station
from tests.support.wire import GrantingBackend, RecordingOutlet

NAME = f"t{os.getpid()}"
"""An interface that does not exist: a station waits for it, and tests of other processes have others."""


@pytest.fixture(autouse=True)
def interface_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The station takes it."""
    monkeypatch.setattr(station_module, "require_interface", lambda _name: None)


def config(interface: str = NAME, **settings: Any) -> SeccConfig:
    return dataclasses.replace(SeccConfig(interface=interface), **settings)


def station(outlet: RecordingOutlet, settings: SeccConfig | None = None, sdp_port: int = 15118) -> Station:
    return Station(settings or config(), outlet, GrantingBackend(), sdp_port=sdp_port)


# --- in one process ----------------------------------------------------------------------------------------


async def test_a_second_station_on_an_interface_is_refused_and_touches_nothing() -> None:
    first, second = RecordingOutlet(), RecordingOutlet()
    async with station(first):
        rival = station(second)
        with pytest.raises(InUseError, match=f"interface {NAME} is in use by another station of this"):
            await rival.start()
        assert second.calls == []
        assert first.calls == ["make_safe"]
        assert rival.sdp_port is None
    async with station(second):  # free again
        assert second.calls == ["make_safe"]


async def test_stations_on_several_interfaces_live_side_by_side() -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(4):
            await stack.enter_async_context(station(RecordingOutlet(), config(f"{NAME}n{number}")))


async def test_an_outlet_with_an_id_has_one_station_on_every_interface() -> None:
    outlet = RecordingOutlet()
    async with station(RecordingOutlet(), config(evse_id=f"DE*SEC*E{NAME}")):
        with pytest.raises(InUseError, match=r"outlet DE\*SEC\*E.* \(evse_id\) is in use"):
            await station(outlet, config(f"{NAME}b", evse_id=f"DE*SEC*E{NAME}")).start()
        assert outlet.calls == []
        async with station(outlet, config(f"{NAME}b")):  # the interface was given back
            pass


async def test_a_controller_has_one_station_on_every_interface() -> None:
    outlet = RecordingOutlet()
    async with station(outlet, config("lo"), sdp_port=0):
        with pytest.raises(InUseError, match="the controller RecordingOutlet is in use"):
            await station(outlet, config("lo"), sdp_port=0).start()
        assert outlet.calls == ["make_safe"]


def test_on_loopback_the_port_of_discovery_is_what_is_claimed() -> None:
    def names(interface: str, port: int, evse_id: str = "DE*SEC*E1") -> list[str]:
        return [name for name, _ in ownership.claims(config(interface, evse_id=evse_id), port)]

    assert names("lo", 15118) == ["lo/15118"]
    assert names("lo", 0) == []
    assert names("eth1", 15118) == names("eth1", 0) == ["interface/eth1", "evse/DE*SEC*E1"]
    assert names("eth1", 15118, SeccConfig().evse_id) == ["interface/eth1"]


def test_a_station_that_fails_to_start_gives_back_what_it_claimed() -> None:
    with OutletClaim(config(evse_id=f"DE*SEC*E{NAME}"), 0):
        with pytest.raises(InUseError):
            OutletClaim(config(f"{NAME}c", evse_id=f"DE*SEC*E{NAME}"), 0).acquire()
        with OutletClaim(config(f"{NAME}c"), 0):
            pass


async def test_a_station_whose_start_is_cancelled_gives_back_what_it_claimed() -> None:
    outlet = RecordingOutlet()
    gate = outlet.gates["make_safe"] = asyncio.Event()
    starting = asyncio.create_task(station(outlet).start())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with station(outlet):  # the same outlet on the same interface
        assert outlet.calls == ["make_safe", "make_safe"]


def test_a_claim_may_be_acquired_and_released_again() -> None:
    claim = OutletClaim(config(), 0)
    claim.acquire()
    claim.acquire()
    claim.release()
    claim.release()
    with claim:
        assert ownership.owner(f"interface/{NAME}") == os.getpid()
    assert ownership.owner(f"interface/{NAME}") is None


async def test_each_question_for_the_owner_gets_an_answer_however_many_ask() -> None:
    async with station(RecordingOutlet()):
        for _ in range(100):
            assert ownership.owner(f"interface/{NAME}") == os.getpid()
            await asyncio.sleep(0)


def test_a_name_that_cannot_be_bound_refuses_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_address", lambda name: b"\0" * 200)
    with pytest.raises(ConfigError, match=f"interface {NAME} cannot be claimed"):
        OutletClaim(config(), 0).acquire()


# --- between processes -------------------------------------------------------------------------------------

HOLDER = textwrap.dedent(
    """
    import dataclasses, os, sys, time
    from secc.station.ownership import OutletClaim
    from secc.settings import SeccConfig
    claim = OutletClaim(SeccConfig(interface=sys.argv[1]), 15118)
    claim.acquire()
    if "fork" not in sys.argv or not os.fork():
        print("held", flush=True)
    time.sleep(60)
    """
)


@contextlib.contextmanager
def holder(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the interface."""
    command = [sys.executable, "-c", HOLDER, NAME, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def test_the_process_that_has_the_interface_is_named() -> None:
    async def scenario(pid: int) -> None:
        outlet = RecordingOutlet()
        with pytest.raises(
            InUseError, match=rf"interface {NAME} is in use by process {pid} \(python"
        ) as caught:
            await station(outlet).start()
        assert caught.value.pid == pid
        assert outlet.calls == []

    with holder() as process:
        await scenario(process.pid)


@pytest.mark.threat("LIF-01")
@pytest.mark.parametrize("arguments", [(), ("fork",)], ids=["alone", "with a child that lives on"])
def test_a_killed_process_has_nothing_any_more(arguments: tuple[str, ...]) -> None:
    with holder(*arguments) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with OutletClaim(config(), 15118):
            pass


def test_a_second_serve_on_the_same_port_of_loopback_fails_at_once_and_makes_no_controller(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("second")
    (folder / "mine.py").write_text("import pathlib\npathlib.Path('made').touch()\n")
    port = str(20_000 + os.getpid() % 20_000)
    with OutletClaim(config("lo"), int(port)):
        command = [sys.executable, "-m", "secc", "serve", "-i", "lo", "--sdp-port", port]
        done = subprocess.run(
            [*command, "--controller", "mine:Outlet"], cwd=folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"is in use by process {os.getpid()}" in done.stderr
    assert not (folder / "made").exists()


def test_the_doctor_tries_no_controller_that_a_station_drives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "station.toml").write_text(f'interface = "{NAME}"\n')
    monkeypatch.chdir(tmp_path)
    with OutletClaim(config(), 0):
        code = main(["doctor", "--config", "station.toml", "--controller", "never_imported:Outlet"])
    assert code == 2
    assert f"interface {NAME} is in use" in capsys.readouterr().err
