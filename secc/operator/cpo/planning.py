"""When a certificate is renewed: a pure function of its validity, the policy and its own name.

A batch that was issued on one day must not come back on one day, so each certificate has its own place in a
window before the renewal would be late. The place follows from its name: planning again changes nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib

BUCKETS = 256
"""Contracts are renewed in this many heaps, one job each: enough for many workers, few enough to look at."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPolicy:
    """How long before its end a contract certificate is renewed."""

    days: float = 60.0
    """At the latest this many days before."""
    fraction: float = 0.1
    """Or with this part of its life remaining, whichever is less: short lives have no sixty days."""
    spread: float = 0.5
    """Renewals begin earlier by up to this part of that time, each certificate at its own moment."""


def renew_at(
    name: str, not_before: datetime.datetime, not_after: datetime.datetime, policy: RenewalPolicy
) -> datetime.datetime:
    """The moment from which a new bundle is made: always between the two ends of the validity."""
    life = not_after - not_before
    before = min(datetime.timedelta(days=policy.days), life * policy.fraction)
    earlier = before * policy.spread * place(name)
    return max(not_before, not_after - before - earlier).replace(microsecond=0)


def place(name: str) -> float:
    """From 0 to 1, evenly spread over names, always the same for one name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[1:5], "big") / 2**32


def bucket_of(name: str) -> int:
    """The heap that a contract belongs to."""
    return hashlib.sha256(name.encode()).digest()[0]
