"""Makes the test hierarchy of this folder: all trees, with all keys, the same bytes at each run.

    python certs/testpki/make.py

`secc pki new` makes such a hierarchy with new keys. Tests that need a defective one of the operator's
branch build it in memory with `build()`. Never for production: every key is public.
"""

import dataclasses
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from secc.pki.hierarchy import ISO20_FOLDER, make_hierarchy, make_iso20_hierarchy, write_hierarchy

NOT_BEFORE = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
SECC_ID = "DEABCS" + "TESTSECC".ljust(32, "0")


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM, PKCS#8, not encrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclasses.dataclass(frozen=True, slots=True)
class Hierarchy:
    """The four certificates of one operator under one V2G root."""

    root: Identity
    sub_ca_1: Identity
    sub_ca_2: Identity
    leaf: Identity

    @property
    def chain_pem(self) -> bytes:
        """What the station presents: leaf first, the root left out."""
        return self.leaf.pem + self.sub_ca_2.pem + self.sub_ca_1.pem


def build(
    *,
    not_before: datetime.datetime = NOT_BEFORE,
    not_after: datetime.datetime = NOT_AFTER,
    leaf_domain: str | None = "CPO",
) -> Hierarchy:
    """A fresh hierarchy; validity and role (DC) of the leaf can be chosen to make a defective one."""
    root = issue(subject("V2GRootCA Test", "V2G"), None, path_length=None)
    sub_ca_1 = issue(subject("CPOSubCA1 Test", "V2G"), root, path_length=1)
    sub_ca_2 = issue(subject("CPOSubCA2 Test", "V2G"), sub_ca_1, path_length=0)
    leaf = issue(
        subject(SECC_ID, leaf_domain), sub_ca_2, leaf=True, not_before=not_before, not_after=not_after
    )
    return Hierarchy(root, sub_ca_1, sub_ca_2, leaf)


def subject(common_name: str, domain: str | None) -> x509.Name:
    """CN, O, C and the DC that names the role."""
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test only"),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
    ]
    if domain is not None:
        attributes.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, domain))
    return x509.Name(attributes)


def issue(
    name: x509.Name,
    issuer: Identity | None,
    *,
    leaf: bool = False,
    path_length: int | None = None,
    not_before: datetime.datetime = NOT_BEFORE,
    not_after: datetime.datetime = NOT_AFTER,
) -> Identity:
    """One certificate of the profile: P-256, ecdsa-with-SHA256; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())  # [V2G2-007]
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=path_length), critical=True)
        .add_extension(_key_usage(leaf=leaf), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        responder = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP,
            x509.UniformResourceIdentifier("http://ocsp.test.invalid:8080/"),
        )
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.AuthorityInformationAccess([responder]), critical=False)
    return Identity(builder.sign(signer, hashes.SHA256()), key)  # [V2G2-006]


def write(hierarchy: Hierarchy, folder: Path) -> None:
    """Write the files a station and an EV need, of a hierarchy made by `build`."""
    (folder / "v2g_root.pem").write_bytes(hierarchy.root.pem)
    (folder / "cpo_sub_ca_1.pem").write_bytes(hierarchy.sub_ca_1.pem)
    (folder / "cpo_sub_ca_2.pem").write_bytes(hierarchy.sub_ca_2.pem)
    (folder / "secc_leaf.pem").write_bytes(hierarchy.leaf.pem)
    (folder / "secc_chain.pem").write_bytes(hierarchy.chain_pem)
    (folder / "secc_leaf_key.pem").write_bytes(hierarchy.leaf.key_pem)


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


def main(folder: Path) -> None:
    """Write the committed files."""
    hierarchy = make_hierarchy(not_before=NOT_BEFORE, not_after=NOT_AFTER, seed=b"certs/testpki")
    write_hierarchy(hierarchy, folder, NOT_BEFORE)
    newer = make_iso20_hierarchy(not_before=NOT_BEFORE, not_after=NOT_AFTER, seed=b"certs/testpki/iso20")
    write_hierarchy(newer, folder / ISO20_FOLDER, NOT_BEFORE)


if __name__ == "__main__":
    main(Path(__file__).parent)
