"""What a simulated EV of ISO 15118-20 can do wrong with metering confirmations."""

from __future__ import annotations

import enum

__all__ = ["MeteringFault"]


class MeteringFault(enum.StrEnum):
    """One thing an EV does wrong with its confirmations."""

    WRONG_READING = "metering-wrong-reading"
    """One Wh more than it was sent."""
    WRONG_METER = "metering-wrong-meter"
    """Another MeterID."""
    WRONG_SESSION = "metering-wrong-session"
    """Another SessionID in the signed data."""
    WRONG_KEY = "metering-wrong-key"
    """Signed with another key."""
    UNSIGNED = "metering-unsigned"
    """No signature."""
    LATE = "metering-late"
    """After the station has stopped asking."""
    NEVER = "metering-never"
    """No confirmation at all."""
    TWICE = "metering-twice"
    """The same confirmation again."""
    UNASKED = "metering-unasked"
    """A confirmation that nothing has requested."""
