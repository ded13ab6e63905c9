"""The main steps of a session: started, authorised, charging, limits, meter, ended.

A station reports everything, message by message; a display or a back office needs less. Put `Milestones`
between: `Station(..., reporter=Milestones(show))`. Volts, amperes, watts, watt-hours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec

from secc.records import Direction, MessageRecord, OutputRecord, Record
from secc.session.outputs import EndReason, EndSession

if TYPE_CHECKING:
    from secc.messages import din, iso2

__all__ = [
    "Authorised",
    "ChargingStarted",
    "ChargingStopped",
    "LimitsChanged",
    "MeterRead",
    "Milestone",
    "Milestones",
    "SessionEnded",
    "SessionStarted",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """The base of all."""

    at: float
    """Seconds of the event loop."""
    session: str
    """SessionID in hexadecimal."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Milestone):
    """An EV and the station have agreed on a session."""

    evcc_id: str
    """The EVCCID of the EV; never a proof of identity."""
    resumed: bool
    """It continues one that was paused."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Authorised(Milestone):
    """The session is authorised; the records about contracts name the contract."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStarted(Milestone):
    """Energy may flow from now."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChanged(Milestone):
    """The limits that were sent to the EV; None where a limit was not sent."""

    current: float | None
    """A; AC: per phase."""
    voltage: float | None = None
    power: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MeterRead(Milestone):
    """A new reading, which was sent to the EV as well."""

    energy: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStopped(Milestone):
    """The EV has stopped charging; it may charge again, or negotiate, in the same session."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Milestone):
    """The last one of a session."""

    reason: EndReason
    detail: str
    energy: int | None
    """Wh to the EV by the meter; None without one."""
    exported: int | None = None
    """Wh from the EV by the meter; None without such a register."""


class Milestones:
    """Condenses the records of one station; a `Reporter`."""

    def __init__(self, show: Callable[[Milestone], None]) -> None:
        """`show` is called in the event loop and must return at once."""
        self._show = show
        self._request: Any = None
        self._limits: tuple[float | None, ...] | None = None
        self._energy: int | None = None
        self._begun = self._authorised = self._charging = False

    def __call__(self, record: Record) -> None:
        """Look at one record."""
        match record:
            case MessageRecord(direction=Direction.RECEIVED):
                self._request = _body(record.message)
            case MessageRecord():
                self._answered(record, _body(record.message))
            case OutputRecord(output=EndSession() as end):
                if self._begun:
                    known: dict[str, Any] = {"at": record.at, "session": record.session}
                    known |= {"energy": end.energy, "exported": end.exported}
                    self._show(SessionEnded(**known, reason=end.reason, detail=end.detail))
                self._request = self._limits = self._energy = None
                self._begun = self._authorised = self._charging = False

    def _answered(self, record: MessageRecord, body: Any) -> None:
        code = str(getattr(body, "response_code", ""))
        if not code.startswith("OK"):
            return
        known: dict[str, Any] = {"at": record.at, "session": record.session}
        match type(body).__name__:
            case "SessionSetupRes":
                self._begun = True
                evcc_id = getattr(self._request, "evcc_id", b"").hex().upper()
                self._show(SessionStarted(**known, evcc_id=evcc_id, resumed=code == "OK_OldSessionJoined"))
            case "AuthorizationRes" | "ContractAuthenticationRes":
                if str(body.evse_processing) == "Finished" and not self._authorised:
                    self._authorised = True
                    self._show(Authorised(**known))
            case "PowerDeliveryRes":
                self._switched(known)
            case "ChargingStatusRes" | "CurrentDemandRes":
                self._charged(known, body)

    def _switched(self, known: dict[str, Any]) -> None:
        """DIN SPEC 70121 has a truth value where ISO 15118-2 has ChargeProgress."""
        progress = getattr(self._request, "charge_progress", None)
        wanted = getattr(self._request, "ready_to_charge_state", str(progress) == "Start")
        if wanted and not self._charging:
            self._show(ChargingStarted(**known))
        elif not wanted and self._charging:
            self._show(ChargingStopped(**known))
        self._charging = bool(wanted)

    def _charged(self, known: dict[str, Any], body: Any) -> None:
        names = ("evse_maximum_current_limit", "evse_maximum_voltage_limit", "evse_maximum_power_limit")
        limits = tuple(_number(getattr(body, name, None)) for name in names)
        if (current := _number(getattr(body, "evse_max_current", None))) is not None:
            limits = (current, None, None)
        if limits != self._limits:
            self._limits = limits
            self._show(LimitsChanged(**known, current=limits[0], voltage=limits[1], power=limits[2]))
        meter = getattr(body, "meter_info", None)
        reading = None if meter is None else meter.meter_reading
        if reading is not None and reading != self._energy:
            self._energy = reading
            self._show(MeterRead(**known, energy=reading))


def _body(message: msgspec.Struct) -> Any:
    return getattr(message, "body", message)


def _number(value: iso2.PhysicalValue | din.PhysicalValue | None) -> float | None:
    return None if value is None else float(value.value * Fraction(10) ** value.multiplier)
