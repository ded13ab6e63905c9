"""Errors of a TOML file name the file, the line, the setting, and the nearest known key."""

from __future__ import annotations

import pathlib

import pytest

from secc.errors import ConfigError
from secc.settings import load
from secc.settings.loading import _line_of

STATION = """\
evse_id = "DE*XYZ*E1"

[timing]
sequence = 30
lease = "short"

[energy.dc]
max_power = 5

[[tls.chains]]
certificate_chain = "a"

[[tls.chains]]
private_key = "b"

[energy]
ac.max_current = 16
dc = { max_current = 5 }
"""


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("evse_id", 1),
        ("timing.lease", 5),
        ("timing.pilot", 3),
        ("energy.dc.max_power", 8),
        ("tls.chains[0].certificate_chain", 11),
        ("tls.chains[1].private_key", 14),
        ("tls.chains[1].root", 13),
        ("energy.ac.max_current", 17),
        ("energy.dc.max_current", 18),
        ("pnc.offline", 0),
        ("", 0),
    ],
)
def test_the__line_of_a_setting_is_found(setting: str, line: int) -> None:
    assert _line_of(STATION, setting) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[timing]\nlease = "short"\n', "line 2: timing.lease is 'short', expected float"),
        ("[timing]\n\nlease = 0.9\n", "line 3: timing.lease is 0.9, expected 0.001 to 0.5"),
        (
            "[timing]\nseqence = 3\n",
            "line 2: timing.seqence is not a setting; the nearest is timing.sequence",
        ),
        ("[timming]\nlease = 0.3\n", "line 1: timming is not a setting; the nearest is timing; known"),
        (
            '[tls]\npolicy = "requird"\n',
            "line 2: tls.policy is 'requird', expected one of off, optional, required; the nearest is req",
        ),
        ("[[tls.chains]]\nroot = 'x'\n", "line 1: tls.chains[0].certificate_chain is missing"),
        ("[tls\n", "Expected ']' at the end of a table declaration (at line 1, column 5)"),
    ],
)
def test_an_error_names_file_line_and_setting(tmp_path: pathlib.Path, text: str, words: str) -> None:
    file = tmp_path / "station.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    comma = "," if words.startswith("line") else ":"
    assert str(caught.value).startswith(f"{file}{comma} {words}")
