"""What the generated message classes share."""

from __future__ import annotations

import msgspec


class Item(msgspec.Struct, frozen=True, gc=False):
    """One piece of content whose order matters: mixed text, or an element of a repeated choice.

    `name` is the element name, or the empty string for text. `value` is what the element holds: a message
    object, str, bytes or int.
    """

    name: str
    value: msgspec.Struct | str | bytes | int | None
