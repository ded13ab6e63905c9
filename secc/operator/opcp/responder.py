"""OCSP responder of the simulated ecosystem: answers for all certificates of its authorities, as
configured."""

from __future__ import annotations

import datetime
import enum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.pki.hierarchy import Hierarchy
from secc.pki.issuing import Identity
from secc.pki.profiles import Kind
from secc.pki.revocation import identifier_hashes


class OcspBehavior(enum.StrEnum):
    """How the responder answers."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    STALE = "stale"
    """Good, but a week old."""
    WRONG_SIGNER = "wrong-signer"
    """Good, signed by a certificate that the issuer has not authorized."""
    TRY_LATER = "try-later"


def answer(request: bytes, pki: Hierarchy, behavior: OcspBehavior, now: datetime.datetime) -> bytes:
    """Return the response in DER.

    An OCSP error for an invalid request or a certificate of another authority.
    """
    if behavior is OcspBehavior.TRY_LATER:
        return _unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    try:
        asked = ocsp.load_der_ocsp_request(request)
        wanted, algorithm = (asked.issuer_name_hash, asked.issuer_key_hash), asked.hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    authorities = [one for kind, one in pki.items() if kind.is_authority]
    for one in authorities:
        if identifier_hashes(one.certificate, algorithm) == wanted:
            signer = pki[Kind.PRIVATE_ROOT] if behavior is OcspBehavior.WRONG_SIGNER else one
            return _signed(asked, signer, behavior, now.replace(microsecond=0))
    return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)


def _signed(
    asked: ocsp.OCSPRequest, signer: Identity, behavior: OcspBehavior, now: datetime.datetime
) -> bytes:
    statuses = {
        OcspBehavior.REVOKED: ocsp.OCSPCertStatus.REVOKED,
        OcspBehavior.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN,
    }
    day = datetime.timedelta(days=1)
    begin = now - 7 * day if behavior is OcspBehavior.STALE else now
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=asked.hash_algorithm,
            cert_status=statuses.get(behavior, ocsp.OCSPCertStatus.GOOD),
            this_update=begin,
            next_update=begin + day,
            revocation_time=now - day if behavior is OcspBehavior.REVOKED else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate.to_cryptography())
    )
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
