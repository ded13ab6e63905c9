"""`secc trace --live`: show what passes on an interface as it happens."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from secc.cli import display, misused
from secc.station.interface import require_interface
from secc.trace import TraceError
from secc.trace.tls_records import read_keys

if TYPE_CHECKING:
    from secc.trace.live import LiveChart

_ETHERNET = 1
_ALL = 0x0003  # ETH_P_ALL
_LOOPBACK = 772  # ARPHRD_LOOPBACK: each packet is seen twice
_DELAY = 0.3
"""Seconds by which packets wait for their keys, which the other process writes meanwhile."""
_REFRESH = 2.0
"""Seconds between two versions of the page."""


def run(arguments: argparse.Namespace) -> int:
    """Listen until SIGINT; raises TraceError, OSError."""
    try:
        from secc.trace.live import LiveChart
        from secc.trace.pcapng import PcapngWriter
    except ImportError as error:
        raise TraceError("packets are read by dpkt: pip install secc[capture]") from error
    require_interface(arguments.live)
    keys = KeyLog(arguments.keys)
    chart = LiveChart(keys)
    style = display.Style()
    try:
        listener = _listener(arguments.live)
    except PermissionError:
        return misused(f"{arguments.live}: listening needs CAP_NET_RAW: run it with sudo")
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        writer = None
        if arguments.pcapng is not None:
            writer = PcapngWriter(stack.enter_context(arguments.pcapng.open("xb", buffering=0)).write)
        view = _View(chart, style, arguments)
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # also where a shell has started it with & and no SIGINT
            signal.signal(number, signal.default_int_handler)
        style.line(f"listening on {arguments.live}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            for at, data in _packets(listener, view):
                if writer is not None:
                    writer.secrets(keys.text())
                    writer.packet(at, data)
                view.take(at, data)
        view.finish()
    return 0


class KeyLog(Mapping[bytes, Mapping[str, bytes]]):
    """A key log that another process writes: read again when a key is not in it yet."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._text = ""
        self._keys: dict[bytes, dict[str, bytes]] = {}

    def text(self) -> str:
        """The lines that the file has now; empty without a file."""
        with contextlib.suppress(OSError):
            if self._path is not None:
                found = os.stat(self._path)
                if self._read != (found.st_mtime_ns, found.st_size):
                    self._read = found.st_mtime_ns, found.st_size
                    self._text = self._path.read_text("utf-8", errors="replace")
                    self._keys = read_keys(self._text)
        return self._text

    def __getitem__(self, random: bytes) -> Mapping[str, bytes]:
        self.text()
        return self._keys[random]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _View:
    """The terminal and the page."""

    def __init__(self, chart: LiveChart, style: display.Style, arguments: argparse.Namespace) -> None:
        self._chart = chart
        self._style = style
        self._html: Path | None = arguments.html
        self._interface: str = arguments.live
        self._drawn = 0.0

    def take(self, at: float, data: bytes) -> None:
        before = self._chart.status
        for line in self._chart.take(at, _ETHERNET, data):
            self._style.line(line)
        if self._style.live and self._chart.status != before:
            self._style.replace(self._style.dim(self._chart.status))

    def idle(self, now: float) -> None:
        if self._html is not None and now - self._drawn >= _REFRESH:
            self._drawn = now
            self.draw()

    def draw(self) -> None:
        from secc.trace.live import page

        assert self._html is not None
        new = self._html.with_name(self._html.name + ".new")
        new.write_text(page(self._chart, interface=self._interface, refresh=int(_REFRESH)), "utf-8")
        new.replace(self._html)

    def finish(self) -> None:
        if self._html is not None:
            self.draw()
        self._style.line("")


def _listener(interface: str) -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    listener.bind((interface, _ALL))
    listener.settimeout(0.1)
    return listener


def _packets(listener: socket.socket, view: _View) -> Iterator[tuple[float, bytes]]:
    """Packets with their times, each `_DELAY` after it came."""
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        with contextlib.suppress(TimeoutError):
            data, (_, _, kind, hardware, _) = listener.recvfrom(65536)
            if not (hardware == _LOOPBACK and kind == socket.PACKET_OUTGOING):
                waiting.append((time.time(), data))
        while waiting and waiting[0][0] + _DELAY <= time.time():
            yield waiting.popleft()
        view.idle(time.time())
