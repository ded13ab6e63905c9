"""Signals of an outlet on the control pilot."""

import dataclasses
import enum

__all__ = ["DIGITAL", "Drive", "ERROR", "LEAST_CURRENT", "PilotSignal", "STEADY", "nominal_duty"]

DIGITAL = 0.05
"""Duty cycle that requests digital communication."""


class Drive(enum.Enum):
    """Drive of the oscillator."""

    STEADY = "X1"
    """Off: +12, +9 or +6 V."""
    PWM = "X2"
    ERROR = "E/F"
    """State F, -12 V; an outlet that cannot drive it may drive state E."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSignal:
    """The signal that the outlet must drive."""

    drive: Drive
    duty: float = 1.0
    """Duty cycle with PWM: 0.05 or nominal."""


STEADY = PilotSignal(Drive.STEADY)
"""Oscillator off: no offer."""
ERROR = PilotSignal(Drive.ERROR)
LEAST_CURRENT = 6.0
"""A per phase; the least that a duty cycle can express."""


def nominal_duty(current: float) -> float:
    """Return the duty cycle of IEC 61851-1 for a current in A per phase, 6 to 80 A."""
    amperes = min(max(current, LEAST_CURRENT), 80.0)
    return (amperes / 0.6 if amperes <= 51.0 else amperes / 2.5 + 64.0) / 100.0
