"""What an outlet shows on the control pilot."""

import dataclasses
import enum

DIGITAL = 0.05
"""Duty cycle that asks for digital communication."""


class Drive(enum.Enum):
    """What the oscillator does."""

    STEADY = "X1"
    """Off: +12, +9 or +6 V."""
    PWM = "X2"
    ERROR = "E/F"
    """State F, -12 V; an outlet that cannot drive it may drive state E."""


@dataclasses.dataclass(frozen=True, slots=True)
class PilotSignal:
    """What the outlet has to show."""

    drive: Drive
    duty: float = 1.0
    """With PWM: 0.05 or nominal."""


STEADY = PilotSignal(Drive.STEADY)
"""Nothing is offered."""
ERROR = PilotSignal(Drive.ERROR)
LEAST_CURRENT = 6.0
"""A per phase; a duty cycle cannot say less."""


def nominal_duty(current: float) -> float:
    """The duty cycle of IEC 61851-1 that offers this many A per phase; it can say 6 to 80 A."""
    amperes = min(max(current, LEAST_CURRENT), 80.0)
    return (amperes / 0.6 if amperes <= 51.0 else amperes / 2.5 + 64.0) / 100.0
