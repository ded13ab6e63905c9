"""Answers to OCSP requests from a register: request in, response out; no sockets."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.pki.certificates import Certificate
from secc.pki.issuing import Holder, Revocation
from secc.pki.keys import signing_hash
from secc.pki.revocation import identifier_hashes

__all__ = ["AnsweringAuthority", "IssuedEntry", "OcspResponder", "IssuedRegister"]


class IssuedEntry(Protocol):
    """An issued certificate, as far as OCSP needs it."""

    @property
    def revocation(self) -> Revocation | None:
        """None while it is valid."""
        ...


class IssuedRegister(Protocol):
    """A source of issued certificates: a file or a database."""

    def find(self, issuer: Certificate, serial: int) -> IssuedEntry | None:
        """Return the entry; None for a serial number that was never issued."""
        ...


class AnsweringAuthority(Protocol):
    """An authority to answer for; implemented by `secc.pki.authority.Authority`."""

    @property
    def certificate(self) -> Certificate:
        """The certificate of the authority."""
        ...

    @property
    def identity(self) -> Holder:
        """The certificate with its key."""
        ...

    @property
    def register(self) -> IssuedRegister:
        """The issued certificates."""
        ...


class OcspResponder:
    """Answers for some authorities; each response is signed with the key of the issuing authority."""

    def __init__(
        self,
        authorities: Sequence[AnsweringAuthority],
        *,
        validity: datetime.timedelta = datetime.timedelta(days=1),
    ) -> None:
        """`validity`: from thisUpdate to nextUpdate."""
        self._authorities = authorities
        self._validity = validity

    def answer(self, request: bytes, now: datetime.datetime) -> bytes:
        """Return the response (DER): good, revoked, or unknown for a serial number that was never issued.

        Never raises for a request of a peer: invalid requests and requests about other issuers get an error
        response.
        """
        try:
            asked = ocsp.load_der_ocsp_request(request)
            algorithm = asked.hash_algorithm
            wanted = (asked.issuer_name_hash, asked.issuer_key_hash)
            nonces = [one.value for one in asked.extensions if isinstance(one.value, x509.OCSPNonce)]
        except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm):
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        for authority in self._authorities:
            if identifier_hashes(authority.certificate, algorithm) == wanted:
                return self._sign(authority, asked, nonces[0] if nonces else None, now)
        return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)

    def _sign(
        self,
        authority: AnsweringAuthority,
        asked: ocsp.OCSPRequest,
        nonce: x509.OCSPNonce | None,
        now: datetime.datetime,
    ) -> bytes:
        entry = authority.register.find(authority.certificate, asked.serial_number)
        status = ocsp.OCSPCertStatus.UNKNOWN if entry is None else ocsp.OCSPCertStatus.GOOD
        revocation = entry.revocation if entry is not None else None
        if revocation is not None:
            status = ocsp.OCSPCertStatus.REVOKED
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=asked.issuer_name_hash,
                issuer_key_hash=asked.issuer_key_hash,
                serial_number=asked.serial_number,
                algorithm=asked.hash_algorithm,
                cert_status=status,
                this_update=now.replace(microsecond=0),
                next_update=now.replace(microsecond=0) + self._validity,
                revocation_time=revocation.at if revocation else None,
                revocation_reason=revocation.reason if revocation else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate.to_cryptography())
        )
        if nonce is not None:
            builder = builder.add_extension(nonce, critical=False)
        key = authority.identity.key
        return builder.sign(key, signing_hash(key)).public_bytes(Encoding.DER)


def _refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
