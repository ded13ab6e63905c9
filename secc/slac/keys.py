"""The key of the logical network (NMK) and its identifier (NID)."""

import dataclasses
import hashlib
from collections.abc import Callable

__all__ = ["NetworkKey", "nid_of", "nmk_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkKey:
    """Key and identifier of one logical network, shared by both modems. The NMK is a secret [INV-25]."""

    nid: bytes
    nmk: bytes = dataclasses.field(repr=False)

    @classmethod
    def fresh(cls, random_bytes: Callable[[int], bytes]) -> "NetworkKey":
        """Make a new key; `random_bytes` must be a cryptographic source."""
        nmk = random_bytes(16)
        return cls(nid_of(nmk), nmk)


def nid_of(nmk: bytes) -> bytes:
    """Return the NID of a key: five rounds of SHA-256, cut to 52 bits, security level 0 [V2G3-A09-93]."""
    digest = nmk
    for _ in range(5):
        digest = hashlib.sha256(digest).digest()
    return digest[:6] + bytes((digest[6] >> 4,))


def nmk_of(password: str) -> bytes:
    """Return the key that HomePlug tools derive from a network password; matching never uses passwords."""
    digest = hashlib.sha256(password.encode() + _SALT).digest()
    for _ in range(999):
        digest = hashlib.sha256(digest).digest()
    return digest[:16]


_SALT = bytes.fromhex("08856daf7cf58186")
