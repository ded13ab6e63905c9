"""Metrics for Prometheus. No label contains an eMAID or a PCID."""

from __future__ import annotations

import datetime
import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from secc.operator.cpo.contracts import Contracts
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.jobs import Renewed
from secc.operator.cpo.register import CertificateRegister
from secc.pki.profiles import Kind

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.2)
LEVELS = (1, 7, 14, 30, 90)
"""Days before an end that are counted separately."""


class CpoMetrics:
    """Counters of this process; numbers from the database are read on each request."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "secc_provision_seconds",
            "Time to answer a car's request for a contract",
            ["action", "outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._late = Counter(
            "secc_provision_late", "Answers that took longer than the car waits", registry=self._registry
        )
        self._renewals = Counter(
            "secc_renewals", "Contracts by the result of their renewal", ["outcome"], registry=self._registry
        )
        self._issued = Counter(
            "secc_leaves_issued", "Certificates issued for stations", registry=self._registry
        )

    def answered(self, action: str, answer: ContractAnswer, seconds: float) -> None:
        """Count the answer to a request of a car."""
        outcome = answer.source if answer.refusal is None else answer.rule
        self._seconds.labels(action, outcome).observe(seconds)
        if seconds > _SECONDS[-1]:
            self._late.inc()

    def renewed(self, done: Renewed) -> None:
        """Count a batch of renewals."""
        for outcome in ("renewed", "overtaken", "failed"):
            self._renewals.labels(outcome).inc(getattr(done, outcome))

    def leaf_issued(self) -> None:
        """Count a certificate issued for a station."""
        self._issued.inc()

    def text(self, contracts: Contracts, register: CertificateRegister, now: datetime.datetime) -> bytes:
        """Return all metrics in the exposition format; raises StorageError without a database."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several workers; set by `secc cpo serve`
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_ends(contracts, register, now))


def _ends(contracts: Contracts, register: CertificateRegister, now: datetime.datetime) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge(
        "secc_expiring",
        "Certificates in use by the days left",
        ["role", "within"],
        registry=registry,
    )
    begin = now - datetime.timedelta(days=3650)
    for level in (0, *LEVELS):
        end = now + datetime.timedelta(days=level)
        gauge.labels("contract", str(level)).set(contracts.count_ending(begin, end))
        gauge.labels("secc", str(level)).set(register.count_ending(Kind.SECC_LEAF, begin, end))
    return registry
