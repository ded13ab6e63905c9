"""Settings: what is read, what is refused, and with which words."""

import dataclasses
import pathlib

import pytest

from secc.errors import ConfigError
from secc.settings import (
    ClientAuth,
    CompatConfig,
    EnergyMode,
    ProtocolName,
    SeccConfig,
    TlsPolicy,
    from_dict,
    load,
)


def test_defaults_are_a_usable_ac_outlet_without_tls() -> None:
    config = SeccConfig()
    assert config.tls.policy is TlsPolicy.OFF
    assert config.energy.offers_ac
    assert not config.energy.offers_dc
    assert config.timing.minimum_pace == 0.0


@pytest.mark.req("V2G2-443", "V2G2-605", "V2G2-713", "V2G2-716", "V2G2-862", "V2G2-917")
def test_timers_have_the_values_of_the_standard() -> None:
    timing = SeccConfig().timing
    assert (timing.communication_setup, timing.sequence) == (18.0, 60.0)
    assert (timing.authorization, timing.charge_parameters) == (55.0, 55.0)
    assert (timing.cable_check, timing.pre_charge) == (38.0, 5.0)
    assert (timing.contactor, timing.pilot) == (3.0, 1.5)


def test_file_is_read_with_integers_as_seconds_and_paths_relative_to_it(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(
        """
        evse_id = "DE*XYZ*E1"
        interface = "eth2"
        [tls]
        policy = "required"
        certificate_chain = "chain.pem"
        private_key = "/etc/key.pem"
        [timing]
        sequence = 30
        [energy]
        modes = ["DC_extended"]
        [energy.dc]
        max_power = 150_000
        """
    )
    config = load(file)
    assert config.tls.certificate_chain == tmp_path / "chain.pem"
    assert config.tls.private_key == pathlib.Path("/etc/key.pem")
    assert config.timing.sequence == 30.0
    assert config.energy.modes == (EnergyMode.DC_EXTENDED,)
    assert config.energy.dc.max_power == 150_000.0


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"evseid": "x"}, "evseid is not a setting"),
        ({"energy": {"dc": {"max_powr": 1.0}}}, "energy.dc.max_powr is not a setting"),
        ({"timing": {"sequence": "60"}}, "timing.sequence is '60', expected float"),
        ({"timing": {"sequence": True}}, "timing.sequence is True, expected float"),
        ({"timing": {"sequence": 0.0}}, "timing.sequence: expected 0.001 to 3600"),
        ({"timing": {"sequence": float("nan")}}, "timing.sequence: expected"),
        ({"timing": {"lease": 0.6}}, "timing.lease: expected 0.001 to 0.5"),
        ({"timing": {"lease": 0.1}}, "timing.lease_renewal: expected less than timing.lease"),
        ({"timing": {"close_delay": 5.1}}, "timing.close_delay"),
        ({"timing": 5}, "timing is 5, expected a table"),
        ({"energy": {"modes": []}}, "energy.modes: expected 1 to 6"),
        ({"energy": {"modes": ["AC"]}}, "energy.modes[0] is 'AC', expected one of"),
        ({"energy": {"modes": ["DC_core", "DC_core"]}}, "energy.modes: expected each mode once"),
        ({"energy": {"modes": "DC_core"}}, "energy.modes is 'DC_core', expected a list"),
        ({"energy": {"dc": {"pre_charge_current": 3.0}}}, "energy.dc.pre_charge_current: expected 0 to 2"),
        ({"energy": {"dc": {"min_voltage": 600.0}}}, "energy.dc.min_voltage: expected 0 to 500"),
        ({"energy": {"ac": {"max_current": -1.0}}}, "energy.ac.max_current"),
        ({"evse_id": "short"}, "evse_id: expected 7..37"),
        ({"interface": "a b"}, "interface"),
        ({"network": {"max_payload": 100_000}}, "network.max_payload: expected 64..65536"),
        ({"tls": {"policy": "maybe"}}, "tls.policy is 'maybe', expected one of off, optional, required"),
        ({"tls": {"policy": "optional"}}, "tls.certificate_chain: expected a file"),
        (
            {"iso20": {"tls": {"private_key": "k.pem"}}},
            "iso20.tls.private_key: expected a file exactly where",
        ),
        (
            {"iso20": {"tls": {"private_key": "k.pem", "certificate_chain": "c.pem"}}},
            "tls.policy: expected optional or required, as there is iso20.tls",
        ),
        ({"service": {"payment_options": []}}, "service.payment_options: expected one or both"),
        ({"service": {"payment_options": ["Contract", "Contract"]}}, "service.payment_options"),
        ({"service": {"payment_options": ["Contract"]}}, "tls.policy: expected required"),
        ({"protocols": []}, "protocols: expected one or more"),
        ({"protocols": ["din70121", "din70121"]}, "protocols: expected one or more"),
        ({"protocols": ["iso15118-3"]}, "protocols[0] is 'iso15118-3', expected one of"),
        ({"protocols": ["din70121"]}, "protocols: expected a DC mode"),
        (
            {
                "protocols": ["din70121"],
                "energy": {"modes": ["DC_core"]},
                "tls": {"policy": "required", "certificate_chain": "a", "private_key": "b"},
            },
            "protocols: expected a DC mode, ExternalPayment and connections without TLS",
        ),
        ({"din": {"evse_id": "49*1"}, "interface": ""}, "interface"),
        ({"din": {"evse_id": "49*"}}, "din.evse_id: expected an even number"),
        ({"din": {"evse_id": "DE*ABC"}}, "din.evse_id: expected an even number of digits"),
        ({"pnc": {"providers": ["de-abc"]}}, "pnc.providers: expected country and provider"),
        ({"pnc": {"offline": "maybe"}}, "pnc.offline is 'maybe', expected one of deny, known, chain"),
        ({"pnc": {"receipt_interval": -1.0}}, "pnc.receipt_interval"),
    ],
)
def test_what_is_wrong_is_refused_by_name(document: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(document)
    found = str(caught.value)
    path, _, expected = words.partition(": ")
    assert found.startswith(path)
    assert expected in found


def test_a_missing_file_is_a_configuration_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_toml_is_a_configuration_error(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text("evse_id = ")
    with pytest.raises(ConfigError, match=r"station\.toml"):
        load(file)


def test_strict_mode_has_no_leniency() -> None:
    strict = CompatConfig.strict()
    assert [field.name for field in dataclasses.fields(strict) if getattr(strict, field.name)] == []


def test_chains_and_roots_for_tls_are_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        """
[tls]
policy = "required"
certificate_chain = "a.pem"
private_key = "a.key"
root = "a_root.pem"
client_auth = "request"
[[tls.chains]]
certificate_chain = "b.pem"
private_key = "b.key"
root = "b_root.pem"
[trust]
v2g_roots = ["a_root.pem", "b_root.pem"]
"""
    )
    found = load(path)
    assert found.tls.client_auth is ClientAuth.REQUEST
    assert [chain.private_key for chain in found.tls.chains] == [tmp_path / "b.key"]
    assert found.trust.v2g_roots == (tmp_path / "a_root.pem", tmp_path / "b_root.pem")


def test_a_further_chain_must_be_complete() -> None:
    with pytest.raises(ConfigError, match=r"tls\.chains\[0\]\.private_key is missing"):
        from_dict({"tls": {"chains": [{"certificate_chain": "b.pem"}]}})
    chain = {"certificate_chain": "b.pem", "private_key": "b.key", "root": "b_root.pem"}
    with pytest.raises(ConfigError, match=r"tls\.root is None, expected a file, as there are tls\.chains"):
        from_dict({"tls": {"chains": [chain]}})


def test_iso_15118_20_is_off_and_strict_by_default() -> None:
    config = SeccConfig()
    assert ProtocolName.ISO15118_20 not in config.protocols
    assert not config.iso20.insecure_lab


def test_iso_15118_20_is_read_from_the_file() -> None:
    document: dict[str, object] = {"protocols": ["iso15118-20"], "iso20": {"insecure_lab": True}}
    config = from_dict(document)
    assert config.protocols == (ProtocolName.ISO15118_20,)
    assert config.iso20.insecure_lab


def test_a_payload_limit_of_iso_15118_20_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"iso20\.max_payload is 100, expected 8192"):
        from_dict({"iso20": {"max_payload": 100}})
