"""Settings made in code are checked as those of a file are: wrong types, enumerations, values."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import secc.settings
from secc.errors import ConfigError
from secc.settings import (
    DcConfig,
    EnergyConfig,
    EnergyMode,
    NetworkConfig,
    Payment,
    SeccConfig,
    ServiceConfig,
    SlacConfig,
    TimingConfig,
    TlsChain,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
    ValueAddedService,
)
from secc.settings.checks import Settings

Make = Callable[..., object]

CASES: list[tuple[Make, dict[str, Any], str]] = [
    (NetworkConfig, {"tcp_port": "80"}, "network.tcp_port is '80', expected an int"),
    (NetworkConfig, {"tcp_port": True}, "network.tcp_port is True, expected an int"),
    (NetworkConfig, {"tcp_port": 70_000}, "network.tcp_port is 70000, expected 0..65535"),
    (TimingConfig, {"sequence": "60"}, "timing.sequence is '60', expected a float"),
    (TimingConfig, {"sequence": True}, "timing.sequence is True, expected a float"),
    (TimingConfig, {"sequence": None}, "timing.sequence is None, expected a float"),
    (
        EnergyConfig,
        {"modes": ("DC_core",)},
        "energy.modes[0] is 'DC_core', expected a member of EnergyMode: EnergyMode.DC_CORE",
    ),
    (
        EnergyConfig,
        {"modes": ("AC",)},
        "energy.modes[0] is 'AC', expected a member of EnergyMode",
    ),
    (
        EnergyConfig,
        {"modes": [EnergyMode.DC_CORE]},
        "energy.modes is [<EnergyMode.DC_CORE: 'DC_core'>], expec",
    ),
    (
        EnergyConfig,
        {"modes": EnergyMode.DC_CORE},
        "energy.modes is <EnergyMode.DC_CORE: 'DC_core'>, expected",
    ),
    (EnergyConfig, {"dc": {"max_power": 5.0}}, "energy.dc is {'max_power': 5.0}, expected a DcConfig"),
    (DcConfig, {"current_ramp": "fast"}, "energy.dc.current_ramp is 'fast', expected a float"),
    (
        TlsConfig,
        {"policy": "required"},
        "tls.policy is 'required', expected a member of TlsPolicy: TlsPolicy.REQUIRED",
    ),
    (TlsConfig, {"certificate_chain": "chain.pem"}, "tls.certificate_chain is 'chain.pem', expected a Path"),
    (TlsConfig, {"chains": (TlsConfig(),)}, "tls.chains[0] is TlsConfig("),
    (TrustConfig, {"v2g_roots": (pathlib.Path("a"), "b")}, "trust.v2g_roots[1] is 'b', expected a Path"),
    (
        ServiceConfig,
        {"payment_options": ("Contract",)},
        "service.payment_options[0] is 'Contract', expected a member of Payment: Payment.CONTRACT",
    ),
    (ValueAddedService, {"id": 4, "free": 1}, "service.value_added.free is 1, expected a bool"),
    (SlacConfig, {"enabled": "yes"}, "slac.enabled is 'yes', expected a bool"),
    (SeccConfig, {"evse_id": 5}, "evse_id is 5, expected a str"),
    (SeccConfig, {"tls": TlsPolicy.OFF}, "tls is <TlsPolicy.OFF: 'off'>, expected a TlsConfig"),
    (SeccConfig, {"evse_id": "short"}, "evse_id is 'short', expected 7..37"),
]


@pytest.mark.parametrize(("make", "fields", "text"), CASES, ids=[case[2][:40] for case in CASES])
def test_a_wrong_value_in_code_is_refused_with_its_path(
    make: Make, fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**fields)
    assert str(caught.value).startswith(text)
    assert text.startswith(caught.value.setting)


def test_dataclasses_replace_checks_as_well() -> None:
    with pytest.raises(ConfigError, match=r"^timing\.lease is 0\.6, expected 0\.001 to 0\.5"):
        dataclasses.replace(TimingConfig(), lease=0.6)


def test_a_whole_number_is_a_float_where_one_is_declared() -> None:
    sequence = TimingConfig(sequence=30).sequence
    assert (sequence, type(sequence)) == (30.0, float)


def test_right_values_are_kept_as_they_are() -> None:
    chain = TlsChain(
        certificate_chain=pathlib.Path("a"), private_key=pathlib.Path("b"), root=pathlib.Path("c")
    )
    made = TlsConfig(root=pathlib.Path("r"), chains=(chain,))
    assert made.chains == (chain,)
    assert ServiceConfig(payment_options=(Payment.EXTERNAL,)).payment_options == (Payment.EXTERNAL,)


def test_every_dataclass_of_the_settings_checks_itself() -> None:
    for module in pkgutil.iter_modules(secc.settings.__path__, "secc.settings."):
        for found in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(found) and isinstance(found, type):
                assert issubclass(found, Settings), found
                assert found.__post_init__ is Settings.__post_init__, found
