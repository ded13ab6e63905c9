"""The boundary to the integrator's code: every value that comes in is checked here, once.

Theory of operation. The integrator's code is trusted in intent and not in correctness. What it hands in is
turned into a plain value of the declared type, in range and in the unit of its field, or refused with an
`IntegrationError` that names the method and the value. After that the rest of the station relies on it.

* A number is an `int` or a `float`, subclasses included (`numpy.float64` is one). It is finite and becomes a
  plain `float`. `bool`, `str`, `Decimal` and other numeric types are refused: they show that a conversion is
  missing, and a guess about it could lift a limit.
* A flag is `True` or `False`; 1 and `numpy.bool_` are not.
* A member of an enumeration is the member, not its text.
* A record (a dataclass) is the class or a subclass; a plain object of the class is passed on, made from
  fields that were each read once. Its own rules (`__post_init__`) are applied again.
* A list is a list or a tuple and becomes a tuple. It has a greatest length.
"""

from __future__ import annotations

import datetime
import enum
import functools
import operator
import reprlib
from collections.abc import Callable
from typing import Any, TypeVar

from secc import exi
from secc.errors import ConfigError, EncodeError, IntegrationError

__all__ = [
    "Check",
    "Unfit",
    "accept",
    "encodable",
    "flag",
    "integer",
    "member",
    "moment",
    "number",
    "octets",
    "on_use",
    "optional",
    "prose",
    "record",
    "sequence",
    "shown",
    "text",
]

T = TypeVar("T")

Check = Callable[[object], T]
"""Returns the value to use, or raises `Unfit`."""


def accept(method: str, check: Check[T], value: object, said: str = "it returned") -> T:
    """The result of `check` for `value`; raises IntegrationError, which names `method`.

    `said` introduces the value in the error if it is not in a named field.
    """
    try:
        return check(value)
    except Unfit as wrong:
        verb = f"{wrong.path} is" if wrong.path else said
        raise IntegrationError(method, f"{verb} {shown(wrong.value)}", wrong.expected) from None
    except Exception as error:  # code of the value itself
        found = f"{said} {shown(value)}, which raises {type(error).__name__} when it is read"
        raise IntegrationError(method, found, "a plain value") from error


def shown(value: object) -> str:
    """A short text of any value, on one line; never raises."""
    try:
        text = _SHOWN.repr(value)
    except Exception:
        text = f"an object of {type(value).__name__}"
    return (text if text.isprintable() else ascii(text)[1:-1])[:_LONGEST_SHOWN]


_LONGEST_SHOWN = 120
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 80


class Unfit(Exception):
    """A value that is refused, and where it stands."""

    def __init__(self, value: object, expected: str, path: str = "") -> None:
        super().__init__()
        self.value = value
        self.expected = expected
        self.path = path

    def under(self, name: str) -> Unfit:
        """The same, seen from one level above."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Unfit(self.value, self.expected, f"{name}{dot}{self.path}")


# --- kinds of values ---------------------------------------------------------------------------------------


def number(unit: str, low: float, high: float) -> Check[float]:
    """A finite number of `unit`, both ends included."""
    expected = f"a number from {low:.12g} to {high:.12g} {unit}".rstrip()

    def check(value: object) -> float:
        if type(value) is not float:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Unfit(value, expected)
            try:  # what a subclass makes of it does not count
                value = int.__float__(value) if isinstance(value, int) else float.__float__(value)
            except OverflowError:
                raise Unfit(value, expected) from None
        if not low <= value <= high:  # false for NaN as well
            raise Unfit(value, expected)
        return value

    return check


def integer(unit: str, low: int, high: int) -> Check[int]:
    """A whole number of `unit`, both ends included."""
    expected = f"a whole number from {low} to {high} {unit}".rstrip()

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(value, expected)
        plain = value if type(value) is int else int.__int__(value)
        if not low <= plain <= high:
            raise Unfit(value, expected)
        return plain

    return check


def flag(value: object) -> bool:
    """True or False."""
    if value is True or value is False:
        return value
    raise Unfit(value, "True or False")


def text(least: int, most: int) -> Check[str]:
    """Printable characters."""
    expected = f"a text of {least} to {most} printable characters"

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit(value, expected)
        plain = str.__str__(value)
        if not least <= len(plain) <= most or not plain.isprintable():
            raise Unfit(value, expected)
        return plain

    return check


def prose(most: int) -> Check[str]:
    """A text for people and logs: of any length and any characters, it is cut and escaped."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit(value, "a text")
        plain = str.__str__(value)[:most]
        return plain if plain.isprintable() else ascii(plain)[1:-1][:most]

    return check


def octets(least: int, most: int) -> Check[bytes]:
    """Bytes, immutable."""
    expected = f"bytes, {least} to {most} of them"

    def check(value: object) -> bytes:
        if not isinstance(value, bytes):
            raise Unfit(value, expected)
        plain = value if type(value) is bytes else bytes.__getitem__(value, slice(None))
        if not least <= len(plain) <= most:
            raise Unfit(value, expected)
        return plain

    return check


def moment(value: object) -> datetime.datetime:
    """A point in time with its time zone."""
    if isinstance(value, datetime.datetime) and value.utcoffset() is not None:
        return value
    raise Unfit(value, "a datetime with a time zone")


def optional(check: Check[T]) -> Check[T | None]:
    """None, or what `check` accepts."""

    def either(value: object) -> T | None:
        try:
            return None if value is None else check(value)
        except Unfit as wrong:
            expected = wrong.expected if wrong.path else f"None or {wrong.expected}"
            raise Unfit(wrong.value, expected, wrong.path) from None

    return either


E = TypeVar("E", bound=enum.Enum)


def member(kind: type[E]) -> Check[E]:
    """A member of an enumeration."""

    def check(value: object) -> E:
        if isinstance(value, kind):
            return value
        raise Unfit(value, f"a member of {kind.__name__}")

    return check


def sequence(check: Check[T], most: int, *, least: int = 0) -> Check[tuple[T, ...]]:
    """A list or tuple of what `check` accepts."""

    def each(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            raise Unfit(value, "a list or tuple")
        items = tuple(value)
        if len(items) > most:
            raise Unfit(value, f"at most {most} items, there are {len(items)}")
        if len(items) < least:
            raise Unfit(value, f"at least {least} items, there are {len(items)}")
        accepted = []
        for position, item in enumerate(items):
            try:
                accepted.append(check(item))
            except Unfit as wrong:
                raise wrong.under(f"[{position}]") from None
        return tuple(accepted)

    return each


def record(kind: type[T], **checks: Check[Any]) -> Check[T]:
    """An object of the dataclass `kind`, each field by its check."""
    names, examined = tuple(checks), tuple(enumerate(checks.values()))
    read = operator.attrgetter(*names)  # a tuple, as each record has more than one field

    def check(value: object) -> T:
        if not isinstance(value, kind):
            raise Unfit(value, f"an object of {kind.__name__}")
        found = read(value)
        position = -1
        try:
            accepted = [examine(found[position := at]) for at, examine in examined]
        except Unfit as wrong:
            raise wrong.under(names[position]) from None
        same = type(value) is kind and all(map(operator.is_, accepted, found))
        try:
            return _again(value) if same else kind(**dict(zip(names, accepted, strict=True)))
        except (ValueError, ConfigError) as error:
            raise Unfit(value, f"a valid {kind.__name__}: {error}") from error

    check.fields = frozenset(checks)  # type: ignore[attr-defined]  # for the test that none is missing
    return check


def on_use(make: Callable[[], Check[T]]) -> Check[T]:
    """The check that `make` returns, made when the first value comes: its classes are loaded then."""
    made = functools.cache(make)

    def check(value: object) -> T:
        return made()(value)

    check.made = made  # type: ignore[attr-defined]  # for the test that no field is missing
    return check


def _again(value: T) -> T:
    """The rules of the class are satisfied, however the object was made."""
    rules = getattr(value, "__post_init__", None)
    if rules is not None:
        rules()
    return value


def encodable(kind: type[T], element: str) -> Check[T]:
    """An object of a message class that the schema allows: the encoder checks it, before an EV waits for
    it."""

    def check(value: object) -> T:
        if not isinstance(value, kind):
            raise Unfit(value, f"an object of {kind.__name__}")
        try:
            exi.ISO2.encode_fragment(element, value)
        except EncodeError as error:
            raise Unfit(value, f"a valid {kind.__name__}: {error}") from error
        return value

    return check
