"""The next command of an outlet, which ones are dropped, and how long its lease may last.

This module does not wait and calls nothing: `secc.station.actuator` does; the consequences are in the
contract in `secc.ports`. Times are monotonic seconds.
"""

import math
from typing import NamedTuple

from secc.session.outputs import CloseContactor, OpenContactor, SetOutput, StartCableCheck

Command = CloseContactor | OpenContactor | StartCableCheck | SetOutput

_OFF = SetOutput(0.0, 0.0)


class _Reach(NamedTuple):
    """Limits of the output by a set-point, or by one of several: V, A, magnitudes in each direction."""

    voltage: float = 0.0
    charge: float = 0.0
    discharge: float = 0.0
    floor: float = math.inf
    """V below which nothing is taken out."""

    @classmethod
    def of(cls, command: SetOutput) -> "_Reach":
        """By one set-point."""
        if command.current < 0.0:
            return cls(discharge=-command.current, floor=command.voltage)
        return cls(command.voltage, command.current)

    def joined(self, other: "_Reach") -> "_Reach":
        """By either of them."""
        return _Reach(
            max(self.voltage, other.voltage),
            max(self.charge, other.charge),
            max(self.discharge, other.discharge),
            min(self.floor, other.floor),
        )

    def below(self, other: "_Reach") -> bool:
        """It takes something away from what `other` allows."""
        less = self.voltage < other.voltage or self.charge < other.charge
        return less or self.discharge < other.discharge or self.floor > other.floor


def switches_off(command: Command) -> bool:
    """It takes energy off; everything else may put it on."""
    return isinstance(command, OpenContactor) or command == _OFF


class Orders:
    """The commands of one outlet: at most one in progress, some waiting."""

    def __init__(self, lease: float) -> None:
        """`lease`: seconds in which a lowered set-point is in effect, or the output off [INV-08]."""
        self._lease = lease
        self.running: Command | None = None
        """The command in progress."""
        self.began = 0.0
        """When it began."""
        self.superseded = False
        """An off was ordered after it: its result does not count."""
        self.overdue = False
        """It is past its limit: its result comes too late."""
        self.lease_until = -math.inf
        """Until when the driver may keep the output on, by what was passed on."""
        self._wanted_until = -math.inf
        self._barred = False
        self._offs: list[Command] = []
        self._waiting: list[Command] = []
        self._set_point_since = 0.0  # of the one that waits
        self._lowering_since: float | None = None  # of the one in progress
        self._applied = _Reach()

    # --- commands ------------------------------------------------------------------------------------------

    @property
    def off_waits(self) -> bool:
        """An off is ordered and has not begun."""
        return bool(self._offs)

    def add(self, command: Command, now: float) -> None:
        """One more: an off goes first and drops what it contradicts, a set-point replaces one that waits."""
        if switches_off(command):
            self.withdraw()
            if command != self.running and command not in self._offs:
                self._offs.append(command)
        elif isinstance(command, SetOutput):
            before = self._waiting_set_point
            if before is None or not self._lowers(before):
                self._set_point_since = now
            self._waiting = [one for one in self._waiting if not isinstance(one, SetOutput)]
            self._waiting.append(command)
        else:
            self._waiting.append(command)

    def withdraw(self) -> None:
        """Nothing that energises is wanted any more."""
        self._waiting.clear()
        self._wanted_until = self.lease_until = -math.inf
        if self.running is not None and not switches_off(self.running):
            self.superseded = True

    def bar(self) -> None:
        """No energising command before an off: the session and the outlet do not agree about the output."""
        self.withdraw()
        self._barred = True

    def begin(self, now: float) -> Command | None:
        """The next command, in progress from now; None when there is none. Only while none is in progress."""
        if self._offs:
            command = self._offs.pop(0)
        elif self._waiting:
            command = self._waiting.pop(0)
        else:
            return None
        self.running, self.began = command, now
        self.superseded = self.overdue = False
        lowers = isinstance(command, SetOutput) and self._lowers(command)
        self._lowering_since = self._set_point_since if lowers else None
        return command

    def finish(self, *, good: bool = True) -> None:
        """The command in progress has returned, or was dropped before it was called: not `good`."""
        command, self.running = self.running, None
        if command is not None and switches_off(command):
            self._barred = False
        self.superseded = self.overdue = False
        self._lowering_since = None
        if isinstance(command, SetOutput):
            reach = _Reach.of(command)
            self._applied = reach if good else self._applied.joined(reach)
        elif good and not isinstance(command, CloseContactor):
            self._applied = _Reach()

    def may_begin(self, now: float) -> bool:
        """The command in progress may be called now: what energises needs a lease that runs [INV-31]."""
        return self.running is not None and (switches_off(self.running) or self.lease_until > now)

    # --- the lease -----------------------------------------------------------------------------------------

    def want(self, until: float) -> None:
        """The session wants the output until then, unless it renews."""
        self._wanted_until = until

    def lease_due(self, now: float) -> float | None:
        """Until when a lease must be passed on now; None when no new one may be passed on."""
        if self._barred or self.overdue or self._off_owed or self._lower_waits:
            return None
        until = self._wanted_until
        if self._lowering_since is not None:
            until = min(until, self._lowering_since + self._lease)
        return until if until > max(now, self.lease_until) else None

    def starved(self, now: float) -> bool:
        """The session wants the output, and the driver has no lease because a set-point came too late."""
        late = self._lower_waits or self._lowering_since is not None
        return late and not self._off_owed and self.lease_until <= now < self._wanted_until

    @property
    def withheld(self) -> bool:
        """The session wants the output for longer than the driver may have it."""
        return self._wanted_until > self.lease_until and not self._off_owed and not self.overdue

    @property
    def _off_owed(self) -> bool:
        return bool(self._offs) or (self.running is not None and switches_off(self.running))

    @property
    def _waiting_set_point(self) -> SetOutput | None:
        return next((one for one in self._waiting if isinstance(one, SetOutput)), None)

    @property
    def _lower_waits(self) -> bool:
        waiting = self._waiting_set_point
        return waiting is not None and self._lowers(waiting)

    def _lowers(self, command: SetOutput) -> bool:
        """It is below what the output may have at this moment."""
        present = self._applied
        if isinstance(self.running, SetOutput) and self.running != command:
            present = present.joined(_Reach.of(self.running))
        return _Reach.of(command).below(present)
