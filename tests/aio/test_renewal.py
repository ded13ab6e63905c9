"""The waiting half of renewal: a signer that answers, fails or hangs, and files that survive everything."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from secc.aio.records import LinkEvent, LinkRecord, Record
from secc.aio.renewal import CertificateFiles, LeafRenewal, renewal_for
from secc.config import SeccConfig, TlsConfig
from secc.errors import ConfigError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import Hierarchy, chain_pem, make_hierarchy, write_hierarchy
from secc.pki.issuing import key_pem, make_request, new_key, read_key, read_request
from secc.pki.profiles import Kind
from secc.pki.renewal import RenewalPolicy, Report
from secc.pki.trust import Role, trust
from secc.sdp import TlsPolicy
from tests.support.wire import GrantingBackend, eventually, running
from tests.support.wire import config as wire_config

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


# --- with a station ----------------------------------------------------------------------------------------


class SigningBackend(GrantingBackend):
    """Signs the station's requests as well."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        now = datetime.datetime.now(datetime.UTC)
        leaf = self._authority.issue(read_request(request), Kind.SECC_LEAF, now, IssuingPolicy())
        return [leaf.der, *(one.der for one in self._authority.chain)]


def station_config(folder: Path) -> SeccConfig:
    """A station whose leaf has used up most of its life, and the files it is configured with."""
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=80)
    pki = make_hierarchy(not_before=begin.replace(microsecond=0), seed=b"station renewal")
    (folder / "chain.pem").write_bytes(chain_pem(pki, Role.SECC))
    (folder / "key.pem").write_bytes(pki[Kind.SECC_LEAF].key_pem)
    (folder / "root.pem").write_bytes(pki[Kind.V2G_ROOT].certificate.pem)
    write_hierarchy(pki, folder / "ca", begin)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=folder / "chain.pem",
        private_key=folder / "key.pem",
        root=folder / "root.pem",
        watch_interval=0.05,
    )
    return dataclasses.replace(wire_config(), tls=tls)


async def renewed(made: SeccConfig, authority: Authority) -> list[str]:
    async with running(made, backend=SigningBackend(authority)) as bed:
        told = (r for r in bed.records if isinstance(r, LinkRecord) and r.event is LinkEvent.TLS_RENEWED)
        await eventually(lambda: len(list(_again(bed.records))) >= 2)
        return [r.text for r in told]


def _again(records: list[Record]) -> list[LinkRecord]:
    return [r for r in records if isinstance(r, LinkRecord) and r.event is LinkEvent.TLS_RENEWED]


def test_a_station_whose_back_end_signs_renews_its_certificate_and_takes_it_up(tmp_path: Path) -> None:
    made = station_config(tmp_path)
    before = read_chain((tmp_path / "chain.pem").read_bytes())[0]
    texts = asyncio.run(renewed(made, Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2)))
    after = read_chain((tmp_path / "chain.pem").read_bytes())[0]
    assert after.not_after > before.not_after
    assert len(texts) == 2  # the files were replaced, and the running station took them


def test_without_a_signer_or_without_tls_nothing_is_renewed(tmp_path: Path) -> None:
    def tell(event: LinkEvent, text: str) -> None:
        raise AssertionError(text)

    assert renewal_for(station_config(tmp_path), GrantingBackend(), tell) is None
    signer = SigningBackend(Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    assert renewal_for(wire_config(), signer, tell) is None


def test_a_root_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    made = station_config(tmp_path)
    (tmp_path / "root.pem").unlink()
    signer = SigningBackend(Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    with pytest.raises(ConfigError, match="renewal of the station's certificate"):
        renewal_for(made, signer, lambda event, text: None)
