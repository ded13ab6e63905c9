"""Calls and answers over a WebSocket (OCPP-J): one call at a time, each body checked against its schema.

Schemas, frames and names of errors come from the package `ocpp`. Both sides of a connection work in the same
way, so the fake CSMS uses this module too.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import decimal
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from jsonschema import Draft4Validator
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, MessageType, get_validator, unpack

from secc.errors import LinkError
from secc.ocpp.model import Payload
from secc.settings.ocpp import OcppVersion


class NoAnswer(LinkError):
    """The peer is not connected, has disconnected, or has not answered in time."""


class CallFailed(LinkError):
    """The peer refuses a call, or a body violates its schema."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        """Code of the protocol, for example `FormatViolation`."""
        self.text = text


Handler = Callable[[str, Payload], Awaitable[Payload]]
"""Answers a call; raises CallFailed."""


class Rpc:
    """One connection, from its opening to its end."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        version: OcppVersion,
        handle: Handler,
        *,
        answered: collections.OrderedDict[str, str] | None = None,
        on_message: Callable[[bool, str], None] = lambda _sent, _text: None,
    ) -> None:
        """`answered` has the answers by the id of the call; use the same for the next connection, so that a
        call that is repeated there is not executed twice. `on_message` receives every message (sent or
        received, text)."""
        self.version = version
        self._send = send
        self._handle = handle
        self.on_message = on_message
        self._answered = collections.OrderedDict() if answered is None else answered
        self._turn = asyncio.Lock()
        self._waiting: dict[str, tuple[str, asyncio.Future[Payload]]] = {}
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._closed: str | None = None

    async def call(
        self, action: str, payload: Payload, *, patience: float, message_id: str | None = None
    ) -> Payload:
        """Send a call and wait for the answer. Raises NoAnswer or CallFailed.

        A call waits until the previous call is answered; `patience`, in seconds, starts after that.
        """
        async with self._turn:
            await load(self.version, action)
            check(self.version, MessageType.Call, action, payload)
            if self._closed is not None:
                raise NoAnswer(self._closed)
            name = message_id or str(uuid.uuid4())
            future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._waiting[name] = action, future
            try:
                async with asyncio.timeout(patience):
                    await self._send_text(Call(name, action, payload).to_json())
                    return await future
            except TimeoutError:
                raise NoAnswer(f"{action}: no answer within {patience:g} s") from None
            finally:
                del self._waiting[name]

    def receive(self, text: str) -> None:
        """Process a received message."""
        self.on_message(False, text)
        try:
            message: Any = unpack(text)
        except (OCPPError, TypeError, ValueError, RecursionError):
            return  # not a message of the protocol; without an id it cannot be answered
        if not isinstance(message.unique_id, str):
            return
        if message.message_type_id == MessageType.Call:
            self._receive_call(message)
        elif message.unique_id in self._waiting:
            self._receive_answer(message, *self._waiting[message.unique_id])

    def close(self, reason: str) -> None:
        """End the connection: waiting calls raise NoAnswer."""
        self._closed = reason
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(NoAnswer(reason))
        for task in self._doing.values():
            task.cancel()

    def _receive_answer(self, message: Any, action: str, future: asyncio.Future[Payload]) -> None:
        if future.done():
            return
        if message.message_type_id == MessageType.CallError:
            failure = CallFailed(str(message.error_code), str(message.error_description))
            future.set_exception(failure)
            return
        try:
            check(self.version, MessageType.CallResult, action, message.payload)
        except CallFailed as error:
            future.set_exception(error)
        else:
            future.set_result(message.payload)

    def _receive_call(self, message: Any) -> None:
        name = message.unique_id
        if name in self._doing:
            return  # repeated while it is being executed: one answer is enough
        task = asyncio.get_running_loop().create_task(self._do(message))
        self._doing[name] = task
        task.add_done_callback(lambda _: self._doing.pop(name, None))

    async def _do(self, message: Any) -> None:
        name = message.unique_id
        answer = self._answered.get(name)
        if answer is None:
            answer = await self._answer(message)
            self._answered[name] = answer
            while len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)
        with contextlib.suppress(NoAnswer):  # the answer is stored for a repetition on the next connection
            await self._send_text(answer)

    async def _answer(self, message: Any) -> str:
        try:
            if not isinstance(message.action, str):
                raise CallFailed("FormationViolation", "the action is not a text")
            await load(self.version, message.action)
            check(self.version, MessageType.Call, message.action, message.payload)
            payload = await self._handle(message.action, message.payload)
            check(self.version, MessageType.CallResult, message.action, payload)
        except CallFailed as error:
            return str(CallError(message.unique_id, error.code, error.text[:255], {}).to_json())
        except Exception as error:  # a defect must not close the connection
            text = f"{type(error).__name__}: {error}"[:255]
            return str(CallError(message.unique_id, "InternalError", text, {}).to_json())
        return str(CallResult(message.unique_id, payload, message.action).to_json())

    async def _send_text(self, text: str) -> None:
        self.on_message(True, text)
        try:
            await self._send(text)
        except Exception as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error


_REMEMBERED = 64


async def load(version: OcppVersion, action: str) -> None:
    """Read the schemas of an action once, in a thread: file access must not block the event loop."""
    if (version, action) not in _LOADED:
        with contextlib.suppress(CallFailed):
            for kind in (MessageType.Call, MessageType.CallResult):
                await asyncio.to_thread(_validator, version, kind, action)
            _LOADED.add((version, action))


_LOADED: set[tuple[OcppVersion, str]] = set()


def check(version: OcppVersion, kind: int, action: str, payload: object) -> None:
    """Raise CallFailed when a body violates its schema, has a number without bounds, or for an unknown
    action."""
    validator = _validator(version, kind, action)
    precise = version is OcppVersion.V16 and action in _WITH_TENTHS
    checked = json.loads(json.dumps(payload), parse_float=decimal.Decimal) if precise else payload
    for error in validator.iter_errors(checked):
        if not _is_allowed_length(error):
            path = "/".join(str(part) for part in error.absolute_path)
            raise CallFailed(
                _CODES.get(str(error.validator), "FormatViolation"), f"{path}: {error.message}"[:255]
            )
    _check_numbers(payload)


def _check_numbers(payload: object) -> None:
    """JSON and the schemas have no limit: refuse what is infinite, or not exact as a float."""
    waiting = [payload]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, int | float) and not abs(found) <= _LARGEST:
            text = str(found) if isinstance(found, float) else f"an integer of {found.bit_length()} bits"
            raise CallFailed(
                "PropertyConstraintViolation", f"{text}, expected at most {_LARGEST} in magnitude"
            )


_LARGEST = 2**53


def _validator(version: OcppVersion, kind: int, action: str) -> Draft4Validator:
    if not action.isalnum():
        raise CallFailed("NotImplemented", "unknown action")
    parse = decimal.Decimal if version is OcppVersion.V16 and action in _WITH_TENTHS else float
    try:
        validator: Draft4Validator = get_validator(kind, action, version.value, parse)
        return validator
    except (OSError, ValueError):
        raise CallFailed("NotImplemented", f"unknown action {action}"[:255]) from None


_WITH_TENTHS = ("SetChargingProfile", "RemoteStartTransaction", "GetCompositeSchedule")
_CODES = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
}
_LONGER = {"exiRequest": 11_000, "exiResponse": 17_000, "certificate": 10_000, "ocspResult": 18_000}
"""Limits of OCPP 2.1. Real bundles exceed those of the first edition of 2.0.1, and nothing is truncated."""


def _is_allowed_length(error: Any) -> bool:
    name = error.absolute_path[-1] if error.absolute_path else ""
    return error.validator == "maxLength" and len(error.instance) <= _LONGER.get(str(name), 0)
