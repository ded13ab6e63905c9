"""The command line as a whole: names, help, exit codes."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secc.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"secc {name}" in text
        assert "examples:" in text


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_no_command_is_misuse_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_an_unknown_command_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["charge"]) == 2
    assert "invalid choice" in capsys.readouterr().err


def test_help_loads_neither_the_codec_nor_cryptography() -> None:
    code = (
        "import sys; from secc.cli import main; main(['--help']); "
        "print([name for name in ('secc._exi', 'cryptography', 'asyncio', 'msgspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_secc_is_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secc", "decode", "01fe9000000000021000"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "SDPRequest" in done.stdout


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"secc {importlib.metadata.version('secc')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "tests/traces/simulated_ac.trace"],
        ["replay", "tests/traces/simulated_ac.trace"],
        ["states"],
        ["decode", "809802000000000000000011d0180801784080c000"],
        ["schema", "export", "exi_schemas"],
        ["schema", "check", "exi_schemas"],
        ["trace", "--help"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        words = [sys.executable, "-m", "secc", *arguments]
        done = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert (done.stderr, done.returncode) == ("", 0)
