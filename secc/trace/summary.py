"""A traced session as something to look at: messages with states, and the quantities over time."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

import msgspec

from secc.session.battery_events import state_of_charge
from secc.session.iso2.states import State
from secc.session.outlet import MeterReading
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.trace.capture import CapturedConversation
from secc.trace.reader import HandshakePhase, TracedMessage, TracedSession, messages
from secc.trace.readings import content, quantity, transferred_power
from secc.trace.replay import rerun

__all__ = [
    "Band",
    "CurvePoint",
    "SessionSummary",
    "name_of",
    "remark_of",
    "summarize",
    "summarize_capture",
    "summarize_messages",
]


@dataclasses.dataclass(frozen=True, slots=True)
class CurvePoint:
    """A value at a time, seconds from the beginning."""

    at: float
    value: float


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """A state, from when until when."""

    state: Stage
    start: float
    end: float


@dataclasses.dataclass(frozen=True, slots=True)
class SessionSummary:
    """One session, times in seconds from its first input."""

    title: str
    end: str
    """Why it ended; empty where that is not known."""
    orders: tuple[tuple[float, dict[str, Any]], ...]
    """(seconds, output) of the core, in the form of `form.plain_output`; none in a capture."""
    began: float
    """Monotonic seconds of time 0."""
    duration: float
    messages: tuple[TracedMessage, ...]
    bands: tuple[Band, ...]
    curves: dict[str, tuple[CurvePoint, ...]]
    """By name: `voltage`, `voltage set`, `current`, `current set`, `power`, `power set`, `energy`,
    `energy back`, `soc`; those that have something to show. Into the station, current and power are
    negative."""


def summarize(session: TracedSession, config: SeccConfig) -> SessionSummary:
    """Run it again for the states, and collect what can be drawn."""
    began = session.steps[0].at if session.steps else session.beginning.now
    duration = session.steps[-1].at - began if session.steps else 0.0
    said = tuple(messages(session))
    return SessionSummary(
        title=f"session {session.number}",
        end="" if session.end is None else str(session.end["reason"]),
        orders=tuple((step.at - began, output) for step in session.steps for output in step.outputs),
        began=began,
        duration=duration,
        messages=said,
        bands=tuple(_bands(session, config, began, duration)),
        curves=_worth_drawing(_curves(session, said, began)),
    )


def summarize_capture(conversation: CapturedConversation) -> SessionSummary:
    """A conversation that was captured on the network: messages, and what they say about quantities."""
    phase = HandshakePhase()
    said = [
        TracedMessage(one.at, one.from_ev, phase.decoded(one.frame), one.frame)
        for one in conversation.payloads
    ]
    return summarize_messages(said, title=f"{conversation.ev} at {conversation.station}")


def summarize_messages(said: Sequence[TracedMessage], *, title: str) -> SessionSummary:
    """Messages, and what they say about quantities."""
    began = said[0].at if said else 0.0
    return SessionSummary(
        title=title,
        end="",
        orders=(),
        began=began,
        duration=said[-1].at - began if said else 0.0,
        messages=tuple(said),
        bands=(),
        curves=_worth_drawing(_message_curves(said, began)),
    )


def _message_curves(said: Sequence[TracedMessage], began: float) -> dict[str, list[CurvePoint]]:
    """Quantities as the messages have them: targets of the EV, readings of the station."""
    curves: dict[str, list[CurvePoint]] = {}

    def add(name: str, message: TracedMessage, value: float | None) -> None:
        if value is not None:
            curves.setdefault(name, []).append(CurvePoint(message.at - began, value))

    for message in said:
        for name, field in _FIELDS.items():
            add(name, message, quantity(message.message, field))
        add("power", message, transferred_power(message.message))
        if message.from_ev:
            add("soc", message, state_of_charge(message.message))
    return curves


_FIELDS = {
    "voltage": "evse_present_voltage",
    "current": "evse_present_current",
    "voltage set": "ev_target_voltage",
    "current set": "ev_target_current",
    "current offered": "evse_max_current",
    "power set": "evse_target_active_power",
}


def _worth_drawing(curves: dict[str, list[CurvePoint]]) -> dict[str, tuple[CurvePoint, ...]]:
    return {name: tuple(points) for name, points in curves.items() if _moves(points)}


def _bands(session: TracedSession, config: SeccConfig, began: float, duration: float) -> list[Band]:
    bands: list[Band] = []
    state: Stage = State.WAIT_SESSION_SETUP
    start = 0.0
    for taken in rerun(session, config):
        at = taken.step.at - began
        if taken.after.name == state.name:  # the same phase, now of the protocol that was agreed
            state = taken.after
        elif taken.after is not state:
            bands.append(Band(state, start, at))
            state, start = taken.after, at
    return [*bands, Band(state, start, duration)]


def _curves(
    session: TracedSession, said: tuple[TracedMessage, ...], began: float
) -> dict[str, list[CurvePoint]]:
    curves: dict[str, list[CurvePoint]] = {}

    def add(name: str, at: float, value: float) -> None:
        curves.setdefault(name, []).append(CurvePoint(at - began, value))

    first: MeterReading | None = None
    for step in session.steps:
        if (evse := step.snapshot) is not None:
            add("voltage", step.at, evse.present_voltage)
            add("current", step.at, evse.present_current)
            add("power", step.at, evse.present_voltage * evse.present_current)
            if evse.meter is not None:
                first = first or evse.meter
                add("energy", step.at, float(evse.meter.energy - first.energy))
                add("energy back", step.at, float((evse.meter.exported or 0) - (first.exported or 0)))
        for output in step.outputs:
            if (point := output.get("SetOutput")) is not None:
                add("voltage set", step.at, float(point["voltage"]))
                add("current set", step.at, float(point["current"]))
    for message in said:
        soc = state_of_charge(message.message) if message.from_ev else None
        if soc is not None:
            add("soc", message.at, soc)
        for name in ("current offered", "power set"):
            if (value := quantity(message.message, _FIELDS[name])) is not None:
                add(name, message.at, value)
    return curves


def _moves(points: list[CurvePoint]) -> bool:
    """Something else than zero all the time."""
    return any(point.value for point in points)


def name_of(message: msgspec.Struct | None) -> str:
    """SessionSetupReq, and so on."""
    if message is None:
        return "what cannot be decoded"
    return type(getattr(message, "body", message)).__name__


def remark_of(message: msgspec.Struct | None) -> str:
    """What a reader wants to see of it at a glance: codes other than OK, progress, set-points, readings."""
    body = content(message)
    values = ((name, getattr(body, name, None)) for name in _WORDS)
    words = [_word(name, value) for name, value in values if value is not None]
    words = [word for word in words if word != "OK"]
    numbers = [
        f"{value:g} {unit}"
        for name, unit in _NUMBERS.items()
        if (value := quantity(message, name)) is not None
    ]
    return " ".join([*words, *numbers])


def _word(name: str, value: enum.Enum | bool) -> str:
    return str(value.value) if isinstance(value, enum.Enum) else f"{name.split('_')[0]} {value}".lower()


_WORDS = (
    "response_code",
    "charge_progress",
    "ready_to_charge_state",
    "evse_processing",
    "charging_session",
    "selected_payment_option",
    "requested_energy_transfer_mode",
)
_NUMBERS = {
    "ev_target_voltage": "V",
    "ev_target_current": "A",
    "evse_present_voltage": "V",
    "evse_present_current": "A",
    "evse_max_current": "A",
    "evse_target_active_power": "W",
    "ev_present_active_power": "W",
}
