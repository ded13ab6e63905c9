"""Meaning of the extensions of a certificate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from secc.pki import asn1
from secc.pki.asn1 import malformed

OCSP_METHOD, ISSUERS_METHOD = "1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2"


@dataclasses.dataclass(frozen=True, slots=True)
class Extension:
    """One extension: whether it is critical, and its content."""

    oid: str
    critical: bool
    value: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class BasicConstraints:
    """Whether the certificate is an authority, and how many authorities may follow below it before the
    leaf."""

    authority: bool
    path_length: int | None


@dataclasses.dataclass(frozen=True)
class Extensions:
    """The extensions of one certificate; the fields are those of `Certificate`."""

    extensions: tuple[Extension, ...] = ()
    duplicate_extensions: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()
    explicit_false: bool = False
    basic_constraints: BasicConstraints | None = None
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    subject_key_id: bytes | None = None
    authority_key_id: bytes | None = None
    ocsp_urls: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()


def read_extensions(found: asn1.ExtensionList) -> Extensions:
    """Read the extensions; the first of a repeated extension counts. Raises ChainError."""
    extensions: list[Extension] = []
    values: dict[str, Any] = {}
    duplicates: list[str] = []
    explicit_false = False
    for entry in found:
        oid, critical = entry["oid"].dotted, entry["critical"].native
        explicit_false |= critical is False
        extensions.append(Extension(oid, bool(critical), bytes(entry["value"])))
        if oid in values:
            duplicates.append(oid)
        else:
            values[oid] = entry["value"].parsed if oid in _KNOWN else None
    constraints = values.get(asn1.BASIC_CONSTRAINTS)
    usage = values.get(asn1.KEY_USAGE)
    purposes = values.get(asn1.EXTENDED_KEY_USAGE)
    subject_key, authority_key = values.get(asn1.SUBJECT_KEY_ID), values.get(asn1.AUTHORITY_KEY_ID)
    explicit_false |= constraints is not None and constraints["authority"].native is False
    _check_addresses(values.get(asn1.SUBJECT_ALT_NAME) or ())
    return Extensions(
        extensions=tuple(extensions),
        duplicate_extensions=tuple(duplicates),
        not_understood=tuple(
            one.oid for one in extensions if one.critical and not _is_understood(one.oid, values[one.oid])
        ),
        explicit_false=explicit_false,
        basic_constraints=None if constraints is None else _constraints(constraints),
        key_usage=None if usage is None else frozenset(usage.native),
        extended_key_usage=None if purposes is None else tuple(one.dotted for one in purposes),
        subject_key_id=None if subject_key is None else subject_key.native,
        authority_key_id=None if authority_key is None else authority_key["key"].native,
        ocsp_urls=tuple(_ocsp_urls(values.get(asn1.AUTHORITY_INFORMATION) or ())),
        crl_urls=tuple(_crl_urls(values.get(asn1.CRL_POINTS) or ())),
    )


_KNOWN = frozenset(
    {
        asn1.SUBJECT_KEY_ID,
        asn1.KEY_USAGE,
        asn1.SUBJECT_ALT_NAME,
        asn1.BASIC_CONSTRAINTS,
        asn1.NAME_CONSTRAINTS,
        asn1.CRL_POINTS,
        asn1.POLICIES,
        asn1.AUTHORITY_KEY_ID,
        asn1.EXTENDED_KEY_USAGE,
        asn1.AUTHORITY_INFORMATION,
    }
)
"""Extensions with a typed value."""


def _constraints(value: Any) -> BasicConstraints:
    path_length = value["path_length"].native
    if path_length is not None and path_length < 0:
        raise malformed("negative path length")
    return BasicConstraints(bool(value["authority"].native), path_length)


def _ocsp_urls(descriptions: Any) -> Iterator[str]:
    for description in descriptions:
        if description["method"].dotted == OCSP_METHOD and description["location"].name == "uri":
            yield description["location"].native


def _crl_urls(points: Any) -> Iterator[str]:
    for point in points:
        if asn1.present(point["name"]) and point["name"].name == "full":
            yield from (name.native for name in point["name"].chosen if name.name == "uri")


def _check_addresses(names: Any) -> None:
    for name in names:
        if name.name == "ip" and len(name.native) not in (4, 16):
            raise malformed(f"IP address of {len(name.native)} bytes")


# --- critical extensions ------------------------------------------------------------------------------------


def _is_understood(oid: str, value: Any) -> bool:
    """Return whether all parts of a critical extension are known here (RFC 5280, 4.2).

    Unknown extensions are left to the profile.
    """
    judge = _CRITICAL.get(oid)
    return judge is None or judge(value)


def _names_understood(names: Any) -> bool:
    return all(name.name in ("email", "dns", "directory", "uri", "ip") for name in names)


def _policies_understood(policies: Any) -> bool:
    """No policy is required, so any is accepted; a qualifier of an unknown kind may restrict it."""
    known = (asn1.CPS_QUALIFIER, asn1.NOTICE_QUALIFIER)
    lists = [policy["qualifiers"] for policy in policies if asn1.present(policy["qualifiers"])]
    return all(qualifier["kind"].dotted in known for qualifiers in lists for qualifier in qualifiers)


def _information_understood(descriptions: Any) -> bool:
    known = (OCSP_METHOD, ISSUERS_METHOD)
    return all(one["method"].dotted in known and one["location"].name == "uri" for one in descriptions)


def _points_understood(points: Any) -> bool:
    """Accept complete lists of the issuer; lists by reason and indirect lists are not supported."""
    return all(
        asn1.present(point["name"])
        and point["name"].name == "full"
        and not asn1.present(point["reasons"])
        and not asn1.present(point["issuer"])
        for point in points
    )


_CRITICAL: dict[str, Callable[[Any], bool]] = {
    asn1.SUBJECT_ALT_NAME: _names_understood,
    asn1.POLICIES: _policies_understood,
    asn1.AUTHORITY_INFORMATION: _information_understood,
    asn1.CRL_POINTS: _points_understood,
}
