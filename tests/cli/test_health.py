"""`secc health` against a station that runs, one that hangs, and none."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from secc.cli import main
from secc.station.journal import records
from tests.support.serving import serving


@pytest.fixture
def port() -> int:
    """An unused port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_station_that_runs_is_healthy_and_one_that_hangs_is_not(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("--sim", "ac", "--metrics", str(port)) as (process, _):
        assert main(["health", "--port", str(port)]) == 0
        assert re.fullmatch(r"healthy, discovery answers in [\d.]+ ms\n", capsys.readouterr().out)
        assert main(["health", "--port", str(port), "--ready", "--json"]) == 0
        assert '"serving": true' in capsys.readouterr().out
        os.kill(process.pid, signal.SIGSTOP)
        try:
            assert main(["health", "--port", str(port), "--timeout", "0.3"]) == 1
        finally:
            os.kill(process.pid, signal.SIGCONT)
    assert "does not answer" in capsys.readouterr().err


def test_without_a_station_it_is_not_healthy(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--port", str(port)]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_without_a_port_there_is_nothing_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.inv("INV-36")
def test_the_file_says_where_journal_and_health_are(tmp_path: Path, port: int) -> None:
    file = tmp_path / "station.toml"
    file.write_text(f'interface = "lo"\n[operation]\njournal = "kept"\nport = {port}\n')
    with serving("--sim", "ac", "--config", str(file)) as (process, plain):
        assert main(["health", "--config", str(file)]) == 0
        ev = ["ev", "--host", "::1", "--port", str(plain), "--ac", "--pace", "0.01", "-q", "--loops", "2"]
        assert main(ev) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    kinds = [record["record"] for record in records(tmp_path / "kept/journal.jsonl")]
    assert kinds[0] == "begin"
    assert kinds[-1] == "end"


def test_health_without_metrics(port: int) -> None:
    with serving("--sim", "ac", "--health", str(port)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 404
        connection.close()


def test_each_line_of_the_log_has_a_time_and_those_of_a_session_its_id() -> None:
    command = [sys.executable, "-m", "secc", "serve", "-i", "lo", "--sdp-port", "0", "--sim", "ac", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if "plain " in line)
        port = re.findall(r"plain (\d+)", first)[0]
        ev = ["ev", "--host", "::1", "--port", port, "--ac", "--pace", "0.01", "-q", "--loops", "2"]
        assert main(ev) == 0
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    lines = [json.loads(line) for line in out.splitlines()]
    assert all(line["utc"].endswith("+00:00") for line in lines)
    sessions = {line.get("session") for line in lines if line["kind"] in ("message", "notice", "output")}
    (end,) = [line for line in lines if line.get("name") == "EndSession"]
    assert sessions == {end["session"]} == {end["session_id"]}
    assert "stopped" in [line["text"] for line in lines if line["kind"] == "said"]
