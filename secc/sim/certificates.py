"""Throwaway certificates for a demonstration: both generations, all trees, valid for a day.

Made new each time, so no secret is stored and nothing can expire. Never for production.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from pathlib import Path

from secc.pki.hierarchy import (
    ISO20_FOLDER,
    HierarchyNames,
    make_hierarchy,
    make_iso20_hierarchy,
    write_hierarchy,
)

__all__ = ["ThrowawayPki", "make_throwaway_pki"]


@dataclasses.dataclass(frozen=True, slots=True)
class ThrowawayPki:
    """Two hierarchies as PEM files: ISO 15118-2 in `folder`, ISO 15118-20 in `iso20`.

    Both folders have the file names of `secc pki new`.
    """

    folder: Path

    @property
    def root(self) -> Path:
        """The V2G root of ISO 15118-2, for the EV."""
        return self.folder / "v2g_root.pem"

    @property
    def chain(self) -> Path:
        """For the station: leaf first, without the root."""
        return self.folder / "secc_chain.pem"

    @property
    def key(self) -> Path:
        """Of the leaf."""
        return self.folder / "secc_leaf_key.pem"

    @property
    def iso20(self) -> ThrowawayPki:
        """The same files of ISO 15118-20; `vehicle_chain.pem` and `oem_root.pem` are there as well."""
        return ThrowawayPki(self.folder / ISO20_FOLDER)


def make_throwaway_pki(folder: Path) -> ThrowawayPki:
    """Write new hierarchies of both generations into an existing folder."""
    now = datetime.datetime.now(datetime.UTC)
    pki = ThrowawayPki(folder)
    names = HierarchyNames(organization="Demo only", secc_id="DEABCSDEMOSECC", suffix="Demo")
    begin, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(days=1)
    older = make_hierarchy(not_before=begin, not_after=end, names=names, random_bytes=os.urandom(16))
    write_hierarchy(older, pki.folder, now)
    newer = make_iso20_hierarchy(not_before=begin, not_after=end, names=names, random_bytes=os.urandom(16))
    write_hierarchy(newer, pki.iso20.folder, now)
    return pki
