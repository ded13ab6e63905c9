"""What an option such as `--controller package.module:Class` names."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from secc.errors import ConfigError


def make(name: str, option: str, *arguments: object) -> Any:
    """What `package.module:Class` returns when it is called; the current directory is searched as well.

    Raises ConfigError when it is not there, is not called with these arguments, or raises.
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
        raise ConfigError(f"{option} {name}: it is called {how}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{option} {name}: {type(error).__name__}: {error}") from error
