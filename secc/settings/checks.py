"""A parsed TOML table as a frozen dataclass, by the types its fields are declared with.

Unknown keys, missing ones and values of another type are ConfigErrors that name their path.
"""

import dataclasses
import enum
import math
import pathlib
import types
import typing

from secc.errors import ConfigError

__all__ = ["build", "check", "check_duration", "check_range"]


def build(cls: type, table: dict[str, object], path: str, folder: pathlib.Path) -> object:
    """An object of `cls`; file names are relative to `folder`, `path` begins the names in errors."""
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}{key} is not a setting; known here: {', '.join(sorted(known))}")
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.name not in table:
            raise ConfigError(f"{path}{field.name} is missing")
    return cls(**{key: _convert(hints[key], value, f"{path}{key}", folder) for key, value in table.items()})


def _convert(hint: object, value: object, path: str, folder: pathlib.Path) -> object:
    """Turn a TOML value into the type that the field is declared with."""
    if typing.get_origin(hint) is types.UnionType:
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{path} is {value!r}, expected a list")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, part, f"{path}[{i}]", folder) for i, part in enumerate(value))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{path} is {value!r}, expected a table")
        return build(typing.cast(type, hint), value, f"{path}.", folder)
    if hint is pathlib.Path:
        if not isinstance(value, str):
            raise ConfigError(f"{path} is {value!r}, expected a file name")
        return folder / value
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in hint)
            raise ConfigError(f"{path} is {value!r}, expected one of {known}") from None
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{path} is {value!r}, expected {getattr(hint, '__name__', hint)}")
    return value


def check(condition: bool, path: str, expected: str) -> None:
    """Raise ConfigError for the setting `path` unless the condition holds."""
    if not condition:
        raise ConfigError(f"{path}: expected {expected}")


def check_range(value: float, path: str, at_least: float, at_most: float) -> None:
    """The same for a number, both ends included."""
    in_range = math.isfinite(value) and at_least <= value <= at_most
    check(in_range, path, f"{at_least:g} to {at_most:g}, found {value:g}")


def check_duration(value: float, path: str, *, at_most: float, at_least: float = 0.001) -> None:
    """The same for seconds."""
    check_range(value, path, at_least, at_most)
