"""Roots under which certificates of EVs are accepted: `[trust]` in the station's file."""

import dataclasses
import pathlib

from secc.settings.checks import Settings

__all__ = ["TrustConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig(Settings, section="trust"):
    """Roots under which certificates of EVs are accepted, each only in the role of its list."""

    v2g_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with V2G roots; a folder means all `*.pem` in it, here and below."""
    mo_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of mobility operators: contracts."""
    oem_roots: tuple[pathlib.Path, ...] = ()
    """PEM files with roots of car makers: provisioning certificates."""
