"""ClientHello messages, byte by byte, as no usable TLS library would send them."""

ECDHE_ECDSA_AES_128_CBC_SHA256 = 0xC023
ECDH_ECDSA_AES_128_CBC_SHA256 = 0xC025
SECP256R1 = 23
SECP384R1 = 24


def client_hello(
    *,
    version: int = 0x0303,
    suites: tuple[int, ...] = (ECDHE_ECDSA_AES_128_CBC_SHA256,),
    groups: tuple[int, ...] = (SECP256R1,),
    supported_versions: tuple[int, ...] = (),
    extra: bytes = b"",
) -> bytes:
    """One TLS record with a ClientHello; `extra` holds further extensions, ready made."""
    extensions = extension(10, _list16(groups)) + extension(11, b"\x01\x00")
    extensions += extension(13, _list16((0x0403,)))  # ecdsa_secp256r1_sha256
    if supported_versions:
        body = b"".join(number.to_bytes(2, "big") for number in supported_versions)
        extensions += extension(43, bytes([len(body)]) + body)
    extensions += extra
    body = version.to_bytes(2, "big") + bytes(range(32)) + b"\x00" + _list16(suites) + b"\x01\x00"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def extension(number: int, body: bytes) -> bytes:
    """One extension with its header."""
    return number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def _list16(numbers: tuple[int, ...]) -> bytes:
    body = b"".join(number.to_bytes(2, "big") for number in numbers)
    return len(body).to_bytes(2, "big") + body
