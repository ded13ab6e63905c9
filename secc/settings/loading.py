"""The station's TOML file as a `SeccConfig`."""

import pathlib
import re
import tomllib
import typing

from secc.errors import ConfigError
from secc.settings.checks import build
from secc.settings.config import SeccConfig

__all__ = ["from_dict", "load"]


def load(path: str | pathlib.Path) -> SeccConfig:
    """Read a TOML file. File names in it are relative to its folder.

    Raises ConfigError when the file is missing, malformed, or has an unknown key or a wrong value. The error
    names the file, the line where it is found, the setting, and the nearest known key.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return from_dict(document, folder=path.parent)
    except ConfigError as error:
        line = _line_of(text, error.setting)
        where = f"{path}, line {line}" if line else str(path)
        raise ConfigError(f"{where}: {error}", setting=error.setting) from error


def from_dict(document: dict[str, object], *, folder: pathlib.Path = pathlib.Path()) -> SeccConfig:
    """The same from a parsed document."""
    return typing.cast(SeccConfig, build(SeccConfig, document, "", folder))


def _line_of(text: str, setting: str) -> int:
    """The line of a TOML document on which a setting stands, from 1.

    The header of its table where it has no separate line, 0 where neither is found: in an inline table, or
    where the default is in use.
    """
    wanted = _parts(setting)
    table: list[str] = []
    counts: dict[str, int] = {}
    header = 0
    for number, line in enumerate(text.splitlines(), 1):
        if (many := re.match(r"\s*\[\[\s*([\w.\-]+)\s*\]\]", line)) is not None:
            position = counts[many[1]] = counts.get(many[1], -1) + 1
            table = [*many[1].split("."), str(position)]
        elif (one := re.match(r"\s*\[\s*([\w.\-]+)\s*\]", line)) is not None:
            table = one[1].split(".")
        elif (key := re.match(r"\s*([\w.\-]+)\s*=", line)) is not None:
            found = [*table, *key[1].split(".")]
            if wanted[: len(found)] == found:
                return number
            continue
        else:
            continue
        if wanted[: len(table)] == table:
            header = number
    return header


def _parts(setting: str) -> list[str]:
    """`tls.chains[0].root` as `tls`, `chains`, `0`, `root`."""
    return setting.replace("[", ".").replace("]", "").split(".") if setting else []
