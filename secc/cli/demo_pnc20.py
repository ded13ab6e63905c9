"""The car of ISO 15118-20 in `secc demo --pnc`: it installs two contracts, pays with the first one, takes
energy and gives some back by its price, and confirms the meter."""

from __future__ import annotations

import dataclasses
import datetime
import os
from pathlib import Path

from secc.pki.chains import KINDS
from secc.pki.hierarchy import HierarchyNames, make_iso20_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID, iso_check_digit
from secc.pki.issuing import Holder, make_crl
from secc.pki.profiles import Kind
from secc.pki.trust import Role
from secc.session.iso20.services import Service
from secc.settings.config import SeccConfig
from secc.settings.energy import DcConfig, EnergyConfig, EnergyMode
from secc.settings.iso20 import Iso20Config, Iso20TlsConfig, Pricing
from secc.settings.protocols import ProtocolName
from secc.sim.iso20 import Iso20Plan, Iso20Wallet
from secc.site import ContractIssuer, ContractStore
from secc.site.issuing import InstallationService
from secc.tls.credentials import CredentialFiles

EMAIDS = tuple(first + iso_check_digit(first) for first in ("DEABC0000DEMO3", "DEABC0000DEMO4"))
PCID = "ZZZTESTCAR0000003"
DAY = datetime.timedelta(days=1)


class Iso20Party:
    """Hierarchy, contracts and settings of ISO 15118-20, in a folder beside those of ISO 15118-2."""

    def __init__(self, folder: Path, now: datetime.datetime, store: ContractStore) -> None:
        """Make the hierarchy, and enter the contracts of the car into the store."""
        self._now, self.folder = now, folder / "iso20"
        names = HierarchyNames(organization="Demo only", emaid=EMAIDS[0], pcid=PCID, suffix="Demo 20")
        self._pki = make_iso20_hierarchy(not_before=now - 2 * DAY, random_bytes=os.urandom(16), names=names)
        write_hierarchy(self._pki, self.folder, now)
        for emaid in EMAIDS:
            store.add_contract(emaid)
            store.add_car(self._pki[Kind.OEM_LEAF].certificate, EMAID.parse(emaid), also=True)
        self.issuer = ContractIssuer(self._pki[Kind.MO_SUB_CA_2], (self._pki[Kind.MO_SUB_CA_1].certificate,))
        above = [self._pki[kind].certificate for kind in KINDS[Role.CPS][1:]]
        self.service = InstallationService(self._pki[Kind.CPS_LEAF], above)
        oem = [self._pki[kind].certificate for kind in KINDS[Role.OEM][1:]]
        root = self._pki[Kind.V2G_ROOT].certificate
        self.wallet = Iso20Wallet(self._pki[Kind.OEM_LEAF], oem, [root], most=len(EMAIDS))

    def crls(self) -> tuple[bytes, ...]:
        """Lists of the three issuers of a contract chain, without entries."""
        return tuple(
            self._crl(self._pki[kind]) for kind in (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT)
        )

    def config(self, older: SeccConfig) -> SeccConfig:
        """The settings of ISO 15118-2 for a DC outlet beside it: TLS 1.3, the roots of both, prices, and a
        permission to discharge."""
        folder = self.folder
        trust = dataclasses.replace(
            older.trust,
            v2g_roots=(*older.trust.v2g_roots, folder / "v2g_root.pem"),
            mo_roots=(*older.trust.mo_roots, folder / "mo_root.pem"),
            oem_roots=(*older.trust.oem_roots, folder / "oem_root.pem"),
        )
        chain = Iso20TlsConfig(
            certificate_chain=folder / "secc_chain.pem", private_key=folder / "secc_leaf_key.pem"
        )
        both_ways = DcConfig(max_discharge_power=20_000.0, max_discharge_current=60.0)
        return dataclasses.replace(
            older,
            protocols=(ProtocolName.ISO15118_2, ProtocolName.ISO15118_20),
            energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), dc=both_ways),
            trust=trust,
            iso20=Iso20Config(tls=chain, discharge=True, prices=(Pricing.ABSOLUTE,)),
        )

    def plan(self, loops: int, pace: float) -> Iso20Plan:
        """Charge by a price, take a new schedule beside the loop, then discharge from the third part of the
        loops on: the current changes by a ramp."""
        return Iso20Plan(
            service=Service.DC_BPT,
            loops=max(loops, 40),
            pace=pace,
            discharge_at=max(loops, 40) // 3,
            pricing=Pricing.ABSOLUTE,
            renegotiate_at=max(loops, 40) // 4,
            wallet=self.wallet,
        )

    @property
    def vehicle(self) -> CredentialFiles:
        """The vehicle certificate for TLS 1.3."""
        return CredentialFiles(
            chain=self.folder / "vehicle_chain.pem", key=self.folder / "vehicle_leaf_key.pem"
        )

    def _crl(self, issuer: Holder) -> bytes:
        return make_crl(issuer, (), number=1, this_update=self._now, next_update=self._now + DAY)
