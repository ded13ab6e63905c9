"""The ASN.1 of certificates, for asn1crypto, and strictly DER.

`load` reads bytes with one of the types below and encodes the result again. Bytes that do not come back as
they were are refused: lengths in long form, padded numbers, a TRUE that is not FF, a set out of order, bits
behind the end, anything after the end. One deviation of certificates in service passes, a FALSE written out
where DER leaves the default away: the two fields concerned are optional here, so that it stays visible.

The types are those of RFC 5280. They are not taken from `asn1crypto.x509`, which normalises what it reads (an
address to an IRI and back, times with offsets) and knows one string type for each attribute of a name.
"""

from __future__ import annotations

from typing import TypeVar

from asn1crypto import core

from secc.errors import ChainError
from secc.pki.rules import Rule, broken

_Type = TypeVar("_Type", bound=core.Asn1Value)


def malformed(text: str) -> ChainError:
    """The error for bytes that are not what they should be."""
    return broken(Rule.MALFORMED, "", f"not a certificate: {text}")


def load(syntax: type[_Type], der: bytes) -> _Type:
    """The value of type `syntax` that `der` encodes; raises ChainError when it encodes none in DER."""
    try:
        value: _Type = syntax.load(der, strict=True)
        encoded = value.dump(force=True)
    except NOT_ASN1 as error:
        raise malformed(" ".join(str(error).split())[:200]) from error
    if encoded != der:
        raise malformed("the encoding is not DER")
    return value


def present(value: core.Asn1Value) -> bool:
    """Whether an optional field is there."""
    return not isinstance(value, core.Void)


NOT_ASN1 = (ValueError, TypeError, IndexError, KeyError, AttributeError)
"""What asn1crypto raises for bytes that have not the form of the type."""


class _Filled(core.SequenceOf):
    """SEQUENCE SIZE (1..MAX) OF."""

    def dump(self, force: bool = False) -> bytes:
        if not len(self):
            raise ValueError(f"{type(self).__name__.lstrip('_')} without an element")
        encoded: bytes = super().dump(force=force)
        return encoded


# --- names and times ----------------------------------------------------------------------------------------


class _NumericString(core.NumericString):
    _encoding = "ascii"


class _PrintableString(core.PrintableString):
    _encoding = "ascii"


class _VisibleString(core.VisibleString):
    _encoding = "ascii"


class _TeletexString(core.TeletexString):
    _encoding = "latin1"  # as issuers use it


class AttributeContent(core.Choice):
    """The value of an attribute: a text, or one of the few others that occur."""

    _alternatives = [
        ("utf8", core.UTF8String),
        ("numeric", _NumericString),
        ("printable", _PrintableString),
        ("teletex", _TeletexString),
        ("ia5", core.IA5String),
        ("visible", _VisibleString),
        ("universal", core.UniversalString),
        ("bmp", core.BMPString),
        ("bits", core.BitString),
        ("octets", core.OctetString),
        ("identifier", core.ObjectIdentifier),
        ("sequence", core.Sequence),
    ]


class _Attribute(core.Sequence):
    _fields = [("type", core.ObjectIdentifier), ("value", AttributeContent)]


class _RelativeName(core.SetOf):
    _child_spec = _Attribute

    def dump(self, force: bool = False) -> bytes:
        if not len(self):
            raise ValueError("an empty part of a name")
        encoded: bytes = super().dump(force=force)
        return encoded


class DistinguishedName(core.SequenceOf):
    """RDNSequence."""

    _child_spec = _RelativeName


class _DirectoryName(core.Choice):
    _alternatives = [("rdn", DistinguishedName)]


class GeneralName(core.Choice):
    """Any kind of name; the forms that nothing here looks into stay as they are."""

    _alternatives = [
        ("other", core.Sequence, {"implicit": 0}),
        ("email", core.IA5String, {"implicit": 1}),
        ("dns", core.IA5String, {"implicit": 2}),
        ("x400", core.Sequence, {"implicit": 3}),
        ("directory", _DirectoryName, {"explicit": 4}),
        ("edi", core.Sequence, {"implicit": 5}),
        ("uri", core.IA5String, {"implicit": 6}),
        ("ip", core.OctetString, {"implicit": 7}),
        ("registered", core.ObjectIdentifier, {"implicit": 8}),
    ]

    def dump(self, force: bool = False) -> bytes:
        if self.name != "directory" and not self.chosen.contents:
            raise ValueError(f"an empty name ({self.name})")
        encoded: bytes = super().dump(force=force)
        return encoded


class GeneralNames(_Filled):
    """Names of any kind."""

    _child_spec = GeneralName


class UtcTime(core.VisibleString):
    """UTCTime as text; `certificates` accepts the form of RFC 5280 alone."""

    tag = 23


class GeneralizedTime(core.VisibleString):
    """GeneralizedTime as text."""

    tag = 24


class Time(core.Choice):
    """Either of them."""

    _alternatives = [("utc", UtcTime), ("general", GeneralizedTime)]


# --- extensions ---------------------------------------------------------------------------------------------

KEY_USAGES = (
    "digital_signature",
    "non_repudiation",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
"""Names of the bits of KeyUsage, in their order."""


class _KeyUsage(core.BitString):
    _map = dict(enumerate(KEY_USAGES))


class _BasicConstraints(core.Sequence):
    _fields = [
        ("authority", core.Boolean, {"optional": True}),
        ("path_length", core.Integer, {"optional": True}),
    ]


class _Purposes(_Filled):
    _child_spec = core.ObjectIdentifier


class _AuthorityKeyIdentifier(core.Sequence):
    _fields = [
        ("key", core.OctetString, {"implicit": 0, "optional": True}),
        ("issuer", GeneralNames, {"implicit": 1, "optional": True}),
        ("serial", core.Integer, {"implicit": 2, "optional": True}),
    ]


class _AccessDescription(core.Sequence):
    _fields = [("method", core.ObjectIdentifier), ("location", GeneralName)]


class _AuthorityInformation(_Filled):
    _child_spec = _AccessDescription


class _PointName(core.Choice):
    _alternatives = [("full", GeneralNames, {"implicit": 0}), ("relative", _RelativeName, {"implicit": 1})]


class _Reasons(core.BitString):
    _map = {bit: str(bit) for bit in range(9)}


class _DistributionPoint(core.Sequence):
    _fields = [
        ("name", _PointName, {"explicit": 0, "optional": True}),
        ("reasons", _Reasons, {"implicit": 1, "optional": True}),
        ("issuer", GeneralNames, {"implicit": 2, "optional": True}),
    ]


class _DistributionPoints(_Filled):
    _child_spec = _DistributionPoint


class _DisplayText(core.Choice):
    _alternatives = [
        ("ia5", core.IA5String),
        ("visible", _VisibleString),
        ("bmp", core.BMPString),
        ("utf8", core.UTF8String),
    ]


class _NoticeNumbers(core.SequenceOf):
    _child_spec = core.Integer


class _NoticeReference(core.Sequence):
    _fields = [("organization", _DisplayText), ("numbers", _NoticeNumbers)]


class _UserNotice(core.Sequence):
    _fields = [
        ("reference", _NoticeReference, {"optional": True}),
        ("text", _DisplayText, {"optional": True}),
    ]


CPS_QUALIFIER, NOTICE_QUALIFIER = "1.3.6.1.5.5.7.2.1", "1.3.6.1.5.5.7.2.2"


class _Qualifier(core.Sequence):
    _fields = [("kind", core.ObjectIdentifier), ("value", core.Any)]
    _oid_pair = ("kind", "value")
    _oid_specs = {CPS_QUALIFIER: core.IA5String, NOTICE_QUALIFIER: _UserNotice}


class _Qualifiers(_Filled):
    _child_spec = _Qualifier


class _Policy(core.Sequence):
    _fields = [("policy", core.ObjectIdentifier), ("qualifiers", _Qualifiers, {"optional": True})]


class _Policies(_Filled):
    _child_spec = _Policy

    def dump(self, force: bool = False) -> bytes:
        found = [policy["policy"].dotted for policy in self]
        if len(set(found)) != len(found):
            raise ValueError("a policy twice")
        encoded: bytes = super().dump(force=force)
        return encoded


class _Subtree(core.Sequence):
    """The base alone: RFC 5280 has no use for the distances."""

    _fields = [("base", GeneralName)]


class _Subtrees(_Filled):
    _child_spec = _Subtree


class _NameConstraints(core.Sequence):
    _fields = [
        ("permitted", _Subtrees, {"implicit": 0, "optional": True}),
        ("excluded", _Subtrees, {"implicit": 1, "optional": True}),
    ]

    def dump(self, force: bool = False) -> bytes:
        if not self.contents:
            raise ValueError("name constraints without a subtree")
        encoded: bytes = super().dump(force=force)
        return encoded


SUBJECT_KEY_ID = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
NAME_CONSTRAINTS = "2.5.29.30"
CRL_POINTS = "2.5.29.31"
POLICIES = "2.5.29.32"
AUTHORITY_KEY_ID = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"
AUTHORITY_INFORMATION = "1.3.6.1.5.5.7.1.1"


class _Extension(core.Sequence):
    _fields = [
        ("oid", core.ObjectIdentifier),
        ("critical", core.Boolean, {"optional": True}),
        ("value", core.ParsableOctetString),
    ]
    _oid_pair = ("oid", "value")
    _oid_specs = {
        SUBJECT_KEY_ID: core.OctetString,
        KEY_USAGE: _KeyUsage,
        SUBJECT_ALT_NAME: GeneralNames,
        BASIC_CONSTRAINTS: _BasicConstraints,
        NAME_CONSTRAINTS: _NameConstraints,
        CRL_POINTS: _DistributionPoints,
        POLICIES: _Policies,
        AUTHORITY_KEY_ID: _AuthorityKeyIdentifier,
        EXTENDED_KEY_USAGE: _Purposes,
        AUTHORITY_INFORMATION: _AuthorityInformation,
    }


class ExtensionList(_Filled):
    """All extensions of a certificate; the value of one that is not listed above stays as it is."""

    _child_spec = _Extension


# --- certificates and lists ---------------------------------------------------------------------------------


class _Algorithm(core.Sequence):
    _fields = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any, {"optional": True})]


class PublicKeyInfo(core.Sequence):
    """SubjectPublicKeyInfo."""

    _fields = [("algorithm", _Algorithm), ("key", core.OctetBitString)]


class _Validity(core.Sequence):
    _fields = [("begin", Time), ("end", Time)]


class _TbsCertificate(core.Sequence):
    _fields = [
        ("version", core.Integer, {"explicit": 0, "default": 0}),
        ("serial", core.Integer),
        ("signature", _Algorithm),
        ("issuer", DistinguishedName),
        ("validity", _Validity),
        ("subject", DistinguishedName),
        ("key", PublicKeyInfo),
        ("issuer_id", core.OctetBitString, {"implicit": 1, "optional": True}),
        ("subject_id", core.OctetBitString, {"implicit": 2, "optional": True}),
        ("extensions", ExtensionList, {"explicit": 3, "optional": True}),
    ]


class SignedCertificate(core.Sequence):
    """A certificate."""

    _fields = [("tbs", _TbsCertificate), ("algorithm", _Algorithm), ("signature", core.OctetBitString)]


class _TbsList(core.Sequence):
    _fields = [
        ("version", core.Integer, {"optional": True}),
        ("signature", _Algorithm),
        ("issuer", DistinguishedName),
        ("this_update", Time),
        ("next_update", Time, {"optional": True}),
        ("revoked", core.Sequence, {"optional": True}),
        ("extensions", core.Sequence, {"explicit": 0, "optional": True}),
    ]


class RevocationList(core.Sequence):
    """A CRL, as far as its issuer; `cryptography` reads the rest."""

    _fields = [("tbs", _TbsList), ("algorithm", _Algorithm), ("signature", core.OctetBitString)]
