"""Certificates of the V2G PKI: identifiers, profiles, path validation, revocation, issuing, renewal.

All decisions are pure functions; time is a value. See docs/explanation/pki.md.
"""

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
from secc.pki.trust import Anchor, Role, TrustStore, trust

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
    "trust",
    "verify_chain",
    "verify_without_anchor",
    # revocation
    "ChainStatus",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "check_revocation",
]
