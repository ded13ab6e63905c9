"""Roots that the CSMS installs, as files: one folder for each purpose, one PEM file for each root."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from secc.errors import CertificateError, SeccError
from secc.ocpp.model import Payload
from secc.pki.certificates import Certificate, read_chain
from secc.pki.profiles import Kind
from secc.pki.revocation import identifier_hashes
from secc.pki.trust import TrustStore

FOLDERS = {
    "V2GRootCertificate": "v2g_roots",
    "MORootCertificate": "mo_roots",
    "CSMSRootCertificate": "csms_roots",
    "ManufacturerRootCertificate": "manufacturer_roots",
    "OEMRootCertificate": "oem_roots",
}
CHAIN = "V2GCertificateChain"
MOST = 50
"""Maximum number of roots of one purpose."""
_TRUSTED = {
    "V2GRootCertificate": Kind.V2G_ROOT,
    "MORootCertificate": Kind.MO_ROOT,
    "OEMRootCertificate": Kind.OEM_ROOT,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Installed:
    """An installed root and its file."""

    purpose: str
    certificate: Certificate
    path: Path | None


class RootFolder:
    """The installed roots. Every method reads or writes files."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` None: nothing can be installed."""
        self._folder = folder

    def folder(self, purpose: str) -> Path | None:
        """Return the folder for a purpose, and create it."""
        if self._folder is None or purpose not in FOLDERS:
            return None
        path = self._folder / FOLDERS[purpose]
        path.mkdir(parents=True, exist_ok=True)
        return path

    def install(self, purpose: str, pem: str, now: datetime.datetime) -> str:
        """Install a root; returns Accepted, Rejected (not a root, or not valid at `now`) or Failed (not
        written)."""
        try:
            certificates = read_chain(pem.encode())
            if len(certificates) != 1 or not certificates[0].not_before <= now < certificates[0].not_after:
                return "Rejected"
            if (kind := _TRUSTED.get(purpose)) is not None:
                TrustStore().with_anchor(certificates[0], kind)
            elif not certificates[0].self_issued:
                return "Rejected"
            folder = self.folder(purpose)
        except SeccError:
            return "Rejected"
        except OSError:
            return "Failed"
        if folder is None or len(list(folder.glob("*.pem"))) >= MOST:
            return "Failed"
        return _written(folder / f"{certificates[0].fingerprint[:40]}.pem", certificates[0].pem)

    def installed(self, purposes: Sequence[str]) -> list[Installed]:
        """Return the roots of these purposes, or all."""
        return [one for one in self._all() if not purposes or one.purpose in purposes]

    def delete(self, data: Payload) -> str:
        """Delete a root; returns Accepted, NotFound or Failed."""
        for one in self._all():
            if one.path is not None and matches(one.certificate, one.certificate, data):
                try:
                    one.path.unlink()
                except OSError:
                    return "Failed"
                return "Accepted"
        return "NotFound"

    def _all(self) -> Iterator[Installed]:
        for purpose, name in FOLDERS.items():
            if self._folder is None:
                return
            for path in sorted((self._folder / name).glob("*.pem")):
                try:
                    yield Installed(purpose, read_chain(path.read_bytes())[0], path)
                except (OSError, CertificateError):
                    continue


def hash_data(certificate: Certificate, issuer: Certificate) -> Payload:
    """Return CertificateHashDataType."""
    name, key = identifier_hashes(issuer, hashes.SHA256())
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": name.hex(),
        "issuerKeyHash": key.hex(),
        "serialNumber": f"{certificate.serial:x}",
    }


def matches(certificate: Certificate, issuer: Certificate, data: Payload) -> bool:
    """Return whether the hash data identify this certificate."""
    algorithm = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}.get(
        data["hashAlgorithm"]
    )
    if algorithm is None:
        return False
    name, key = identifier_hashes(issuer, algorithm)
    try:
        serial = int(data["serialNumber"], 16)
    except ValueError:
        return False
    found = (data["issuerNameHash"].lower(), data["issuerKeyHash"].lower(), serial)
    return found == (name.hex(), key.hex(), certificate.serial)


def chain_data(chain: Sequence[Certificate], root: Certificate | None) -> Payload | None:
    """Return CertificateHashDataChainType of the V2G chain of the station, leaf first."""
    issuers = [*chain[1:], *([root] if root is not None else [])]
    rows = [hash_data(one, issuer) for one, issuer in zip(chain, issuers, strict=False)]
    if not rows:
        return None
    told: Payload = {"certificateType": CHAIN, "certificateHashData": rows[0]}
    if rows[1:]:
        told["childCertificateHashData"] = rows[1:5]
    return told


def _written(path: Path, content: bytes) -> str:
    """Write a file atomically and durably."""
    new = path.with_suffix(".new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        return "Failed"
    return "Accepted"
