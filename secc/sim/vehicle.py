"""The energy side of a simulated EV: its battery and what it asks for. Pure; seconds, volts, amperes, Wh."""

from __future__ import annotations

import dataclasses

from secc.sim.physics import Load

__all__ = ["Vehicle"]


@dataclasses.dataclass(slots=True)
class Vehicle:
    """A battery electric car with a 400 V battery."""

    capacity: float = 60_000.0
    """Wh."""
    soc: float = 0.35
    """State of charge, 0..1."""
    full_soc: float = 0.8
    """Where it stops by itself."""
    min_soc: float = 0.2
    """Below it the EV does not discharge; the least charge its driver wants."""
    empty_voltage: float = 330.0
    """V without current at 0 %."""
    full_voltage: float = 410.0
    """V without current at 100 %."""
    resistance: float = 0.05
    """Ohm."""
    max_voltage: float = 420.0
    """V that it allows while charging."""
    min_voltage: float = 300.0
    """V below which the battery is not discharged."""
    max_current: float = 120.0
    """A, DC."""
    max_power: float = 48_000.0
    """W, DC."""
    max_discharge_current: float = 60.0
    """A, DC, back to the station."""
    max_discharge_power: float = 20_000.0
    """W, DC, as above."""
    ac_current: float = 16.0
    """A per phase that the on-board charger takes at most."""
    ac_min_current: float = 6.0
    """A per phase below which it does not charge."""
    received: float = dataclasses.field(default=0.0, init=False)
    """Wh since it was plugged in, by its measurement."""
    given: float = dataclasses.field(default=0.0, init=False)
    """Wh that it gave back since then."""

    @property
    def open_voltage(self) -> float:
        """V of the battery without current."""
        return self.empty_voltage + (self.full_voltage - self.empty_voltage) * self.soc

    @property
    def percent(self) -> int:
        """EVRESSSOC."""
        return min(100, max(0, int(self.soc * 100)))

    @property
    def wanted_current(self) -> float:
        """A that it asks for now, DC: constant current, then less as the voltage comes near its limit."""
        to_limit = (self.max_voltage - self.open_voltage) / self.resistance
        by_power = self.max_power / max(self.open_voltage, 1.0)
        return round(max(0.0, min(self.max_current, by_power, to_limit)), 1)

    @property
    def discharge_current(self) -> float:
        """A that it can give back now, DC; 0 near the least charge."""
        if self.soc <= self.min_soc:
            return 0.0
        by_power = self.max_discharge_power / max(self.open_voltage, 1.0)
        return round(min(self.max_discharge_current, by_power), 1)

    @property
    def full(self) -> bool:
        """It does not want more."""
        return self.soc >= self.full_soc

    def load(self) -> Load:
        """The battery as the station sees it through closed contactors."""
        return Load(self.open_voltage, self.resistance)

    def take(self, power: float, seconds: float) -> None:
        """Take `power` W for `seconds`; below zero the battery gives it back."""
        energy = power * seconds / 3600.0
        if energy >= 0.0:
            self.received += energy
        else:
            self.given -= energy
        self.soc = max(0.0, min(1.0, self.soc + energy / self.capacity))
