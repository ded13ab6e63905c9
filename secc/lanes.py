"""The streams of one connection: frames that wait for their turn, and responses that are held back.

A connection of ISO 15118-20 carries up to three conversations (`secc.session.streams`). Each has a lane, so
that none waits for another: a response that is held back for the pace of its stream stops the frames of that
stream only. The main stream goes first whenever both have a frame to handle.

Bounds. A lane of a side stream holds `MAX_BESIDE` frames; `Lanes.surplus` takes off what is beyond, for the
caller to ignore and count. The main lane holds what has arrived; its caller ends the session beyond
`MAX_WAITING`.
"""

from __future__ import annotations

import collections
from typing import Generic, TypeVar

from secc.v2gtp import V2gtpFrame

MAX_WAITING = 8
"""Complete frames of the main stream that may wait while an answer is due (policy): it is lock-step."""

MAX_BESIDE = 2
"""The same for each side stream."""

W = TypeVar("W")


class Lane(Generic[W]):
    """One stream; `W` is a response, ready to be written."""

    __slots__ = ("held", "sent", "waiting")

    def __init__(self) -> None:
        self.waiting: collections.deque[V2gtpFrame] = collections.deque()
        """In the order of arrival."""
        self.held: tuple[float, W] | None = None
        """When a response leaves, and the response; None while there is none."""
        self.sent: float | None = None
        """When the last response left, or leaves, that the pace of the stream counts from."""

    @property
    def ready(self) -> bool:
        """A frame waits, and no response before it."""
        return bool(self.waiting) and self.held is None

    def due(self, now: float) -> W | None:
        """The response that leaves now; the lane is free then."""
        if self.held is None or now < self.held[0]:
            return None
        return self.release()

    def release(self) -> W | None:
        """The response that is held back, also before its time."""
        held, self.held = self.held, None
        return None if held is None else held[1]


class Lanes(Generic[W]):
    """The lanes of a connection by payload type; the main one first."""

    def __init__(self, beside: tuple[int, ...] = ()) -> None:
        """`beside`: payload types with a lane of their stream; all others share the main one."""
        self.main: Lane[W] = Lane()
        self._beside: dict[int, Lane[W]] = {payload_type: Lane() for payload_type in beside}
        self.all: tuple[Lane[W], ...] = (self.main, *self._beside.values())

    def of(self, payload_type: int | None) -> Lane[W]:
        """The lane of a payload type; None: the main one."""
        return self.main if payload_type is None else self._beside.get(payload_type, self.main)

    def add(self, frames: tuple[V2gtpFrame, ...]) -> None:
        """Frames that have arrived, in order."""
        for one in frames:
            self.of(one.payload_type).waiting.append(one)

    def next(self) -> V2gtpFrame | None:
        """The frame to handle now; None while each waits for a response before it."""
        for lane in self.all:
            if lane.ready:
                return lane.waiting.popleft()
        return None

    def surplus(self) -> V2gtpFrame | None:
        """A frame of a side stream beyond what may wait there, taken off: the one that came last."""
        for lane in self._beside.values():
            if len(lane.waiting) > MAX_BESIDE:
                return lane.waiting.pop()
        return None

    @property
    def deadline(self) -> float | None:
        """When the next response that is held back leaves."""
        held = [lane.held[0] for lane in self.all if lane.held is not None]
        return min(held) if held else None

    @property
    def empty(self) -> bool:
        """No frame waits."""
        return not any(lane.waiting for lane in self.all)

    def clear(self) -> None:
        """Nothing that waits is handled any more."""
        for lane in self.all:
            lane.waiting.clear()
