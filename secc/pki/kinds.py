"""Descriptions of all certificates of ISO 15118: one table for both generations.

A row describes a certificate of a kind as it is issued here; `profiles.check` compares other certificates
with it. The generations differ in keys, size and some usage bits, not in their trees: ISO 15118-2 has P-256
and 800 bytes, ISO 15118-20 has P-521 or Ed448 and 1,600 bytes, and a vehicle certificate for TLS.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable

from secc.pki.certificates import CLIENT_AUTH, OCSP_SIGNING, SERVER_AUTH
from secc.pki.identifiers import EMAID, EVCCID, PCID
from secc.pki.keys import KeyType
from secc.pki.names import COUNTRY, ORGANIZATION

__all__ = ["PROFILES", "Generation", "Kind", "Profile", "profile_of"]


class Generation(enum.StrEnum):
    """Edition of the standard that a certificate belongs to."""

    ISO2 = "iso15118-2"
    ISO20 = "iso15118-20"
    LAB = "lab"
    """The rows of ISO 15118-20 with any key type in use: for test EVs that have only P-256."""


class Kind(enum.StrEnum):
    """Every kind of certificate in the standards."""

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
    VEHICLE_SUB_CA_1 = "vehicle_sub_ca_1"
    VEHICLE_SUB_CA_2 = "vehicle_sub_ca_2"
    VEHICLE_LEAF = "vehicle_leaf"
    PRIVATE_ROOT = "private_root"
    PRIVATE_SECC_LEAF = "private_secc_leaf"
    OCSP_SIGNER = "ocsp_signer"

    @property
    def label(self) -> str:
        """Title for error texts."""
        return _LABELS[self]

    @property
    def is_authority(self) -> bool:
        """Return whether it is a root or a Sub-CA."""
        return self.value.endswith("_root") or "_sub_ca_" in self.value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row: the description of one kind of certificate."""

    authority: bool = False
    root: bool = False
    path_length: int | None = None
    keys: frozenset[KeyType] = frozenset({KeyType.SECP256R1})
    """Allowed types of its public key and of the key that signs it."""
    key_usage: frozenset[str]
    """As issued."""
    needs: frozenset[str]
    """Bits that the role requires."""
    purposes: frozenset[str] = frozenset()
    """Extended key usages of which one is required if the extension is present."""
    must_have_purpose: bool = False
    issued_with_purpose: bool = False
    """`purposes` are written when issuing; certificates without them need `Leniency.NO_KEY_PURPOSE`."""
    forbidden_usage: frozenset[str] = frozenset({"cert_sign"})
    """Bits that a leaf must not have."""
    domain: str | None = None
    """Domain component as issued."""
    domain_is_role: bool = False
    """The domain component is required, because it alone defines the role."""
    domain_is_ending: bool = False
    """The domain component ends with `domain`; without it, name and purpose must define the role."""
    foreign_domains: frozenset[str] = frozenset()
    """Domain components that would define another role."""
    subject: tuple[str, ...] = (ORGANIZATION, COUNTRY)
    """Attributes beside the common name."""
    nothing_else: bool = False
    """The subject has no attribute beyond common name, `subject` and one domain component."""
    no_country: bool = False
    """A country in the subject is an error, not only superfluous."""
    name_form: Callable[[str], object] | None = None
    """Parses the common name; raises IdentifierError."""
    revocation_pointer: bool = True
    largest: int | None = 800
    """Maximum size in bytes of DER for certificates that are sent in messages [V2G2-010]; None for others."""
    only_listed_extensions: bool = False
    """Extensions beyond those of the profile are not accepted [V2G20-2686]."""
    within_issuer: bool = False
    """Its validity is within the validity of its issuer [V2G20-3000] (Amendment 1)."""
    validity: datetime.timedelta
    """As issued; also the guidance."""


def profile_of(kind: Kind, generation: Generation = Generation.ISO2) -> Profile:
    """Return the row of a kind; raises ValueError for a kind that the generation does not have."""
    found = PROFILES[generation].get(kind)
    if found is None:
        raise ValueError(f"{generation} has no {kind.label}")
    return found


_ROLES = frozenset({"V2G", "CPO", "CPS", "MO", "OEM"})
_YEAR = datetime.timedelta(days=365)
_CA = frozenset({"cert_sign", "crl_sign"})
_SIGNS = frozenset({"digital_signature"})
_SIGNS_AND_AGREES = frozenset({"digital_signature", "key_agreement"})
_CONTRACT = frozenset({"digital_signature", "non_repudiation", "key_encipherment", "key_agreement"})


def _root(domain: str | None) -> Profile:
    return Profile(
        authority=True,
        root=True,
        key_usage=_CA,
        needs=frozenset({"cert_sign"}),
        domain=domain,
        revocation_pointer=False,
        largest=None,
        validity=40 * _YEAR + datetime.timedelta(days=10),  # [V2G2-011], leap days
    )


def _sub_ca(number: int, domain: str | None, validity: datetime.timedelta) -> Profile:
    return Profile(
        authority=True,
        path_length=2 - number,
        key_usage=_CA,
        needs=frozenset({"cert_sign"}),
        domain=domain,
        validity=validity,
    )


_ISO2: dict[Kind, Profile] = {
    Kind.V2G_ROOT: _root("V2G"),
    Kind.CPO_SUB_CA_1: _sub_ca(1, "V2G", 4 * _YEAR),
    Kind.CPO_SUB_CA_2: _sub_ca(2, "V2G", 2 * _YEAR),
    Kind.SECC_LEAF: Profile(
        key_usage=_SIGNS_AND_AGREES,
        needs=_SIGNS,
        purposes=frozenset({SERVER_AUTH}),
        domain="CPO",
        foreign_domains=_ROLES - {"CPO"},
        domain_is_role=True,
        validity=datetime.timedelta(days=90),
    ),
    Kind.CPS_SUB_CA_1: _sub_ca(1, "V2G", 4 * _YEAR),
    Kind.CPS_SUB_CA_2: _sub_ca(2, "V2G", 2 * _YEAR),
    Kind.CPS_LEAF: Profile(
        key_usage=_SIGNS,
        needs=_SIGNS,
        domain="CPS",
        foreign_domains=_ROLES - {"CPS"},
        domain_is_role=True,
        validity=datetime.timedelta(days=90),
    ),
    Kind.MO_ROOT: _root("MO"),
    Kind.MO_SUB_CA_1: _sub_ca(1, None, 4 * _YEAR),
    Kind.MO_SUB_CA_2: _sub_ca(2, None, 2 * _YEAR),
    Kind.CONTRACT_LEAF: Profile(
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
    Kind.OEM_ROOT: _root("OEM"),
    Kind.OEM_SUB_CA_1: _sub_ca(1, None, 20 * _YEAR),
    Kind.OEM_SUB_CA_2: _sub_ca(2, None, 20 * _YEAR),
    Kind.OEM_LEAF: Profile(
        key_usage=_SIGNS_AND_AGREES,
        needs=frozenset({"key_agreement"}),  # [V2G2-822]
        purposes=frozenset({CLIENT_AUTH}),
        domain="OEM",
        foreign_domains=_ROLES - {"OEM"},
        subject=(ORGANIZATION,),
        name_form=PCID.parse,
        revocation_pointer=False,
        validity=20 * _YEAR,  # the lifetime of the car
    ),
    Kind.PRIVATE_ROOT: _root(None),
    Kind.PRIVATE_SECC_LEAF: Profile(
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
        key_usage=_SIGNS,
        needs=_SIGNS,
        purposes=frozenset({OCSP_SIGNING}),
        must_have_purpose=True,
        subject=(ORGANIZATION,),
        revocation_pointer=False,
        largest=None,
        validity=datetime.timedelta(days=90),
    ),
}


_NOT_IN_ISO20 = frozenset({"cert_sign", "crl_sign", "data_encipherment", "encipher_only", "decipher_only"})


def _of_iso20(profile: Profile, keys: frozenset[KeyType]) -> Profile:
    """Return the row with keys, size and general rules of ISO 15118-20 [V2G20-2674] [V2G20-2686]."""
    return dataclasses.replace(
        profile,
        keys=keys,
        forbidden_usage=_NOT_IN_ISO20,
        largest=None if profile.largest is None else 1600,
        only_listed_extensions=True,
        within_issuer=not profile.root,
    )


# Leaves of ISO 15118-20 only sign; TLS leaves state their purpose.
_CHANGED: dict[Kind, Profile] = {
    Kind.SECC_LEAF: dataclasses.replace(_ISO2[Kind.SECC_LEAF], key_usage=_SIGNS, issued_with_purpose=True),
    Kind.PRIVATE_SECC_LEAF: dataclasses.replace(
        _ISO2[Kind.PRIVATE_SECC_LEAF], key_usage=_SIGNS, issued_with_purpose=True
    ),
    # Common name and organization; C, OU and DC are optional [V2G20-2589]. No purpose.
    Kind.CONTRACT_LEAF: dataclasses.replace(
        _ISO2[Kind.CONTRACT_LEAF], key_usage=_SIGNS, purposes=frozenset(), no_country=False
    ),
    Kind.VEHICLE_SUB_CA_1: _sub_ca(1, None, 20 * _YEAR),
    Kind.VEHICLE_SUB_CA_2: _sub_ca(2, None, 20 * _YEAR),
    Kind.VEHICLE_LEAF: Profile(  # [V2G20-2339] [V2G20-2598] [V2G20-3073]
        key_usage=_SIGNS,
        needs=_SIGNS,
        purposes=frozenset({CLIENT_AUTH}),
        issued_with_purpose=True,
        domain="EV",
        domain_is_ending=True,
        foreign_domains=_ROLES,
        subject=(ORGANIZATION,),
        nothing_else=True,
        name_form=EVCCID.parse,
        validity=20 * _YEAR,  # the lifetime of the car
    ),
}

_KEYS_OF_ISO20 = frozenset({KeyType.SECP521R1, KeyType.ED448})

PROFILES: dict[Generation, dict[Kind, Profile]] = {
    Generation.ISO2: _ISO2,
    **{
        generation: {kind: _of_iso20(row, keys) for kind, row in (_ISO2 | _CHANGED).items()}
        for generation, keys in (
            (Generation.ISO20, _KEYS_OF_ISO20),
            (Generation.LAB, _KEYS_OF_ISO20 | {KeyType.SECP256R1}),
        )
    },
}
"""All rows, by generation and kind."""

_LABELS = {
    Kind.V2G_ROOT: "V2G root",
    Kind.CPO_SUB_CA_1: "CPO Sub-CA 1",
    Kind.CPO_SUB_CA_2: "CPO Sub-CA 2",
    Kind.SECC_LEAF: "SECC leaf",
    Kind.CPS_SUB_CA_1: "CPS Sub-CA 1",
    Kind.CPS_SUB_CA_2: "CPS Sub-CA 2",
    Kind.CPS_LEAF: "CPS leaf",
    Kind.MO_ROOT: "MO root",
    Kind.MO_SUB_CA_1: "MO Sub-CA 1",
    Kind.MO_SUB_CA_2: "MO Sub-CA 2",
    Kind.CONTRACT_LEAF: "contract leaf",
    Kind.OEM_ROOT: "OEM root",
    Kind.OEM_SUB_CA_1: "OEM Sub-CA 1",
    Kind.OEM_SUB_CA_2: "OEM Sub-CA 2",
    Kind.OEM_LEAF: "OEM provisioning leaf",
    Kind.VEHICLE_SUB_CA_1: "vehicle Sub-CA 1",
    Kind.VEHICLE_SUB_CA_2: "vehicle Sub-CA 2",
    Kind.VEHICLE_LEAF: "vehicle leaf",
    Kind.PRIVATE_ROOT: "private root",
    Kind.PRIVATE_SECC_LEAF: "SECC leaf under a private root",
    Kind.OCSP_SIGNER: "OCSP signer",
}
