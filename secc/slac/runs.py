"""Stored data about EVs: recent requests, and runs of the EVs that are being measured.

Both tables are bounded. A request occupies one of 256 entries for 400 ms. A run starts with the first
CM_START_ATTEN_CHAR.IND of an EV that has sent a request; there is one run per EV address and eight in all.
When all eight are in use, a new run replaces only a run that has been sounding without any measurement.
"""

import dataclasses
from collections import OrderedDict

from secc.slac import timing
from secc.slac.messages import SlacMatchReq
from secc.slac.states import RunState

MAX_RUNS = 8  # the standard requires five at the same time, C_EVSE_match_parallel
MAX_PENDING = 256
UNHEARD = 0.25  # s; the first sound of a real EV has been measured by then


@dataclasses.dataclass(slots=True)
class Run:
    """The run of one EV, from its first CM_START_ATTEN_CHAR.IND."""

    ev_mac: bytes
    run_id: bytes
    began: float
    deadline: float
    expected: int = timing.C_EV_MATCH_MNBC
    state: RunState = RunState.SOUNDING
    profiles: list[bytes] = dataclasses.field(default_factory=list)
    surplus: int = 0
    """Measurements without a received sound."""
    sounds: int = 0
    retries: int = 0
    profile: bytes = b""
    """The average, once it has been sent."""
    sounded: float | None = None
    window: float = 0.0
    """Start of the window in which toggles are counted."""
    edges: list[tuple[float, bool]] = dataclasses.field(default_factory=list)
    toggles: int | None = None
    request: SlacMatchReq | None = None
    answer: bytes = b""

    @property
    def validating(self) -> bool:
        """Whether a validation is in progress."""
        return self.state in (RunState.WAIT_STEP_2, RunState.COUNTING)


class Pending:
    """EVs that received CM_SLAC_PARM.CNF and may start sounding."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, ev_mac: bytes, run_id: bytes, now: float) -> None:
        """Store an answered request; the oldest entry is dropped when the table is full."""
        self._asked.pop((ev_mac, run_id), None)
        self._asked[ev_mac, run_id] = now
        while len(self._asked) > MAX_PENDING:
            self._asked.popitem(last=False)

    def take(self, ev_mac: bytes, run_id: bytes, now: float) -> bool:
        """Remove the entry; return whether it was answered within TT_match_sequence."""
        asked = self._asked.pop((ev_mac, run_id), None)
        return asked is not None and now <= asked + timing.TT_MATCH_SEQUENCE

    def clear(self) -> None:
        """Remove all entries."""
        self._asked.clear()


class RateLimit:
    """Token buckets per EV and for the interface. Addresses can be forged, so only the latest are kept."""

    def __init__(self) -> None:
        self._interface = (float(_INTERFACE_RATE), 0.0)
        self._evs: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def admit(self, ev_mac: bytes, now: float) -> bool:
        """Return whether to answer this EV now."""
        tokens, at = self._evs.pop(ev_mac, (_EV_RATE, now))
        tokens = min(_EV_RATE, tokens + (now - at) * _EV_RATE)
        may = tokens >= 1.0
        self._evs[ev_mac] = (tokens - may, now)
        if len(self._evs) > MAX_PENDING:
            self._evs.popitem(last=False)
        if not may:
            return False
        tokens, at = self._interface
        tokens = min(_INTERFACE_RATE, tokens + max(0.0, now - at) * _INTERFACE_RATE)
        may = tokens >= 1.0
        self._interface = (tokens - may, now)
        return may


_EV_RATE = 10.0  # per second; a real EV sends three requests in 600 ms
_INTERFACE_RATE = 500.0  # per second: an entry of `Pending` still outlives its 400 ms
