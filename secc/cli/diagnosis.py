"""A finding of `secc doctor`."""

import dataclasses
import enum


class Grade(enum.Enum):
    """Result of a check."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclasses.dataclass(frozen=True, slots=True)
class Diagnosis:
    """One checked item."""

    what: str
    grade: Grade
    text: str
    advice: str = ""
