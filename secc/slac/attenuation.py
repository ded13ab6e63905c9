"""The attenuation profile: averaging it, and figures about it. Values are dB, one byte per carrier group."""

import math
from collections.abc import Sequence


def average(profiles: Sequence[bytes], offset: float = 0.0) -> bytes:
    """Mean per group over the profiles, rounded down [V2G3-A09-20], less `offset` dB of the own receive path.

    The profiles are equally long; at least one.
    """
    count = len(profiles)
    return bytes(
        min(255, max(0, math.floor(sum(group) / count - offset))) for group in zip(*profiles, strict=True)
    )


def padded(profile: bytes, groups: int) -> bytes:
    """The profile with its mean in the groups that the modem has not measured.

    An EV that averages over all `groups` then sees what was measured; zeros would make this the best station
    of all.
    """
    return profile.ljust(groups, bytes([round(mean(profile))]))


def mean(profile: bytes) -> float:
    """Mean over the groups: the figure by which an EV compares stations. 0 for an empty profile."""
    return sum(profile) / len(profile) if profile else 0.0
