"""`secc serve --trace`, `secc replay`, `secc trace`."""

import asyncio
import json
import pathlib
import signal
import stat

import pytest

from secc.cli import main
from tests.support.serving import serving
from tests.support.traced import recorded
from tests.support.wire import Car, to_session


def test_a_station_writes_a_trace_that_replays(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def visit(port: int) -> None:
        car = await Car.connect(port)
        await to_session(car)
        car.close()

    path = tmp_path / "station.trace"
    with serving("--sim", "ac", "--trace", str(path)) as (process, port):
        asyncio.run(visit(port))
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert main(["replay", "--json", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["sessions"], result["same"]) == (1, True)
    assert main(["serve", "-i", "lo", "--sim", "ac", "--trace", str(path)]) == 2
    assert "a trace is never overwritten" in capsys.readouterr().err


def test_replay_says_that_all_is_the_same(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = recorded()
    lines[-1] = lines[-1][:-5]
    assert main(["replay", str(lines.save(tmp_path / "x.trace"))]) == 0
    out = capsys.readouterr().out
    assert "every output is the same" in out
    assert "the last line is incomplete" in out


def test_replay_shows_the_first_difference(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recorded()
    lines.change(6, out=[])
    path = lines.save(tmp_path / "x.trace")
    assert main(["replay", str(path)]) == 1
    assert "line 6, session 1, Data while it" in capsys.readouterr().err
    assert main(["replay", "--json", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["difference"]["line"] == 6


def test_what_is_no_trace_is_misuse(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_text("{}\n")
    assert main(["replay", str(path)]) == 2
    assert main(["trace", str(path)]) == 2
    assert main(["trace", str(tmp_path / "none")]) == 2
    assert "is it a trace" in capsys.readouterr().err


def test_trace_prints_draws_and_writes_a_test(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(recorded().save(tmp_path / "x.trace"))
    assert main(["trace", path]) == 0
    assert "WeldingDetectionReq" in capsys.readouterr().out
    picture = tmp_path / "x.svg"
    assert main(["trace", path, "--session", "1", "--svg", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")
    assert main(["trace", path, "--as-test", str(tmp_path / "t" / "test_x.py")]) == 0
    assert (tmp_path / "t" / "x.trace").exists()
    assert main(["trace", path, "--session", "9"]) == 2
    assert "unknown session; in the file: 1" in capsys.readouterr().err
