"""`secc bench`: with a station in another process, and all output that needs no station."""

import contextlib
import json
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.cli import main
from tests.support.serving import serving

SOME = [
    "--only",
    "*SessionSetup_001",
    "--only",
    "*ServiceDiscovery_00[123]",
    "--only",
    "*PowerDelivery_01[01]",
]


def test_the_list_shows_every_case_with_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    text = capsys.readouterr().out
    assert text.count("TC_SECC_") == 299
    assert "TC_SECC_CMN_VTB_SDP_001" in text
    assert main(["bench", "--list", "--only", "DIN *"]) == 0
    assert "TC_SECC" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "::1"], "expected --host and --port together"),
        (["--only", "nothing-like-it"], "no case matches"),
        (["--timer", "sequence"], "expected NAME=SECONDS"),
        (["--timer", "tea=3"], "expected one of"),
        (["--timer", "sequence=0"], "expected one of"),
        (["--pilot-command", "box"], "{state} is missing"),
        (["--pki", "/nonexistent"], "contract_leaf.pem"),
        (["--declare", "tea"], "unknown: tea"),
    ],
)
def test_misuse_is_reported(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_station_that_does_not_listen_ends_in_time_and_is_no_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = ["--timer", "reach=0.3", "--timer", "discovery=0.1", "--sdp-port", "9"]
    assert main(["bench", *quick, "--only", "*SDP_001", "--only", "*SessionSetup_00*"]) == 1
    text = capsys.readouterr().out
    assert "FAIL TC_SECC_CMN_VTB_SDP_001" in text
    assert "no station answered discovery" in text
    assert "0 of 23 passed, 1 failed, 22 inconclusive" in text


@contextlib.contextmanager
def station(folder: Path) -> Iterator[int]:
    """A station whose port stays the same from session to session."""
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    settings = folder / "station.toml"
    settings.write_text(f"[network]\ntcp_port = {port}\n[timing]\nclose_delay = 0.1\n")
    with serving("--sim", "ac", "--config", str(settings)):
        yield port


def test_a_station_by_address_with_reports_in_every_form(tmp_path: Path) -> None:
    junit, html = tmp_path / "result.xml", tmp_path / "result.html"
    with station(tmp_path) as port:
        command = [
            sys.executable,
            "-m",
            "secc",
            "bench",
            "--host",
            "::1",
            "--port",
            str(port),
            "--json",
            *SOME,
        ]
        command += ["--junit", str(junit), "--html", str(html), "--name", "ours"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["passed"], found["failed"], found["not_applicable"]) == (9, 0, 6)
    assert len(ElementTree.parse(junit).findall(".//testcase")) == 15
    assert "9 of 9 passed" in html.read_text()


def test_what_is_printed_has_the_table_and_the_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path) as port:
        address = ["--host", "::1", "--port", str(port)]
        assert main(["bench", *address, "--only", "SDP", "--only", "*CMN_VTB_SessionSetup_001", "-v"]) == 0
    text = capsys.readouterr().out
    assert "discovery is not used: an address was given" in text
    assert "SessionSetupRes OK_NewSessionEstablished after" in text
    assert "1 of 1 passed, 7 not applicable" in text
