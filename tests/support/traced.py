"""Sessions that are recorded: at the bench, with a trace as a list of lines."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from secc.connection import Connection, Data, EndOfStream, Write
from secc.messages import iso2
from secc.messages.iso2 import V2GMessage
from secc.session.contract_events import ContractTerms
from secc.session.outlet import EvseSnapshot
from secc.settings import SeccConfig
from secc.sim.playback import Garage, play
from secc.sim.player import Recording, config_for
from secc.trace import Beginning, Recorder
from secc.v2gtp import frame
from tests.support.bench import DC, counting_bytes
from tests.support.recordings import dc_session


class Lines(list[str]):
    """A file that is a list."""

    def write(self, line: str) -> None:
        self.append(line)

    def save(self, path: pathlib.Path) -> pathlib.Path:
        path.write_text("".join(self), "utf-8")
        return path

    def change(self, number: int, **fields: Any) -> None:
        """Replace fields of a line, by its number in the file."""
        line = json.loads(self[number - 1])
        line.update(fields)
        self[number - 1] = json.dumps(line) + "\n"


def recorded(recording: Recording | None = None, config: SeccConfig | None = None) -> Lines:
    """A whole session, played and traced."""
    recording = recording or dc_session()
    config = config or config_for(recording, DC)
    lines = Lines()
    recorder = Recorder(lines.write, config, now=10.0, wall=1.7e9, note="a test")
    garage = Garage(counting_bytes())
    garage.connect = lambda beginning: recorder.begin(beginning, garage.random_bytes, peer="car")
    play(recording, config, garage)
    assert recorder.problem == ""
    return lines


def opened(
    config: SeccConfig, snapshot: EvseSnapshot, contracts: ContractTerms | None = None
) -> tuple[Lines, Connection]:
    """A traced connection to feed by hand."""
    lines = Lines()
    recorder = Recorder(lines.write, config, now=1000.0, wall=1.7e9)
    beginning = Beginning(
        snapshot=snapshot, now=1000.0, generation=1, tls=contracts is not None, contracts=contracts
    )
    return lines, recorder.begin(beginning, counting_bytes())


def ask(
    connection: Connection, payload: bytes, snapshot: EvseSnapshot, now: float
) -> iso2.BodyElement | None:
    """One payload; the body of the answer."""
    outputs = connection.handle(Data(frame(payload), snapshot), now)
    bodies = [o.message.body for o in outputs if isinstance(o, Write) and isinstance(o.message, V2GMessage)]
    return bodies[-1] if bodies else None


def hang_up(connection: Connection, now: float) -> None:
    connection.handle(EndOfStream(), now)
