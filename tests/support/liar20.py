"""Lies about responses of ISO 15118-20."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from secc.bench import BenchTimers
from secc.messages import app_protocol
from secc.messages.iso20_common import ResponseCode
from secc.payloads import Payloads
from tests.support.liar import Change, Lie

QUICK = BenchTimers(
    message=0.8, slow_message=1.5, charge_loop=0.4, discovery=0.6, close=0.5, sequence=1.0, reach=3.0
)
# The truth may take its time: on a busy machine nothing that is right comes too late.
PATIENT = dataclasses.replace(
    QUICK, message=6.0, slow_message=6.0, charge_loop=4.0, close=4.0, discovery=2.0, reach=10.0
)


def lie(title: str, change: Change, *, energy: str = "iso20-dc", **more: Any) -> Lie:
    """One change of each response."""
    return Lie(title=title, response=change, iso20=energy, **more)


def code(old: ResponseCode, new: ResponseCode, *, energy: str = "iso20-dc") -> Lie:
    """One code where another is due."""

    def change(said: Any) -> Any:
        if getattr(said, "response_code", None) is not old:
            return said
        return msgspec.structs.replace(said, response_code=new)

    return lie(f"{new.value} for {old.value}", change, energy=energy)


def replaced(title: str, kind: type[msgspec.Struct], *, energy: str = "iso20-dc", **changes: Any) -> Lie:
    """Something else in one response."""

    def change(said: Any) -> Any:
        return msgspec.structs.replace(said, **changes) if isinstance(said, kind) else said

    return lie(title, change, energy=energy)


def head(**changes: Any) -> Change:
    """Something else in each header."""

    def change(said: Any) -> Any:
        if isinstance(said, app_protocol.SupportedAppProtocolRes):
            return said
        return msgspec.structs.replace(said, header=msgspec.structs.replace(said.header, **changes))

    return change


_TOLD: contextvars.ContextVar[Change | None] = contextvars.ContextVar("told", default=None)


@contextlib.contextmanager
def stations_that_lie() -> Iterator[None]:
    """Within it, a station started in `lying_inside` tells its lie: over TLS no proxy can."""
    truth = Payloads.encode

    def encode(payloads: Payloads, message: msgspec.Struct, payload_type: int | None = None) -> bytes:
        change = _TOLD.get()
        answers = type(message).__name__.endswith("Res")
        told: msgspec.Struct = change(message) if change is not None and answers else message
        return truth(payloads, told, payload_type)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Payloads, "encode", encode)
        yield


@contextlib.contextmanager
def lying_inside(change: Change | None) -> Iterator[None]:
    """What is started here inherits the lie, what is started elsewhere does not."""
    token = _TOLD.set(change)
    try:
        yield
    finally:
        _TOLD.reset(token)
