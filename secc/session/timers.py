"""The timers of a session: what runs until when, and what has run out."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from secc.session.states import Timer
from secc.settings.timing import TimingConfig

__all__ = ["Timers"]


class Timers(msgspec.Struct):
    """One deadline per timer, in monotonic seconds. A timer that has run out is remembered until it is
    started or stopped."""

    timing: TimingConfig
    due: dict[Timer, float] = msgspec.field(default_factory=dict)
    """When each running timer runs out."""
    expired: set[Timer] = msgspec.field(default_factory=set)

    def start(self, timer: Timer, now: float, seconds: float | None = None) -> None:
        """Run the timer from `now` on, for so many seconds or for its usual time."""
        self.expired.discard(timer)
        self.due[timer] = now + (getattr(self.timing, timer._value_) if seconds is None else seconds)

    def start_once(self, timer: Timer, now: float, seconds: float | None = None) -> None:
        """Start the timer unless it runs or has run out: repeats do not restart a budget [V2G2-712]."""
        if timer not in self.due and timer not in self.expired:
            self.start(timer, now, seconds)

    def stop(self, timer: Timer) -> None:
        """Stop the timer, and forget that it has run out."""
        self.due.pop(timer, None)
        self.expired.discard(timer)

    def clear(self) -> None:
        """Stop all timers; what has run out stays known."""
        self.due.clear()

    def bring_forward(self, timer: Timer, to: float) -> None:
        """Let a running timer run out at `to` at the latest."""
        self.due[timer] = min(self.due[timer], to)

    @property
    def deadline(self) -> float | None:
        """When the next timer runs out; None while none runs."""
        return min(self.due.values(), default=None)

    def take(self, now: float, waiting: Container[Timer]) -> Timer | None:
        """The earliest timer that is due and not among `waiting`; it counts as run out from now on."""
        if min(self.due.values(), default=now + 1.0) > now:
            return None
        due = [
            (at, timer.value, timer) for timer, at in self.due.items() if at <= now and timer not in waiting
        ]
        if not due:
            return None
        timer = min(due)[2]
        del self.due[timer]
        self.expired.add(timer)
        return timer
