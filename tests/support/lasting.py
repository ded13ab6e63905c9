"""State that the safety oracle keeps from one session of an outlet to the next: fault latch and paused
session.

Both are modelled independently of the station, by the threat model: a latched fault remains until a person
has reset it by hand *and* the cable was unplugged after that fault [INV-30]; a paused session is joined only
as it was [INV-13] [V2G2-741].
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from secc.messages import iso2
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot

LATCHED = {"emergency stop", "isolation fault", "contactor does not follow", "output did not switch off"}
"""What keeps the outlet off beyond the session, by the words of the faults."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """One schedule that was offered: watts from each second on, and its end."""

    offered_at: float
    steps: tuple[tuple[int, Fraction], ...]
    end: int

    def at(self, second: float) -> Fraction:
        """W in force; the first value before the beginning."""
        return [watts for start, watts in self.steps if start <= max(second, 0)][-1]


@dataclasses.dataclass(frozen=True)
class Paused:
    """What a session was when its EV paused it."""

    session_id: bytes
    payment: iso2.PaymentOption | None
    mode: iso2.EnergyTransferMode | None
    services: frozenset[tuple[int, int | None]] | None
    schedule_id: int
    schedule: Schedule | None


@dataclasses.dataclass(frozen=True)
class Paused20:
    """What a session of ISO 15118-20 was when its EV paused it. It is tied to the vehicle."""

    session_id: bytes
    service: int
    until: float


@dataclasses.dataclass
class Lasting:
    """One per outlet; give it to the oracle of each of its sessions."""

    tripped: bool = False
    reset: bool = False
    unplugged: bool = False
    paused: Paused | None = None
    paused20: Paused20 | None = None

    def trip(self, fault: EvseFault | None) -> None:
        """A fault was seen; most do not outlive what they have interrupted."""
        if fault is not None and fault.value in LATCHED:
            self.tripped, self.reset, self.unplugged = True, False, False

    def observe(self, snapshot: EvseSnapshot) -> None:
        """Every snapshot, in a session or between two."""
        if snapshot.fault is not None and snapshot.fault.value in LATCHED:
            self.trip(snapshot.fault)
        elif snapshot.control_pilot is ControlPilot.A:
            self.unplugged = True
        if snapshot.control_pilot is ControlPilot.A:
            self.paused = self.paused20 = None
        self._release()

    def reset_by_hand(self) -> None:
        """The outlet has been inspected."""
        self.reset = True
        self._release()

    def _release(self) -> None:
        if self.reset and self.unplugged:
            self.tripped = False
