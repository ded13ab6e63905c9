"""The profiles of all certificates in ISO 15118-2: one table, to issue and to check by [V2G2-884].

`PROFILES[kind]` says what a certificate of a kind looks like when *we* issue it. `check` compares a
certificate with its row and returns a `Finding` for each rule it breaks. What real certificates are known
to get wrong has a `Leniency`, named and switchable: its finding is tolerated where the leniency is on, and
stays visible. What decides who is who (authority or leaf, key usage needed for the role, a foreign domain
component, algorithms and curves) has none.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterator

from secc.errors import ChainError, IdentifierError
from secc.pki.certificates import (
    ANY_EXTENDED_USAGE,
    CLIENT_AUTH,
    ECDSA_WITH_SHA256,
    OCSP_SIGNING,
    SERVER_AUTH,
    Certificate,
)
from secc.pki.identifiers import EMAID, PCID
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.rules import Rule, broken


class Kind(enum.StrEnum):
    """Every certificate the standard knows."""

    V2G_ROOT = "v2g_root"
    CPO_SUB_CA_1 = "cpo_sub_ca_1"
    CPO_SUB_CA_2 = "cpo_sub_ca_2"
    SECC_LEAF = "secc_leaf"
    CPS_SUB_CA_1 = "cps_sub_ca_1"
    CPS_SUB_CA_2 = "cps_sub_ca_2"
    CPS_LEAF = "cps_leaf"
    MO_ROOT = "mo_root"
    MO_SUB_CA_1 = "mo_sub_ca_1"
    MO_SUB_CA_2 = "mo_sub_ca_2"
    CONTRACT_LEAF = "contract_leaf"
    OEM_ROOT = "oem_root"
    OEM_SUB_CA_1 = "oem_sub_ca_1"
    OEM_SUB_CA_2 = "oem_sub_ca_2"
    OEM_LEAF = "oem_leaf"
    PRIVATE_ROOT = "private_root"
    PRIVATE_SECC_LEAF = "private_secc_leaf"
    OCSP_SIGNER = "ocsp_signer"


class Leniency(enum.StrEnum):
    """A deviation of certificates in service that can be tolerated, one switch each."""

    EXPLICIT_FALSE = "explicit_false"
    """BasicConstraints written as `30 03 01 01 00`: not DER, and on every leaf of one large PKI."""
    NO_BASIC_CONSTRAINTS = "no_basic_constraints"
    """A leaf without BasicConstraints: contracts of 2021 and 2022, provisioning certificates."""
    NO_KEY_USAGE = "no_key_usage"
    """A leaf without KeyUsage: the same ones."""
    OTHER_KEY_USAGE = "other_key_usage"
    """More or fewer bits than listed, as long as those the role needs are there."""
    NOT_CRITICAL = "not_critical"
    """BasicConstraints or KeyUsage not marked critical."""
    ROOT_KEY_PURPOSE = "root_key_purpose"
    """ExtendedKeyUsage on a root, OCSPSigning for example; OpenSSL refuses every chain below it."""
    OTHER_SUBJECT = "other_subject"
    """Attributes missing (O, C) where the profile has them, or a domain component on a CA that differs."""
    NO_DOMAIN_COMPONENT = "no_domain_component"
    """A provisioning certificate without DC=OEM."""
    CONTRACT_COUNTRY = "contract_country"
    """A country in a contract certificate; conformance tests want it refused, issuers write it."""
    NO_REVOCATION_POINTER = "no_revocation_pointer"
    """Neither OCSP nor CRL address: some contracts. Nothing can be asked then."""
    NO_KEY_IDENTIFIERS = "no_key_identifiers"
    """No SubjectKeyIdentifier or AuthorityKeyIdentifier."""
    OTHER_PATH_LENGTH = "other_path_length"
    """A path length that is not the listed one. RFC 5280 is still applied to what it says."""
    LONG_VALIDITY = "long_validity"
    """Longer than the guidance: two to ten times is usual."""


STRICT: frozenset[Leniency] = frozenset()
"""By the letter: for what we issue, and for conformance tests."""

FIELD = frozenset(Leniency)
"""What is in service passes: the default for what others show."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row: what a certificate of a kind looks like."""

    title: str
    """For messages."""
    authority: bool = False
    root: bool = False
    path_length: int | None = None
    key_usage: frozenset[str]
    """As issued."""
    needs: frozenset[str]
    """Bits without which the role cannot be played."""
    purposes: frozenset[str] = frozenset()
    """Extended key usages of which one is wanted where the extension is present."""
    must_have_purpose: bool = False
    domain: str | None = None
    """Domain component as issued."""
    domain_is_role: bool = False
    """The domain component has to be there: it alone makes the role."""
    foreign_domains: frozenset[str] = frozenset()
    """Domain components that make another role of it."""
    subject: tuple[str, ...] = (ORGANIZATION, COUNTRY)
    """Attributes beside the common name."""
    no_country: bool = False
    """A country in the subject is wrong, not only superfluous."""
    name_form: Callable[[str], object] | None = None
    """Parses the common name; raises IdentifierError."""
    revocation_pointer: bool = True
    on_wire: bool = True
    """Crosses the wire in some message, so the limit of 800 bytes holds."""
    validity: datetime.timedelta
    """As issued, and the guidance at the same time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a certificate breaks."""

    rule: Rule
    certificate: str
    """Its kind and subject."""
    text: str
    """What was found and what was expected."""
    leniency: Leniency | None = None
    """The switch that tolerates it; None: never."""


_ROLES = frozenset({"V2G", "CPO", "CPS", "MO", "OEM"})
_YEAR = datetime.timedelta(days=365)
_CA = frozenset({"cert_sign", "crl_sign"})
_SIGNS = frozenset({"digital_signature"})
_SIGNS_AND_AGREES = frozenset({"digital_signature", "key_agreement"})
_CONTRACT = frozenset({"digital_signature", "non_repudiation", "key_encipherment", "key_agreement"})


def _root(title: str, domain: str | None) -> Profile:
    return Profile(
        title=title,
        authority=True,
        root=True,
        key_usage=_CA,
        needs=frozenset({"cert_sign"}),
        domain=domain,
        revocation_pointer=False,
        on_wire=False,
        validity=40 * _YEAR + datetime.timedelta(days=10),  # [V2G2-011], leap days
    )


def _sub_ca(title: str, number: int, domain: str | None, validity: datetime.timedelta) -> Profile:
    return Profile(
        title=f"{title} Sub-CA {number}",
        authority=True,
        path_length=2 - number,
        key_usage=_CA,
        needs=frozenset({"cert_sign"}),
        domain=domain,
        validity=validity,
    )


PROFILES: dict[Kind, Profile] = {
    Kind.V2G_ROOT: _root("V2G root", "V2G"),
    Kind.CPO_SUB_CA_1: _sub_ca("CPO", 1, "V2G", 4 * _YEAR),
    Kind.CPO_SUB_CA_2: _sub_ca("CPO", 2, "V2G", 2 * _YEAR),
    Kind.SECC_LEAF: Profile(
        title="SECC leaf",
        key_usage=_SIGNS_AND_AGREES,
        needs=_SIGNS,
        purposes=frozenset({SERVER_AUTH}),
        domain="CPO",
        foreign_domains=_ROLES - {"CPO"},
        domain_is_role=True,
        validity=datetime.timedelta(days=90),
    ),
    Kind.CPS_SUB_CA_1: _sub_ca("CPS", 1, "V2G", 4 * _YEAR),
    Kind.CPS_SUB_CA_2: _sub_ca("CPS", 2, "V2G", 2 * _YEAR),
    Kind.CPS_LEAF: Profile(
        title="CPS leaf",
        key_usage=_SIGNS,
        needs=_SIGNS,
        domain="CPS",
        foreign_domains=_ROLES - {"CPS"},
        domain_is_role=True,
        validity=datetime.timedelta(days=90),
    ),
    Kind.MO_ROOT: _root("MO root", "MO"),
    Kind.MO_SUB_CA_1: _sub_ca("MO", 1, None, 4 * _YEAR),
    Kind.MO_SUB_CA_2: _sub_ca("MO", 2, None, 2 * _YEAR),
    Kind.CONTRACT_LEAF: Profile(
        title="contract leaf",
        key_usage=_CONTRACT,
        needs=_SIGNS,
        purposes=frozenset({CLIENT_AUTH}),
        domain=None,
        foreign_domains=_ROLES - {"MO"},
        subject=(ORGANIZATION,),
        no_country=True,
        name_form=EMAID.parse,
        validity=2 * _YEAR,
    ),
    Kind.OEM_ROOT: _root("OEM root", "OEM"),
    Kind.OEM_SUB_CA_1: _sub_ca("OEM", 1, None, 20 * _YEAR),
    Kind.OEM_SUB_CA_2: _sub_ca("OEM", 2, None, 20 * _YEAR),
    Kind.OEM_LEAF: Profile(
        title="OEM provisioning leaf",
        key_usage=_SIGNS_AND_AGREES,
        needs=frozenset({"key_agreement"}),  # [V2G2-822]
        purposes=frozenset({CLIENT_AUTH}),
        domain="OEM",
        foreign_domains=_ROLES - {"OEM"},
        subject=(ORGANIZATION,),
        name_form=PCID.parse,
        revocation_pointer=False,
        validity=20 * _YEAR,  # the life of the car
    ),
    Kind.PRIVATE_ROOT: _root("private root", None),
    Kind.PRIVATE_SECC_LEAF: Profile(
        title="SECC leaf under a private root",
        key_usage=_SIGNS_AND_AGREES,
        needs=_SIGNS,
        purposes=frozenset({SERVER_AUTH}),
        domain="CPO",
        foreign_domains=_ROLES - {"CPO"},
        domain_is_role=True,
        revocation_pointer=False,  # [V2G2-868] [V2G2-872]
        validity=10 * _YEAR,
    ),
    Kind.OCSP_SIGNER: Profile(
        title="OCSP signer",
        key_usage=_SIGNS,
        needs=_SIGNS,
        purposes=frozenset({OCSP_SIGNING}),
        must_have_purpose=True,
        subject=(ORGANIZATION,),
        revocation_pointer=False,
        on_wire=False,
        validity=datetime.timedelta(days=90),
    ),
}


def check(certificate: Certificate, kind: Kind) -> tuple[Finding, ...]:
    """Everything in which a certificate differs from its profile, grave or not, in a fixed order."""
    profile = PROFILES[kind]
    who = describe(certificate, kind)
    return tuple(
        Finding(rule, who, text, leniency)
        for part in _CHECKS
        for rule, text, leniency in part(certificate, profile)
    )


def require(
    certificate: Certificate, kind: Kind, leniencies: frozenset[Leniency] = FIELD
) -> tuple[Finding, ...]:
    """Raise ChainError for the first finding that no leniency covers; return those that are tolerated."""
    findings = check(certificate, kind)
    for finding in findings:
        if finding.leniency not in leniencies:
            raise broken(finding.rule, finding.certificate, finding.text)
    return findings


def describe(certificate: Certificate, kind: Kind) -> str:
    """How messages name a certificate: its kind and its common name, which for a contract is a person's."""
    return f"{PROFILES[kind].title} {certificate.subject.common_name or certificate.subject!s}".strip()


_Fact = tuple[Rule, str, Leniency | None]

_MAX_ON_WIRE = 800  # [V2G2-010]


def _check_form(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    if profile.on_wire and len(certificate.der) > _MAX_ON_WIRE:
        yield Rule.TOO_LARGE, f"{len(certificate.der)} bytes, at most 800 [V2G2-010]", None
    if certificate.version != 3:
        yield Rule.VERSION, f"version {certificate.version}, expected 3", None
    if certificate.serial <= 0 or certificate.serial.bit_length() > 160:
        yield Rule.SERIAL, "the serial number is not positive with at most 20 bytes", None
    if certificate.not_before > certificate.not_after:
        yield Rule.VALIDITY_ORDER, "it ends before it begins", None
    elif certificate.not_after - certificate.not_before > profile.validity:
        days = (certificate.not_after - certificate.not_before).days
        text = f"valid for {days} days, guidance {profile.validity.days}"
        yield Rule.LONG_VALIDITY, text, Leniency.LONG_VALIDITY


def _check_algorithms(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    try:
        _ = certificate.public_key
    except ChainError as error:
        yield Rule(error.rule), str(error).removeprefix(f"{certificate}: "), None
    if certificate.signature_algorithm != ECDSA_WITH_SHA256:
        found = certificate.signature_algorithm or "two different algorithms"
        yield Rule.SIGNATURE_ALGORITHM, f"{found}, expected ecdsa-with-SHA256 [V2G2-006]", None


def _check_extensions(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    for oid in certificate.duplicate_extensions:
        yield Rule.DUPLICATE_EXTENSION, f"extension {oid} twice", None
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _PROCESSED:
            yield Rule.CRITICAL_EXTENSION, f"critical extension {extension.oid} is not known here", None
    if certificate.explicit_false:
        yield Rule.EXPLICIT_FALSE, "a FALSE that DER leaves away is written out", Leniency.EXPLICIT_FALSE
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
        yield Rule.IS_A_CA, "an authority, expected a leaf", None
    elif constraints.path_length is not None:
        text = "a path length without being an authority"
        yield Rule.PATH_LENGTH_PROFILE, text, Leniency.OTHER_PATH_LENGTH


def _check_key_usage(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    usage = certificate.key_usage
    if usage is None:
        # An intermediate authority may sign because it says so; a root is trusted by hand.
        leniency = None if profile.authority and not profile.root else Leniency.NO_KEY_USAGE
        yield Rule.KEY_USAGE_MISSING, "no KeyUsage", leniency
    elif not profile.needs <= usage:
        yield Rule.KEY_USAGE, f"KeyUsage lacks {_list(profile.needs - usage)}", None
    elif not profile.authority and "cert_sign" in usage:
        yield Rule.KEY_USAGE, "a leaf that may sign certificates", None
    elif usage != profile.key_usage:
        text = f"KeyUsage is {_list(usage)}, expected {_list(profile.key_usage)}"
        yield Rule.KEY_USAGE_PROFILE, text, Leniency.OTHER_KEY_USAGE
    purposes = certificate.extended_key_usage
    if purposes is None:
        if profile.must_have_purpose:
            yield Rule.EXTENDED_KEY_USAGE, "no ExtendedKeyUsage", None
    elif profile.root:
        text = f"a root with ExtendedKeyUsage {_list(purposes)}"
        yield Rule.EXTENDED_KEY_USAGE, text, Leniency.ROOT_KEY_PURPOSE
    elif profile.must_have_purpose or ANY_EXTENDED_USAGE not in purposes:
        # A Sub-CA may narrow the purposes of what it signs, so it is bound to those any leaf may have.
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
            yield Rule.COMMON_NAME, str(error), None
    for oid, name in ((ORGANIZATION, "O"), (COUNTRY, "C")):
        if oid in profile.subject and not subject.all_of(oid):
            yield Rule.SUBJECT, f"no {name} in the subject", Leniency.OTHER_SUBJECT
    if profile.no_country and subject.all_of(COUNTRY):
        yield Rule.FORBIDDEN_COUNTRY, "a country in a contract", Leniency.CONTRACT_COUNTRY


def _check_domain(certificate: Certificate, profile: Profile) -> Iterator[_Fact]:
    """The domain component makes the role of what we present; elsewhere only a foreign one is wrong."""
    found = certificate.subject.domain_components
    text = f"DC is {_list(found) or 'missing'}, expected {profile.domain or 'none'} [V2G2-925]"
    if profile.authority:
        if found != ((profile.domain,) if profile.domain else ()):
            yield Rule.DOMAIN_COMPONENT, text, Leniency.OTHER_SUBJECT
        return
    if profile.foreign_domains & set(found) or (profile.domain_is_role and profile.domain not in found):
        yield Rule.DOMAIN_COMPONENT, text, None
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
        "2.5.29.17",  # SubjectAlternativeName: read by nobody here, so it cannot mislead
        "2.5.29.19",  # BasicConstraints
        "2.5.29.31",  # CRL distribution points
        "2.5.29.32",  # certificate policies: none is asked for, so any will do
        "2.5.29.35",  # AuthorityKeyIdentifier
        "2.5.29.37",  # ExtendedKeyUsage
        "1.3.6.1.5.5.7.1.1",  # authority information
        "1.3.6.1.5.5.7.48.1.5",  # OCSP no-check
    }
)


def _list(names: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(names))
