"""Reports that are sent in parts after the answer to a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from secc.ocpp.commands import Commands
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import Payload

_ROWS = 20
"""Rows of one part."""
T = TypeVar("T")


async def report_rows(
    commands: Commands,
    action: str,
    request_id: int,
    field: str,
    rows: Sequence[T],
    described: Callable[[T], Payload],
) -> None:
    """Send the rows in messages of `action`, each row as it is when its part is sent; a part that gets no
    answer is the last one."""
    await asyncio.sleep(0.01)
    for number, begin in enumerate(range(0, len(rows), _ROWS)):
        body = {
            "requestId": request_id,
            "generatedAt": to_iso(commands.conversation.now),
            "seqNo": number,
            "tbc": begin + _ROWS < len(rows),
            field: [described(one) for one in rows[begin : begin + _ROWS]],
        }
        if await commands.conversation.ask_or_report((action, body)) is None:
            return
