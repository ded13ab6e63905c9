"""The back end of a site without a network, from `[pnc.site]`: store, issuer, signer, revocation lists.

`secc serve` opens it when a store is configured; other programs call `open_site`.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secc.errors import CertificateError, ConfigError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.contract import Evidence
from secc.pki.expiry import Expiry
from secc.pki.issuing import Identity, read_key, read_request
from secc.pki.profiles import Kind
from secc.ports import CertificateSigner, ReportsExpiry
from secc.settings.pnc import ExpiryConfig, SiteConfig
from secc.site.issuing import ContractIssuer, ProvisioningService
from secc.site.local import LocalBackend, utc_now
from secc.site.renewal import RenewalMonitor, WatchPolicy
from secc.site.store import ContractStore

__all__ = ["RevocationLists", "SigningSite", "Site", "open_site"]


class Site(LocalBackend, ReportsExpiry):
    """A `LocalBackend` that reports what ends soon, and renews it."""

    def __init__(
        self,
        store: ContractStore,
        *,
        issuer: ContractIssuer | None = None,
        service: ProvisioningService | None = None,
        evidence: Callable[[], Evidence] = Evidence,
        allow_external: bool = False,
        watch: WatchPolicy | None = None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        """See `LocalBackend`; `watch` reports and renews contracts."""
        super().__init__(
            store,
            issuer=issuer,
            service=service,
            evidence=evidence,
            allow_external=allow_external,
            clock=clock,
        )
        self._monitor = RenewalMonitor(self, policy=watch)

    async def expiring(self, now: datetime.datetime) -> Sequence[Expiry]:
        """Return contracts that end soon, after making a new bundle for each car where it is due."""
        return await asyncio.to_thread(self._monitor.look, now)


class SigningSite(Site, CertificateSigner):
    """A `Site` that also has the CPO Sub-CA and renews the certificate of the station."""

    authority: Authority

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """Issue an SECC leaf for a request; raises CertificateError if it would violate the profile."""
        return await asyncio.to_thread(self._sign, request)

    def _sign(self, request: bytes) -> list[bytes]:
        leaf = self.authority.issue(read_request(request), Kind.SECC_LEAF, self._clock(), IssuingPolicy())
        return [leaf.der, *(one.der for one in self.authority.chain)]


def open_site(
    config: SiteConfig,
    expiry: ExpiryConfig | None = None,
    *,
    clock: Callable[[], datetime.datetime] = utc_now,
) -> Site:
    """Open everything that `[pnc.site]` names; raises ConfigError, which names the file."""
    expiry = expiry or ExpiryConfig()
    if config.store is None or not config.store.exists():
        raise ConfigError(f"pnc.site.store: {config.store} does not exist; `secc pnc init` creates one")
    issuer, service = _issuer(config), _service(config)
    kind = Site if config.authority is None else SigningSite
    try:
        store = ContractStore(config.store)
        made = kind(
            store,
            issuer=issuer,
            service=service,
            evidence=RevocationLists(config.crls),
            allow_external=config.allow_external,
            watch=WatchPolicy(levels=expiry.levels, renew=expiry.renew),
            clock=clock,
        )
        if isinstance(made, SigningSite) and config.authority is not None:
            password = _password(config.authority_password)
            made.authority = Authority(config.authority, Kind.CPO_SUB_CA_2, password=password)
    except CertificateError as error:
        raise ConfigError(f"pnc.site: {error}") from error
    return made


class RevocationLists:
    """Revocation lists in files, each read again after a change. Call it for the present evidence."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Raises ConfigError when a file cannot be read; later its last content is used."""
        self._read = {path: _crl(path) for path in files}
        self._seen = {path: path.stat().st_mtime_ns for path in files}

    def __call__(self) -> Evidence:
        for path, seen in self._seen.items():
            try:
                found = path.stat().st_mtime_ns
                if found != seen:
                    self._read[path], self._seen[path] = _crl(path), found
            except (OSError, ConfigError):
                continue  # being replaced, or damaged: the previous list expires
        return Evidence(crls=tuple(self._read.values()))


def _issuer(config: SiteConfig) -> ContractIssuer | None:
    if config.mo_chain is None or config.mo_key is None:
        return None
    identity, above = _identity(config.mo_chain, config.mo_key, config.mo_key_password)
    validity = datetime.timedelta(days=config.contract_days)
    return ContractIssuer(identity, above, ocsp_url=config.ocsp_url, validity=validity)


def _service(config: SiteConfig) -> ProvisioningService | None:
    if config.cps_chain is None or config.cps_key is None:
        return None
    return ProvisioningService(*_identity(config.cps_chain, config.cps_key, config.cps_key_password))


def _identity(chain: Path, key: Path, password: Path | None) -> tuple[Identity, tuple[Certificate, ...]]:
    """Return the certificate in `chain` that belongs to the key, and those above it, without the root."""
    try:
        private = read_key(_bytes(key), _password(password))
        found = read_chain(_bytes(chain))
        own = [one for one in found if one.public_key == private.public_key()]
        if not own:
            raise ConfigError(f"{chain}: none of its certificates is for the key in {key}")
        above = [one for one in in_order(found, own[0]) if one != own[0] and not one.self_issued]
    except CertificateError as error:
        raise ConfigError(f"{chain} with {key}: {error}") from error
    return Identity(own[0], private), tuple(above)


def _password(path: Path | None) -> bytes | None:
    return None if path is None else _bytes(path).strip()


def _crl(path: Path) -> bytes:
    content = _bytes(path)
    try:
        if content.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_crl(content).public_bytes(Encoding.DER)
        x509.load_der_x509_crl(content)
    except ValueError as error:
        raise ConfigError(f"{path}: not a revocation list: {error}") from error
    return content


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
