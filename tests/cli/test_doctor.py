"""secc doctor."""

from __future__ import annotations

import datetime
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from certs.testpki import make
from secc.cli import doctor, doctor_modem, main, ports
from secc.settings import SeccConfig
from secc.sim.certificates import make_throwaway_pki
from secc.station import ownership


@pytest.fixture(autouse=True)
def nobody_at_the_port_of_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs of this machine are not under test: any port will do."""
    monkeypatch.setattr(doctor, "SDP_PORT", 0)


def findings(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Exit code, and the grade by what was looked at."""
    (tmp_path / "station.toml").write_text(text)
    code = main(["doctor", "--config", str(tmp_path / "station.toml"), "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {row["what"]: row["grade"] for row in rows}


def test_a_good_station_has_nothing_in_its_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = make_throwaway_pki(tmp_path)
    text = f'interface = "lo"\n[tls]\npolicy = "required"\ncertificate_chain = "{pki.chain}"\n'
    code, grades = findings(tmp_path, text + f'private_key = "{pki.key}"\n', capsys)
    assert code == 0
    assert grades["interface"] == grades["IPv6"] == grades["multicast"] == "ok"
    assert grades["modem"] == "note"
    assert grades["certificates"] in ("ok", "note")


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("", None),
        ('[energy]\nmodes = ["DC_extended"]\n[din]\nevse_id = "49*123*456*789"\n', "ok"),
        ('[energy]\nmodes = ["DC_extended"]\n', "note"),
        ('protocols = ["iso15118-2"]\n[energy]\nmodes = ["DC_extended"]\n', "note"),
        (
            '[energy]\nmodes = ["DC_extended"]\n[tls]\npolicy = "required"\n'
            'certificate_chain = "a.pem"\nprivate_key = "b.pem"\n',
            "note",
        ),
    ],
)
def test_a_dc_outlet_learns_which_cars_it_turns_away(
    text: str, grade: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, grades = findings(tmp_path, text, capsys)
    assert grades.get("protocols") == grade


def test_a_missing_interface_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, grades = findings(tmp_path, 'interface = "nosuch0"\n', capsys)
    assert code == 1
    assert grades["interface"] == "bad"


@pytest.mark.parametrize(
    ("state", "grade"), [("up", "ok"), ("unknown", "ok"), ("down", "bad"), (None, "note")]
)
def test_the_state_of_the_interface_is_looked_at(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    state: str | None,
    grade: str,
) -> None:
    (tmp_path / "lo").mkdir()
    if state is not None:
        (tmp_path / "lo" / "operstate").write_text(f"{state}\n")
    monkeypatch.setattr(doctor, "_INTERFACES", tmp_path)
    code, grades = findings(tmp_path, 'interface = "lo"\n', capsys)
    assert grades["interface"] == grade
    assert code == (grade == "bad")


def test_an_interface_without_an_address_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_link_local", lambda name: None)
    code, grades = findings(tmp_path, 'interface = "lo"\n', capsys)
    assert code == 1
    assert grades["IPv6"] == "bad"


def test_an_interface_that_takes_no_part_in_multicast_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SDP_GROUP", "fe80::1")  # no group, so no socket can join it
    code, grades = findings(tmp_path, 'interface = "lo"\n', capsys)
    assert code == 1
    assert grades["multicast"] == "bad"


def test_a_free_port_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        port = probe.getsockname()[1]
    main(["doctor", "--config", str(written(tmp_path, f'interface = "lo"\n[network]\ntcp_port = {port}\n'))])
    assert f"TCP {port} is free" in capsys.readouterr().out


SLAC = 'interface = "lo"\n[slac]\nenabled = true\n'


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "station.toml").write_text(text)
    return tmp_path / "station.toml"


@pytest.mark.parametrize(("days_before_the_end", "grade"), [(40, "ok"), (20, "note")])
def test_a_certificate_that_ends_soon_is_reported(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    days_before_the_end: int,
    grade: str,
) -> None:
    pki = make_throwaway_pki(tmp_path)
    chain = x509.load_pem_x509_certificates(pki.chain.read_bytes())
    end = min(certificate.not_valid_after_utc for certificate in chain)
    monkeypatch.setattr(doctor, "utc_now", lambda: end - datetime.timedelta(days=days_before_the_end))
    text = f'interface = "lo"\n[tls]\npolicy = "required"\ncertificate_chain = "{pki.chain}"\n'
    _, grades = findings(tmp_path, text + f'private_key = "{pki.key}"\n', capsys)
    assert grades["certificates"] == grade


def test_without_tls_and_roots_there_is_a_note_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, grades = findings(tmp_path, 'interface = "lo"\n', capsys)
    assert (grades["certificates"], grades["trust"]) == ("note", "note")


def test_roots_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = make_throwaway_pki(tmp_path)
    _, grades = findings(tmp_path, f'interface = "lo"\n[trust]\nv2g_roots = ["{pki.root}"]\n', capsys)
    assert grades["trust"] == "ok"


@pytest.mark.parametrize(
    ("year", "kept", "grade"), [(2001, True, "bad"), (2027, True, "ok"), (2027, False, "note")]
)
def test_the_clock_is_looked_at(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    year: int,
    kept: bool,
    grade: str,
) -> None:
    moment = datetime.datetime(year, 6, 1, tzinfo=datetime.UTC).timestamp()
    monkeypatch.setattr(doctor, "time", SimpleNamespace(time=lambda: moment))
    monkeypatch.setattr(doctor, "_synchronised", lambda: kept)
    code, grades = findings(tmp_path, 'interface = "lo"\n', capsys)
    assert grades["clock"] == grade
    assert code == (grade == "bad")


def test_a_taken_port_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, grades = findings(tmp_path, f'interface = "lo"\n[network]\ntcp_port = {port}\n', capsys)
    assert code == 1
    assert grades["port"] == "bad"


def test_the_process_that_holds_a_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        text = f'interface = "lo"\n[network]\ntcp_port = {taken.getsockname()[1]}\n'
        main(["doctor", "--config", str(written(tmp_path, text))])
    assert f"Address already in use: process {os.getpid()} (" in capsys.readouterr().out


@pytest.fixture
def discovery() -> Iterator[tuple[str, int]]:
    """A station on another interface than loopback has this port for discovery."""
    interface = next(name for _, name in socket.if_nameindex() if name != "lo")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        taken.bind(("::", 0))
        yield interface, taken.getsockname()[1]


def test_a_station_on_another_interface_is_not_in_the_way(discovery: tuple[str, int]) -> None:
    _, port = discovery
    assert ports.udp("lo", port) is None


def test_a_station_on_the_same_interface_is_named(discovery: tuple[str, int]) -> None:
    taken = ports.udp(*discovery)
    assert taken is not None
    assert str(taken).startswith(f"Address already in use: process {os.getpid()} (")


def test_without_netlink_the_table_of_the_kernel_names_the_process(
    discovery: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_BY_FAMILY", 99)
    taken = ports.udp(*discovery)
    assert taken is not None
    assert taken.holders[0].startswith(f"process {os.getpid()} (")


def test_the_station_that_has_the_outlet_is_named_and_its_modem_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_modem, "RawModem", None)  # every request to it fails
    monkeypatch.setattr(ownership, "claims", lambda config, port: [(f"t{os.getpid()}", "interface eth9")])
    with ownership.OutletClaim(SeccConfig(interface="eth9"), 0):
        main(["doctor", "--config", str(written(tmp_path, SLAC))])
    assert "interface eth9 is in use by another station of this process" in capsys.readouterr().out


def test_certificates_that_cannot_be_read_are_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        'interface = "lo"\n[tls]\npolicy = "required"\ncertificate_chain = "a.pem"\nprivate_key = "b.pem"\n'
    )
    code, grades = findings(tmp_path, text, capsys)
    assert code == 1
    assert grades["certificates"] == "bad"


PKI = Path(make.__file__).parent
BOTH = f"""interface = "lo"
[tls]
policy = "required"
certificate_chain = "{PKI}/secc_chain.pem"
private_key = "{PKI}/secc_leaf_key.pem"
[iso20.tls]
certificate_chain = "{PKI}/iso20/secc_chain.pem"
private_key = "{PKI}/iso20/secc_leaf_key.pem"
[trust]
oem_roots = ["{PKI}/iso20/oem_root.pem"]
"""


def test_tls13_is_shown_and_why_it_is_not_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, grades = findings(tmp_path, BOTH, capsys)
    assert grades["ISO 15118-20"] == "ok"
    without = BOTH.replace("[trust]", "require_ocsp = true\n[trust]")
    code, grades = findings(tmp_path, without, capsys)
    assert (code, grades["ISO 15118-20"]) == (1, "bad")


def test_contracts_without_a_root_of_iso_15118_20_are_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'protocols = ["iso15118-2", "iso15118-20"]\n' + BOTH.replace(
        "[trust]", '[service]\npayment_options = ["Contract"]\n[trust]\nmo_roots = ["{root}"]'
    )
    _, grades = findings(tmp_path, text.replace("{root}", f"{PKI}/mo_root.pem"), capsys)
    assert grades["ISO 15118-20"] == "note"
    _, grades = findings(tmp_path, text.replace("{root}", f"{PKI}/iso20/mo_root.pem"), capsys)
    assert grades["ISO 15118-20"] == "ok"


def test_the_laboratory_switch_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, grades = findings(tmp_path, 'interface = "lo"\n[iso20]\ninsecure_lab = true\n', capsys)
    assert (code, grades["ISO 15118-20"]) == (1, "bad")


SITE = f"""protocols = ["iso15118-2", "iso15118-20"]
{BOTH}
[pnc.site]
store = "site.db"
mo_chain = "{PKI}/contract_chain.pem"
mo_key = "{PKI}/mo_sub_ca_2_key.pem"
cps_chain = "{PKI}/cps_chain.pem"
cps_key = "{PKI}/cps_leaf_key.pem"
"""


def test_the_keys_of_a_site_are_shown_and_those_that_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, grades = findings(tmp_path, SITE, capsys)
    assert (code, grades["site"]) == (0, "note")
    assert not (tmp_path / "site.db").exists()
    newer = f"""[pnc.site.iso20]
mo_chain = "{PKI}/iso20/contract_chain.pem"
mo_key = "{PKI}/iso20/mo_sub_ca_2_key.pem"
cps_chain = "{PKI}/iso20/cps_chain.pem"
cps_key = "{PKI}/iso20/cps_leaf_key.pem"
"""
    code, grades = findings(tmp_path, SITE + newer, capsys)
    assert (code, grades["site"]) == (0, "ok")
    code, grades = findings(tmp_path, SITE + newer.replace("/iso20/contract", "/contract"), capsys)
    assert (code, grades["site"]) == (1, "bad")


def test_a_file_that_is_no_configuration_is_misuse(tmp_path: Path) -> None:
    assert main(["doctor", "--config", str(tmp_path / "missing.toml")]) == 2
