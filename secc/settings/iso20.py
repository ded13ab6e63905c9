"""Settings of `[iso20]` and its sub-tables: ISO 15118-20. Seconds and W; a key for each choice that the
standard or the field leaves open."""

import dataclasses
import enum
import pathlib

from secc.settings.checks import Settings, check, check_duration, check_range
from secc.settings.pnc import RevocationCheck
from secc.settings.tls import TlsChain

__all__ = [
    "DischargeSign",
    "IslandingDetection",
    "Iso20Config",
    "Iso20TlsConfig",
    "Pricing",
    "TimestampUnit",
    "ToleranceRefused",
]


class TimestampUnit(enum.StrEnum):
    """Unit of the station's time stamps and time anchors; those of the EV are read in any unit."""

    MICROSECONDS = "microseconds"
    """The unit of the standard [V2G20-1534]."""
    SECONDS = "seconds"
    """What several stacks of the field send."""


class DischargeSign(enum.StrEnum):
    """Sign of the station's discharge limits on the wire; those of the EV are read with either sign."""

    MIRROR = "mirror"
    """As the EV's ChargeParameterDiscoveryReq: positive when one of its discharge limits is above zero."""
    NEGATIVE = "negative"
    """The form of the standard [V2G20-1213]."""
    POSITIVE = "positive"


class IslandingDetection(enum.StrEnum):
    """GridCodeIslandingDetectionMethod of the AC_BPT service."""

    ACTIVE = "active"
    PASSIVE = "passive"

    @property
    def number(self) -> int:
        """The value on the wire."""
        return 1 if self is IslandingDetection.ACTIVE else 2


class Pricing(enum.StrEnum):
    """Form in which prices are sent; the Pricing parameter of a parameter set."""

    ABSOLUTE = "absolute"
    """Fees in a currency, taxes, overstay."""
    LEVELS = "levels"
    """Cheaper and dearer times, without a currency."""

    @property
    def number(self) -> int:
        """The value on the wire; 0 is a set without prices."""
        return 1 if self is Pricing.ABSOLUTE else 2


class ToleranceRefused(enum.StrEnum):
    """What follows when the EV does not confirm `iso20.power_tolerance`."""

    RENEGOTIATE = "renegotiate"
    """WARNING_PowerToleranceNotConfirmed: the EV may choose again [V2G20-1946]."""
    STOP = "stop"
    """FAILED_PowerToleranceNotConfirmed: the session ends [V2G20-1945]."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20TlsConfig(Settings, section="iso20.tls"):
    """The chain a station presents in TLS 1.3, beside the one of `[tls]`; the other keys of `[tls]` hold too.

    TLS 1.3 is offered while this chain can be used, at the same port as TLS 1.2. What the EV offers first
    decides between them.
    """

    certificate_chain: pathlib.Path | None = None
    """PEM: SECC leaf first, on secp521r1 or Ed448, then its Sub-CAs, without the root. None: no TLS 1.3."""
    private_key: pathlib.Path | None = None
    """PEM of the leaf's key."""
    private_key_password: pathlib.Path | None = None
    """File that holds the password of the key; None when it has none."""
    root: pathlib.Path | None = None
    """PEM of the V2G root above the chain, to recognise it among the roots the EV names [V2G20-1007]."""
    ocsp_response: pathlib.Path | None = None
    """DER of an OCSP response for the leaf; `tls.ocsp_fetch` fetches one for this chain too."""
    chains: tuple[TlsChain, ...] = ()
    """More chains, `[[iso20.tls.chains]]`, for EVs that name other roots; the default is above."""
    require_ocsp: bool = False
    """Offer TLS 1.3 only while there is an OCSP response to staple. For public stations: there an EV refuses
    a chain without one [V2G20-2388] and can still charge by ISO 15118-2."""

    def _check(self) -> None:
        check(
            self.root is not None or not self.chains,
            "iso20.tls.root",
            "a file, as there are iso20.tls.chains",
        )
        both = (self.certificate_chain is None) == (self.private_key is None)
        check(both, "iso20.tls.private_key", "a file exactly where iso20.tls.certificate_chain is one")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20Config(Settings, section="iso20"):
    """ISO 15118-20. It is used over TLS 1.3 with a vehicle certificate only [V2G20-1235] [V2G20-2356]."""

    tls: Iso20TlsConfig = Iso20TlsConfig()
    """The chain for TLS 1.3."""
    insecure_lab: bool = False
    """Laboratory only: ISO 15118-20 also over plain TCP and TLS 1.2, and certificates of any curve in use
    (P-256 too) in TLS 1.3, as several test EVs have nothing better. Never use it at a station for the
    public."""
    iso2_over_tls13: bool = True
    """ISO 15118-2 may be chosen on a TLS 1.3 connection, as the text is read in the field."""
    common_in_8001: bool = True
    """Read CommonMessages in payload type 0x8001 too: one EV sends CertificateInstallationReq so."""
    max_payload: int = 65_536
    """Bytes of the largest request in ISO 15118-20: a power profile of 2048 entries, an energy offer. It
    holds in the states in which such a request may come; in all others `network.max_payload` does."""
    timestamp_unit: TimestampUnit = TimestampUnit.MICROSECONDS
    """`microseconds` or `seconds`."""
    mcs: bool = False
    """Offer the megawatt services (8, 9) in place of DC (2, 6): the outlet has an MCS inlet."""
    discharge: bool = False
    """The operator permits energy to flow from the EV to the station, up to `energy.dc.max_discharge_power`
    or `energy.ac.max_discharge_current`. A back end may permit or withdraw it while the station runs. Without
    a permission no bidirectional service is offered."""
    discharge_sign: DischargeSign = DischargeSign.MIRROR
    """`mirror`, `negative` or `positive`."""
    islanding_detection: IslandingDetection = IslandingDetection.ACTIVE
    """`active` or `passive`: what the grid code asks of the EV's inverter, AC."""
    der: bool = False
    """Offer AC_DER_IEC (service 10, Amendment 1) in its namespace, beside AC: the EV feeds the grid by the
    rules that a back end has from the grid operator (`secc.ports.GridRules`). Needs an AC outlet."""
    der_reactive_power: float = 0.0
    """var that an EV may be asked for at most in AC_DER_IEC, in each direction."""
    mobility_needs: bool = False
    """Offer MobilityNeedsMode 2: the back end knows when the driver departs, and how full the battery must
    be then."""
    service_renegotiation: bool = True
    """Let the EV change the service within the session."""
    standby: bool = False
    """Let the EV stand by in the charge loop: AC with the contactor open, DC with a current of zero. Off: its
    request gets WARNING_StandbyNotAllowed, and the charge goes on."""
    internet: tuple[int, ...] = ()
    """Parameter sets of the Internet service to offer: 1 and 2 FTP, 3 HTTP, 4 HTTPS; none by default."""
    parking: tuple[int, ...] = ()
    """Parameter sets of the ParkingStatus service to offer: 1 to 4 check-in with ParkingStatusType 1 to 4, 5
    to 8 check-out with the same; none by default. It is made for charging without a cable."""
    price_schedule: bool = True
    """Send a price schedule of one level with each schedule, although nothing is priced [V2G20-2176]: an EV
    of the field rejects a schedule without one."""
    prices: tuple[Pricing, ...] = ()
    """Forms in which the back end prices energy, `absolute` and `levels`; each adds parameter sets to the
    energy services. Needs a back end that derives from `secc.ports.PricesEnergy`."""
    receipts: bool = True
    """Send a Receipt with MeterInfo, with the costs by the absolute prices in force."""
    power_ramp_limitation: float | None = None
    """EVSEPowerRampLimitation, sent as it stands here; None leaves it out. The station itself keeps to
    `energy.dc.current_ramp` and `energy.ac.power_ramp`."""
    power_tolerance: float | None = None
    """W by which the EV may be away from its profile; it must confirm this. None: nothing is asked."""
    tolerance_refused: ToleranceRefused = ToleranceRefused.RENEGOTIATE
    """`renegotiate` or `stop`."""
    profile_tolerance: float = 0.1
    """AC: part of the power in force by which the measured power may be above it [V2G20-1864]."""
    profile_grace: float = 10.0
    """AC: how long the measured power may be above it until the EV is warned; as long again until it is
    refused and the contactor opens."""
    loop_timeout: float = 2.0
    """From a ChargeLoopRes to the next request. The standard has 0.5 s [V2G20-1500] [V2G20-1502]; EVs of the
    field pace their loop at that value and would be cut off by it."""
    demand_age: float = 1.0
    """DC: from a request of the charge loop until its demand counts no more and the current is zero; the
    session goes on until `loop_timeout`."""
    loop_pace: float = 0.05
    """A response of the charge loop, or of a side stream, leaves this long after the one before on its stream
    at the earliest."""
    side_stream: float = 60.0
    """From a response on the side stream for schedules to the next request there; then that renegotiation is
    left, and the charge loop goes on."""
    contracts: bool = True
    """Offer Plug and Charge, if `service.payment_options` has Contract and a root for contracts on secp521r1
    or Ed448 is in `[trust]`. False: external identification only, for EVs of the field that stop at an offer
    of both."""
    vehicle_revocation: RevocationCheck = RevocationCheck.PREFER
    """Vehicle certificates with an unknown revocation status: refused (`require`), accepted (`prefer`), or
    not asked about (`off`) [V2G20-2440]. A revoked one is refused. The back end is asked if it answers, and,
    with `pnc.revocation_fetch`, the OCSP responders and lists that the certificates name."""
    vehicle_status: float = 3.0
    """From SessionSetupReq until the revocation status of the vehicle counts as unknown."""
    authorization: float = 180.0
    """From the first AuthorizationRes Ongoing until the attempt has failed."""
    authorization_attempts: int = 5
    """How many attempts to authorize may fail until the session ends [V2G20-2102]."""
    installation: float = 50.0
    """From the first CertificateInstallationRes Ongoing until there is no contract for the vehicle; an EV
    waits 60 s. An answer that comes later is kept for its next session (`pnc.bundle_memory`)."""
    installations: int = 3
    """How many contracts a vehicle may request from the back end in one session."""
    schedules: float = 50.0
    """From the first ScheduleExchangeRes Ongoing until the outlet's limit is offered in place of an answer of
    the back end; an EV waits 60 s."""
    pre_charge: float = 10.0
    """From the first DC_PreChargeReq to the voltage it asks for."""
    needs_interval: float = 30.0
    """Shortest time between two reports of the EV's needs to the back end in the charge loop."""
    pause_delay: float = 60.0
    """NotificationMaxDelay of a pause that the station asks for [V2G20-1850]; in whole seconds."""
    notification_delay: float = 30.0
    """NotificationMaxDelay of a renegotiation that the station asks for; in whole seconds."""
    metering_confirmation: float = 10.0
    """NotificationMaxDelay of a metering confirmation; then the EV is not asked any longer. How often it is
    asked: `pnc.receipt_interval`. In whole seconds."""
    acknowledge_delay: int = 30
    """AckMaxDelay: seconds in which the EV is to acknowledge changed mobility needs."""

    def _check(self) -> None:
        check(8192 <= self.max_payload <= 131_072, "iso20.max_payload", "8192..131072 bytes")
        for name, at_most in _DURATIONS.items():
            check_duration(getattr(self, name), f"iso20.{name}", at_most=at_most)
        check_range(self.loop_pace, "iso20.loop_pace", 0.0, 0.2)
        check_range(self.loop_timeout, "iso20.loop_timeout", 0.5, 60.0)
        check_range(self.profile_tolerance, "iso20.profile_tolerance", 0.0, 1.0)
        check_range(self.authorization_attempts, "iso20.authorization_attempts", 1, 100)
        check_range(self.installations, "iso20.installations", 1, 100)
        check_range(self.acknowledge_delay, "iso20.acknowledge_delay", 0, 3600)
        if self.power_ramp_limitation is not None:
            check_range(self.power_ramp_limitation, "iso20.power_ramp_limitation", 0.0, 1_000_000.0)
        check_range(self.der_reactive_power, "iso20.der_reactive_power", 0.0, 10_000_000.0)
        if self.power_tolerance is not None:
            check_range(self.power_tolerance, "iso20.power_tolerance", 0.0, 1_000_000.0)
        check(set(self.parking) <= set(range(1, 9)), "iso20.parking", "numbers from 1 to 8")
        check(len(set(self.parking)) == len(self.parking), "iso20.parking", "each number once")
        check(set(self.internet) <= {1, 2, 3, 4}, "iso20.internet", "numbers from 1 to 4")
        check(len(set(self.internet)) == len(self.internet), "iso20.internet", "each number once")
        check(len(set(self.prices)) == len(self.prices), "iso20.prices", "each form once")


_DURATIONS = {
    "profile_grace": 300.0,
    "demand_age": 60.0,
    "authorization": 600.0,
    "installation": 55.0,
    "vehicle_status": 55.0,
    "schedules": 55.0,
    "pre_charge": 60.0,
    "pause_delay": 3600.0,
    "notification_delay": 3600.0,
    "side_stream": 600.0,
    "needs_interval": 3600.0,
    "metering_confirmation": 3600.0,
}
