"""The names a session gives: its own id, and those of its questions."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from secc.session.paused import PausedSession
from secc.session.ticket import Ticket

__all__ = ["Names"]


class Names(msgspec.Struct):
    """Makes session ids and tickets, each new."""

    random_bytes: Callable[[int], bytes]
    """Cryptographically secure [V2G2-835]."""
    generation: int
    """The station's count of sessions [INV-20]."""
    recent: Collection[bytes]
    """Session ids not to be given again [INV-12]."""
    paused: PausedSession | None
    """The session that may be continued."""
    questions: int = 0

    def new_id(self, *, avoid: bytes = b"") -> bytes:
        """Eight random bytes: not zero, not used lately, not `avoid` [V2G2-750] [V2G2-756] [INV-12]."""
        paused = b"" if self.paused is None else self.paused.session_id
        while True:
            session_id = self.random_bytes(8)
            if session_id not in (bytes(8), avoid, paused) and session_id not in self.recent:
                return session_id

    def ticket(self) -> Ticket:
        """A name for a new question."""
        self.questions += 1
        return Ticket(self.generation, self.questions)
