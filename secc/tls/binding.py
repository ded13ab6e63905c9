"""The one place that reaches OpenSSL past the public interface of pyOpenSSL.

pyOpenSSL has public calls for versions, suites, certificates, client CA names and the staple of the leaf. It
has none for three things that the TLS 1.3 profile of ISO 15118-20 asks for: the groups and the signature
algorithms that are offered, and the alert after a certificate that is refused. The C functions are in the
binding that pyOpenSSL itself uses (`OpenSSL.SSL._lib`), so they are called here, and nowhere else.

The binding promises nothing. Each function says whether it could do its work, and `reach` says so without
doing it; tests/tls/test_binding.py fails with a release that has lost something. What is missing makes the
profile wider, never weaker: without it OpenSSL offers more groups and algorithms than the standard lists, and
certificates are still judged by our own rules.
"""

from __future__ import annotations

import dataclasses
import enum
import weakref
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL


class Alert(enum.Enum):
    """How a refused certificate is answered; the value is the name of OpenSSL's error that leads to it."""

    UNKNOWN_CA = "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY"
    CERTIFICATE_EXPIRED = "X509_V_ERR_CERT_HAS_EXPIRED"
    CERTIFICATE_REVOKED = "X509_V_ERR_CERT_REVOKED"
    BAD_CERTIFICATE = "X509_V_ERR_CERT_REJECTED"
    CERTIFICATE_UNKNOWN = "X509_V_ERR_NO_EXPLICIT_POLICY"
    """OpenSSL has no separate error for this alert: all errors without a row lead to it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """What the installed pyOpenSSL and cryptography let us do."""

    groups: bool
    signatures: bool
    alerts: bool

    @property
    def gaps(self) -> tuple[str, ...]:
        """What cannot be done, in words for health and log."""
        texts = {
            "groups": "key exchange groups cannot be restricted to secp521r1 and x448",
            "signatures": "signature algorithms cannot be restricted to those of ISO 15118-20",
            "alerts": "a refused vehicle certificate is always answered with unknown_ca",
        }
        return tuple(text for name, text in texts.items() if not getattr(self, name))


def reach() -> Reach:
    """Look at the binding without using it."""
    return Reach(
        groups=_has("SSL_CTX_set1_curves_list"),
        signatures=_has("SSL_CTX_set1_sigalgs_list"),
        alerts=_has(*_VERIFYING) and all(_has(alert.value) for alert in Alert),
    )


def restrict_groups(context: SSL.Context, names: str) -> bool:
    """Offer and accept these groups only, by OpenSSL's names in order of preference, `P-521:X448`."""
    return _has("SSL_CTX_set1_curves_list") and bool(
        _lib.SSL_CTX_set1_curves_list(_pointer(context), names.encode())
    )


def restrict_signatures(context: SSL.Context, names: str) -> bool:
    """Offer and accept these signature algorithms only, `ecdsa_secp521r1_sha512:ed448`."""
    return _has("SSL_CTX_set1_sigalgs_list") and bool(
        _lib.SSL_CTX_set1_sigalgs_list(_pointer(context), names.encode())
    )


def choose_alerts(context: SSL.Context, alert: Callable[[SSL.Connection], Alert]) -> bool:
    """After `context.set_verify`: when its callback refuses, ask `alert` how the peer is answered.

    OpenSSL derives the alert from the error of the verification, and the public callback cannot set it. So
    the callback of pyOpenSSL is wrapped in one that does.
    """
    if not reach().alerts:
        return False
    inner: Callable[[int, object], int] = getattr(context, "_verify_callback")  # noqa: B009 - untyped there

    def outer(good: int, store: object) -> int:
        accepted = int(inner(good, store))
        if not accepted:
            index = _lib.SSL_get_ex_data_X509_STORE_CTX_idx()
            connection = SSL.Connection._reverse_mapping[_lib.X509_STORE_CTX_get_ex_data(store, index)]
            _lib.X509_STORE_CTX_set_error(store, getattr(_lib, alert(connection).value))
        return accepted

    wrapped = SSL._ffi.callback("int (*)(int, X509_STORE_CTX *)", outer)  # type: ignore[attr-defined]
    _kept[context] = wrapped  # C holds no reference to it
    _lib.SSL_CTX_set_verify(_pointer(context), context.get_verify_mode(), wrapped)
    return True


_lib: Any = SSL._lib  # type: ignore[attr-defined]
_kept: weakref.WeakKeyDictionary[SSL.Context, object] = weakref.WeakKeyDictionary()
_VERIFYING = (
    "SSL_CTX_set_verify",
    "SSL_get_ex_data_X509_STORE_CTX_idx",
    "X509_STORE_CTX_get_ex_data",
    "X509_STORE_CTX_set_error",
)


def _has(*names: str) -> bool:
    return all(hasattr(_lib, name) for name in names)


def _pointer(context: SSL.Context) -> object:
    return context._context
