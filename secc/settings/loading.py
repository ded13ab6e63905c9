"""The station's TOML file as a `SeccConfig`."""

import pathlib
import tomllib
import typing

from secc.errors import ConfigError
from secc.settings.checks import build
from secc.settings.config import SeccConfig

__all__ = ["from_dict", "load"]


def load(path: str | pathlib.Path) -> SeccConfig:
    """Read a TOML file; raises ConfigError when it is missing, malformed, or says something unknown or wrong.

    File names in it are taken relative to the folder it lies in.
    """
    path = pathlib.Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return from_dict(document, folder=path.parent)


def from_dict(document: dict[str, object], *, folder: pathlib.Path = pathlib.Path()) -> SeccConfig:
    """The same from a parsed document."""
    return typing.cast(SeccConfig, build(SeccConfig, document, "", folder))
