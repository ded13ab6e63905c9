"""The response code for each broken rule about a certificate, and for each refusal of a back end.

Most are a WARNING: the attempt is over, and the EV may try another contract. A signature that does not verify
ends the session [V2G20-461] [V2G20-2564].
"""

from __future__ import annotations

from secc.errors import CertificateError, SignatureError
from secc.messages.iso20_common import ResponseCode
from secc.pki.rules import Rule
from secc.session.contract_events import Verdict


def code_of(error: CertificateError) -> ResponseCode:
    """Return the code for a broken rule; rules that are not listed give
    WARNING_CertificateValidationError [V2G20-2215]."""
    if isinstance(error, SignatureError):
        return ResponseCode.FAILED_SIGNATURE_ERROR
    return _BY_RULE.get(error.rule, ResponseCode.WARNING_CERTIFICATE_VALIDATION_ERROR)


def code_of_verdict(verdict: Verdict) -> ResponseCode:
    """Return the code for a refusal of a back end."""
    return _BY_VERDICT.get(verdict, ResponseCode.WARNING_GENERAL_PNC_AUTHORIZATION_ERROR)


_BY_RULE: dict[str, ResponseCode] = {
    "challenge": ResponseCode.WARNING_CHALLENGE_INVALID,  # [V2G20-2216] [V2G20-2565]
    "provider": ResponseCode.WARNING_E_MSP_UNKNOWN,  # [V2G20-2211] [V2G20-2224]
    Rule.LEAF_EXPIRED: ResponseCode.WARNING_CERTIFICATE_EXPIRED,  # [V2G20-2212]
    Rule.CA_EXPIRED: ResponseCode.WARNING_CERTIFICATE_EXPIRED,
    Rule.ROOT_EXPIRED: ResponseCode.WARNING_CERTIFICATE_EXPIRED,
    Rule.LEAF_NOT_YET_VALID: ResponseCode.WARNING_CERTIFICATE_NOT_YET_VALID,  # [V2G20-2213]
    Rule.CA_NOT_YET_VALID: ResponseCode.WARNING_CERTIFICATE_NOT_YET_VALID,
    Rule.ROOT_NOT_YET_VALID: ResponseCode.WARNING_CERTIFICATE_NOT_YET_VALID,
    Rule.LEAF_REVOKED: ResponseCode.WARNING_CERTIFICATE_REVOKED,  # [V2G20-2214]
    Rule.CA_REVOKED: ResponseCode.WARNING_CERTIFICATE_REVOKED,
}

_BY_VERDICT = {
    Verdict.UNKNOWN: ResponseCode.WARNING_E_MSP_UNKNOWN,  # [V2G20-2211] [V2G20-2224]
    Verdict.EXPIRED: ResponseCode.WARNING_CERTIFICATE_EXPIRED,
    Verdict.REVOKED: ResponseCode.WARNING_CERTIFICATE_REVOKED,
    Verdict.UNTRUSTED: ResponseCode.WARNING_CERTIFICATE_VALIDATION_ERROR,
}
