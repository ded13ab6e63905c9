"""TLS while the station runs: rotation, staples, alarms. Wall-clock time is a value; files are real."""

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.x509 import ocsp

from secc.certificate_files import load_trust
from secc.errors import ConfigError
from secc.pki.revocation import Question
from secc.records import LinkEvent
from secc.settings import ClientAuth, SeccConfig, TlsChain, TlsConfig, TlsPolicy, TrustConfig
from secc.station.tls import TlsKeeper
from tests.support import certificates
from tests.support.certificates import NOW, Identity
from tests.support.client_hello import client_hello, extension
from tests.support.wire import eventually

ROOT = certificates.root()
LEAF, NEXT = certificates.station(ROOT, "DEABCSONE"), certificates.station(ROOT, "DEABCSTWO")
HOUR = datetime.timedelta(hours=1)
ASKS = client_hello(extra=extension(5, b"\x01\x00\x00\x00\x00"))


class Source:
    """An OCSP source with configured answers, and a counter."""

    def __init__(self, answer: bytes | Exception | None) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    async def ocsp_response(self, question: Question) -> bytes | None:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclasses.dataclass
class Bench:
    """A keeper with everything around it."""

    keeper: TlsKeeper
    folder: Path
    now: datetime.datetime = NOW
    told: list[tuple[LinkEvent, str]] = dataclasses.field(default_factory=list)

    def presented(self, hello: bytes = ASKS) -> bytes:
        return self.keeper.engine().feed(hello).to_send

    async def look(self, after: datetime.timedelta = datetime.timedelta()) -> None:
        self.now += after
        await self.keeper.refresh_staples()

    def alarms(self) -> list[str]:
        return [text for event, text in self.told if event is LinkEvent.TLS_ALARM]


def bench(
    folder: Path,
    source: Source | None = None,
    leaf: Identity = LEAF,
    ocsp_response: bytes = b"",
    spoil: Callable[[Path], object] = lambda _: None,
) -> Bench:
    files = certificates.store(folder, leaf, "station", ocsp_response=ocsp_response)
    if files.ocsp_response is not None:
        spoil(files.ocsp_response)
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=files.chain,
        private_key=files.key,
        root=files.root,
        ocsp_response=files.ocsp_response,
        watch_interval=0.01,
    )

    def tell(event: LinkEvent, text: str) -> None:
        made.told.append((event, text))

    made = Bench.__new__(Bench)
    made.now, made.told, made.folder = NOW, [], folder
    made.keeper = TlsKeeper(SeccConfig(tls=tls), report=tell, ocsp=source, clock=lambda: made.now)
    return made


@contextlib.asynccontextmanager
async def keeping(made: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(made.keeper.run())
    await asyncio.sleep(0.03)
    yield
    task.cancel()
    await asyncio.wait([task])


# --- rotation ----------------------------------------------------------------------------------------------


async def test_new_files_are_taken_for_the_next_connection(tmp_path: Path) -> None:
    made = bench(tmp_path)
    running = made.keeper.engine()
    running.feed(client_hello())
    async with keeping(made):
        certificates.store(tmp_path, NEXT, "station")
        await eventually(lambda: bool(made.told))
        assert made.told[0][0] is LinkEvent.TLS_RENEWED
        assert made.told[0][1] == "DEABCSTWO under V2G Root A until 2124-01-01"
        assert NEXT.der in made.presented()


def test_a_handshake_that_has_begun_ends_with_the_old_certificate(tmp_path: Path) -> None:
    made = bench(tmp_path)
    engine = made.keeper.engine()
    hello = client_hello()
    engine.feed(hello[:20])
    first = made.keeper.engine()
    assert LEAF.der in first.feed(hello).to_send
    certificates.store(tmp_path, NEXT, "station")
    made.keeper.renew()
    assert LEAF.der in engine.feed(hello[20:]).to_send
    assert NEXT.der in made.presented()


async def test_bad_files_leave_the_old_ones_in_place_and_are_reported_once(tmp_path: Path) -> None:
    made = bench(tmp_path)
    async with keeping(made):
        (tmp_path / "station_key.pem").write_bytes(NEXT.key_pem)
        await eventually(lambda: bool(made.alarms()))
        await asyncio.sleep(0.1)
        assert len(made.alarms()) == 1
        assert "the key does not belong to the leaf" in made.alarms()[0]
        assert LEAF.der in made.presented()
        certificates.store(tmp_path, NEXT, "station")
        await eventually(lambda: NEXT.der in made.presented())


async def test_a_missing_file_is_reported_and_nothing_breaks(tmp_path: Path) -> None:
    made = bench(tmp_path)
    async with keeping(made):
        (tmp_path / "station_chain.pem").unlink()
        await eventually(lambda: bool(made.alarms()))
        assert "station_chain.pem: cannot be read" in made.alarms()[0]
        assert LEAF.der in made.presented()


def test_renew_raises_and_keeps_what_it_has(tmp_path: Path) -> None:
    made = bench(tmp_path)
    (tmp_path / "station_chain.pem").write_bytes(b"junk")
    with pytest.raises(ConfigError, match="not a PEM file"):
        made.keeper.renew()
    assert LEAF.der in made.presented()


async def test_a_staple_survives_the_renewal_of_other_files(tmp_path: Path) -> None:
    source = Source(certificates.ocsp_response(LEAF))
    made = bench(tmp_path, source)
    await made.look()
    made.keeper.renew()
    assert isinstance(source.answer, bytes)
    assert source.answer in made.presented()


# --- staples -----------------------------------------------------------------------------------------------


async def test_a_staple_is_fetched_and_presented(tmp_path: Path) -> None:
    answer = certificates.ocsp_response(LEAF)
    source = Source(answer)
    made = bench(tmp_path, source)
    assert answer not in made.presented()
    await made.look()
    assert answer in made.presented()
    assert answer not in made.presented(client_hello())
    assert str(source.asked[0].certificate.subject.common_name) == "DEABCSONE"
    assert source.asked[0].ocsp_urls == (certificates.RESPONDER,)
    assert made.alarms() == []


@pytest.mark.req("V2G2-649")
async def test_it_is_refreshed_after_half_its_life_or_a_day(tmp_path: Path) -> None:
    source = Source(certificates.ocsp_response(LEAF, lifetime=4 * HOUR))
    made = bench(tmp_path, source)
    await made.look()
    await made.look(1 * HOUR)
    assert len(source.asked) == 1
    source.answer = certificates.ocsp_response(LEAF, this_update=NOW + 2 * HOUR)
    await made.look(1 * HOUR)
    assert len(source.asked) == 2
    await made.look(23 * HOUR)
    assert len(source.asked) == 2
    await made.look(1 * HOUR)
    assert len(source.asked) == 3


async def test_a_failing_source_is_asked_again_less_and_less(tmp_path: Path) -> None:
    source = Source(OSError("no route"))
    made = bench(tmp_path, source)
    asked = []
    for _ in range(30):
        await made.look(datetime.timedelta(minutes=1))
        asked.append(len(source.asked))
    assert asked[0] == 1
    assert asked[-1] == 5  # after 0, 1, 3, 7 and 15 minutes
    assert made.alarms() == [
        "DEABCSONE under V2G Root A: no OCSP response to staple (OCSP: OSError: no route)"
    ]


async def test_the_last_good_one_stays_until_its_end_with_an_alarm_before(tmp_path: Path) -> None:
    answer = certificates.ocsp_response(LEAF, lifetime=4 * HOUR)
    source = Source(answer)
    made = bench(tmp_path, source)
    await made.look()
    source.answer = None
    await made.look(2 * HOUR)
    assert made.alarms() == []
    await made.look(1 * HOUR)
    assert "the OCSP response ends 2026-01-01 04:00Z (OCSP: no answer)" in made.alarms()[0]
    assert answer in made.presented()
    made.now = NOW + 4 * HOUR
    assert answer not in made.presented()
    source.answer = certificates.ocsp_response(LEAF, this_update=made.now)
    await made.look(1 * HOUR)
    assert source.answer in made.presented()
    assert len(made.alarms()) == 1


async def test_a_wrong_answer_is_not_stapled(tmp_path: Path) -> None:
    made = bench(tmp_path, Source(certificates.ocsp_response(NEXT)))
    await made.look()
    assert "about other certificates" in made.alarms()[0]
    assert made.keeper.problem == ""


async def test_a_revoked_certificate_shows_in_alarm_and_health(tmp_path: Path) -> None:
    revoked = certificates.ocsp_response(LEAF, status=ocsp.OCSPCertStatus.REVOKED)
    made = bench(tmp_path, Source(revoked))
    await made.look()
    assert made.alarms() == ["DEABCSONE under V2G Root A: the certificate is revoked"]
    assert made.keeper.problem == "the TLS certificate is revoked"
    assert revoked not in made.presented()


async def test_a_staple_from_a_file_is_replaced_with_the_file(tmp_path: Path) -> None:
    first = certificates.ocsp_response(LEAF)
    made = bench(tmp_path, ocsp_response=first)
    assert first in made.presented()
    async with keeping(made):
        second = certificates.ocsp_response(LEAF, this_update=NOW + datetime.timedelta(minutes=1))
        (tmp_path / "station.ocsp").write_bytes(second)
        await eventually(lambda: second in made.presented())


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"junk")],
    ids=["missing", "empty", "garbled"],
)
async def test_a_staple_that_cannot_be_used_is_reported_and_tried_again(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    good = certificates.ocsp_response(LEAF)
    made = bench(tmp_path, ocsp_response=good, spoil=spoil)
    assert LEAF.der in made.presented()
    assert made.keeper.problem == ""
    await made.look()
    (alarm,) = made.alarms()
    assert alarm.startswith("DEABCSONE under V2G Root A: no OCSP response to staple (")
    assert "station.ocsp" in alarm
    assert list(made.keeper.warnings) == [alarm]
    await made.look()
    assert made.alarms() == [alarm]
    (tmp_path / "station.ocsp").write_bytes(good)
    await made.look()
    assert good in made.presented()
    assert list(made.keeper.warnings) == []


async def test_a_garbled_file_leaves_the_response_in_use_and_is_reported(tmp_path: Path) -> None:
    good = certificates.ocsp_response(LEAF)
    made = bench(tmp_path, ocsp_response=good)
    (tmp_path / "station.ocsp").write_bytes(b"junk")
    made.keeper.renew()
    await made.look()
    assert good in made.presented()
    assert "the OCSP response in use stays (" in made.alarms()[0]


async def test_a_stale_file_is_no_reason_not_to_start(tmp_path: Path) -> None:
    stale = certificates.ocsp_response(LEAF, this_update=NOW - 240 * HOUR)
    made = bench(tmp_path, ocsp_response=stale)
    assert stale not in made.presented()
    await made.look()
    assert "no OCSP response to staple" in made.alarms()[0]


def test_a_file_about_another_certificate_is_reported_and_not_stapled(tmp_path: Path) -> None:
    foreign = certificates.ocsp_response(NEXT)
    made = bench(tmp_path, ocsp_response=foreign)
    assert foreign not in made.presented()
    assert LEAF.der in made.presented()
    assert "station.ocsp: " in made.keeper.warnings[0]
    assert "other certificates" in made.keeper.warnings[0]


# --- configuration -----------------------------------------------------------------------------------------


def test_more_chains_come_from_the_configuration(tmp_path: Path) -> None:
    other = certificates.station(certificates.root("V2G Root B"), "DEABCSOTHER")
    first, second = (
        certificates.store(tmp_path, LEAF, "first"),
        certificates.store(tmp_path, other, "second"),
    )
    assert second.root is not None
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=first.chain,
        private_key=first.key,
        root=first.root,
        chains=(TlsChain(certificate_chain=second.chain, private_key=second.key, root=second.root),),
    )
    keeper = TlsKeeper(SeccConfig(tls=tls), report=lambda event, text: None, clock=lambda: NOW)
    assert keeper.context is not None
    assert [one.title for one in keeper.context.credentials] == [
        "DEABCSONE under V2G Root A",
        "DEABCSOTHER under V2G Root B",
    ]


def test_client_certificates_need_roots(tmp_path: Path) -> None:
    files = certificates.store(tmp_path, LEAF, "station")
    assert files.root is not None
    tls = TlsConfig(
        policy=TlsPolicy.REQUIRED,
        certificate_chain=files.chain,
        private_key=files.key,
        client_auth=ClientAuth.REQUIRE,
    )
    with pytest.raises(ConfigError, match="client_auth is require: trust has no"):
        TlsKeeper(SeccConfig(tls=tls), report=lambda event, text: None)
    trusting = SeccConfig(tls=tls, trust=TrustConfig(v2g_roots=(files.root,)))
    TlsKeeper(trusting, report=lambda event, text: None)


def test_a_root_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mo.pem"
    with pytest.raises(ConfigError, match=r"mo\.pem: cannot be read"):
        load_trust(TrustConfig(mo_roots=(path,)))
    path.write_bytes(LEAF.pem)
    with pytest.raises(ConfigError, match=r"mo\.pem: .*not self-signed"):
        load_trust(TrustConfig(mo_roots=(path,)))


async def test_without_tls_there_is_nothing_to_keep() -> None:
    keeper = TlsKeeper(SeccConfig(), report=lambda event, text: None)
    await keeper.run()
    keeper.renew()
    assert (keeper.context, keeper.problem) == (None, "")
    with pytest.raises(ConfigError):
        keeper.engine()
