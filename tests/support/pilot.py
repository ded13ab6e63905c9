"""The sequence of the control pilot with its inputs: time is a number."""

from __future__ import annotations

from secc import pilot as p
from secc.pilot import Drive, PilotSequence
from secc.session.outlet import ControlPilot
from secc.settings.slac import SlacConfig
from secc.settings.soc import SocConfig


class PilotBench:
    """A sequence; `told` contains its commands since the last reading."""

    def __init__(self, *, dc: bool = False, plugged: bool = True, **settings: object) -> None:
        """`settings` of SLAC; `soc` among them goes to the sequence."""
        self.now = 100.0
        self.told: list[p.Output] = []
        soc = settings.pop("soc", None)
        assert soc is None or isinstance(soc, SocConfig)
        config = SlacConfig(**settings)  # type: ignore[arg-type]  # literal settings of the tests
        self.sequence = PilotSequence(config, dc=dc, max_current=32.0, soc=soc)
        if plugged:
            self.see(ControlPilot.B)
            self.put(p.MatchingChanged(ready=True))
            self.told.clear()

    def put(self, event: p.Input) -> None:
        self.told += self.sequence.handle(event, self.now)

    def see(self, pilot: ControlPilot) -> None:
        self.put(p.PilotSeen(pilot))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.sequence.deadline) is not None and due <= end:
            self.now = due
            self.put(p.PilotTick())
        self.now = end

    def take(self) -> list[p.Output]:
        told, self.told = self.told, []
        return told

    def shown(self) -> list[str]:
        signals = [output.signal for output in self.take() if isinstance(output, p.Show)]
        return [s.drive.value if s.drive is not Drive.PWM else f"{s.duty * 100:.0f} %" for s in signals]

    def connect(self) -> None:
        self.put(p.MatchingChanged(ready=True, running=True))
        self.put(p.LinkUp())
        self.take()
