"""Test cases and their outcomes.

A case is data: an id, an action, an expectation, requirements for station and tester, and one function that
runs it. The function receives a `Trial`, returns when all expectations are met, and otherwise raises one of
the exceptions of `verdict`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Awaitable, Callable

from secc.bench.trial import Trial
from secc.bench.verdict import BenchVerdict, FrameRecord

__all__ = ["Case", "CaseOutcome", "Need"]


class Need(enum.Enum):
    """Requirement of a case; the value is the reason that is reported when it is missing."""

    AC = "the station offers no AC mode"
    DC = "the station offers no DC mode"
    SDP = "discovery is not used: an address was given"
    PLAIN = "the station offers no plain connection"
    TLS = "the station offers no TLS connection"
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
    PILOT = "the tester cannot control the pilot (--pilot-command)"
    LINK = "the tester cannot connect and disconnect the data link (--link-command)"
    BASIC = "the tester cannot disturb the basic signalling in this way"
    WAKE = "the tester cannot make the station wake the EV (B1/B2)"
    REFUSES = "needs a station that refuses external identification (--declare refuses)"
    NO_GRANT = "needs a station without authorisation (--declare no-grant)"
    SLOW_BACKEND = "needs a station whose back end does not answer (--declare silent-back-end)"
    SLOW_SCHEDULES = "not declared: Ongoing in ChargeParameterDiscovery (--declare schedules-ongoing)"
    METER = "the station declares no meter (--declare meter)"
    METER_EIM = "the station declares no MeterInfo with external payment (--declare meter)"
    RECEIPT = "the station declares no metering receipts (--declare receipt)"
    TARIFF = "the station declares no SalesTariff (--declare tariff)"
    PAUSE = "the station declares no pausing"
    DIN = "the station does not support DIN SPEC 70121"
    ISO2 = "the station does not support ISO 15118-2"
    ISO20 = "the station does not support ISO 15118-20"
    ISO20_AC = "the station does not offer the service AC of ISO 15118-20"
    ISO20_DC = "the station does not offer the service DC of ISO 15118-20"
    ISO20_ONLY_DC = "the station has more energy families of ISO 15118-20 than DC, or others"
    ISO20_AC_BPT = "the station does not offer the service AC_BPT of ISO 15118-20"
    ISO20_DC_BPT = "the station does not offer the service DC_BPT of ISO 15118-20"
    ISO20_MCS = "the station does not offer the service MCS of ISO 15118-20"
    ISO20_AC_DER = "the station does not offer the service AC_DER_IEC of ISO 15118-20"
    ISO20_TLS = "ISO 15118-20 is offered on plain TCP: a laboratory"
    ISO20_PNC = "the station does not offer authorization by contract in ISO 15118-20"
    ISO20_INSTALLATION = "the station does not offer CertificateInstallation in ISO 15118-20"
    ISO20_NO_INSTALLATION = "the station offers CertificateInstallation in ISO 15118-20"
    ISO20_WALLET = "needs a contract and a provisioning certificate of ISO 15118-20 (--pki)"
    ISO20_ISSUER = "needs the keys of the authorities of ISO 15118-20 (--pki)"
    ISO20_VEHICLE = "needs a vehicle certificate of ISO 15118-20 (--pki)"
    LONG = "waits for long timers; left out without --long"
    ENDURANCE = "an endurance test that is not in the standard"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case."""

    id: str
    group: str
    """Heading in lists."""
    title: str
    """Action of the tester."""
    expect: str
    """Expected reaction of the station."""
    run: Callable[[Trial], Awaitable[None]]
    ids: str = ""
    """Requirements of the standard, separated by spaces."""
    needs: frozenset[Need] = frozenset()
    waits: tuple[str, ...] = ()
    """Timers of the station that expire during the case, by their names in `Timers`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """The result of one case."""

    case: Case
    verdict: BenchVerdict
    reason: str = ""
    """Reason for a verdict other than passed: for a failed case, the actual reaction."""
    remarks: tuple[str, ...] = ()
    """Remarks without an effect on the verdict."""
    duration: float = 0.0
    log: tuple[FrameRecord, ...] = ()
