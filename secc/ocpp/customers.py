"""What the station stores about a customer, and its deletion (OCPP N09, N10). Pure.

Lists of tokens belong to the CSMS, so the local list is reported and never deleted here.
"""

from __future__ import annotations

from secc.ocpp.authorising import Memory
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import IdToken
from secc.ocpp.transactions import OpenTransaction

_PIECE = 512


def about(memory: Memory, transaction: OpenTransaction | None, token: IdToken) -> str:
    """Return what is stored about a token as text, or an empty text."""
    found = []
    for name, store in (("local list", memory.listed), ("cache", memory.cached)):
        known = store.get(token.key)
        if known is not None:
            until = "" if known.until is None else f", until {to_iso(known.until)}"
            group = f", group {known.info.group}" if known.info.group else ""
            found.append(f"{name}: {known.token.text} {known.info.status.value}{group}{until}")
    if transaction is not None and transaction.token.key == token.key:
        found.append(f"transaction {transaction.id}, since {to_iso(transaction.begun_at)}")
    return "\n".join(found)


def forget(memory: Memory, token: IdToken) -> None:
    """Delete what the station has learned about a token."""
    memory.cached.pop(token.key, None)


def pieces(text: str) -> list[str]:
    """Return the text in parts that fit into NotifyCustomerInformation; at least one."""
    return [text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE)] or [""]
