"""Runs the core again over a trace and compares each output with the recorded one [INV-35]."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from typing import Any

from secc.connection import Connection
from secc.session.states import Stage
from secc.settings.config import SeccConfig
from secc.trace.form import TraceError, plain_output
from secc.trace.reader import Step, Trace, TracedSession, connection_of

__all__ = ["Difference", "Taken", "replay", "rerun"]


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the core does something else than was recorded."""

    session: int
    line: int
    """In the file."""
    at: float
    state: Stage
    """In which the core took the input."""
    event: str
    """Name of the input."""
    recorded: tuple[dict[str, Any], ...]
    now: tuple[dict[str, Any], ...]
    problem: str = ""
    """What else is wrong: an exception, other random bytes wanted."""

    def __str__(self) -> str:
        lines = [f"line {self.line}, session {self.session}, {self.event} while it {self.state.value}:"]
        if self.problem:
            lines.append(f"  {self.problem}")
        for recorded, now in itertools.zip_longest(self.recorded, self.now):
            if recorded != now:
                lines.append(f"  recorded: {json.dumps(recorded) if recorded is not None else 'nothing'}")
                lines.append(f"  now:      {json.dumps(now) if now is not None else 'nothing'}")
                break
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A step that was run again."""

    step: Step
    before: Stage
    after: Stage
    outputs: tuple[dict[str, Any], ...]
    problem: str
    connection: Connection

    @property
    def same(self) -> bool:
        """Nothing differs; a recorded exception must occur again."""
        return self.outputs == self.step.outputs and self.problem == self.step.raised


def replay(trace: Trace, config: SeccConfig | None = None) -> Difference | None:
    """The first difference; None when all is as it was. `config` in place of the recorded one: what would
    have been?"""
    for session in trace.sessions:
        for taken in rerun(session, config or trace.config):
            if not taken.same:
                step = taken.step
                return Difference(
                    session.number,
                    step.line,
                    step.at,
                    taken.before,
                    type(step.event).__name__,
                    step.outputs,
                    taken.outputs,
                    taken.problem if taken.problem != step.raised else "",
                )
    return None


def rerun(session: TracedSession, config: SeccConfig) -> Iterator[Taken]:
    """Each step of a session, by the core of today. Goes on after a difference, as far as that has sense."""
    drawn = iter([*session.random, *(data for step in session.steps for data in step.random)])
    connection = connection_of(session, config, drawn)
    for step in session.steps:
        before = connection.session.state
        outputs: tuple[dict[str, Any], ...] = ()
        problem = ""
        try:
            made = connection.handle(step.event, step.at)
            outputs = tuple(json.loads(json.dumps(plain_output(output))) for output in made)
        except TraceError as error:
            problem = str(error)
        except Exception as error:  # a defect of the core is a result here
            problem = f"{type(error).__name__}: {error}"
        yield Taken(step, before, connection.session.state, outputs, problem, connection)
