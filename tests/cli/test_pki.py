"""`secc pki`: a test hierarchy, and the life of an operator's Sub-CA, as commands."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import ocsp

from secc.cli import main
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import read_certificate, read_chain
from secc.pki.issuing import Order, issue, key_pem, make_request, new_key, read_request, request_pem
from secc.pki.keys import KeyType, new_private_key
from secc.pki.profiles import Kind
from secc.pki.revocation import RevocationStatus, read_ocsp
from tests.support import defects_of_role

Output = pytest.CaptureFixture[str]
STATION = "DEABCS" + "7" * 33


@pytest.fixture
def lab(tmp_path: Path, capsys: Output) -> Path:
    folder = tmp_path / "lab"
    assert main(["pki", "new", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"17 certificates of ISO 15118-2 with their keys in {folder}: for tests only\n"
        f"20 certificates of ISO 15118-20 in {folder}/iso20: for tests only\n"
    )
    return folder


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "station.csr"
    key = new_key(b"cli station")
    der = make_request(key, Kind.SECC_LEAF, common_name=STATION, organization="ACME", country="DE")
    path.write_bytes(request_pem(der))
    return path


def issue_leaf(lab: Path, request_file: Path, capsys: Output, *more: str) -> Path:
    out = lab.parent / "station.pem"
    assert main(["pki", "issue", str(lab), str(request_file), "--out", str(out), *more]) == 0
    capsys.readouterr()
    return out


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        arguments = ["--seed", "x", "--from", "2026-01-01", "--until", "2030-01-01"]
        assert main(["pki", "new", str(tmp_path / name), *arguments]) == 0
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        files = [path for path in folder.rglob("*") if path.is_file()]
        contents.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]


def test_a_hierarchy_is_replaced_only_by_force(lab: Path, capsys: Output) -> None:
    assert main(["pki", "new", str(lab)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["pki", "new", str(lab), "--force", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["key"] for row in rows] == ["secp256r1"] * 17 + ["secp521r1"] * 20


def test_an_emaid_that_is_none_is_refused(tmp_path: Path, capsys: Output) -> None:
    assert main(["pki", "new", str(tmp_path / "lab"), "--emaid", "nobody"]) == 1
    assert "(common_name)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("chain", "role", "root"),
    [
        ("secc_chain.pem", "secc", "v2g_root.pem"),
        ("cps_chain.pem", "cps", "v2g_root.pem"),
        ("contract_chain.pem", "contract", "mo_root.pem"),
        ("oem_chain.pem", "oem", "oem_root.pem"),
        ("iso20/secc_chain.pem", "secc", "iso20/v2g_root.pem"),
        ("iso20/cps_chain.pem", "cps", "iso20/v2g_root.pem"),
        ("iso20/contract_chain.pem", "contract", "iso20/mo_root.pem"),
        ("iso20/oem_chain.pem", "oem", "iso20/oem_root.pem"),
        ("iso20/vehicle_chain.pem", "vehicle", "iso20/oem_root.pem"),
    ],
)
def test_every_chain_of_the_hierarchy_verifies(
    lab: Path, capsys: Output, chain: str, role: str, root: str
) -> None:
    command = ["pki", "verify", str(lab / chain), "--role", role, "--root", str(lab / root), "--strict"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"valid as {role}, until ")
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True


def test_a_private_root_is_named_as_such(lab: Path, capsys: Output) -> None:
    leaf, root = str(lab / "private_secc_leaf.pem"), str(lab / "private_root.pem")
    assert main(["pki", "verify", leaf, "--role", "secc", "--root", root]) == 1
    assert "(root_issued_leaf)" in capsys.readouterr().err
    command = ["pki", "verify", leaf, "--role", "secc", "--root", root, "--root-kind", "private_root"]
    assert main(command) == 0


def test_no_says_which_certificate_and_which_rule(lab: Path, capsys: Output) -> None:
    chain, root = str(lab / "secc_chain.pem"), str(lab / "mo_root.pem")
    command = ["pki", "verify", chain, "--role", "secc", "--root", root, "--json"]
    assert main(command) == 1
    refusal = json.loads(capsys.readouterr().out)
    assert refusal["rule"] == "no_anchor"
    assert refusal["certificate"] == "CPO Sub-CA 1 CPOSubCA1 Test"
    assert refusal["response_code"] == "FAILED_CertChainError"


def test_the_generation_is_that_of_the_leaf_unless_it_is_named(lab: Path, capsys: Output) -> None:
    chain, root = str(lab / "secc_chain.pem"), str(lab / "v2g_root.pem")
    command = ["pki", "verify", chain, "--role", "secc", "--root", root]
    assert main([*command, "--generation", "lab"]) == 0
    assert main([*command, "--generation", "iso15118-20"]) == 1
    assert "(curve)" in capsys.readouterr().err


def test_only_iso20_has_vehicle_certificates(lab: Path, capsys: Output) -> None:
    chain, root = str(lab / "oem_chain.pem"), str(lab / "oem_root.pem")
    command = ["pki", "verify", chain, "--role", "vehicle", "--root", root]
    assert main(command) == 1
    assert main([*command, "--generation", "iso15118-2"]) == 2
    assert "iso15118-2 has no role vehicle" in capsys.readouterr().err


def test_a_hierarchy_with_ed448_keys(tmp_path: Path, capsys: Output) -> None:
    folder = tmp_path / "lab"
    assert main(["pki", "new", str(folder), "--iso20-keys", "ed448", "--json"]) == 0
    assert {row["key"] for row in json.loads(capsys.readouterr().out)[17:]} == {"ed448"}
    chain, root = str(folder / "iso20/vehicle_chain.pem"), str(folder / "iso20/oem_root.pem")
    assert main(["pki", "verify", chain, "--role", "vehicle", "--root", root, "--strict"]) == 0


def test_a_sub_ca_of_iso20_issues_leaves_of_iso20(lab: Path, tmp_path: Path, capsys: Output) -> None:
    key = new_private_key(KeyType.SECP521R1)
    request = tmp_path / "station20.csr"
    request.write_bytes(make_request(key, Kind.SECC_LEAF, common_name=STATION, organization="ACME"))
    out = issue_leaf(lab / "iso20", request, capsys)
    leaf = read_chain(out.read_bytes())[0]
    assert (leaf.key_type, leaf.extended_key_usage) == (KeyType.SECP521R1, ("1.3.6.1.5.5.7.3.1",))
    assert main(["pki", "issue", str(lab), str(request)]) == 1
    assert "(curve)" in capsys.readouterr().err


def test_time_is_an_argument(lab: Path, capsys: Output) -> None:
    chain, root = str(lab / "secc_chain.pem"), str(lab / "v2g_root.pem")
    command = ["pki", "verify", chain, "--role", "secc", "--root", root, "--at", "2060-01-01"]
    assert main(command) == 1
    assert "(leaf_expired)" in capsys.readouterr().err
    assert main([*command[:-1], "tomorrow"]) == 2


def test_show_draws_a_tree_with_warnings(lab: Path, capsys: Output) -> None:
    files = [str(lab / name) for name in ("contract_chain.pem", "mo_root.pem")]
    assert main(["pki", "show", *files, "--at", "2060-01-01"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("CN=MORootCA Test, O=Test only, C=DE, DC=MO\n    looks like mo_root: authority, ")
    assert "\n      CN=DEABC000000001G, O=Test only\n" in text
    assert "! expired on" in text


def test_show_guesses_every_kind(lab: Path, capsys: Output) -> None:
    for path in sorted(lab.rglob("*.pem")):
        if "key" in path.name or "chain" in path.name:
            continue
        assert main(["pki", "show", str(path), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        wanted = path.stem.removeprefix("private_") if "leaf" in path.stem else path.stem
        assert row["kind"] == wanted
        assert row["warnings"] == [] or path.stem == "private_secc_leaf"  # its root is not in the file


def test_show_marks_what_is_never_tolerated(lab: Path, capsys: Output) -> None:
    assert main(["pki", "show", str(lab / "cps_leaf.pem"), "--kind", "secc_leaf"]) == 0
    assert "(domain_component, NEVER tolerated)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["show", "nothing.pem"], ["show", __file__], ["issue", "nowhere", "x"]]
)
def test_files_that_are_not_there_or_not_certificates(arguments: list[str], capsys: Output) -> None:
    assert main(["pki", *arguments]) in (1, 2)
    assert capsys.readouterr().err.startswith("secc: ")


def test_an_issued_chain_verifies(lab: Path, request_file: Path, capsys: Output) -> None:
    out = issue_leaf(lab, request_file, capsys)
    root = str(lab / "v2g_root.pem")
    assert main(["pki", "verify", str(out), "--role", "secc", "--root", root]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"  CN={STATION}, O=ACME, C=DE, DC=CPO"


def test_a_chain_on_standard_output(lab: Path, request_file: Path, capsys: Output) -> None:
    assert main(["pki", "issue", str(lab), str(request_file)]) == 0
    assert len(read_chain(capsys.readouterr().out.encode())) == 3


def test_a_broken_request_is_refused(lab: Path, tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "broken.csr"
    path.write_bytes(b"-----BEGIN CERTIFICATE REQUEST-----\n")
    assert main(["pki", "issue", str(lab), str(path)]) == 1
    assert "(request)" in capsys.readouterr().err


def test_renew_what_ends_soon(lab: Path, request_file: Path, capsys: Output) -> None:
    issue_leaf(lab, request_file, capsys, "--days", "10")
    command = ["pki", "renew", str(lab), "--within", "30"]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 of CN=CPOSubCA2 Test, O=Test only, C=DE, DC=V2G"
    assert main([*command, "--out", str(lab / "renewed"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["subject"] == f"CN={STATION}, O=ACME, C=DE, DC=CPO"
    assert (lab / "renewed" / f"{row['serial']}.pem").exists()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("0 of")


def test_revoke_and_publish(lab: Path, request_file: Path, capsys: Output) -> None:
    out = issue_leaf(lab, request_file, capsys)
    serial = f"{read_chain(out.read_bytes())[0].serial:x}"
    assert main(["pki", "revoke", str(lab), serial, "--reason", "key_compromise"]) == 0
    assert main(["pki", "revoke", str(lab), serial]) == 1
    assert main(["pki", "revoke", str(lab), "not hex"]) == 2
    crl = lab / "ca.crl"
    assert main(["pki", "crl", str(lab), "--out", str(crl)]) == 0
    assert [f"{one.serial_number:x}" for one in x509.load_der_x509_crl(crl.read_bytes())] == [serial]
    capsys.readouterr()
    root = str(lab / "v2g_root.pem")
    command = ["pki", "verify", str(out), "--role", "secc", "--root", root, "--crl", str(crl)]
    assert main(command) == 1
    assert "(leaf_revoked)" in capsys.readouterr().err


def test_a_sub_ca_under_a_root_of_another_party(
    lab: Path, tmp_path: Path, request_file: Path, capsys: Output
) -> None:
    own = tmp_path / "own"
    subject = ["--common-name", "ACME Sub-CA 2", "--organization", "ACME", "--country", "DE"]
    assert main(["pki", "csr", str(own), *subject]) == 0
    assert main(["pki", "csr", str(own), *subject]) == 2  # never a second key
    answer = tmp_path / "answer.p7b"
    answer.write_bytes(_root_signs(lab, own / "cpo_sub_ca_2.csr"))
    command = ["pki", "import", str(own), str(answer), "--root"]
    assert main([*command, str(lab / "mo_root.pem")]) == 1
    assert main([*command, str(lab / "v2g_root.pem")]) == 0
    out = issue_leaf(own, request_file, capsys)
    verify = ["pki", "verify", str(out), "--role", "secc", "--root", str(lab / "v2g_root.pem")]
    assert main(verify) == 0


def _root_signs(lab: Path, request_file: Path) -> bytes:
    """The answer as a real root gives it: PKCS#7, in its own order, with the root inside."""
    request = read_request(request_file.read_bytes())
    upper = Authority(lab, Kind.CPO_SUB_CA_1)
    order = Order(
        kind=Kind.CPO_SUB_CA_2,
        common_name=request.common_name,
        organization=request.organization,
        country="DE",
        serial=99,
        not_before=upper.certificate.not_before,
        ocsp_url="http://ocsp.example.com/",
    )
    made = issue(order, request.public_key, upper.identity)
    root = read_chain((lab / "v2g_root.pem").read_bytes())[0]
    bag = [one.to_cryptography() for one in (root, upper.certificate, made)]
    return pkcs7.serialize_certificates(bag, Encoding.DER)


def test_an_answer_for_another_key_is_not_imported(lab: Path, tmp_path: Path, capsys: Output) -> None:
    own = tmp_path / "own"
    subject = ["--common-name", "ACME Sub-CA 2", "--organization", "ACME", "--country", "DE"]
    assert main(["pki", "csr", str(own), *subject]) == 0
    answer = str(lab / "cpo_sub_ca_2.pem")
    assert main(["pki", "import", str(own), answer, "--root", str(lab / "v2g_root.pem")]) == 1
    assert "for the key" in capsys.readouterr().err


def test_a_key_with_a_password(lab: Path, tmp_path: Path, request_file: Path, capsys: Output) -> None:
    authority = Authority(lab, Kind.CPO_SUB_CA_2)
    (lab / "cpo_sub_ca_2_key.pem").write_bytes(key_pem(authority.identity.key, b"secret"))
    password = tmp_path / "password"
    password.write_text("secret\n")
    assert main(["pki", "issue", str(lab), str(request_file)]) == 1
    issue_leaf(lab, request_file, capsys, "--password-file", str(password))


def test_the_responder_answers_on_loopback(lab: Path, request_file: Path) -> None:
    authority = Authority(lab, Kind.CPO_SUB_CA_2)
    now = datetime.datetime.now(datetime.UTC)
    leaf = authority.issue(read_request(request_file.read_bytes()), Kind.SECC_LEAF, now, IssuingPolicy())
    command = [sys.executable, "-m", "secc", "pki", "ocsp", str(lab), "--port", "0", "--once", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        builder = ocsp.OCSPRequestBuilder()
        request = builder.add_certificate(
            leaf.to_cryptography(), authority.certificate.to_cryptography(), hashes.SHA1()
        ).build()
        body = urllib.request.Request(url, data=request.public_bytes(Encoding.DER))
        with urllib.request.urlopen(body, timeout=10) as answer:
            response = answer.read()
        assert process.wait(10) == 0
    assert read_ocsp(response, leaf, authority.certificate, now).status is RevocationStatus.GOOD


def test_a_folder_without_authorities_answers_nothing(tmp_path: Path, capsys: Output) -> None:
    assert main(["pki", "ocsp", str(tmp_path), "--port", "0"]) == 2
    assert "no authority" in capsys.readouterr().err


def test_a_cross_certificate_is_made_and_accepted_where_it_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, newer = tmp_path / "lab", tmp_path / "lab" / "iso20"
    assert main(["pki", "new", str(lab)]) == 0
    cross = tmp_path / "cross.pem"
    assert main(["pki", "cross", str(newer), str(newer / "oem_root.pem"), "--out", str(cross)]) == 0
    whole = tmp_path / "whole.pem"
    whole.write_bytes((newer / "vehicle_chain.pem").read_bytes() + cross.read_bytes())
    verify = ["pki", "verify", str(whole), "--role", "vehicle", "--root", str(newer / "v2g_root.pem")]
    assert main([*verify, "--cross", "1"]) == 0
    capsys.readouterr()
    assert main(verify) == 1
    assert "(too_deep)" in capsys.readouterr().err
    assert main(["pki", "cross", str(newer), str(lab / "oem_root.pem"), "--out", str(tmp_path / "x")]) == 1
    assert "(curve)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("chain", "role", "day", "rule"),
    [
        ("iso20/vehicle_chain.pem", "vehicle", "2025-01-01", "leaf_not_yet_valid"),
        ("iso20/contract_chain.pem", "contract", "2090-01-01", "leaf_expired"),
        ("secc_chain.pem", "secc", "2090-01-01", "leaf_expired"),
    ],
)
def test_verify_at_another_day_names_the_rule(
    chain: str, role: str, day: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "lab"
    assert main(["pki", "new", str(lab)]) == 0
    root = {"vehicle": "iso20/oem_root.pem", "contract": "iso20/mo_root.pem", "secc": "v2g_root.pem"}[role]
    verify = ["pki", "verify", str(lab / chain), "--role", role, "--root", str(lab / root)]
    assert main(verify) == 0
    capsys.readouterr()
    assert main([*verify, "--at", day]) == 1
    assert rule in capsys.readouterr().err


def test_verify_names_what_it_may_tolerate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A provisioning certificate without a PCID, as in test hierarchies of other stacks."""
    row = next(row for row in defects_of_role.ROWS if row.title.startswith("car of a test hierarchy"))
    chain, root = tmp_path / "chain.pem", tmp_path / "root.pem"
    chain.write_bytes(b"".join(read_certificate(der).pem for der in row.chain))
    root.write_bytes(read_certificate(row.roots[0][1]).pem)
    verify = ["pki", "verify", str(chain), "--role", "oem", "--root", str(root), "--root-kind", "oem_root"]
    at = ["--at", f"{row.now:%Y-%m-%d}"]
    assert main([*verify, *at]) == 1
    assert "is not a PCID" in capsys.readouterr().err
    assert main([*verify, *at, "--tolerate", "other_pcid"]) == 0
    assert "other_pcid" in capsys.readouterr().out
    assert main(["pki", "verify", "--help"]) == 0
    assert "--at DATE" in capsys.readouterr().out
