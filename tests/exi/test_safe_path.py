"""Message objects made by their classes are those that are made in memory, and both are written alike."""

from __future__ import annotations

import importlib
import random
import types
from typing import Any

import msgspec
import pytest

from secc import exi
from secc.errors import DecodeError, EncodeError
from secc.messages import app_protocol
from tests.support.messages import generator
from tests.support.vectors import own

MODULES = {name: importlib.import_module(f"secc.messages.{module}") for name, module in exi.SCHEMAS.items()}
SAFE = {name: exi.Codec(name, module, module.MESSAGES, direct=False) for name, module in MODULES.items()}


@pytest.mark.parametrize("name", exi.SCHEMAS)
def test_every_message_class_passes_the_check_of_its_layout(name: str) -> None:
    passed, classes = exi.codec(name).engine.direct_classes()
    assert passed == classes > 0


@pytest.mark.parametrize("name", exi.SCHEMAS)
def test_without_direct_every_class_is_called(name: str) -> None:
    assert SAFE[name].engine.direct_classes()[0] == 0


def test_vectors_are_read_and_written_alike() -> None:
    for name, vector in own():
        direct, safe, data = exi.codec(name).engine, SAFE[name].engine, bytes.fromhex(vector["hex"])
        if vector["kind"] == "fragment":
            value, element, zeros = direct.decode_fragment(data)
            assert safe.decode_fragment(data) == (value, element, zeros)
            assert safe.encode_fragment(element, value) == direct.encode_fragment(element, value)
        else:
            value, element, zeros = direct.decode(data)
            assert safe.decode(data) == (value, element, zeros)
            assert safe.encode(element, value) == direct.encode(element, value)


@pytest.mark.parametrize("name", exi.SCHEMAS)
def test_random_messages_are_read_and_written_alike(name: str) -> None:
    chance, direct, safe = random.Random(7), exi.codec(name).engine, SAFE[name].engine
    make = generator(name)
    for _ in range(60):
        element, message = make.message(chance)
        stream = direct.encode(element, message)
        assert safe.encode(element, message) == stream
        assert safe.decode(stream) == direct.decode(stream)


def outcome(codec: exi.Codec, data: bytes) -> object:
    """The message, or what is wrong with the stream and where."""
    try:
        return codec.decode(data)
    except DecodeError as error:
        return (error.kind, error.bit_offset, error.path, str(error))


def test_broken_streams_are_refused_alike() -> None:
    chance = random.Random(11)
    for name, vector in own():
        data = bytearray.fromhex(vector["hex"])
        bit = chance.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        cut = bytes(data[: chance.randrange(1, len(data) + 1)])
        for broken in (bytes(data), cut):
            assert outcome(SAFE[name], broken) == outcome(exi.codec(name), broken)


@pytest.mark.parametrize("direct", [False, True])
def test_a_wrong_value_is_refused_by_its_place(direct: bool) -> None:
    codec = exi.Codec("sap", app_protocol, app_protocol.MESSAGES, direct=direct)
    wrong: Any = "1"
    message = app_protocol.SupportedAppProtocolRes(response_code=wrong, schema_id=1)
    with pytest.raises(EncodeError) as caught:
        codec.encode(message)
    assert caught.value.path == "supportedAppProtocolRes/ResponseCode"


class Hooked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A class whose constructor does more than put its arguments in their places."""

    response_code: app_protocol.ResponseCode
    schema_id: int | None = None

    def __post_init__(self) -> None:
        if self.schema_id == 66:
            raise ValueError("not this one")


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A class whose objects the garbage collector tracks."""

    response_code: app_protocol.ResponseCode
    schema_id: int | None = None


def in_place_of_the_response(other: type[msgspec.Struct]) -> exi.Codec:
    """The codec of the handshake, with another class for the response."""
    module = types.ModuleType("changed")
    response = app_protocol.SupportedAppProtocolRes
    changed = tuple(other if one is response else one for one in app_protocol.TYPES)
    module.__dict__.update(TYPES=changed, ENUMS=app_protocol.ENUMS)
    return exi.Codec("sap", module, [other])


@pytest.mark.parametrize("other", [Hooked, Collected])
def test_a_class_that_does_not_pass_is_called(other: type[msgspec.Struct]) -> None:
    codec = in_place_of_the_response(other)
    passed, classes = codec.engine.direct_classes()
    assert (passed, classes) == (2, 3)
    known = app_protocol.SupportedAppProtocolRes(
        response_code=app_protocol.ResponseCode("OK_SuccessfulNegotiation")
    )
    stream = exi.APP_PROTOCOL.encode(known)
    value: Any = codec.decode(stream)
    assert type(value) is other
    assert msgspec.structs.astuple(value) == (known.response_code, None)
    assert codec.encode(value) == stream


def test_a_constructor_that_refuses_its_arguments_ends_the_decoding() -> None:
    codec = in_place_of_the_response(Hooked)
    refused = app_protocol.SupportedAppProtocolRes(
        response_code=app_protocol.ResponseCode("OK_SuccessfulNegotiation"), schema_id=66
    )
    with pytest.raises(ValueError, match="not this one"):
        codec.decode(exi.APP_PROTOCOL.encode(refused))
