"""The attenuation profile and its average. Values are dB, one byte per carrier group."""

import math
from collections.abc import Sequence

__all__ = ["average", "mean", "padded"]


def average(profiles: Sequence[bytes], offset: float = 0.0) -> bytes:
    """Mean per group, rounded down [V2G3-A09-20], less `offset` dB of the station's receive path.

    The profiles have equal lengths; there is at least one.
    """
    count = len(profiles)
    return bytes(
        min(255, max(0, math.floor(sum(group) / count - offset))) for group in zip(*profiles, strict=True)
    )


def padded(profile: bytes, groups: int) -> bytes:
    """Fill the groups that the modem has not measured with the mean of the others.

    An EV averages over all `groups`. Zeros would make this station look like the best one.
    """
    return profile.ljust(groups, bytes([round(mean(profile))]))


def mean(profile: bytes) -> float:
    """Mean over the groups, the value by which an EV compares stations; 0 for an empty profile."""
    return sum(profile) / len(profile) if profile else 0.0
