"""The client certificate of the station for the CSMS (security profile 3): verification of a new one.

Its hierarchy belongs to the operator and not to ISO 15118, so the profiles of `secc.pki` do not apply; RSA is
as good as ECDSA. The requirements are those of OCPP (A02.FR.06): valid now, issued for this station, and by
an authority that the station knows.
"""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from websockets.exceptions import InvalidMessage, InvalidStatus

from secc.certificate_files import CertificateFiles
from secc.errors import CertificateError, ConfigError
from secc.pki.certificates import Certificate

_DEEPEST = 5


def read_authorities(*sources: bytes) -> tuple[x509.Certificate, ...]:
    """Return the authorities among the certificates in PEM files; raises CertificateError."""
    found: list[x509.Certificate] = []
    for source in sources:
        try:
            found += x509.load_pem_x509_certificates(source)
        except ValueError as error:
            raise CertificateError(f"not a PEM file of certificates: {error}") from error
    return tuple(one for one in found if _is_authority(one))


def verify_client_chain(
    chain: Sequence[Certificate],
    authorities: Sequence[x509.Certificate],
    request: x509.CertificateSigningRequest,
    now: datetime.datetime,
) -> None:
    """Raise CertificateError unless the chain, leaf first, may replace the present one.

    The leaf must have the key and the common name of `request` and must not be an authority. Every
    certificate must be valid at `now`, which needs a time zone. Each one must be issued by the next, and the
    last one by one of `authorities`.
    """
    if not authorities:
        raise CertificateError(
            "no authority is known that could have issued it: set ocpp.ca, or put the authorities of the "
            "client certificate behind it in ocpp.client_certificate"
        )
    path = [one.to_cryptography() for one in chain]
    leaf = path[0]
    if _key(leaf) != _key(request):
        raise CertificateError(f"{_name(leaf)} is not for the key in the request")
    if _common_names(leaf) != _common_names(request):
        raise CertificateError(f"{_name(leaf)}, expected the name in the request, {_name(request)}")
    if _is_authority(leaf):
        raise CertificateError(f"{_name(leaf)} is an authority, expected the certificate of a station")
    issued_below(path, authorities, now)


def issued_below(
    path: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], now: datetime.datetime
) -> None:
    """Raise CertificateError unless each certificate, leaf first, is valid and issued by the next one, and
    one of them by one of `authorities`."""
    for depth, one in enumerate(path[:_DEEPEST]):
        _check_validity(one, now)
        if any(_issued(one, authority, now) for authority in authorities):
            return
        if depth + 1 == len(path) or not _issued(one, path[depth + 1], now):
            break
    raise CertificateError(f"{_name(path[0])} is not issued below an authority that is known here")


def _issued(one: x509.Certificate, authority: x509.Certificate, now: datetime.datetime) -> bool:
    if not _is_authority(authority):
        return False
    try:
        one.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return authority.not_valid_before_utc <= now < authority.not_valid_after_utc


def _check_validity(one: x509.Certificate, now: datetime.datetime) -> None:
    begin, end = one.not_valid_before_utc, one.not_valid_after_utc
    if not begin <= now < end:
        raise CertificateError(f"{_name(one)} is valid from {begin:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z")


def _is_authority(one: x509.Certificate) -> bool:
    """Decide by the basic constraints; a root of version 1 has none and counts if it is self-signed."""
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return one.version is x509.Version.v1 and one.subject == one.issuer
    except ValueError:
        return False


def _key(one: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _common_names(one: x509.Certificate | x509.CertificateSigningRequest) -> list[str | bytes]:
    return [name.value for name in one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _name(one: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return one.subject.rfc4514_string()


# --- probation -------------------------------------------------------------------------------------------


class Probation:
    """A new client certificate on probation until a connection succeeds; the previous pair is kept until
    then.

    The methods read and write files.
    """

    def __init__(self, files: CertificateFiles, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns Unix seconds."""
        self._files = files
        self._clock = clock
        self._refusals = 0

    def recover(self) -> None:
        """Finish an interrupted replacement at the start. Raises OSError."""
        if self._files.chain.exists():
            self._files.recover()

    def succeeded(self) -> None:
        """Delete the previous pair: the CSMS has accepted a connection with the present one."""
        self._refusals = 0
        if self._files.has_old:
            self._files.settle()

    def failed(self, error: BaseException) -> str:
        """Count a failed connection; returns why the previous pair was restored, or an empty text."""
        if not self._files.has_old or not _blames_the_certificate(error):
            return ""
        self._refusals += 1
        if self._refusals < _PATIENCE:
            return ""
        old = self._files.old_leaf()
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        if old.not_after <= now:
            return ""
        self._files.restore()
        self._refusals = 0
        return f"{_PATIENCE} connections with the new client certificate failed: {error}"


_PATIENCE = 3  # failed connections before the previous pair is restored


def _blames_the_certificate(error: BaseException) -> bool:
    """Return whether the server may have refused the certificate.

    A network failure is no evidence of that.
    """
    if isinstance(error, InvalidStatus):
        return error.response.status_code in (401, 403)
    refused = (ssl.SSLError, ConnectionResetError, InvalidMessage, ConfigError)
    return isinstance(error, refused) and not isinstance(error, ssl.SSLCertVerificationError)
