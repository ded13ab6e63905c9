"""[ocpp] says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secc.errors import ConfigError
from secc.ocpp.link import address, credentials, tls_context
from secc.settings import from_dict
from secc.settings.ocpp import OcppConfig, OcppVersion

FILE = Path("file")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"url": "http://csms"}, "ocpp.url"),
        ({"url": "ws://csms", "security_profile": 2, "password_file": FILE}, "ocpp.url"),
        ({"url": "ws://csms"}, "ocpp.password_file"),
        ({"url": "wss://csms", "security_profile": 3}, "ocpp.client_certificate"),
        ({"url": "wss://csms", "security_profile": 3, "client_certificate": FILE}, "ocpp.client_key"),
        ({"security_profile": 4}, "ocpp.security_profile"),
        ({"identity": "a/b"}, "ocpp.identity"),
        ({"versions": ()}, "ocpp.versions"),
        ({"versions": (OcppVersion.V16, OcppVersion.V16)}, "ocpp.versions"),
        ({"max_message": 1000}, "ocpp.max_message"),
        ({"vendor": ""}, "ocpp.vendor"),
        ({"model": "x" * 21}, "ocpp.model"),
        ({"serial": "x" * 26}, "ocpp.serial"),
        ({"attempts": 0}, "ocpp.attempts"),
        ({"csr_repeats": -1}, "ocpp.csr_repeats"),
        ({"call_timeout": 0.0}, "ocpp.call_timeout"),
        ({"meter_interval": float("nan")}, "ocpp.meter_interval"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        OcppConfig(**wrong)


def test_the_section_is_read_from_the_file_of_the_station() -> None:
    config = from_dict(
        {
            "ocpp": {
                "url": "wss://csms/ocpp",
                "security_profile": 2,
                "password_file": "secret",
                "versions": ["1.6"],
            }
        },
        folder=Path("/etc/secc"),
    )
    assert config.ocpp.password_file == Path("/etc/secc/secret")
    assert config.ocpp.versions == (OcppVersion.V16,)


def test_the_identity_is_the_last_part_of_the_address() -> None:
    assert (
        address(OcppConfig(url="ws://csms/ocpp/", security_profile=0), "DE*A 1")
        == "ws://csms/ocpp/DE%2AA%201"
    )


def test_the_password_goes_with_the_identity(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    config = OcppConfig(url="ws://csms", password_file=tmp_path / "secret")
    assert credentials(config, "E1") == {"Authorization": "Basic RTE6b3BlbiBzZXNhbWU="}
    assert credentials(OcppConfig(url="ws://csms", security_profile=0), "E1") == {}
    with pytest.raises(ConfigError, match="password_file"):
        credentials(OcppConfig(url="ws://csms", password_file=tmp_path / "none"), "E1")


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    ca = OcppConfig(url="wss://csms", security_profile=2, password_file=FILE, ca=tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"ocpp\.ca"):
        tls_context(ca)
    own = OcppConfig(
        url="wss://csms",
        security_profile=3,
        client_certificate=tmp_path / "empty",
        client_key=tmp_path / "empty",
    )
    with pytest.raises(ConfigError, match=r"ocpp\.client_certificate"):
        tls_context(own)
