"""When to renew a certificate: a pure function of its validity, the policy and its name.

Certificates that were issued on the same day must not all be renewed on the same day, so each certificate has
a fixed place in a window before the latest renewal time. The place follows from the name, so planning again
does not change it.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib

__all__ = ["BUCKETS", "ContractRenewalPolicy", "bucket_of", "place", "renew_at"]

BUCKETS = 256
"""Number of buckets of contracts, one job each: enough for many workers, and few enough to search one by
one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContractRenewalPolicy:
    """How long before its end a contract certificate is renewed."""

    days: float = 60.0
    """Latest renewal, in days before the end."""
    fraction: float = 0.1
    """Latest renewal as a fraction of the validity; the later of the two applies, for short validities."""
    spread: float = 0.5
    """Renewals start earlier by up to this fraction of that time, each certificate at a different moment."""


def renew_at(
    name: str, not_before: datetime.datetime, not_after: datetime.datetime, policy: ContractRenewalPolicy
) -> datetime.datetime:
    """Return the time from which a new bundle is made, always within the validity."""
    life = not_after - not_before
    before = min(datetime.timedelta(days=policy.days), life * policy.fraction)
    earlier = before * policy.spread * place(name)
    return max(not_before, not_after - before - earlier).replace(microsecond=0)


def place(name: str) -> float:
    """Return a value from 0 to 1, evenly distributed over names and constant for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[1:5], "big") / 2**32


def bucket_of(name: str) -> int:
    """Return the bucket of a contract."""
    return hashlib.sha256(name.encode()).digest()[0]
