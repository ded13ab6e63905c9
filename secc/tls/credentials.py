"""What a station presents: a chain, its key, the root above it, and the OCSP response to staple.

The station's certificates are checked by the letter, those of EVs with leniencies. Files that cannot be used
raise ConfigError with the name of the file: there is no fallback.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from secc.errors import ConfigError
from secc.pki.certificates import read_certificate
from secc.pki.keys import KeyType, PrivateKey, key_type
from secc.pki.kinds import Generation, Kind, profile_of
from secc.pki.revocation import Question
from secc.tls.hello import IdentifierType, TrustedAuthority
from secc.tls.staples import StapleHolder

__all__ = [
    "CredentialFiles",
    "Credentials",
    "choose",
    "is_in_token",
    "choose_named",
    "common_name",
    "domains",
    "load_credentials",
    "load_staple",
    "name",
    "read",
    "read_certificates",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFiles:
    """Where the parts of one chain are."""

    chain: Path
    """PEM, leaf first; a V2G root at the end is left out, a private root is sent [V2G2-872]."""
    key: Path
    """PEM of the leaf's key, or of its PKCS#11 URI when it lies in a token."""
    password: Path | None = None
    """Holds the password of the key."""
    root: Path | None = None
    """PEM of the V2G root above the chain, to know it in `trusted_ca_keys`."""
    ocsp_response: Path | None = None
    """DER of an OCSP response for the leaf."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that are configured."""
        every = (self.chain, self.key, self.password, self.root, self.ocsp_response)
        return tuple(path for path in every if path is not None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Credentials:
    """One chain, ready to be presented; made by `load_credentials`."""

    files: CredentialFiles
    chain: tuple[x509.Certificate, ...]
    """What is sent: leaf first, without the V2G root."""
    key: PrivateKey | None = dataclasses.field(repr=False)
    """None when it lies in a token and never leaves it: OpenSSL finds it by the file."""
    root: x509.Certificate | None
    staple: StapleHolder

    @property
    def private(self) -> bool:
        """The leaf hangs right under its root: a private environment [V2G2-868]."""
        issued = [one for one in self.chain if one.subject != one.issuer]
        return len(issued) == 1

    @property
    def expires(self) -> datetime.datetime:
        """When the first of the certificates ends."""
        return min(one.not_valid_after_utc for one in self.chain)

    @property
    def begins(self) -> datetime.datetime:
        """From when on all of the certificates are valid."""
        return max(one.not_valid_before_utc for one in self.chain)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf, in hexadecimal."""
        return hashlib.sha256(self.chain[0].public_bytes(Encoding.DER)).hexdigest()

    @property
    def title(self) -> str:
        """For messages: the leaf's common name and its root's."""
        top = self.root.subject if self.root is not None else self.chain[-1].issuer
        return f"{common_name(self.chain[0].subject)} under {common_name(top)}"

    def answers_to(self, authority: TrustedAuthority) -> bool:
        """Whether this is the root that the EV names."""
        top = self.root.subject if self.root is not None else self.chain[-1].issuer
        match authority.kind:
            case IdentifierType.X509_NAME:
                return authority.value == top.public_bytes()
            case IdentifierType.CERT_SHA1_HASH if self.root is not None:
                return authority.value == _sha1(self.root.public_bytes(Encoding.DER))
            case IdentifierType.KEY_SHA1_HASH if self.root is not None:
                return authority.value == _key_hash(self.root)
        return False

    @property
    def question(self) -> Question | None:
        """What to ask an OCSP responder about the leaf; None where the issuer is not known or private."""
        issuer = self.chain[1] if len(self.chain) > 1 else self.root
        if self.private or issuer is None:
            return None
        leaf = read_certificate(self.chain[0].public_bytes(Encoding.DER))
        above = read_certificate(issuer.public_bytes(Encoding.DER))
        return Question(leaf, above, leaf.ocsp_urls, leaf.crl_urls)


def load_credentials(
    files: CredentialFiles, at: datetime.datetime, generation: Generation = Generation.ISO2
) -> Credentials:
    """Read and check; raises ConfigError, which names the file. `at` is now, with a time zone.

    An OCSP response that cannot be used is no error: the chain is served without it, and `staple.problem` is
    the reason. A chain of ISO 15118-20 outside its validity is none either: a station still has TLS 1.2.
    """
    sent = read_certificates(files.chain)
    root = read_certificates(files.root)[0] if files.root is not None else None
    chain, own_root = _split_root(sent)
    if root is None:
        root = own_root
    elif len(chain) == 1 and _issued_by(chain[0], root):
        chain = [*chain, root]  # private environment: the root is sent [V2G2-872]
    key = _read_key(files.key, files.password, generation)
    if key is not None and key.public_key() != chain[0].public_key():
        raise ConfigError(f"{files.key}: the key does not belong to the leaf in {files.chain}")
    _check_own_chain(chain, files.chain, generation)
    if generation is Generation.ISO2:
        _check_own_validity(chain, files.chain, at)
    if root is not None and chain[-1] != root and not _issued_by(chain[-1], root):
        raise ConfigError(f"{files.root}: did not issue {name(chain[-1])}, the last one in {files.chain}")
    made = Credentials(files=files, chain=tuple(chain), key=key, root=root, staple=StapleHolder())
    try:
        load_staple(made, at)
    except ConfigError as error:
        made.staple.problem = str(error)
    return made


def load_staple(credentials: Credentials, at: datetime.datetime) -> None:
    """Read the OCSP response of the files again; raises ConfigError and keeps what it has.

    A response that is only too old is not an error of the configuration: nothing is stapled until a newer one
    comes.
    """
    path, question = credentials.files.ocsp_response, credentials.question
    if path is None:
        return
    if question is None:
        raise ConfigError(f"{path}: the issuer of the leaf is not known, so it cannot be checked")
    credentials.staple.offer_file(path, read(path), question, at)


def choose_named(chains: Sequence[Credentials], roots: Sequence[TrustedAuthority]) -> Credentials | None:
    """The chain for an EV of ISO 15118-20; the first of `chains` is the default.

    The first root in the EV's order that a chain leads to [V2G20-1007]; None when no chain fits
    [V2G20-2379]. An EV that names none gets the default chain [V2G20-2378].
    """
    if not roots:
        return next(iter(chains), None)
    return next((one for root in roots for one in chains if one.answers_to(root)), None)


def choose(
    chains: Sequence[Credentials], wanted: Sequence[TrustedAuthority], at: datetime.datetime
) -> Credentials:
    """The chain for an EV that trusts these roots; the first of `chains` is the default.

    The first root in the EV's order that a chain leads to [V2G2-871]; when there is none the default chain
    [V2G2-923], but no private one, as the EV has named its roots and a private root would be among them. An
    EV that names none gets the default chain. Chains that have expired are left out while there are others.
    """
    wanted = [one for one in wanted if one.kind is not IdentifierType.PRE_AGREED]  # names no root
    usable = [one for one in chains if one.expires >= at] or list(chains)
    for authority in wanted:
        for one in usable:
            if one.answers_to(authority):
                return one
    if wanted:
        return next((one for one in usable if not one.private), usable[0])
    return usable[0]


def read(path: Path) -> bytes:
    """The file, or ConfigError with its name."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file; ConfigError when there is none."""
    try:
        return x509.load_pem_x509_certificates(read(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not a PEM file with certificates") from error


def name(certificate: x509.Certificate) -> str:
    """For messages."""
    return certificate.subject.rfc4514_string()


def common_name(subject: x509.Name) -> str:
    """The common name, or the whole name where there is none."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject.rfc4514_string()


def domains(certificate: x509.Certificate) -> list[str | bytes]:
    """Domain components of the subject."""
    return [part.value for part in certificate.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)]


def is_in_token(key_file: Path) -> bool:
    """Whether a key file only says where the key is: a URI of PKCS#11, or a key that only its TPM can load.

    Raises ConfigError for an unreadable file.
    """
    content = read(key_file)
    return any(form in content for form in _TOKEN_KEYS)


_TOKEN_KEYS = (b"-----BEGIN PKCS#11 PROVIDER URI-----", b"-----BEGIN TSS2 PRIVATE KEY-----")


def _read_key(path: Path, password_file: Path | None, generation: Generation) -> PrivateKey | None:
    if is_in_token(path):
        return None
    password = read(password_file).strip() if password_file else None
    try:
        key = load_pem_private_key(read(path), password)
    except TypeError as error:
        raise ConfigError(f"{path}: the private key {'is not' if password else 'is'} encrypted") from error
    except ValueError as error:
        what = "not a PEM file with a private key" + (", or the password is wrong" if password else "")
        raise ConfigError(f"{path}: {what}") from error
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    if isinstance(key, ed448.Ed448PrivateKey) and generation is not Generation.ISO2:
        return key
    raise ConfigError(f"{path}: not an elliptic-curve key [V2G2-006]")


def _split_root(sent: list[x509.Certificate]) -> tuple[list[x509.Certificate], x509.Certificate | None]:
    """What to send, and the root if it is in the file: a V2G root is never sent, a private one [V2G2-872]."""
    if len(sent) < 2 or sent[-1].subject != sent[-1].issuer:
        return sent, None
    return (sent[:-1] if len(sent) > 2 else sent), sent[-1]


def _check_own_chain(chain: Sequence[x509.Certificate], path: Path, generation: Generation) -> None:
    if "CPO" not in domains(chain[0]):
        raise ConfigError(f"{path}: the leaf {name(chain[0])} does not say DC=CPO; is it first in the file?")
    profile = profile_of(Kind.SECC_LEAF, generation)
    iso2 = generation is Generation.ISO2
    keys = "secp256r1 [V2G2-007]" if iso2 else "secp521r1 or Ed448 [V2G20-2674]"
    for number, certificate in enumerate(chain):
        where = f"{path}: {name(certificate)}"
        key = certificate.public_key()
        if _type_of(key) not in profile.keys:
            raise ConfigError(f"{where}: the key is not on {keys}")
        size, largest = len(certificate.public_bytes(Encoding.DER)), profile.largest
        if largest is not None and size > largest:
            raise ConfigError(f"{where}: {size} bytes, at most {largest} are allowed [V2G2-010]")
        if number and not _issued_by(chain[number - 1], certificate):
            raise ConfigError(
                f"{where}: did not issue {name(chain[number - 1])}, the one before it in the file"
            )


def _type_of(key: object) -> KeyType | None:
    return key_type(key) if isinstance(key, (ec.EllipticCurvePublicKey, ed448.Ed448PublicKey)) else None


def _check_own_validity(chain: Sequence[x509.Certificate], path: Path, at: datetime.datetime) -> None:
    for certificate in chain:
        where = f"{path}: {name(certificate)}"
        if at < certificate.not_valid_before_utc:
            raise ConfigError(f"{where}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z")
        if at > certificate.not_valid_after_utc:
            raise ConfigError(f"{where}: expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z")


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-1 of the point: the bit string of the key, as RFC 6066 has it for elliptic curves."""
    return _sha1(read_certificate(certificate.public_bytes(Encoding.DER)).point)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
