"""Verdicts of test cases, and the lines of their logs."""

from __future__ import annotations

import dataclasses
import enum

__all__ = ["BenchVerdict", "Failed", "FrameRecord", "Inconclusive", "NotApplicable"]


class BenchVerdict(enum.StrEnum):
    """Result of a case."""

    PASS = "pass"
    FAIL = "fail"
    """The station did something else than expected."""
    INCONCLUSIVE = "inconclusive"
    """The tested point was not reached; there is no result for it."""
    NOT_APPLICABLE = "not applicable"
    """The station does not offer it, or the tester does not have what it needs; the reason names it."""


@dataclasses.dataclass(frozen=True, slots=True)
class FrameRecord:
    """One line in the log of a case."""

    at: float
    """Seconds since the start of the case."""
    what: str
    """sent, received, pilot or note."""
    text: str
    data: bytes = b""
    """The bytes after TLS."""


class Failed(Exception):
    """The station did not do what is expected."""


class Inconclusive(Exception):
    """The tested point was not reached."""


class NotApplicable(Exception):
    """During the case it turned out that there is nothing to test."""
