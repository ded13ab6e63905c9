"""Facts about a station: declared by the operator, or found out before the first case."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

from secc.bench.pki import CarPki
from secc.bench.timers import BenchTimers
from secc.messages.iso2 import EnergyTransferMode, PaymentOption
from secc.sdp import SDP_PORT
from secc.session.iso20.services import Service

__all__ = ["DECLARATIONS", "DiscoveryOffer", "EvData", "Facts", "Switch", "Target"]

Switch = Callable[[str], Awaitable[None]]
"""Sets a part of the test stand to a state."""

DECLARATIONS = {
    "no-grant": "sessions are never authorised",
    "refuses": "the back end refuses every external identification",
    "silent-back-end": "the back end never answers about contracts",
    "schedules-ongoing": "ChargeParameterDiscoveryRes is Ongoing before it has schedules",
    "cable-check-ongoing": "CableCheckRes is Ongoing before it is finished",
    "meter": "the station sends MeterInfo",
    "receipt": "the station requests metering receipts when paid by contract",
    "tariff": "the station sends SalesTariff",
    "no-pause": "sessions cannot be paused and resumed",
    "no-welding-detection": "the station does not accept WeldingDetectionReq",
}
"""Declarations of an operator about a station, with which a conformance test starts."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvData:
    """Parameters of the EV. The values are small, as the station may have a real power stage."""

    voltage: float = 350.0
    """Volts, DC: of the battery."""
    max_voltage: float = 410.0
    """Volts, DC."""
    current: float = 10.0
    """Amperes, DC: requested in the loop."""
    max_current: float = 60.0
    """Amperes, DC."""
    ac_current: float = 16.0
    """Amperes per phase, AC."""
    energy: float = 10_000.0
    """Wh."""
    departure: int = 7200
    """Seconds, in cases with DepartureTime."""
    evcc_id: bytes = bytes.fromhex("02005E1000BE")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Address of the station, and what was declared about it."""

    interface: str = "lo"
    host: str | None = None
    """With `port`, discovery is not used."""
    port: int | None = None
    sdp_port: int = SDP_PORT
    tls: bool = False
    """Cases that work with both use TLS, also if a plain connection is available."""
    roots: Path | None = None
    """PEM of V2G roots; None: any certificate of the station is accepted."""
    timers: BenchTimers = BenchTimers()  # noqa: RUF009 - frozen
    ev: EvData = EvData()
    declared: frozenset[str] = frozenset()
    pilot: Switch | None = None
    """Sets the control pilot to state A, B, C, D or E; None: the station follows the messages of the EV."""
    link: Switch | None = None
    """Sets the data link `up` or `down`, as matching over the power line does; None: it is always up."""
    pki: CarPki | None = None
    long: bool = False
    """Also wait for timers of more than `selection.LONG_WAIT` seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class DiscoveryOffer:
    """Offer on one connection."""

    modes: tuple[EnergyTransferMode, ...] = ()
    payment: tuple[PaymentOption, ...] = ()
    services: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """Facts that were found out about a station."""

    plain: DiscoveryOffer | None = None
    """None: no plain connection."""
    tls: DiscoveryOffer | None = None
    din: bool = False
    iso20: frozenset[Service] = frozenset()
    """Services of ISO 15118-20, over the connection that `iso20_tls` names."""
    iso20_tls: bool = False
    """ISO 15118-20 is had over TLS 1.3; otherwise on plain TCP, which only a laboratory allows."""
    problem: str = ""
    """Reason why nothing could be found out."""
    iso20_pnc: bool = False
    """ISO 15118-20 offers authorization by contract."""
    iso20_installation: bool = False
    """ISO 15118-20 offers CertificateInstallation."""
    can_update: bool = False
    """The certificate service has the parameter set for CertificateUpdate."""

    def offer(self, *, tls: bool) -> DiscoveryOffer:
        """Offer on one kind of connection; empty if it is not available."""
        return (self.tls if tls else self.plain) or DiscoveryOffer()

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        """Offered on any connection."""
        offers = [offer for offer in (self.plain, self.tls) if offer is not None]
        return tuple(dict.fromkeys(mode for offer in offers for mode in offer.modes))
