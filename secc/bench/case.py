"""Test cases, and the outcome of one.

A case is data: an id, what is done, what must come back, what station and tester need for it, and one
function that does it. The function gets a `Trial`, returns when all was as expected, and raises one of the
exceptions of `verdict` when not.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Awaitable, Callable

from secc.bench.trial import Trial
from secc.bench.verdict import BenchVerdict, FrameRecord


class Need(enum.Enum):
    """What a case needs; the value is the reason given where it is missing."""

    AC = "the station offers no AC mode"
    DC = "the station offers no DC mode"
    SDP = "discovery is left out: an address was given"
    PLAIN = "the station gives no plain connection"
    TLS = "the station gives no TLS connection"
    NO_TLS = "the station has TLS"
    EXTERNAL = "the station does not offer ExternalPayment on this connection"
    NO_CONTRACT = "the station offers Contract on this connection"
    NO_EXTERNAL = "the station offers ExternalPayment on this connection"
    CONTRACT = "the station does not offer Contract"
    WALLET = "no contract was given to the tester (--pki)"
    ISSUER = "the tester has no keys to issue defective certificates (--pki)"
    CERTIFICATE_SERVICE = "the station does not offer the certificate service"
    CERTIFICATE_UPDATE = "the station does not offer CertificateUpdate"
    INTERNET = "the station does not offer the Internet service"
    VALUE_ADDED = "the station offers no value-added service"
    PILOT = "the tester has no hold of the control pilot (--pilot-command)"
    LINK = "the tester cannot set up the data link and take it down (--link-command)"
    BASIC = "the tester cannot disturb the basic signalling in this way"
    WAKE = "the tester cannot make the station wake the EV (B1/B2)"
    NO_GRANT = "needs a station where nobody authorises (--declare no-grant)"
    SLOW_BACKEND = "needs a station whose back end does not answer (--declare silent-back-end)"
    SLOW_SCHEDULES = "not declared: Ongoing in ChargeParameterDiscovery (--declare schedules-ongoing)"
    METER = "the station declares no meter (--declare meter)"
    METER_EIM = "the station declares no MeterInfo with external payment (--declare meter)"
    RECEIPT = "the station declares no metering receipts (--declare receipt)"
    TARIFF = "the station declares no SalesTariff (--declare tariff)"
    PAUSE = "the station declares no pausing"
    DIN = "the station does not speak DIN SPEC 70121"
    LONG = "waits for long timers; left out without --long"
    ENDURANCE = "an endurance run of the authors, not of the standard"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case."""

    id: str
    group: str
    """What it is listed under."""
    title: str
    """What is done to the station."""
    expect: str
    """What has to come back."""
    run: Callable[[Trial], Awaitable[None]]
    ids: str = ""
    """Requirements of the standard, with spaces between."""
    needs: frozenset[Need] = frozenset()
    waits: tuple[str, ...] = ()
    """Timers of the station that run out in it, by their names in `Timers`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """One case that was looked at."""

    case: Case
    verdict: BenchVerdict
    reason: str = ""
    """Why not passed: for a failed case what came instead."""
    remarks: tuple[str, ...] = ()
    """Worth knowing, without an effect on the verdict."""
    duration: float = 0.0
    log: tuple[FrameRecord, ...] = ()
