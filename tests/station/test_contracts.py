"""Contracts of a station: what outlives a session, back ends that are late, silent, broken or lie, counts."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest

from secc.boundary.backend import checked_backend
from secc.messages.iso2 import ResponseCode
from secc.pki.contract import (
    Evidence,
    ForwardedContract,
    PresentedContract,
    VerifiedContract,
    present_without_anchor,
    verify_forwarded,
)
from secc.pki.contract import present as present_contract
from secc.pki.contract import verify as verify_contract
from secc.pki.profiles import FIELD, Kind, Leniency
from secc.pki.provisioning import (
    Action,
    ProvisioningAnswer,
    ProvisioningRequest,
    Refusal,
    verify_request,
    verify_response,
)
from secc.pki.revocation import RevocationMode
from secc.ports import (
    CentralValidation,
    ContractBackend,
    ProvisioningBackend,
    RecordsContracts,
    RevocationBackend,
)
from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    GrantSource,
    Verdict,
)
from secc.settings import CompatConfig, PncConfig, RevocationCheck, SeccConfig
from secc.station.contracts import StationContracts
from secc.station.provisioning import contract_policy
from secc.station.revocation import RevocationFinder
from tests.support.contracts import NOW, CarWallet, crls, encoded, hierarchy, trusted, wallet
from tests.support.pnc import PNC_AC, bundle, with_pnc
from tests.support.reports import HeardReports
from tests.support.wire import GrantingBackend, eventually


class Backend(GrantingBackend, ContractBackend, ProvisioningBackend, RevocationBackend, RecordsContracts):
    """Does what a test configures, after a delay."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict: object = Verdict.ACCEPTED
        self.answer: object = ProvisioningAnswer(bundle())
        self.evidence: object = Evidence(ocsp=(b"answer",))
        self.authorized = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.provisioned = 0
        self.records: list[object] = []

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        self.authorized += 1
        await self._wait()
        return self.verdict  # type: ignore[return-value]

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        self.provisioned += 1
        await self._wait()
        return self.answer  # type: ignore[return-value]

    async def revocation(self, contract: PresentedContract) -> Evidence:
        await self._wait()
        return self.evidence  # type: ignore[return-value]

    async def record_contract(self, evse_id: str, record: object) -> None:
        await self._wait()
        self.records.append(record)

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        if self.gate is not None:
            await self.gate.wait()


class Scene:
    def __init__(self, config: SeccConfig = PNC_AC, finder: RevocationFinder | None = None) -> None:
        timing = dataclasses.replace(config.timing, backend_call=0.2)
        self.backend = Backend()
        self.complaints: list[str] = []
        made = dataclasses.replace(config, timing=timing)
        self.noted: list[ContractRecord] = []
        self.contracts = StationContracts(
            made,
            self.backend,
            reports=HeardReports(self.complaints),
            journal=self,
            finder=finder,
            clock=lambda: NOW,
        )
        self.contracts._trust = trusted()

    def contract(self, record: ContractRecord) -> None:
        self.noted.append(record)


@contextlib.asynccontextmanager
async def open_scene(
    config: SeccConfig = PNC_AC, finder: RevocationFinder | None = None
) -> AsyncIterator[Scene]:
    scene = Scene(config, finder)
    yield scene
    await scene.contracts.stop()


def proved() -> VerifiedContract:
    car, challenge = wallet(), bytes(16)
    shown = present_contract(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(challenge)
    return verify_contract(shown, request, car.sign(request), challenge, now=NOW)


def asked(car: CarWallet | None = None) -> ProvisioningRequest:
    car = car or wallet()
    body = car.installation()
    signature = car.sign(body)
    return verify_request(body, signature, encoded(body, signature), trusted(), NOW)


def test_terms_say_what_the_back_end_can() -> None:
    terms = Scene().contracts.terms(0.0)
    assert terms is not None
    assert terms.provisions == frozenset(Action)
    assert terms.finds_revocation


def test_a_back_end_that_knows_no_contracts_gets_none() -> None:
    contracts = StationContracts(PNC_AC, GrantingBackend(), reports=HeardReports())
    assert contracts.terms(0.0) is None
    assert StationContracts(SeccConfig(), Backend(), reports=HeardReports()).terms(0.0) is None


def test_settings_become_a_policy() -> None:
    pnc = PncConfig(revocation=RevocationCheck.PREFER, providers=("DEABC",), expiry_warning=60.0)
    policy = contract_policy(SeccConfig(pnc=pnc, compat=CompatConfig.strict()))
    assert policy.revocation.mode is RevocationMode.PREFER
    assert policy.providers == {"DEABC"}
    assert policy.warn_before.total_seconds() == 60.0
    assert policy.compat == frozenset()
    assert policy.chain.leniencies == FIELD - {Leniency.CONTRACT_COUNTRY}
    assert contract_policy(SeccConfig()).chain.leniencies == FIELD


@pytest.mark.parametrize("lie", [True, None, "accepted?"])
async def test_what_is_no_verdict_grants_nothing(lie: object) -> None:
    async with open_scene() as scene:
        scene.backend.verdict = lie
        assert await scene.contracts.authorize(proved()) is Verdict.UNREACHABLE
        assert "expected a member of Verdict" in scene.complaints[0]


async def test_a_broken_or_silent_back_end_is_unreachable() -> None:
    async with open_scene() as scene:
        scene.backend.error = RuntimeError("down")
        assert await scene.contracts.authorize(proved()) is Verdict.UNREACHABLE
        assert await scene.contracts.revocation(proved()) == Evidence()
        assert (await scene.contracts.provision(asked())).refusal is Refusal.UNREACHABLE
        scene.backend.error, scene.backend.gate = None, asyncio.Event()
        assert await scene.contracts.authorize(proved()) is Verdict.UNREACHABLE
        assert await scene.contracts.revocation(proved()) == Evidence()
        assert (await scene.contracts.provision(asked())).refusal is Refusal.UNREACHABLE


async def test_a_query_outlives_its_session_and_its_answer_is_kept_for_one_more() -> None:
    async with open_scene() as scene:
        scene.backend.gate = asyncio.Event()
        first = asyncio.create_task(scene.contracts.provision(asked()))
        await eventually(lambda: scene.backend.provisioned == 1)
        first.cancel()
        await asyncio.wait([first])
        scene.backend.gate.set()
        await eventually(lambda: len(scene.contracts.provisioning._late) == 1)
        assert (await scene.contracts.provision(asked())).payload == scene.backend.answer.payload  # type: ignore[attr-defined]
        assert scene.backend.provisioned == 1
        await scene.contracts.provision(asked())  # used up: asked again
        assert scene.backend.provisioned == 2


async def test_the_same_question_is_asked_once_at_a_time() -> None:
    async with open_scene() as scene:
        scene.backend.gate = asyncio.Event()
        both = [asyncio.create_task(scene.contracts.provision(asked())) for _ in range(2)]
        await eventually(lambda: scene.backend.provisioned == 1)
        scene.backend.gate.set()
        answers = await asyncio.gather(*both)
        assert answers[0] == answers[1] == scene.backend.answer
        assert scene.backend.provisioned == 1


async def test_contracts_accepted_by_the_back_end_are_known_for_a_while() -> None:
    async with open_scene() as scene:
        now = asyncio.get_running_loop().time()
        scene.contracts.record(ContractGranted(proved(), GrantSource.CHAIN))
        terms = scene.contracts.terms(now)
        assert terms is not None
        assert terms.known == frozenset()
        scene.contracts.record(ContractGranted(proved(), GrantSource.BACK_END))
        terms = scene.contracts.terms(now)
        assert terms is not None
        assert terms.known == {proved().fingerprint}
        terms = scene.contracts.terms(now + 3_000_000)
        assert terms is not None
        assert terms.known == frozenset()


async def test_every_refusal_is_counted_and_reported() -> None:
    refusal = ContractRefused("PaymentDetailsReq", ResponseCode.FAILED_CERT_CHAIN_ERROR, "no_anchor", "x")

    async with open_scene() as scene:
        scene.contracts.record(refusal)
        scene.contracts.record(refusal)
        await eventually(lambda: scene.backend.records == [refusal, refusal])
        assert scene.contracts.refusals == {"no_anchor": 2}
        assert scene.noted == [refusal, refusal]
        scene.backend.error = RuntimeError("full")
        scene.contracts.record(refusal)
        await eventually(lambda: scene.complaints == ["record_contract: RuntimeError: full"])


# --- answers that are none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        None,
        b"bundle",
        ProvisioningAnswer("text"),  # type: ignore[arg-type]
        ProvisioningAnswer(refusal="no"),  # type: ignore[arg-type]
        ProvisioningAnswer(refusal=Refusal.UNKNOWN, retry_counter=40_000),
    ],
)
async def test_what_is_no_answer_is_a_faulty_one(lie: object) -> None:  # BKE-03
    async with open_scene() as scene:
        scene.backend.answer = lie
        assert (await scene.contracts.provision(asked())).refusal is Refusal.FAULTY
        assert scene.complaints[0].startswith("provision: ")
        assert "expected" in scene.complaints[0]
        assert len(scene.complaints[0]) < 120


@pytest.mark.parametrize("lie", [None, Evidence(ocsp=("x" * 1000,))])  # type: ignore[arg-type]
async def test_what_is_no_evidence_proves_nothing(lie: object) -> None:
    async with open_scene() as scene:
        scene.backend.evidence = lie
        assert await scene.contracts.revocation(proved()) == Evidence()
        assert scene.complaints[0].startswith("revocation: ")
        assert "expected" in scene.complaints[0]


# --- late, used, faulty -----------------------------------------------------------------------------------


async def test_an_answer_is_kept_until_it_is_known_to_have_been_sent() -> None:
    """The session may have given up in the very moment in which the answer came."""

    async with open_scene() as scene:
        answer = await scene.contracts.provision(asked())
        again = await scene.contracts.provision(asked())
        assert again == answer
        assert scene.backend.provisioned == 1


async def test_an_answer_that_was_sent_is_not_sent_again() -> None:
    async with open_scene() as scene:
        answer = await scene.contracts.provision(asked())
        judged = verify_response(answer.payload, asked(), trusted(), NOW)
        scene.contracts.record(ContractDelivered(asked(), judged))
        await scene.contracts.provision(asked())
        assert scene.backend.provisioned == 2


async def test_a_faulty_answer_is_not_kept() -> None:
    async with open_scene() as scene:
        scene.backend.answer = ProvisioningAnswer(b"\x80\x98garbage")
        await scene.contracts.provision(asked())
        await scene.contracts.provision(asked())
        assert scene.backend.provisioned == 2


async def test_a_faulty_answer_is_kept_where_the_ev_judges_it() -> None:
    async with open_scene(with_pnc(PNC_AC, forward_unverified=True)) as scene:
        scene.backend.answer = ProvisioningAnswer(b"whatever")
        await scene.contracts.provision(asked())
        await scene.contracts.provision(asked())
        assert scene.backend.provisioned == 1


# --- too often --------------------------------------------------------------------------------------------


async def test_one_car_may_ask_for_a_contract_only_so_often() -> None:
    async with open_scene(with_pnc(PNC_AC, provisioning_limit=3)) as scene:
        scene.backend.answer = ProvisioningAnswer(refusal=Refusal.UNKNOWN)
        refusals = [(await scene.contracts.provision(asked())).refusal for _ in range(5)]
        assert refusals == [Refusal.UNKNOWN] * 3 + [Refusal.TOO_OFTEN] * 2
        assert scene.backend.provisioned == 3
        other = wallet(oem=hierarchy(b"another PKI")[Kind.OEM_LEAF])
        assert (await scene.contracts.provision(asked(other))).refusal is Refusal.UNKNOWN


async def test_a_contract_that_is_refused_too_often_is_not_asked_about_again() -> None:
    async with open_scene(with_pnc(PNC_AC, refusal_limit=2)) as scene:
        scene.backend.verdict = Verdict.BLOCKED
        verdicts = [await scene.contracts.authorize(proved()) for _ in range(4)]
        assert verdicts == [Verdict.BLOCKED] * 2 + [Verdict.TOO_OFTEN] * 2
        assert scene.backend.authorized == 2


async def test_refusals_are_forgotten_with_time_and_with_a_grant() -> None:
    async with open_scene(with_pnc(PNC_AC, refusal_limit=2, limit_window=0.2)) as scene:
        scene.backend.verdict = Verdict.BLOCKED
        assert await scene.contracts.authorize(proved()) is Verdict.BLOCKED
        scene.backend.verdict = Verdict.ACCEPTED
        assert await scene.contracts.authorize(proved()) is Verdict.ACCEPTED
        scene.backend.verdict = Verdict.BLOCKED
        for _ in range(2):
            assert await scene.contracts.authorize(proved()) is Verdict.BLOCKED
        assert await scene.contracts.authorize(proved()) is Verdict.TOO_OFTEN
        await asyncio.sleep(0.25)
        assert await scene.contracts.authorize(proved()) is Verdict.BLOCKED


async def test_a_back_end_that_is_away_refuses_no_car() -> None:
    async with open_scene(with_pnc(PNC_AC, refusal_limit=2)) as scene:
        scene.backend.error = RuntimeError("down")
        verdicts = {await scene.contracts.authorize(proved()) for _ in range(4)}
        assert verdicts == {Verdict.UNREACHABLE}


async def test_refusals_that_heap_up_are_reported_once() -> None:
    refusal = ContractRefused("PaymentDetailsReq", ResponseCode.FAILED_CERT_CHAIN_ERROR, "no_anchor", "x")

    async with open_scene(with_pnc(PNC_AC, refusal_limit=3)) as scene:
        for _ in range(10):
            scene.contracts.record(refusal)
        assert scene.complaints == ["PaymentDetailsReq was refused 3 times in 60 min: no_anchor"]
        assert scene.contracts.refusals["no_anchor"] == 10


# --- central validation -----------------------------------------------------------------------------------


class Central(Backend, CentralValidation):
    """Knows roots that the station does not."""

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        self.records.append(contract)
        return Verdict.ACCEPTED


def forwarded() -> ForwardedContract:
    car, challenge = wallet(), bytes(16)
    shown = present_without_anchor(car.chain_message(), car.emaid, NOW)
    request = car.authorization(challenge)
    return verify_forwarded(shown, request, car.sign(request), challenge, now=NOW)


@pytest.mark.parametrize("wanted", [True, False])
def test_central_validation_is_the_operators_wish(wanted: bool) -> None:
    contracts = StationContracts(
        with_pnc(PNC_AC, central_validation=wanted), Central(), reports=HeardReports()
    )
    found = contracts.terms(0.0)
    assert found is not None
    assert found.central is wanted


async def test_a_contract_without_a_root_goes_to_a_back_end_that_validates_and_to_no_other() -> None:
    async with open_scene() as scene:
        assert await scene.contracts.authorize(forwarded()) is Verdict.UNREACHABLE
        assert scene.backend.authorized == 0
        central = Central()
        scene.contracts._backend = checked_backend(central)
        assert await scene.contracts.authorize(forwarded()) is Verdict.ACCEPTED
        assert len(central.records) == 1
        assert central.authorized == 0


# --- revocation -------------------------------------------------------------------------------------------


class Lists:
    """A server with one list."""

    async def crl(self, url: str) -> bytes:
        return crls()[0]


async def test_what_the_back_end_has_and_what_was_fetched_are_both_weighed() -> None:
    async with open_scene(finder=RevocationFinder(None, Lists(), patience=0.2, clock=lambda: NOW)) as scene:
        found = await scene.contracts.revocation(proved())
        assert found.ocsp == (b"answer",)
        assert found.crls == ()
        scene.backend.error = RuntimeError("down")
        assert await scene.contracts.revocation(proved()) == Evidence()
