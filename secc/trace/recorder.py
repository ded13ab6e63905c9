"""Writes a trace while a station runs: one line for each input of a core, with the outputs it gave.

The lines are JSON. The first one says who wrote it and with which configuration; then each session has a line
for its beginning and one for each input. Random bytes stand with the step that drew them, so that a replay
draws the same. What is in a trace is as private as the sessions are: contracts and session ids of cars.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable, Collection, Iterable

import msgspec

from secc.connection import Beginning, Connection, ConnectionInput, ConnectionOutput, RandomBytes
from secc.session.machine import Session
from secc.settings.config import SeccConfig
from secc.slac.frames import redacted
from secc.trace.form import plain, plain_config, plain_input, plain_output

__all__ = ["Beginning", "FORMAT", "RandomBytes", "Recorder"]

FORMAT = 1
"""Of the lines; another number is another form."""


class Recorder:
    """Makes connections that write down what they do.

    A line that the writer does not take ends the recording of that session, as a trace with a hole cannot be
    replayed; the next session is recorded again. A line that cannot be written ends the whole recording.
    Neither ever ends a session.
    """

    def __init__(
        self, write: Callable[[str], object], config: SeccConfig, *, now: float, wall: float, note: str = ""
    ) -> None:
        """`write` takes one line with its end and returns at once; False: it has not taken the line.

        `now` is monotonic, `wall` Unix seconds of the same moment.
        """
        self.name = "trace"
        """For health and metrics."""
        self.problem = ""
        """Reason why nothing is written any more; empty without a problem."""
        self.waiting = 0
        """Lines in memory: those of the writer are its own to count."""
        self.dropped = 0
        """Lines of sessions after their first one that was not taken; that one is the writer's to count."""
        self._cut: int | None = None  # the session whose recording has ended early
        self._write = write
        self._config = config
        self._line(
            {
                "trace": FORMAT,
                "secc": importlib.metadata.version("secc"),
                "python": platform.python_version(),
                "now": now,
                "wall": wall,
                "note": note,
                "config": plain_config(config),
            }
        )

    def begin(self, beginning: Beginning, random_bytes: RandomBytes, *, peer: str = "") -> Connection:
        """A connection with its session, recorded from now on."""
        tap = _Tap(random_bytes)
        session = beginning.session(self._config, tap)
        drawn = tap.taken()
        begun = msgspec.structs.replace(beginning, recent_ids=_those(drawn, beginning.recent_ids))
        self._cut = None
        self._of(
            beginning.generation,
            {
                "session": beginning.generation,
                "at": beginning.now,
                "peer": peer,
                "begin": plain(begun),
                "random": [data.hex() for data in drawn],
            },
        )
        return _Recorded(self, session, tap, beginning)

    def power_line(self, now: float, *, data: bytes = b"", sent: bool = False, done: str = "") -> None:
        """A frame of the matching, or what was done about the pilot or the link. Network keys are blanked."""
        line: dict[str, object] = {"power_line": now}
        line |= {"sent" if sent else "heard": redacted(data).hex()} if data else {}
        line |= {"done": done} if done else {}
        self._line(line)

    def step(
        self,
        session: int,
        now: float,
        event: ConnectionInput,
        outputs: Iterable[ConnectionOutput],
        drawn: Iterable[bytes],
        raised: str,
    ) -> None:
        """One input and what came of it."""
        line: dict[str, object] = {"session": session, "at": now, "in": plain_input(event)}
        line["out"] = [plain_output(output) for output in outputs]
        random = [data.hex() for data in drawn]
        line |= {"random": random} if random else {}
        line |= {"raised": raised} if raised else {}
        self._of(session, line)

    def _of(self, session: int, content: dict[str, object]) -> None:
        if session == self._cut:
            self.dropped += 1
        elif not self._line(content):
            self._cut = session

    def _line(self, content: dict[str, object]) -> bool:
        """Whether it has been taken."""
        if self.problem:
            return False
        try:
            line = json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
            return self._write(line) is not False
        except (OSError, ValueError) as error:
            self.problem = f"{type(error).__name__}: {error}"
            return False


def _those(drawn: Iterable[bytes], recent: Collection[bytes]) -> tuple[bytes, ...]:
    """Of a thousand recent ids only those matter that were drawn again."""
    return tuple(data for data in drawn if data in recent)


class _Tap:
    """Random bytes, remembered until they have been written down."""

    def __init__(self, source: RandomBytes) -> None:
        self._source = source
        self._drawn: list[bytes] = []

    def __call__(self, size: int) -> bytes:
        data = self._source(size)
        self._drawn.append(data)
        return data

    def taken(self) -> list[bytes]:
        drawn, self._drawn = self._drawn, []
        return drawn


class _Recorded(Connection):
    """A connection that writes down each step."""

    def __init__(self, recorder: Recorder, session: Session, tap: _Tap, beginning: Beginning) -> None:
        super().__init__(session, max_payload=beginning.max_payload)
        self._recorder = recorder
        self._number = beginning.generation
        self._tap = tap

    def handle(self, event: ConnectionInput, now: float) -> tuple[ConnectionOutput, ...]:
        outputs: tuple[ConnectionOutput, ...] = ()
        raised = ""
        try:
            outputs = super().handle(event, now)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._recorder.step(self._number, now, event, outputs, self._tap.taken(), raised)
        return outputs
