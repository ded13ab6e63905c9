"""The desk: what outlives a session, back ends that are late, silent, broken or lie, and what is counted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine

import pytest

from secc.aio.contracts import ContractDesk, contract_policy
from secc.config import CompatConfig, PncConfig, RevocationCheck, SeccConfig
from secc.messages.iso2 import ResponseCode
from secc.pki.contract import Evidence, PresentedContract, VerifiedContract
from secc.pki.contract import present as present_contract
from secc.pki.contract import verify as verify_contract
from secc.pki.provisioning import (
    Action,
    ProvisioningAnswer,
    ProvisioningRequest,
    Refusal,
    verify_request,
)
from secc.pki.revocation import RevocationMode
from secc.session.contract_events import ContractGranted, ContractRefused, GrantSource, Verdict
from tests.support.contracts import NOW, encoded, trusted, wallet
from tests.support.pnc import PNC_AC
from tests.support.wire import GrantingBackend, eventually


class Backend(GrantingBackend):
    """Does what a test tells it, after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict: object = Verdict.ACCEPTED
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.provisioned = 0
        self.records: list[object] = []

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        await self._wait()
        return self.verdict  # type: ignore[return-value]

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        self.provisioned += 1
        await self._wait()
        return ProvisioningAnswer(b"bundle")

    async def revocation(self, contract: PresentedContract) -> Evidence:
        await self._wait()
        return Evidence(ocsp=(b"answer",))

    async def record_contract(self, evse_id: str, record: object) -> None:
        await self._wait()
        self.records.append(record)

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        if self.gate is not None:
            await self.gate.wait()


class Scene:
    def __init__(self, config: SeccConfig = PNC_AC) -> None:
        timing = dataclasses.replace(config.timing, backend_call=0.2)
        self.backend = Backend()
        self.complaints: list[str] = []
        made = dataclasses.replace(config, timing=timing)
        self.desk = ContractDesk(made, self.backend, complain=self.complaints.append)


def play(scenario: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        scene = Scene()
        await scenario(scene)
        await scene.desk.stop()

    asyncio.run(run())


def proved() -> VerifiedContract:
    car, challenge = wallet(), bytes(16)
    shown = present_contract(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(challenge)
    return verify_contract(shown, request, car.sign(request), challenge, now=NOW)


def asked() -> ProvisioningRequest:
    body = wallet().installation()
    signature = wallet().sign(body)
    return verify_request(body, signature, encoded(body, signature), trusted(), NOW)


def test_terms_say_what_the_back_end_can() -> None:
    terms = Scene().desk.terms(0.0)
    assert terms is not None
    assert terms.provisions == frozenset(Action)
    assert terms.finds_revocation


def test_a_back_end_that_knows_no_contracts_gets_none() -> None:
    desk = ContractDesk(PNC_AC, GrantingBackend(), complain=lambda _: None)
    assert desk.terms(0.0) is None
    assert ContractDesk(SeccConfig(), Backend(), complain=lambda _: None).terms(0.0) is None


def test_settings_become_a_policy() -> None:
    pnc = PncConfig(revocation=RevocationCheck.PREFER, providers=("DEABC",), expiry_warning=60.0)
    policy = contract_policy(SeccConfig(pnc=pnc, compat=CompatConfig.strict()))
    assert policy.revocation.mode is RevocationMode.PREFER
    assert policy.providers == {"DEABC"}
    assert policy.warn_before.total_seconds() == 60.0
    assert policy.compat == frozenset()


@pytest.mark.parametrize("lie", [True, None, "accepted?"])
def test_what_is_no_verdict_grants_nothing(lie: object) -> None:
    async def scenario(scene: Scene) -> None:
        scene.backend.verdict = lie
        assert await scene.desk.authorize(proved()) is Verdict.UNREACHABLE
        assert "no Verdict" in scene.complaints[0]

    play(scenario)


def test_a_broken_or_silent_back_end_is_unreachable() -> None:
    async def scenario(scene: Scene) -> None:
        scene.backend.error = RuntimeError("down")
        assert await scene.desk.authorize(proved()) is Verdict.UNREACHABLE
        assert await scene.desk.revocation(proved()) == Evidence()
        assert (await scene.desk.provision(asked())).refusal is Refusal.UNREACHABLE
        scene.backend.error, scene.backend.gate = None, asyncio.Event()
        assert await scene.desk.authorize(proved()) is Verdict.UNREACHABLE
        assert await scene.desk.revocation(proved()) == Evidence()
        assert (await scene.desk.provision(asked())).refusal is Refusal.UNREACHABLE

    play(scenario)


def test_a_query_outlives_its_session_and_its_answer_is_kept_for_one_more() -> None:
    async def scenario(scene: Scene) -> None:
        scene.backend.gate = asyncio.Event()
        first = asyncio.create_task(scene.desk.provision(asked()))
        await eventually(lambda: scene.backend.provisioned == 1)
        first.cancel()
        await asyncio.wait([first])
        scene.backend.gate.set()
        await asyncio.sleep(0.01)
        assert (await scene.desk.provision(asked())).payload == b"bundle"
        assert scene.backend.provisioned == 1
        assert (await scene.desk.provision(asked())).payload == b"bundle"  # used up: asked anew
        assert scene.backend.provisioned == 2

    play(scenario)


def test_the_same_question_is_asked_once_at_a_time() -> None:
    async def scenario(scene: Scene) -> None:
        scene.backend.gate = asyncio.Event()
        both = [asyncio.create_task(scene.desk.provision(asked())) for _ in range(2)]
        await eventually(lambda: scene.backend.provisioned == 1)
        scene.backend.gate.set()
        assert [answer.payload for answer in await asyncio.gather(*both)] == [b"bundle", b"bundle"]
        assert scene.backend.provisioned == 1

    play(scenario)


def test_contracts_accepted_by_the_back_end_are_known_for_a_while() -> None:
    async def scenario(scene: Scene) -> None:
        now = asyncio.get_running_loop().time()
        scene.desk.record(ContractGranted(proved(), GrantSource.CHAIN))
        terms = scene.desk.terms(now)
        assert terms is not None
        assert terms.known == frozenset()
        scene.desk.record(ContractGranted(proved(), GrantSource.BACK_END))
        terms = scene.desk.terms(now)
        assert terms is not None
        assert terms.known == {proved().fingerprint}
        terms = scene.desk.terms(now + 3_000_000)
        assert terms is not None
        assert terms.known == frozenset()

    play(scenario)


def test_every_refusal_is_counted_and_told() -> None:
    refusal = ContractRefused("PaymentDetailsReq", ResponseCode.FAILED_CERT_CHAIN_ERROR, "no_anchor", "x")

    async def scenario(scene: Scene) -> None:
        scene.desk.record(refusal)
        scene.desk.record(refusal)
        await eventually(lambda: scene.backend.records == [refusal, refusal])
        assert scene.desk.refusals == {"no_anchor": 2}
        scene.backend.error = RuntimeError("full")
        scene.desk.record(refusal)
        await eventually(lambda: scene.complaints == ["record_contract: RuntimeError: full"])

    play(scenario)
