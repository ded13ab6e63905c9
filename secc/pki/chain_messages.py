"""Certificate chains in messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["certificates_of"]


class _SubCertificates(Protocol):
    @property
    def certificate(self) -> tuple[bytes, ...]: ...


class _ChainMessage(Protocol):
    """A chain in a message of either protocol."""

    @property
    def certificate(self) -> bytes: ...
    @property
    def sub_certificates(self) -> _SubCertificates | None: ...


def certificates_of(chain: _ChainMessage) -> tuple[bytes, ...]:
    """Return the certificates of a message as received, leaf first."""
    subs: Sequence[bytes] = () if chain.sub_certificates is None else chain.sub_certificates.certificate
    return (chain.certificate, *subs)
