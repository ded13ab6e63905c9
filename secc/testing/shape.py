"""The methods of a controller: there, async or not, with the arguments of `secc.ports`. Pure."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

REQUIRED = {
    "snapshot": (),
    "lease": (0.5,),
    "close_contactor": (),
    "open_contactor": (),
    "check_cable": (500.0,),
    "set_output": (0.0, 0.0),
    "make_safe": (),
}
"""The seven methods, with arguments as the station gives them."""
OPTIONAL: dict[str, tuple[object, ...]] = {"changed": (), "drive_pilot": (None,), "basic_charging": (True,)}
"""What a controller may have as well."""
ASYNC = {"close_contactor", "open_contactor", "check_cable", "set_output", "make_safe", "changed"}


def abilities(controller: object) -> frozenset[str]:
    """The optional methods that are there."""
    return frozenset(name for name in OPTIONAL if callable(getattr(controller, name, None)))


def faults(controller: object) -> dict[str, list[str]]:
    """What is wrong, by the id of the row that owes it; rows without a fault are left out."""
    found = {
        "methods": list(_missing(controller)),
        "kinds": list(_kinds(controller)),
        "arguments": list(_arguments(controller)),
        "names": list(_names(controller)),
    }
    return {row: wrong for row, wrong in found.items() if wrong}


def _missing(controller: object) -> list[str]:
    public = [name for name in dir(controller) if not name.startswith("_") and name not in REQUIRED]
    found = []
    for name in REQUIRED:
        if callable(getattr(controller, name, None)):
            continue
        near = difflib.get_close_matches(name, public, n=1, cutoff=_NEAR)
        found.append(f"no {name}" + (f", but {near[0]}" if near else ""))
    return found


def _kinds(controller: object) -> list[str]:
    found = []
    for name, method in _present(controller):
        if name in ASYNC and not _is_async(method):
            found.append(f"{name} is def, expected async def")
        elif name not in ASYNC and _is_async(method):
            found.append(f"{name} is async def, expected def")
    return found


def _arguments(controller: object) -> list[str]:
    found = []
    for name, method in _present(controller):
        try:
            inspect.signature(method).bind(*{**REQUIRED, **OPTIONAL}[name])
        except TypeError as error:
            found.append(f"{name}{inspect.signature(method)}: {error}")
        except ValueError:  # a builtin without a signature
            continue
    return found


def _names(controller: object) -> list[str]:
    """Methods whose name is nearly that of an optional one: without the exact name it is never called."""
    known = {**REQUIRED, **OPTIONAL}
    found = []
    for name in dir(controller):
        if name.startswith("_") or name in known or not callable(getattr(controller, name, None)):
            continue
        near = difflib.get_close_matches(name, OPTIONAL, n=1, cutoff=_NEAR)
        if near and not callable(getattr(controller, near[0], None)):
            found.append(f"{name} is never called; {near[0]} is")
    return found


_NEAR = 0.8


def _present(controller: object) -> list[tuple[str, Callable[..., Any]]]:
    pairs = ((name, getattr(controller, name, None)) for name in {**REQUIRED, **OPTIONAL})
    return [(name, method) for name, method in pairs if callable(method)]


def _is_async(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(
        getattr(method, "__call__", None)  # noqa: B004  an object with an async __call__
    )
