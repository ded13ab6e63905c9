"""What a frame costs: `python -m tools.bench.slac`. Ratios are what matters, see docs/explanation/slac.md.

Reading each frame of one match, the machine under a flood of invented EVs, and the same frames read by scapy
where `make oracles` has put it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from secc.settings.slac import SlacConfig
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, decode, encode
from secc.slac.matching import Matching

EV = bytes.fromhex("0200000000e1")
EVSE = bytes.fromhex("0200000000c1")
RUN = bytes.fromhex("0011223344556677")
FRAMES = [
    encode(frame)
    for frame in (
        Frame(BROADCAST, EV, m.SlacParmReq(RUN)),
        Frame(BROADCAST, EV, m.StartAttenCharInd(RUN, EV)),
        Frame(BROADCAST, EV, m.MnbcSoundInd(RUN, 9)),
        Frame(BROADCAST, EVSE, m.AttenProfileInd(EV, bytes(58))),
        Frame(EVSE, EV, m.AttenCharRsp(EV, RUN)),
        Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN)),
    )
]
SCAPY = Path(__file__).resolve().parents[2] / ".venv-pyslac/bin/python"
BY_SCAPY = """
import sys, time
from scapy.contrib import homeplugav, homepluggp
from scapy.layers.l2 import Ether
frames = [bytes.fromhex(text) for text in sys.argv[1:]]
def once():
    begun = time.perf_counter()
    for data in frames:
        Ether(data)
    return time.perf_counter() - begun
print(min(once() for _ in range(30)) / len(frames))
"""


def best(act: Callable[[Sequence[bytes]], object], frames: Sequence[bytes]) -> float:
    """Seconds per frame, the best of many runs."""
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        act(frames)
        times.append(time.perf_counter() - begun)
    return min(times) / len(frames)


def flooded() -> float:
    """Seconds per request of an invented EV, answer included where there is one."""
    matching = Matching(SlacConfig(), evse_mac=EVSE, random_bytes=bytes)
    matching.handle(e.ModemOpened(), 0.0)
    matching.handle(e.FrameReceived(encode(Frame(EVSE, EV, m.SetKeyCnf(1)))), 0.0)
    matching.handle(e.VehicleConnected(), 0.0)
    requests = [
        encode(Frame(BROADCAST, b"\x06" + i.to_bytes(5, "big"), m.SlacParmReq(RUN))) for i in range(500)
    ]
    now = 0.0

    def flood(frames: Sequence[bytes]) -> None:
        nonlocal now
        for data in frames:
            now += 0.001
            matching.handle(e.FrameReceived(data), now)

    return best(flood, requests)


def main() -> None:
    """Print the figures."""
    reading = best(lambda frames: [decode(data) for data in frames], FRAMES)
    print(f"reading a frame      {reading * 1e6:8.1f} us   1")
    print(f"a flood's request    {(machine := flooded()) * 1e6:8.1f} us   {machine / reading:.1f}")
    if SCAPY.exists():
        command = [str(SCAPY), "-c", BY_SCAPY, *[data.hex() for data in FRAMES]]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs = float(done.stdout)
        print(f"reading it by scapy  {theirs * 1e6:8.1f} us   {theirs / reading:.0f}")


if __name__ == "__main__":
    main()
