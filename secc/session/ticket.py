"""The name of a question to the outside, so that its answer can be distinguished from others."""

import dataclasses

__all__ = ["Ticket"]


@dataclasses.dataclass(frozen=True, slots=True)
class Ticket:
    """Names one question of one session; equal tickets mean the same question."""

    generation: int
    """The station's count of sessions."""
    number: int
    """The session's count of questions."""
