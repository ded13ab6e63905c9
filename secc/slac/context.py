"""State of the matching and the operations of its handlers: keys, timers, runs of EVs, frames, outputs.

`secc.slac.matching.Matching` adds the dispatch of inputs, which the handlers do not see.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable

from secc.settings.slac import LinkStatus, SlacConfig
from secc.slac.events import FrameVerdict, LinkReady, ModemFound, Outcome, Output, RunReport, SendFrame
from secc.slac.fitness import Shortcoming
from secc.slac.frames import Frame, Message, encode
from secc.slac.keys import NetworkKey
from secc.slac.messages import AmpMapReq
from secc.slac.runs import Pending, RateLimit, Run
from secc.slac.states import SlacState, SlacTimer
from secc.slac.vendor import Vendor


@dataclasses.dataclass(slots=True)
class ModemHistory:
    """What the station has noticed about its modem."""

    shortcomings: tuple[Shortcoming, ...] = ()
    """Reported so far."""
    parameters_asked: bool = False
    answers_key: bool | None = None
    """Whether the modem answers CM_GET_KEY.REQ; None: not known yet."""
    impostor: bytes = b""
    """Another address that has confirmed a key."""
    failures: int = 0
    """Matches in a row that failed at the modem or the link."""
    last_reset: float | None = None


class MatchingContext:
    """State of the matching of one connector."""

    def __init__(self, config: SlacConfig, *, evse_mac: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """`evse_mac`: address of the interface. `random_bytes`: a cryptographic source, for keys."""
        self.config = config
        self.evse_mac = evse_mac
        self.state = SlacState.DOWN
        self.now = 0.0
        self.connected = False
        self.expecting = False
        self.waiting_for_request = False
        self.fallback_after: float | None = None
        """Seconds without a run after which the outlet falls back to basic charging."""
        self.link_used = False
        """Whether the EV has a connection over the link."""
        self.link_carried = False
        """Whether it has had one over this link."""
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
        self.history = ModemHistory()
        self.answers_link = self.link_unwatched = False
        """Whether the modem has ever answered a link status request, and whether silence was reported."""
        self.amp_map_tries = 0
        self.amp_maps = 0
        self.map_asked: AmpMapReq | None = None
        self.map_applied = False
        self.asleep = False
        self._random_bytes = random_bytes
        self._key = NetworkKey.fresh(random_bytes)
        self.timers: dict[SlacTimer, float] = {}
        self.outputs: list[Output] = []
        self.verdicts: Counter[FrameVerdict] = Counter()

    @property
    def key(self) -> NetworkKey:
        """The current key of the logical network. Never logged [INV-25]."""
        return self._key

    @property
    def vendor(self) -> Vendor | None:
        """Maker whose messages the station's modem understands."""
        return self.modem.vendor

    @property
    def asks_link(self) -> bool:
        """Whether the modem is asked for its link status."""
        return self.vendor is not None and self.config.link_status is not LinkStatus.OFF

    def renew_key(self) -> None:
        """Make a new key for the next network."""
        self._key = NetworkKey.fresh(self._random_bytes)
        self.key_given = False
        self.amp_maps = 0
        self.map_asked = None

    def emit(self, output: Output) -> None:
        """Add an output of the current `handle` call."""
        self.outputs.append(output)

    def send(self, destination: bytes, message: Message) -> bytes:
        """Send a message and return the frame, for repetitions."""
        data = encode(Frame(destination, self.evse_mac, message))
        self.send_again(data)
        return data

    def send_again(self, data: bytes) -> None:
        """Send the same frame again."""
        self.emit(SendFrame(data))

    def start_timer(self, timer: SlacTimer, seconds: float) -> None:
        """Start or restart a timer."""
        self.timers[timer] = self.now + seconds

    def stop_timers(self, *timers: SlacTimer) -> None:
        """Stop these timers; timers that do not run are ignored."""
        for timer in timers:
            self.timers.pop(timer, None)

    def await_request(self) -> None:
        """Start TT_EVSE_SLAC_init, or the time until basic charging."""
        limit = self.config.slac_init if self.fallback_after is None else self.fallback_after
        self.start_timer(SlacTimer.SLAC_INIT, limit)

    def ignore(self, verdict: FrameVerdict) -> SlacState:
        """Count the verdict and keep the state."""
        self.verdicts[verdict] += 1
        return self.state

    def is_modem(self, address: bytes) -> bool:
        """Whether this address can be that of the station's modem; true while no modem is known."""
        return self.modem.mac in (b"", address) and self._configured_modem in (b"", address)

    def learn_modem(self, address: bytes) -> bool:
        """Store the address of the modem that confirmed the key; False if another one is set or known."""
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
        """End a run and report it."""
        del self.runs[run.ev_mac]
        self._report(run, outcome)

    def forget_runs(self) -> None:
        """End all runs and forget the matched EV."""
        for run in list(self.runs.values()):
            self.drop(run, Outcome.CANCELLED)
        self.pending.clear()
        self.winner = None

    def win(self, run: Run) -> None:
        """End all runs: this EV receives the key."""
        self.drop(run, Outcome.MATCHED)
        for other in list(self.runs.values()):
            self.drop(other, Outcome.OTHER_MATCHED)
        self.pending.clear()
        self.winner = run
        self.link_carried = False
        self.key_given = True

    def link_ready(self) -> SlacState:
        """Report D-LINK_READY and start watching the link."""
        winner = self.winner
        assert winner is not None
        self.emit(LinkReady(winner.ev_mac, winner.run_id, self._key.nid))
        self.silences = self.negatives = 0
        if self.asks_link:
            self.start_timer(SlacTimer.LINK_POLL, _FIRST_POLL)
        return SlacState.MATCHED

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
