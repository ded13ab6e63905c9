"""SLAC under a coverage-guided fuzzer: ``python tools/fuzz/slac.py [folder]``.

Needs the extra ``fuzz`` (atheris). An input is a list of steps for a matching: a byte says what happens,
further bytes say details or are a frame. Frames that can be read are written again, to the same bytes; the
matching never raises, keeps its bounds, gives its key to nobody whose average was not acknowledged, and never
waits for a time that is over.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["secc.slac"]):
    from secc.errors import FramingError
    from secc.settings.slac import SlacConfig, Validation
    from secc.slac import events as e
    from secc.slac import messages as m
    from secc.slac import vendor as v
    from secc.slac.frames import BROADCAST, Deviation, Frame, decode, encode
    from secc.slac.get_key import GetKeyCnf
    from secc.slac.matching import Matching
    from secc.slac.parameters import ModuleReadCnf
    from secc.slac.runs import MAX_PENDING, MAX_RUNS

EVSE = bytes.fromhex("0200000000c1")
MODEM = bytes.fromhex("0200000000aa")
EVS = (bytes.fromhex("0200000000e1"), bytes.fromhex("0200000000e2"))
RUN = bytes.fromhex("0011223344556677")
EVENTS: tuple[e.Input, ...] = (
    e.ModemOpened(),
    e.ModemLost(),
    e.VehicleConnected(),
    e.VehicleGone(),
    e.PilotMoved(True),
    e.PilotMoved(False),
    e.LeaveLink("D-LINK_ERROR", failed=True),
    e.LinkUsed(True),
    e.LinkUsed(False),
    e.PauseLink(),
    e.ResumeLink(),
)
CONFIG = SlacConfig(
    validation=Validation.ON,
    amplitude_map=True,
    apply_amplitude_map=True,
    sleep_on_pause=True,
    reset_after=1,
    key_check=5.0,
    tolerate=tuple(Deviation),
)


def good(ev: bytes) -> tuple[Frame, ...]:
    """What an honest EV and its modem say."""
    return (
        Frame(BROADCAST, ev, m.SlacParmReq(RUN)),
        Frame(BROADCAST, ev, m.StartAttenCharInd(RUN, ev)),
        Frame(BROADCAST, ev, m.MnbcSoundInd(RUN, 1)),
        Frame(BROADCAST, MODEM, m.AttenProfileInd(ev, bytes(58))),
        Frame(EVSE, ev, m.AttenCharRsp(ev, RUN)),
        Frame(EVSE, ev, m.ValidateReq(0, 0, 1)),
        Frame(EVSE, ev, m.ValidateReq(0, 5, 1)),
        Frame(EVSE, ev, m.SlacMatchReq(ev, EVSE, RUN)),
        Frame(EVSE, ev, m.AmpMapReq(4, b"\x11\x11")),
        Frame(EVSE, ev, m.AmpMapCnf(0)),
        Frame(EVSE, MODEM, m.AmpMapCnf(0)),
        Frame(EVSE, MODEM, m.SetKeyCnf(1)),
        Frame(EVSE, MODEM, v.LinkStatusCnf(0, 1)),
        Frame(EVSE, MODEM, v.LinkStatusCnf(0, 0)),
        Frame(EVSE, MODEM, v.SoftwareVersionCnf(0, 0x20, b"x")),
        Frame(EVSE, MODEM, GetKeyCnf(1, bytes(7), bytes(16))),
        Frame(EVSE, MODEM, ModuleReadCnf(0, 0x1650, bytes((0, 0, 0, 1)))),
    )


GOOD = [encode(frame) for ev in EVS for frame in good(ev)]


class Bench:
    """A matching and its invariants."""

    def __init__(self) -> None:
        self.now = 1.0
        self.drawn = 0
        self.acknowledged: set[bytes] = set()
        self.matching = Matching(CONFIG, evse_mac=EVSE, random_bytes=self._random)
        self.put(e.ModemOpened())

    def _random(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count, "big")

    def hear(self, data: bytes) -> None:
        """A frame of the line."""
        try:
            frame = decode(data, tuple(Deviation))
        except FramingError:
            pass
        else:
            assert encode(frame) == data
            if isinstance(frame.message, m.AttenCharRsp):
                self.acknowledged.add(frame.source)
        self.put(e.FrameReceived(data))

    def put(self, event: e.Input) -> None:
        """Anything."""
        for output in self.matching.handle(event, self.now):
            if isinstance(output, e.SendFrame):
                message = decode(output.data, tuple(Deviation)).message
                if isinstance(message, m.SlacMatchCnf):
                    assert message.pev_mac in self.acknowledged
                    assert self.matching.connected
        assert len(self.matching.runs) <= MAX_RUNS
        assert len(self.matching.pending) <= MAX_PENDING

    def wait(self, seconds: float) -> None:
        """With a tick at every deadline."""
        end = self.now + seconds
        while (due := self.matching.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.put(e.SlacTick())
            assert self.matching.deadline is None or self.matching.deadline >= due
        self.now = end


def one(data: bytes) -> None:
    """One input."""
    bench, at = Bench(), 0
    while at < len(data):
        kind, at = data[at], at + 1
        if kind < 0x80:
            bench.hear(GOOD[kind % len(GOOD)])
        elif kind < 0xA0:
            bench.put(EVENTS[kind % len(EVENTS)])
        elif kind < 0xC0:
            bench.wait((0.0, 0.05, 0.3, 0.7, 11.0, 60.0)[kind % 6])
        elif kind < 0xE0 and at + 3 <= len(data):  # a good frame with one byte changed
            frame = bytearray(GOOD[data[at] % len(GOOD)])
            frame[data[at + 1] % len(frame)] = data[at + 2]
            at += 3
            bench.hear(bytes(frame))
        else:  # the bytes themselves
            bench.hear(EVSE + EVS[0] + b"\x88\xe1" + data[at : at + 2 * (kind & 0x1F)])
            at += 2 * (kind & 0x1F)


def seed(folder: Path) -> None:
    """The way of an honest EV from the modem's key to a link that is paused and resumed."""
    connected, pause, resume, gone, short_wait = 0x80, 0x85, 0x86, 0x81, 0xA3
    way = [11, 14, connected, 0, 1, *[2, 3] * 10, 4, 7, 12, short_wait, 9, 8, 10]
    way += [pause, resume, 11, 12, gone]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "honest").write_bytes(bytes(way))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if not argument.startswith("-"):
            seed(Path(argument))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
