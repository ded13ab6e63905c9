"""Random messages, cut and flipped: a message that is stable, or an error."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import DecodeError, EncodeError
from tests.support.exi import APP_PROTOCOLS, CURRENT_DEMAND, SESSION_SETUP, decode, encode, kind_of
from tests.support.messages import SETS, generator, messages


@pytest.mark.parametrize("name", SETS)
def test_what_was_encoded_is_decoded(name: str) -> None:
    @given(messages(name))
    def check(made: tuple[str, Any]) -> None:
        element, value = made
        assert decode(name, encode(name, element, value)) == (value, element, 0)

    check()


@pytest.mark.parametrize("name", SETS)
def test_random_bytes_give_a_message_or_an_error(name: str) -> None:
    @given(st.binary(max_size=200))
    def check(noise: bytes) -> None:
        try:
            value, element, _ = decode(name, b"\x80" + noise)
        except DecodeError:
            return
        assert decode(name, encode(name, element, value))[0] == value

    check()


@pytest.mark.parametrize("name", SETS)
def test_a_message_cut_short_anywhere_is_refused(name: str) -> None:
    rng = random.Random(name)
    for _ in range(15):
        stream = encode(name, *generator(name).message(rng))
        for length in range(min(len(stream), 300)):
            with pytest.raises(DecodeError):
                decode(name, stream[:length])


@pytest.mark.parametrize(
    ("name", "start"),
    [
        pytest.param("xmldsig", "80a202", id="the code of a wildcard"),
        pytest.param("din", "809a44", id="the code of an abstract element"),
    ],
)
def test_a_message_cut_short_in_an_event_code_is_truncated(name: str, start: str) -> None:
    assert kind_of(name, bytes.fromhex(start)) == "truncated"


@pytest.mark.parametrize(
    ("name", "stream"), [("iso2", SESSION_SETUP), ("iso2", CURRENT_DEMAND), ("sap", APP_PROTOCOLS)]
)
def test_a_known_message_cut_short_anywhere_is_truncated(name: str, stream: bytes) -> None:
    assert {kind_of(name, stream[:length]) for length in range(len(stream))} == {"truncated"}


@pytest.mark.parametrize("name", SETS)
def test_a_flipped_bit_gives_an_error_or_a_message_that_is_stable(name: str) -> None:
    rng = random.Random(name)
    for _ in range(6):
        stream = encode(name, *generator(name).message(rng))[:250]
        for bit in range(len(stream) * 8):
            damaged = bytearray(stream)
            damaged[bit // 8] ^= 0x80 >> bit % 8
            try:
                value, element, _ = decode(name, bytes(damaged))
            except DecodeError:
                continue
            try:
                again = encode(name, element, value)
            except EncodeError as error:
                pytest.fail(f"{damaged.hex()}: read, but cannot be written: {error}")
            assert decode(name, again)[0] == value, damaged.hex()
