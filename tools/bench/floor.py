"""What Python objects cost: messages in a form that msgspec reads with its own C decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec


def reader(message: msgspec.Struct) -> Callable[[], Any]:
    """Reads objects like those of `message` from MessagePack: the same tree, fields, enumerations and octets.

    Arrays without the names of fields, read into classes that say exactly what is in each field: there is
    nothing to look up or to choose.
    """
    kind = _like([message])
    packed = msgspec.msgpack.encode(msgspec.convert(message, kind, from_attributes=True))
    return partial(msgspec.msgpack.Decoder(kind).decode, packed)


def _like(values: Sequence[Any]) -> Any:
    """The type of `values`; for message objects a separate class with the content of their fields."""
    found = [value for value in values if value is not None]
    first = found[0] if found else None
    if isinstance(first, msgspec.Struct):
        fields = [(name, _like([getattr(one, name) for one in found])) for name in first.__struct_fields__]
        kind: Any = msgspec.defstruct(
            type(first).__name__, fields, array_like=True, frozen=True, kw_only=True, gc=False
        )
    elif isinstance(first, tuple):
        entries: Any = _like([entry for one in found for entry in one])
        kind = tuple[entries, ...]
    else:
        kind = type(first)
    return kind if len(found) == len(values) else kind | None
