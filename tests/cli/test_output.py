"""Printing inside of a loop never waits for the reader; outside it does, and the order stays."""

import asyncio
import io
import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest

from secc import exi
from secc.cli import output
from secc.messages.iso2 import AuthorizationRes, EVSEProcessing, V2GMessage
from secc.station import outflow
from secc.station.journal import records
from tests.support import requests
from tests.support.serving import serving
from tests.support.wire import AC_SETUP, Car, to_session


class Pipe:
    """Standard output of a program whose reader decides when to read."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.stream = os.fdopen(writer, "w", encoding="utf-8")

    def read(self) -> str:
        """To the end, which must have come."""
        self.stream.close()
        with os.fdopen(self.reader, encoding="utf-8") as file:
            return file.read()


def test_lines_from_inside_and_outside_of_a_loop_keep_their_order() -> None:
    stream = io.StringIO()
    out = output.of(stream)

    async def inside() -> None:
        for number in range(100):
            out.line(f"inside {number}")

    out.line("before")
    asyncio.run(inside())
    out.line("after")
    assert stream.getvalue().splitlines() == ["before", *(f"inside {n}" for n in range(100)), "after"]
    assert output.of(stream) is out


@pytest.mark.threat("TPT-13")
def test_a_reader_that_stalls_does_not_hold_up_the_loop_and_finds_how_much_is_missing() -> None:
    pipe = Pipe()
    out = output.of(pipe.stream)
    lines = 3 * output.LIMIT // 1000

    async def inside() -> None:
        for number in range(lines):  # three times what fits, and nothing is read
            out.line(f"{number:06} " + "x" * 992)

    asyncio.run(inside())
    dropped, waiting = out.dropped, out.waiting
    assert dropped > lines // 2
    assert out.problem == "the queue is full"
    text = b""
    while b"\n%06d " % (waiting - 1) not in text:  # until all that waited has been read
        text += os.read(pipe.reader, 65536)

    async def afterwards() -> None:
        out.line("again")

    asyncio.run(afterwards())
    out.finish(None)
    rest = pipe.read().splitlines()
    missing = f"   {dropped} lines are missing here: the reader of this output is too slow"
    assert rest[-2:] == [missing, "again"]
    assert out.dropped == dropped


def test_a_reader_that_goes_away_is_no_problem() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    out = output.of(pipe.stream)
    out.line("nobody")
    out.line("nobody")
    out.finish(None)
    assert out.problem == ""
    pipe.stream.close()


def test_what_the_encoding_of_a_stream_cannot_say_is_escaped() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="ascii") as stream:
        output.of(stream).line("Stra\u00dfe")
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"Stra\\xdfe\n"


def test_the_end_of_a_command_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outflow, "_STUCK", set())
    pipe = Pipe()
    out = output.of(pipe.stream)

    async def inside() -> None:
        out.line("x" * 200_000)  # more than a pipe holds

    asyncio.run(inside())
    output.finish(0.01)
    assert outflow.stuck()
    os.close(pipe.reader)  # the thread ends
    pipe.stream.close()


async def authorized(car: Car) -> bool:
    """One AuthorizationReq; whether the answer is final."""
    await car.send(car.encode(requests.authorization()))
    payload = await car.next_payload()
    assert payload is not None
    message = exi.ISO2.decode(payload)
    assert isinstance(message, V2GMessage)
    assert isinstance(message.body, AuthorizationRes)
    return message.body.evse_processing is EVSEProcessing.FINISHED


LOOPS = 1500
"""Of a charge loop: some 200 KiB of lines, and a pipe holds 64."""


@pytest.mark.threat("LIF-02", "TPT-13")
@pytest.mark.parametrize("form", ["--json", "--sim=ac"], ids=["json", "text"])
def test_a_station_whose_output_stalls_serves_on_reports_it_and_ends(tmp_path: Path, form: str) -> None:
    """Standard error goes into the same pipe, so that a log record cannot get out either."""

    async def charge(port: int) -> None:
        car = await Car.connect(port)
        await to_session(car)
        for body in AC_SETUP[:2]:
            assert await car.ask(body) == "OK"
        while not await authorized(car):
            pass
        assert await car.ask(AC_SETUP[-1]) == "OK"
        assert await car.ask(requests.start()) == "OK"
        for _ in range(LOOPS):
            assert await car.ask(requests.charging_status()) == "OK"
        assert await car.ask(requests.stop()) == "OK"
        assert await car.ask(requests.session_stop()) == "OK"
        car.close()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        health = probe.getsockname()[1]
    journal = tmp_path / "journal"
    options = ("--sim", "ac", form, "--journal", str(journal), "--health", str(health))
    with serving(*options) as (process, port):
        asyncio.run(charge(port))
        with urllib.request.urlopen(f"http://127.0.0.1:{health}/health", timeout=10) as answer:
            found = json.loads(answer.read())
        assert found["serving"] is True
        (mine,) = (one for one in found["reports"] if one["name"] == "output")
        assert mine["waiting"] > 100
        process.terminate()
        assert process.wait(30) == 0
    kinds = [one["record"] for one in records(journal / "journal.jsonl")]
    assert (kinds[0], kinds.count("end"), kinds[-1]) == ("begin", 1, "end")
