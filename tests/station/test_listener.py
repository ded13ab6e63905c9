"""The listening socket."""

import errno
import socket

import pytest

from secc.errors import LinkError
from secc.station import listener as listener_module
from secc.station.interface import LinkLocal
from secc.station.listener import Listener
from tests.support.wire import LOOPBACK, Car, eventually

LO = LinkLocal("lo", LOOPBACK, 0)


async def test_it_takes_a_free_port_of_the_announced_range_and_hands_over_connections() -> None:
    accepted: list[tuple[socket.socket, str]] = []
    listener = Listener(LO, lambda connected, address: accepted.append((connected, address)))
    assert 49152 <= listener.port <= 65535
    car = await Car.connect(listener.port)
    await eventually(lambda: len(accepted) == 1)
    assert accepted[0][1] == "::1"
    assert accepted[0][0].gettimeout() == 0.0
    accepted[0][0].close()
    car.close()
    listener.close()


async def test_two_listeners_have_different_ports() -> None:
    first = Listener(LO, lambda *_: None)
    second = Listener(LO, lambda *_: None)
    assert first.port != second.port
    first.close()
    second.close()


async def test_a_port_that_is_taken_is_an_error_with_its_reason() -> None:
    first = Listener(LO, lambda *_: None)
    with pytest.raises(LinkError, match=r"TCP on \[::1\] of lo: Address already in use"):
        Listener(LO, lambda *_: None, port=first.port)
    first.close()


async def test_running_out_of_descriptors_is_no_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "_RETRY", 0.02)

    class Exhausted(socket.socket):
        attempts = 0

        def accept(self) -> tuple[socket.socket, object]:
            Exhausted.attempts += 1
            if Exhausted.attempts <= 2:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr(socket, "socket", Exhausted)

    accepted: list[socket.socket] = []
    listener = Listener(LO, lambda connected, _address: accepted.append(connected))
    monkeypatch.undo()
    car = await Car.connect(listener.port)
    await eventually(lambda: len(accepted) == 1)
    assert Exhausted.attempts <= 4
    accepted[0].close()
    car.close()
    listener.close()
