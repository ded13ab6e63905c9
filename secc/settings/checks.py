"""Settings as frozen dataclasses that check themselves, made in code or from a parsed TOML table.

`Settings` checks the types of its fields and then its rules, whichever way an object is made. A ConfigError
names the setting by its path (`tls.chains[0].private_key`), what was found and what is expected.
"""

import dataclasses
import difflib
import enum
import functools
import math
import pathlib
import types
import typing

from secc.errors import ConfigError

__all__ = ["Settings", "build", "check", "check_duration", "check_range"]


class Settings:
    """Base of each table of settings. A subclass is a frozen dataclass, and has its rules in `_check`."""

    __slots__ = ()

    _section: typing.ClassVar[str] = ""
    """Path of the table, empty for the top of the file."""

    def __init_subclass__(cls, *, section: str | None = None) -> None:
        if section is not None:  # a dataclass with slots is made a second time, without it
            cls._section = section

    def __post_init__(self) -> None:
        """Raise ConfigError for a field of another type than declared, or a violated rule."""
        for name, hint in self._types.items():
            value = getattr(self, name)
            fitting = _typed(hint, value, self._path(name))
            if fitting is not value:
                object.__setattr__(self, name, fitting)
        try:
            self._check()
        except ConfigError as error:
            raise self._explained(error) from None

    def _check(self) -> None:
        """Raise ConfigError if a rule about values is violated; see `check`."""

    @property
    def _types(self) -> dict[str, object]:
        kind: typing.Any = type(self)
        return _hints(kind)

    def _path(self, name: str) -> str:
        return f"{self._section}.{name}" if self._section else name

    def _explained(self, error: ConfigError) -> ConfigError:
        """The same error with the value that was found."""
        name = error.setting.rpartition(".")[2]
        if error.setting != self._path(name) or name not in self._types:
            return error
        text = str(error).removeprefix(f"{error.setting}: ")
        return ConfigError(f"{error.setting} is {_shown(getattr(self, name))}, {text}", setting=error.setting)


@functools.cache
def _hints(cls: type) -> dict[str, object]:
    """The declared types of the fields."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(typing.cast(typing.Any, cls))}


def _typed(hint: object, value: object, path: str) -> object:
    """The value where it has the declared type (an int becomes a float); raises ConfigError."""
    if typing.get_origin(hint) is types.UnionType:
        if value is None:
            return None
        hint = _inner(hint)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            raise _wrong(path, value, "a tuple")
        item = typing.get_args(hint)[0]
        parts = tuple(_typed(item, part, f"{path}[{i}]") for i, part in enumerate(value))
        return value if all(new is old for new, old in zip(parts, value, strict=True)) else parts
    kind = typing.cast(type, hint)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    if not fits:
        raise _wrong(path, value, _expected(kind, value))
    return value


def _expected(kind: type, value: object) -> str:
    if issubclass(kind, enum.Enum):
        meant = next((member for member in kind if value in (member.value, member.name)), None)
        return f"a member of {kind.__name__}" + (f": {kind.__name__}.{meant.name}" if meant else "")
    return f"a {kind.__name__}" if kind.__name__[0] not in "aeiouAEIO" else f"an {kind.__name__}"


def _inner(hint: object) -> object:
    """The type beside None."""
    return next(part for part in typing.get_args(hint) if part is not types.NoneType)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value!r:.80}"


def _wrong(path: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"{path} is {_shown(value)}, expected {expected}", setting=path)


def build(cls: type, table: dict[str, object], path: str, folder: pathlib.Path) -> object:
    """An object of `cls` from a TOML table.

    File names are relative to `folder`; `path` begins the names of settings in errors. Raises ConfigError.
    """
    hints = _hints(cls)
    for key in table:
        if key not in hints:
            raise _unknown(cls, key, path)
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.name not in table:
            raise ConfigError(f"{path}{field.name} is missing", setting=path.removesuffix("."))
    return cls(**{key: _convert(hints[key], value, f"{path}{key}", folder) for key, value in table.items()})


def _unknown(cls: type, key: str, path: str) -> ConfigError:
    """A key that the table does not have; with the nearest one, here or in another table."""
    known = sorted(_hints(cls))
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; the nearest is {path}{near[0]}" if near else ""
    return ConfigError(
        f"{path}{key} is not a setting{hint}; known here: {', '.join(known)}", setting=f"{path}{key}"
    )


def _convert(hint: object, value: object, path: str, folder: pathlib.Path) -> object:
    """Turn a TOML value into the type that the field is declared with."""
    if typing.get_origin(hint) is types.UnionType:
        hint = _inner(hint)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise _wrong(path, value, "a list")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, part, f"{path}[{i}]", folder) for i, part in enumerate(value))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise _wrong(path, value, "a table")
        return build(typing.cast(type, hint), value, f"{path}.", folder)
    if hint is pathlib.Path:
        if not isinstance(value, str):
            raise _wrong(path, value, "a file name")
        return folder / value
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(hint, value, path)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise _wrong(path, value, str(getattr(hint, "__name__", hint)))
    return value


def _member(kind: type[enum.Enum], value: object, path: str) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        known = [str(member.value) for member in kind]
        near = difflib.get_close_matches(str(value), known, n=1)
        hint = f"; the nearest is {near[0]}" if near else ""
        raise _wrong(path, value, f"one of {', '.join(known)}{hint}") from None


def check(condition: bool, path: str, expected: str) -> None:
    """Raise ConfigError for the setting `path` unless the condition holds."""
    if not condition:
        raise ConfigError(f"{path}: expected {expected}", setting=path)


def check_range(value: float, path: str, at_least: float, at_most: float) -> None:
    """The same for a number, both ends included."""
    in_range = math.isfinite(value) and at_least <= value <= at_most
    check(in_range, path, f"{at_least:g} to {at_most:g}")


def check_duration(value: float, path: str, *, at_most: float, at_least: float = 0.001) -> None:
    """The same for seconds."""
    check_range(value, path, at_least, at_most)
