"""Files of the station's certificates and roots: read, and replaced so that a power cut loses nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from secc import pki
from secc.errors import CertificateError, ConfigError, SeccError
from secc.private_files import write_private
from secc.settings.config import SeccConfig
from secc.settings.trust import TrustConfig

if TYPE_CHECKING:
    from secc.pki.certificates import Certificate
    from secc.pki.profiles import Kind
    from secc.pki.trust import TrustStore

__all__ = ["CertificateFiles", "load_trust", "station_trust", "trust_files"]


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The two files a station's TLS is configured with."""

    chain: Path
    key: Path
    password: bytes | None = dataclasses.field(default=None, repr=False)
    """Of an encrypted key; the new key is then written encrypted as well."""

    def leaf(self) -> Certificate:
        """The certificate in use; raises CertificateError or OSError."""
        return pki.read_chain(self.chain.read_bytes())[0]

    def replace(self, chain_pem: bytes, key_pem: bytes) -> None:
        """Put new files in the place of the old ones; raises OSError and leaves the old ones.

        Each file is replaced at once, the pair is not: both new ones are on the disk before the first is
        moved, and `recover` finishes what a power cut has interrupted. The old pair is kept beside them;
        where there is one already, the one in use has not proved itself and is not kept.
        """
        new_chain, new_key = _new(self.chain), _new(self.key)
        made = [new_key, new_chain]
        try:
            if not self.has_old:
                made += [_old(self.key), _old(self.chain)]
                _write(_old(self.key), self.key.read_bytes(), mode=0o600)
                _write(_old(self.chain), self.chain.read_bytes(), mode=0o644)
            _write(new_key, key_pem, mode=0o600)
            _write(new_chain, chain_pem, mode=0o644)
        except OSError:
            for path in made:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        old_key = self.key.read_bytes()
        os.replace(new_key, self.key)
        try:
            os.replace(new_chain, self.chain)
        except OSError:
            _write(new_key, old_key, mode=0o600)
            os.replace(new_key, self.key)
            raise
        _sync_folder(self.chain.parent)

    @property
    def has_old(self) -> bool:
        """The pair before this one is still there."""
        return _old(self.chain).exists() and _old(self.key).exists()

    def old_leaf(self) -> Certificate:
        """The certificate before the one in use; raises CertificateError or OSError."""
        return pki.read_chain(_old(self.chain).read_bytes())[0]

    def settle(self) -> None:
        """The pair in use has passed its probation: delete the old one."""
        for path in (_old(self.key), _old(self.chain)):
            path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Put the old pair back in place of the new one."""
        os.replace(_old(self.key), self.key)
        os.replace(_old(self.chain), self.chain)
        _sync_folder(self.chain.parent)

    def recover(self) -> None:
        """After a start: when key and chain do not belong together, finish the replacement that was begun, in
        either direction; where there is nothing to finish, the old pair comes back."""
        new_chain, new_key = _new(self.chain), _new(self.key)
        if new_chain.exists() and not new_key.exists() and self._belongs(new_chain):
            os.replace(new_chain, self.chain)
        if _old(self.chain).exists() and not _old(self.key).exists():
            if self._belongs(_old(self.chain)) and not self._belongs(self.chain):
                os.replace(_old(self.chain), self.chain)
            _old(self.chain).unlink(missing_ok=True)
        if self.has_old and not self._belongs(self.chain):
            self.restore()
        for path in (new_chain, new_key):  # begun and not finished: the old pair is complete
            path.unlink(missing_ok=True)

    def _belongs(self, chain: Path) -> bool:
        try:
            leaf = pki.read_chain(chain.read_bytes())[0]
            return leaf.key == pki.keys.read_private_key(self.key.read_bytes(), self.password).public_key()
        except (CertificateError, OSError):
            return False


def load_trust(trust: TrustConfig) -> TrustStore:
    """The roots of `[trust]`; raises ConfigError, which names the file."""
    store = pki.TrustStore()
    for kind, listed in _roots(trust):
        path = listed
        try:
            for path in sorted(listed.glob("*.pem")) if listed.is_dir() else (listed,):
                for certificate in pki.read_chain(path.read_bytes()):
                    store = store.with_anchor(certificate, kind, source=str(path))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except SeccError as error:
            raise ConfigError(f"{path}: {error}") from error
    return store


def trust_files(trust: TrustConfig) -> list[Path]:
    """Return the files and folders of `[trust]`."""
    return [path for _, path in _roots(trust)]


def station_trust(config: SeccConfig) -> TrustStore:
    """The roots below which the station's certificates must hang: `[trust]`, `tls.root`, `iso20.tls.root`.

    Reads files; raises ConfigError, which names the file.
    """
    store = load_trust(config.trust)
    for root in (config.tls.root, config.iso20.tls.root):
        try:
            for certificate in pki.read_chain(root.read_bytes()) if root is not None else ():
                store = store.with_anchor(certificate, pki.Kind.V2G_ROOT, source=str(root))
        except (CertificateError, OSError) as error:
            raise ConfigError(f"renewal of the station's certificate: {root}: {error}") from error
    return store


def _roots(trust: TrustConfig) -> list[tuple[Kind, Path]]:
    kinds = (
        (pki.Kind.V2G_ROOT, trust.v2g_roots),
        (pki.Kind.MO_ROOT, trust.mo_roots),
        (pki.Kind.OEM_ROOT, trust.oem_roots),
    )
    return [(kind, path) for kind, paths in kinds for path in paths]


def _old(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _new(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """On the disk, not only in its cache, when this returns."""
    path.unlink(missing_ok=True)
    write_private(path, content, mode=mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
