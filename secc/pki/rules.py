"""Every rule for certificates and chains, and the response code for the car.

There is one name for each rule: the `rule` of the error, the key of the response code, and what tests assert.
The text beside it states the requirement, with ids of the standard where they are known. `response_code(rule,
request)` is the only place that maps a rule to a response code.
"""

import enum

from secc.errors import ChainError
from secc.messages.iso2 import ResponseCode

__all__ = ["Request", "Rule", "broken", "response_code"]


class Rule(enum.StrEnum):
    """The violated rule. The value is stable: it appears in logs, JSON and tests."""

    # Reading
    MALFORMED = "malformed"
    """A certificate is DER of X.509 without trailing data."""
    EMPTY = "empty"
    """There is a certificate."""
    TOO_LARGE = "too_large"
    """At most 800 bytes for everything that crosses the wire [V2G2-010]; 1,600 in ISO 15118-20."""
    DUPLICATE_EXTENSION = "duplicate_extension"
    """Each extension once (RFC 5280)."""
    EXPLICIT_FALSE = "explicit_false"
    """DER omits default values; `30 03 01 01 00` writes a FALSE that must be omitted."""

    # Any certificate
    VERSION = "version"
    """X.509 version 3."""
    SERIAL = "serial"
    """A positive number of at most 20 bytes."""
    SIGNATURE_ALGORITHM = "signature_algorithm"
    """ecdsa-with-SHA256 [V2G2-006], ecdsa-with-SHA512 or Ed448 [V2G20-2674]; the same inside and outside."""
    KEY_ALGORITHM = "key_algorithm"
    """An elliptic-curve key [V2G2-006], or one of Ed448 in ISO 15118-20."""
    CURVE = "curve"
    """A named curve of the generation: secp256r1 [V2G2-007]; secp521r1 or Ed448 [V2G20-2674]."""
    POINT = "point"
    """An uncompressed point on the curve."""
    CRITICAL_EXTENSION = "critical_extension"
    """No critical extension that this library does not process (RFC 5280)."""
    OTHER_EXTENSION = "other_extension"
    """No extension beyond those of the profile [V2G20-2686]."""
    KEY_IDENTIFIERS = "key_identifiers"
    """SubjectKeyIdentifier, and AuthorityKeyIdentifier on all but roots."""
    VALIDITY_ORDER = "validity_order"
    """The start of validity is before the end."""

    # Profile
    NOT_A_CA = "not_a_ca"
    """An authority is marked in BasicConstraints."""
    IS_A_CA = "is_a_ca"
    """A leaf is no authority."""
    BASIC_CONSTRAINTS = "basic_constraints"
    """BasicConstraints are present."""
    PATH_LENGTH_PROFILE = "path_length_profile"
    """Sub-CA 1 has path length 1, Sub-CA 2 has 0, a root and a leaf have none."""
    KEY_USAGE_MISSING = "key_usage_missing"
    """KeyUsage is present."""
    KEY_USAGE = "key_usage"
    """KeyUsage, if present, has the bits that the role needs and none that contradict it."""
    KEY_USAGE_PROFILE = "key_usage_profile"
    """KeyUsage is exactly what the profile lists [V2G2-822]."""
    CRITICAL_FLAG = "critical_flag"
    """BasicConstraints and KeyUsage are critical."""
    EXTENDED_KEY_USAGE = "extended_key_usage"
    """ExtendedKeyUsage, if present, allows the role."""
    COMMON_NAME = "common_name"
    """Exactly one common name, in the format of the role: eMAID [V2G2-108], PCID [V2G2-933]."""
    SUBJECT = "subject"
    """The attributes of the profile."""
    FORBIDDEN_COUNTRY = "forbidden_country"
    """No country in a contract certificate."""
    DOMAIN_COMPONENT = "domain_component"
    """The domain component names the role, and no other role [V2G2-925]."""
    REVOCATION_POINTER = "revocation_pointer"
    """The address of an OCSP responder or of a CRL."""
    LONG_VALIDITY = "long_validity"
    """Not longer than the guidance of the profile [V2G2-011]."""

    # Chain
    TOO_MANY = "too_many"
    """At most one leaf and four others in a message."""
    TOO_DEEP = "too_deep"
    """At most two intermediate authorities on the path [V2G2-009]."""
    DUPLICATE = "duplicate"
    """Each certificate once."""
    ORDER = "order"
    """Leaf first, then the issuer of each."""
    SELF_SIGNED = "self_signed"
    """A leaf is signed by an authority."""
    ROOT_ISSUED_LEAF = "root_issued_leaf"
    """A V2G root signs no leaf [V2G2-867]; a private root may [V2G2-868]."""
    NO_ANCHOR = "no_anchor"
    """The path ends at an accepted root of the role [V2G2-925]."""
    ISSUER_KEY = "issuer_key"
    """The key identifiers of issuer and issued certificate match."""
    SIGNATURE = "signature"
    """Signed with the key of the issuer."""
    PATH_LENGTH = "path_length"
    """Not more authorities below one than its path length allows (RFC 5280)."""
    OUTLIVES_ISSUER = "outlives_issuer"
    """Its validity lies inside its issuer's [V2G20-3000] (Amendment 1)."""
    LEAF_EXPIRED = "leaf_expired"
    """The leaf is valid now: not expired [V2G2-910]."""
    LEAF_NOT_YET_VALID = "leaf_not_yet_valid"
    """The leaf is valid now: its validity has started [V2G2-824]."""
    CA_EXPIRED = "ca_expired"
    """Intermediate authorities are valid now: not expired."""
    CA_NOT_YET_VALID = "ca_not_yet_valid"
    """Intermediate authorities are valid now: their validity has started."""
    ROOT_EXPIRED = "root_expired"
    """The root is valid now: not expired."""
    ROOT_NOT_YET_VALID = "root_not_yet_valid"
    """The root is valid now: its validity has started."""
    CLOCK = "clock"
    """The clock of the station is set: nothing can be judged without it."""

    # Revocation
    LEAF_REVOKED = "leaf_revoked"
    """The leaf is not revoked."""
    CA_REVOKED = "ca_revoked"
    """No authority of the path is revoked."""
    REVOCATION_UNKNOWN = "revocation_unknown"
    """All certificates are known to be good, if the policy requires it."""
    EVIDENCE_MALFORMED = "evidence_malformed"
    """An OCSP response or CRL is readable and reports success."""
    EVIDENCE_OTHER = "evidence_other"
    """It is about this certificate and its issuer."""
    EVIDENCE_SIGNER = "evidence_signer"
    """It is signed by the issuer, or by a responder that the issuer has authorized."""
    EVIDENCE_STALE = "evidence_stale"
    """It is not too old."""
    EVIDENCE_FUTURE = "evidence_future"
    """It is not from the future."""
    EVIDENCE_NONCE = "evidence_nonce"
    """A returned nonce equals the one that was sent."""

    # Issuing
    REQUEST = "request"
    """A certificate request is well-formed and signed by the key in it."""
    NOT_OUR_KEY = "not_our_key"
    """The certificate belongs to the requested key."""
    NOT_AN_ANCHOR = "not_an_anchor"
    """A trust anchor is a self-signed authority."""


class Request(enum.Enum):
    """The request that is answered: the allowed codes differ."""

    PAYMENT_DETAILS = "PaymentDetailsReq"
    CERTIFICATE_INSTALLATION = "CertificateInstallationReq"
    CERTIFICATE_UPDATE = "CertificateUpdateReq"


def response_code(rule: Rule | str, request: Request = Request.PAYMENT_DETAILS) -> ResponseCode:
    """Return the response code for the car. Rules that are not listed give FAILED_CertChainError."""
    known = Rule(rule)
    return _BY_REQUEST.get((request, known)) or _ANY_REQUEST.get(known, ResponseCode.FAILED_CERT_CHAIN_ERROR)


def broken(rule: Rule, certificate: str, text: str) -> ChainError:
    """Return the error for a violated rule: it names the certificate, and what was found and expected."""
    return ChainError(
        f"{certificate}: {text}" if certificate else text,
        certificate=certificate,
        rule=rule,
        response_code=response_code(rule).value,
    )


# If the sources allow several codes, the code in the conformance tests is used: an expired intermediate
# authority gives FAILED there, though other lists have CertificateExpired for it.
_ANY_REQUEST = {
    Rule.EMPTY: ResponseCode.FAILED,
    Rule.TOO_LARGE: ResponseCode.FAILED,
    Rule.TOO_MANY: ResponseCode.FAILED,
    Rule.LEAF_EXPIRED: ResponseCode.FAILED_CERTIFICATE_EXPIRED,
    Rule.LEAF_NOT_YET_VALID: ResponseCode.FAILED_CERTIFICATE_EXPIRED,  # [V2G2-824]
    Rule.CA_EXPIRED: ResponseCode.FAILED,
    Rule.CA_NOT_YET_VALID: ResponseCode.FAILED,
    Rule.ROOT_EXPIRED: ResponseCode.FAILED,
    Rule.ROOT_NOT_YET_VALID: ResponseCode.FAILED,
    Rule.CLOCK: ResponseCode.FAILED,
    Rule.LEAF_REVOKED: ResponseCode.FAILED_CERTIFICATE_REVOKED,
    Rule.CA_REVOKED: ResponseCode.FAILED_CERTIFICATE_REVOKED,
    Rule.REVOCATION_UNKNOWN: ResponseCode.FAILED_CERTIFICATE_REVOKED,  # default deny
    Rule.FORBIDDEN_COUNTRY: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
    Rule.COMMON_NAME: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
}

# The two provisioning responses do not have CertificateNotAllowedAtThisEVSE.
_BY_REQUEST = {
    (request, rule): ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE
    for request in (Request.CERTIFICATE_INSTALLATION, Request.CERTIFICATE_UPDATE)
    for rule in (Rule.FORBIDDEN_COUNTRY, Rule.COMMON_NAME)
} | {
    (Request.CERTIFICATE_INSTALLATION, Rule.DOMAIN_COMPONENT): ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    (Request.CERTIFICATE_INSTALLATION, Rule.KEY_USAGE): ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    (Request.CERTIFICATE_INSTALLATION, Rule.IS_A_CA): ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
}
