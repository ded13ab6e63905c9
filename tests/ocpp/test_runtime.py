"""Settings that a CSMS changes while the station runs."""

from __future__ import annotations

import pytest

from secc.ocpp.runtime import RuntimeSettings
from tests.ocpp.support import ocpp_config


def test_a_change_replaces_one_field() -> None:
    settings = RuntimeSettings(ocpp_config("ws://csms.test"), central_validation=False)
    settings.change("needs_wait", 7.5)
    assert settings.ocpp.needs_wait == 7.5
    assert settings.ocpp.url == "ws://csms.test"


def test_a_value_that_the_rules_exclude_changes_nothing() -> None:
    settings = RuntimeSettings(ocpp_config("ws://csms.test"), central_validation=False)
    before = settings.ocpp
    with pytest.raises(ValueError, match="needs_wait"):
        settings.change("needs_wait", -1.0)
    assert settings.ocpp is before
