"""Signing keys in a file, or in a hardware security module or TPM behind PKCS#11.

To the rest of the service a key in hardware is a private key that cannot be exported: it signs certificates,
CRLs, OCSP answers and bundles in the same way, on secp256r1 for ISO 15118-2 and on secp521r1 for ISO
15118-20. Ed448 keys are in files: common modules do not have this curve. Needs `pip install secc[cpo,hsm]`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import threading
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)

from secc.errors import CertificateError, ConfigError
from secc.pki.certificates import Certificate, read_chain
from secc.pki.issuing import Holder, Identity, read_key
from secc.pki.keys import PrivateKey, read_private_key, signing_hash
from secc.pki.profiles import Generation, generation_of
from secc.pki.rules import Rule, broken

__all__ = ["Hsm", "HsmKey", "KeyPlace", "load", "load_iso20"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hsm:
    """A key in a hardware security module."""

    module: Path
    """PKCS#11 library of the module, a `.so` file."""
    token: str
    """Label of the token."""
    label: str
    """Label of the private key."""
    pin_file: Path
    """File with the PIN of the user."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """The certificate of a role and the place of its key: `key` or `hsm`."""

    chain: Path
    """PEM: the certificate of the role, then those above it, without the root."""
    key: Path | None = None
    """PEM, PKCS#8."""
    password_file: Path | None = None
    """File with the password of `key`."""
    hsm: Hsm | None = None


def load(place: KeyPlace) -> tuple[Identity, tuple[Certificate, ...]]:
    """Return the identity of the role and the certificates above it.

    Raises ConfigError or CertificateError.
    """
    own, *above = read_chain(_read(place.chain))
    if (place.key is None) == (place.hsm is None):
        raise ConfigError(f"{place.chain}: expected either key or hsm")
    if place.hsm is not None:
        key: ec.EllipticCurvePrivateKey = HsmKey(place.hsm, own)
    else:
        assert place.key is not None
        password = None if place.password_file is None else _read(place.password_file).strip()
        key = read_key(_read(place.key), password)
    if key.public_key() != own.public_key:
        raise broken(Rule.NOT_OUR_KEY, str(own), f"the key does not match the certificate in {place.chain}")
    return Identity(own, key), tuple(above)


def load_iso20(place: KeyPlace) -> tuple[Holder, tuple[Certificate, ...]]:
    """Return a role of ISO 15118-20 and the certificates above it.

    Raises ConfigError or CertificateError.
    """
    own, *above = read_chain(_read(place.chain))
    if (place.key is None) == (place.hsm is None):
        raise ConfigError(f"{place.chain}: expected either key or hsm")
    if generation_of(own) is not Generation.ISO20:
        raise ConfigError(
            f"{place.chain}: a certificate of {generation_of(own)}, expected {Generation.ISO20}"
        )
    if place.hsm is not None:
        key: PrivateKey = HsmKey(place.hsm, own)
    else:
        assert place.key is not None
        password = None if place.password_file is None else _read(place.password_file).strip()
        key = read_private_key(_read(place.key), password)
    if key.public_key() != own.key:
        raise broken(Rule.NOT_OUR_KEY, str(own), f"the key does not match the certificate in {place.chain}")
    return Holder(own, key), tuple(above)


class HsmKey(ec.EllipticCurvePrivateKey):
    """A private key on secp256r1 or secp521r1 that stays in the module; signs one message at a time."""

    def __init__(self, hsm: Hsm, certificate: Certificate) -> None:
        """Log in and sign once. Raises ConfigError when the module, the token or the key is missing, and
        CertificateError when the key is not that of the certificate."""
        public = certificate.key
        if not isinstance(public, ec.EllipticCurvePublicKey):
            text = f"{certificate}: a key in hardware is on secp256r1 or secp521r1"
            raise ConfigError(text)
        self._public = public
        self._hash = signing_hash(self)
        pin = _read(hsm.pin_file).decode().strip()
        try:
            self._pkcs11: Any = importlib.import_module("pkcs11")
            self._session, self._lock = _logged_in(str(hsm.module), hsm.token, pin)
            kind = self._pkcs11.ObjectClass.PRIVATE_KEY
            self._key = self._session.get_key(object_class=kind, label=hsm.label)
        except ImportError as error:
            raise ConfigError("a key in hardware needs the package python-pkcs11") from error
        except Exception as error:  # exceptions of the package and of the loader of the module
            what = f"{type(error).__name__} {error}".strip()
            raise ConfigError(f"{hsm.module}, token {hsm.token}, key {hsm.label}: {what}") from error
        self._must_sign_for(certificate, hsm)

    def _must_sign_for(self, certificate: Certificate, hsm: Hsm) -> None:
        """Try the key: a module does not say to which certificate it belongs."""
        algorithm, data = ec.ECDSA(self._hash or hashes.SHA256()), b"start"
        try:
            self._public.verify(self.sign(data, algorithm), data, algorithm)
        except InvalidSignature:
            text = f"the key {hsm.label} in the token {hsm.token} does not match the certificate"
            raise broken(Rule.NOT_OUR_KEY, str(certificate), text) from None

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA with the hash of the curve, SHA-256 or SHA-512, DER; the hash is computed here, the signature
        in the module."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        elif self._hash is not None and isinstance(algorithm, type(self._hash)):
            hasher = hashes.Hash(algorithm)
            hasher.update(bytes(data))
            digest = hasher.finalize()
        else:
            wanted = "none" if self._hash is None else self._hash.name
            text = f"a key in hardware on {self.curve.name} signs with {wanted} only"
            raise CertificateError(text, rule=Rule.SIGNATURE_ALGORITHM)
        with self._lock:
            raw = self._key.sign(digest, mechanism=self._pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key of its certificate."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """secp256r1 or secp521r1."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """256 or 521."""
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Not supported: the key only signs."""
        raise CertificateError("a key in hardware only signs", rule=Rule.KEY_ALGORITHM)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Not supported: the key stays in the module."""
        raise CertificateError("a key in hardware cannot be exported", rule=Rule.KEY_ALGORITHM)

    def private_bytes(
        self, encoding: Encoding, format: PrivateFormat, encryption_algorithm: KeySerializationEncryption
    ) -> bytes:
        """Not supported: the key stays in the module."""
        raise CertificateError("a key in hardware cannot be exported", rule=Rule.KEY_ALGORITHM)

    def __copy__(self) -> HsmKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> HsmKey:
        return self


@functools.cache
def _logged_in(module: str, token: str, pin: str) -> tuple[Any, threading.Lock]:
    """Return a session and its lock; a process logs in to a token once for all its keys."""
    library = importlib.import_module("pkcs11").lib(module)
    return library.get_token(token_label=token).open(user_pin=pin), threading.Lock()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
