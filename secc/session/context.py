"""What EV and station have agreed so far, in groups that are set at once.

A group is None, or complete; a handler replaces it as a whole after all checks have passed.
"""

import dataclasses
import enum
from fractions import Fraction

from secc.config import EnergyMode
from secc.session.events import IsolationLevel, SchedulesOffered, Ticket


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """The question whether this person may charge, and what was said [INV-09] [INV-11]."""

    ticket: Ticket
    granted: bool = False
    refused: bool = False
    """Denied, or withdrawn: nothing in this session can grant again."""


@dataclasses.dataclass(frozen=True, slots=True)
class EvLimits:
    """What the EV can take: V, A, W. Set by the accepted ChargeParameterDiscoveryReq, never raised later."""

    voltage: Fraction
    current: Fraction
    power: Fraction | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ChargeParameters:
    """The accepted ChargeParameterDiscoveryReq."""

    mode: EnergyMode
    limits: EvLimits
    departure: int | None
    max_steps: int
    energy: Fraction | None

    @property
    def phases(self) -> int:
        return 3 if self.mode is EnergyMode.AC_THREE_PHASE_CORE else 1


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleQuestion:
    """The back end has been asked for schedules, and perhaps has answered."""

    ticket: Ticket
    answer: SchedulesOffered | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CableTest:
    """The isolation test of this pass through CableCheck [INV-06]."""

    ticket: Ticket
    level: IsolationLevel | None = None


class Purpose(enum.Enum):
    """Why there is, or may be, energy at the output."""

    AC = "AC charging"
    CABLE_TEST = "isolation test"
    PRE_CHARGE = "pre-charge"
    DC = "DC charging"


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """What the EV asks for now (DC), with the lowest maxima it has told."""

    voltage: Fraction
    current: Fraction
    limits: EvLimits


@dataclasses.dataclass(frozen=True, slots=True)
class Energised:
    """The output is on; it stays so only while the lease is renewed [INV-31]."""

    purpose: Purpose
    demand: Demand | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """The station has decided to end the charge; this is never taken back [INV-29]."""

    reason: str
    due: float
    """Monotonic seconds when the output is forced off."""
