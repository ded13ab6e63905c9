"""Certificates of the V2G PKI: identifiers, profiles, path validation, revocation, issuing, renewal.

All decisions are pure functions; time is a value. See docs/explanation/pki.md.
Without TLS a station loads none of it.
"""

from typing import TYPE_CHECKING

from secc._lazy import loaded_on_use

if TYPE_CHECKING:
    from secc.pki import contract as contract
    from secc.pki import keys as keys
    from secc.pki import provisioning as provisioning
    from secc.pki import receipts as receipts
    from secc.pki import revocation as revocation
    from secc.pki import rules as rules
    from secc.pki import signed_prices as signed_prices
    from secc.pki import vehicle as vehicle
    from secc.pki import xmldsig as xmldsig
    from secc.pki.certificates import Certificate, read_certificate, read_chain
    from secc.pki.chains import (
        ChainPolicy,
        UnanchoredChain,
        VerifiedChain,
        verify_chain,
        verify_without_anchor,
    )
    from secc.pki.identifiers import EMAID, EVSEID, PCID, SECCID, DinContractId
    from secc.pki.profiles import FIELD, STRICT, Finding, Kind, Leniency
    from secc.pki.revocation import (
        ChainStatus,
        RevocationMode,
        RevocationPolicy,
        RevocationStatus,
        check_revocation,
    )
    from secc.pki.rules import Request, Rule, response_code
    from secc.pki.trust import Anchor, Role, TrustStore

_HOMES = {
    "certificates": (
        "Certificate",
        "read_certificate",
        "read_chain",
    ),
    "chains": (
        "ChainPolicy",
        "UnanchoredChain",
        "VerifiedChain",
        "verify_chain",
        "verify_without_anchor",
    ),
    "identifiers": (
        "EMAID",
        "EVSEID",
        "PCID",
        "SECCID",
        "DinContractId",
    ),
    "profiles": (
        "FIELD",
        "STRICT",
        "Finding",
        "Kind",
        "Leniency",
    ),
    "revocation": (
        "ChainStatus",
        "RevocationMode",
        "RevocationPolicy",
        "RevocationStatus",
        "check_revocation",
    ),
    "rules": (
        "Request",
        "Rule",
        "response_code",
    ),
    "trust": (
        "Anchor",
        "Role",
        "TrustStore",
    ),
}
_MODULES = (
    "contract",
    "keys",
    "provisioning",
    "receipts",
    "revocation",
    "rules",
    "signed_prices",
    "vehicle",
    "xmldsig",
)

__all__ = [
    # identifiers
    "EMAID",
    "EVSEID",
    "PCID",
    "SECCID",
    "DinContractId",
    # certificates and their rules
    "Certificate",
    "Finding",
    "Kind",
    "Leniency",
    "Rule",
    "FIELD",
    "STRICT",
    "read_certificate",
    "read_chain",
    # chains
    "Anchor",
    "ChainPolicy",
    "Request",
    "Role",
    "TrustStore",
    "UnanchoredChain",
    "VerifiedChain",
    "response_code",
    "verify_chain",
    "verify_without_anchor",
    # revocation
    "ChainStatus",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "check_revocation",
]

if not TYPE_CHECKING:  # a type checker knows the names above and reports others
    __getattr__, __dir__ = loaded_on_use(__name__, _HOMES, modules=_MODULES)
