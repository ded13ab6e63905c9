"""Run by test_pkcs11 in a separate process, with OPENSSL_CONF set: a station whose key is stored in a token.

    python -m tests.tls_peers.token FOLDER

FOLDER holds the public key of the token's key as public.der. Prints what happened, one word per line.
"""

import base64
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from secc.errors import ConfigError
from secc.tls import TlsContext
from tests.support import certificates

URI = b"pkcs11:token=secc;id=%01;type=private"


def main(folder: Path) -> None:
    root = certificates.root()
    leaf = certificates.station(root)
    assert leaf.issuer is not None
    other = certificates.store(folder, leaf, "other")
    other.key.write_bytes(key_file())

    made = certificates.Identity(_certify(folder, leaf), leaf.key, leaf.issuer)
    files = certificates.store(folder, made, "token")
    files.key.write_bytes(key_file())
    station, car = TlsContext.for_station([files]).engine(), TlsContext.for_client(files.root).engine()
    to_station = car.start()
    while to_station:
        progress = station.feed(to_station)
        to_station = car.feed(progress.to_send).to_send if progress.to_send else b""
    print("shaken" if station.handshake_done and car.handshake_done else f"failed: {progress.failure}")
    try:
        TlsContext.for_station([other])
    except ConfigError as error:
        print("refused" if "key values mismatch" in str(error) else f"failed: {error}")


def key_file() -> bytes:
    """The form in which the provider's own tool writes a URI."""
    what = b"PKCS#11 Provider URI v1.0"
    body = b"\x1a" + bytes([len(what)]) + what + b"\x0c" + bytes([len(URI)]) + URI
    text = base64.encodebytes(b"\x30" + bytes([len(body)]) + body)
    return b"-----BEGIN PKCS#11 PROVIDER URI-----\n" + text + b"-----END PKCS#11 PROVIDER URI-----\n"


def _certify(folder: Path, like: certificates.Identity) -> x509.Certificate:
    assert like.issuer is not None
    public = load_der_public_key((folder / "public.der").read_bytes())
    identifier = x509.oid.ExtensionOID.SUBJECT_KEY_IDENTIFIER
    extensions = [(one.value, one.critical) for one in like.certificate.extensions if one.oid != identifier]
    names = like.certificate.subject, like.certificate.issuer
    return certificates.certified(names[0], public, like.issuer.key, *extensions, issuer=names[1], serial=7)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
