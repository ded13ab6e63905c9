"""The back end itself: what is remembered, and what it does when something is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from secc.ocpp.backend import OcppBackend
from secc.ocpp.composite import supply_of
from secc.ocpp.model import IdToken, Payload
from secc.ocpp.serving import connected
from secc.session.grid import GridCode, GridTargets
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.sim import SimulatedAcEvse, SimulatedCable
from tests.ocpp.support import STATION, V201, eim_config, knowing, line, station
from tests.support.wire import eventually

# --- what is remembered ------------------------------------------------------------------------------------


async def test_profiles_availability_and_variables_survive_a_restart(tmp_path: Path) -> None:
    csms = knowing(version=V201)
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}],
    }
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    change = {
        "component": {"name": "SampledDataCtrlr"},
        "variable": {"name": "TxUpdatedInterval"},
        "attributeValue": "17",
    }

    async with csms.serving() as url:
        config = eim_config(url, store=tmp_path)
        async with station(config) as running:
            await running.online()
            body = {"evseId": 0, "chargingProfile": profile}
            assert (await csms.command(STATION, "SetChargingProfile", body))["status"] == "Accepted"
            await csms.command(STATION, "ChangeAvailability", {"operationalStatus": "Inoperative"})
            await csms.command(STATION, "SetVariables", {"setVariableData": [change]})
            await running.until(lambda: running.backend.conversation.queue.idle)
        async with station(config) as running:
            await running.until(lambda: running.limits[-1] == 4000.0)
            assert not running.backend.settings.operative
            assert running.backend.transactions.interval == 17.0
            assert not await running.backend.authorize_external("")


async def test_a_memory_that_makes_no_sense_is_forgotten(tmp_path: Path) -> None:
    config = eim_config("ws://127.0.0.1:9", store=tmp_path)

    backend = OcppBackend(config)
    nonsense: dict[str, Any] = {
        "transaction": {"id": 3},
        "profiles": [{"id": "x"}],
        "memory": [1],
        "variables": {"SampledDataCtrlr.TxUpdatedInterval": "soon", "Nothing.Nothing": "1"},
        "numbers": 3,
    }
    backend.store.put(**nonsense)
    backend.store.close()
    async with station(config) as running:
        await running.until(lambda: running.told)  # the store is read before the CSMS is called
        assert running.backend.transactions.open is None
        assert running.backend.limits.profiles == ()
        assert running.backend.authorizer.memory.list_version == 0
        assert running.backend.transactions.interval == 60.0


async def test_what_begins_before_the_line_runs_is_kept(tmp_path: Path) -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9", store=tmp_path))
    backend._attached.controller = SimulatedAcEvse(SimulatedCable())
    backend.outlet.begin(IdToken("CARD"))
    begun = backend.transactions.open
    assert begun is not None
    line = asyncio.create_task(backend.run())
    async with asyncio.timeout(30):
        while not await backend.conversation.queue.stored(backend.store.__len__):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    still = backend.transactions.open
    assert still is not None
    assert still.id == begun.id
    line.cancel()
    await asyncio.wait([line])
    again = OcppBackend(eim_config("ws://127.0.0.1:9", store=tmp_path))
    assert again.transactions.open is None  # ended, as after any restart
    again.store.close()


# --- what is missing ---------------------------------------------------------------------------------------


async def test_an_outlet_that_cannot_say_how_it_is_stops_nothing() -> None:
    class Broken(SimulatedAcEvse):
        def snapshot(self) -> Any:
            raise RuntimeError("no board")

    told: list[str] = []
    csms = knowing()

    async with csms.serving() as url:
        backend = OcppBackend(eim_config(url), report=told.append)
        async with connected(backend, Deaf(), Broken()):
            assert await backend.conversation.until_online(5.0)
            backend.outlet.begin(IdToken("CARD"))
            assert backend.transactions.open is None
    assert "snapshot: RuntimeError: no board" in told


class Deaf:
    """A station that does nothing."""

    power_limit: float | None = None

    def stop_charging(self, reason: str = "") -> None:
        pass

    def renegotiate(self) -> None:
        pass

    def limit_power(self, max_power: float | None) -> None:
        pass

    def renegotiate_service(self) -> None:
        pass

    def set_power(self, power: float | None) -> None:
        pass

    def permit_discharge(self, max_power: float | None) -> None:
        pass

    def set_grid_code(self, code: GridCode) -> None:
        pass

    def set_grid_targets(self, targets: GridTargets) -> None:
        pass

    def withdraw_authorization(self) -> None:
        pass

    def renew_tls(self) -> None:
        pass


async def test_a_defect_of_the_station_costs_a_connection_and_no_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    csms = knowing("FREE")
    broken = [1]

    async with line(csms, free_token="FREE") as running:
        take = running.backend.conversation.dialect.read_event

        def read_event(answer: Payload) -> Any:
            if broken:
                broken.pop()
                raise RuntimeError("a defect")
            return take(answer)

        monkeypatch.setattr(
            type(running.backend.conversation.dialect), "read_event", staticmethod(read_event)
        )
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
        told = running.told
    assert "not connected: RuntimeError: a defect" in told
    (booked,) = csms.records.transactions.values()
    assert booked.ended
    assert booked.repeats == 1


async def test_a_defect_while_looking_is_reported_once_and_the_looking_goes_on() -> None:
    class Tired(Deaf):
        calls = 0

        def limit_power(self, max_power: float | None) -> None:
            self.calls += 1
            raise RuntimeError("no")

    told: list[str] = []
    tired = Tired()

    backend = OcppBackend(eim_config("ws://127.0.0.1:9"), report=told.append)
    async with connected(backend, tired, SimulatedAcEvse()):
        backend.limits.power = 1.0
        await eventually(lambda: tired.calls >= 2)
    assert tired.calls >= 2  # a limit that was not taken is handed in again
    assert [text for text in told if "observation" in text] == ["observation of the outlet: RuntimeError: no"]


@pytest.mark.parametrize(
    ("modes", "watts"),
    [
        ((EnergyMode.AC_SINGLE_PHASE_CORE,), 230.0 * 32),
        ((EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.AC_SINGLE_PHASE_CORE), 230.0 * 32 * 3),
        ((EnergyMode.DC_EXTENDED,), 50_000.0),
    ],
)
def test_the_power_of_an_outlet(modes: tuple[EnergyMode, ...], watts: float) -> None:
    assert supply_of(SeccConfig(energy=EnergyConfig(modes=modes))).max_power == watts
