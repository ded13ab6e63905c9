"""Objects that the decoder makes: as those of a call of the class."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import sys
import weakref
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from secc import _exi, exi
from secc.errors import DecodeError, EncodeError
from secc.messages import app_protocol, iso2
from secc.messages._base import Item
from tests.support.exi import APP_PROTOCOLS, CURRENT_DEMAND, SESSION_SETUP, decode, encode, message, profile
from tests.support.messages import SETS, generator


@pytest.mark.parametrize("name", SETS)
def test_decoded_objects_are_as_those_that_a_call_of_the_class_makes(name: str) -> None:
    source = random.Random(5)
    for _ in range(30):
        element, made = generator(name).message(source)
        found = decode(name, encode(name, element, made))[0]
        assert found == made
        assert repr(found) == repr(made)
        assert hash(found) == hash(made)
        assert pickle.loads(pickle.dumps(found)) == made
        assert copy.copy(found) == copy.deepcopy(found) == made
        assert msgspec.structs.replace(found) == made
        assert msgspec.structs.asdict(found) == msgspec.structs.asdict(made)
        assert sys.getsizeof(found) == sys.getsizeof(made)
        assert gc.is_tracked(found) is gc.is_tracked(made) is False


def test_a_decoded_object_is_as_closed_as_any_of_its_class() -> None:
    found = exi.ISO2.decode(SESSION_SETUP)
    with pytest.raises(AttributeError, match="immutable"):
        found.body = None
    with pytest.raises(TypeError, match="__dict__"):
        vars(found)
    with pytest.raises(TypeError, match="weak reference"):
        weakref.ref(found)


def test_decoding_keeps_nothing_and_owns_what_it_gives() -> None:
    """References to what all messages share are as many as before, whether a message was read or refused."""
    shared_by_all = (None, (), iso2.ResponseCode.OK, iso2.PhysicalValue, iso2.V2GMessage, iso2.SessionStopRes)
    ok = exi.ISO2.encode(message(iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)))

    def spent() -> list[int]:
        return [sys.getrefcount(one) for one in shared_by_all]

    def read() -> None:
        for stream in (ok, CURRENT_DEMAND, exi.ISO2.encode(profile(3))):
            exi.ISO2.decode(stream)
            for cut in range(len(stream)):
                with suppress(DecodeError):
                    exi.ISO2.decode(stream[:cut])

    read()
    before = spent()
    for _ in range(20):
        read()
    assert all(abs(now - then) < 20 for now, then in zip(spent(), before, strict=True))


class Hooked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """As `app_protocol.AppProtocol`, with a hook."""

    protocol_namespace: str
    version_number_major: int
    version_number_minor: int
    schema_id: int
    priority: int

    def __post_init__(self) -> None:
        if self.priority > 1:
            raise ValueError("only the first")


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """The same, in the care of the collector of cycles."""

    protocol_namespace: str
    version_number_major: int
    version_number_minor: int
    schema_id: int
    priority: int


class Remembering(Tracked, frozen=True, kw_only=True, weakref=True, dict=True, cache_hash=True):
    """The same with room for more than its fields."""


class Plain:
    """The same without msgspec."""

    __slots__ = __struct_fields__ = tuple(Tracked.__struct_fields__)

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


@pytest.mark.parametrize("kind", [Tracked, Remembering, Plain])
def test_classes_of_other_kinds_are_called(kind: type[Any]) -> None:
    types = [kind if one is app_protocol.AppProtocol else one for one in app_protocol.TYPES]
    engine = _exi.Codec("sap", types, app_protocol.ENUMS, Item, DecodeError, EncodeError)
    found = engine.decode(APP_PROTOCOLS)[0]
    assert [entry.schema_id for entry in found.app_protocol] == [1, 2]
    assert {type(entry) for entry in found.app_protocol} == {kind}
    assert gc.is_tracked(found.app_protocol[0]) is gc.is_tracked(
        kind(**{name: getattr(found.app_protocol[0], name) for name in kind.__struct_fields__})
    )
    assert engine.encode("supportedAppProtocolReq", found) == APP_PROTOCOLS


def test_the_hook_of_a_class_runs_and_its_error_is_raised() -> None:
    types = [Hooked if one is app_protocol.AppProtocol else one for one in app_protocol.TYPES]
    engine = _exi.Codec("sap", types, app_protocol.ENUMS, Item, DecodeError, EncodeError)
    with pytest.raises(ValueError, match="only the first"):
        engine.decode(APP_PROTOCOLS)
