"""A station that negotiates energy with its CSMS, and its cars, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

from secc.ocpp.backend import OcppBackend
from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import IdToken, Payload, TokenStatus
from secc.ocpp.ports import StationServices
from secc.records import Direction, MessageRecord, Record
from secc.settings import (
    DcConfig,
    EnergyConfig,
    EnergyMode,
    Iso20Config,
    PncConfig,
    ProtocolName,
    SeccConfig,
    TariffPolicy,
    TimingConfig,
)
from secc.settings.ocpp import OcppVersion
from secc.sim import Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable, SimulatedDcEvse, Vehicle
from secc.sim.iso20 import Iso20Plan
from secc.station.station import Station
from tests.ocpp.support import ocpp_config

CARD = IdToken("CARD")


@dataclasses.dataclass
class Negotiating:
    """A station for one outlet, its cars and its CSMS."""

    csms: FakeCsms
    backend: OcppBackend
    station: Station
    evse: SimulatedDcEvse | SimulatedAcEvse
    cable: SimulatedCable
    told: list[str]
    records: list[Record]

    def car(self, plan: Plan | Iso20Plan, vehicle: Vehicle | None = None) -> ScriptedEvcc:
        port = self.station.sdp_port or 0
        return ScriptedEvcc(
            plan, vehicle=vehicle or Vehicle(), cable=self.cable, sdp_port=port, patience=20.0
        )

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nothing tells of these changes
                await asyncio.sleep(0.01)

    def bodies(self, action: str) -> list[Payload]:
        return [one.payload for one in self.csms.records.messages if one.action == action]

    def sent(self, kind: type) -> list[Any]:
        found = [one for one in self.records if isinstance(one, MessageRecord)]
        bodies = [
            getattr(one.message, "body", one.message) for one in found if one.direction is Direction.SENT
        ]
        return [one for one in bodies if isinstance(one, kind)]


@contextlib.asynccontextmanager
async def negotiating(
    version: OcppVersion,
    accounts: Accounts,
    *,
    dc: bool = False,
    adapt: Callable[[SeccConfig], SeccConfig] = lambda config: config,
    services: StationServices | None = None,
    **ocpp: Any,
) -> AsyncIterator[Negotiating]:
    """Everything on loopback; ISO 15118-20 with a direct current outlet that can discharge. `adapt` changes
    the settings of the station."""
    accounts.tokens.setdefault("CARD", TokenStatus.ACCEPTED)
    csms = FakeCsms(accounts, versions=(version,))
    async with csms.serving() as url:
        mode = EnergyMode.DC_EXTENDED if dc else EnergyMode.AC_THREE_PHASE_CORE
        config = SeccConfig(
            interface="lo",
            protocols=(ProtocolName.ISO15118_20,) if dc else (ProtocolName.ISO15118_2,),
            energy=EnergyConfig(
                modes=(mode,),
                ask_backend_for_schedules=True,
                dc=DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0),
            ),
            pnc=PncConfig(sales_tariffs=TariffPolicy.ANY),
            timing=TimingConfig(stop_delay=0.2, stop_grace=0.5),
            iso20=Iso20Config(insecure_lab=True, discharge=True),
            ocpp=ocpp_config(url, versions=(version,), needs_wait=2.0, **ocpp),
        )
        config = adapt(config)
        told: list[str] = []
        records: list[Record] = []
        backend = OcppBackend(config, report=told.append, services=services)

        def report(record: Record) -> None:
            records.append(record)
            backend.follow(record)

        cable = SimulatedCable()
        evse = SimulatedDcEvse(cable, isolation_time=0.02) if dc else SimulatedAcEvse(cable)
        station = Station(config, evse, backend, reporter=report, sdp_port=0)
        backend.attach(station, evse)
        line = asyncio.create_task(backend.run())
        try:
            async with station:
                assert await backend.conversation.until_online(10.0)
                yield Negotiating(csms, backend, station, evse, cable, told, records)
        finally:
            line.cancel()
            await asyncio.wait([line])


def schedule(id_: int, *limits: tuple[int, float], **more: Any) -> Payload:
    periods = [{"startPeriod": start, "limit": limit} for start, limit in limits]
    return {"id": id_, "chargingRateUnit": "W", "chargingSchedulePeriod": periods, **more}


def tx_profile(*schedules: Payload, kind: str = "Relative", **more: Any) -> Payload:
    return {
        "id": 9,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": kind,
        "chargingSchedule": list(schedules),
        **more,
    }
