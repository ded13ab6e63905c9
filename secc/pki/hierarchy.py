"""A complete test hierarchy of one generation: every tree, from the roots to the leaves, with all keys.

A seed makes it reproducible byte for byte. Everyone with the seed has the keys: for tests and demonstrations,
never for production.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.issuing import Holder, Identity, Order, issue, key_pem, new_key, serial_from
from secc.pki.keys import KeyType, PrivateKey, new_private_key
from secc.pki.profiles import PROFILES, Generation, Kind
from secc.pki.register import Register
from secc.pki.trust import ROOT_KINDS, Role
from secc.private_files import make_private

__all__ = [
    "CHAIN_NAMES",
    "Hierarchy",
    "ISO20_FOLDER",
    "ISSUERS",
    "HierarchyNames",
    "REGISTER",
    "TEST_RESPONDER",
    "chain_kinds",
    "chain_pem",
    "hierarchy_files",
    "make_hierarchy",
    "make_iso20_hierarchy",
    "summary",
    "write_hierarchy",
]

ISSUERS: dict[Kind, Kind] = {
    Kind.CPO_SUB_CA_1: Kind.V2G_ROOT,
    Kind.CPO_SUB_CA_2: Kind.CPO_SUB_CA_1,
    Kind.SECC_LEAF: Kind.CPO_SUB_CA_2,
    Kind.CPS_SUB_CA_1: Kind.V2G_ROOT,
    Kind.CPS_SUB_CA_2: Kind.CPS_SUB_CA_1,
    Kind.CPS_LEAF: Kind.CPS_SUB_CA_2,
    Kind.MO_SUB_CA_1: Kind.MO_ROOT,
    Kind.MO_SUB_CA_2: Kind.MO_SUB_CA_1,
    Kind.CONTRACT_LEAF: Kind.MO_SUB_CA_2,
    Kind.OEM_SUB_CA_1: Kind.OEM_ROOT,
    Kind.OEM_SUB_CA_2: Kind.OEM_SUB_CA_1,
    Kind.OEM_LEAF: Kind.OEM_SUB_CA_2,
    Kind.VEHICLE_SUB_CA_1: Kind.OEM_ROOT,
    Kind.VEHICLE_SUB_CA_2: Kind.VEHICLE_SUB_CA_1,
    Kind.VEHICLE_LEAF: Kind.VEHICLE_SUB_CA_2,
    Kind.PRIVATE_SECC_LEAF: Kind.PRIVATE_ROOT,
}
"""Issuers in the usual topology; roots sign themselves."""

CHAIN_NAMES: dict[Role, str] = {role: role.value for role in KINDS}
"""File name of the chain of a role, without extension: `secc_chain.pem` and so on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyNames:
    """Common names of the leaves, and the organization of all certificates."""

    organization: str = "Test only"
    country: str = "DE"
    secc_id: str = "DEABCS" + "TESTSECC".ljust(33, "0")
    emaid: str = "DEABC000000001G"
    pcid: str = "ZZZTESTCAR0000001"
    evccid: str = "ZZZVTESTCAR00000001X"
    suffix: str = "Test"
    """Suffix of the names of all authorities."""

    def common_name(self, kind: Kind) -> str:
        """Return the common name of a certificate of this kind."""
        leaves = {
            Kind.SECC_LEAF: self.secc_id,
            Kind.PRIVATE_SECC_LEAF: self.secc_id,
            Kind.CPS_LEAF: f"CPS {self.suffix}",
            Kind.CONTRACT_LEAF: self.emaid,
            Kind.OEM_LEAF: self.pcid,
            Kind.VEHICLE_LEAF: self.evccid,
        }
        if kind in leaves:
            return leaves[kind]
        owner, *rest = kind.value.split("_")
        owner = owner.title() if owner in ("private", "vehicle") else owner.upper()
        what = "RootCA" if rest == ["root"] else f"SubCA{rest[-1]}"
        return f"{owner}{what} {self.suffix}"


Hierarchy = Mapping[Kind, Identity]
"""One identity of each kind, of ISO 15118-2."""

TEST_RESPONDER = "http://ocsp.test.invalid:8080/"
"""Address of a nonexistent OCSP responder."""


def make_hierarchy(
    *,
    not_before: datetime.datetime,
    not_after: datetime.datetime | None = None,
    seed: bytes | None = None,
    names: HierarchyNames | None = None,
    ocsp_url: str = TEST_RESPONDER,
    random_bytes: bytes = b"",
) -> Hierarchy:
    """Make all trees of ISO 15118-2. Without `not_after` each certificate has the validity of its profile.

    With a `seed`, keys, serial numbers and signatures follow from it; without one, keys are new and serial
    numbers follow from `random_bytes` (at least 16).
    """
    given = _Given(
        Generation.ISO2, not_before, not_after, seed, names or HierarchyNames(), ocsp_url, random_bytes
    )
    made: dict[Kind, Identity] = {}
    for kind in _kinds(Generation.ISO2):
        key = new_key(given.key_seed(kind))
        made[kind] = Identity(given.certificate(kind, key, made), key)
    return made


def make_iso20_hierarchy(
    keys: KeyType = KeyType.SECP521R1,
    *,
    not_before: datetime.datetime,
    not_after: datetime.datetime | None = None,
    seed: bytes | None = None,
    names: HierarchyNames | None = None,
    ocsp_url: str = TEST_RESPONDER,
    random_bytes: bytes = b"",
) -> Mapping[Kind, Holder]:
    """Make all trees of ISO 15118-20, with vehicle certificates. All keys have one type."""
    given = _Given(
        Generation.ISO20, not_before, not_after, seed, names or HierarchyNames(), ocsp_url, random_bytes
    )
    made: dict[Kind, Holder] = {}
    for kind in _kinds(Generation.ISO20):
        key = new_private_key(keys, given.key_seed(kind))
        made[kind] = Holder(given.certificate(kind, key, made), key)
    return made


@dataclasses.dataclass(frozen=True, slots=True)
class _Given:
    """Input of one hierarchy."""

    generation: Generation
    not_before: datetime.datetime
    not_after: datetime.datetime | None
    seed: bytes | None
    names: HierarchyNames
    ocsp_url: str
    random_bytes: bytes

    def key_seed(self, kind: Kind) -> bytes | None:
        return None if self.seed is None else self.seed + kind.value.encode()

    def certificate(self, kind: Kind, key: PrivateKey, made: Mapping[Kind, Holder]) -> Certificate:
        names = self.names
        order = Order(
            kind=kind,
            generation=self.generation,
            common_name=names.common_name(kind),
            organization=names.organization,
            country=names.country,
            serial=serial_from(
                hashlib.sha256((self.seed or self.random_bytes) + kind.value.encode()).digest()
            ),
            not_before=self.not_before,
            not_after=self.not_after,
            ocsp_url=self.ocsp_url,
        )
        issuer = made[ISSUERS[kind]] if kind in ISSUERS else key
        return issue(order, key.public_key(), issuer, reproducible=self.seed is not None)


def _kinds(generation: Generation) -> Iterator[Kind]:
    """Return all kinds of a generation, issuers first."""
    return (kind for kind in (*sorted(ROOT_KINDS), *ISSUERS) if kind in PROFILES[generation])


def chain_kinds(role: Role) -> tuple[Kind, ...]:
    """Return leaf, Sub-CA 2, Sub-CA 1."""
    return KINDS[role]


def chain_pem(hierarchy: Mapping[Kind, Holder], role: Role) -> bytes:
    """Return the chain as presented: leaf first, without the root."""
    return b"".join(hierarchy[kind].certificate.pem for kind in KINDS[role])


def hierarchy_files(hierarchy: Mapping[Kind, Holder]) -> dict[str, bytes]:
    """Return all files of a hierarchy by name: a certificate and a key for each kind, and a chain for each
    role."""
    files: dict[str, bytes] = {}
    for kind, identity in hierarchy.items():
        files[f"{kind.value}.pem"] = identity.certificate.pem
        files[f"{kind.value}_key.pem"] = key_pem(identity.key)
    for role in (role for role, kinds in KINDS.items() if kinds[0] in hierarchy):
        files[f"{CHAIN_NAMES[role]}_chain.pem"] = chain_pem(hierarchy, role)
    return files


def write_hierarchy(hierarchy: Mapping[Kind, Holder], folder: Path, at: datetime.datetime) -> None:
    """Write everything into a folder, with a register of the issued certificates; replaces existing files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in hierarchy_files(hierarchy).items():
        path = folder / name
        if name.endswith("_key.pem"):
            make_private(path)
        path.write_bytes(content)
    path = folder / REGISTER
    path.unlink(missing_ok=True)
    register = Register(path)
    for kind in (kind for kind in ISSUERS if kind in hierarchy):
        register.add(hierarchy[kind].certificate, kind, hierarchy[ISSUERS[kind]].certificate, at)


ISO20_FOLDER = "iso20"
"""Name of the folder for the hierarchy of ISO 15118-20 inside that of ISO 15118-2, with the same files."""

REGISTER = "register.jsonl"
"""Name of the register in a folder of authorities."""


def summary(*hierarchies: Mapping[Kind, Holder]) -> str:
    """Return an overview as JSON: kind, key, subject, validity; no private keys."""
    rows = [
        {
            "kind": kind.value,
            "key": identity.certificate.key_type,
            "title": kind.label,
            "subject": str(identity.certificate.subject),
            "not_after": identity.certificate.not_after.isoformat(),
            "fingerprint": identity.certificate.fingerprint,
        }
        for hierarchy in hierarchies
        for kind, identity in hierarchy.items()
    ]
    return json.dumps(rows, indent=2)
