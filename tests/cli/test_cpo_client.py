"""`secc cpo car` and `secc cpo enroll`: what they refuse; the how-to of the operator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secc.cli import main
from secc.pki.hierarchy import write_hierarchy
from tests.support.contracts import NOW, hierarchy


def test_the_body_for_a_car_has_its_chain_and_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hierarchy(hierarchy(), tmp_path, NOW)
    assert main(["cpo", "car", "DEABC000000001G", str(tmp_path / "oem_chain.pem")]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["emaid"], len(body["chain"])) == ("DEABC000000001G", 3)
    assert main(["cpo", "car", "DEABC000000001G", str(tmp_path / "none.pem")]) == 2
    (tmp_path / "none.pem").write_text("nothing")
    assert main(["cpo", "car", "DEABC000000001G", str(tmp_path / "none.pem")]) == 1


def test_a_certificate_is_not_requested_over_an_existing_key_or_from_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["cpo", "enroll", "http://127.0.0.1:9", "D-1"]
    assert main(command) == 1
    assert "http://127.0.0.1:9" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "D-1_key.pem").touch()
    assert main(command) == 2
