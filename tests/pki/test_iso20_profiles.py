"""What the profiles of ISO 15118-20 ask of each certificate: one change, and the rule that it breaks.

Each row is tried by the letter and as in the field; every refusal names its rule.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from secc.errors import ChainError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import KINDS, ChainPolicy, verify_chain, verify_without_anchor
from secc.pki.issuing import Order, issue
from secc.pki.keys import KeyType, new_private_key, signing_hash
from secc.pki.kinds import Generation, Kind
from secc.pki.profiles import FIELD, STRICT, Leniency
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.contracts import DAY, NOW
from tests.support.installation import BEGIN, END, chain, hierarchy, trusted

STRICTLY = ChainPolicy(generation=Generation.ISO20, leniencies=STRICT | {Leniency.LONG_VALIDITY})
IN_THE_FIELD = ChainPolicy(generation=Generation.ISO20)
Extensions = dict[str, tuple[x509.ExtensionType, bool]]
ROLES = tuple(Role)
BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
FORBIDDEN = ("key_cert_sign", "crl_sign", "data_encipherment", "encipher_only", "decipher_only")
CLIENT, SERVER = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"


@dataclasses.dataclass
class Draft:
    """A certificate before it is signed again."""

    subject: x509.Name
    extensions: Extensions
    begin: datetime.datetime
    end: datetime.datetime
    hash: Any

    def usage(self, *bits: str) -> None:
        """Add bits of KeyUsage; critical as it was."""
        value, critical = self.extensions["KeyUsage"]
        assert isinstance(value, x509.KeyUsage)
        had = {name: getattr(value, name) or name in bits for name in BITS}
        had["key_agreement"] |= bool({"encipher_only", "decipher_only"} & set(bits))
        only = {name: name in bits for name in ("encipher_only", "decipher_only")}
        self.extensions["KeyUsage"] = x509.KeyUsage(**had, **only), critical

    def not_critical(self, name: str) -> None:
        self.extensions[name] = self.extensions[name][0], False

    def critical(self, *names: str) -> None:
        for name in names:
            if name in self.extensions:
                self.extensions[name] = self.extensions[name][0], True


Change = Callable[[Draft], None]
_DER = Encoding.DER
ROOTS = {
    Role.SECC: Kind.V2G_ROOT,
    Role.CPS: Kind.V2G_ROOT,
    Role.CONTRACT: Kind.MO_ROOT,
    Role.OEM: Kind.OEM_ROOT,
    Role.VEHICLE: Kind.OEM_ROOT,
}


def remade(
    role: Role, change: Change, position: int = 0, keys: KeyType = KeyType.SECP521R1
) -> list[Certificate]:
    """The chain of a role with one certificate changed and signed again by its issuer."""
    pki, kinds = hierarchy(keys), KINDS[role]
    kind, issuer = kinds[position], pki[(*kinds, ROOTS[role])[position + 1]]
    old = pki[kind].certificate.to_cryptography()
    draft = Draft(
        old.subject,
        {type(one.value).__name__: (one.value, one.critical) for one in old.extensions},
        old.not_valid_before_utc,
        old.not_valid_after_utc,
        signing_hash(issuer.key),
    )
    change(draft)
    builder = x509.CertificateBuilder(subject_name=draft.subject, issuer_name=old.issuer)
    builder = builder.public_key(old.public_key()).serial_number(old.serial_number)
    builder = builder.not_valid_before(draft.begin).not_valid_after(draft.end)
    for value, critical in draft.extensions.values():
        builder = builder.add_extension(value, critical=critical)
    made = read_certificate(builder.sign(issuer.key, draft.hash).public_bytes(_DER))
    certificates = list(chain(role, keys))
    certificates[position] = made
    return certificates


def rule(certificates: list[Certificate], role: Role, policy: ChainPolicy) -> Rule | None:
    """The rule that a chain breaks; None: it is accepted."""
    try:
        verify_chain(certificates, role, trusted(), NOW, policy)
    except ChainError as error:
        return Rule(error.rule)
    return None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("keys", [KeyType.SECP521R1, KeyType.ED448])
def test_a_chain_that_is_only_signed_again_is_accepted_by_the_letter(role: Role, keys: KeyType) -> None:
    certificates = remade(role, lambda draft: None, keys=keys)
    verify_chain(certificates, role, trusted(keys), NOW, STRICTLY)


@pytest.mark.req("V2G20-2686")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "bit", ["key_cert_sign", "crl_sign", "data_encipherment", "encipher_only", "decipher_only"]
)
def test_bits_that_a_leaf_must_not_have_are_never_tolerated(role: Role, bit: str) -> None:
    certificates = remade(role, lambda draft: draft.usage(bit))
    assert rule(certificates, role, STRICTLY) is Rule.KEY_USAGE
    assert rule(certificates, role, IN_THE_FIELD) is Rule.KEY_USAGE


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("name", ["BasicConstraints", "KeyUsage"])
def test_constraints_and_usage_are_critical_by_the_letter(role: Role, position: int, name: str) -> None:
    certificates = remade(role, lambda draft: draft.not_critical(name), position)
    assert rule(certificates, role, STRICTLY) is Rule.CRITICAL_FLAG
    assert rule(certificates, role, IN_THE_FIELD) is None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_critical_identifiers_and_addresses_are_no_fault(role: Role, position: int) -> None:
    """Annex B marks extensions as critical that libraries expect not to be."""
    names = ("SubjectKeyIdentifier", "AuthorityKeyIdentifier", "AuthorityInformationAccess")
    certificates = remade(role, lambda draft: draft.critical(*names), position)
    assert rule(certificates, role, STRICTLY) is None


@pytest.mark.parametrize("role", [Role.SECC, Role.VEHICLE])
def test_a_certificate_for_tls_states_its_purpose_by_the_letter(role: Role) -> None:
    certificates = remade(role, lambda draft: draft.extensions.pop("ExtendedKeyUsage") and None)
    assert rule(certificates, role, STRICTLY) is Rule.EXTENDED_KEY_USAGE
    assert rule(certificates, role, IN_THE_FIELD) is None


@pytest.mark.parametrize(
    ("role", "purpose"),
    [
        (Role.SECC, "1.3.6.1.5.5.7.3.2"),
        (Role.VEHICLE, "1.3.6.1.5.5.7.3.1"),
        (Role.CONTRACT, "1.3.6.1.5.5.7.3.2"),
    ],
    ids=["client", "server", "contract with a purpose"],
)
def test_the_purpose_of_another_role_is_never_tolerated(role: Role, purpose: str) -> None:
    wrong = x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), False
    certificates = remade(role, lambda draft: draft.extensions.update(ExtendedKeyUsage=wrong))
    assert rule(certificates, role, IN_THE_FIELD) is Rule.EXTENDED_KEY_USAGE


@pytest.mark.req("V2G20-2590")
@pytest.mark.parametrize("role", [Role.SECC, Role.CPS, Role.CONTRACT])
def test_an_address_for_revocation_is_there_by_the_letter(role: Role) -> None:
    certificates = remade(role, lambda draft: draft.extensions.pop("AuthorityInformationAccess") and None)
    assert rule(certificates, role, STRICTLY) is Rule.REVOCATION_POINTER
    assert rule(certificates, role, IN_THE_FIELD) is None


@pytest.mark.req("V2G20-3000", "V2G20-3001")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_validity_outside_that_of_the_issuer_is_named(role: Role, position: int, side: str) -> None:
    def change(draft: Draft) -> None:
        draft.begin = BEGIN - DAY if side == "before" else draft.begin
        draft.end = END + DAY if side == "after" else draft.end

    certificates = remade(role, change, position)
    assert rule(certificates, role, STRICTLY) is Rule.OUTLIVES_ISSUER
    assert rule(certificates, role, IN_THE_FIELD) is None


@pytest.mark.req("V2G20-3000")
def test_a_chain_without_an_anchor_is_nested_as_well() -> None:
    """A contract under an unknown root goes to the back end; its own rules are checked here."""
    certificates = remade(Role.CONTRACT, lambda draft: setattr(draft, "end", END + DAY))
    with pytest.raises(ChainError) as refused:
        verify_without_anchor(certificates, Role.CONTRACT, NOW, STRICTLY)
    assert refused.value.rule is Rule.OUTLIVES_ISSUER


@pytest.mark.req("V2G20-3000")
def test_what_is_issued_begins_after_its_issuer() -> None:
    """Certificates are backdated for inaccurate clocks, and an issuer may be minutes old."""
    authority = hierarchy()[Kind.MO_SUB_CA_2]
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        generation=Generation.ISO20,
        common_name="DEABC000000001G",
        organization="eMSP",
        country="",
        serial=1,
        not_before=authority.certificate.not_before - DAY,
        ocsp_url="http://ocsp.test.invalid/",
    )
    leaf = issue(order, new_private_key(KeyType.SECP521R1, b"early").public_key(), authority)
    assert leaf.not_before == authority.certificate.not_before


@pytest.mark.parametrize("role", ROLES)
def test_a_signature_with_another_hash_is_never_tolerated(role: Role) -> None:
    certificates = remade(role, lambda draft: setattr(draft, "hash", hashes.SHA256()))
    assert rule(certificates, role, IN_THE_FIELD) is Rule.SIGNATURE_ALGORITHM


@pytest.mark.parametrize("role", ROLES)
def test_sixteen_hundred_bytes_are_the_limit(role: Role) -> None:
    policies = x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), ["x" * 1100])]
    )
    certificates = remade(role, lambda draft: draft.extensions.update(policies=(policies, False)))
    assert len(certificates[0].der) > 1600
    assert rule(certificates, role, IN_THE_FIELD) is Rule.TOO_LARGE


def test_every_leniency_of_the_table_is_in_the_field() -> None:
    needed = {Leniency.NOT_CRITICAL, Leniency.NO_KEY_PURPOSE, Leniency.NO_REVOCATION_POINTER}
    assert needed | {Leniency.OUTLIVES_ISSUER} <= FIELD
