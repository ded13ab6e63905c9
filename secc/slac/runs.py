"""What the station remembers of EVs: those that have just asked, and those that are being measured.

Both tables are bounded, whatever is heard. Asking costs an entry of 400 ms among 256. A run exists from the
first CM_START_ATTEN_CHAR.IND of an EV that has asked, one per EV address, eight in all; when all are taken,
one that has been sounding for a while without a single measurement gives way, and nobody else does.
"""

import dataclasses
from collections import OrderedDict

from secc.slac import timing
from secc.slac.messages import SlacMatchReq
from secc.slac.states import RunState

MAX_RUNS = 8  # the standard asks for five at the same time, C_EVSE_match_parallel
MAX_PENDING = 256
UNHEARD = 0.25  # an honest EV has had its first sound measured by then


@dataclasses.dataclass(slots=True)
class Run:
    """One EV from its first CM_START_ATTEN_CHAR.IND on."""

    ev_mac: bytes
    run_id: bytes
    began: float
    deadline: float
    expected: int = timing.C_EV_MATCH_MNBC
    state: RunState = RunState.SOUNDING
    profiles: list[bytes] = dataclasses.field(default_factory=list)
    surplus: int = 0
    """Measurements that came for sounds nobody heard."""
    sounds: int = 0
    retries: int = 0
    profile: bytes = b""
    """The average, once it is told."""
    sounded: float | None = None
    window: float = 0.0
    """When the counting of toggles began."""
    edges: list[tuple[float, bool]] = dataclasses.field(default_factory=list)
    toggles: int | None = None
    request: SlacMatchReq | None = None
    answer: bytes = b""

    @property
    def validating(self) -> bool:
        """A validation is going on."""
        return self.state in (RunState.WAIT_STEP_2, RunState.COUNTING)


class Pending:
    """EVs that were answered and may begin their sounding."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, ev_mac: bytes, run_id: bytes, now: float) -> None:
        """It was answered now; the oldest one is forgotten when there are too many."""
        self._asked.pop((ev_mac, run_id), None)
        self._asked[ev_mac, run_id] = now
        while len(self._asked) > MAX_PENDING:
            self._asked.popitem(last=False)

    def take(self, ev_mac: bytes, run_id: bytes, now: float) -> bool:
        """Whether it was answered within TT_match_sequence; the entry is used up."""
        asked = self._asked.pop((ev_mac, run_id), None)
        return asked is not None and now <= asked + timing.TT_MATCH_SEQUENCE

    def clear(self) -> None:
        """Forget all of them."""
        self._asked.clear()


class RateLimit:
    """Token buckets: per EV and for the interface. Addresses can be invented, so only the latest are kept."""

    def __init__(self) -> None:
        self._interface = (float(_INTERFACE_RATE), 0.0)
        self._evs: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def admit(self, ev_mac: bytes, now: float) -> bool:
        """Whether this EV may be answered now."""
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


_EV_RATE = 10.0  # per second; an honest EV asks three times in 600 ms
_INTERFACE_RATE = 500.0  # per second: an entry of `Pending` still outlives its 400 ms
