"""Values of the library, whichever way their class is made: structs and dataclasses."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import msgspec

__all__ = ["forced", "frozen", "has_fields", "names"]


def has_fields(kind: type[Any]) -> bool:
    """A class of values with named fields; messages of the protocols are none."""
    if issubclass(kind, msgspec.Struct):
        return not kind.__module__.startswith("secc.messages.")
    return dataclasses.is_dataclass(kind)


def names(kind: type[Any]) -> tuple[str, ...]:
    """The fields, in order."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    return tuple(field.name for field in dataclasses.fields(kind))


def frozen(kind: type[Any]) -> bool:
    """Its objects cannot be changed."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_config__.frozen
    return bool(kind.__dataclass_params__.frozen)


def forced(example: Any, values: dict[str, Any]) -> Any:
    """A copy of `example` with these values, whatever the rules of its class say."""
    made = copy.copy(example)
    change = msgspec.structs.force_setattr if isinstance(made, msgspec.Struct) else object.__setattr__
    for name, value in values.items():
        change(made, name, value)
    return made
