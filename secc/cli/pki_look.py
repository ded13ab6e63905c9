"""`secc pki show` and `secc pki verify`: show the content of a file, and verify a chain."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path

from secc.cli.actions import Subparsers, add_action
from secc.cli.pki_files import UnusableArgument, kind_of, read_bytes, read_instant
from secc.errors import CertificateError, ChainError
from secc.pki.certificates import Certificate, read_chain
from secc.pki.chains import KINDS, ChainPolicy, VerifiedChain, verify_chain
from secc.pki.identifiers import EMAID, EVCCID
from secc.pki.profiles import (
    FIELD,
    PROFILES,
    STRICT,
    Finding,
    Generation,
    Kind,
    Leniency,
    check,
    generation_of,
)
from secc.pki.revocation import RevocationMode, RevocationPolicy, check_revocation
from secc.pki.rules import Rule
from secc.pki.trust import ROOT_KINDS, Role, TrustStore


def configure_show(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the arguments of `show`."""
    parser = add_action(commands, "show", "show certificates as a tree, with warnings", show)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="PEM, DER or PKCS#7")
    parser.add_argument("--kind", help="check the first certificate as this kind; default: guessed")
    parser.add_argument("--at", metavar="DATE", help="time of the check; default: now")
    parser.add_argument("--json", action="store_true")


def configure_verify(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the arguments of `verify`."""
    parser = add_action(commands, "verify", "verify a chain, leaf first", verify)
    parser.add_argument("file", type=Path, metavar="CHAIN", help="PEM, leaf first")
    parser.add_argument("--role", choices=[role.value for role in Role], required=True)
    parser.add_argument(
        "--root", type=Path, action="append", required=True, help="accepted root; may be repeated"
    )
    parser.add_argument(
        "--root-kind",
        choices=sorted(ROOT_KINDS),
        metavar="KIND",
        help="kind of the roots; default: from the DC in their subject, otherwise v2g_root",
    )
    parser.add_argument(
        "--generation",
        choices=list(Generation),
        help="rules to apply; default: by the key of the leaf. lab: the rules of ISO 15118-20 with P-256",
    )
    parser.add_argument("--at", metavar="DATE", help="time of the check; default: now")
    parser.add_argument("--strict", action="store_true", help="tolerate nothing")
    parser.add_argument(
        "--tolerate",
        choices=sorted(frozenset(Leniency) - FIELD),
        action="append",
        default=[],
        help="tolerate this deviation of test hierarchies as well; other_pcid: a car without a PCID",
    )
    parser.add_argument("--cross", type=int, default=0, help="cross certificates allowed on the path")
    parser.add_argument("--ocsp", type=Path, action="append", default=[], help="an OCSP response (DER)")
    parser.add_argument("--crl", type=Path, action="append", default=[], help="a CRL (DER)")
    parser.add_argument("--json", action="store_true")


def show(arguments: argparse.Namespace) -> int:
    """Print a tree of issuers and issued certificates."""
    now = read_instant(arguments.at)
    found: list[Certificate] = []
    for path in arguments.files:
        found += _read(path)
    found = list(dict.fromkeys(found))
    forced = kind_of(arguments.kind) if arguments.kind else None
    kinds = {one: forced if forced and one is found[0] else guess_kind(one, found) for one in found}
    if arguments.json:
        rows = [_as_dict(one, kinds[one], _warnings(one, kinds[one], now)) for one in found]
        print(json.dumps(rows, indent=2))
        return 0
    printed: set[Certificate] = set()
    tops = [one for one in found if _issuer(one, found) is None]
    for top in tops or found:
        _print_tree(top, found, kinds, now, "", printed)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Print the verified path, or the reason of the refusal."""
    store = TrustStore()
    for path in arguments.root:
        for root in _read(path):
            store = store.with_anchor(root, _root_kind(root, arguments.root_kind), source=str(path))
    chain, role = _read(arguments.file), Role(arguments.role)
    # Only ISO 15118-20 has vehicle certificates: the type of the key does not matter.
    guessed = Generation.ISO20 if role is Role.VEHICLE else generation_of(chain[0])
    policy = ChainPolicy(
        generation=Generation(arguments.generation) if arguments.generation else guessed,
        leniencies=(STRICT if arguments.strict else FIELD) | set(map(Leniency, arguments.tolerate)),
        cross_certificates=arguments.cross,
    )
    if KINDS[role][0] not in PROFILES[policy.generation]:
        raise UnusableArgument(f"--generation: {policy.generation} has no role {role}")
    now = read_instant(arguments.at)
    try:
        verified = verify_chain(chain, role, store, now, policy)
        revocation = _revocation(verified, arguments, now)
    except ChainError as error:
        if arguments.json:
            print(json.dumps(_refusal(error), indent=2))
            return 1
        raise
    if arguments.json:
        print(json.dumps(_proof(verified, revocation), indent=2))
        return 0
    print(f"valid as {verified.role.value}, until {verified.expires:%Y-%m-%d %H:%M}Z")
    for depth, certificate in enumerate((*verified.certificates, verified.anchor.certificate)):
        print(f"  {'  ' * depth}{certificate.subject}")
    for finding in verified.tolerated:
        print(f"  tolerated: {finding.certificate}: {finding.text} ({finding.leniency})")
    if revocation:
        print(f"  revocation: {revocation}")
    return 0


def guess_kind(certificate: Certificate, others: Sequence[Certificate] = ()) -> Kind:
    """Guess the kind of a certificate from constraints, domain component, common name and the other
    certificates."""
    subject = certificate.subject
    domains = set(subject.domain_components)
    constraints = certificate.basic_constraints
    if constraints is not None and constraints.authority:
        owner = _owner(certificate, others)
        if certificate.self_issued:
            owner = "OEM" if owner == "VEHICLE" else owner
            return {"CPO": Kind.V2G_ROOT, "CPS": Kind.V2G_ROOT}.get(owner, Kind(f"{owner.lower()}_root"))
        number = 1 if constraints.path_length == 1 else 2
        return Kind(f"{'cpo' if owner == 'V2G' else owner.lower()}_sub_ca_{number}")
    if "CPO" in domains:
        return Kind.SECC_LEAF
    if "CPS" in domains:
        return Kind.CPS_LEAF
    if certificate.extended_key_usage and "1.3.6.1.5.5.7.3.9" in certificate.extended_key_usage:
        return Kind.OCSP_SIGNER
    if any(domain.endswith("EV") for domain in domains) or _is(EVCCID, subject.common_name):
        return Kind.VEHICLE_LEAF
    return Kind.CONTRACT_LEAF if _is(EMAID, subject.common_name) else Kind.OEM_LEAF


def _is(form: type[EMAID | EVCCID], text: str) -> bool:
    try:
        form.parse(text)
    except CertificateError:
        return False
    return True


def _owner(certificate: Certificate, others: Sequence[Certificate]) -> str:
    """Return the owner of an authority: from its name, its domain component, or the certificates below it."""
    text = certificate.subject.common_name.upper()
    for owner in ("CPO", "CPS", "VEHICLE", "OEM", "V2G", "PRIVATE", "MO"):
        if owner in text and not (owner == "PRIVATE" and not certificate.self_issued):
            return owner
    for domain in certificate.subject.domain_components:
        if domain in ("CPO", "CPS", "OEM", "V2G", "MO"):
            return domain
    leaves = {
        Kind.SECC_LEAF: "CPO",
        Kind.CPS_LEAF: "CPS",
        Kind.CONTRACT_LEAF: "MO",
        Kind.OEM_LEAF: "OEM",
        Kind.VEHICLE_LEAF: "VEHICLE",
    }
    for other in others:
        if other.basic_constraints is None or not other.basic_constraints.authority:
            return leaves.get(guess_kind(other), "V2G")
    return "V2G"


def _root_kind(root: Certificate, wanted: str | None) -> Kind:
    if wanted is not None:
        return Kind(wanted)
    domains = set(root.subject.domain_components)
    return Kind.MO_ROOT if "MO" in domains else Kind.OEM_ROOT if "OEM" in domains else Kind.V2G_ROOT


def _read(path: Path) -> tuple[Certificate, ...]:
    try:
        return read_chain(read_bytes(path))
    except CertificateError as error:
        raise UnusableArgument(f"{path}: {error}") from error


def _issuer(certificate: Certificate, found: Sequence[Certificate]) -> Certificate | None:
    """Return the issuer among the certificates; None for a root or if it is missing."""
    if certificate.self_issued:
        return None
    for other in found:
        if other is not certificate and other.subject.same_as(certificate.issuer):
            try:
                if other.has_signed(certificate):
                    return other
            except ChainError:
                continue
    return None


def _print_tree(
    certificate: Certificate,
    found: Sequence[Certificate],
    kinds: dict[Certificate, Kind],
    now: datetime.datetime,
    indent: str,
    printed: set[Certificate],
) -> None:
    if certificate in printed:
        return
    printed.add(certificate)
    print(f"{indent}{certificate.subject}")
    for line in _facts(certificate, kinds[certificate]):
        print(f"{indent}    {line}")
    for warning in _warnings(certificate, kinds[certificate], now):
        print(f"{indent}    ! {warning}")
    for other in found:
        if _issuer(other, found) is certificate:
            _print_tree(other, found, kinds, now, f"{indent}  ", printed)


def _facts(certificate: Certificate, kind: Kind) -> list[str]:
    constraints = certificate.basic_constraints
    role = "leaf"
    if constraints is not None and constraints.authority:
        limit = constraints.path_length
        role = "authority" + (f", path length {limit}" if limit is not None else "")
    lines = [
        f"looks like {kind.value}: {role}, {len(certificate.der)} bytes, serial {certificate.serial:x}",
        f"issuer     {certificate.issuer}",
        f"valid      {certificate.not_before:%Y-%m-%d %H:%M}Z to {certificate.not_after:%Y-%m-%d %H:%M}Z",
        f"key        {certificate.key_type or 'of no type in use'}, {generation_of(certificate)}",
        f"key usage  {', '.join(sorted(certificate.key_usage)) if certificate.key_usage else 'none'}",
        f"SHA-256    {certificate.fingerprint}",
    ]
    lines += [f"OCSP       {url}" for url in certificate.ocsp_urls]
    lines += [f"CRL        {url}" for url in certificate.crl_urls]
    return lines


def _warnings(certificate: Certificate, kind: Kind, now: datetime.datetime) -> list[str]:
    known = kind in PROFILES[generation_of(certificate)]
    generation = generation_of(certificate) if known else Generation.ISO20
    warnings = [_line(finding) for finding in check(certificate, kind, generation)]
    if now > certificate.not_after:
        warnings.append(f"expired on {certificate.not_after:%Y-%m-%d} ({Rule.LEAF_EXPIRED})")
    elif now < certificate.not_before:
        warnings.append(f"not valid before {certificate.not_before:%Y-%m-%d} ({Rule.LEAF_NOT_YET_VALID})")
    elif certificate.not_after - now < (certificate.not_after - certificate.not_before) / 3:
        warnings.append(f"{(certificate.not_after - now).days} days left: renew it")
    if kind is Kind.CONTRACT_LEAF:
        try:
            emaid = EMAID.parse(certificate.subject.common_name)
        except CertificateError:
            return warnings
        if emaid.check_digit_is_wrong:
            warnings.append(f"check digit of the eMAID is not {emaid.expected_check_digit}")
    return warnings


def _line(finding: Finding) -> str:
    tolerated = f", tolerated by {finding.leniency}" if finding.leniency else ", NEVER tolerated"
    return f"{finding.text} ({finding.rule}{tolerated})"


def _as_dict(certificate: Certificate, kind: Kind, warnings: list[str]) -> dict[str, object]:
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "kind": kind.value,
        "key": certificate.key_type,
        "serial": f"{certificate.serial:x}",
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "fingerprint": certificate.fingerprint,
        "bytes": len(certificate.der),
        "warnings": warnings,
    }


def _revocation(verified: VerifiedChain, arguments: argparse.Namespace, now: datetime.datetime) -> str:
    """Return the result of the given evidence; nothing without evidence."""
    if not arguments.ocsp and not arguments.crl:
        return ""
    status = check_revocation(
        verified,
        now,
        ocsp_responses=[read_bytes(path) for path in arguments.ocsp],
        crls=[read_bytes(path) for path in arguments.crl],
        policy=RevocationPolicy(mode=RevocationMode.PREFER),
    )
    return "; ".join([status.status.value, *status.complaints])


def _refusal(error: ChainError) -> dict[str, object]:
    return {
        "good": False,
        "rule": str(error.rule),
        "certificate": error.certificate,
        "text": str(error),
        "response_code": error.response_code,
    }


def _proof(verified: VerifiedChain, revocation: str) -> dict[str, object]:
    return {
        "good": True,
        "role": verified.role.value,
        "subject": str(verified.leaf.subject),
        "anchor": str(verified.anchor.certificate.subject),
        "expires": verified.expires.isoformat(),
        "tolerated": [finding.leniency for finding in verified.tolerated],
        "revocation": revocation or None,
    }
