"""Settings of Plug and Charge: `[pnc]`, `[pnc.site]` and `[expiry]` in the station's file."""

import dataclasses
import enum
import pathlib
import re

from secc.settings.checks import Settings, check, check_duration, check_range

__all__ = [
    "ExpiryConfig",
    "OfflinePolicy",
    "PncConfig",
    "RevocationCheck",
    "SiteConfig",
    "SiteIso20Config",
    "TariffPolicy",
]


class OfflinePolicy(enum.StrEnum):
    """Decision about a verified contract while the back end is offline."""

    DENY = "deny"
    KNOWN = "known"
    """Accept contracts that the back end has accepted recently."""
    CHAIN = "chain"
    """Accept these, and every contract with a valid chain that is known not to be revoked, up to
    `offline_energy`."""


class RevocationCheck(enum.StrEnum):
    """Treatment of a contract with unknown revocation status."""

    REQUIRE = "require"
    """Refuse it."""
    PREFER = "prefer"
    """Ask the back end, which must check the status: it receives the OCSP data."""
    OFF = "off"
    """Do not check."""


class TariffPolicy(enum.StrEnum):
    """Sales tariffs of the back end that are sent to the EV."""

    SIGNED = "signed"
    """Only with a signature of the mobility operator, over TLS; others are omitted [V2G2-905]."""
    ANY = "any"
    """Unsigned tariffs as well; never without TLS."""
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SiteIso20Config(Settings, section="pnc.site.iso20"):
    """The keys of a site for ISO 15118-20, on secp521r1 or Ed448, beside those for ISO 15118-2. The contracts
    are the same: each has a certificate of either generation, if its car asks for both."""

    mo_chain: pathlib.Path | None = None
    """PEM: the Sub-CA that issues contracts, then the CAs above it. Without it no contracts are delivered in
    ISO 15118-20."""
    mo_key: pathlib.Path | None = None
    """PEM of its key."""
    mo_key_password: pathlib.Path | None = None
    """File with the password of the key; None if the key is not encrypted."""
    cps_chain: pathlib.Path | None = None
    """PEM: the certificate that signs provisioning answers, then its Sub-CAs. Required with `mo_chain`."""
    cps_key: pathlib.Path | None = None
    """PEM of its key."""
    cps_key_password: pathlib.Path | None = None
    """Like `mo_key_password`."""
    authority: pathlib.Path | None = None
    """Folder of the CPO Sub-CA (`secc pki`) that renews the station's certificate of ISO 15118-20."""
    authority_password: pathlib.Path | None = None
    """Like `mo_key_password`, for the key in that folder."""

    def _check(self) -> None:
        issuing = (self.mo_chain, self.mo_key, self.cps_chain, self.cps_key)
        whole = all(issuing) or not any(issuing)
        check(whole, "pnc.site.iso20", "all or none of mo_chain, mo_key, cps_chain and cps_key")

    @property
    def is_used(self) -> bool:
        """There are keys of this generation."""
        return self.mo_chain is not None or self.authority is not None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig(Settings, section="pnc.site"):
    """A site without a network: the station is the back end, with one SQLite file (`secc pnc`)."""

    store: pathlib.Path | None = None
    """The file with contracts and cars, created by `secc pnc init`; none: another back end decides."""
    allow_external: bool = False
    """Whether EVs may charge without a contract."""
    mo_chain: pathlib.Path | None = None
    """PEM: the Sub-CA that issues contracts, then the CAs above it. Without it no contracts are issued."""
    mo_key: pathlib.Path | None = None
    """PEM of its key. The station then is a certificate authority: protect it accordingly."""
    mo_key_password: pathlib.Path | None = None
    """File with the password of the key; None if the key is not encrypted."""
    cps_chain: pathlib.Path | None = None
    """PEM: the certificate that signs provisioning answers, then its Sub-CAs. Required with `mo_chain`."""
    cps_key: pathlib.Path | None = None
    """PEM of its key."""
    cps_key_password: pathlib.Path | None = None
    """Like `mo_key_password`."""
    contract_days: int = 365
    """Validity of issued contracts."""
    ocsp_url: str = "http://ocsp.invalid/"
    """URL of the OCSP responder, written into contracts."""
    crls: tuple[pathlib.Path, ...] = ()
    """Revocation lists, DER or PEM, of the issuers of contracts; read again when they change."""
    authority: pathlib.Path | None = None
    """Folder of the CPO Sub-CA (`secc pki`) that renews the station's own certificate."""
    authority_password: pathlib.Path | None = None
    """Like `mo_key_password`, for the key in that folder."""
    iso20: SiteIso20Config = SiteIso20Config()
    """The keys for ISO 15118-20."""

    def _check(self) -> None:
        check(1 <= self.contract_days <= 3650, "pnc.site.contract_days", "1 to 3650 days")
        issuing = (self.mo_chain, self.mo_key, self.cps_chain, self.cps_key)
        whole = all(issuing) or not any(issuing)
        check(whole, "pnc.site", "all or none of mo_chain, mo_key, cps_chain and cps_key")
        more = self.authority is not None or self.iso20.is_used
        unused = self.store is None and (any(issuing) or self.crls or more)
        check(not unused, "pnc.site.store", "a file, as there are other settings of the site")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PncConfig(Settings, section="pnc"):
    """Plug and Charge. It is offered over TLS if `service.payment_options` has Contract and the clock is
    set; the roots are in `[trust]`."""

    certificate_service: bool = True
    """Offer installation of contracts if the back end provides it."""
    certificate_update: bool = True
    """Offer renewal by CertificateUpdateReq as well."""
    revocation: RevocationCheck = RevocationCheck.REQUIRE
    """`require`, `prefer` or `off`: check of the revocation status."""
    offline: OfflinePolicy = OfflinePolicy.DENY
    """`deny`, `known` or `chain`: decision while the back end is offline."""
    offline_energy: float = 20_000.0
    """Wh that a contract may take if only its chain was checked; needs a meter."""
    offline_memory: float = 2_592_000.0
    """How long a contract counts as recently accepted."""
    expiry_warning: float = 1_814_400.0
    """Answer OK_CertificateExpiresSoon if the contract of the EV expires within this time [V2G2-690]."""
    revocation_fetch: bool = False
    """Fetch OCSP responses and CRLs for contracts from the addresses in their certificates, within
    `timing.revocation`; later answers are kept for the next session. The back end may check as well."""
    revocation_private_network: bool = False
    """Permit these servers in a local network: at loopback, link-local and private addresses."""
    central_validation: bool = False
    """Let a back end that can do so judge contracts under roots that are not in `[trust]`."""
    forward_unverified: bool = False
    """Send a provisioning answer that fails verification to the EV, which must judge it."""
    provisioning_limit: int = 20
    """Number of contracts that one car, or the owner of one contract, may request within `limit_window`."""
    refusal_limit: int = 10
    """Number of refusals by the back end within `limit_window` after which it is not asked about a contract
    until they are older."""
    limit_window: float = 3600.0
    """Window of the two limits above."""
    providers: tuple[str, ...] = ()
    """Accepted country and provider, for example `DEABC`; empty: all under the roots."""
    receipt_interval: float | None = None
    """Interval at which the charge loop requests a signed meter receipt; none: never. Needs a meter."""
    sales_tariffs: TariffPolicy = TariffPolicy.SIGNED
    """`signed`, `any` or `none`: tariffs that are sent to the EV."""
    bundle_memory: float = 14_400.0
    """How long a late provisioning answer is kept for the next try of the EV."""
    site: SiteConfig = SiteConfig()
    """The station as back end of a site without a network."""

    def _check(self) -> None:
        check_range(self.offline_energy, "pnc.offline_energy", 0.0, 1_000_000.0)
        check_duration(self.offline_memory, "pnc.offline_memory", at_most=31_622_400.0)
        check_duration(self.expiry_warning, "pnc.expiry_warning", at_most=31_622_400.0, at_least=0.0)
        check_duration(self.bundle_memory, "pnc.bundle_memory", at_most=604_800.0)
        check_duration(self.limit_window, "pnc.limit_window", at_most=604_800.0)
        check(1 <= self.provisioning_limit <= 1000, "pnc.provisioning_limit", "1 to 1000")
        check(1 <= self.refusal_limit <= 1000, "pnc.refusal_limit", "1 to 1000")
        if self.receipt_interval is not None:
            check_duration(self.receipt_interval, "pnc.receipt_interval", at_most=86_400.0, at_least=0.0)
        for provider in self.providers:
            good = re.fullmatch(r"[A-Z]{2}[A-Z0-9]{3}", provider) is not None
            check(good, "pnc.providers", "country and provider, five characters in upper case")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryConfig(Settings, section="expiry"):
    """Reports about certificates that expire soon: of the station, roots in use, contracts of a site."""

    levels: tuple[int, ...] = (30, 14, 7)
    """Days before the expiry at which it is reported; it is reported again after the expiry."""
    renew: int = 30
    """Days before the expiry at which a site issues the next contract for its car."""
    interval: float = 21_600.0
    """Interval between checks."""

    def _check(self) -> None:
        days = all(1 <= level <= 3650 for level in self.levels)
        check(bool(self.levels) and days, "expiry.levels", "days, 1 to 3650")
        check(1 <= self.renew <= 3650, "expiry.renew", "1 to 3650 days")
        check_duration(self.interval, "expiry.interval", at_most=604_800.0)
