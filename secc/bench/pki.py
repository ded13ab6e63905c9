"""Certificates and keys of the car, from a folder in the format of `secc pki new`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from secc.bench.pki20 import Iso20CarPki
from secc.errors import CertificateError
from secc.pki.certificates import Certificate, read_chain
from secc.pki.hierarchy import ISO20_FOLDER
from secc.pki.issuing import Identity, read_key
from secc.pki.profiles import Kind
from secc.sim.wallet import Wallet
from secc.tls.credentials import CredentialFiles

_CONTRACT = (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)
_OEM = (Kind.OEM_LEAF, Kind.OEM_SUB_CA_2, Kind.OEM_SUB_CA_1)


@dataclasses.dataclass(frozen=True, slots=True)
class CarPki:
    """Certificates of the car, and with the keys of the authorities, defective ones."""

    identities: Mapping[Kind, Identity]
    certificates: Mapping[Kind, Certificate]
    vehicle: CredentialFiles | None = None
    """What the car shows in TLS 1.3."""
    iso20: Iso20CarPki | None = None
    """Contract and provisioning certificate of ISO 15118-20."""

    @classmethod
    def read(cls, folder: Path) -> CarPki:
        """Raises CertificateError when a certificate or key of the car is missing."""
        identities, certificates = {}, {}
        for kind in Kind:
            path = folder / f"{kind.value}.pem"
            if not path.is_file():
                continue
            certificates[kind] = read_chain(path.read_bytes())[0]
            key = folder / f"{kind.value}_key.pem"
            if key.is_file():
                identities[kind] = Identity(certificates[kind], read_key(key.read_bytes()))
        for kind in (Kind.CONTRACT_LEAF, Kind.OEM_LEAF):
            if kind not in identities:
                raise CertificateError(f"{folder}: {kind.value}.pem and {kind.value}_key.pem are needed")
        for kind in (*_CONTRACT, *_OEM, Kind.V2G_ROOT):
            if kind not in certificates:
                raise CertificateError(f"{folder}: {kind.value}.pem is needed")
        iso20 = next((found for place in _places(folder) if (found := Iso20CarPki.read(place))), None)
        return cls(identities, certificates, _vehicle(folder), iso20)

    @property
    def can_issue(self) -> bool:
        """The keys of the authorities are available."""
        wanted = (Kind.MO_SUB_CA_1, Kind.MO_SUB_CA_2, Kind.MO_ROOT, Kind.OEM_SUB_CA_2)
        return all(kind in self.identities for kind in wanted)

    def wallet(self) -> Wallet:
        """Return a car with its contract."""
        return Wallet(
            oem=self.identities[Kind.OEM_LEAF],
            roots=(self.certificates[Kind.V2G_ROOT],),
            chain=tuple(self.certificates[kind] for kind in _CONTRACT),
            key=self.identities[Kind.CONTRACT_LEAF].key,
        )


def _vehicle(folder: Path) -> CredentialFiles | None:
    for place in _places(folder):
        chain, key = place / "vehicle_chain.pem", place / "vehicle_leaf_key.pem"
        if chain.is_file() and key.is_file():
            return CredentialFiles(chain=chain, key=key)
    return None


def _places(folder: Path) -> tuple[Path, Path]:
    """The files of ISO 15118-20 are in a separate folder or beside the others."""
    return folder / ISO20_FOLDER, folder
