"""Loads what an option such as `--controller package.module:Class` names."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from secc.errors import ConfigError


def make(name: str, option: str, *arguments: object) -> Any:
    """Call `package.module:Class` and return the result; the current directory is searched too.

    Raises ConfigError when it does not exist, cannot be called with these arguments, or raises.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not attribute:
        raise ConfigError(f"{option} {name}: expected package.module:Class")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{option} {name}: {error}") from error
    try:
        return factory(*arguments)
    except TypeError as error:
        how = f"with {len(arguments)} argument" if arguments else "without arguments"
        raise ConfigError(f"{option} {name}: called {how}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{option} {name}: {type(error).__name__}: {error}") from error
