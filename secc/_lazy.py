"""Packages whose names are loaded when they are first used: a station starts faster without what it does not
need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping


def loaded_on_use(
    package: str, homes: Mapping[str, Iterable[str]], *, modules: Iterable[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    `homes`: names by the module inside the package that has them. `modules`: modules of the package that are
    names themselves. A name is looked up once; from then on the package has it.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    known = {*home_of, *modules}

    def load(name: str) -> object:
        """Load the module of a public name."""
        if name not in known:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home_of.get(name, name)}")
        found = getattr(module, name) if name in home_of else module
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        """The public names, loaded or not."""
        return sorted({*vars(sys.modules[package]), *known})

    return load, names
