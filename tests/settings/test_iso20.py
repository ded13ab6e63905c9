"""Settings of `[iso20]`: defaults that are safe, and what is refused."""

import pytest

from secc.errors import ConfigError
from secc.settings import DischargeSign, SeccConfig, TimestampUnit, from_dict
from secc.settings.iso20 import IslandingDetection


def test_nothing_flows_back_by_default() -> None:
    config = SeccConfig()
    assert not config.iso20.discharge
    assert config.energy.dc.max_discharge_power == config.energy.dc.max_discharge_current == 0.0
    assert config.energy.ac.max_discharge_current == 0.0


@pytest.mark.req("V2G20-1534")
def test_time_stamps_count_microseconds_by_default() -> None:
    assert SeccConfig().iso20.timestamp_unit is TimestampUnit.MICROSECONDS


def test_the_table_is_read() -> None:
    table = {"timestamp_unit": "seconds", "discharge": True, "discharge_sign": "negative", "internet": [3, 4]}
    config = from_dict({"iso20": {**table, "islanding_detection": "passive"}})
    assert config.iso20.timestamp_unit is TimestampUnit.SECONDS
    assert config.iso20.discharge
    assert config.iso20.discharge_sign is DischargeSign.NEGATIVE
    assert config.iso20.internet == (3, 4)
    assert config.iso20.islanding_detection is IslandingDetection.PASSIVE
    assert config.iso20.islanding_detection.number == 2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"loop_timeout": 0.4}, "iso20.loop_timeout is 0.4, expected 0.5 to 60"),
        ({"internet": [5]}, r"iso20.internet is \(5,\), expected numbers from 1 to 4"),
        ({"internet": [1, 1]}, r"iso20.internet is \(1, 1\), expected each number once"),
        ({"authorization_attempts": 0}, "iso20.authorization_attempts"),
        ({"power_tolerance": -1.0}, "iso20.power_tolerance"),
        ({"schedules": 56.0}, "iso20.schedules"),
        ({"discharge_sign": "both"}, "expected one of mirror, negative, positive"),
    ],
)
def test_what_is_wrong_is_refused_by_name(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_dict({"iso20": table})


@pytest.mark.parametrize("key", ["max_discharge_current", "max_discharge_power"])
def test_a_negative_discharge_limit_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"energy.dc.{key}"):
        from_dict({"energy": {"dc": {key: -1.0}}})
