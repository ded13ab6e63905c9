"""X448 keys of an Ed448 key: one key pair of a vehicle both signs and agrees on a secret.

Ed448 signs and X448 agrees; a certificate has one key. The two curves are related by a 4-isogeny that maps
the base point of one to that of the other (RFC 7748, section 4.2), so a key pair of Ed448 determines one of
X448: the public key is `y²/x²`, the private key is the scalar that Ed448 derives from its seed (RFC 8032,
section 5.2.5). That ISO 15118-20 means this mapping is an assumption, see `iso20_delivery`.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import ed448, x448

from secc.errors import CertificateError
from secc.pki.rules import Rule

__all__ = ["SIZE", "agreement_key", "agreement_private_key"]

SIZE = 56
"""Bytes of an X448 key, public or private."""


def agreement_key(key: ed448.Ed448PublicKey) -> x448.X448PublicKey:
    """Return the X448 public key that belongs to an Ed448 public key; raises CertificateError for the neutral
    point and its like, which agree on nothing."""
    y = int.from_bytes(key.public_bytes_raw()[:SIZE], "little")
    squared = y * y % _P
    below = (1 - squared) % _P
    if below == 0 or squared == 0:
        raise CertificateError("the key is a point of small order", certificate="Ed448 key", rule=Rule.POINT)
    u = squared * (1 - _D * squared) * pow(below, -1, _P) % _P
    return x448.X448PublicKey.from_public_bytes(u.to_bytes(SIZE, "little"))


def agreement_private_key(key: ed448.Ed448PrivateKey) -> x448.X448PrivateKey:
    """Return the X448 private key that belongs to an Ed448 private key."""
    scalar = hashlib.shake_256(key.private_bytes_raw()).digest(2 * 57)[:SIZE]
    return x448.X448PrivateKey.from_private_bytes(scalar)  # X448 sets and clears the same bits as Ed448


_P = 2**448 - 2**224 - 1
_D = -39081
