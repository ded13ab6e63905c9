"""The two TLS profiles as contexts of OpenSSL, without certificates.

**ISO 15118-2**: TLS 1.2 and nothing else, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, secp256r1 [V2G2-007]
[V2G2-067]. The second suite of the standard, static ECDH [V2G2-602], does not exist in OpenSSL since 1.1:
an EV that offers nothing else gets a handshake_failure alert.

**ISO 15118-20**: TLS 1.3 and nothing else, AES-256-GCM and ChaCha20-Poly1305 [V2G20-2458], secp521r1 and
x448 [V2G20-1634], ecdsa_secp521r1_sha512 and ed448 [V2G20-1667]. In the laboratory P-256, P-384 and X25519
as well.

Both: no renegotiation, no compression, no session cache, no ticket that would be accepted, no early data. V2G
messages follow a full handshake only [V2G20-2677].
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from secc.errors import ConfigError
from secc.private_files import make_private
from secc.tls import binding


def iso2_context(key_log: Path | None, *, beside_tls13: bool = False) -> SSL.Context:
    """TLS 1.2 as ISO 15118-2 has it.

    `beside_tls13`: the station would speak TLS 1.3 with an EV that offers it. Then the server's random
    number ends with the downgrade sentinel of RFC 8446, by which a client notices that its offer has lost
    TLS 1.3. OpenSSL writes it when the context allows TLS 1.3; a suite that no EV offers,
    and the check of the version after the handshake, ensure that TLS 1.3 is never agreed on with this
    context.
    """
    newest = SSL.TLS1_3_VERSION if beside_tls13 else SSL.TLS1_2_VERSION
    context = _context(SSL.TLS1_2_VERSION, newest, key_log)
    context.set_cipher_list(ISO2_SUITE)
    if beside_tls13:
        context.set_tls13_ciphersuites(b"TLS_AES_128_CCM_8_SHA256")
    context.set_tmp_ecdh(ec.SECP256R1())
    return context


def iso20_context(key_log: Path | None, *, laboratory: bool = False) -> SSL.Context:
    """TLS 1.3 as ISO 15118-20 has it; without the private binding with secp521r1 alone."""
    context = _context(SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, key_log)
    context.set_tls13_ciphersuites(ISO20_SUITES)
    groups, signatures = (_LAB_GROUPS, _LAB_SIGNATURES) if laboratory else (_GROUPS, _SIGNATURES)
    if not binding.restrict_groups(context, groups):
        context.set_tmp_ecdh(ec.SECP521R1())  # the public call knows one curve, and no x448
    binding.restrict_signatures(context, signatures)
    return context


def client_context(key_log: Path | None, *, iso2: bool, iso20: bool, groups: str = "") -> SSL.Context:
    """The EV's side of one profile, or of both in one hello [V2G20-2062]."""
    if not iso20:
        return iso2_context(key_log)
    oldest = SSL.TLS1_2_VERSION if iso2 else SSL.TLS1_3_VERSION
    context = _context(oldest, SSL.TLS1_3_VERSION, key_log)
    context.set_tls13_ciphersuites(ISO20_SUITES)
    context.set_cipher_list(ISO2_SUITE)
    binding.restrict_groups(context, groups or (f"{_GROUPS}:P-256" if iso2 else _GROUPS))
    if not iso2 and not groups:
        binding.restrict_signatures(context, _SIGNATURES)
    return context


ISO2_SUITE = b"ECDHE-ECDSA-AES128-SHA256"  # OpenSSL's name of the only suite
ISO20_SUITES = b"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

_GROUPS = "P-521:X448"
_SIGNATURES = "ecdsa_secp521r1_sha512:ed448"
_LAB_GROUPS = f"{_GROUPS}:P-384:P-256:X25519"
_LAB_SIGNATURES = f"{_SIGNATURES}:ecdsa_secp256r1_sha256"

_SHORTEST_TICKET = 1  # s; OpenSSL takes 0 for its default of two hours


def _context(oldest: int, newest: int, key_log: Path | None) -> SSL.Context:
    """A context with everything that both profiles fix."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(oldest)
    context.set_max_proto_version(newest)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    # OpenSSL sends tickets in TLS 1.3 in spite of OP_NO_TICKET. With the cache off it accepts none.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_timeout(_SHORTEST_TICKET)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 32 KiB less for each idle connection
    context.set_verify(SSL.VERIFY_NONE)
    if key_log is not None:
        _log_keys(context, key_log)
    return context


def _log_keys(context: SSL.Context, path: Path) -> None:
    def write(_connection: SSL.Connection, line: bytes) -> None:
        with path.open("ab") as file:
            file.write(line + b"\n")

    try:
        make_private(path)
    except OSError as error:
        raise ConfigError(f"{path}: the key log cannot be written: {error.strerror}") from error
    context.set_keylog_callback(write)
