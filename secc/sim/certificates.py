"""Throwaway certificates for a demonstration: a V2G root, its CPO Sub-CAs and a SECC leaf, valid for a day.

Made new each time, so no secret is stored and nothing can expire. Never for production.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from secc.private_files import make_private

__all__ = ["ThrowawayPki", "make_throwaway_pki"]


@dataclasses.dataclass(frozen=True, slots=True)
class ThrowawayPki:
    """PEM files in one folder."""

    root: Path
    """For the EV."""
    chain: Path
    """For the station: leaf first, without the root."""
    key: Path
    """Of the leaf."""


def make_throwaway_pki(folder: Path) -> ThrowawayPki:
    """Write a new hierarchy into an existing folder."""
    issuer: _Issued | None = None
    chain: list[bytes] = []
    for name, domain, path_length in _LEVELS:
        issuer = _issue(name, domain, path_length, issuer)
        chain.insert(0, issuer.certificate.public_bytes(Encoding.PEM))
    assert issuer is not None
    pki = ThrowawayPki(folder / "v2g_root.pem", folder / "secc_chain.pem", folder / "secc_leaf_key.pem")
    pki.root.write_bytes(chain.pop())
    pki.chain.write_bytes(b"".join(chain))
    make_private(pki.key)
    pki.key.write_bytes(issuer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pki


_LEVELS = (
    ("V2GRootCA Demo", "V2G", None),
    ("CPOSubCA1 Demo", "V2G", 1),
    ("CPOSubCA2 Demo", "V2G", 0),
    ("DEABCSDEMOSECC", "CPO", -1),
)
"""Name, role and path length from the root down; -1 marks the leaf."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _issue(name: str, domain: str, path_length: int | None, issuer: _Issued | None) -> _Issued:
    leaf = path_length == -1
    key = ec.generate_private_key(ec.SECP256R1())  # [V2G2-007]
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Demo only"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, domain),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    constraints = x509.BasicConstraints(ca=not leaf, path_length=None if leaf else path_length)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(constraints, critical=True)
        .add_extension(_key_usage(leaf=leaf), critical=True)
    )
    signer = issuer.key if issuer else key
    return _Issued(builder.sign(signer, hashes.SHA256()), key)  # [V2G2-006]


def _key_usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        key_agreement=leaf,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )
