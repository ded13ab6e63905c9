"""`secc demo --pnc`: cars that pay by contract, and a site without a network that issues the contracts.

Two cars of ISO 15118-2 at an AC outlet, then one of ISO 15118-20 at a DC outlet beside it (`demo_pnc20`).
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from secc.cli import demo_prices, display, figures, netns, output
from secc.cli.demo_pnc20 import Iso20Party
from secc.messages.iso2 import EnergyTransferMode
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.contract import Evidence, VerifiedContract
from secc.pki.hierarchy import HierarchyNames, make_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID, iso_check_digit
from secc.pki.issuing import Identity, Order, issue, make_crl, new_key
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from secc.ports import PricesEnergy
from secc.records import Direction, MessageRecord, OutputRecord, Record
from secc.records.text import as_text, milliseconds, name_of
from secc.sdp import SDP_PORT
from secc.session.contract_events import ContractGranted, StoreReceipt
from secc.session.costs import Costs
from secc.session.outputs import EndSession, OfferSent
from secc.session.prices import PriceNeed, PriceOffer
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyConfig, EnergyMode
from secc.settings.pnc import PncConfig
from secc.settings.protocols import ProtocolName
from secc.settings.services import Payment, ServiceConfig
from secc.settings.tls import TlsConfig, TlsPolicy
from secc.settings.trust import TrustConfig
from secc.sim import (
    EvResult,
    Plan,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedCable,
    SimulatedDcEvse,
    Wallet,
)
from secc.sim.iso20 import Iso20Plan
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService, RenewalMonitor
from secc.station.station import Station

TITLE = "A car of ISO 15118-20: installs two contracts, charges, discharges, confirms the meter"
EMAIDS = tuple(first + iso_check_digit(first) for first in ("DEABC0000DEMO1", "DEABC0000DEMO2"))
DAY = datetime.timedelta(days=1)


def run(arguments: argparse.Namespace, style: display.Style) -> int:
    """Run a car without a contract, a car whose contract ends in ten days, and a car of ISO 15118-20, then
    show what was trusted and why."""
    with tempfile.TemporaryDirectory(prefix="secc-demo-") as folder:
        show = PncDemo(Path(folder), arguments, style)
        output.run(show.charge())
        return show.sum_up()


@dataclasses.dataclass(slots=True)
class _Car:
    title: str
    wallet: Wallet | None = None
    """None: the car of ISO 15118-20."""
    result: EvResult = dataclasses.field(default_factory=lambda: EvResult(error="not run"))
    granted: ContractGranted | None = None
    offered: str = ""
    """Schedules and prices of its first offer."""
    costs: Costs | None = None
    """At the end."""
    confirmed: int = 0
    """Readings of the meter that it has signed."""


class PricedSite(LocalBackend, PricesEnergy):
    """The site, with prices for ISO 15118-20."""

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        """The same for each car."""
        return demo_prices.PRICES


class PncDemo:
    """The parties, their certificates, and the output."""

    def __init__(self, folder: Path, arguments: argparse.Namespace, style: display.Style) -> None:
        self.arguments, self.style, self.folder = arguments, style, folder
        self._now = datetime.datetime.now(datetime.UTC)
        self.begun = 0.0
        self.times: list[tuple[str, float]] = []
        """Responses of ISO 15118-2, and seconds to them."""
        self.newer_times: list[tuple[str, float]] = []
        """The same of ISO 15118-20."""
        names = HierarchyNames(organization="Demo only", emaid=EMAIDS[0], suffix="Demo")
        self._pki = make_hierarchy(not_before=self._now - 2 * DAY, random_bytes=os.urandom(16), names=names)
        write_hierarchy(self._pki, folder, self._now)
        self._store = ContractStore(folder / "contracts.db")
        self._issuer = ContractIssuer(self._identity(Kind.MO_SUB_CA_2), (self._leaf(Kind.MO_SUB_CA_1),))
        chain = KINDS[Role.CPS]
        service = ProvisioningService(self._identity(chain[0]), [self._leaf(kind) for kind in chain[1:]])
        self.newer = Iso20Party(folder, self._now, self._store)
        self.backend = PricedSite(
            self._store,
            issuer=self._issuer,
            service=service,
            iso20_issuer=self.newer.issuer,
            iso20_service=self.newer.service,
            evidence=self._evidence,
        )
        self.cars = [self._new_car(), self._old_car(), _Car(TITLE)]
        self._current = self.cars[0]

    async def charge(self) -> None:
        """Start the station of each outlet, charge its cars in turn, stop it."""
        self.begun = asyncio.get_running_loop().time()
        ac, dc = SimulatedCable(), SimulatedCable()
        older, newer = self.config(), self.newer.config(self.config())
        await self._serve(older, SimulatedAcEvse(ac), ac, self.cars[:2])
        drawn = None
        if self.arguments.offers is not None:
            drawn = demo_prices.OfferRecorder(newer, self.begun)
        await self._serve(newer, SimulatedDcEvse(dc), dc, self.cars[2:], drawn)
        if drawn is not None:
            trace = drawn.draw(self.arguments.offers)
            self.style.line(f"{self.arguments.offers}: the offer to the last car; its session: {trace}")

    async def _serve(
        self,
        config: SeccConfig,
        evse: SimulatedAcEvse | SimulatedDcEvse,
        cable: SimulatedCable,
        cars: Sequence[_Car],
        drawn: demo_prices.OfferRecorder | None = None,
    ) -> None:
        sdp_port = SDP_PORT if self.arguments.netns else 0
        recorder = None if drawn is None else drawn.recorder
        async with Station(
            config, evse, self.backend, reporter=self.see, recorder=recorder, sdp_port=sdp_port
        ) as station:
            for car in cars:
                self._current = car
                if not self.arguments.quiet:
                    self.style.line(self.style.bold(car.title))
                car.result = await self._ev(car, cable, station.sdp_port or SDP_PORT).charge()
                if not self.arguments.quiet:
                    self.style.line()

    def _ev(self, car: _Car, cable: SimulatedCable, sdp_port: int) -> ScriptedEvcc:
        loops, pace, newer = self.arguments.loops, self.arguments.pace, car.wallet is None
        plan: Plan | Iso20Plan = Plan(
            mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=loops, pace=pace, wallet=car.wallet
        )
        return ScriptedEvcc(
            self.newer.plan(loops, pace) if newer else plan,
            cable=cable,
            interface=netns.EV_END if self.arguments.netns else "lo",
            tls=True,
            roots=(self.newer.folder if newer else self.folder) / "v2g_root.pem",
            certificate=self.newer.vehicle if newer else None,
            sdp_port=sdp_port,
            patience=4.0,
        )

    def sum_up(self) -> int:
        """Show response times, the trusted chain of each car, receipts, and what ends soon."""
        style = self.style
        rows = figures.figures(self.times) + figures.figures(self.newer_times, ProtocolName.ISO15118_20)
        style.line(style.bold("Response times of the station, all sessions"))
        for line in figures.table(rows, style):
            style.line(line)
        style.line()
        for car in self.cars:
            self._tell(car)
        receipts = self._store.log.receipts()
        style.line(f"{len(receipts)} signed meter receipts stored as evidence")
        for expiry in RenewalMonitor(self.backend).look(self._now):
            style.line(f"ends soon: {expiry.what} {expiry.identity} on {expiry.not_after:%Y-%m-%d}")
        good = all(car.result.completed for car in self.cars) and all(row.kept for row in rows)
        return 0 if good else 1

    def _tell(self, car: _Car) -> None:
        style, granted = self.style, car.granted
        if not car.result.completed or granted is None:
            style.line(f"{car.title}: {style.bad('FAILED')} {car.result.error}")
            return
        contract = granted.contract
        assert isinstance(contract, VerifiedContract)  # no central validation in this demonstration
        chain = contract.chain
        style.line(f"{car.title}: {style.good('completed')}, {len(car.result.exchanges)} messages")
        style.line(f"  charged to {granted.contract.emaid}, authorized by the {granted.source.value}")
        if car.wallet is None:
            self._tell_newer(car, granted)
        for certificate, kind in zip(chain.certificates, KINDS[Role.CONTRACT], strict=True):
            style.line(
                f"  {kind.label:15} {certificate.subject.common_name:20} "
                f"until {certificate.not_after:%Y-%m-%d}"
            )
        root, file = chain.anchor.certificate, Path(chain.anchor.source).name
        style.line(f"  {'trusted root':15} {root.subject.common_name:20} from {file}")
        known = "not revoked" if contract.not_revoked else "revocation unknown"
        style.line(f"  {known}; the key has signed the challenge of the session")

    def _tell_newer(self, car: _Car, granted: ContractGranted) -> None:
        """What only ISO 15118-20 has."""
        installed = ", ".join(str(one.emaid) for one in self.newer.wallet.contracts)
        self.style.line(f"  installed {installed}")
        if granted.vehicle is not None:
            self.style.line(f"  shown by the vehicle {granted.vehicle.common_name}, over TLS 1.3")
        energy = f"{car.result.energy:.2f} Wh to the car, {car.result.discharged:.2f} Wh back with permission"
        self.style.line(f"  {energy}")
        if car.offered:
            self.style.line(f"  offered {car.offered}")
        if car.costs is not None:
            total = car.costs.total / 1_000_000
            self.style.line(f"  by these prices the session has cost {total:.4f} {car.costs.currency}")
        self.style.line(f"  the reading of the meter confirmed {car.confirmed} times, beside the loop")

    # --- the parties ---------------------------------------------------------------------------------------

    def _new_car(self) -> _Car:
        """Return a car as delivered by its manufacturer."""
        wallet = self._wallet(self._identity(Kind.OEM_LEAF), 0)
        return _Car("A car without a contract: receives one, charges", wallet)

    def _old_car(self) -> _Car:
        """Return another car, whose contract ends in ten days."""
        key = new_key()
        order = Order(
            kind=Kind.OEM_LEAF,
            common_name="ZZZTESTCAR0000002",
            organization="Demo only",
            country="",
            serial=2,
            not_before=self._now - DAY,
        )
        oem = Identity(issue(order, key.public_key(), self._identity(Kind.OEM_SUB_CA_2)), key)
        wallet = self._wallet(oem, 1)
        issued = self._issuer.issue(EMAIDS[1], self._now, not_after=self._now + 10 * DAY)
        self._store.add_certificate(issued.leaf)
        wallet.chain, wallet.key = issued.chain, issued.p256_key
        return _Car("A car whose contract ends in ten days: is renewed, charges", wallet)

    def _wallet(self, oem: Identity, number: int) -> Wallet:
        self._store.add_contract(EMAIDS[number])
        self._store.add_car(oem.certificate, EMAID.parse(EMAIDS[number]))
        return Wallet(oem, [self._leaf(Kind.V2G_ROOT)])

    def _evidence(self) -> Evidence:
        """Return the CRLs of the three issuers of a contract chain, of each generation, without entries."""
        kinds = (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT)
        now = self._now
        return Evidence(
            crls=(
                *(
                    make_crl(self._identity(kind), (), number=1, this_update=now, next_update=now + DAY)
                    for kind in kinds
                ),
                *self.newer.crls(),
            )
        )

    def config(self) -> SeccConfig:
        folder = self.folder
        return SeccConfig(
            interface=netns.STATION_END if self.arguments.netns else "lo",
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(receipt_interval=0.2),
            trust=TrustConfig(v2g_roots=(folder / "v2g_root.pem",), mo_roots=(folder / "mo_root.pem",)),
            tls=TlsConfig(
                policy=TlsPolicy.REQUIRED,
                certificate_chain=folder / "secc_chain.pem",
                private_key=folder / "secc_leaf_key.pem",
            ),
        )

    def _identity(self, kind: Kind) -> Identity:
        return self._pki[kind]

    def _leaf(self, kind: Kind) -> Certificate:
        return self._pki[kind].certificate

    # --- session events ------------------------------------------------------------------------------------

    def see(self, record: Record) -> None:
        match record:
            case MessageRecord(direction=Direction.SENT):
                name, waited = name_of(record.message), record.response_time or 0.0
                newer = self._current.wallet is None
                (self.newer_times if newer else self.times).append((name, waited))
                if not self.arguments.quiet:
                    clock = f"{record.at - self.begun:7.3f}"
                    self.style.line(f"{clock} {name:27} {milliseconds(waited):>9}")
            case OutputRecord(output=ContractGranted() as granted):
                self._current.granted = granted
            case OutputRecord(output=OfferSent()):
                words = (as_text(record) or "").strip().removeprefix("OfferSent ")
                self._current.offered = self._current.offered or words
            case OutputRecord(output=StoreReceipt()):
                self._current.confirmed += 1
            case OutputRecord(output=EndSession(costs=costs)):
                self._current.costs = costs
