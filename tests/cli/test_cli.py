"""The command line as a whole: names, help, exit codes."""

import subprocess
import sys

import pytest

from secc.cli import COMMANDS, main


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
