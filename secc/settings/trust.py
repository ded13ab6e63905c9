"""The roots under which certificates of EVs are accepted: `[trust]` in the station's file."""

import dataclasses
import pathlib

from secc.settings.checks import Settings

__all__ = ["TrustConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig(Settings, section="trust"):
    """Roots under which certificates of EVs are accepted. Each root only for what it is listed for."""

    v2g_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with V2G roots; a folder stands for all `*.pem` in it, here and below."""
    mo_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of mobility operators: contracts."""
    oem_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of car makers: provisioning certificates."""
