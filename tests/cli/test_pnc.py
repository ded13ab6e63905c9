"""`secc pnc`: the store of a site, from an empty file to renewed contracts, and everything it refuses."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import stat
from pathlib import Path

import pytest

from secc.cli import main
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.pki.hierarchy import Hierarchy, make_hierarchy, make_iso20_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, Kind
from secc.pki.xmldsig import SignedPart, sign, verify
from secc.site import ContractIssuer, ContractStore, Event, Status, StoredReceipt
from tests.support.serving import serving

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PKI: Hierarchy = make_hierarchy(not_before=NOW - DAY, seed=b"secc pnc")
E = "DEABC000000001G"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_hierarchy(PKI, tmp_path, NOW)
    assert main(["pnc", "init", str(tmp_path / "site.db")]) == 0
    return tmp_path


def pnc(folder: Path, action: str, *arguments: str) -> int:
    return main(["pnc", action, str(folder / "site.db"), *arguments])


def store(folder: Path) -> ContractStore:
    return ContractStore(folder / "site.db")


def shown(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_a_store_is_made_once_and_is_its_owners(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pnc(folder, "init") == 2
    assert "exists already" in capsys.readouterr().err
    pnc(folder, "add", E)
    files = sorted(folder.glob("site.db*"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * len(files)


def test_a_store_that_is_not_there_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pnc(tmp_path, "list") == 2
    assert "secc pnc init" in capsys.readouterr().err
    assert not (tmp_path / "site.db").exists()


def test_what_is_no_store_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.db").write_text("not a database, but long enough to look like a file of one" * 20)
    assert pnc(tmp_path, "list") == 1
    assert "not a database" in capsys.readouterr().err


NONE_YET = {"until": None, "iso20_until": None, "ends": None}


def test_a_contract_and_its_car(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pnc(folder, "add", E, "de-abc-000000002") == 0
    root, car = str(folder / "oem_root.pem"), str(folder / "oem_chain.pem")
    assert pnc(folder, "import", car, "--root", root, "--emaid", E) == 0
    capsys.readouterr()
    assert pnc(folder, "list", "--json") == 0
    listed = shown(capsys)
    assert listed == {
        "contracts": [
            {"emaid": E, "status": "active", "car": "ZZZTESTCAR0000001", **NONE_YET},
            {"emaid": "de-abc-000000002", "status": "active", "car": None, **NONE_YET},
        ],
        "cars without a contract": [],
    }
    assert pnc(folder, "list") == 0
    assert "ZZZTESTCAR0000001   no certificate yet" in capsys.readouterr().out


def test_a_car_of_both_generations_gets_contracts_of_both(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = make_iso20_hierarchy(not_before=NOW - DAY, seed=b"pnc of both")
    write_hierarchy(newer, folder / "iso20", NOW)
    root, car = str(folder / "iso20" / "oem_root.pem"), str(folder / "iso20" / "oem_chain.pem")
    assert pnc(folder, "add", E, "DEABC000000002") == 0
    for emaid in (E, "DEABC000000002"):
        assert pnc(folder, "import", car, "--root", root, "--emaid", emaid, "--also") == 0
    assert "certificate of iso15118-20" in capsys.readouterr().out
    pcid = PCID.parse("ZZZTESTCAR0000001")
    found = store(folder)
    assert [one.emaid.normal[:14] for one in found.contracts_of(pcid)] == [E[:14], "DEABC000000002"]
    assert found.car(pcid) is None
    assert found.car(pcid, Generation.ISO20) == newer[Kind.OEM_LEAF].certificate
    issuer = ContractIssuer(newer[Kind.MO_SUB_CA_2], (newer[Kind.MO_SUB_CA_1].certificate,))
    found.add_certificate(issuer.issue(E, NOW, not_after=NOW + 9 * DAY).leaf)
    assert pnc(folder, "list") == 0
    assert "iso15118-20 until" in capsys.readouterr().out
    assert pnc(folder, "expiring") == 0
    assert "iso15118-20 until 20" in capsys.readouterr().out


def test_a_contract_may_end_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pnc(folder, "add", E, "--from", "2026-01-01", "--until", "2027-01-01") == 0
    capsys.readouterr()
    pnc(folder, "list")
    assert "no certificate yet, ends 2027-01-01" in capsys.readouterr().out
    assert pnc(folder, "add", "DEABC000000002", "--until", "some day") == 2


def test_a_car_without_a_contract_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    car = str(folder / "oem_chain.pem")
    assert pnc(folder, "import", car, "--root", str(folder / "oem_root.pem")) == 0
    pnc(folder, "list")
    assert "no contract" in capsys.readouterr().out
    assert store(folder).car(PCID.parse("ZZZTESTCAR0000001")) == PKI[Kind.OEM_LEAF].certificate


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["oem_chain.pem"], 2, "--root"),
        (["oem_chain.pem", "--root", "mo_root.pem"], 1, "no_anchor"),
        (["contract_chain.pem", "--root", "mo_root.pem"], 1, ""),
        (["oem_root.pem", "--root", "oem_root.pem"], 2, "0 provisioning certificates"),
        (["oem_chain.pem", "--root", "oem_root.pem", "--emaid", "DEABC000000009"], 1, "secc pnc add"),
        (["oem_chain.pem", "oem_leaf.pem", "--root", "oem_root.pem", "--emaid", E], 2, "one file"),
    ],
)
def test_cars_that_are_not_taken(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, complaint: str
) -> None:
    named = [str(folder / one) if one.endswith(".pem") else one for one in arguments]
    assert pnc(folder, "import", *named) == status
    assert complaint in capsys.readouterr().err
    assert store(folder).cars() == ()


def test_a_contract_is_blocked_activated_and_canceled_for_good(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pnc(folder, "add", E)
    emaid = EMAID.parse(E)
    for action, status in (
        ("block", Status.BLOCKED),
        ("activate", Status.ACTIVE),
        ("cancel", Status.CANCELED),
    ):
        assert pnc(folder, action, E) == 0
        found = store(folder).contract(emaid)
        assert found is not None
        assert found.status is status
    assert pnc(folder, "activate", E) == 1
    assert "permanently" in capsys.readouterr().err
    assert pnc(folder, "block", "DEABC000000009") == 1
    assert pnc(folder, "add", E) == 1
    assert pnc(folder, "add", "nobody") == 1


def site(folder: Path) -> Path:
    """A configuration of a station with everything of a site."""
    (folder / "station.toml").write_text(
        "[pnc.site]\n"
        'store = "site.db"\n'
        'mo_chain = "contract_chain.pem"\nmo_key = "mo_sub_ca_2_key.pem"\n'
        'cps_chain = "cps_chain.pem"\ncps_key = "cps_leaf_key.pem"\n'
    )
    return folder / "station.toml"


def ending(folder: Path, days: int) -> None:
    issuer = ContractIssuer(PKI[Kind.MO_SUB_CA_2], [PKI[Kind.MO_SUB_CA_1].certificate])
    store(folder).add_certificate(issuer.issue(E, NOW, not_after=NOW + days * DAY).leaf)


def test_what_ends_soon_is_shown_and_renewed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pnc(folder, "add", E)
    car = str(folder / "oem_chain.pem")
    pnc(folder, "import", car, "--root", str(folder / "oem_root.pem"), "--emaid", E)
    ending(folder, 10)
    capsys.readouterr()
    assert pnc(folder, "expiring", "--within", "9", "--json") == 0
    assert shown(capsys) == []
    assert pnc(folder, "expiring") == 0
    assert "nothing prepared" in capsys.readouterr().out
    assert main(["pnc", "renew", str(site(folder))]) == 0
    assert "the next one waits for the car" in capsys.readouterr().out
    pnc(folder, "expiring", "--json")
    until = (NOW + 10 * DAY).isoformat()
    row = {"emaid": E, "until": until, "generation": "iso15118-2", "prepared": True}
    assert shown(capsys) == [row]


def test_a_renewal_that_fails_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pnc(folder, "add", E)
    ending(folder, 10)
    assert main(["pnc", "renew", str(site(folder))]) == 1
    assert "no car of iso15118-2 is known" in capsys.readouterr().out
    pnc(folder, "refusals")
    assert "renewal failed: no_car" in capsys.readouterr().out


def receipt(energy: int) -> StoredReceipt:
    """As a car signs it."""
    request = iso2.MeteringReceiptReq(
        id="id1", session_id=bytes(8), meter_info=iso2.MeterInfo(meter_id="M", meter_reading=energy)
    )
    element, owner = SignedPart("MeteringReceiptReq", request), PKI[Kind.CONTRACT_LEAF]
    proof = verify(sign((element,), owner.key), (element,), owner.key.public_key())
    leaf = owner.certificate.der
    return StoredReceipt(
        NOW, E, "E1", bytes(8), energy, element.fragment(), proof.signed_info, proof.value, leaf
    )


def _broken(signature: bytes) -> bytes:
    """Another last byte, whatever the random one was."""
    return signature[:-1] + bytes([signature[-1] ^ 1])


def test_receipts_are_verified_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = store(folder)
    kept.log.add_receipt(receipt(4200))
    assert pnc(folder, "receipts") == 0
    assert f"{E} 4200 Wh, genuine" in capsys.readouterr().out
    kept.log.add_receipt(dataclasses.replace(receipt(1), fragment=receipt(2).fragment))
    kept.log.add_receipt(dataclasses.replace(receipt(1), signature=_broken(receipt(1).signature)))
    kept.log.add_receipt(dataclasses.replace(receipt(1), signature=b""))
    kept.log.add_receipt(dataclasses.replace(receipt(1), signed_info=b"\x80"))
    assert pnc(folder, "receipts", "--json") == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["genuine"] for row in rows] == [True, False, False, False, False]


def test_refusals_are_shown_with_their_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = store(folder)
    text = f"PaymentDetailsReq: {ResponseCode.FAILED_CERT_CHAIN_ERROR.value}"
    for _ in range(3):
        kept.log.add_event(Event(NOW, "refused", "", "E1", "no_anchor", text))
    kept.log.add_event(Event(NOW, "granted", E, "E1", "back_end", ""))
    assert pnc(folder, "refusals") == 0
    assert "     3 refused: no_anchor" in capsys.readouterr().out
    assert pnc(folder, "refusals", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["totals"] == [{"kind": "refused", "rule": "no_anchor", "times": 3}]
    assert len(told["events"]) == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('store = "site.db"', 'store = "other.db"'), "secc pnc init"),
        (("mo_sub_ca_2_key", "oem_leaf_key"), "none of its certificates is for the key"),
        (('mo_chain = "contract_chain.pem"', 'mo_chain = "no-such.pem"'), "no-such.pem"),
        (("cps_leaf_key.pem", "cps_chain.pem"), "not a PEM private key"),
        (('mo_chain = "contract_chain.pem"\n', ""), "all or none"),
        (("[pnc.site]", '[pnc.site]\ncrls = ["mo_root.pem"]'), "not a revocation list"),
        (("[pnc.site]", '[pnc.site]\nauthority = "nowhere"'), "nowhere"),
    ],
)
def test_a_site_that_cannot_be_opened_names_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], complaint: str
) -> None:
    path = site(folder)
    path.write_text(path.read_text().replace(*change))
    assert main(["pnc", "renew", str(path)]) == 2
    assert main(["serve", "-i", "lo", "--config", str(path)]) == 2
    assert capsys.readouterr().err.count(complaint) == 2


def test_a_car_gets_its_contract_from_a_served_site_and_pays_with_it_the_next_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pnc(folder, "add", E)
    root, car = str(folder / "oem_root.pem"), str(folder / "oem_chain.pem")
    pnc(folder, "import", car, "--root", root, "--emaid", E)
    text = site(folder).read_text().replace("[pnc.site]", '[pnc]\nrevocation = "prefer"\n[pnc.site]')
    site(folder).write_text(
        '[energy]\nmodes = ["AC_three_phase_core"]\n[service]\npayment_options = ["Contract"]\n'
        '[tls]\npolicy = "required"\n'
        'certificate_chain = "secc_chain.pem"\nprivate_key = "secc_leaf_key.pem"\n'
        '[trust]\nv2g_roots = ["v2g_root.pem"]\nmo_roots = ["mo_root.pem"]\n' + text
    )
    arguments = ("--config", str(folder / "station.toml"))
    with serving(*arguments, security="TLS") as (process, port):
        ev = ["ev", "--host", "::1", "--port", str(port), "--ac", "--tls", "--loops", "3", "--pace", "0.02"]
        ev += ["--wallet", str(folder), "--patience", "8"]
        assert main([*ev, "--json"]) == 0
        first = capsys.readouterr().out
        assert process.stdout is not None
        for line in process.stdout:  # the next port
            if found := re.search(r"listening: .*TLS (\d+)", line):
                ev[4] = found[1]
                break
        assert main([*ev, "--json"]) == 0
        second = capsys.readouterr().out
    assert "CertificateInstallationReq" in first
    assert "CertificateInstallationReq" not in second
    assert "PaymentDetailsReq" in second
    assert stat.S_IMODE((folder / "car_contract_key.pem").stat().st_mode) == 0o600
    kinds = [event.kind for event in store(folder).log.events()]
    assert kinds == ["installed", "delivered", "granted", "granted"]


def test_a_wallet_that_cannot_be_opened_is_misuse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "car_contract.pem").write_bytes(PKI[Kind.CONTRACT_LEAF].certificate.pem)
    (folder / "car_contract_key.pem").write_bytes(PKI[Kind.OEM_LEAF].key_pem)
    assert main(["ev", "--wallet", str(folder)]) == 2
    assert "is not the key of" in capsys.readouterr().err
    assert main(["ev", "--wallet", str(folder / "nowhere")]) == 2
    assert main(["ev", "--misbehave", "unsigned"]) == 2


def test_serve_takes_the_store_or_a_back_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["serve", "-i", "lo", "--sim", "ac", "--store", str(folder / "site.db"), "--backend", "a:B"]
    assert main(given) == 2
    assert "exclude each other" in capsys.readouterr().err
