"""Checks whether a certificate follows the profile of its kind [V2G2-884].

`check` compares a certificate with its row in `kinds.PROFILES` and returns a `Finding` for each violated
rule. Known deviations of certificates in service have a named `Leniency` that can be enabled: the finding is
then tolerated and stays visible. Rules that determine the role (authority or leaf, required key usage, a
foreign domain component, algorithms and curves) have none.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator

from secc.errors import ChainError, IdentifierError
from secc.pki.certificates import ANY_EXTENDED_USAGE, CLIENT_AUTH, SERVER_AUTH, Certificate
from secc.pki.identifiers import PCID
from secc.pki.keys import KeyType
from secc.pki.kinds import PROFILES, Generation, Kind, Profile, profile_of
from secc.pki.names import COMMON_NAME, COUNTRY, DOMAIN_COMPONENT, ORGANIZATION
from secc.pki.rules import Rule, broken

__all__ = [
    "FIELD",
    "PROFILES",
    "STRICT",
    "Finding",
    "Generation",
    "Kind",
    "Leniency",
    "Profile",
    "check",
    "describe",
    "generation_of",
    "profile_of",
    "require",
]


class Leniency(enum.StrEnum):
    """A deviation of certificates in service that can be tolerated; each can be enabled separately."""

    EXPLICIT_FALSE = "explicit_false"
    """BasicConstraints written as `30 03 01 01 00`: not DER, and in every leaf of one large PKI."""
    NO_BASIC_CONSTRAINTS = "no_basic_constraints"
    """A leaf without BasicConstraints: contracts of 2021 and 2022, provisioning certificates."""
    NO_KEY_USAGE = "no_key_usage"
    """A leaf without KeyUsage: the same certificates."""
    OTHER_KEY_USAGE = "other_key_usage"
    """More or fewer bits than listed, if the bits that the role needs are present."""
    NOT_CRITICAL = "not_critical"
    """BasicConstraints or KeyUsage not marked critical."""
    ROOT_KEY_PURPOSE = "root_key_purpose"
    """ExtendedKeyUsage in a root, for example OCSPSigning; OpenSSL rejects every chain below it."""
    OTHER_SUBJECT = "other_subject"
    """Missing attributes (O, C) of the profile, or another domain component in a CA."""
    NO_DOMAIN_COMPONENT = "no_domain_component"
    """A provisioning certificate without DC=OEM."""
    CONTRACT_COUNTRY = "contract_country"
    """A country in a contract certificate; conformance tests require its refusal, issuers write it."""
    NO_REVOCATION_POINTER = "no_revocation_pointer"
    """Neither an OCSP nor a CRL address: some contracts. Their status cannot be checked."""
    NO_KEY_IDENTIFIERS = "no_key_identifiers"
    """No SubjectKeyIdentifier or AuthorityKeyIdentifier."""
    OTHER_PATH_LENGTH = "other_path_length"
    """A path length other than the listed one. Its value is still enforced by RFC 5280."""
    LONG_VALIDITY = "long_validity"
    """Longer than the guidance: two to ten times as long is common."""
    OTHER_EXTENSION = "other_extension"
    """ISO 15118-20: an extension that the profile does not list; never one that is critical and unknown."""
    OUTLIVES_ISSUER = "outlives_issuer"
    """ISO 15118-20, Amendment 1: valid before or after the validity of its issuer."""
    NO_KEY_PURPOSE = "no_key_purpose"
    """ISO 15118-20: a certificate for TLS without ExtendedKeyUsage."""
    OTHER_EVCCID = "other_evccid"
    """ISO 15118-20: the common name of a vehicle is not an EVCCID; domain component or purpose define the
    role."""
    OTHER_PCID = "other_pcid"
    """The common name of a provisioning certificate is not a PCID, as in test hierarchies of other stacks;
    DC=OEM defines the role."""


STRICT: frozenset[Leniency] = frozenset()
"""Exactly as specified: for issuing, and for conformance tests."""

FIELD = frozenset(Leniency) - {Leniency.OTHER_PCID}
"""Tolerates what is in service: the default for certificates of others."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A violated rule."""

    rule: Rule
    certificate: str
    """Its kind and subject."""
    text: str
    """What was found and what was expected."""
    leniency: Leniency | None = None
    """The leniency that tolerates it; None: never tolerated."""


def check(
    certificate: Certificate, kind: Kind, generation: Generation = Generation.ISO2
) -> tuple[Finding, ...]:
    """Return every difference between a certificate and its profile, in a fixed order."""
    profile = profile_of(kind, generation)
    who = describe(certificate, kind)
    return tuple(
        Finding(rule, who, text, leniency)
        for part in _CHECKS
        for rule, text, leniency in part(certificate, profile)
    )


def require(
    certificate: Certificate,
    kind: Kind,
    leniencies: frozenset[Leniency] = FIELD,
    generation: Generation = Generation.ISO2,
) -> tuple[Finding, ...]:
    """Raise ChainError for the first finding without a leniency; returns the tolerated ones."""
    findings = check(certificate, kind, generation)
    for finding in findings:
        if finding.leniency not in leniencies:
            raise broken(finding.rule, finding.certificate, finding.text)
    return findings


def describe(certificate: Certificate, kind: Kind) -> str:
    """Return a name for error texts: the kind and the common name, which for a contract identifies a
    person."""
    return f"{kind.label} {certificate.subject.common_name or certificate.subject!s}".strip()


def generation_of(certificate: Certificate) -> Generation:
    """Return the generation of a certificate, by the type of its key."""
    iso20 = certificate.key_type in (KeyType.SECP521R1, KeyType.ED448)
    return Generation.ISO20 if iso20 else Generation.ISO2


_Fact = tuple[Rule, str, Leniency | None]


def _check_form(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    size = len(certificate.der)
    if profile.largest is not None and size > profile.largest:
        where = " [V2G2-010]" if profile.keys == {KeyType.SECP256R1} else ""
        yield Rule.TOO_LARGE, f"{size} bytes, at most {profile.largest}{where}", None
    if certificate.version != 3:
        yield Rule.VERSION, f"version {certificate.version}, expected 3", None
    if certificate.serial <= 0 or certificate.serial.bit_length() > 160:
        yield Rule.SERIAL, "the serial number is not positive with at most 20 bytes", None
    if certificate.not_before > certificate.not_after:
        yield Rule.VALIDITY_ORDER, "the end of validity is before the start", None
    elif certificate.not_after - certificate.not_before > profile.validity:
        days = (certificate.not_after - certificate.not_before).days
        text = f"valid for {days} days, guidance {profile.validity.days}"
        yield Rule.LONG_VALIDITY, text, Leniency.LONG_VALIDITY


def _check_algorithms(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    iso2 = profile.keys == {KeyType.SECP256R1}
    try:
        _ = certificate.public_key if iso2 else certificate.key
    except ChainError as error:
        yield Rule(error.rule), str(error).removeprefix(f"{certificate}: "), None
    else:
        if certificate.key_type not in profile.keys:
            text = f"the key is of type {certificate.key_type}, expected {_list(frozenset(profile.keys))}"
            yield Rule.CURVE, f"{text} [V2G20-2674]", None
    found = certificate.signature_algorithm
    if found not in {one.signature_algorithm for one in profile.keys}:
        expected = "ecdsa-with-SHA256 [V2G2-006]" if iso2 else "ecdsa-with-SHA512 or Ed448 [V2G20-2674]"
        yield Rule.SIGNATURE_ALGORITHM, f"{found or 'two different algorithms'}, expected {expected}", None


def _check_extensions(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    for oid in certificate.duplicate_extensions:
        yield Rule.DUPLICATE_EXTENSION, f"extension {oid} twice", None
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _PROCESSED:
            yield Rule.CRITICAL_EXTENSION, f"unknown critical extension {extension.oid}", None
        elif profile.only_listed_extensions and extension.oid not in _LISTED:
            text = f"extension {extension.oid} is not listed [V2G20-2686]"
            yield Rule.OTHER_EXTENSION, text, Leniency.OTHER_EXTENSION
    for oid in certificate.not_understood:
        text = f"critical extension {oid} has unknown content"
        yield Rule.CRITICAL_EXTENSION, text, None
    if certificate.explicit_false:
        yield Rule.EXPLICIT_FALSE, "FALSE is written out, expected omission in DER", Leniency.EXPLICIT_FALSE
    for name, oid in (("BasicConstraints", "2.5.29.19"), ("KeyUsage", "2.5.29.15")):
        found = certificate.extension(oid)
        if found is not None and not found.critical:
            yield Rule.CRITICAL_FLAG, f"{name} is not critical", Leniency.NOT_CRITICAL
    if not certificate.subject_key_id:
        yield Rule.KEY_IDENTIFIERS, "no SubjectKeyIdentifier", Leniency.NO_KEY_IDENTIFIERS
    if not certificate.authority_key_id and not profile.root:
        yield Rule.KEY_IDENTIFIERS, "no AuthorityKeyIdentifier", Leniency.NO_KEY_IDENTIFIERS
    if profile.revocation_pointer and not certificate.ocsp_urls and not certificate.crl_urls:
        text = "neither OCSP nor CRL address"
        yield Rule.REVOCATION_POINTER, text, Leniency.NO_REVOCATION_POINTER


def _check_constraints(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    constraints = certificate.basic_constraints
    if profile.authority:
        if constraints is None or not constraints.authority:
            yield Rule.NOT_A_CA, "BasicConstraints do not make it an authority", None
        elif constraints.path_length != profile.path_length:
            text = f"path length {constraints.path_length}, expected {profile.path_length}"
            yield Rule.PATH_LENGTH_PROFILE, text, Leniency.OTHER_PATH_LENGTH
    elif constraints is None:
        yield Rule.BASIC_CONSTRAINTS, "no BasicConstraints", Leniency.NO_BASIC_CONSTRAINTS
    elif constraints.authority:
        yield Rule.IS_A_CA, "is an authority, expected a leaf", None
    elif constraints.path_length is not None:
        text = "path length without being an authority"
        yield Rule.PATH_LENGTH_PROFILE, text, Leniency.OTHER_PATH_LENGTH


def _check_key_usage(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    usage = certificate.key_usage
    if usage is None:
        # An intermediate authority may sign because of this bit; a root is trusted explicitly.
        leniency = None if profile.authority and not profile.root else Leniency.NO_KEY_USAGE
        yield Rule.KEY_USAGE_MISSING, "no KeyUsage", leniency
    elif not profile.needs <= usage:
        yield Rule.KEY_USAGE, f"KeyUsage lacks {_list(profile.needs - usage)}", None
    elif not profile.authority and profile.forbidden_usage & usage:
        text = f"KeyUsage of a leaf has {_list(profile.forbidden_usage & usage)}"
        yield Rule.KEY_USAGE, text, None
    elif usage != profile.key_usage:
        text = f"KeyUsage is {_list(usage)}, expected {_list(profile.key_usage)}"
        yield Rule.KEY_USAGE_PROFILE, text, Leniency.OTHER_KEY_USAGE
    purposes = certificate.extended_key_usage
    if purposes is None:
        if profile.must_have_purpose or profile.issued_with_purpose:
            leniency = None if profile.must_have_purpose else Leniency.NO_KEY_PURPOSE
            yield Rule.EXTENDED_KEY_USAGE, "no ExtendedKeyUsage", leniency
    elif profile.root:
        text = f"root with ExtendedKeyUsage {_list(purposes)}"
        yield Rule.EXTENDED_KEY_USAGE, text, Leniency.ROOT_KEY_PURPOSE
    elif profile.must_have_purpose or ANY_EXTENDED_USAGE not in purposes:
        # A Sub-CA may restrict the purposes of what it signs, so it may have the purposes of any leaf.
        allowed = _ANY_LEAF_PURPOSE if profile.authority else profile.purposes
        if not allowed & set(purposes):
            yield Rule.EXTENDED_KEY_USAGE, f"ExtendedKeyUsage {_list(purposes)} does not allow the role", None


def _check_subject(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    subject = certificate.subject
    names = subject.all_of("2.5.4.3")
    if len(names) != 1:
        leniency = Leniency.OTHER_SUBJECT if profile.authority else None
        yield Rule.COMMON_NAME, f"{len(names)} common names, expected one", leniency
    elif profile.name_form is not None:
        try:
            profile.name_form(names[0])
        except IdentifierError as error:
            yield Rule.COMMON_NAME, str(error), _other_sign_of_role(certificate, profile)
    for oid, name in ((ORGANIZATION, "O"), (COUNTRY, "C")):
        if oid in profile.subject and not subject.all_of(oid):
            yield Rule.SUBJECT, f"no {name} in the subject", Leniency.OTHER_SUBJECT
    if profile.no_country and subject.all_of(COUNTRY):
        yield Rule.FORBIDDEN_COUNTRY, "country in a contract certificate", Leniency.CONTRACT_COUNTRY
    listed = {COMMON_NAME, DOMAIN_COMPONENT, *profile.subject}
    if profile.nothing_else and (others := [oid for oid, _ in subject.attributes if oid not in listed]):
        text = f"the subject has {', '.join(others)} in addition to the listed attributes [V2G20-2598]"
        yield Rule.SUBJECT, text, Leniency.OTHER_SUBJECT


def _other_sign_of_role(certificate: Certificate, profile: Profile) -> Leniency | None:
    """Accept a name in another format if domain component or purpose define the role."""
    if profile.name_form == PCID.parse:
        named = profile.domain in certificate.subject.domain_components
        return Leniency.OTHER_PCID if named else None
    if not profile.domain_is_ending:
        return None
    purpose = bool(profile.purposes & set(certificate.extended_key_usage or ()))
    return Leniency.OTHER_EVCCID if purpose or _has_ending(certificate, profile) else None


def _has_ending(certificate: Certificate, profile: Profile) -> bool:
    return any(one.endswith(profile.domain or "") for one in certificate.subject.domain_components)


def _check_domain(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    """Check the domain component: required in certificates of the station.

    Elsewhere only a foreign one is an error.
    """
    found = certificate.subject.domain_components
    text = f"DC is {_list(found) or 'missing'}, expected {profile.domain or 'none'} [V2G2-925]"
    if profile.authority:
        if found != ((profile.domain,) if profile.domain else ()):
            yield Rule.DOMAIN_COMPONENT, text, Leniency.OTHER_SUBJECT
        return
    if profile.foreign_domains & set(found) or (profile.domain_is_role and profile.domain not in found):
        yield Rule.DOMAIN_COMPONENT, text, None
    elif profile.domain_is_ending:
        if not _has_ending(certificate, profile):
            # Without DC the key usage decides: a provisioning certificate has key agreement, a vehicle
            # certificate has not.
            agrees = "key_agreement" in (certificate.key_usage or ())
            yield Rule.DOMAIN_COMPONENT, text, None if agrees else Leniency.NO_DOMAIN_COMPONENT
    elif profile.domain and profile.domain not in found:
        yield Rule.DOMAIN_COMPONENT, text, Leniency.NO_DOMAIN_COMPONENT


_CHECKS = (
    _check_form,
    _check_algorithms,
    _check_extensions,
    _check_constraints,
    _check_key_usage,
    _check_subject,
    _check_domain,
)

_ANY_LEAF_PURPOSE = frozenset({SERVER_AUTH, CLIENT_AUTH})

_PROCESSED = frozenset(
    {
        "2.5.29.14",  # SubjectKeyIdentifier
        "2.5.29.15",  # KeyUsage
        "2.5.29.17",  # SubjectAltName: no check uses the names in it
        "2.5.29.19",  # BasicConstraints
        "2.5.29.31",  # CRL distribution points
        "2.5.29.32",  # certificate policies: none is required, so any is accepted
        "2.5.29.35",  # AuthorityKeyIdentifier
        "2.5.29.37",  # ExtendedKeyUsage
        "1.3.6.1.5.5.7.1.1",  # authority information
        "1.3.6.1.5.5.7.48.1.5",  # OCSP no-check
    }
)

_LISTED = _PROCESSED - {"2.5.29.17"}
"""Extensions in the profiles of ISO 15118-20, as far as public sources show: no alternative names."""


def _list(names: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(names))
