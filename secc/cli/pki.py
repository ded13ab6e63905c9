"""`secc pki`: make, order, issue, renew, show and verify certificates of the V2G PKI."""

from __future__ import annotations

import argparse
import datetime
import json
import os
from pathlib import Path

from cryptography.x509 import ReasonFlags, load_der_x509_crl

from secc.cli import misused, refused
from secc.cli.actions import add_action, run_action
from secc.cli.pki_files import (
    UnusableArgument,
    key_password,
    kind_of,
    read_bytes,
    read_instant,
    write_new,
    write_private,
)
from secc.cli.pki_look import configure_show, configure_verify
from secc.cli.pki_responder import serve_ocsp
from secc.errors import CertificateError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.chains import ChainPolicy, check_authority_chain
from secc.pki.hierarchy import (
    ISO20_FOLDER,
    HierarchyNames,
    make_hierarchy,
    make_iso20_hierarchy,
    summary,
    write_hierarchy,
)
from secc.pki.issuing import (
    Holder,
    Revocation,
    cross_certify,
    key_pem,
    make_request,
    read_request,
    request_pem,
    serial_from,
)
from secc.pki.keys import KeyType, new_private_key, read_private_key
from secc.pki.profiles import Kind, generation_of
from secc.pki.trust import trust

EXAMPLES = """examples:
  secc pki new lab                           make test hierarchies of both generations, never for production
  secc pki show lab/secc_chain.pem           show its content with warnings
  secc pki verify lab/secc_chain.pem --role secc --root lab/v2g_root.pem
  secc pki verify lab/iso20/vehicle_chain.pem --role vehicle --root lab/iso20/oem_root.pem

operating a CPO Sub-CA:
  secc pki csr ca --common-name "ACME Sub-CA 2" --organization ACME --country DE
  secc pki import ca answer.pem --root v2g_root.pem
  secc pki issue ca station-7.csr --out station-7.pem
  secc pki renew ca --within 30              renew certificates that end within 30 days
  secc pki cross lab oem_root.pem --out cross.pem
  secc pki revoke ca 5f3a... --reason key_compromise
  secc pki crl ca --out ca.crl
  secc pki ocsp ca --port 8888               run an OCSP responder on loopback
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
    _configure_new(add_action(commands, "new", "make complete test hierarchies of both generations", _new))
    _configure_csr(add_action(commands, "csr", "make a Sub-CA key and the request for the root", _csr))
    _configure_import(add_action(commands, "import", "import the answer of the root to the request", _import))
    _configure_issue(add_action(commands, "issue", "issue a leaf from a request", _issue))
    _configure_renew(
        add_action(commands, "renew", "renew certificates that end soon, for the same keys", _renew)
    )
    _configure_cross(add_action(commands, "cross", "sign another root: a cross certificate", _cross))
    _configure_revoke(add_action(commands, "revoke", "revoke a certificate", _revoke))
    _configure_crl(add_action(commands, "crl", "make the revocation list", _crl))
    _configure_ocsp(add_action(commands, "ocsp", "run an OCSP responder on loopback", serve_ocsp))
    configure_show(commands)
    configure_verify(commands)


run = run_action
"""Run one action; returns 0 (done), 1 (refused) or 2 (misused)."""


# --- a test hierarchy -----------------------------------------------------------------------------------


def _configure_new(parser: argparse.ArgumentParser) -> None:
    defaults = HierarchyNames()
    parser.add_argument("folder", type=Path, help="folder; created if it does not exist")
    parser.add_argument("--seed", help="make the same keys and certificates each time, with --from")
    parser.add_argument("--from", dest="begin", metavar="DATE", help="start of all validities; default: now")
    parser.add_argument("--until", metavar="DATE", help="end of all validities; default: from the profile")
    parser.add_argument("--organization", default=defaults.organization, help="default: %(default)s")
    parser.add_argument("--country", default=defaults.country, help="default: %(default)s")
    parser.add_argument("--secc-id", default=defaults.secc_id, help="common name of the station")
    parser.add_argument("--emaid", default=defaults.emaid, help="eMAID of the contract; default: %(default)s")
    parser.add_argument("--pcid", default=defaults.pcid, help="PCID of the car; default: %(default)s")
    parser.add_argument(
        "--evccid", default=defaults.evccid, help="EVCCID in the vehicle certificate of the car"
    )
    parser.add_argument(
        "--iso20-keys",
        choices=[KeyType.SECP521R1.value, KeyType.ED448.value],
        default=KeyType.SECP521R1.value,
        help="keys of the hierarchy of ISO 15118-20; default: %(default)s",
    )
    parser.add_argument("--ocsp-url", default="http://127.0.0.1:8888/", help="default: %(default)s")
    parser.add_argument("--force", action="store_true", help="replace an existing hierarchy")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _new(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    if (folder / "v2g_root.pem").exists() and not arguments.force:
        return misused(f"{folder} has a hierarchy already; --force replaces it")
    begin = read_instant(arguments.begin)
    until = read_instant(arguments.until) if arguments.until else None
    seed = arguments.seed.encode() if arguments.seed else None
    names = HierarchyNames(
        organization=arguments.organization,
        country=arguments.country,
        secc_id=arguments.secc_id,
        emaid=arguments.emaid,
        pcid=arguments.pcid,
        evccid=arguments.evccid,
    )
    url, fresh = arguments.ocsp_url, os.urandom(32)
    older = make_hierarchy(
        not_before=begin, not_after=until, seed=seed, names=names, ocsp_url=url, random_bytes=fresh
    )
    newer = make_iso20_hierarchy(
        KeyType(arguments.iso20_keys),
        not_before=begin,
        not_after=until,
        seed=seed,
        names=names,
        ocsp_url=url,
        random_bytes=fresh,
    )
    write_hierarchy(older, folder, begin)
    write_hierarchy(newer, folder / ISO20_FOLDER, begin)
    if arguments.json:
        print(summary(older, newer))
    else:
        print(f"{len(older)} certificates of ISO 15118-2 with their keys in {folder}: for tests only")
        print(f"{len(newer)} certificates of ISO 15118-20 in {folder / ISO20_FOLDER}: for tests only")
    return 0


# --- a Sub-CA -------------------------------------------------------------------------------------------


def _add_authority(parser: argparse.ArgumentParser, *, option: bool = True) -> None:
    parser.add_argument("folder", type=Path, help="folder of the authority")
    if option:
        parser.add_argument(
            "--authority", default=Kind.CPO_SUB_CA_2.value, metavar="KIND", help="default: %(default)s"
        )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file with the password of the key of the authority",
    )


def _open(arguments: argparse.Namespace) -> Authority:
    kind = kind_of(arguments.authority)
    return Authority(arguments.folder, kind, password=key_password(arguments.password_file))


def _configure_csr(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("--common-name", required=True, help="common name, as agreed with the root")
    parser.add_argument("--organization", required=True)
    parser.add_argument("--country", required=True, help="two letters")
    parser.add_argument(
        "--key",
        choices=list(KeyType),
        default=KeyType.SECP256R1.value,
        help="type of its key: secp256r1 for ISO 15118-2, the others for ISO 15118-20; default: %(default)s",
    )


def _csr(arguments: argparse.Namespace) -> int:
    kind = kind_of(arguments.authority)
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    key_file, request_file = folder / f"{kind.value}_key.pem", folder / f"{kind.value}.csr"
    if key_file.exists():
        return misused(f"{key_file} exists; another key for this authority needs another folder")
    key = new_private_key(KeyType(arguments.key))
    request = make_request(
        key,
        kind,
        common_name=arguments.common_name,
        organization=arguments.organization,
        country=arguments.country,
    )
    write_private(key_file, key_pem(key, key_password(arguments.password_file)))
    request_file.write_bytes(request_pem(request))
    print(f"{request_file}: send it to the root; {key_file}: keep it secret")
    return 0


def _configure_import(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("answer", type=Path, help="PEM, DER or PKCS#7, in any order")
    parser.add_argument("--root", type=Path, required=True, help="V2G root of the answer")


def _import(arguments: argparse.Namespace) -> int:
    kind = kind_of(arguments.authority)
    folder: Path = arguments.folder
    key = read_private_key(
        read_bytes(folder / f"{kind.value}_key.pem"), key_password(arguments.password_file)
    ).public_key()
    answer = read_chain(read_bytes(arguments.answer))
    own = next((one for one in answer if _has_key(one, key)), None)
    if own is None:
        return refused(f"{arguments.answer}: none of its certificates is for the key in {folder}")
    root = read_chain(read_bytes(arguments.root))[0]
    chain = in_order(answer, own)
    store = trust([(Kind.V2G_ROOT, root)])
    policy = ChainPolicy(generation=generation_of(own))
    check_authority_chain(chain, kind, store, datetime.datetime.now(datetime.UTC), policy)
    (folder / f"{kind.value}.pem").write_bytes(own.pem)
    (folder / f"{kind.value}_chain.pem").write_bytes(b"".join(one.pem for one in chain))
    (folder / "v2g_root.pem").write_bytes(root.pem)
    print(f"{own.subject}: valid until {own.not_after:%Y-%m-%d}, {len(chain)} certificates below the root")
    return 0


def _has_key(certificate: Certificate, key: object) -> bool:
    try:
        return certificate.key == key
    except CertificateError:
        return False


def _configure_issue(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("request", type=Path, help="PKCS#10, PEM or DER")
    parser.add_argument("--kind", default=Kind.SECC_LEAF.value, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="file for the chain; default: standard output")
    _add_issuing_policy(parser)


def _add_issuing_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, help="validity in days; default: from the profile")
    parser.add_argument("--ocsp-url", default="", help="OCSP responder; default: that of the authority")
    parser.add_argument("--crl-url", default="")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _policy(arguments: argparse.Namespace) -> IssuingPolicy:
    if arguments.days is not None and arguments.days < 1:
        raise UnusableArgument("--days: expected at least 1")
    return IssuingPolicy(
        ocsp_url=arguments.ocsp_url,
        crl_url=arguments.crl_url,
        validity=datetime.timedelta(days=arguments.days) if arguments.days else None,
    )


def _issue(arguments: argparse.Namespace) -> int:
    authority = _open(arguments)
    request = read_request(read_bytes(arguments.request))
    now = datetime.datetime.now(datetime.UTC)
    certificate = authority.issue(request, kind_of(arguments.kind), now, _policy(arguments))
    chain = b"".join(one.pem for one in (certificate, *authority.chain))
    if arguments.out is not None:
        write_new(arguments.out, chain)
    elif not arguments.json:
        print(chain.decode(), end="")
    if arguments.json:
        print(json.dumps(_as_dict(certificate), indent=2))
    elif arguments.out is not None:
        print(f"{certificate.subject}: serial {certificate.serial:x}, until {certificate.not_after:%Y-%m-%d}")
    return 0


def _as_dict(certificate: Certificate) -> dict[str, str]:
    return {
        "subject": str(certificate.subject),
        "serial": f"{certificate.serial:x}",
        "not_after": certificate.not_after.isoformat(),
        "pem": certificate.pem.decode(),
    }


def _configure_renew(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("--within", type=int, default=30, metavar="DAYS", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for chains, as SERIAL.pem")
    parser.add_argument("--dry-run", action="store_true", help="only list what ends soon")
    _add_issuing_policy(parser)


def _renew(arguments: argparse.Namespace) -> int:
    authority = _open(arguments)
    now = datetime.datetime.now(datetime.UTC)
    rows: list[dict[str, str]] = []
    for entry in authority.expiring(datetime.timedelta(days=arguments.within), now):
        certificate = entry.certificate
        if not arguments.dry_run:
            certificate = authority.renew(entry, now, _policy(arguments))
            if arguments.out is not None:
                arguments.out.mkdir(parents=True, exist_ok=True)
                chain = b"".join(one.pem for one in (certificate, *authority.chain))
                write_new(arguments.out / f"{certificate.serial:x}.pem", chain)
        rows.append(_as_dict(certificate))
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        verb = "ends" if arguments.dry_run else "renewed, ends"
        for row in rows:
            print(f"{row['subject']}: serial {row['serial']}, {verb} {row['not_after'][:10]}")
        print(f"{len(rows)} of {authority.certificate.subject}")
    return 0


def _configure_cross(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the root that signs, with its key")
    parser.add_argument("root", type=Path, help="PEM of the other root, of the same generation")
    parser.add_argument(
        "--kind", default=Kind.V2G_ROOT.value, help="the root that signs; default: %(default)s"
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="password of the key of the root")
    parser.add_argument("--out", type=Path, required=True, help="file for the cross certificate")
    parser.add_argument("--until", metavar="DATE", help="end; default and limit: the end of both roots")
    parser.add_argument("--ocsp-url", default="", help="OCSP responder")


def _cross(arguments: argparse.Namespace) -> int:
    kind, folder = kind_of(arguments.kind), arguments.folder
    own = read_chain(read_bytes(folder / f"{kind.value}.pem"))[0]
    password = key_password(arguments.password_file)
    key = read_private_key(read_bytes(folder / f"{kind.value}_key.pem"), password)
    root = read_chain(read_bytes(arguments.root))[0]
    made = cross_certify(
        root,
        Holder(own, key),
        serial=serial_from(os.urandom(16)),
        not_before=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        not_after=read_instant(arguments.until) if arguments.until else None,
        ocsp_url=arguments.ocsp_url,
    )
    write_new(arguments.out, made.pem)
    print(f"{arguments.out}: {made.subject} below {own.subject}, until {made.not_after:%Y-%m-%d}")
    return 0


# --- revocation -----------------------------------------------------------------------------------------


def _configure_revoke(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("serial", help="hexadecimal, as `show` and `issue` print it")
    reasons = [reason.name for reason in ReasonFlags if reason is not ReasonFlags.remove_from_crl]
    parser.add_argument("--reason", choices=reasons, default="unspecified", metavar="REASON")


def _revoke(arguments: argparse.Namespace) -> int:
    authority = _open(arguments)
    try:
        serial = int(arguments.serial.replace(":", ""), 16)
    except ValueError:
        return misused(f"{arguments.serial}: not a serial number in hexadecimal")
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    authority.revoke(Revocation(serial, now, ReasonFlags[arguments.reason]))
    print(f"{serial:x} revoked; publish a new CRL (`secc pki crl`)")
    return 0


def _configure_crl(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser)
    parser.add_argument("--days", type=int, default=7, help="days until the next list; default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="DER")


def _crl(arguments: argparse.Namespace) -> int:
    authority = _open(arguments)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    crl = authority.crl(now, datetime.timedelta(days=arguments.days))
    write_new(arguments.out, crl)
    print(f"{arguments.out}: {len(load_der_x509_crl(crl))} revoked, next in {arguments.days} days")
    return 0


def _configure_ocsp(parser: argparse.ArgumentParser) -> None:
    _add_authority(parser, option=False)
    parser.add_argument("--port", type=int, default=8888, help="default: %(default)s; 0 for a free one")
    parser.add_argument("--once", type=int, metavar="N", help="exit after N requests")
    parser.add_argument("--hours", type=float, default=24.0, help="validity of answers; default: %(default)s")
