"""TLS 1.3 between a station and vehicles with the test hierarchies, in memory."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

from certs.testpki import make
from secc.pki.certificates import Certificate, read_chain
from secc.pki.chains import KINDS
from secc.pki.hierarchy import HierarchyNames, make_iso20_hierarchy, write_hierarchy
from secc.pki.issuing import Holder
from secc.pki.keys import KeyType
from secc.pki.profiles import Kind
from secc.pki.trust import Role, TrustStore, trust
from secc.tls import CredentialFiles, Iso20Policy, OpenSslEngine, TlsContext, TlsProgress

OLD = Path(make.__file__).parent
"""The test hierarchy of ISO 15118-2; that of ISO 15118-20 is the folder `iso20` in it."""
PKI20 = OLD / "iso20"
NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
BEGIN = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)


def clock() -> datetime.datetime:
    """A wall clock that stands still."""
    return NOW


def files(folder: Path = PKI20, role: Role = Role.SECC, *, root: bool = True) -> CredentialFiles:
    """Chain and key of a role in a folder."""
    return CredentialFiles(
        chain=folder / f"{role.value}_chain.pem",
        key=folder / f"{KINDS[role][0].value}_key.pem",
        root=folder / "v2g_root.pem" if root and role is Role.SECC else None,
    )


def roots(folder: Path = PKI20, kinds: tuple[Kind, ...] = (Kind.V2G_ROOT, Kind.OEM_ROOT)) -> TrustStore:
    """Roots of a folder as trust anchors."""
    return trust((kind, root_of(folder, kind)) for kind in kinds)


def root_of(folder: Path, kind: Kind) -> Certificate:
    """A root of a folder."""
    return read_chain((folder / f"{kind.value}.pem").read_bytes())[0]


def hierarchy(folder: Path, keys: KeyType = KeyType.SECP521R1, seed: bytes = b"other") -> Path:
    """Another hierarchy of ISO 15118-20 in a folder, with the validities of its profiles from BEGIN on."""
    names = HierarchyNames(suffix=seed.decode())
    made: Mapping[Kind, Holder] = make_iso20_hierarchy(keys, not_before=BEGIN, seed=seed, names=names)
    write_hierarchy(made, folder, BEGIN)
    return folder


def policy(
    *,
    folder: Path = PKI20,
    trusted: TrustStore | None = None,
    chains: tuple[CredentialFiles, ...] = (),
    require_ocsp: bool = False,
    laboratory: bool = False,
) -> Iso20Policy:
    """TLS 1.3 of a station with the chain of a folder."""
    return Iso20Policy(
        chains=chains or (files(folder),),
        trust=roots(folder) if trusted is None else trusted,
        require_ocsp=require_ocsp,
        laboratory=laboratory,
    )


def station(iso20: Iso20Policy | None = None, at: Callable[[], datetime.datetime] = clock) -> TlsContext:
    """A station with both profiles."""
    return TlsContext.for_station([files(OLD)], iso20=iso20 or policy(), clock=at)


def vehicle(
    folder: Path = PKI20,
    role: Role | None = Role.VEHICLE,
    *,
    iso2: bool = False,
    groups: str = "",
    station_root: Path | None = None,
) -> TlsContext:
    """An EV of ISO 15118-20 that shows the chain of a role, or nothing."""
    certificate = None if role is None else files(folder, role)
    root = station_root or folder / "v2g_root.pem"
    return TlsContext.for_client(
        root, certificate=certificate, iso2=iso2, iso20=True, groups=groups, clock=clock
    )


def shake(server: OpenSslEngine, client: OpenSslEngine) -> tuple[TlsProgress, TlsProgress]:
    """Pass bytes until the client has none; the first failure of each side, or its last progress."""
    ours = theirs = TlsProgress()
    to_server = client.start()
    while to_server:
        answer = server.feed(to_server)
        ours = answer if ours.failure is None else ours
        reply = client.feed(answer.to_send)
        theirs = reply if theirs.failure is None else theirs
        to_server = reply.to_send
    return ours, theirs
