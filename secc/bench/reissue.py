"""Certificates issued again with one change, of either generation."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from secc.pki.certificates import Certificate, read_certificate
from secc.pki.issuing import Holder
from secc.pki.keys import signing_hash

_DAY = datetime.timedelta(days=1)
EXPIRED = (-3 * _DAY, -_DAY)
NOT_YET = (_DAY, 300 * _DAY)
SOON = (-_DAY, 10 * _DAY)
"""Validities, from now."""


def reissue(
    base: Holder,
    issuer: Holder,
    *,
    subject: x509.Name | None = None,
    validity: tuple[datetime.timedelta, datetime.timedelta] | None = None,
    replaced: Sequence[x509.ExtensionType] = (),
) -> Certificate:
    """A certificate like that of `base` from the same issuer, with what is given changed.

    `validity`: begin and end, from now. `replaced`: extensions in place of those with the same OID, or more.
    """
    old = base.certificate.to_cryptography()
    begins, ends = old.not_valid_before_utc, old.not_valid_after_utc
    if validity is not None:
        now = datetime.datetime.now(datetime.UTC)
        begins, ends = now + validity[0], now + validity[1]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or old.subject)
        .issuer_name(issuer.certificate.to_cryptography().subject)
        .public_key(base.key.public_key())
        .serial_number(int.from_bytes(os.urandom(15), "big") + 1)
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    others = {one.oid: one for one in replaced}
    for extension in old.extensions:
        value = others.pop(extension.oid, extension.value)
        builder = builder.add_extension(value, critical=extension.critical)
    for added in others.values():
        builder = builder.add_extension(added, critical=False)
    made = builder.sign(issuer.key, signing_hash(issuer.key))
    return read_certificate(made.public_bytes(Encoding.DER))


def changed_subject(
    old: x509.Name,
    *,
    common_name: str | None = None,
    more: tuple[tuple[ObjectIdentifier, str], ...] = (),
    domain: str | None = None,
) -> x509.Name:
    """The same name with these attributes changed or added."""
    attributes = []
    for attribute in old:
        value = attribute.value
        if attribute.oid == NameOID.COMMON_NAME and common_name is not None:
            value = common_name
        if attribute.oid == NameOID.DOMAIN_COMPONENT and domain is not None:
            value = domain
        attributes.append(x509.NameAttribute(attribute.oid, value))
    attributes += [x509.NameAttribute(oid, value) for oid, value in more]
    return x509.Name(attributes)
