"""What a run of a controller leaves behind: calls, snapshots, and the moments in between. Data only.

Times are seconds of the event loop's clock; `cost` and `longest_step` are seconds of the machine's clock.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

from secc.session.outlet import EvseSnapshot
from secc.settings.config import SeccConfig

__all__ = ["Call", "Observations", "Exercise", "Owed", "Sample"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """The figures that a controller is held to."""

    dc: bool = False
    """Direct current: a set-point and an isolation test; else a contactor."""
    lease: float = 0.5
    """s that each `lease` call grants."""
    renewal: float = 0.2
    """s between two `lease` calls."""
    grace: float = 0.2
    """s after the end of a lease, or after `make_safe` has returned, until the snapshot must show it."""
    contactor: float = 3.0
    """s for `close_contactor`."""
    call: float = 5.0
    """s for every other call but `check_cable`."""
    cable_check: float = 38.0
    """s for `check_cable`."""
    pre_charge: float = 5.0
    """s until the output has the voltage of its set-point."""
    discharge: float = 1.0
    """s until the output is below `safe_voltage` once it is off."""
    safe_voltage: float = 60.0
    """V below which a DC output counts as off."""
    tolerance: float = 20.0
    """V between set-point and reading."""
    voltage: float = 200.0
    """V of the set-points of the test."""
    current: float = 1.0
    """A of the set-points of the test."""
    max_voltage: float = 500.0
    """V that the isolation test may use."""
    quick: float = 0.002
    """s for `snapshot` and `lease`, which return at once."""
    step: float = 0.05
    """s for which an async method may hold up the event loop."""
    change: float = 0.05
    """s within which `changed` must return."""

    @classmethod
    def of(cls, config: SeccConfig, *, dc: bool, voltage: float | None = None) -> Owed:
        """The figures of a station with this configuration; `voltage` in V for the set-points of the test."""
        timing, limits = config.timing, config.energy.dc
        usual = max(limits.min_voltage, min(_USUAL, limits.max_voltage))
        return cls(
            dc=dc,
            lease=timing.lease,
            renewal=timing.lease_renewal,
            contactor=timing.contactor,
            call=timing.controller_call,
            cable_check=timing.cable_check,
            pre_charge=timing.pre_charge,
            safe_voltage=limits.safe_voltage,
            tolerance=limits.pre_charge_tolerance,
            voltage=usual if voltage is None else voltage,
            max_voltage=limits.max_voltage,
        )

    def limit(self, method: str) -> float:
        """s within which a method must return."""
        return {"close_contactor": self.contactor, "check_cable": self.cable_check}.get(method, self.call)


_USUAL = 200.0  # V, well above the safe voltage and below what most outlets can


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One call of `snapshot`."""

    at: float
    cost: float
    """s that the call took."""
    value: object = None
    """Its result, of any type."""
    error: str = ""
    """What it raised."""

    @property
    def snapshot(self) -> EvseSnapshot | None:
        """The snapshot, if it was one."""
        return self.value if isinstance(self.value, EvseSnapshot) else None

    def voltage(self) -> float | None:
        """V at the output, if the snapshot has a usable number."""
        volts = getattr(self.snapshot, "present_voltage", None)
        if isinstance(volts, bool) or not isinstance(volts, int | float) or not math.isfinite(volts):
            return None
        return float(volts)

    def on(self, owed: Owed) -> bool | None:
        """Whether the output is energised by feedback; None when the snapshot does not show it."""
        if owed.dc:
            volts = self.voltage()
            return None if volts is None else volts >= owed.safe_voltage
        closed = getattr(self.snapshot, "contactor_closed", None)
        return closed if isinstance(closed, bool) else None


@dataclasses.dataclass(slots=True)
class Call:
    """One call of an async method."""

    method: str
    arguments: tuple[float, ...]
    began: float
    ended: float | None = None
    """When it returned or raised; None: it was given up."""
    result: object = None
    error: str = ""
    """What it raised."""
    longest_step: float = 0.0
    """s that it held up the event loop at most."""
    cancelled: bool = False
    """The run cancelled it on purpose, in the middle."""
    given_up: bool = False
    """The run stopped to wait for it."""
    after: Sample | None = None
    """The snapshot right after its return."""

    @property
    def duration(self) -> float:
        """s; infinite when it did not return."""
        return math.inf if self.ended is None else self.ended - self.began

    @property
    def fine(self) -> bool:
        """It returned, without an exception; False of a method that returns nothing says that it failed."""
        failed = self.result is False and self.method in ("make_safe", "set_output")
        return self.ended is not None and not self.error and not self.cancelled and not failed


@dataclasses.dataclass(slots=True)
class Exercise:
    """One stretch of a run, from a safe output to a safe output."""

    name: str
    calls: list[Call] = dataclasses.field(default_factory=list)
    samples: list[Sample] = dataclasses.field(default_factory=list)
    leases: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    """Moment and cost of each `lease` call."""
    lease_errors: list[str] = dataclasses.field(default_factory=list)
    marks: dict[str, float] = dataclasses.field(default_factory=dict)
    """Moments, and counts, with a name."""
    changes: list[float] = dataclasses.field(default_factory=list)
    """Moments at which `changed` returned."""

    def first(self, method: str, *, after: float = -math.inf) -> Call | None:
        """The first call of a method that began at or after a moment."""
        return next((call for call in self.calls if call.method == method and call.began >= after), None)

    def between(self, begin: float, end: float = math.inf) -> list[Sample]:
        """The samples of a stretch, in order."""
        return [sample for sample in self.samples if begin <= sample.at <= end]

    @property
    def late_lease(self) -> float:
        """s between two `lease` calls at most while the run meant to renew it."""
        ends = self.marks.get("lease ends", math.inf)
        times = [at for at, _ in self.leases if at <= ends]
        return max((b - a for a, b in itertools.pairwise(times)), default=0.0)


@dataclasses.dataclass(slots=True)
class Observations:
    """Everything that was seen of one controller."""

    owed: Owed
    refused: str = ""
    """Why a station does not take this controller, before any method is called; empty when it does."""
    abilities: frozenset[type] = frozenset()
    """Optional methods that the controller has."""
    exercises: dict[str, Exercise] = dataclasses.field(default_factory=dict)
    energised: bool = False
    """The run was allowed to switch power on."""
    stopped: str = ""
    """Why the run ended early."""
    unsafe: str = ""
    """Why the output may be on after the run; empty when the last snapshot showed it off."""
