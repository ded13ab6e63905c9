"""`secc csms` as a process, and its remote control."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from secc.cli import main
from tests.ocpp.support import STATION, eim_config, station


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, the URL for stations, and the control port."""
    command = [sys.executable, "-m", "secc", "csms", "--port", str(free_port())]
    command += ["--control-port", str(free_port()), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        found = re.search(
            r"connect to (ws://\S+), commands to http://127.0.0.1:(\d+)", process.stdout.readline()
        )
        assert found is not None
        yield process, found[1], found[2]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_it_takes_stations_prints_what_comes_and_sends_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with running("--accept", "CARD") as (process, url, port):

        def ask(*words: str) -> int:
            return main(["csms", "--control-port", port, "ask", *words])

        async def run() -> None:
            async with station(eim_config(url)) as one:
                await one.online()
                assert await asyncio.to_thread(ask, "stations") == 0
                assert json.loads(capsys.readouterr().out) == [STATION]
                assert await asyncio.to_thread(ask, STATION, "GetLocalListVersion") == 0
                assert json.loads(capsys.readouterr().out) == {"versionNumber": 0}
                assert await asyncio.to_thread(ask, STATION, "Reset", '{"type": "Sideways"}') == 1
                assert "PropertyConstraintViolation" in capsys.readouterr().err
                assert await asyncio.to_thread(ask, "ANOTHER", "GetLocalListVersion") == 1
                assert "not connected" in capsys.readouterr().err
                assert (
                    await asyncio.to_thread(ask, "faults", '{"slow": 0.01, "registration": "Pending"}') == 0
                )
                assert json.loads(capsys.readouterr().out)["slow"] == 0.01
                assert await asyncio.to_thread(ask, "faults", '{"sow": 1}') == 1
                assert "unknown fault sow" in capsys.readouterr().err
                assert await asyncio.to_thread(ask, "messages") == 0
                assert json.loads(capsys.readouterr().out)[0]["action"] == "BootNotification"
                assert await asyncio.to_thread(ask, "transactions") == 0
                assert json.loads(capsys.readouterr().out) == []

        asyncio.run(run())
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10.0)
    assert process.returncode == 0
    assert f"{STATION} > BootNotification" in out


def test_a_missing_responder_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csms", "--control-port", str(free_port()), "ask", "stations"]) == 1
    assert "no answer from" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["stations"], ["ask"], ["ask", "a", "b", "{}", "d"]])
def test_a_wrong_question_is_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csms", *words]) == 2
    assert "expected stations" in capsys.readouterr().err
