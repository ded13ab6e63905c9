"""`secc serve --ocpp`: what is put together, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.cli import main
from secc.errors import ConfigError
from secc.ocpp.backend import OcppBackend
from secc.ocpp.serving import prepared
from secc.settings import SeccConfig
from secc.settings.ocpp import OcppConfig


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--ocpp", "http://csms"], "expected ws:// or wss://"),
        (["--ocpp", "ws://csms", "--backend", "a:b"], "exclude each other"),
        (["--ocpp", "ws://csms", "--store", "contracts.db"], "exclude each other"),
    ],
)
def test_what_does_not_fit_is_misuse(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "-i", "lo", "--sim", "ac", *words]) == 2
    assert text in capsys.readouterr().err


def test_a_profile_without_its_password_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "station.toml").write_text('[ocpp]\nurl = "ws://csms"\n')
    assert main(["serve", "-i", "lo", "--sim", "ac", "--config", str(tmp_path / "station.toml")]) == 2
    assert "ocpp.password_file" in capsys.readouterr().err


def test_a_store_that_cannot_be_used_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "station.toml").write_text('[ocpp]\nstore = "file"\n')
    words = ["--config", str(tmp_path / "station.toml"), "--ocpp", "ws://csms"]
    assert main(["serve", "-i", "lo", "--sim", "ac", *words]) == 2
    assert "ocpp.store" in capsys.readouterr().err
    (tmp_path / "folder" / "station.db").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"ocpp\.store"):
        OcppBackend(SeccConfig(ocpp=OcppConfig(store=tmp_path / "folder")))


def test_a_station_behind_a_csms_asks_for_schedules_and_trusts_installed_roots(tmp_path: Path) -> None:
    config = prepared(SeccConfig(ocpp=OcppConfig(store=tmp_path)))
    assert config.energy.ask_backend_for_schedules
    assert config.trust.v2g_roots == (tmp_path / "v2g_roots",)
    assert config.trust.mo_roots == (tmp_path / "mo_roots",)
    assert prepared(SeccConfig()).trust == SeccConfig().trust
