"""The JSON format of inputs and outputs of the core: values to plain data, and inputs back to values.

Default values of fields are left out. Bytes are hexadecimal, special floating point values are text. Inputs
and session starts can be read back; outputs are only compared, and may contain proofs that only their
verifier can make.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import math
import pathlib
import types
import typing
from collections.abc import Collection, Mapping
from fractions import Fraction

import msgspec

from secc.connection import ConnectionInput, ConnectionOutput, Heard, Write
from secc.errors import SeccError
from secc.pki import contract, provisioning, revocation, trust, vehicle
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.vehicle import VehicleIdentity, recorded_identity

__all__ = [
    "Plain",
    "TraceError",
    "built",
    "input_of",
    "plain",
    "plain_config",
    "plain_input",
    "plain_output",
]

Plain = None | bool | int | float | str | list[typing.Any] | dict[str, typing.Any]  # as json gives it


class TraceError(SeccError):
    """A trace cannot be read: what is wrong, and in which line."""


def plain(value: object) -> Plain:
    """A value as JSON can say it."""
    match value:
        case enum.Enum():
            return plain(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
        case bytes():
            return value.hex()
        case datetime.datetime():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case Fraction() | pathlib.Path():
            return str(value)
        case Certificate():
            return value.der.hex()
        case msgspec.Struct() if _is_message(value):
            return typing.cast(Plain, msgspec.to_builtins(value))
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=repr)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case Collection():
            return [plain(item) for item in value]
    if _has_fields(value) and not isinstance(value, type):
        defaults = _defaults(type(value))  # type: ignore[arg-type]  # a class is hashable
        found = ((name, getattr(value, name)) for name in defaults)
        return {name: plain(item) for name, item in found if item != defaults[name]}
    return type(value).__name__


def _is_message(value: msgspec.Struct) -> bool:
    """A message of an EV or for one; other structs are values of the session."""
    return type(value).__module__.startswith("secc.messages.")


def _has_fields(kind: object) -> bool:
    """A struct or a dataclass, or an object of one."""
    return hasattr(kind, "__struct_fields__") or dataclasses.is_dataclass(kind)


@functools.cache
def _defaults(cls: type) -> dict[str, object]:
    """The fields of a struct or a dataclass that are recorded, each with its default, or with what equals
    nothing. A class names those that are not in `UNTRACED`: proofs, which a replay makes itself."""
    names: tuple[str, ...] | None = getattr(cls, "__struct_fields__", None)
    untraced: frozenset[str] = getattr(cls, "UNTRACED", frozenset())
    if names is None:
        return {one.name: one.default for one in dataclasses.fields(cls) if one.name not in untraced}
    defaults = cls.__struct_defaults__  # type: ignore[attr-defined]  # of the last fields
    known = zip(names, (*[msgspec.NODEFAULT] * (len(names) - len(defaults)), *defaults), strict=True)
    return {name: default for name, default in known if name not in untraced}


def plain_config(config: object) -> Plain:
    """A configuration with all its values: a default of today may be another one tomorrow."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return plain(config)
    return {field.name: plain_config(getattr(config, field.name)) for field in dataclasses.fields(config)}


def plain_input(event: ConnectionInput) -> Plain:
    """An input under the name of its class."""
    return {type(event).__name__: plain(event)}


def plain_output(output: ConnectionOutput) -> Plain:
    """An output under the name of its class; messages by name or by their bytes."""
    match output:
        case Heard(message):
            body = getattr(message, "body", message)
            return {"Heard": type(body).__name__}
        case Write(data):
            return {"Write": data.hex()}
        case _:
            return {type(output).__name__: plain(output)}


def input_of(value: Plain) -> ConnectionInput:
    """The input that `plain_input` wrote; raises TraceError."""
    if not isinstance(value, dict) or len(value) != 1:
        raise TraceError("an input is one object under the name of its class")
    ((name, fields),) = value.items()
    cls = _INPUTS.get(name)
    if cls is None:
        raise TraceError(f"{name} is no input; known are {', '.join(sorted(_INPUTS))}")
    return typing.cast(ConnectionInput, built(cls, fields))


_INPUTS: dict[str, type] = {cls.__name__: cls for cls in typing.get_args(ConnectionInput)}


def built(hint: typing.Any, value: Plain) -> typing.Any:
    """Return the value of `plain`, of the required type; raises TraceError."""
    try:
        return _built(hint, value)
    except (TypeError, ValueError, SeccError) as error:
        name = getattr(hint, "__name__", str(hint))
        raise TraceError(f"{name}: {error}") from error


def _built(hint: typing.Any, value: Plain) -> typing.Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _built(_meant([one for one in arguments if one is not types.NoneType], value), value)
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise TypeError(f"expected a list, found {value!r}")
        return origin(_built(arguments[0], item) for item in value)
    if hint is Certificate:
        return read_certificate(bytes.fromhex(_text(value)))
    if hint is VehicleIdentity:
        return _with_fields(VehicleIdentity, value, recorded_identity)
    if _has_fields(hint):
        return _with_fields(hint, value)
    return _scalar(hint, value)


def _meant(hints: list[typing.Any], value: Plain) -> typing.Any:
    """The first type that has all the fields of the value; what fits nothing is an error of the first."""
    names = value.keys() if isinstance(value, dict) else frozenset()
    fitting = [one for one in hints if _has_fields(one) and names <= _hints(one).keys()]
    return [*fitting, *hints][0]


def _with_fields(cls: type, value: Plain, make: typing.Callable[..., object] | None = None) -> typing.Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {value!r}")
    hints = _hints(cls)
    unknown = value.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
    return (make or cls)(**{name: _built(hints[name], item) for name, item in value.items()})


@functools.cache
def _hints(cls: type) -> dict[str, typing.Any]:
    return typing.get_type_hints(cls, localns=_PROOFS)


_PROOFS = {**vars(contract), **vars(provisioning), **vars(revocation), **vars(trust), **vars(vehicle)}
"""The classes of `secc.pki` that events name; a station without TLS does not load them."""


def _scalar(hint: typing.Any, value: Plain) -> typing.Any:
    if hint is bytes:
        return bytes.fromhex(_text(value))
    if hint is float and not isinstance(value, bool) and isinstance(value, int | float | str):
        return float(value)
    if hint is datetime.datetime:
        return datetime.datetime.fromisoformat(_text(value))
    if hint is datetime.timedelta and isinstance(value, int | float):
        return datetime.timedelta(seconds=value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
        return pathlib.Path(_text(value))
    if hint in (int, str, bool) and type(value) is hint:
        return value
    raise TypeError(f"expected {getattr(hint, '__name__', hint)}, found {value!r}")


def _text(value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value
