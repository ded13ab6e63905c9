"""Nothing that may take long is called on the thread of the loop while a station serves."""

import ast
import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import secc
from secc.messages.iso2 import EnergyTransferMode
from secc.ocpp.model import IdToken
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.sim import Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable, SimulatedDcEvse
from secc.station.journal import Journal, records
from secc.station.outflow import Outflow
from secc.station.station import Station
from secc.trace.recorder import Recorder
from tests.ocpp.support import knowing, line
from tests.support.blocking import prepared, watching
from tests.support.plc import World
from tests.support.site import make_site

SOURCE = Path(secc.__file__).parent
DC = SeccConfig(interface="lo", energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,)))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with prepared(monkeypatch):
        yield


@pytest.mark.usefixtures("watched")
async def test_the_watch_sees_what_may_block_and_not_what_threads_do(tmp_path: Path) -> None:
    path = tmp_path / "x"
    code = compile("def call(function): return function()", "/x/secc/code.py", "exec")
    names: dict[str, object] = {}
    exec(code, names)
    call = names["call"]
    assert callable(call)

    with watching() as seen:
        call(lambda: path.write_text("a"))
        call(lambda: time.sleep(0))
        call(lambda: path.stat())
        await asyncio.to_thread(call, path.read_text)
    found = [one.split()[0] for one in seen]
    assert found == ["open", "time.sleep", "os.stat"]


@pytest.mark.usefixtures("watched")
async def test_a_dc_session_with_journal_and_trace_blocks_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", meter_interval=0.0)
    lines: list[str] = []
    out = Outflow("trace", lines.append, limit=10**7, size=len)

    async def scenario() -> list[str]:
        cable = SimulatedCable()
        recorder = Recorder(out.put, DC, now=asyncio.get_running_loop().time(), wall=0.0)
        station = Station(
            *(DC, SimulatedDcEvse(cable, isolation_time=0.01), SimulatedBackend()),
            sdp_port=0,
            journal=journal,
            recorder=recorder,
        )
        async with station:
            with watching() as seen:
                ev = ScriptedEvcc(
                    Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=10, pace=0.05),
                    cable=cable,
                    sdp_port=station.sdp_port or 0,
                    patience=8.0,
                )
                result = await ev.charge()
                assert result.completed, result.error
                return list(seen)

    assert (await scenario()) == []
    assert out.close(5)
    assert journal.close()
    assert len(lines) > 20
    assert [one["record"] for one in records(journal.path)][-1] == "end"


@pytest.mark.usefixtures("watched")
async def test_a_session_with_a_contract_of_the_site_blocks_nothing(tmp_path: Path) -> None:
    """TLS, installation of a contract, revocation, receipts; the store is SQLite."""
    site = make_site(tmp_path)
    site.journal = Journal(tmp_path / "journal")

    async def scenario() -> list[str]:
        async with site.station(EnergyMode.AC_THREE_PHASE_CORE) as charge:
            with watching() as seen:
                result = await charge(site.wallet())  # type: ignore[misc]
                assert result.completed, result.error
                return list(seen)

    assert (await scenario()) == []
    assert site.journal.close()


@pytest.mark.usefixtures("watched")
@pytest.mark.loop("loopback")
async def test_matching_and_the_session_after_it_block_nothing() -> None:
    async def scenario() -> list[str]:
        world = World()
        async with world.plc:
            with watching() as seen:
                result = await world.charge()
                assert result.completed, result.error
                return list(seen)

    assert (await scenario()) == []


@pytest.mark.usefixtures("watched")
async def test_a_session_that_a_central_system_decides_blocks_nothing(tmp_path: Path) -> None:
    """The store of what the central system must hear is SQLite with a sync for each message."""
    csms = knowing("CARD")

    async def scenario() -> list[str]:
        async with line(csms, store=tmp_path / "store") as running:
            with watching() as seen:
                running.backend.present(IdToken("CARD"))
                result = await running.charge()
                assert result.completed, result.error
                await running.delivered()
                return [one for one in seen if "double" not in one]

    assert (await scenario()) == []


@pytest.mark.threat("LIF-05")
async def test_a_sync_that_does_not_return_in_a_dc_charge_loop_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk stays in its first sync until the car has gone; trace and output are stalled as well."""
    entered, release = threading.Event(), threading.Event()

    def hanging(_file: int) -> None:
        entered.set()
        assert release.wait(60)

    def stalled(_line: str) -> None:
        assert release.wait(60)

    journal = Journal(tmp_path / "journal")
    monkeypatch.setattr(os, "fsync", hanging)
    out = Outflow("trace", stalled, limit=20_000, size=len)

    cable = SimulatedCable()
    recorder = Recorder(out.put, DC, now=asyncio.get_running_loop().time(), wall=0.0)
    station = Station(
        *(DC, SimulatedDcEvse(cable, isolation_time=0.01), SimulatedBackend()),
        sdp_port=0,
        journal=journal,
        recorder=recorder,
    )
    station.recording.watch(out)
    async with station:
        for _ in range(2):
            ev = ScriptedEvcc(
                Plan(mode=EnergyTransferMode.DC_EXTENDED, loops=20, pace=0.01),
                cable=cable,
                sdp_port=station.sdp_port or 0,
                patience=8.0,
            )
            result = await ev.charge()
            assert result.completed, result.error
        assert entered.is_set()
        health = station.health
        assert health.serving
        assert health.reason == ""
        found = {one.name: one for one in health.reports}
        assert found["journal"].waiting >= 3
        assert found["trace"].dropped > 0
        examined = await station.diagnostics.examine(station.health)
        assert examined.healthy
        assert [one.name for one in examined.reports] == ["trace", "journal"]
    release.set()
    assert out.close(5)
    assert journal.close(5)
    kinds = [one["record"] for one in records(journal.path) if one["record"] != "meter"]
    assert kinds == ["begin", "end", "begin", "end"]


# --- in the source -----------------------------------------------------------------------------------------

_PRINTS = ("print",)
_MAY_PRINT = {"cli"}
_LOOPS = (
    *("serve", "ev", "csms", "bench", "demo", "demo_cpo", "demo_ocpp", "demo_plc", "demo_pnc"),
    *("display", "operating"),
)


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Names of plain function calls with their lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def test_nothing_but_the_command_line_prints() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in _MAY_PRINT
        for name, line in calls(path)
        if name in _PRINTS
    ]
    assert found == []


def test_commands_that_run_a_loop_print_through_the_queue() -> None:
    found = [
        command
        for command in _LOOPS
        for name, _ in calls(SOURCE / "cli" / f"{command}.py")
        if name in _PRINTS
    ]
    assert found == ["csms", "bench"]  # `secc csms ask` and `secc bench --list`: outside of a loop
