"""A recorded car at the pure core, in virtual time: hours take seconds, and every deadline is kept.

`Garage` is what outlives a session at one outlet: the paused session, the latch, the ids in use. Play the
sessions of one plug-in at the same garage.
"""

import dataclasses
from collections.abc import Callable

import msgspec

from secc.connection import Beginning, Connection, ConnectionInput, ConnectionOutput, Data, EndOfStream, Write
from secc.messages import din, iso2
from secc.messages.app_protocol import SupportedAppProtocolRes
from secc.messages.iso2 import EVSEProcessing, V2GMessage
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    StopRequested,
    Tick,
)
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import (
    Authorize,
    CloseContactor,
    EndReason,
    EndSession,
    Notice,
    NoticeKind,
    OpenContactor,
    SetOutput,
    StartCableCheck,
)
from secc.session.pause import PauseMemory
from secc.session.ticket import Ticket
from secc.settings.config import SeccConfig
from secc.sim.player import CarExchange, Cue, Ids, Recording, body_of, cues, voltage_readings
from secc.v2gtp import frame

__all__ = ["Garage", "PlaybackOutcome", "code_of", "play"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackOutcome:
    """How our station and the recorded car got along."""

    sent: int
    """Requests of the car that were handed in."""
    accepted: int
    """Of these, answered with an OK code."""
    total: int
    """Requests in the recording."""
    joined: bool
    """It continued a paused session."""
    end: EndReason | None
    """None: still waiting for the car when the recording was over."""
    detail: str
    leniencies: tuple[str, ...]
    """Which of `CompatConfig` were needed, in the words of the notices."""
    differences: tuple[str, ...]
    """Where our response code is another than the recorded one."""
    energised_after_end: bool
    """True would be a defect: the last command to the outlet was not to switch off."""

    @property
    def complete(self) -> bool:
        """Every message of the car was accepted."""
        return self.accepted == self.total


class Garage:
    """One outlet, for the sessions of a car that stays plugged in."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.random_bytes = random_bytes
        self.ids = Ids()
        self.pauses = PauseMemory(86_400.0)
        self.generation = 0
        self.connect: Callable[[Beginning], Connection] | None = None
        """Makes the cores in place of the plain ones: a recorder, for example."""

    def begin(self, config: SeccConfig, snapshot: EvseSnapshot, now: float) -> Connection:
        """The core for the next session."""
        self.generation += 1
        beginning = Beginning(
            snapshot=snapshot, now=now, generation=self.generation, paused=self.pauses.paused(now)
        )
        if self.connect is not None:
            return self.connect(beginning)
        return Connection(beginning.session(config, self.random_bytes))


def play(recording: Recording, config: SeccConfig, garage: Garage) -> PlaybackOutcome:
    """All messages of the car, then the end of the stream if the station has not hung up before."""
    playback = _Playback(recording, config, garage)
    for exchange, cue in zip(recording.exchanges, cues(recording), strict=True):
        playback.exchange(exchange, cue)
    outcome = playback.outcome()
    playback.hang_up()
    return dataclasses.replace(outcome, energised_after_end=playback.energised)


@dataclasses.dataclass(slots=True)
class _Count:
    sent: int = 0
    accepted: int = 0
    differences: list[str] = dataclasses.field(default_factory=list)
    leniencies: list[str] = dataclasses.field(default_factory=list)


class _Playback:
    def __init__(self, recording: Recording, config: SeccConfig, garage: Garage) -> None:
        self._recording = recording
        self._garage = garage
        self._now = recording.exchanges[0].at if recording.exchanges else 0.0
        self._shift = 0.0  # our answers may need another round than the recorded ones
        self._evse = EvseSnapshot(control_pilot=ControlPilot.B, utc=1.7e9 + self._now)
        self._connection = garage.begin(config, self._evse, self._now)
        self._tickets: dict[type[object], Ticket] = {}
        self._readings = voltage_readings(recording)
        self._answers: list[msgspec.Struct] = []
        self._end: EndSession | None = None
        self._count = _Count()
        self.energised = False

    def exchange(self, exchange: CarExchange, cue: Cue) -> None:
        """One request of the car at its time, and again while we ask it to repeat and the other did not."""
        if self._connection.closed:
            return
        self._count.sent += 1
        answer = self._last if self._ahead(exchange) else self._ask(exchange, cue)
        repeats = 0
        # An unanswered request says nothing about the recorded station.
        finished = exchange.answer is not None and not _ongoing(exchange.answer)
        while _ongoing(answer) and finished and repeats < _REPEATS:
            self._shift += _ROUND
            repeats += 1
            answer = self._ask(exchange, cue)
        if (code_of(answer) or "").startswith("OK"):
            self._count.accepted += 1
        self._compare(exchange, answer)

    @property
    def _last(self) -> msgspec.Struct | None:
        return self._answers[-1] if self._answers else None

    def _ahead(self, exchange: CarExchange) -> bool:
        """We finished earlier than the recorded station: the car would not have asked again."""
        request, last = body_of(exchange.request), body_of(self._last)
        pairs = din.PAIRS if type(request) in din.PAIRS else iso2.PAIRS
        repeated = request is not None and type(last) is pairs.get(type(request))
        return repeated and getattr(last, "evse_processing", "") == EVSEProcessing.FINISHED.value

    def _ask(self, exchange: CarExchange, cue: Cue) -> msgspec.Struct | None:
        self._until(exchange.at + self._shift)
        self._act(cue)
        known = len(self._answers)
        payload = self._garage.ids.rewritten(exchange.payload)
        self._handle(Data(frame(payload), self._evse))
        self._move_pilot(cue)
        self._close_contactor(exchange)
        while len(self._answers) == known and (due := self._connection.deadline) is not None:
            self._until(due)  # held back for the pace, or waiting for the pilot or the voltage
            self._read_voltage()
        answer = self._answers[-1] if len(self._answers) > known else None
        if answer is not None:
            self._garage.ids.learn(exchange.answer, answer)
        return answer

    def hang_up(self) -> None:
        self._handle(EndOfStream())
        if self._end is not None:
            self._garage.pauses.session_ended(self._end, self._now)

    def outcome(self) -> PlaybackOutcome:
        end, count = self._end, self._count
        return PlaybackOutcome(
            sent=count.sent,
            accepted=count.accepted,
            total=len(self._recording.exchanges),
            joined=any(code_of(answer) == "OK_OldSessionJoined" for answer in self._answers),
            end=None if end is None else end.reason,
            detail="" if end is None else end.detail,
            leniencies=tuple(dict.fromkeys(count.leniencies)),
            differences=tuple(count.differences),
            energised_after_end=False,
        )

    # --- the world ---

    def _act(self, cue: Cue) -> None:
        evse = self._evse
        self._evse = msgspec.structs.replace(
            evse,
            present_voltage=evse.present_voltage if cue.voltage is None else cue.voltage,
            present_current=evse.present_current if cue.current is None else cue.current,
        )
        if cue.pilot is ControlPilot.B:
            self._show(ControlPilot.B)
        if cue.authorised and Authorize in self._tickets:
            self._handle(AuthorizationDecided(self._tickets.pop(Authorize), granted=True))
        if cue.isolation_tested and StartCableCheck in self._tickets:
            self._handle(CableCheckReported(self._tickets.pop(StartCableCheck), IsolationLevel.VALID))
        if cue.stop_ordered:
            self._handle(StopRequested("ordered in the recording"))

    def _move_pilot(self, cue: Cue) -> None:
        """The car shows C a moment after it has asked for energy."""
        if cue.pilot is ControlPilot.C and self._evse.control_pilot is not ControlPilot.C:
            self._until(self._now + _SWITCH)
            self._show(ControlPilot.C)

    def _read_voltage(self) -> None:
        """While an answer is owed the reading moves on, as the recorded station had it in later answers."""
        past = [volts for at, volts in self._readings if at + self._shift <= self._now]
        if past:
            self._evse = msgspec.structs.replace(self._evse, present_voltage=past[-1])

    def _show(self, pilot: ControlPilot) -> None:
        self._evse = msgspec.structs.replace(self._evse, control_pilot=pilot)
        self._handle(Tick(self._evse))

    def _close_contactor(self, exchange: CarExchange) -> None:
        """As long as the recorded station took to answer, but no longer than a contactor may take."""
        ticket = self._tickets.pop(CloseContactor, None)
        if ticket is None:
            return
        answered_at = exchange.at if exchange.answered_at is None else exchange.answered_at
        self._until(min(answered_at + self._shift, self._now + _CONTACTOR))
        self._evse = msgspec.structs.replace(self._evse, contactor_closed=True)
        self._handle(ContactorReported(ticket, closed=True))

    # --- time and the core ---

    def _until(self, time: float) -> None:
        """Time passes, with a tick at each deadline."""
        while (due := self._connection.deadline) is not None and due <= time:
            self._now = max(self._now, due)
            self._handle(Tick(self._evse))
        self._now = max(self._now, time)
        self._evse = msgspec.structs.replace(self._evse, utc=1.7e9 + self._now)

    def _handle(self, event: ConnectionInput) -> None:
        for output in self._connection.handle(event, self._now):
            self._perform(output)

    def _perform(self, output: ConnectionOutput) -> None:
        match output:
            case Write(message=message):
                self._answers.append(message)
            case Authorize(ticket) | StartCableCheck(ticket) | CloseContactor(ticket):
                self._tickets[type(output)] = ticket
                self.energised = self.energised or not isinstance(output, Authorize)
            case SetOutput(voltage, current):
                self.energised = voltage != 0.0 or current != 0.0
                if not self.energised:
                    self._evse = msgspec.structs.replace(self._evse, present_voltage=0.0, present_current=0.0)
            case OpenContactor():
                self.energised = False
                self._evse = msgspec.structs.replace(self._evse, contactor_closed=False)
            case Notice(kind=NoticeKind.LENIENT, text=text):
                self._count.leniencies.append(text)
            case EndSession():
                self._end = output
            case _:
                pass

    def _compare(self, exchange: CarExchange, answer: msgspec.Struct | None) -> None:
        ours, recorded = code_of(answer), code_of(exchange.answer)
        if ours != recorded and recorded is not None:
            name = type(body_of(exchange.request) or exchange.request).__name__
            self._count.differences.append(f"{name}: {ours or 'no answer'} here, {recorded} there")


_REPEATS = 600
_ROUND = 0.25  # s between two tries of an EV that must repeat a request
_SWITCH = 0.05  # s from a request to pilot state C
_CONTACTOR = 2.9  # s, within what is allowed


def code_of(message: msgspec.Struct | None) -> str | None:
    """The response code as its literal."""
    holder = message.body if isinstance(message, V2GMessage | din.V2GMessage) else message
    if isinstance(holder, SupportedAppProtocolRes):
        return holder.response_code.value
    code = getattr(holder, "response_code", None)
    return None if code is None else str(code.value)


def _ongoing(message: msgspec.Struct | None) -> bool:
    processing = getattr(body_of(message), "evse_processing", None)
    return processing is not None and processing != EVSEProcessing.FINISHED.value
