"""The EVSE side of SLAC as a pure machine: inputs and the time go in, frames and reports come out.

    DOWN ── modem opened ──► KEYING ── CM_SET_KEY.CNF ──► UNMATCHED ◄──► MATCHING ── CM_SLAC_MATCH.REQ ──►
        JOINING ──► (AMPLITUDE_MAP) ──► MATCHED ◄──► PAUSED, RESUMING          every way out leads to KEYING

Every frame from the power line may be forged. These rules always hold: only an EV that this station has
measured receives a key; the key goes to the measured address only; each network has a new key, made when the
previous network is left; all stored data is bounded; control pilot A, E or F ends all runs at once.
`secc.slac.table` lists what is permitted in which state.
"""

from collections.abc import Mapping

from secc.errors import FramingError
from secc.slac.context import MatchingContext
from secc.slac.events import FrameReceived, FrameVerdict, Input, Output, SlacTick, StateChanged
from secc.slac.frames import BROADCAST, decode
from secc.slac.states import LISTENING, SlacState, SlacTimer
from secc.slac.table import EXPIRY, TABLE

__all__ = ["Matching"]


class Matching(MatchingContext):
    """The matching of one connector. `handle` never raises because of a frame from the power line."""

    @property
    def deadline(self) -> float | None:
        """When to call `handle(Tick(), now)` at the latest; None while nothing is due."""
        due = [*self.timers.values(), *[run.deadline for run in self.runs.values()]]
        return min(due, default=None)

    @property
    def counts(self) -> Mapping[FrameVerdict, int]:
        """Number of frames for each verdict."""
        return self.verdicts

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """Process one input and return the outputs; `now` is monotonic seconds."""
        self.now = now
        self.outputs = []
        before = self.state
        self._expire()
        match event:
            case SlacTick():
                pass
            case FrameReceived():
                self._frame(event.data)
            case _:
                self._dispatch(type(event), event)
        if self.state in LISTENING:
            self.state = SlacState.MATCHING if self.runs else SlacState.UNMATCHED
        if self.state is not before:
            self.emit(StateChanged(self.state))
        return tuple(self.outputs)

    def _expire(self) -> None:
        for timer in [timer for timer, due in self.timers.items() if due <= self.now]:
            if timer in self.timers:  # an earlier expiry may have stopped it
                del self.timers[timer]
                self._dispatch(timer, timer)
        for run in [run for run in self.runs.values() if run.deadline <= self.now]:
            if self.runs.get(run.ev_mac) is run:
                EXPIRY[run.state](self, run)

    def _frame(self, data: bytes) -> None:
        destination, source = data[:6], data[6:12]
        if destination not in (self.evse_mac, BROADCAST):
            self.verdicts[FrameVerdict.NOT_FOR_US] += 1
        elif len(source) < 6 or source[0] & 1 or source in (bytes(6), self.evse_mac):
            self.verdicts[FrameVerdict.BAD_SOURCE] += 1
        else:
            try:
                frame = decode(data, self.config.tolerate)
            except FramingError:
                self.verdicts[FrameVerdict.MALFORMED] += 1
                return
            before = self.verdicts.total()
            if not self._dispatch(type(frame.message), frame):
                self.verdicts[FrameVerdict.NO_RULE] += 1
            elif self.verdicts.total() == before:
                self.verdicts[FrameVerdict.ACCEPTED] += 1

    def _dispatch(self, key: type | SlacTimer, argument: object) -> bool:
        row = TABLE.get((self.state, key))
        if row is None:
            return False
        state = row.handler(self, argument)
        if state not in row.next:
            raise RuntimeError(f"{self.state} on {key}: {state} is not in the table")
        self.state = state
        return True
