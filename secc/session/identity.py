"""The names a session gives: its own id, and those of its questions; and what the EV says it is."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from secc.session.paused import PausedSession
from secc.session.ticket import Ticket

__all__ = ["EvIdentity", "Names", "shown"]


class EvIdentity(msgspec.Struct, frozen=True):
    """What an EV says it is. It identifies a car and so a person: no logs without hashing."""

    evccid: str
    """ISO 15118-2 and DIN SPEC 70121: the address of its modem, in hexadecimal, which any device can send.
    ISO 15118-20: its EVCCID."""
    proven: bool
    """The EVCCID is the name in the vehicle certificate of this TLS connection, which was verified: an EV of
    ISO 15118-20 has the key to it."""

    def __repr__(self) -> str:
        return f"EvIdentity(proven={self.proven})"


def shown(evcc_id: bytes | None, common_name: str | None) -> EvIdentity | None:
    """The identity by SessionSetupReq; `common_name` is that of a verified vehicle certificate."""
    if not evcc_id:
        return None
    if len(evcc_id) <= _LONGEST_ADDRESS:
        return EvIdentity(evcc_id.hex().upper(), proven=False)
    text = evcc_id.decode(errors="replace")
    return EvIdentity(text, proven=text == common_name)


_LONGEST_ADDRESS = 8
"""Bytes: six of a modem, up to eight on the wire of DIN SPEC 70121."""


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
