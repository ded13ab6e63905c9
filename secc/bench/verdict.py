"""What can become of a test case, and the lines of its log."""

from __future__ import annotations

import dataclasses
import enum


class BenchVerdict(enum.StrEnum):
    """What became of a case."""

    PASS = "pass"
    FAIL = "fail"
    """The station did something else than what is expected."""
    INCONCLUSIVE = "inconclusive"
    """The point that is tested was not reached; nothing is said about it."""
    NOT_APPLICABLE = "not applicable"
    """The station does not offer it, or the tester was not given what it needs; the reason says which."""


@dataclasses.dataclass(frozen=True, slots=True)
class FrameRecord:
    """One line of what happened in a case."""

    at: float
    """Seconds since its beginning."""
    what: str
    """sent, received, pilot or note."""
    text: str
    data: bytes = b""
    """On the wire, after TLS."""


class Failed(Exception):
    """The station did not do what is expected."""


class Inconclusive(Exception):
    """The point that is tested was not reached."""


class NotApplicable(Exception):
    """It has turned out on the way that there is nothing to test."""
