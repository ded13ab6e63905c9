"""Second opinions: OpenSSL, cryptography's verifier and pyhanko-certvalidator judge the same table of chains.

They are general validators; our rules are those of ISO 15118-2. So they accept much that is forbidden there,
and refuse a little of what is in service. Each kind of difference is explained below; another one fails.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from secc.pki.rules import Rule
from tests.pki.test_chains import ROWS
from tests.support.defects import Row

GENERAL = {
    Rule.TOO_LARGE: "the limit of 800 bytes is ISO 15118-2's",
    Rule.VERSION: "reads older versions as long as no extension is wanted",
    Rule.SERIAL: "does not look at serial numbers, or only warns",
    Rule.CURVE: "takes any curve it knows",
    Rule.KEY_ALGORITHM: "takes RSA keys; here the leaf's key is never used",
    Rule.POINT: "does not load the leaf's key, as it verifies nothing with it",
    Rule.SIGNATURE_ALGORITHM: "takes other hashes",
    Rule.ORDER: "builds the path from a set, and the first certificate is the leaf, whatever it is",
    Rule.DUPLICATE: "builds the path from a set",
    Rule.SELF_SIGNED: "a trusted root is a valid path of its own",
    Rule.TOO_MANY: "ignores what it does not need",
    Rule.ROOT_ISSUED_LEAF: "a root may sign leaves in general",
    Rule.TOO_DEEP: "depth is limited by path lengths only",
    Rule.PATH_LENGTH_PROFILE: "a path length is optional in general",
    Rule.KEY_USAGE_MISSING: "absent means any usage",
    Rule.EXTENDED_KEY_USAGE: "no purpose was asked for: with one OpenSSL refuses roots in service",
    Rule.IS_A_CA: "an authority may be the end of a path",
    Rule.EXPLICIT_FALSE: "reads it, or does not look",
    Rule.BASIC_CONSTRAINTS: "optional on a leaf",
    Rule.CRITICAL_FLAG: "either way is legal in general",
    Rule.KEY_USAGE_PROFILE: "has no profile",
    Rule.KEY_USAGE: "no usage was asked for",
    Rule.KEY_IDENTIFIERS: "optional",
    Rule.REVOCATION_POINTER: "revocation was not asked for",
    Rule.FORBIDDEN_COUNTRY: "has no profile",
    Rule.DOMAIN_COMPONENT: "does not know the roles of ISO 15118-2",
    Rule.COMMON_NAME: "does not know eMAID and PCID",
    Rule.NO_ANCHOR: "all roots serve all purposes",
}
"""Why a general validator accepts what we refuse, by the rule we refuse it for."""

SKEW = {
    "within the skew after the end": "knows no skew",
    "within the skew before the beginning": "knows no skew",
}
"""Why one refuses what we accept, by the row."""

LINK = {
    "new root certified by the old one, by policy": "takes the trusted root and looks no further",
    "Sub-CA 1 names another key than the root's": "the identifier binds there; here the signature decides",
}


def openssl(row: Row, folder: Path) -> bool:
    """`openssl verify`, at the row's time."""
    if not row.chain:
        return False
    files = {"leaf": row.chain[:1], "others": row.chain[1:], "roots": [root for _, root in row.roots]}
    for title, certificates in files.items():
        (folder / title).write_bytes(b"".join(pem(der) for der in certificates))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-attime", str(int(row.now.timestamp()))]
    command += ["-CAfile", str(folder / "roots"), "-untrusted", str(folder / "others"), str(folder / "leaf")]
    if len(row.chain) == 1:
        del command[-3:-1]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def cryptography(row: Row, folder: Path) -> bool:
    """The verifier of `cryptography`, with policies as wide as it allows."""
    try:
        roots = [x509.load_der_x509_certificate(root) for _, root in row.roots]
        leaf, *others = [x509.load_der_x509_certificate(der) for der in row.chain]
        everything = verification.ExtensionPolicy.permit_all()
        authorities = everything.require_present(
            x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
        )
        builder = verification.PolicyBuilder().store(verification.Store(roots)).time(row.now)
        builder = builder.extension_policies(ee_policy=everything, ca_policy=authorities)
        builder.build_client_verifier().verify(leaf, others)
    except (ValueError, x509.InvalidVersion, verification.VerificationError):
        return False
    return True


def pyhanko(row: Row, folder: Path) -> bool:
    """pyhanko-certvalidator, without revocation and usage."""
    asn1 = pytest.importorskip("asn1crypto.x509", reason="pyhanko-certvalidator is a development extra")
    validator = pytest.importorskip("pyhanko_certvalidator")
    try:
        roots = [asn1.Certificate.load(root) for _, root in row.roots]
        leaf, *others = [asn1.Certificate.load(der, strict=True) for der in row.chain]
        context = validator.ValidationContext(
            trust_roots=roots, moment=row.now, allow_fetching=False, weak_hash_algos=set()
        )
        judge = validator.CertificateValidator(leaf, intermediate_certs=others, validation_context=context)
        asyncio.run(judge.async_validate_usage(set()))
    except Exception:  # a verdict: it raises half a dozen types, also of asn1crypto
        return False
    return True


Oracle = Callable[[Row, Path], bool]

ORACLES: list[tuple[Oracle, dict[Rule, str], dict[str, str]]] = [
    (
        openssl,
        GENERAL
        | {
            Rule.MALFORMED: "reads BER, and stops at the end of the first certificate",
            Rule.CRITICAL_EXTENSION: "implements name constraints and policy constraints",
        },
        SKEW
        | LINK
        | {
            "two roots of one name": "both have one key identifier: it takes the first and looks no further",
            "ten roots of one name": "the same",
        },
    ),
    (
        cryptography,
        GENERAL
        | {
            Rule.CRITICAL_EXTENSION: "implements name constraints",
            Rule.ISSUER_KEY: "does not compare key identifiers",
        },
        SKEW
        | {
            "criticality FALSE written out": "a parser of strict DER",
            "root name in capitals": "compares names byte by byte",
        },
    ),
    (
        pyhanko,
        GENERAL
        | {
            Rule.MALFORMED: "asn1crypto reads BER and times of other forms",
            Rule.CRITICAL_EXTENSION: "implements name constraints",
            Rule.DUPLICATE_EXTENSION: "the last one wins",
            Rule.PATH_LENGTH: "a path length of the root does not bind it",
            Rule.ROOT_EXPIRED: "a trusted root is trusted for ever",
            Rule.ROOT_NOT_YET_VALID: "the same",
        },
        SKEW | LINK,
    ),
]


@pytest.mark.parametrize(("oracle", "accepts", "refuses"), ORACLES, ids=lambda x: getattr(x, "__name__", ""))
def test_every_difference_is_explained(
    oracle: Oracle, accepts: dict[Rule, str], refuses: dict[str, str], tmp_path: Path
) -> None:
    if oracle is openssl and shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    unexplained: list[str] = []
    agreed = 0
    for row in ROWS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # their remarks on odd certificates are not ours
            verdict = oracle(row, tmp_path)
        if verdict is (row.rule is None):
            agreed += 1
        elif verdict and row.rule not in accepts:
            unexplained.append(f"accepts: {row.title} ({row.rule})")
        elif not verdict and row.title not in refuses:
            unexplained.append(f"refuses: {row.title}")
    assert unexplained == []
    assert agreed >= len(ROWS) // 2


def test_an_explicit_false_makes_cryptography_refuse_every_extension() -> None:
    row = next(row for row in ROWS if row.title == "leaf says FALSE in so many bytes")
    found = x509.load_der_x509_certificate(row.chain[0])
    with pytest.raises(ValueError, match="BasicConstraints"):
        _ = found.extensions


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
