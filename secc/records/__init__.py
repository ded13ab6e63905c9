"""Records that a station reports: one per event, for logs, traces and displays.

Times are those of the event loop, monotonic seconds. Records contain no keys and no secrets [INV-25].
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from secc.session.outputs import Notice, Output
from secc.session.streams import Stream

if TYPE_CHECKING:
    from secc.pilot import Output as PilotOutput
    from secc.slac.events import Output as SlacOutput

__all__ = [
    "Direction",
    "LinkEvent",
    "LinkRecord",
    "MessageRecord",
    "NoticeRecord",
    "OutputRecord",
    "PlcRecord",
    "Record",
]


class Direction(enum.StrEnum):
    """Who sent a message."""

    RECEIVED = "received"
    SENT = "sent"


class MessageRecord(msgspec.Struct, frozen=True, gc=False):
    """A decoded message on the wire."""

    at: float
    direction: Direction
    message: msgspec.Struct
    response_time: float | None = None
    """Seconds from the last byte of the request to handing over the response; None for requests."""
    session: str = ""
    """SessionID in hexadecimal, the one that the station has chosen for this session."""
    stream: Stream = Stream.MAIN
    """On which of the conversations of ISO 15118-20."""


class NoticeRecord(msgspec.Struct, frozen=True, gc=False):
    """A notice of the core."""

    at: float
    notice: Notice
    session: str = ""


class OutputRecord(msgspec.Struct, frozen=True, gc=False):
    """The session asked the outlet or the back end for something."""

    at: float
    output: Output
    session: str = ""


class LinkEvent(enum.StrEnum):
    """What happened to a connection or to the station."""

    LISTENING = "listening"
    DEAF = "deaf"
    """Discovery or the listener cannot serve."""
    OPENED = "connection opened"
    SECURED = "TLS handshake done"
    TLS_FAILED = "TLS handshake failed"
    REFUSED = "connection refused"
    FAILED = "connection failed"
    CLOSED = "connection closed"
    SETUP_EXPIRED = "communication setup time over"
    """The data link must be given up: D-LINK_ERROR [V2G2-723]."""
    TLS_RENEWED = "TLS certificates renewed"
    TLS_ALARM = "TLS alarm"
    """Certificates or OCSP responses of the station need attention."""
    EXPIRY = "certificate ends soon"
    """Of the station, of a root, of a contract: what, when, what is done about it."""
    SUSPICIOUS = "suspicious"
    """A device on the charging link behaves like another station."""
    BLOCKED = "outlet blocked"
    """A fault that latches: no energy until a reset and an unplugged cable [INV-30]."""
    SLOW = "event loop late"
    """So much that the lease of an energised output came near to its end."""
    COMPLAINT = "complaint"
    """A call of the controller, the back end or a callback failed."""


class LinkRecord(msgspec.Struct, frozen=True):
    """The network side of things."""

    at: float
    event: LinkEvent
    text: str = ""
    peer: str = ""
    session: str = ""
    """SessionID in hexadecimal of the session in progress; empty without one and for other peers."""


class PlcRecord(msgspec.Struct, frozen=True):
    """Matching or control pilot; frames are never among them, as they may hold a key."""

    at: float
    what: SlacOutput | PilotOutput


Record = MessageRecord | NoticeRecord | OutputRecord | LinkRecord | PlcRecord
