"""Cars of ISO 15118-20 that only the ecosystem knows: several contracts, refusals, renewal, late answers."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secc import exi
from secc.messages import iso20_common as m
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.service import OperatorService
from secc.operator.opcp.client import OpcpClient
from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults
from secc.operator.opcp.port import EcosystemError
from secc.operator.opcp.server import EcosystemServer
from secc.operator.opcp.settings import OpcpSettings
from secc.operator.opcp.simulated import SimulatedEcosystem
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import Refusal
from secc.sim.iso20 import Iso20Wallet
from tests.operator.cpo.support import Clock, ask, client_of, make_service
from tests.operator.opcp.support import ALL, CAR, InProcess
from tests.support.contracts import DAY, NOW
from tests.support.installation import hierarchy, with_fields

FIRST, SECOND = "DEABC000000007", "DEABC000000008"
SCHEMA = "urn:iso:std:iso:15118:-20:CommonMessages"


class MixedIso20:
    """A service without keys of ISO 15118-20 behind an ecosystem, and a car of that ecosystem."""

    def __init__(self, folder: Path, *, renews: bool = False, **changes: Any) -> None:
        self.clock = Clock()
        pki = hierarchy()
        self.ecosystem = SimulatedEcosystem(clock=self.clock, parties=[ALL], iso20_pki=pki)
        (folder / "secret").write_text(ALL.secret)
        opcp = OpcpSettings(
            url="http://pool.test",
            client_id=ALL.client_id,
            client_secret_file=folder / "secret",
            renews=renews,
            timeout=60.0,
        )
        self.client = OpcpClient(opcp, transport=InProcess(EcosystemServer(self.ecosystem).app))
        changes = {"answer_within": 60.0, "opcp": opcp} | changes  # a busy machine is no late ecosystem
        self.service: OperatorService = make_service(folder, self.clock, self.client, **changes)
        self.service.jobs.fetch_roots()
        car = self.ecosystem.iso20.make_car(CAR.text)
        chain = self.ecosystem.iso20.car_chain(car)
        self.client.add_vehicle(chain)
        self.wallet = Iso20Wallet(car, chain[1:], [pki[Kind.V2G_ROOT].certificate], most=2)
        self.wallet.clock = self.clock
        self.asked = 0

    def pool(self, emaid: str) -> None:
        """Have the ecosystem make a contract for the car."""
        form = {"emaid": emaid, "pcid": CAR.text, "schema": SCHEMA}
        pooled = client_of(self.service).post("/v1/ecosystem/contracts", json=form)
        assert pooled.status_code == 200

    def ask(self) -> ContractAnswer:
        """A request of the car; what it is given it must be able to use."""
        self.asked += 1
        request, signature = self.wallet.installation()
        header = msgspec.structs.replace(request.header, signature=signature, time_stamp=self.asked)
        codec = exi.codec("iso20-common")
        answer = self.service.installation.answer(
            codec.encode(msgspec.structs.replace(request, header=header)), who="test"
        )
        if answer.refusal is None:
            self.wallet.accept(codec.decode(answer.payload))
        return answer

    @property
    def emaids(self) -> list[str]:
        return [str(one.emaid) for one in self.wallet.contracts]


def remaining(answer: ContractAnswer) -> int:
    message: m.CertificateInstallationRes = exi.codec("iso20-common").decode(answer.payload)
    return message.remaining_contract_certificate_chains


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[MixedIso20]:
    made = MixedIso20(tmp_path)
    yield made
    made.service.close()


def test_a_car_of_the_ecosystem_gets_all_its_contracts(mixed: MixedIso20) -> None:
    for emaid in (FIRST, SECOND):
        mixed.pool(emaid)
    first, second, third = (mixed.ask() for _ in range(3))
    assert (first.source, remaining(first)) == ("ecosystem", 1)
    assert (second.source, remaining(second)) == ("stored", 0)
    assert (third.rule, third.code) == ("all_delivered", "WARNING_NoCertificateAvailable")
    assert mixed.emaids == [FIRST, SECOND]
    (note,) = [one for one in mixed.service.journal.notes() if one.what == "bundle of the ecosystem"]
    assert note.detail == "iso15118-20, 2 of 2 valid"


def test_the_contract_that_a_car_prefers_comes_first_from_the_ecosystem_too(mixed: MixedIso20) -> None:
    for emaid in (FIRST, SECOND):
        mixed.pool(emaid)
    mixed.wallet.wanted = (SECOND,)
    mixed.ask()
    assert mixed.emaids == [SECOND]


def test_a_car_that_the_ecosystem_does_not_know_either_is_refused(mixed: MixedIso20) -> None:
    answer = mixed.ask()
    assert (answer.refusal, answer.code) == (Refusal.UNKNOWN, "WARNING_NoContractMatchingPCIDFound")
    assert answer.identity == CAR.normal


@pytest.mark.parametrize(
    ("fault", "refusal", "rule"),
    [
        (EcosystemFault.BROKEN, Refusal.UNREACHABLE, "ecosystem"),
        (EcosystemFault.GARBAGE, Refusal.UNREACHABLE, "ecosystem"),
        (EcosystemFault.OVERSIZE, Refusal.UNREACHABLE, "ecosystem"),
        (EcosystemFault.NOT_FOUND, Refusal.UNKNOWN, "unknown_car"),
        (EcosystemFault.TRUNCATED, Refusal.FAULTY, "not_a_message"),
        (EcosystemFault.EXPIRED_CPS, Refusal.FAULTY, "leaf_expired"),
    ],
)
def test_what_the_ecosystem_does_wrong_never_reaches_the_car(
    mixed: MixedIso20, fault: EcosystemFault, refusal: Refusal, rule: str
) -> None:
    mixed.pool(FIRST)
    mixed.ecosystem.faults = EcosystemFaults(fault, path="signedContractData")
    answer = mixed.ask()
    assert (answer.refusal, answer.rule, mixed.emaids) == (refusal, rule, [])
    mixed.ecosystem.faults = EcosystemFaults()
    assert mixed.ask().source == "ecosystem"


def test_a_refusal_is_in_the_journal(mixed: MixedIso20) -> None:
    request, signature = mixed.wallet.installation()
    header = msgspec.structs.replace(request.header, signature=signature)
    payload = exi.codec("iso20-common").encode(msgspec.structs.replace(request, header=header))
    assert ask(client_of(mixed.service), payload, schema=SCHEMA)["status"] == "Failed"
    (refused,) = mixed.service.journal.refusals()
    assert (refused.what, refused.identity, refused.rule) == ("installation", CAR.normal, "unknown_car")


def test_one_wrong_bundle_does_not_cost_the_car_its_other_contract(mixed: MixedIso20) -> None:
    for emaid in (FIRST, SECOND):
        mixed.pool(emaid)
    pool = mixed.ecosystem.iso20.contracts
    key = FIRST[:14]
    pool[key] = type(pool[key])(pool[key].emaid, pool[key].pcid, pool[key].payload[:-40], pool[key].leaf)
    assert remaining(mixed.ask()) == 0
    assert mixed.emaids == [SECOND]
    (refused,) = mixed.service.journal.refusals()
    assert (refused.station, refused.rule) == ("ecosystem", "not_a_message")


def test_a_refusal_in_exi_is_no_contract(mixed: MixedIso20) -> None:
    code = m.ResponseCode.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND
    mixed.pool(FIRST)
    pool = mixed.ecosystem.iso20.contracts
    one = pool[FIRST[:14]]
    pool[FIRST[:14]] = type(one)(one.emaid, one.pcid, with_fields(one.payload, response_code=code), one.leaf)
    assert mixed.ask().refusal is Refusal.UNKNOWN


def test_an_answer_of_the_ecosystem_that_is_late_is_there_at_the_next_attempt(tmp_path: Path) -> None:
    mixed = MixedIso20(tmp_path, answer_within=0.05)
    mixed.pool(FIRST)
    may_answer, asked = threading.Event(), mixed.client.signed_contracts

    def late(request: bytes) -> tuple[bytes, ...]:
        may_answer.wait(60)
        return asked(request)

    mixed.client.signed_contracts = late  # type: ignore[method-assign]
    answer = mixed.ask()
    assert (answer.refusal, answer.rule) == (Refusal.LATE, "ecosystem_late")
    may_answer.set()
    mixed.service._questions._asking.shutdown(wait=True)
    again = mixed.ask()
    assert (again.source, mixed.emaids) == ("stored", [FIRST])
    mixed.service.close()


def test_what_the_ecosystem_has_made_is_renewed_there(tmp_path: Path) -> None:
    mixed = MixedIso20(tmp_path, renews=True)
    mixed.pool(FIRST)
    assert mixed.ask().source == "ecosystem"
    first = mixed.wallet.contracts[0].chain[0]
    mixed.clock.now = first.not_after - 10 * DAY
    (bucket,) = mixed.service.jobs.due_buckets()
    assert mixed.service.jobs.renew(bucket).renewed == 1
    assert mixed.service.jobs.due_buckets() == ()
    assert mixed.ask().source == "ecosystem"
    assert mixed.wallet.contracts[0].chain[0].not_after > first.not_after + 300 * DAY
    mixed.service.close()


def test_an_ecosystem_that_refuses_a_renewal_is_asked_again_later(tmp_path: Path) -> None:
    mixed = MixedIso20(tmp_path, renews=True)
    mixed.pool(FIRST)
    mixed.ask()
    mixed.clock.now = mixed.wallet.contracts[0].chain[0].not_after - 10 * DAY
    mixed.ecosystem.faults = EcosystemFaults(EcosystemFault.BROKEN, path="generate")
    (bucket,) = mixed.service.jobs.due_buckets()
    assert mixed.service.jobs.renew(bucket).failed == 1
    (note,) = [one for one in mixed.service.journal.notes() if one.what == "renewal failed"]
    assert note.subject == FIRST
    mixed.clock.move(hours=7)
    assert mixed.service.jobs.due_buckets() == (bucket,)
    mixed.service.close()


def test_an_unknown_namespace_is_refused_by_the_pool(mixed: MixedIso20) -> None:
    otherwise = "urn:iso:std:iso:15118:-20:2022"
    mixed.client._settings = dataclasses.replace(mixed.client._settings, iso20_namespace=otherwise)
    with pytest.raises(EcosystemError, match="unsupported namespace"):
        mixed.client.generate(EMAID.parse(FIRST), CAR, NOW, NOW + DAY, Generation.ISO20)
