"""A station's matching with its modem and EVs: time is a number, the power line is a list of frames."""

from __future__ import annotations

import os

from secc.settings import Deviation
from secc.settings.slac import SlacConfig
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, Frame, Message, decode, encode
from secc.slac.matching import Matching

EV = bytes.fromhex("0200000000e1")
EV_2 = bytes.fromhex("0200000000e2")
EVSE = bytes.fromhex("0200000000c1")
MODEM = bytes.fromhex("0200000000aa")
RUN = bytes.fromhex("0011223344556677")
RUN_2 = bytes.fromhex("7766554433221100")


class Bench:
    """The matching of a station with its modem; `sent` has the frames that no test has read yet."""

    def __init__(self, *, armed: bool = True, plugged: bool = True, **settings: object) -> None:
        self.now = 100.0
        self.sent: list[Message] = []
        self.told: list[e.Output] = []
        settings.setdefault("key_check", 0.0)
        self.matching = Matching(
            SlacConfig(**settings),  # type: ignore[arg-type]  # literal settings of the tests
            evse_mac=EVSE,
            random_bytes=os.urandom,
        )
        self.put(e.ModemOpened())
        if armed:
            self.hear(MODEM, EVSE, m.SetKeyCnf(1))
        if plugged:
            self.put(e.VehicleConnected())
        self.sent.clear()
        self.told.clear()

    def put(self, event: e.Input) -> None:
        for output in self.matching.handle(event, self.now):
            if isinstance(output, e.SendFrame):
                self.sent.append(decode(output.data, tuple(Deviation)).message)
            else:
                self.told.append(output)

    def hear(self, source: bytes, destination: bytes, message: Message) -> None:
        self.put(e.FrameReceived(encode(Frame(destination, source, message))))

    def wait(self, seconds: float) -> None:
        """Let the time pass, with a tick at every deadline."""
        end = self.now + seconds
        while (due := self.matching.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.put(e.SlacTick())
        self.now = end

    def take(self) -> list[Message]:
        sent, self.sent = self.sent, []
        return sent

    def all_told(self, kind: type) -> list[e.Output]:
        return [output for output in self.told if isinstance(output, kind)]

    # --- an EV ---

    def ask(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.hear(ev, BROADCAST, m.SlacParmReq(run))

    def start(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.wait(0.1)
        for _ in range(3):
            self.hear(ev, BROADCAST, m.StartAttenCharInd(run, ev))
            self.wait(0.02)

    def sound(self, count: int = 10, ev: bytes = EV, run: bytes = RUN, level: int = 20) -> None:
        for i in range(count):
            self.hear(ev, BROADCAST, m.MnbcSoundInd(run, max(0, 9 - i)))
            self.hear(MODEM, BROADCAST, m.AttenProfileInd(ev, bytes([level] * 58)))
            self.wait(0.02)

    def measure(self, ev: bytes = EV, run: bytes = RUN, count: int = 10) -> None:
        self.ask(ev, run)
        self.start(ev, run)
        self.sound(count, ev, run)

    def acknowledge(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.hear(ev, EVSE, m.AttenCharRsp(ev, run))

    def choose(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.hear(ev, EVSE, m.SlacMatchReq(ev, EVSE, run))

    def match(self) -> m.SlacMatchCnf:
        self.measure()
        self.acknowledge()
        self.take()
        self.choose()
        (answer,) = self.take()
        assert isinstance(answer, m.SlacMatchCnf)
        return answer

    def link(self) -> None:
        """Match with a modem that can be asked, up to the link; nothing of it is left to look at."""
        self.give_vendor()
        self.match()
        self.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
        self.take()
        self.told.clear()

    def give_vendor(self) -> None:
        self.hear(MODEM, EVSE, v.SoftwareVersionCnf(0, 0x20, b"MAC-QCA7000-1.2"))


def changed(destination: bytes, message: Message, at: int, value: int, source: bytes = EV) -> bytes:
    """The frame of a message with one byte changed; offsets as in the standard's tables, from the frame."""
    data = bytearray(encode(Frame(destination, source, message)))
    data[at] = value
    return bytes(data)


def measured() -> Bench:
    """An EV that has received its average."""
    bench = Bench()
    bench.measure()
    bench.take()
    return bench


def acknowledged() -> Bench:
    """An EV that may ask for the key."""
    bench = measured()
    bench.acknowledge()
    return bench


def unmoved(bench: Bench, data: bytes) -> bool:
    """Whether a frame leaves everything as it was, and is counted as something that was not accepted."""
    before = bench.matching.state, repr(bench.matching.runs), bench.matching.counts[e.FrameVerdict.ACCEPTED]
    bench.told.clear()
    bench.put(e.FrameReceived(data))
    after = bench.matching.state, repr(bench.matching.runs), bench.matching.counts[e.FrameVerdict.ACCEPTED]
    return before == after and not bench.take() and not bench.told
