"""Fetching OCSP responses and lists for contracts: at once, shared, kept, late, false."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator

import pytest

from secc.pki.contract import Evidence, PresentedContract, present, weigh
from secc.pki.issuing import Identity
from secc.pki.profiles import Kind
from secc.pki.revocation import Question, RevocationStatus
from secc.settings import RevocationCheck
from secc.station.revocation import RevocationFinder, finder_for
from tests.pki.test_revocation import response
from tests.support.contracts import DAY, NOW, contract_leaf, crls, identity, trusted, wallet
from tests.support.pnc import PNC_AC, with_pnc
from tests.support.wire import eventually

HOUR = datetime.timedelta(hours=1)
ISSUERS = {
    identity(kind).certificate.fingerprint: identity(issuer)
    for kind, issuer in (
        (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1),
        (Kind.MO_SUB_CA_1, Kind.MO_ROOT),
    )
}


class Responder:
    """Answers for every certificate of a contract chain, or does what a test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None
        self.signer: Identity | None = None
        self.next_update = NOW + HOUR

    async def ocsp_response(self, question: Question) -> bytes | None:
        self.asked.append(question.certificate.subject.common_name)
        if self.error is not None:
            raise self.error
        if self.gate is not None:
            await self.gate.wait()
        issuer = ISSUERS.get(question.certificate.fingerprint, identity(Kind.MO_SUB_CA_2))
        return response(
            question.certificate,
            issuer,
            signer=self.signer,
            this_update=NOW - HOUR,
            next_update=self.next_update,
        )


class Scene:
    def __init__(self, patience: float = 0.2) -> None:
        self.responder = Responder()
        self.now = NOW
        self.finder = RevocationFinder(self.responder, None, patience=patience, clock=lambda: self.now)


def shown(contract: Identity | None = None) -> PresentedContract:
    car = wallet(contract)
    return present(car.chain_message(), car.emaid, trusted(), NOW)


def known(evidence: Evidence, contract: PresentedContract | None = None) -> RevocationStatus | None:
    """What a session makes of it: nothing is accepted here that is not verified there."""
    found = weigh(contract or shown(), evidence, NOW).revocation
    return None if found is None else found.status


@contextlib.asynccontextmanager
async def open_scene(patience: float = 0.2) -> AsyncIterator[Scene]:
    before = asyncio.all_tasks()
    scene = Scene(patience)
    yield scene
    await scene.finder.stop()
    assert asyncio.all_tasks() == before


async def test_all_three_are_asked_at_once_and_make_a_good_chain() -> None:
    async with open_scene() as scene:
        scene.responder.gate = asyncio.Event()
        search = asyncio.create_task(scene.finder.find(shown()))
        await eventually(lambda: len(scene.responder.asked) == 3)
        scene.responder.gate.set()
        assert known(await search) is RevocationStatus.GOOD


async def test_answers_are_kept_until_they_end_and_shared_by_contracts() -> None:
    async with open_scene() as scene:
        await scene.finder.find(shown())
        other = shown(contract_leaf(emaid="DEABC000000002"))
        found = await scene.finder.find(other)
        assert len(scene.responder.asked) == 4  # only the new leaf
        assert known(found, other) is RevocationStatus.GOOD
        scene.now = NOW + 2 * HOUR
        await scene.finder.find(shown())
        assert len(scene.responder.asked) == 7


async def test_an_answer_that_comes_too_late_is_for_the_next_session() -> None:
    async with open_scene(patience=0.02) as scene:
        scene.responder.gate = asyncio.Event()
        assert await scene.finder.find(shown()) == Evidence()
        second = asyncio.create_task(scene.finder.find(shown()))
        await asyncio.sleep(0)
        scene.responder.gate.set()
        assert known(await second) is RevocationStatus.GOOD
        assert len(scene.responder.asked) == 3


@pytest.mark.parametrize("trouble", ["fails", "lies", "stale"])
async def test_what_is_no_genuine_answer_is_none(trouble: str) -> None:
    async with open_scene() as scene:
        if trouble == "fails":
            scene.responder.error = OSError("no route")
        elif trouble == "lies":
            scene.responder.signer = identity(Kind.OEM_SUB_CA_2)
        else:
            scene.responder.next_update = NOW - HOUR / 2
        assert await scene.finder.find(shown()) == Evidence()
        await scene.finder.find(shown())
        assert len(scene.responder.asked) == 6  # nothing was kept


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secc.station.revocation._MAX_KEPT", 5)

    async with open_scene() as scene:
        for number in range(10):
            await scene.finder.find(shown(contract_leaf(emaid=f"DEABC00000{number:04}")))
        assert len(scene.finder._kept) == 5


class Lists:
    """A server of revocation lists."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.asked: list[str] = []

    async def crl(self, url: str) -> bytes | None:
        self.asked.append(url)
        return self.content


def with_lists() -> PresentedContract:
    """A contract that names a server of lists."""
    from secc.pki.issuing import Order, issue, new_key

    key = new_key(b"with lists")
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        common_name="DEABC000000003",
        organization="Test only",
        country="",
        serial=4712,
        not_before=NOW - DAY,
        not_after=NOW + DAY,
        ocsp_url="",
        crl_url="http://lists.test.invalid/mo.crl",
    )
    made = issue(order, key.public_key(), identity(Kind.MO_SUB_CA_2), reproducible=True)
    return shown(Identity(made, key))


async def test_a_list_is_fetched_once_for_all_contracts_of_an_issuer() -> None:
    async with open_scene():
        lists = Lists(crls()[0])
        finder = RevocationFinder(None, lists, patience=0.2, clock=lambda: NOW)
        found = await finder.find(with_lists())
        assert found.crls == (lists.content,)
        await finder.find(with_lists())
        assert lists.asked == ["http://lists.test.invalid/mo.crl"]


@pytest.mark.parametrize("content", [None, b"", b"\x30\x00", crls()[1], bytes(300_000)])
async def test_a_list_that_is_missing_broken_another_ones_or_too_long_is_none(content: bytes | None) -> None:
    async with open_scene():
        finder = RevocationFinder(None, Lists(content), patience=0.2, clock=lambda: NOW)
        assert await finder.find(with_lists()) == Evidence()


def test_a_source_of_the_owner_is_asked_instead_of_the_responders() -> None:
    source = Responder()
    made = finder_for(with_pnc(PNC_AC, revocation_fetch=True), source)
    assert made is not None
    assert made._ocsp is source


def test_nothing_is_fetched_unless_it_is_wanted() -> None:
    assert finder_for(PNC_AC) is None
    assert finder_for(with_pnc(PNC_AC, revocation_fetch=True)) is not None
    assert finder_for(with_pnc(PNC_AC, revocation_fetch=True, revocation=RevocationCheck.OFF)) is None
