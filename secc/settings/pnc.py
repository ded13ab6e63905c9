"""The settings of Plug and Charge: `[pnc]`, `[pnc.site]` and `[expiry]` in the station's file."""

import dataclasses
import enum
import pathlib
import re

from secc.settings.checks import Settings, check, check_duration, check_range

__all__ = ["ExpiryConfig", "OfflinePolicy", "PncConfig", "RevocationCheck", "SiteConfig", "TariffPolicy"]


class OfflinePolicy(enum.StrEnum):
    """What decides about a proved contract while the back end is away."""

    DENY = "deny"
    KNOWN = "known"
    """Contracts that the back end has accepted lately."""
    CHAIN = "chain"
    """These, and every contract with a valid chain that is known not to be revoked, up to
    `offline_energy`."""


class RevocationCheck(enum.StrEnum):
    """What to do with a contract when nobody can say whether it is revoked."""

    REQUIRE = "require"
    """Refuse it."""
    PREFER = "prefer"
    """Ask the back end all the same, which has to look by itself: it gets the OCSP data."""
    OFF = "off"
    """Do not even ask."""


class TariffPolicy(enum.StrEnum):
    """Which sales tariffs of the back end reach the EV."""

    SIGNED = "signed"
    """With the signature of the mobility operator, over TLS; the others are left out [V2G2-905]."""
    ANY = "any"
    """Unsigned ones as well; without TLS never."""
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig(Settings, section="pnc.site"):
    """A site without a network: the station is its own back end, out of one SQLite file (`secc pnc`)."""

    store: pathlib.Path | None = None
    """The file with contracts and cars, made by `secc pnc init`; none: another back end decides."""
    allow_external: bool = False
    """Whether anybody may charge who comes without a contract."""
    mo_chain: pathlib.Path | None = None
    """PEM: the Sub-CA that issues contracts, then those above it. Without it no car gets a contract."""
    mo_key: pathlib.Path | None = None
    """PEM of its key. The station is then an authority: guard it like one."""
    mo_key_password: pathlib.Path | None = None
    """File that holds the password of the key; None when it has none."""
    cps_chain: pathlib.Path | None = None
    """PEM: the certificate that signs provisioning answers, then its Sub-CAs. Needed with `mo_chain`."""
    cps_key: pathlib.Path | None = None
    """PEM of its key."""
    cps_key_password: pathlib.Path | None = None
    """As `mo_key_password`."""
    contract_days: int = 365
    """For how long contracts are issued."""
    ocsp_url: str = "http://ocsp.invalid/"
    """Written into contracts: who asks there whether they are revoked."""
    crls: tuple[pathlib.Path, ...] = ()
    """Revocation lists, DER or PEM, of the issuers of contracts; read again when they change."""
    authority: pathlib.Path | None = None
    """Folder of the CPO Sub-CA (`secc pki`) that renews the station's own certificate."""
    authority_password: pathlib.Path | None = None
    """As `mo_key_password`, for the key in that folder."""

    def _check(self) -> None:
        check(1 <= self.contract_days <= 3650, "pnc.site.contract_days", "1 to 3650 days")
        issuing = (self.mo_chain, self.mo_key, self.cps_chain, self.cps_key)
        whole = all(issuing) or not any(issuing)
        check(whole, "pnc.site", "all or none of mo_chain, mo_key, cps_chain and cps_key")
        unused = self.store is None and (any(issuing) or self.crls or self.authority is not None)
        check(not unused, "pnc.site.store", "a file, as there are other settings of the site")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PncConfig(Settings, section="pnc"):
    """Plug and Charge. It is offered when `service.payment_options` has Contract, over TLS, while the clock
    is set; roots are in `[trust]`."""

    certificate_service: bool = True
    """Offer installation of contracts, where the back end provides it."""
    certificate_update: bool = True
    """Offer renewal by CertificateUpdateReq as well."""
    revocation: RevocationCheck = RevocationCheck.REQUIRE
    """`require`, `prefer` or `off`, see there."""
    offline: OfflinePolicy = OfflinePolicy.DENY
    """`deny`, `known` or `chain` while the back end is away."""
    offline_energy: float = 20_000.0
    """Wh that a contract may take on the word of its chain alone; needs a meter."""
    offline_memory: float = 2_592_000.0
    """How long a contract counts as accepted lately."""
    expiry_warning: float = 1_814_400.0
    """The EV is told OK_CertificateExpiresSoon when its contract ends within this time [V2G2-690]."""
    revocation_fetch: bool = False
    """Fetch OCSP responses and CRLs for contracts from where their certificates say, within
    `timing.revocation`; what comes later is kept for the next time. Beside what the back end finds."""
    revocation_private_network: bool = False
    """These servers may lie in your own network: loopback, link-local and private addresses are asked too."""
    central_validation: bool = False
    """A contract under a root that is not in `[trust]` may be judged by a back end that can do that."""
    forward_unverified: bool = False
    """Give a provisioning answer that does not verify to the EV all the same, which has to judge it."""
    provisioning_limit: int = 20
    """How often one car, or the owner of one contract, may ask for a contract within `limit_window`."""
    refusal_limit: int = 10
    """After so many refusals of the back end within `limit_window` it is not asked about a contract again
    until they are older."""
    limit_window: float = 3600.0
    """See the two above."""
    providers: tuple[str, ...] = ()
    """Country and provider, `DEABC` for example, that are accepted; empty: all under the roots."""
    receipt_interval: float | None = None
    """Ask for a signed meter receipt this often in the charge loop; none: never. Needs a meter."""
    sales_tariffs: TariffPolicy = TariffPolicy.SIGNED
    """`signed`, `any` or `none`, see there."""
    bundle_memory: float = 14_400.0
    """How long a provisioning answer that came too late is kept for the EV's next try."""
    site: SiteConfig = SiteConfig()
    """The station as its own back end."""

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
    """What is told about certificates that end soon: the station's own, roots in use, contracts of a site."""

    levels: tuple[int, ...] = (30, 14, 7)
    """Days before the end at which it is told; once more when it has ended."""
    renew: int = 30
    """Days before the end at which a site makes the next contract for its car."""
    interval: float = 21_600.0
    """Between two looks."""

    def _check(self) -> None:
        days = all(1 <= level <= 3650 for level in self.levels)
        check(bool(self.levels) and days, "expiry.levels", "days, 1 to 3650")
        check(1 <= self.renew <= 3650, "expiry.renew", "1 to 3650 days")
        check_duration(self.interval, "expiry.interval", at_most=604_800.0)
