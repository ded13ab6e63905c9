"""`secc demo --ocpp`: new cars, a station, and a central system that is interrupted during charging."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import os
import tempfile
from pathlib import Path
from typing import Any

from secc import exi
from secc.cli import display, misused, output
from secc.messages.iso2 import EnergyTransferMode
from secc.pki.chains import KINDS
from secc.pki.hierarchy import HierarchyNames, make_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID, iso_check_digit
from secc.pki.profiles import Kind
from secc.pki.provisioning import verify_request
from secc.pki.trust import Role, trust
from secc.records import Record
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyConfig, EnergyMode
from secc.settings.pnc import OfflinePolicy, PncConfig, RevocationCheck
from secc.settings.services import Payment, ServiceConfig
from secc.settings.tls import TlsConfig, TlsPolicy
from secc.settings.trust import TrustConfig
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable, Wallet
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService
from secc.station.station import Station

EMAID_TEXT = "DEABC0000DEMO1" + iso_check_digit("DEABC0000DEMO1")
DAY = datetime.timedelta(days=1)


def run(arguments: argparse.Namespace, style: display.Style) -> int:
    """Run once with 2.0.1 and once with 1.6J; then show the records of the CSMS."""
    try:
        import secc.ocpp.fake.csms
    except ImportError as error:
        return misused(f"the demonstration needs pip install 'secc[ocpp]': {error}")
    assert secc.ocpp.fake.csms
    with tempfile.TemporaryDirectory(prefix="secc-demo-") as folder:
        outcomes = []
        for version in ("2.0.1", "1.6"):
            place = Path(folder) / version
            place.mkdir()
            outcomes.append(output.run(_Show(place, arguments, style, version).charge()))
    return _sum_up(outcomes, style)


@dataclasses.dataclass(slots=True)
class _Outcome:
    version: str
    result: EvResult
    messages: int
    connections: int
    booked: list[Any]
    away: int
    """Messages that were stored while the CSMS was not connected."""


class _Show:
    """The parties and one session."""

    def __init__(
        self, folder: Path, arguments: argparse.Namespace, style: display.Style, version: str
    ) -> None:
        self._folder = folder
        self._arguments = arguments
        self._style = style
        self._version = version
        self._now = datetime.datetime.now(datetime.UTC)
        names = HierarchyNames(organization="Demo only", emaid=EMAID_TEXT, suffix="Demo")
        self._pki = make_hierarchy(not_before=self._now - 2 * DAY, random_bytes=os.urandom(16), names=names)
        write_hierarchy(self._pki, folder, self._now)
        self._roles = self._make_roles()
        self._begun = 0.0

    async def charge(self) -> _Outcome:
        """Start CSMS and station, charge a car, interrupt the CSMS for a while, stop."""
        from secc.ocpp.backend import OcppBackend
        from secc.ocpp.fake.csms import FakeCsms
        from secc.ocpp.fake.services import Accounts
        from secc.ocpp.model import TokenStatus
        from secc.ocpp.serving import connected, prepared
        from secc.settings.ocpp import OcppVersion

        self._say(self._style.bold(f"OCPP {self._version}: a new car without a contract"))
        accounts = Accounts({EMAID_TEXT: TokenStatus.ACCEPTED}, provide=self._provide)
        csms = FakeCsms(accounts, versions=(OcppVersion(self._version),), show=self._hear)
        cable = SimulatedCable()
        evse = SimulatedAcEvse(cable)
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        async with csms.serving() as url:
            config = prepared(self._config(url))
            backend = OcppBackend(config, report=lambda text: self._tell(f"station: {text}"))

            def see(record: Record) -> None:
                backend.follow(record)

            station = Station(config, evse, backend, reporter=see, sdp_port=0)
            async with connected(backend, station, evse), station:
                await backend.conversation.until_online(10.0)
                driving = asyncio.create_task(self._drive(station, cable))
                await self._until(lambda: evse.snapshot().contactor_closed, driving)
                await csms.stop()
                self._tell(self._style.bad("the CSMS is switched off; the car continues to charge"))
                result = await driving
                await self._until(
                    lambda: backend.transactions.open is None and backend.conversation.queue.idle, None
                )
                away = await backend.conversation.queue.stored(backend.store.__len__)
                await csms.start()
                self._tell(self._style.good(f"the CSMS is running again; {away} messages wait on the disk"))
                await self._until_empty(backend)
        self._say()
        messages = len(csms.records.messages)
        return _Outcome(
            self._version, result, messages, csms.connections, [*csms.records.transactions.values()], away
        )

    async def _drive(self, station: Station, cable: SimulatedCable) -> EvResult:
        root = self._pki[Kind.V2G_ROOT].certificate
        plan = Plan(
            mode=EnergyTransferMode.AC_THREE_PHASE_CORE,
            loops=self._arguments.loops,
            pace=self._arguments.pace,
            wallet=Wallet(self._pki[Kind.OEM_LEAF], [root]),
        )
        ev = ScriptedEvcc(
            plan,
            cable=cable,
            tls=True,
            roots=self._folder / "v2g_root.pem",
            sdp_port=station.sdp_port or 0,
            patience=4.0,
        )
        return await ev.charge()

    @staticmethod
    async def _until(condition: Any, task: asyncio.Task[EvResult] | None) -> None:
        async with asyncio.timeout(20):
            while not condition() and (task is None or not task.done()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @staticmethod
    async def _until_empty(backend: Any) -> None:
        async with asyncio.timeout(20):
            while await backend.conversation.queue.stored(backend.store.__len__):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    # --- the parties ---------------------------------------------------------------------------------------

    def _make_roles(self) -> LocalBackend:
        """Mobility operator and CPS for the CSMS."""
        store = ContractStore(self._folder / "contracts.db")
        store.add_contract(EMAID_TEXT)
        store.add_car(self._pki[Kind.OEM_LEAF].certificate, EMAID.parse(EMAID_TEXT))
        issuer = ContractIssuer(self._pki[Kind.MO_SUB_CA_2], (self._pki[Kind.MO_SUB_CA_1].certificate,))
        kinds = KINDS[Role.CPS]
        service = ProvisioningService(self._pki[kinds[0]], [self._pki[one].certificate for one in kinds[1:]])
        return LocalBackend(store, issuer=issuer, service=service)

    def _provide(self, action: str, request: bytes) -> bytes | None:
        message: Any = exi.ISO2.decode(request)
        kinds = (Kind.V2G_ROOT, Kind.MO_ROOT)
        anchors = trust([(kind, self._pki[kind].certificate) for kind in kinds])
        proved = verify_request(message.body, message.header.signature, request, anchors, self._now)
        answer = self._roles.delivery.provision(proved)
        return answer.payload if answer.refusal is None else None

    def _config(self, url: str) -> SeccConfig:
        from secc.settings.ocpp import OcppConfig

        folder = self._folder
        return SeccConfig(
            interface="lo",
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(revocation=RevocationCheck.OFF, offline=OfflinePolicy.KNOWN),
            trust=TrustConfig(v2g_roots=(folder / "v2g_root.pem",), mo_roots=(folder / "mo_root.pem",)),
            tls=TlsConfig(
                policy=TlsPolicy.REQUIRED,
                certificate_chain=folder / "secc_chain.pem",
                private_key=folder / "secc_leaf_key.pem",
            ),
            ocpp=OcppConfig(
                url=url,
                security_profile=0,
                store=folder / "station",
                meter_interval=0.25,
                look_interval=0.05,
                reconnect_first=0.1,
                reconnect_longest=0.5,
            ),
        )

    # --- events --------------------------------------------------------------------------------------------

    def _hear(self, text: str) -> None:
        self._tell(text if len(text) <= 150 else f"{text[:149]}…")

    def _tell(self, text: str) -> None:
        self._say(f"{asyncio.get_running_loop().time() - self._begun:7.3f} {text}")

    def _say(self, text: str = "") -> None:
        if not self._arguments.quiet:
            self._style.line(text)


def _sum_up(outcomes: list[_Outcome], style: display.Style) -> int:
    good = True
    for one in outcomes:
        booked = one.booked[0] if len(one.booked) == 1 else None
        whole = booked is not None and booked.ended and booked.token == EMAID_TEXT
        charged = one.result.completed and "CertificateInstallationReq" in one.result.requests
        good = good and charged and whole
        verdict = style.good("completed") if charged and whole else style.bad("FAILED")
        style.line(f"OCPP {one.version:6}{verdict} {one.result.error}")
        if booked is None:
            continue
        energy = (booked.meter_stop or 0) - (booked.meter_start or 0)
        style.line(
            f"  one transaction for {booked.token}, {energy} Wh, ended: {booked.reason}; "
            f"{len(booked.times)} events recorded, {one.away} of them from the time without a CSMS"
        )
        style.line(
            f"  {one.messages} messages over {one.connections} connections, none lost, none counted twice"
        )
    return 0 if good else 1
