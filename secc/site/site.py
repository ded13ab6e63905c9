"""The back end of a site without a network, from `[pnc.site]`: store, issuer, signer, revocation lists.

`secc serve` opens it when a store is configured; other programs call `open_site`.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secc.errors import CertificateError, ConfigError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.contract import Evidence
from secc.pki.expiry import Expiry
from secc.pki.issuing import Holder, read_request
from secc.pki.keys import read_private_key
from secc.pki.profiles import Generation, Kind, generation_of
from secc.ports import CertificateSigner, ReportsExpiry
from secc.settings.pnc import ExpiryConfig, SiteConfig, SiteIso20Config
from secc.site.issuing import ContractIssuer, InstallationService, ProvisioningService
from secc.site.local import LocalBackend, utc_now
from secc.site.renewal import RenewalMonitor, WatchPolicy
from secc.site.store import ContractStore

__all__ = ["RevocationLists", "SigningSite", "Site", "open_site", "site_keys"]


class Site(LocalBackend, ReportsExpiry):
    """A `LocalBackend` that reports what ends soon, and renews it."""

    def __init__(
        self,
        store: ContractStore,
        *,
        issuer: ContractIssuer | None = None,
        service: ProvisioningService | None = None,
        iso20_issuer: ContractIssuer | None = None,
        iso20_service: InstallationService | None = None,
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
            iso20_issuer=iso20_issuer,
            iso20_service=iso20_service,
            evidence=evidence,
            allow_external=allow_external,
            clock=clock,
        )
        self._monitor = RenewalMonitor(self, policy=watch)

    async def expiring(self, now: datetime.datetime) -> Sequence[Expiry]:
        """Return contracts that end soon, after making a new bundle for each car where it is due."""
        return await asyncio.to_thread(self._monitor.look, now)


class SigningSite(Site, CertificateSigner):
    """A `Site` that also has CPO Sub-CAs and renews the certificates of the station."""

    authorities: Mapping[Generation, Authority]
    """The Sub-CA of each generation that the site has."""

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """Issue an SECC leaf for a request, by the generation of its key.

        Raises CertificateError if it would violate the profile, or the site has no such Sub-CA.
        """
        return await asyncio.to_thread(self._sign, request)

    def _sign(self, request: bytes) -> list[bytes]:
        asked = read_request(request)
        authority = self.authorities.get(asked.generation)
        if authority is None:
            raise CertificateError(f"no authority of {asked.generation} is configured", rule="no_authority")
        leaf = authority.issue(asked, Kind.SECC_LEAF, self._clock(), IssuingPolicy())
        return [leaf.der, *(one.der for one in authority.chain)]


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
    issuer = _issuer(config)
    service = _service(config, Generation.ISO2, ProvisioningService)
    newer = config.iso20
    try:
        authorities = _authorities(config)
        kind = SigningSite if authorities else Site
        store = ContractStore(config.store)
        made = kind(
            store,
            issuer=issuer,
            service=service,
            iso20_issuer=_issuer_of(newer.mo_chain, newer.mo_key, newer.mo_key_password, config),
            iso20_service=_service(newer, Generation.ISO20, InstallationService),
            evidence=RevocationLists(config.crls),
            allow_external=config.allow_external,
            watch=WatchPolicy(levels=expiry.levels, renew=expiry.renew),
            clock=clock,
        )
        if isinstance(made, SigningSite):
            made.authorities = authorities
    except CertificateError as error:
        raise ConfigError(f"pnc.site: {error}") from error
    return made


def site_keys(config: SiteConfig) -> dict[Generation, datetime.datetime]:
    """Return the generations of which a site issues contracts, each with the first end of its signers.

    Reads the keys and nothing else; raises ConfigError, which names the file.
    """
    newer = config.iso20
    issuer = _issuer(config)
    service = _service(config, Generation.ISO2, ProvisioningService)
    iso20_issuer = _issuer_of(newer.mo_chain, newer.mo_key, newer.mo_key_password, config)
    iso20_service = _service(newer, Generation.ISO20, InstallationService)
    found: dict[Generation, datetime.datetime] = {}
    if issuer is not None and service is not None:
        found[Generation.ISO2] = _first_end(issuer, service)
    if iso20_issuer is not None and iso20_service is not None:
        found[Generation.ISO20] = _first_end(iso20_issuer, iso20_service)
    return found


def _first_end(
    issuer: ContractIssuer, service: ProvisioningService | InstallationService
) -> datetime.datetime:
    return min(issuer.authority.certificate.not_after, service.signer.certificate.not_after)


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


def _authorities(config: SiteConfig) -> dict[Generation, Authority]:
    """The Sub-CAs that issue certificates of stations; raises ConfigError for one of the other generation."""
    places = (
        (Generation.ISO2, config.authority, config.authority_password),
        (Generation.ISO20, config.iso20.authority, config.iso20.authority_password),
    )
    made: dict[Generation, Authority] = {}
    for generation, folder, password in places:
        if folder is None:
            continue
        authority = Authority(folder, Kind.CPO_SUB_CA_2, password=_password(password))
        _require(generation, authority.certificate, folder)
        made[generation] = authority
    return made


def _issuer(config: SiteConfig) -> ContractIssuer | None:
    return _issuer_of(config.mo_chain, config.mo_key, config.mo_key_password, config, Generation.ISO2)


def _issuer_of(
    chain: Path | None,
    key: Path | None,
    password: Path | None,
    config: SiteConfig,
    generation: Generation = Generation.ISO20,
) -> ContractIssuer | None:
    if chain is None or key is None:
        return None
    holder, above = _holder(chain, key, password)
    _require(generation, holder.certificate, chain)
    validity = datetime.timedelta(days=config.contract_days)
    return ContractIssuer(holder, above, ocsp_url=config.ocsp_url, validity=validity)


_Service = TypeVar("_Service", ProvisioningService, InstallationService)


def _service(
    config: SiteConfig | SiteIso20Config, generation: Generation, kind: type[_Service]
) -> _Service | None:
    if config.cps_chain is None or config.cps_key is None:
        return None
    holder, above = _holder(config.cps_chain, config.cps_key, config.cps_key_password)
    _require(generation, holder.certificate, config.cps_chain)
    return kind(holder, above)


def _require(generation: Generation, certificate: Certificate, path: Path) -> None:
    found = generation_of(certificate)
    if found is not generation:
        raise ConfigError(f"{path}: a certificate of {found}, expected one of {generation}")


def _holder(chain: Path, key: Path, password: Path | None) -> tuple[Holder, tuple[Certificate, ...]]:
    """Return the certificate in `chain` that belongs to the key, and those above it, without the root."""
    try:
        private = read_private_key(_bytes(key), _password(password))
        found = read_chain(_bytes(chain))
        own = [one for one in found if one.key == private.public_key()]
        if not own:
            raise ConfigError(f"{chain}: none of its certificates is for the key in {key}")
        above = [one for one in in_order(found, own[0]) if one != own[0] and not one.self_issued]
    except CertificateError as error:
        raise ConfigError(f"{chain} with {key}: {error}") from error
    return Holder(own[0], private), tuple(above)


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
