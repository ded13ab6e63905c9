"""What the tester is told about a station, and what it finds out by itself before the first case."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

from secc.bench.case import Case, Need, Timers
from secc.bench.pki import CarPki
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
    """Wait for timers of more than `LONG_WAIT` seconds."""


LONG_WAIT = 10.0
"""Seconds from which on waiting for a timer counts as long."""


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What one connection offers."""

    modes: tuple[EnergyTransferMode, ...] = ()
    payment: tuple[PaymentOption, ...] = ()
    services: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a station."""

    plain: Offer | None = None
    """None: no plain connection."""
    tls: Offer | None = None
    din: bool = False
    problem: str = ""
    """Why nothing could be found out."""
    can_update: bool = False
    """The certificate service has the parameter set for CertificateUpdate."""

    def offer(self, *, tls: bool) -> Offer:
        """Of one kind of connection; empty where there is none."""
        return (self.tls if tls else self.plain) or Offer()

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        """Over any connection."""
        offers = [offer for offer in (self.plain, self.tls) if offer is not None]
        return tuple(dict.fromkeys(mode for offer in offers for mode in offer.modes))


def missing(case: Case, target: Target, facts: Facts) -> Need | None:
    """The first need that is not met; None: the case applies."""
    met = _met(case, target, facts)
    return next((need for need in Need if need in case.needs and not met.get(need, True)), None)


def runs_over_tls(case: Case, target: Target, facts: Facts) -> bool:
    """Which connection a case gets."""
    if Need.TLS in case.needs or Need.CONTRACT in case.needs:
        return True
    if Need.PLAIN in case.needs:
        return False
    return facts.plain is None or (target.tls and facts.tls is not None)


def _met(case: Case, target: Target, facts: Facts) -> dict[Need, bool]:
    declared, pki = target.declared, target.pki
    tls = runs_over_tls(case, target, facts)
    offer = facts.offer(tls=tls)
    return {
        Need.AC: not facts.problem and any(mode.value.startswith("AC") for mode in facts.modes),
        Need.DC: not facts.problem and any(mode.value.startswith("DC") for mode in facts.modes),
        Need.SDP: target.host is None,
        Need.PLAIN: facts.plain is not None,
        Need.TLS: facts.tls is not None,
        Need.NO_TLS: facts.tls is None,
        Need.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT in offer.payment,
        Need.NO_EXTERNAL: PaymentOption.EXTERNAL_PAYMENT not in offer.payment,
        Need.NO_CONTRACT: PaymentOption.CONTRACT not in offer.payment,
        Need.CONTRACT: PaymentOption.CONTRACT in facts.offer(tls=True).payment,
        Need.WALLET: pki is not None,
        Need.ISSUER: pki is not None and pki.can_issue,
        Need.CERTIFICATE_SERVICE: 2 in facts.offer(tls=True).services,
        Need.CERTIFICATE_UPDATE: facts.can_update,
        Need.INTERNET: 3 in facts.offer(tls=True).services,
        Need.VALUE_ADDED: bool(set(facts.offer(tls=True).services) - {1}),
        Need.PILOT: target.pilot is not None,
        Need.LINK: target.link is not None,
        Need.BASIC: False,
        Need.WAKE: False,
        Need.NO_GRANT: "no-grant" in declared,
        Need.SLOW_BACKEND: "silent-back-end" in declared,
        Need.SLOW_SCHEDULES: "schedules-ongoing" in declared,
        Need.METER: "meter" in declared,
        Need.METER_EIM: "meter" in declared,
        Need.RECEIPT: "receipt" in declared,
        Need.TARIFF: "tariff" in declared,
        Need.PAUSE: "no-pause" not in declared,
        Need.DIN: facts.din,
        Need.LONG: target.long or sum(getattr(target.timers, name) for name in case.waits) <= LONG_WAIT,
        Need.ENDURANCE: False,
    }
