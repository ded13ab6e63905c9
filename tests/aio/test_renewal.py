"""The waiting half of renewal: a signer that answers, fails or hangs, and files that survive everything."""

from __future__ import annotations

import asyncio
import datetime
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from secc.aio.renewal import CertificateFiles, LeafRenewal
from secc.errors import ConfigError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import Hierarchy, chain_pem, make_hierarchy, write_hierarchy
from secc.pki.issuing import key_pem, make_request, new_key, read_key, read_request
from secc.pki.profiles import Kind
from secc.pki.renewal import RenewalPolicy, Report
from secc.pki.trust import Role, trust

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DUE = BEGIN + datetime.timedelta(days=61)
PKI: Hierarchy = make_hierarchy(not_before=BEGIN, seed=b"aio renewal")
STORE = trust([(Kind.V2G_ROOT, PKI[Kind.V2G_ROOT].certificate)])


class Signer:
    """A back end that signs, or does what the test says."""

    def __init__(self, sign: Callable[[bytes], Awaitable[list[bytes]]]) -> None:
        self._sign = sign

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        return await self._sign(request)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    made = CertificateFiles(tmp_path / "chain.pem", tmp_path / "key.pem")
    made.chain.write_bytes(chain_pem(PKI, Role.SECC))
    made.key.write_bytes(PKI[Kind.SECC_LEAF].key_pem)
    return made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    write_hierarchy(PKI, tmp_path / "ca", BEGIN)
    return Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2)


def signing(authority: Authority) -> Signer:
    async def sign(request: bytes) -> list[bytes]:
        leaf = authority.issue(read_request(request), Kind.SECC_LEAF, DUE, IssuingPolicy())
        return [leaf.der, *(one.der for one in authority.chain)]

    return Signer(sign)


def renewal(
    files: CertificateFiles, signer: Signer, reports: list[Report], policy: RenewalPolicy | None = None
) -> LeafRenewal:
    return LeafRenewal(files, signer, STORE, policy, report=reports.append, clock=lambda: DUE)


def belong(files: CertificateFiles) -> bool:
    key = read_key(files.key.read_bytes(), files.password).public_key()
    return files.leaf().public_key == key


def test_a_due_certificate_is_renewed_and_its_files_replaced(
    files: CertificateFiles, authority: Authority
) -> None:
    reports: list[Report] = []
    old = files.leaf()
    asyncio.run(renewal(files, signing(authority), reports).step())
    assert [one.renewed for one in reports] == [True]
    assert files.leaf() != old
    assert len(read_chain(files.chain.read_bytes())) == 3
    assert belong(files)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(os.listdir(files.chain.parent)) == ["ca", "chain.pem", "key.pem"]


def test_an_encrypted_key_stays_encrypted(files: CertificateFiles, authority: Authority) -> None:
    files.key.write_bytes(key_pem(PKI[Kind.SECC_LEAF].key, b"secret"))
    locked = CertificateFiles(files.chain, files.key, b"secret")
    asyncio.run(renewal(locked, signing(authority), []).step())
    assert b"ENCRYPTED" in files.key.read_bytes()
    assert belong(locked)


@pytest.mark.parametrize("failure", ["raises", "lies", "hangs"])
def test_a_signer_that_fails_leaves_everything_as_it_was(files: CertificateFiles, failure: str) -> None:
    async def fail(request: bytes) -> list[bytes]:
        if failure == "raises":
            raise RuntimeError("CSMS says no")
        if failure == "hangs":
            await asyncio.Event().wait()
        return [PKI[Kind.SECC_LEAF].certificate.der]

    before = (files.chain.read_bytes(), files.key.read_bytes())
    reports: list[Report] = []
    impatient = RenewalPolicy(patience=datetime.timedelta(milliseconds=20))
    asyncio.run(renewal(files, Signer(fail), reports, impatient).step())
    assert [one.renewed for one in reports] == [False]
    assert (files.chain.read_bytes(), files.key.read_bytes()) == before


def test_a_folder_that_cannot_be_written_is_reported(
    files: CertificateFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = (files.chain.read_bytes(), files.key.read_bytes())
    reports: list[Report] = []
    made = renewal(files, signing(authority), reports)
    signer = signing(authority)

    async def sign_then_fill(request: bytes) -> list[bytes]:
        answer = await signer.sign_certificate(request)
        monkeypatch.setattr(os, "fsync", full)
        return answer

    made._signer = Signer(sign_then_fill)
    asyncio.run(made.step())
    assert "No space left" in reports[0].text
    assert (files.chain.read_bytes(), files.key.read_bytes()) == before
    assert not list(files.chain.parent.glob("*.new"))


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_power_cut_in_the_middle_leaves_a_pair_that_belongs_together(
    files: CertificateFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    request = _request()
    new = authority.issue(read_request(request), Kind.SECC_LEAF, DUE, IssuingPolicy())
    chain = b"".join(one.pem for one in (new, *authority.chain))
    real, done = os.replace, 0

    def replace(source: Path, target: Path) -> None:
        nonlocal done
        if done == moved:
            raise KeyboardInterrupt  # nothing that would be cleaned up after
        done += 1
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    if moved < 2:
        with pytest.raises(KeyboardInterrupt):
            files.replace(chain, key_pem(new_key(b"station")))
    else:
        files.replace(chain, key_pem(new_key(b"station")))
    monkeypatch.undo()
    files.recover()
    assert belong(files)
    assert files.leaf() == (PKI[Kind.SECC_LEAF].certificate if moved == 0 else new)
    assert not list(files.chain.parent.glob("*.new"))


def _request() -> bytes:
    name = PKI[Kind.SECC_LEAF].certificate.subject.common_name
    key = new_key(b"station")
    return make_request(key, Kind.SECC_LEAF, common_name=name, organization="Test only", country="DE")


def test_the_second_file_that_cannot_be_moved_brings_the_first_one_back(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (files.chain.read_bytes(), files.key.read_bytes())
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if target == files.chain:
            raise OSError(30, "Read-only file system")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="Read-only"):
        files.replace(b"new chain", b"new key")
    assert (files.chain.read_bytes(), files.key.read_bytes()) == before


def test_a_certificate_that_cannot_be_read_is_a_wrong_configuration(files: CertificateFiles) -> None:
    files.chain.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"chain\.pem"):
        renewal(files, Signer(_never), [])


async def _never(request: bytes) -> list[bytes]:
    raise AssertionError("nobody asks")


def test_run_waits_and_can_be_cancelled(files: CertificateFiles) -> None:
    reports: list[Report] = []
    made = LeafRenewal(files, Signer(_never), STORE, report=reports.append, clock=lambda: BEGIN)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await made.run()

    asyncio.run(run())
    assert reports == []
