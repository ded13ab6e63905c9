"""The ClientHello reader: every form of trusted_ca_keys, every way to cut the bytes, never an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.tls.hello import (
    MAX_HELLO,
    ClientHello,
    HelloReader,
    IdentifierType,
    Peek,
    TrustedAuthority,
    read_authorities,
    read_client_hello,
)
from tests.support.client_hello import client_hello, extension

HASH_A, HASH_B = b"\xaa" * 20, b"\xbb" * 20
NAME = bytes.fromhex("300d310b3009060355040613024445")
CERT_A = TrustedAuthority(IdentifierType.CERT_SHA1_HASH, HASH_A)
KEY_B = TrustedAuthority(IdentifierType.KEY_SHA1_HASH, HASH_B)
ALL_FOUR = b"\x00" + b"\x01" + HASH_B + b"\x02\x00\x0f" + NAME + b"\x03" + HASH_A


def with_length(entries: bytes) -> bytes:
    return len(entries).to_bytes(2, "big") + entries


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of `size` bytes."""
    message = hello[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


# --- trusted_ca_keys ---------------------------------------------------------------------------------------


def test_all_four_identifier_types_are_read_in_order() -> None:
    assert read_authorities(with_length(ALL_FOUR)) == (
        TrustedAuthority(IdentifierType.PRE_AGREED),
        KEY_B,
        TrustedAuthority(IdentifierType.X509_NAME, NAME),
        CERT_A,
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", ()),
        (b"\x00\x00", ()),
        (b"\x01" + HASH_B, (KEY_B,)),
        (
            b"\x03" + HASH_A + b"\x03" + HASH_B,
            (CERT_A, TrustedAuthority(IdentifierType.CERT_SHA1_HASH, HASH_B)),
        ),
        (b"\x00\x15\x03" + HASH_A[:10], ()),
        (b"\x00\xff\x03" + HASH_A, (CERT_A,)),
        (b"\x00\x03\x03" + HASH_A, (CERT_A,)),
        (with_length(b"\x03" + HASH_A + b"\x09" + HASH_B), (CERT_A,)),
        (with_length(b"\x03" + HASH_A + b"\x02\xff\xff"), (CERT_A,)),
    ],
    ids=[
        "empty body",
        "empty list",
        "no outer length, key hash",
        "no outer length, two certificate hashes",
        "cut in the hash",
        "outer length too long",
        "outer length too short",
        "unknown type at the end",
        "name longer than the list",
    ],
)
def test_as_much_of_a_list_as_possible_is_used(body: bytes, found: tuple[TrustedAuthority, ...]) -> None:
    assert read_authorities(body) == found


@given(st.binary(max_size=200))
def test_no_list_is_ever_an_error(body: bytes) -> None:
    assert isinstance(read_authorities(body), tuple)


def test_authorities_have_a_short_form_for_logs() -> None:
    assert str(CERT_A) == "cert_sha1_hash " + "aa" * 20
    assert str(TrustedAuthority(IdentifierType.PRE_AGREED)) == "pre_agreed"


# --- the message -------------------------------------------------------------------------------------------


def test_suites_and_extensions_are_read() -> None:
    extra = extension(3, with_length(b"\x03" + HASH_A)) + extension(5, b"\x01\x00\x00\x00\x00")
    hello = HelloReader().feed(client_hello(suites=(0xC025, 0xC023), extra=extra + extension(17, b"")))
    assert isinstance(hello, ClientHello)
    assert hello.suites == (0xC025, 0xC023)
    assert hello.authorities == (CERT_A,)
    assert (hello.names_authorities, hello.asks_for_status, hello.asks_for_status_v2) == (True, True, True)


def test_a_hello_without_extensions_is_read() -> None:
    hello = read_client_hello(b"\x03\x03" + bytes(32) + b"\x00\x00\x02\xc0\x23\x01\x00")
    assert hello == ClientHello((0xC023,), {})
    assert (hello.authorities, hello.names_authorities, hello.asks_for_status) == ((), False, False)


def test_the_first_of_two_equal_extensions_counts() -> None:
    extra = extension(3, with_length(b"\x03" + HASH_A)) + extension(3, with_length(b"\x03" + HASH_B))
    hello = HelloReader().feed(client_hello(extra=extra))
    assert isinstance(hello, ClientHello)
    assert hello.authorities == (CERT_A,)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_records_of_any_size_make_the_same_hello(size: int) -> None:
    whole = HelloReader().feed(client_hello())
    assert HelloReader().feed(in_records(client_hello(), size)) == whole


def test_single_bytes_make_the_same_hello_at_the_last_one() -> None:
    data = in_records(client_hello(), 5)
    reader = HelloReader()
    assert {reader.feed(data[at : at + 1]) for at in range(len(data) - 1)} == {Peek.MORE}
    assert reader.feed(data[-1:]) == HelloReader().feed(client_hello())
    assert reader.raw == data


def test_what_follows_the_hello_is_kept() -> None:
    reader = HelloReader()
    assert isinstance(reader.feed(client_hello() + b"\x15\x03\x03\x00\x02\x01\x00"), ClientHello)
    assert reader.raw.endswith(b"\x15\x03\x03\x00\x02\x01\x00")


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x02\x00\x00\x02\x01\x00",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\x00\x40\x01",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        bytes.fromhex("01fe8001000000058000000000"),
        b"GET / HTTP/1.1\r\n",
        b"\x80\x2e\x01\x03\x03",
    ],
    ids=[
        "alert",
        "SSL 2 in the record",
        "empty record",
        "oversize record",
        "ServerHello",
        "longer than 16 KiB",
        "empty hello",
        "V2GTP",
        "HTTP",
        "SSL 2 hello",
    ],
)
def test_anything_else_is_left_to_openssl_at_once(data: bytes) -> None:
    assert HelloReader().feed(data) is Peek.NOT_READABLE


def test_a_first_flight_that_never_ends_is_given_up() -> None:
    header = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"
    reader = HelloReader()
    assert reader.feed(header + bytes(MAX_HELLO - len(header) - 1)) is Peek.MORE
    assert reader.feed(b"\x00") is Peek.NOT_READABLE


def test_a_hello_of_nearly_16_kib_is_read() -> None:
    padding = extension(21, bytes(16000))
    hello = HelloReader().feed(client_hello(extra=padding + extension(3, with_length(b"\x03" + HASH_A))))
    assert isinstance(hello, ClientHello)
    assert hello.authorities == (CERT_A,)


@given(st.binary(max_size=300))
def test_no_bytes_are_ever_an_error(data: bytes) -> None:
    HelloReader().feed(data)
    HelloReader().feed(b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data)
