"""Upcoming expiry, and renewal before it.

Pure except for the store: `look` takes the time. Contracts are renewed in advance: a new bundle is made for
the car and waits for its next installation; a car that requests an update receives a separate one. The
certificates that a contract has in ISO 15118-2 and in ISO 15118-20 are renewed independently of each other.
Certificates of stations are monitored here and renewed by `secc.station.renewal`. Each failure is reported
with its reason at every look. A running station looks periodically: `secc.station.expiry`.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from secc.errors import SeccError
from secc.pki.certificates import Certificate
from secc.pki.expiry import Expiry, level
from secc.site.local import LocalBackend
from secc.site.log import Event
from secc.site.store import Delivered, SiteContract, Status

__all__ = ["RenewalMonitor", "WatchPolicy"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """When to report and when to renew."""

    levels: tuple[int, ...] = (30, 14, 7)
    """Days before the end at which it is reported."""
    renew: int = 30
    """Days before the end at which a new bundle is made."""


class RenewalMonitor:
    """Checks all contracts of a site and the certificates of its stations."""

    def __init__(
        self,
        backend: LocalBackend,
        *,
        stations: Sequence[Certificate] = (),
        policy: WatchPolicy | None = None,
    ) -> None:
        """`stations` returns the leaves in use."""
        self._backend = backend
        self._stations = tuple(stations)
        self._policy = policy or WatchPolicy()

    def look(self, now: datetime.datetime) -> tuple[Expiry, ...]:
        """Renew what is due; returns everything that ends within the widest level, earliest first."""
        store = self._backend.store
        found: list[Expiry] = []
        for certificate in store.certificates():
            reached = level(certificate.not_after, now, self._policy.levels)
            contract = store.contract(certificate.emaid)
            if contract is None or contract.status is not Status.ACTIVE:
                continue
            failure = self._renew(contract, certificate, now)
            prepared = store.bundles.waits(certificate.emaid, certificate.generation, now=now)
            who = str(certificate.emaid)
            if reached is not None or failure:
                reached = max(self._policy.levels) if reached is None else reached
                found.append(Expiry("contract", who, certificate.not_after, reached, prepared, failure))
        for leaf in self._stations:
            reached = level(leaf.not_after, now, self._policy.levels)
            if reached is not None:
                found.append(Expiry("station", str(leaf), leaf.not_after, reached))
        return tuple(sorted(found, key=lambda one: one.not_after))

    def _renew(self, contract: SiteContract, last: Delivered, now: datetime.datetime) -> str:
        """Make the bundle that follows the last certificate if it is due; returns the reason of a failure."""
        store, emaid = self._backend.store, str(contract.emaid)
        due = self._is_due(contract, last.not_after, now)
        if not due or store.bundles.waits(contract.emaid, last.generation, now=now):
            return ""
        try:
            self._backend.delivery.prepare(contract.emaid, last.generation)
        except SeccError as error:
            return self._failed(contract, error, now)
        text = "waits for the next installation by the car"
        store.log.add_event(Event(now, "renewed", emaid, "", "prepared", f"{text}, {last.generation}"))
        return ""

    def _is_due(self, contract: SiteContract, end: datetime.datetime, now: datetime.datetime) -> bool:
        """Return whether a certificate ends soon, and before its contract."""
        ends_with_it = contract.ends is not None and contract.ends <= end
        return not ends_with_it and end - now <= datetime.timedelta(days=self._policy.renew)

    def _failed(self, contract: SiteContract, error: SeccError, now: datetime.datetime) -> str:
        who, rule = str(contract.emaid), getattr(error, "rule", "")
        self._backend.store.log.add_event(Event(now, "renewal failed", who, "", rule, str(error)))
        return str(error)
