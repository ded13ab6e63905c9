"""The header of each message: the session id, and a time stamp that rises.

The unit of the time stamp is a setting: microseconds by the standard [V2G20-1534], seconds for vehicles of
the field that read nothing else. What a vehicle sends is never judged: it may be in any unit, and zero before
the first response [V2G20-1535].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages.iso20_common import MessageHeader
from secc.messages.xmldsig import Signature
from secc.session.iso20.side import side
from secc.settings.iso20 import TimestampUnit

if TYPE_CHECKING:
    from secc.session.context import Context

_YEAR_9000 = 221_845_392_000


def stamp(utc: float, unit: TimestampUnit) -> int:
    """A moment of the wall clock on the wire; 0 when the clock makes no sense. `utc`: Unix seconds."""
    seconds = utc if 0 <= utc < _YEAR_9000 else 0.0
    return int(seconds * 1_000_000) if unit is TimestampUnit.MICROSECONDS else int(seconds)


def following(previous: int, now: int, unit: TimestampUnit) -> int:
    """The next time stamp: always after the previous one in microseconds, never before it in seconds, also
    when the wall clock is set back [V2G20-1537]."""
    return max(now, previous + 1) if unit is TimestampUnit.MICROSECONDS else max(now, previous)


def header(session_id: bytes, time_stamp: int, signature: Signature | None = None) -> MessageHeader:
    """The header of a response [V2G20-752]."""
    return MessageHeader(session_id=session_id, time_stamp=time_stamp, signature=signature)


def head(session: Context, signature: Signature | None = None) -> MessageHeader:
    """The header of the response to the request at hand; `signature`: over an element of its body."""
    room, unit = side(session), session.config.iso20.timestamp_unit
    room.stamp = following(room.stamp, stamp(session.evse.utc, unit), unit)
    return header(session.session_id, room.stamp, signature)
