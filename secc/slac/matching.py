"""The EVSE side of SLAC as a pure machine: inputs and the time go in, frames and news come out.

    DOWN ── modem opened ──► KEYING ── CM_SET_KEY.CNF ──► UNMATCHED ◄──► MATCHING ── CM_SLAC_MATCH.REQ ──►
        JOINING ──► (AMPLITUDE_MAP) ──► MATCHED ◄──► PAUSED, RESUMING          every way out leads to KEYING

Everything heard on the power line may be forged. What holds all the same: nobody is told a key who has not
been measured here; the key goes to the address that was measured and to no other; each network has a key of
its own, made when the one before is left; everything that is remembered is bounded; control pilot A, E or F
ends everything at once. What may happen when stands in `secc.slac.table`.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from secc.errors import FramingError
from secc.settings.slac import LinkStatus, SlacConfig
from secc.slac.events import (
    FrameReceived,
    Input,
    LinkReady,
    ModemFound,
    Outcome,
    Output,
    RunReport,
    SendFrame,
    StateChanged,
    Tick,
    Verdict,
)
from secc.slac.frames import BROADCAST, Frame, Message, decode, encode
from secc.slac.keys import NetworkKey
from secc.slac.messages import AmpMapReq
from secc.slac.runs import Pending, RateLimit, Run
from secc.slac.states import LISTENING, State, Timer
from secc.slac.table import EXPIRY, TABLE
from secc.slac.vendor import Vendor


class Matching:
    """One connector's matching; `handle` never raises for what comes from the power line."""

    def __init__(self, config: SlacConfig, *, evse_mac: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """`evse_mac`: address of the own interface. `random_bytes`: a cryptographic source, for keys."""
        self.config = config
        self.evse_mac = evse_mac
        self.state = State.DOWN
        self.now = 0.0
        self.connected = False
        self.expecting = False
        self.waiting_for_request = False
        self.pilot_ready = False
        self.modem = ModemFound(b"")
        self.runs: dict[bytes, Run] = {}
        self.pending = Pending()
        self.rate = RateLimit()
        self.winner: Run | None = None
        self.key_given = False
        self.key_tries = 0
        self.silences = 0
        self.negatives = 0
        self.key_result: int | None = None
        """Result byte with which the modem confirmed the key in use."""
        self.answers_link = self.link_unwatched = False
        """Whether the modem has ever answered the question for its link; that it does not was reported."""
        self.amp_map_tries = 0
        self.amp_maps = 0
        self.map_asked: AmpMapReq | None = None
        self.map_applied = False
        self.asleep = False
        self._random_bytes = random_bytes
        self._key = NetworkKey.fresh(random_bytes)
        self._timers: dict[Timer, float] = {}
        self._outputs: list[Output] = []
        self._counts: Counter[Verdict] = Counter()

    # --- for the shell -------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When to call `handle(Tick(), now)` at the latest; None while nothing is due."""
        due = [*self._timers.values(), *(run.deadline for run in self.runs.values())]
        return min(due, default=None)

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """Frames by what became of them."""
        return self._counts

    def handle(self, event: Input, now: float) -> tuple[Output, ...]:
        """One input; `now` is monotonic seconds."""
        self.now = now
        self._outputs = []
        before = self.state
        self._expire()
        match event:
            case Tick():
                pass
            case FrameReceived():
                self._frame(event.data)
            case _:
                self._dispatch(type(event), event)
        if self.state in LISTENING:
            self.state = State.MATCHING if self.runs else State.UNMATCHED
        if self.state is not before:
            self.emit(StateChanged(self.state))
        return tuple(self._outputs)

    def _expire(self) -> None:
        for timer in [timer for timer, due in self._timers.items() if due <= self.now]:
            if timer in self._timers:  # an earlier one may have stopped it
                del self._timers[timer]
                self._dispatch(timer, timer)
        for run in [run for run in self.runs.values() if run.deadline <= self.now]:
            if self.runs.get(run.ev_mac) is run:
                EXPIRY[run.state](self, run)

    def _frame(self, data: bytes) -> None:
        destination, source = data[:6], data[6:12]
        if destination not in (self.evse_mac, BROADCAST):
            self._counts[Verdict.NOT_FOR_US] += 1
        elif len(source) < 6 or source[0] & 1 or source in (bytes(6), self.evse_mac):
            self._counts[Verdict.BAD_SOURCE] += 1
        else:
            try:
                frame = decode(data, self.config.tolerate)
            except FramingError:
                self._counts[Verdict.MALFORMED] += 1
                return
            before = self._counts.total()
            if not self._dispatch(type(frame.message), frame):
                self._counts[Verdict.NO_RULE] += 1
            elif self._counts.total() == before:
                self._counts[Verdict.ACCEPTED] += 1

    def _dispatch(self, key: type | Timer, argument: object) -> bool:
        row = TABLE.get((self.state, key))
        if row is None:
            return False
        state = row.handler(self, argument)
        if state not in row.next:
            raise RuntimeError(f"{self.state} on {key}: {state} is not in the table")
        self.state = state
        return True

    # --- for the handlers ----------------------------------------------------------------------------------

    @property
    def key(self) -> NetworkKey:
        """The key of the logical network as it is now. Never logged [INV-25]."""
        return self._key

    @property
    def vendor(self) -> Vendor | None:
        """Whose messages the own modem understands."""
        return self.modem.vendor

    @property
    def asks_link(self) -> bool:
        """The modem may know the question for its link."""
        return self.vendor is not None and self.config.link_status is not LinkStatus.OFF

    def renew_key(self) -> None:
        """A new one for the next network."""
        self._key = NetworkKey.fresh(self._random_bytes)
        self.key_given = False
        self.amp_maps = 0
        self.map_asked = None

    def emit(self, output: Output) -> None:
        """Add to what `handle` returns."""
        self._outputs.append(output)

    def send(self, destination: bytes, message: Message) -> bytes:
        """Send a message; returns the frame, for repetitions."""
        data = encode(Frame(destination, self.evse_mac, message))
        self.send_again(data)
        return data

    def send_again(self, data: bytes) -> None:
        """Send a frame as it was."""
        self.emit(SendFrame(data))

    def start_timer(self, timer: Timer, seconds: float) -> None:
        """Start it, also anew."""
        self._timers[timer] = self.now + seconds

    def stop_timers(self, *timers: Timer) -> None:
        """Those that run."""
        for timer in timers:
            self._timers.pop(timer, None)

    def ignore(self, verdict: Verdict) -> State:
        """Count it; nothing has happened."""
        self._counts[verdict] += 1
        return self.state

    def is_modem(self, address: bytes) -> bool:
        """Whether a frame from this address can be of the own modem; true while none is known."""
        return self.modem.mac in (b"", address) and self._configured_modem in (b"", address)

    def learn_modem(self, address: bytes) -> bool:
        """It confirmed our key, so it is ours; False when settings or an earlier answer disagree."""
        if not self.is_modem(address):
            return False
        if self.modem.mac != address:
            self.modem = ModemFound(address)
            self.emit(self.modem)
        return True

    @property
    def _configured_modem(self) -> bytes:
        return bytes.fromhex(self.config.modem_mac.replace(":", ""))

    def drop(self, run: Run, outcome: Outcome) -> None:
        """The run is over."""
        del self.runs[run.ev_mac]
        self._report(run, outcome)

    def forget_runs(self) -> None:
        """All of them, and the winner."""
        for run in list(self.runs.values()):
            self.drop(run, Outcome.CANCELLED)
        self.pending.clear()
        self.winner = None

    def win(self, run: Run) -> None:
        """This EV has the key; the others are done."""
        self.drop(run, Outcome.MATCHED)
        for other in list(self.runs.values()):
            self.drop(other, Outcome.OTHER_MATCHED)
        self.pending.clear()
        self.winner = run
        self.key_given = True

    def link_ready(self) -> State:
        """D-LINK_READY; from now on the link is watched."""
        winner = self.winner
        assert winner is not None
        self.emit(LinkReady(winner.ev_mac, winner.run_id, self._key.nid))
        self.silences = self.negatives = 0
        if self.asks_link:
            self.start_timer(Timer.LINK_POLL, _FIRST_POLL)
        return State.MATCHED

    def _report(self, run: Run, outcome: Outcome) -> None:
        self.emit(
            RunReport(
                ev_mac=run.ev_mac,
                run_id=run.run_id,
                outcome=outcome,
                sounds=run.sounds,
                profiles=len(run.profiles),
                profile=run.profile,
                duration=self.now - run.began,
                sounding=None if run.sounded is None else run.sounded - run.began,
                toggles=run.toggles,
            )
        )


_FIRST_POLL = 1.0
