"""The conversations that one connection may carry at the same time."""

import enum

__all__ = ["Stream"]


class Stream(enum.StrEnum):
    """Where a message travels; ISO 15118-2 and DIN SPEC 70121 have the main stream only."""

    MAIN = "main"
    SCHEDULE = "schedule renegotiation"
    """Beside the charge loop [V2G20-1045]."""
    METERING = "metering confirmation"
    """Beside the charge loop [V2G20-1084]."""
