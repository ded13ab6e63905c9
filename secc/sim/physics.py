"""Plausible power electronics as functions of time: a contactor, a DC output, a meter, a lease.

Current and power are positive from the outlet to the vehicle, negative from the vehicle to the outlet.

Nothing in here reads a clock or waits: `advance` brings a model to a moment, in volts, amperes, watt hours
and seconds. That makes a simulated outlet exact in tests, and as quick as the test wants.
"""

from __future__ import annotations

import dataclasses
import math

__all__ = ["Contactor", "DcOutput", "Lease", "Load", "Meter"]


class Lease:
    """Permission to stay energised that ends by itself."""

    def __init__(self) -> None:
        self.until = -math.inf
        """The moment it ends."""

    def renew(self, seconds: float, now: float) -> None:
        """From now on for so long; never shortens what was given before it."""
        self.until = max(self.until, now + seconds)

    def drop(self) -> None:
        """Over at once."""
        self.until = -math.inf

    def holds(self, now: float) -> bool:
        """Whether the output may be on."""
        return now <= self.until


class Meter:
    """Integrates power into energy, with a register for each direction. Neither of them ever falls."""

    def __init__(self, *, start: float = 0.0) -> None:
        """`start`: Wh that it shows already, delivered to vehicles."""
        self._joules = start * 3600.0
        self._exported = 0.0

    @property
    def energy(self) -> float:
        """Wh delivered to vehicles."""
        return self._joules / 3600.0

    @property
    def exported(self) -> float:
        """Wh taken from vehicles."""
        return self._exported / 3600.0

    def add(self, power: float, seconds: float) -> None:
        """Count `power` W, of either sign, for `seconds`."""
        if power >= 0.0:
            self._joules += power * seconds
        else:
            self._exported -= power * seconds


class Contactor:
    """Mechanical: the contacts follow the coil after a while, or, when they are worn out, not at all."""

    def __init__(self, *, closing_time: float = 0.05, opening_time: float = 0.02) -> None:
        """Seconds from the coil to the contacts."""
        self._closing_time = closing_time
        self._opening_time = opening_time
        self._closed = False
        self._coil = False
        self._due: float | None = None
        self.welded = False
        """Fault: once closed it stays closed."""
        self.stuck = False
        """Fault: it does not close."""

    @property
    def closed(self) -> bool:
        """Feedback, by level, at the moment of the last `advance`."""
        return self._closed

    @property
    def due(self) -> float | None:
        """When the contacts will have followed the coil; None when they have."""
        return self._due

    def command(self, *, close: bool, now: float) -> None:
        """Drive the coil; repeats change nothing."""
        self.advance(now)
        if close is self._coil:
            return
        self._coil = close
        moves = close is not self._closed
        self._due = now + (self._closing_time if close else self._opening_time) if moves else None

    def advance(self, now: float) -> None:
        """Bring it to this moment."""
        if self._due is None or now < self._due:
            return
        self._due = None
        if (self._coil and self.stuck) or (not self._coil and self.welded):
            return
        self._closed = self._coil


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """A battery behind closed contactors of the vehicle."""

    voltage: float
    """V without current."""
    resistance: float = 0.05
    """Ohm, inside the battery and on the way."""


class DcOutput:
    """A voltage and current controlled source with limited slew rates, which can be a sink as well."""

    def __init__(
        self,
        *,
        voltage_slew: float = 2000.0,
        current_slew: float = 400.0,
        discharge: float = 2000.0,
    ) -> None:
        """V/s upwards, A/s in both directions, V/s downwards while nothing drives the output."""
        self._voltage_slew = voltage_slew
        self._current_slew = current_slew
        self._discharge = discharge
        self.voltage = 0.0
        """V at the connector."""
        self.current = 0.0
        """A into the vehicle; below zero out of it."""
        self.target_voltage = 0.0
        """V: the most while it charges, the least while it discharges."""
        self.target_current = 0.0
        """A; below zero it discharges."""
        self.stuck = False
        """Fault: the power electronics go on with the last set-point when they are switched off."""

    @property
    def enabled(self) -> bool:
        """A set-point other than zero is in force."""
        return self.target_voltage > 0.0

    def set(self, voltage: float, current: float) -> None:
        """New set-point; a voltage of zero switches off: the current stops at once, the voltage decays."""
        if self.stuck and voltage <= 0.0:
            return
        self.target_voltage = voltage
        self.target_current = current if voltage > 0.0 else 0.0
        if voltage <= 0.0:
            self.current = 0.0

    def discharge(self, least_voltage: float, current: float) -> None:
        """Take up to `current` A out of the vehicle while its voltage is at least `least_voltage`."""
        self.target_voltage = least_voltage
        self.target_current = -current if least_voltage > 0.0 else 0.0

    def advance(self, seconds: float, load: Load | None) -> float:
        """Let time pass; returns the energy that went into the vehicle, in joules, negative out of it."""
        joules = 0.0
        while seconds > 0.0:
            step = min(seconds, _STEP) if not self._settled(load) else seconds
            before = self.voltage * self.current
            self._move(step, load)
            joules += (before + self.voltage * self.current) / 2 * step
            seconds -= step
        return joules

    def _goal(self, load: Load | None) -> tuple[float, float]:
        """Voltage and current that it tends to."""
        if load is None:
            return (self.target_voltage if self.target_current >= 0.0 else 0.0), 0.0
        if not self.enabled:
            return 0.0, 0.0  # our own output diode keeps the battery's voltage away from us
        current = (self.target_voltage - load.voltage) / load.resistance
        if self.target_current < 0.0:  # the battery holds the voltage
            current = max(min(current, 0.0), self.target_current)
            return load.voltage + current * load.resistance, current
        current = min(max(current, 0.0), self.target_current)
        return min(self.target_voltage, load.voltage + current * load.resistance), current

    def _settled(self, load: Load | None) -> bool:
        return self._goal(load) == (self.voltage, self.current)

    def _move(self, step: float, load: Load | None) -> None:
        voltage, current = self._goal(load)
        if load is None or not self.enabled:
            self.current = 0.0
            up = self._voltage_slew * step
            self.voltage = _toward(self.voltage, voltage, up=up, down=self._discharge * step)
            return
        slew = self._current_slew * step
        self.current = _toward(self.current, current, up=slew, down=slew)
        held = load.voltage + self.current * load.resistance
        if self.current == current:
            held = voltage
        elif self.target_current >= 0.0:
            held = min(self.target_voltage, held)
        up = self._voltage_slew * step
        self.voltage = _toward(self.voltage, held, up=up, down=self._discharge * step)


_STEP = 0.01  # s; ramps are linear, so this only matters for the energy during a ramp


def _toward(value: float, goal: float, *, up: float, down: float) -> float:
    if value < goal:
        return min(goal, value + up)
    return max(goal, value - down)
