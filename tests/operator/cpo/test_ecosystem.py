"""Contracts of an ecosystem with another PKI: installation, end, refused update, renewal by installation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secc import exi
from secc.operator.cpo.service import OperatorService
from secc.operator.opcp.client import OpcpClient
from secc.operator.opcp.server import EcosystemServer
from secc.operator.opcp.settings import OpcpSettings
from secc.operator.opcp.simulated import SimulatedEcosystem
from secc.pki.issuing import Identity
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, Refusal
from secc.sim.wallet import Wallet
from tests.operator.cpo.support import Clock, client_of, make_service
from tests.operator.opcp.support import ALL, CAR, InProcess
from tests.support.contracts import DAY, encoded, hierarchy

EMAID = "DEABC000000007"
OTHER = hierarchy(b"another ecosystem")


class Mixed:
    """A service with its test PKI behind an ecosystem with another one, and a car of that ecosystem."""

    def __init__(self, folder: Path, *, renews: bool, clock: Clock | None = None, **changes: Any) -> None:
        self.clock = clock or Clock()
        self.ecosystem = SimulatedEcosystem(clock=self.clock, parties=[ALL], pki=OTHER)
        (folder / "secret").write_text(ALL.secret)
        opcp = OpcpSettings(
            url="http://pool.test",
            client_id=ALL.client_id,
            client_secret_file=folder / "secret",
            renews=renews,
        )
        client = OpcpClient(opcp, transport=InProcess(EcosystemServer(self.ecosystem).app))
        self.service: OperatorService = make_service(folder, self.clock, client, opcp=opcp, **changes)
        self.service.jobs.fetch_roots()
        car = self.ecosystem.make_car(CAR.text)
        client.add_vehicle(self.ecosystem.car_chain(car))
        self.wallet = Wallet(Identity(car.certificate, car.key), [OTHER[Kind.V2G_ROOT].certificate])
        self.wallet.clock = self.clock

    def ask(self, action: Action) -> Any:
        body = self.wallet.installation() if action is Action.INSTALL else self.wallet.update()
        answer = self.service.delivery.answer(encoded(body, self.wallet.sign(body)), action)
        if answer.refusal is None:
            message: Any = exi.ISO2.decode(answer.payload)
            self.wallet.accept(message.body, message.header.signature, self.clock.now)
        return answer

    def until_ten_days_are_left(self) -> None:
        self.clock.now = self.wallet.chain[0].not_after - 10 * DAY


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Mixed]:
    made = Mixed(tmp_path, renews=True)
    with client_of(made.service) as client:
        pooled = client.post("/v1/ecosystem/contracts", json={"emaid": EMAID, "pcid": CAR.text})
        assert pooled.status_code == 200
        assert made.ask(Action.INSTALL).source == "ecosystem"
        yield made


def test_the_end_of_a_contract_from_the_ecosystem_is_known_here(mixed: Mixed) -> None:
    (contract,) = mixed.service.contracts.page()
    assert contract.not_after == mixed.wallet.chain[0].not_after
    assert (contract.pcid, contract.renew_at is not None) == (CAR.normal, True)


def test_a_contract_of_the_ecosystem_with_ten_days_left_is_renewed_end_to_end(mixed: Mixed) -> None:
    first = mixed.wallet.chain[0]
    mixed.until_ten_days_are_left()
    (bucket,) = mixed.service.jobs.due_buckets()
    assert mixed.service.jobs.renew(bucket).renewed == 1
    assert mixed.service.jobs.due_buckets() == ()
    assert mixed.ask(Action.INSTALL).source == "ecosystem"
    assert mixed.wallet.chain[0].not_after > first.not_after + 300 * DAY
    (contract,) = mixed.service.contracts.page()
    assert contract.not_after == mixed.wallet.chain[0].not_after


def test_an_update_of_a_contract_that_no_key_here_can_renew_is_refused_and_ordered_at_the_ecosystem(
    mixed: Mixed,
) -> None:
    mixed.until_ten_days_are_left()
    answer = mixed.ask(Action.UPDATE)
    assert (answer.refusal, answer.code) == (Refusal.NOT_OFFERED, "FAILED_NoCertificateAvailable")
    assert "certificate_update = false" in answer.text
    (bucket,) = mixed.service.jobs.due_buckets()
    assert mixed.service.jobs.renew(bucket).renewed == 1
    assert mixed.ask(Action.INSTALL).source == "ecosystem"
    assert mixed.wallet.wants_update(mixed.clock.now) is False


def test_an_update_that_the_car_would_discard_is_not_made(tmp_path: Path) -> None:
    mixed = Mixed(tmp_path, renews=False)
    with client_of(mixed.service) as client:
        client.post("/v1/ecosystem/contracts", json={"emaid": EMAID, "pcid": CAR.text})
        assert mixed.ask(Action.INSTALL).source == "ecosystem"
        mixed.until_ten_days_are_left()
        assert mixed.ask(Action.UPDATE).rule == "issued_elsewhere"
        assert mixed.service.contracts.page()[0].generation == 0
        assert mixed.service.jobs.due_buckets() == ()


def test_an_update_is_made_where_the_car_trusts_the_cps_of_the_service(tmp_path: Path) -> None:
    mixed = Mixed(tmp_path, renews=False)
    mixed.wallet.roots = [OTHER[Kind.V2G_ROOT].certificate, hierarchy()[Kind.V2G_ROOT].certificate]
    with client_of(mixed.service) as client:
        client.post("/v1/ecosystem/contracts", json={"emaid": EMAID, "pcid": CAR.text})
        mixed.ask(Action.INSTALL)
        mixed.until_ten_days_are_left()
        assert mixed.ask(Action.UPDATE).source == "made"
        assert mixed.wallet.wants_update(mixed.clock.now) is False


def test_what_the_ecosystem_refuses_is_recorded(tmp_path: Path) -> None:
    mixed = Mixed(tmp_path, renews=True)
    with client_of(mixed.service) as client:
        form = {"emaid": "DEXYZ000000007", "pcid": CAR.text}
        assert client.post("/v1/ecosystem/contracts", json=form).status_code == 502
        (refused,) = mixed.service.journal.refusals()
    assert (refused.what, refused.identity, refused.station) == ("pool", "DEXYZ000000007", "ecosystem")


def test_a_service_without_an_ecosystem_has_no_pool(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        form = {"emaid": EMAID, "pcid": CAR.text}
        assert client.post("/v1/ecosystem/contracts", json=form).status_code == 409
