"""The whole configuration of a station: frozen dataclasses, read from one TOML file.

Durations are seconds as float and are named after their timer of the standard; voltages V, currents A, powers
W. A key that is not known is an error that names its path, so a typing slip cannot switch a limit off.
Values are checked when the object is made: a wrong configuration refuses to start, it never surprises later.
"""

import dataclasses
import enum
import pathlib
import re
import tomllib
import typing

from secc.compat_settings import CompatConfig
from secc.energy_settings import AcConfig, DcConfig, EnergyConfig, EnergyMode
from secc.errors import ConfigError
from secc.ocpp.settings import OcppConfig
from secc.operation_settings import OperationConfig
from secc.pnc_settings import (
    ExpiryConfig,
    OfflinePolicy,
    PncConfig,
    RevocationCheck,
    SiteConfig,
    TariffPolicy,
)
from secc.sdp import TlsPolicy
from secc.service_settings import ValueAddedService, check_services
from secc.settings import build, check, check_duration
from secc.slac.settings import SlacConfig

__all__ = [
    "AcConfig",
    "ClientAuth",
    "CompatConfig",
    "DcConfig",
    "DinConfig",
    "EnergyConfig",
    "EnergyMode",
    "ExpiryConfig",
    "NetworkConfig",
    "OfflinePolicy",
    "Payment",
    "PncConfig",
    "ProtocolName",
    "RevocationCheck",
    "SeccConfig",
    "ServiceConfig",
    "SiteConfig",
    "SlacConfig",
    "TariffPolicy",
    "TimingConfig",
    "TlsChain",
    "TlsConfig",
    "TlsPolicy",
    "TrustConfig",
    "from_dict",
    "load",
]


class ProtocolName(enum.StrEnum):
    """Protocols that a station can speak."""

    ISO15118_2 = "iso15118-2"
    DIN70121 = "din70121"
    """DIN SPEC 70121: DC with external payment, never over TLS, whatever is configured [V2G-DC-869]."""


class Payment(enum.StrEnum):
    """How a session may be paid, by the literals on the wire."""

    EXTERNAL = "ExternalPayment"
    CONTRACT = "Contract"
    """Plug and Charge; only over TLS, whatever is configured [INV-21]."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Sockets and the limits on what a peer may make us hold."""

    tcp_port: int = 0
    """Port for plain TCP; 0 takes a free one in 49152..65535 at each start."""
    tls_port: int = 0
    """Port for TLS; as above."""
    max_payload: int = 8192
    """Bytes of one V2GTP payload, at most 65536; the largest lawful request has about 4.3 KiB."""
    max_pending: int = 8
    """Connections that may wait beside the running session; the oldest silent one gives way."""

    def __post_init__(self) -> None:
        for name in ("tcp_port", "tls_port"):
            check(0 <= getattr(self, name) <= 65535, f"network.{name}", "0..65535")
        check(64 <= self.max_payload <= 65536, "network.max_payload", "64..65536 bytes")
        check(1 <= self.max_pending <= 64, "network.max_pending", "1..64")


class ClientAuth(enum.StrEnum):
    """Whether an EV shows a certificate in the TLS handshake; the standard itself never asks for one."""

    NONE = "none"
    REQUEST = "request"
    """It may; a good chain becomes the identity of the connection, a bad one is reported."""
    REQUIRE = "require"
    """Without a good chain the handshake fails."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TlsChain:
    """One more chain, for EVs that trust another V2G root."""

    certificate_chain: pathlib.Path
    """As in `[tls]`."""
    private_key: pathlib.Path
    """As in `[tls]`."""
    root: pathlib.Path
    """PEM of the V2G root above the chain; a private root makes it a private chain."""
    private_key_password: pathlib.Path | None = None
    """As in `[tls]`."""
    ocsp_response: pathlib.Path | None = None
    """As in `[tls]`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Transport security; see `secc.sdp` for what each policy announces."""

    policy: TlsPolicy = TlsPolicy.OFF
    """`off`, `optional` (as the EV asks) or `required` (never plain, whatever happens) [INV-21]."""
    certificate_chain: pathlib.Path | None = None
    """PEM: SECC leaf first, then its Sub-CAs, without the root."""
    private_key: pathlib.Path | None = None
    """PEM of the leaf's key."""
    private_key_password: pathlib.Path | None = None
    """File that holds the password of the key; None when it has none."""
    ocsp_response: pathlib.Path | None = None
    """DER of an OCSP response for the leaf, stapled when the EV asks [V2G2-071]."""
    root: pathlib.Path | None = None
    """PEM of the V2G root above the chain, to know it in the EV's list of roots. Needed with `chains`."""
    chains: tuple[TlsChain, ...] = ()
    """More chains, `[[tls.chains]]`, for EVs that name other roots [V2G2-871]; the default is above."""
    client_auth: ClientAuth = ClientAuth.NONE
    """`none`, `request` or `require` a certificate of the EV, judged by the roots in `[trust]`."""
    ocsp_fetch: bool = False
    """Fetch OCSP responses for our leaf from the responder that it names, and refresh them in time."""
    ocsp_private_network: bool = False
    """The responder may lie in our own network: loopback, link-local and private addresses are asked too."""
    watch_interval: float = 2.0
    """How often the files above are looked at for new ones, which are taken for connections to come."""
    handshake_timeout: float = 5.0
    """One deadline for the whole handshake (policy), well inside the setup time."""
    key_log: pathlib.Path | None = None
    """Where to write TLS secrets for a packet analyser; never in production."""

    def __post_init__(self) -> None:
        check_duration(self.handshake_timeout, "tls.handshake_timeout", at_most=10.0)
        check_duration(self.watch_interval, "tls.watch_interval", at_most=3600.0)
        check(self.root is not None or not self.chains, "tls.root", "a file, as there are tls.chains")
        if self.policy is not TlsPolicy.OFF:
            check(self.certificate_chain is not None, "tls.certificate_chain", "a file, as TLS is on")
            check(self.private_key is not None, "tls.private_key", "a file, as TLS is on")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig:
    """Roots under which certificates of EVs are accepted. Each root only for what it is listed for."""

    v2g_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with V2G roots; a folder stands for all `*.pem` in it, here and below."""
    mo_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of mobility operators: contracts."""
    oem_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of car makers: provisioning certificates."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimingConfig:
    """The timers of the standard on the station's side, with its values as defaults, and our own bounds."""

    communication_setup: float = 18.0
    """V2G_SECC_CommunicationSetup: from the link to SessionSetupRes [V2G2-716]."""
    sequence: float = 60.0
    """V2G_SECC_Sequence_Timeout: from a response to the next request [V2G2-443]."""
    authorization: float = 55.0
    """V2G_SECC_Ongoing: from the first AuthorizationRes Ongoing to a decision [V2G2-712] [V2G2-713]."""
    revocation: float = 3.0
    """From PaymentDetailsReq until the search for OCSP responses and CRLs is given up; the answer is due
    after 4.5 s."""
    provisioning: float = 4.2
    """From CertificateInstallationReq or CertificateUpdateReq until the back end's answer comes too late; the
    EV is answered before 4.5 s. A late one is kept for the EV's next try."""
    contract_answer: float = 20.0
    """From the first AuthorizationReq with a contract until the back end counts as away: then
    `pnc.offline` decides."""
    charge_parameters: float = 55.0
    """V2G_SECC_Ongoing: the same for ChargeParameterDiscoveryRes [V2G2-712] [V2G2-713]."""
    cable_check: float = 38.0
    """V2G_SECC_CableCheck: from the first CableCheckRes Ongoing to Finished [V2G2-605]."""
    pre_charge: float = 5.0
    """V2G_SECC_PreCharge: from the first PreChargeReq to the voltage it asks for [V2G2-605]."""
    pre_charge_total: float = 20.0
    """From the first PreChargeReq to PowerDeliveryReq; our bound, the output goes off then."""
    voltage: float = 2.0
    """From a PowerDeliveryReq that starts until the outlet reads the EV's voltage; our bound, at most 4. In
    DIN SPEC 70121 `answer_margin` ends it sooner: there the answer is due after 1.5 s."""
    voltage_reading: float = 0.1
    """How often a reading or the contactor's feedback is looked at while something waits for it."""
    discharge: float = 5.0
    """From the order to switch off until the DC output reads no more than `energy.dc.safe_voltage` where an
    isolation test waits for that or no cable is plugged in, and no current; our bound. After it the outlet is
    blocked."""
    contactor_release: float = 1.0
    """From the order to open until the contactor's feedback shows it; our bound, at most 1.5. After it the
    outlet is blocked."""
    contactor_lost: float = 0.2
    """How long the feedback may show open while the contactor has to be closed; our bound. After it the
    outlet is blocked."""
    din_demand: float = 5.0
    """DIN SPEC 70121: from a CurrentDemandRes to the next request [V2G-DC-957]."""
    contactor: float = 3.0
    """From control pilot C or D to the closed contactor [V2G2-862]."""
    pilot: float = 1.5
    """V2G_SECC_CPState_Detection: to see the control pilot state that a request implies [V2G2-917]."""
    answer_margin: float = 0.1
    """How long before its performance time an answer leaves at the latest, with what is known then: whatever
    is still waited for (`pilot`, `contactor`, `voltage`, `revocation`, `provisioning`) is given up. It covers
    the way from the decision to the wire on a busy machine."""
    welding_detection: float = 20.0
    """From the first WeldingDetectionReq to SessionStopReq; our bound."""
    stop_delay: float = 10.0
    """NotificationMaxDelay of an ordered stop; the output is forced off after it. Told in whole seconds."""
    stop_grace: float = 10.0
    """From a stop that comes before energy flows, or that switches off at once (a withdrawn authorization),
    until the EV is refused: up to then its requests are answered OK, with EVSE_Shutdown and StopCharging in
    the answer and the output off, so that it ends in order. At most 60."""
    close_delay: float = 2.0
    """From the last response to closing TCP, at most 5; the EV should close first [V2G2-025]."""
    lease: float = 0.5
    """How long the output may stay energised without renewal, at most 0.5 [INV-31]."""
    lease_renewal: float = 0.2
    """How often it is renewed and the limits are applied anew."""
    minimum_pace: float = 0.0
    """A response leaves this long after its request at the earliest, except CurrentDemandRes. Some cars fail
    when answers come too fast: 0.1 is usual in the field."""
    renegotiate_after: float = 60.0
    """From an offer until the EV is asked at the earliest to renegotiate because more has become possible:
    `energy.renegotiate_above`."""
    pause: float = 86_400.0
    """How long a paused session may be continued; our bound."""
    backend_call: float = 50.0
    """How long the shell waits for an answer of the back end other than an authorization."""
    controller_call: float = 5.0
    """How long the shell waits for a call of the controller, the cable check excepted."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            at_most = _DURATION_LIMITS.get(field.name, 300.0)
            at_least = 0.0 if field.name in _MAY_BE_ZERO else 0.001
            check_duration(
                getattr(self, field.name), f"timing.{field.name}", at_most=at_most, at_least=at_least
            )
        check(self.lease_renewal < self.lease, "timing.lease_renewal", "less than timing.lease")
        check(self.pre_charge <= self.pre_charge_total, "timing.pre_charge_total", "pre_charge or more")


_MAY_BE_ZERO = ("minimum_pace", "stop_delay", "close_delay", "answer_margin")
_DURATION_LIMITS = {
    "lease": 0.5,
    "close_delay": 5.0,
    "minimum_pace": 1.0,
    "stop_grace": 60.0,
    "answer_margin": 1.0,
    "sequence": 3600.0,
    "voltage": 4.0,
    "voltage_reading": 1.0,
    "discharge": 30.0,
    "contactor_release": 1.5,
    "contactor_lost": 1.0,
    "pause": 604_800.0,
    "renegotiate_after": 86_400.0,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The charge service."""

    payment_options: tuple[Payment, ...] = (Payment.EXTERNAL,)
    """Ways to pay, in the order offered."""
    free: bool = False
    """FreeService: no money is asked for. An authorization is needed all the same."""
    value_added: tuple[ValueAddedService, ...] = ()
    """Services beside charging, `[[service.value_added]]`, at most seven; a back end may add more."""

    def __post_init__(self) -> None:
        options = self.payment_options
        check(0 < len(options) == len(set(options)), "service.payment_options", "one or both of the options")
        check_services(self.value_added, "service.value_added")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DinConfig:
    """What only DIN SPEC 70121 asks for."""

    evse_id: str = ""
    """EVSEID by DIN SPEC 91286: digits and stars, `49*123*456*789` for example, an even number of them and at
    most 64. Empty: the EV is told that it is not known [V2G-DC-876]."""

    def __post_init__(self) -> None:
        good = re.fullmatch(r"([0-9*]{2}){0,32}", self.evse_id) is not None
        check(good, "din.evse_id", "an even number of digits and stars, at most 64")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeccConfig:
    """Everything about one outlet."""

    evse_id: str = "ZZ*000*E0"
    """EVSEID as told to the EV, 7 to 37 characters."""
    interface: str = "eth1"
    """Network interface of the charging cable; sockets are bound to its link-local address only."""
    protocols: tuple[ProtocolName, ...] = (ProtocolName.ISO15118_2, ProtocolName.DIN70121)
    """Which protocols are offered, `iso15118-2` and `din70121`; among them the EV's own ranking decides. An
    outlet without DC offers the first one only, and so does a connection with TLS."""
    network: NetworkConfig = NetworkConfig()
    """Sockets."""
    tls: TlsConfig = TlsConfig()
    """Transport security."""
    trust: TrustConfig = TrustConfig()
    """Roots for certificates of EVs."""
    timing: TimingConfig = TimingConfig()
    """Timers."""
    energy: EnergyConfig = EnergyConfig()  # noqa: RUF009 - frozen, as all of them
    """What is offered."""
    service: ServiceConfig = ServiceConfig()
    """How it is paid."""
    pnc: PncConfig = PncConfig()  # noqa: RUF009 - frozen, as all of them
    """Plug and Charge."""
    expiry: ExpiryConfig = ExpiryConfig()  # noqa: RUF009
    """Certificates that end soon."""
    din: DinConfig = DinConfig()
    """DIN SPEC 70121."""
    compat: CompatConfig = CompatConfig()  # noqa: RUF009 - frozen, as all of them
    """Leniencies."""
    operation: OperationConfig = OperationConfig()  # noqa: RUF009
    """Journal, metrics, health."""
    slac: SlacConfig = SlacConfig()  # noqa: RUF009 - frozen, as all of them
    """Matching."""
    ocpp: OcppConfig = OcppConfig()  # noqa: RUF009 - frozen, as all of them
    """Central system."""

    def __post_init__(self) -> None:
        check(
            re.fullmatch(r"[A-Za-z0-9*]{7,37}", self.evse_id) is not None, "evse_id", "7..37 of A-Z, 0-9, *"
        )
        check(re.fullmatch(r"[^\s/]{1,15}", self.interface) is not None, "interface", "1..15 characters")
        if self.service.payment_options == (Payment.CONTRACT,):
            required = self.tls.policy is TlsPolicy.REQUIRED
            check(required, "tls.policy", "required, as there is no payment option without TLS")
        check(0 < len(self.protocols) == len(set(self.protocols)), "protocols", "one or both of the names")
        if self.protocols == (ProtocolName.DIN70121,):
            plain = self.tls.policy is not TlsPolicy.REQUIRED
            words = "a DC mode, ExternalPayment and connections without TLS, as there is only DIN"
            check(self.offers_din and plain, "protocols", words)

    @property
    def offers_din(self) -> bool:
        """DIN SPEC 70121 may be chosen on a connection without TLS: it is DC, paid outside the car."""
        external = Payment.EXTERNAL in self.service.payment_options
        return ProtocolName.DIN70121 in self.protocols and self.energy.offers_dc and external


def load(path: str | pathlib.Path) -> SeccConfig:
    """Read a TOML file; raises ConfigError when it is missing, malformed, or says something unknown or wrong.

    File names in it are taken relative to the folder it lies in.
    """
    path = pathlib.Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return from_dict(document, folder=path.parent)


def from_dict(document: dict[str, object], *, folder: pathlib.Path = pathlib.Path()) -> SeccConfig:
    """The same from a parsed document."""
    return typing.cast(SeccConfig, build(SeccConfig, document, "", folder))
