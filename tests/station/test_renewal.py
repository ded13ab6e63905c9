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

from secc.boundary.backend import checked_backend
from secc.certificate_files import CertificateFiles
from secc.errors import ConfigError
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import Hierarchy, chain_pem, make_hierarchy, write_hierarchy
from secc.pki.issuing import key_pem, make_request, new_key, read_key, read_request
from secc.pki.profiles import Kind
from secc.pki.renewal import RenewalPolicy, RenewalReport
from secc.pki.trust import Role, trust
from secc.ports import CertificateSigner
from secc.records import LinkEvent, LinkRecord, Record
from secc.settings import SeccConfig, TlsConfig, TlsPolicy
from secc.station.renewal import LeafRenewal, renewals_for
from secc.tls import TlsContext
from tests.support.wire import Car, GrantingBackend, eventually, running
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
    files: CertificateFiles, signer: Signer, reports: list[RenewalReport], policy: RenewalPolicy | None = None
) -> LeafRenewal:
    return LeafRenewal(files, signer, STORE, policy, report=reports.append, clock=lambda: DUE)


def belong(files: CertificateFiles) -> bool:
    key = read_key(files.key.read_bytes(), files.password).public_key()
    return files.leaf().public_key == key


async def test_a_due_certificate_is_renewed_and_its_files_replaced(
    files: CertificateFiles, authority: Authority
) -> None:
    reports: list[RenewalReport] = []
    old = files.leaf()
    await renewal(files, signing(authority), reports).step()
    assert [one.renewed for one in reports] == [True]
    assert files.leaf() != old
    assert len(read_chain(files.chain.read_bytes())) == 3
    assert belong(files)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(os.listdir(files.chain.parent)) == [
        "ca",
        "chain.pem",
        "chain.pem.old",
        "key.pem",
        "key.pem.old",
    ]
    assert stat.S_IMODE((files.key.parent / "key.pem.old").stat().st_mode) == 0o600


async def test_an_encrypted_key_stays_encrypted(files: CertificateFiles, authority: Authority) -> None:
    files.key.write_bytes(key_pem(PKI[Kind.SECC_LEAF].key, b"secret"))
    locked = CertificateFiles(files.chain, files.key, b"secret")
    await renewal(locked, signing(authority), []).step()
    assert b"ENCRYPTED" in files.key.read_bytes()
    assert belong(locked)


@pytest.mark.parametrize("failure", ["raises", "lies", "hangs"])
async def test_a_signer_that_fails_leaves_everything_as_it_was(files: CertificateFiles, failure: str) -> None:
    async def fail(request: bytes) -> list[bytes]:
        if failure == "raises":
            raise RuntimeError("CSMS says no")
        if failure == "hangs":
            await asyncio.Event().wait()
        return [PKI[Kind.SECC_LEAF].certificate.der]

    before = (files.chain.read_bytes(), files.key.read_bytes())
    reports: list[RenewalReport] = []
    impatient = RenewalPolicy(patience=datetime.timedelta(milliseconds=20))
    await renewal(files, Signer(fail), reports, impatient).step()
    assert [one.renewed for one in reports] == [False]
    assert (files.chain.read_bytes(), files.key.read_bytes()) == before


async def test_a_folder_that_cannot_be_written_is_reported(
    files: CertificateFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = (files.chain.read_bytes(), files.key.read_bytes())
    reports: list[RenewalReport] = []
    made = renewal(files, signing(authority), reports)
    signer = signing(authority)

    async def sign_then_fill(request: bytes) -> list[bytes]:
        answer = await signer.sign_certificate(request)
        monkeypatch.setattr(os, "fsync", full)
        return answer

    made._signer = Signer(sign_then_fill)
    await made.step()
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


async def test_run_waits_and_can_be_cancelled(files: CertificateFiles) -> None:
    reports: list[RenewalReport] = []
    made = LeafRenewal(files, Signer(_never), STORE, report=reports.append, clock=lambda: BEGIN)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await made.run()
    assert reports == []


# --- probation: the old pair is kept until the new one has served a handshake ------------------------------

UNKNOWN_CA = "ssl/tls alert unknown ca"


async def probation(
    files: CertificateFiles,
    authority: Authority,
    reports: list[RenewalReport],
    *failures: str,
    now: datetime.datetime = DUE,
) -> LeafRenewal:
    """Renewed, and then handshakes that ended like this."""
    made = LeafRenewal(files, signing(authority), STORE, report=reports.append, clock=lambda: clock[0])
    clock = [DUE]
    await made.step()
    clock[0] = now
    for failure in failures:
        made.handshake(files.leaf().fingerprint, failure)
    if made._settling is not None:
        await made._settling
    return made


async def test_the_old_pair_goes_when_an_ev_has_taken_the_new_one(
    files: CertificateFiles, authority: Authority
) -> None:
    reports: list[RenewalReport] = []
    await probation(files, authority, reports, UNKNOWN_CA, "")
    assert not files.has_old
    assert files.leaf() != PKI[Kind.SECC_LEAF].certificate
    assert [one.renewed for one in reports] == [True]


@pytest.mark.parametrize(
    "failures", [(), (UNKNOWN_CA, UNKNOWN_CA), ("no shared cipher",) * 5, ("unexpected eof",) * 5]
)
async def test_the_old_pair_stays_while_nothing_is_proved(
    files: CertificateFiles, authority: Authority, failures: tuple[str, ...]
) -> None:
    await probation(files, authority, [], *failures)
    assert files.has_old
    assert files.leaf() != PKI[Kind.SECC_LEAF].certificate


async def test_a_certificate_that_evs_refuse_gives_way_to_the_old_one_and_is_renewed_again(
    files: CertificateFiles, authority: Authority
) -> None:
    reports: list[RenewalReport] = []

    made = await probation(files, authority, reports, *[UNKNOWN_CA] * 3)
    assert files.leaf() == made.renewal.certificate == PKI[Kind.SECC_LEAF].certificate
    assert made.renewal.deadline == DUE + datetime.timedelta(minutes=15)
    assert belong(files)
    assert not files.has_old
    assert reports[-1].renewed is False
    assert "3 EVs in a row have refused the new certificate" in reports[-1].text
    assert "the previous certificate is in use again" in reports[-1].text


async def test_an_old_certificate_that_has_ended_does_not_come_back(
    files: CertificateFiles, authority: Authority
) -> None:
    reports: list[RenewalReport] = []
    late = PKI[Kind.SECC_LEAF].certificate.not_after + datetime.timedelta(hours=1)
    await probation(files, authority, reports, *[UNKNOWN_CA] * 3, now=late)
    assert files.leaf() != PKI[Kind.SECC_LEAF].certificate
    assert "the old one has ended" in reports[-1].text


async def test_handshakes_with_another_certificate_prove_nothing(
    files: CertificateFiles, authority: Authority
) -> None:
    made = await probation(files, authority, [])
    made.handshake(PKI[Kind.SECC_LEAF].certificate.fingerprint, "")
    assert made._settling is None
    assert files.has_old


async def test_a_probation_goes_on_after_a_restart(files: CertificateFiles, authority: Authority) -> None:
    await probation(files, authority, [])
    again = renewal(files, Signer(_never), [])
    again.handshake(files.leaf().fingerprint, "")
    assert again._settling is not None
    await again._settling
    assert not files.has_old


def test_a_second_renewal_keeps_the_pair_that_has_proved_itself(
    files: CertificateFiles, authority: Authority
) -> None:
    proved = files.chain.read_bytes()
    for number in (b"one", b"two"):
        key = new_key(number)
        name = PKI[Kind.SECC_LEAF].certificate.subject.common_name
        request = make_request(key, Kind.SECC_LEAF, common_name=name, organization="Test only", country="DE")
        leaf = authority.issue(read_request(request), Kind.SECC_LEAF, DUE, IssuingPolicy())
        files.replace(b"".join(one.pem for one in (leaf, *authority.chain)), key_pem(key))
    assert (files.chain.parent / "chain.pem.old").read_bytes() == proved
    files.restore()
    assert belong(files)
    assert files.chain.read_bytes() == proved


async def test_a_power_cut_on_the_way_back_is_finished_at_the_next_start(
    files: CertificateFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    await probation(files, authority, [])
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if target == files.chain:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        files.restore()
    monkeypatch.undo()
    assert not belong(files)
    files.recover()
    assert belong(files)
    assert files.leaf() == PKI[Kind.SECC_LEAF].certificate


async def test_a_pair_that_does_not_belong_together_gives_way_to_the_old_one(
    files: CertificateFiles, authority: Authority
) -> None:
    await probation(files, authority, [])
    files.chain.write_bytes(b"half a file")
    files.recover()
    assert belong(files)
    assert files.leaf() == PKI[Kind.SECC_LEAF].certificate


# --- with a station ----------------------------------------------------------------------------------------


class SigningBackend(GrantingBackend, CertificateSigner):
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


async def test_a_station_whose_back_end_signs_renews_its_certificate_and_takes_it_up(tmp_path: Path) -> None:
    made = station_config(tmp_path)
    before = read_chain((tmp_path / "chain.pem").read_bytes())[0]
    texts = await renewed(made, Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    after = read_chain((tmp_path / "chain.pem").read_bytes())[0]
    assert after.not_after > before.not_after
    assert len(texts) == 2  # the files were replaced, and the running station took them


async def after_handshakes(made: SeccConfig, authority: Authority, roots: Path, times: int) -> list[str]:
    """Renewed; then so many EVs that trust these roots; the alarms."""
    async with running(made, backend=SigningBackend(authority)) as bed:
        await eventually(lambda: len(_again(bed.records)) >= 2)
        for _ in range(times):
            car = await Car.connect(bed.tls_port, TlsContext.for_client(roots), handshake=False)
            await car.raw(car.engine.start())
            while not (car.engine.handshake_done or car.engine.feed(b"").closed):
                progress = car.engine.feed(await car.receive())
                await car.raw(progress.to_send)
            car.close()
        folder = roots.parent
        await eventually(lambda: not (folder / "key.pem.old").exists())
        await eventually(lambda: times == 1 or bool(bed.events(LinkEvent.TLS_ALARM)))
        return [r.text for r in bed.events(LinkEvent.TLS_ALARM)]


@pytest.mark.parametrize(("root", "times"), [("root.pem", 1), ("ca/mo_root.pem", 3)])
async def test_a_renewed_certificate_proves_itself_with_evs_or_goes(
    tmp_path: Path, root: str, times: int
) -> None:
    made = station_config(tmp_path)
    before = (tmp_path / "chain.pem").read_bytes()
    (tmp_path / "trusted.pem").write_bytes((tmp_path / root).read_bytes())
    authority = Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2)
    alarms = await after_handshakes(made, authority, tmp_path / "trusted.pem", times)
    taken = times == 1
    assert ((tmp_path / "chain.pem").read_bytes() != before) is taken
    assert any("have refused the new certificate" in text for text in alarms) is not taken


def test_without_a_signer_or_without_tls_nothing_is_renewed(tmp_path: Path) -> None:
    def tell(event: LinkEvent, text: str) -> None:
        raise AssertionError(text)

    assert renewals_for(station_config(tmp_path), checked_backend(GrantingBackend()), tell) == []
    signer = SigningBackend(Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    assert renewals_for(wire_config(), checked_backend(signer), tell) == []


def test_a_key_in_a_token_is_not_replaced_by_one_in_a_file(tmp_path: Path) -> None:
    made = station_config(tmp_path)
    assert made.tls.private_key is not None
    made.tls.private_key.write_text("-----BEGIN TSS2 PRIVATE KEY-----\n")
    signer = SigningBackend(Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    alarms: list[tuple[LinkEvent, str]] = []
    assert renewals_for(made, checked_backend(signer), lambda *told: alarms.append(told)) == []
    ((event, text),) = alarms
    assert event is LinkEvent.TLS_ALARM
    assert "the station does not renew its certificate" in text


def test_a_root_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    made = station_config(tmp_path)
    (tmp_path / "root.pem").unlink()
    signer = SigningBackend(Authority(tmp_path / "ca", Kind.CPO_SUB_CA_2))
    with pytest.raises(ConfigError, match="renewal of the station's certificate"):
        renewals_for(made, checked_backend(signer), lambda event, text: None)
