"""The name of a question to the outside, so that its answer can be distinguished from others."""

import msgspec

__all__ = ["Ticket"]


class Ticket(msgspec.Struct, frozen=True):
    """Names one question of one session; equal tickets mean the same question."""

    generation: int
    """The station's count of sessions."""
    number: int
    """The session's count of questions."""
