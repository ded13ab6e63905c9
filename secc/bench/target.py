"""What the tester is told about a station, and what it finds out by itself before the first case."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

from secc.bench.pki import CarPki
from secc.bench.timers import Timers
from secc.messages.iso2 import EnergyTransferMode, PaymentOption
from secc.sdp import SDP_PORT

Switch = Callable[[str], Awaitable[None]]
"""Moves something of the test stand into a state."""

DECLARATIONS = {
    "no-grant": "nobody authorises at this station",
    "silent-back-end": "its back end never answers about contracts",
    "schedules-ongoing": "ChargeParameterDiscoveryRes says Ongoing before it has schedules",
    "cable-check-ongoing": "CableCheckRes says Ongoing before it is finished",
    "meter": "it sends MeterInfo",
    "receipt": "it asks for metering receipts when paid by contract",
    "tariff": "it sends SalesTariff",
    "no-pause": "sessions cannot be paused and resumed",
    "no-welding-detection": "it does not take WeldingDetectionReq",
}
"""What an operator may declare about a station: the statement that a conformance test begins with."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvData:
    """What the tester's EV says about itself. Small values: the far end may be a real power stage."""

    voltage: float = 350.0
    """V, DC: of the battery."""
    max_voltage: float = 410.0
    """V, DC."""
    current: float = 10.0
    """A, DC: asked for in the loop."""
    max_current: float = 60.0
    """A, DC."""
    ac_current: float = 16.0
    """A per phase."""
    energy: float = 10_000.0
    """Wh."""
    departure: int = 7200
    """s, where a case has DepartureTime."""
    evcc_id: bytes = bytes.fromhex("02005E1000BE")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the station is, and what was declared about it."""

    interface: str = "lo"
    host: str | None = None
    """With `port`: no discovery."""
    port: int | None = None
    sdp_port: int = SDP_PORT
    tls: bool = False
    """Cases that need neither run over TLS, also where plain is to be had."""
    roots: Path | None = None
    """PEM of V2G roots; None: any certificate of the station is accepted."""
    timers: Timers = Timers()  # noqa: RUF009 - frozen
    ev: EvData = EvData()
    declared: frozenset[str] = frozenset()
    pilot: Switch | None = None
    """Puts the control pilot into state A, B, C, D or E; None: the station follows what the EV says."""
    link: Switch | None = None
    """Sets the data link `up` or `down`, as matching over the power line does; None: it is always there."""
    pki: CarPki | None = None
    long: bool = False
    """Wait for timers of more than `selection.LONG_WAIT` seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class DiscoveryOffer:
    """What one connection offers."""

    modes: tuple[EnergyTransferMode, ...] = ()
    payment: tuple[PaymentOption, ...] = ()
    services: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a station."""

    plain: DiscoveryOffer | None = None
    """None: no plain connection."""
    tls: DiscoveryOffer | None = None
    din: bool = False
    problem: str = ""
    """Why nothing could be found out."""
    can_update: bool = False
    """The certificate service has the parameter set for CertificateUpdate."""

    def offer(self, *, tls: bool) -> DiscoveryOffer:
        """Of one kind of connection; empty where there is none."""
        return (self.tls if tls else self.plain) or DiscoveryOffer()

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        """Over any connection."""
        offers = [offer for offer in (self.plain, self.tls) if offer is not None]
        return tuple(dict.fromkeys(mode for offer in offers for mode in offer.modes))
