"""Stored data about EVs: recent requests, and runs of the EVs that are being measured.

Both tables are bounded. A request occupies one of 256 entries for 400 ms. A run starts with the first
CM_START_ATTEN_CHAR.IND of an EV that has sent a request; there is one run per EV address. A run without a
measurement costs the sender two frames, so 128 of them fit, and the oldest one is replaced. A run with
measurements costs it a sound: eight of them fit, and a newcomer replaces the one with the most attenuation if
its own sounds are louder. The EV at this outlet is the loudest one, so a flood cannot keep it out.
"""

import dataclasses
import zlib
from collections import OrderedDict

from secc.slac import timing
from secc.slac.messages import SlacMatchReq
from secc.slac.states import RunState

MAX_HEARD = 8  # runs with measurements; the standard requires five, C_EVSE_match_parallel
MAX_RUNS = 128  # in all: those that the rate limit admits in the time `UNHEARD`, and `MAX_HEARD`
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
    edges: tuple[tuple[float, bool], ...] = ()
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

    def holds(self, ev_mac: bytes, run_id: bytes, now: float) -> bool:
        """Return whether this request was answered within TT_match_sequence."""
        asked = self._asked.get((ev_mac, run_id))
        return asked is not None and now <= asked + timing.TT_MATCH_SEQUENCE

    def take(self, ev_mac: bytes, run_id: bytes, now: float) -> bool:
        """As `holds`; the entry is removed."""
        fresh = self.holds(ev_mac, run_id, now)
        self._asked.pop((ev_mac, run_id), None)
        return fresh

    def clear(self) -> None:
        """Remove all entries."""
        self._asked.clear()


class RateLimit:
    """Token buckets per EV and for the interface. Addresses can be forged, so only the latest are kept.

    An address that repeats its request, as a real EV does, takes its token from a second bucket: a flood from
    invented addresses does not empty it.
    """

    def __init__(self) -> None:
        self._firsts = _Bucket(_FIRST_RATE)
        self._repeats = _Bucket(_REPEAT_RATE)
        self._evs: OrderedDict[bytes, _Bucket] = OrderedDict()
        self._seen = _RecentAddresses()

    def admit(self, ev_mac: bytes, now: float) -> bool:
        """Return whether to answer this EV now."""
        ev = self._evs.pop(ev_mac, None) or _Bucket(_EV_RATE)
        self._evs[ev_mac] = ev
        if len(self._evs) > MAX_PENDING:
            self._evs.popitem(last=False)
        if not ev.take(now):
            return False
        repeated = self._seen.add(ev_mac, now)
        return self._firsts.take(now) or (repeated and self._repeats.take(now))


class _Bucket:
    """Tokens for one second, filled at a constant rate."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float) -> None:
        self._rate = self._tokens = rate
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self._tokens = min(self._rate, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class _RecentAddresses:
    """Whether an address was seen in the last half second to second: one bit for each, in fixed memory.

    Two addresses may share a bit; then one of them counts as repeated.
    """

    def __init__(self) -> None:
        self._now, self._before = bytearray(_BITS // 8), bytearray(_BITS // 8)
        self._turn = 0.0

    def add(self, address: bytes, now: float) -> bool:
        """Store the address; return whether it was there."""
        if now >= self._turn:
            stale = now >= self._turn + _GENERATION
            self._before = bytearray(_BITS // 8) if stale else self._now
            self._now, self._turn = bytearray(_BITS // 8), now + _GENERATION
        at, bit = divmod(zlib.crc32(address) % _BITS, 8)
        seen = (self._now[at] | self._before[at]) >> bit & 1
        self._now[at] |= 1 << bit
        return bool(seen)


_BITS = 1 << 15
_GENERATION = 0.5  # s
_EV_RATE = 10.0  # per second; a real EV sends three requests in 600 ms
_FIRST_RATE = 300.0  # per second: an entry of `Pending` still outlives its 400 ms
_REPEAT_RATE = 200.0
