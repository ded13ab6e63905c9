"""Settings of the connection to the central system: `[ocpp]` in the file of the station."""

import dataclasses
import enum
import math
import pathlib
import re
import urllib.parse

from secc.settings.checks import Settings, check

__all__ = ["Autocharge", "EmaidForm", "OcppConfig", "OcppVersion"]


class OcppVersion(enum.StrEnum):
    """Versions of OCPP."""

    V21 = "2.1"
    """With the messages for ISO 15118-20."""
    V201 = "2.0.1"
    V16 = "1.6"

    @property
    def subprotocol(self) -> str:
        """Name in the WebSocket negotiation."""
        return f"ocpp{self.value}"


class Autocharge(enum.StrEnum):
    """Which EVs may charge by what they say they are, without a card or a contract."""

    OFF = "off"
    PROVEN = "proven"
    """ISO 15118-20: the EVCCID of the verified vehicle certificate."""
    ANY = "any"
    """Also the address of a modem, which any device can imitate."""


class EmaidForm(enum.StrEnum):
    """Spelling of eMAIDs in messages to the CSMS; those of the CSMS are read in any spelling."""

    CERTIFICATE = "certificate"
    """As in the contract certificate."""
    PLAIN = "plain"
    """Upper case, without hyphens."""
    HYPHENS = "hyphens"
    """Upper case, with hyphens between country, provider, instance and check digit."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OcppConfig(Settings, section="ocpp"):
    """The central system (CSMS); not used without `url`. Needs `pip install secc[ocpp]`."""

    url: str = ""
    """`ws://` or `wss://`, without the identity of the station, which is added as the last part of the
    path."""
    identity: str = ""
    """Name of the station at the CSMS; empty: the EVSEID, with `-` for `*`."""
    versions: tuple[OcppVersion, ...] = (OcppVersion.V201, OcppVersion.V16)
    """Offered in this order; the CSMS selects one. `2.1` can be added at the front."""
    security_profile: int = 1
    """0 none (laboratory only), 1 password, 2 password over TLS, 3 TLS with a client certificate."""
    password_file: pathlib.Path | None = None
    """File with the password, for profiles 1 and 2."""
    ca: pathlib.Path | None = None
    """PEM of the roots for the certificate of the CSMS; none: the roots of the system."""
    client_certificate: pathlib.Path | None = None
    """PEM chain of the client certificate, for profile 3; replaced when the CSMS renews it."""
    client_key: pathlib.Path | None = None
    """PEM of its key."""
    store: pathlib.Path | None = None
    """Folder for queue, local list, profiles and installed roots; none: nothing survives a restart."""
    vendor: str = "secc"
    """Vendor in BootNotification, at most 20 characters for 1.6."""
    model: str = "station"
    """Model in BootNotification, at most 20 characters for 1.6."""
    serial: str = ""
    """Serial number in BootNotification; empty: not sent."""
    connect_timeout: float = 10.0
    """Limit for TCP, TLS and WebSocket handshake together."""
    call_timeout: float = 30.0
    """Limit for an answer of the CSMS; then the connection is closed and opened again."""
    authorize_timeout: float = 10.0
    """Limit for an authorisation by the CSMS; then list, cache and the offline policy decide."""
    reconnect_first: float = 1.0
    """Pause before the first attempt to reconnect; doubled each time, with jitter of half its length."""
    reconnect_longest: float = 120.0
    """Longest pause between attempts."""
    ping_interval: float = 30.0
    """Interval of WebSocket pings; without an answer within this time the connection is closed."""
    max_message: int = 262_144
    """Maximum size of a message of the CSMS in bytes, at least 65536."""
    meter_interval: float = 60.0
    """Between two meter values in a transaction."""
    look_interval: float = 1.0
    """Interval at which the outlet is observed for changes to report."""
    local_list: bool = True
    """Store and use the list that the CSMS sends."""
    cache: bool = True
    """Store answers of the CSMS, for use while it is not connected."""
    cache_lifetime: float = 604_800.0
    """Lifetime of a stored answer that does not specify one."""
    offline_unknown: bool = False
    """While the CSMS is not connected: accept cards that are neither in the list nor in the cache. Contracts
    follow `pnc.offline`."""
    emaid_form: EmaidForm = EmaidForm.CERTIFICATE
    """`certificate`, `plain` or `hyphens`: spelling of eMAIDs in messages to the CSMS. Inside, and in lists
    of the CSMS, every spelling is the same contract."""
    autocharge: Autocharge = Autocharge.OFF
    """`off`, `proven` or `any`: ask the CSMS whether the EV itself may charge before the station waits for a
    card. `any` trusts an address that any device can send: who knows the address of a car charges at its
    owner's cost."""
    free_token: str = ""
    """Token for sessions without a contract; empty: only cards and remote starts."""
    csr_wait: float = 60.0
    """CertSigningWaitMinimum: from SignCertificate until it is repeated, doubled each time."""
    csr_repeats: int = 3
    """CertSigningRepeatTimes."""
    attempts: int = 5
    """Number of attempts for a transaction message that the CSMS answers with an error; then it is set
    aside."""
    attempt_interval: float = 60.0
    """Pause after the first such error, twice as long after the second, and so on; the queue waits."""
    follow_clock: bool = True
    """Messages use the clock of the CSMS when it differs from the clock of the station by more than two
    seconds."""

    authorize_remote_start: bool = False
    """AuthorizeRemoteStart: ask the CSMS about the token of a remote start too."""
    local_offline: bool = True
    """LocalAuthorizeOffline: while the CSMS is not connected, list and cache may accept."""
    local_pre_authorize: bool = False
    """LocalPreAuthorize: a token that list or cache accept is not authorised by the CSMS first."""
    connection_timeout: float = 120.0
    """EVConnectionTimeOut: how long a card or a remote start waits for an EV."""
    aligned_when_idle: bool = False
    """Send clock-aligned meter values also without a transaction."""
    limit_change: float = 5.0
    """LimitChangeSignificance: percent by which a limit must change to be reported in the transaction."""
    limit_with_schedules: bool = False
    """Send the schedule with NotifyChargingLimit."""
    needs_wait: float = 45.0
    """After NotifyEVChargingNeeds is accepted: wait for the charging profile; then the EV gets the schedule
    of the stored profiles."""
    balance_upper: float = 0.0
    """LocalLoadBalancing of 2.1: above this load of the site, W drawn from the grid, the EV gives energy."""
    balance_upper_offset: float = 0.0
    """Added to it, in W."""
    balance_lower: float = 0.0
    """Below this load the EV takes energy, in W; below 0 the site feeds the grid."""
    balance_lower_offset: float = 0.0
    """Added to it, in W."""
    offline_threshold: float = 60.0
    """After a longer time without the CSMS the status of the connector is sent again."""
    offline_severity: int = 3
    """Monitoring events up to this severity number are queued while the CSMS is not connected."""
    firmware_signed: bool = True
    """Refuse firmware without a signature."""
    network_profiles: bool = True
    """The CSMS may set further addresses (SetNetworkProfile); the configured one is always kept as the
    last."""

    def _check(self) -> None:
        if self.url:
            self._check_url()
        check(
            re.fullmatch(r"[A-Za-z0-9*_=|@.:+-]{0,48}", self.identity) is not None, "ocpp.identity", _IDENTITY
        )
        check(0 < len(self.versions) == len(set(self.versions)), "ocpp.versions", "at least one, each once")
        check(0 <= self.security_profile <= 3, "ocpp.security_profile", "0..3")
        check(65_536 <= self.max_message <= 16_777_216, "ocpp.max_message", "65536..16777216")
        check(0 <= self.offline_severity <= 9, "ocpp.offline_severity", "0..9")
        check(0 <= self.limit_change <= 100, "ocpp.limit_change", "0..100")
        check(1 <= self.attempts <= 100, "ocpp.attempts", "1..100")
        check(0 <= self.csr_repeats <= 100, "ocpp.csr_repeats", "0..100")
        for name in ("upper", "upper_offset", "lower", "lower_offset"):
            watts = getattr(self, f"balance_{name}")
            check(abs(watts) <= 1e7, f"ocpp.balance_{name}", "-10000000..10000000")
        upper, lower = self.balance_upper + self.balance_upper_offset, self.balance_lower
        check(lower + self.balance_lower_offset <= upper, "ocpp.balance_lower", "at most the upper threshold")
        for name in ("vendor", "model"):
            check(1 <= len(getattr(self, name)) <= 20, f"ocpp.{name}", "1..20 characters")
        check(len(self.serial) <= 25, "ocpp.serial", "at most 25 characters")
        for name, limit in _DURATIONS.items():
            value = getattr(self, name)
            check(math.isfinite(value) and 0.001 <= value <= limit, f"ocpp.{name}", f"0.001 to {limit:g}")

    def _check_url(self) -> None:
        scheme = urllib.parse.urlsplit(self.url).scheme
        secure = self.security_profile >= 2
        check(scheme in ("ws", "wss"), "ocpp.url", "ws:// or wss://")
        check(
            not secure or scheme == "wss", "ocpp.url", f"wss:// for security profile {self.security_profile}"
        )
        if self.security_profile in (1, 2):
            check(self.password_file is not None, "ocpp.password_file", "a file, by the security profile")
        if self.security_profile == 3:
            check(self.client_certificate is not None, "ocpp.client_certificate", "a file, by profile 3")
            check(self.client_key is not None, "ocpp.client_key", "a file, by profile 3")


_IDENTITY = "at most 48 of A-Z, a-z, 0-9 and *-_=|@.:+"
_DURATIONS = {
    "connect_timeout": 300.0,
    "call_timeout": 600.0,
    "authorize_timeout": 60.0,
    "reconnect_first": 3600.0,
    "reconnect_longest": 86_400.0,
    "ping_interval": 3600.0,
    "meter_interval": 86_400.0,
    "look_interval": 60.0,
    "attempt_interval": 3600.0,
    "cache_lifetime": 31_622_400.0,
    "csr_wait": 86_400.0,
    "connection_timeout": 3600.0,
    "needs_wait": 600.0,
}
