"""Well-formed certificates for tests, made on the spot; keys live in memory.

`certified` makes every one of them, with any names, extensions and dates. `root`, `authorities`, `station`
and the others make those of ISO 15118-2 with it. What is not well-formed comes from `tests.support.pki`.
"""

import dataclasses
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from secc.pki.keys import PrivateKey, PublicKey, signing_hash
from secc.tls import CredentialFiles

NOT_BEFORE = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RESPONDER = "http://127.0.0.1:1/"
EMAID = "DE8AA1A2B3C4D59"
PCID = "WMITEST00000000001"


@dataclasses.dataclass(frozen=True)
class Identity:
    """A certificate, its key, and who issued it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuer: "Identity | None" = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def path(self) -> "list[Identity]":
        """From this one up to its root."""
        return [self, *(self.issuer.path if self.issuer is not None else [])]


def root(name: str = "V2G Root A", domain: str | None = "V2G") -> Identity:
    return issue(name, domain, None)


def authorities(above: Identity, name: str = "CPO", domain: str | None = "V2G") -> Identity:
    """Sub-CA 1 and Sub-CA 2; the lower one."""
    upper = issue(f"{name} Sub-CA 1", domain, above, path_length=1)
    return issue(f"{name} Sub-CA 2", domain, upper, path_length=0)


def station(above: Identity, name: str = "DEABCSTEST") -> Identity:
    """A SECC leaf under two Sub-CAs."""
    return issue(name, "CPO", authorities(above), leaf=True)


def contract(above: Identity, emaid: str = EMAID, not_after: datetime.datetime = NOT_AFTER) -> Identity:
    """A contract under two Sub-CAs."""
    return issue(emaid, None, authorities(above, "MO", None), leaf=True, not_after=not_after)


def provisioning(above: Identity, pcid: str = PCID) -> Identity:
    """A provisioning certificate under two Sub-CAs."""
    return issue(pcid, "OEM", authorities(above, "OEM", "OEM"), leaf=True)


def certified(
    subject: x509.Name | str,
    key: PublicKey,
    signer: PrivateKey,
    *extensions: tuple[x509.ExtensionType, bool],
    issuer: x509.Name | str | None = None,
    begin: datetime.datetime = NOT_BEFORE,
    end: datetime.datetime = NOT_AFTER,
    serial: int | None = None,
) -> x509.Certificate:
    """A certificate; a text is a common name, without `issuer` it names itself.

    `extensions`: value, and whether it is critical. `serial`: random by default.
    """
    name = named(subject)
    builder = x509.CertificateBuilder().subject_name(name).public_key(key)
    builder = builder.issuer_name(name if issuer is None else named(issuer))
    builder = builder.serial_number(x509.random_serial_number() if serial is None else serial)
    builder = builder.not_valid_before(begin).not_valid_after(end)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(signer, signing_hash(signer))


def named(name: x509.Name | str) -> x509.Name:
    """A distinguished name; a text is its common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if isinstance(name, str) else name


def issue(
    name: str,
    domain: str | None,
    issuer: Identity | None,
    *,
    leaf: bool = False,
    path_length: int | None = None,
    not_after: datetime.datetime = NOT_AFTER,
    purpose: x509.ObjectIdentifier | None = None,
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    subject = _subject(name, domain)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=not leaf, path_length=path_length), True),
        (_key_usage(leaf=leaf), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    if issuer is not None:
        location = x509.UniformResourceIdentifier(RESPONDER)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        extensions += [(above, False), (x509.AuthorityInformationAccess([access]), False)]
    if purpose is not None:
        extensions.append((x509.ExtendedKeyUsage([purpose]), False))
    above_name = issuer.certificate.subject if issuer else None
    made = certified(subject, key.public_key(), signer, *extensions, issuer=above_name, end=not_after)
    return Identity(made, key, issuer)


def store(folder: Path, leaf: Identity, stem: str, *, ocsp_response: bytes = b"") -> CredentialFiles:
    """Chain without the root, key, root and perhaps an OCSP response, as files."""
    *chain, top = leaf.path if leaf.issuer else [leaf, leaf]
    files = CredentialFiles(
        chain=folder / f"{stem}_chain.pem",
        key=folder / f"{stem}_key.pem",
        root=folder / f"{stem}_root.pem",
        ocsp_response=folder / f"{stem}.ocsp" if ocsp_response else None,
    )
    files.chain.write_bytes(b"".join(one.pem for one in chain))
    files.key.write_bytes(leaf.key_pem)
    assert files.root is not None
    files.root.write_bytes(top.pem)
    if files.ocsp_response is not None:
        files.ocsp_response.write_bytes(ocsp_response)
    return files


def ocsp_response(
    leaf: Identity,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    signer: Identity | None = None,
    this_update: datetime.datetime = NOW,
    lifetime: datetime.timedelta | None = datetime.timedelta(days=4),
) -> bytes:
    """A response about `leaf`, signed by its issuer or by `signer`."""
    assert leaf.issuer is not None
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf.certificate,
        issuer=leaf.issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=this_update,
        next_update=None if lifetime is None else this_update + lifetime,
        revocation_time=this_update if revoked else None,
        revocation_reason=None,
    )
    signer = signer or leaf.issuer
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not leaf.issuer:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def responder(
    issuer: Identity, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING
) -> Identity:
    """A delegated OCSP signer."""
    return issue("OCSP signer", None, issuer, leaf=True, purpose=purpose)


def _subject(name: str, domain: str | None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test only"),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
    ]
    if domain is not None:
        attributes.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, domain))
    return x509.Name(attributes)


def _key_usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        key_agreement=leaf,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )
