"""A session on the bench that deals with contracts, and a car that has one."""

from __future__ import annotations

import dataclasses

from secc.messages import iso2
from secc.messages.iso2 import PaymentOption
from secc.messages.xmldsig import Signature
from secc.pki.contract import ContractPolicy, Evidence
from secc.pki.provisioning import Action, ProvisioningAnswer
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractProvisioned,
    ContractRefused,
    ContractTerms,
    Provision,
    RevocationReported,
    Verdict,
)
from secc.session.iso2.status import meter_info_of
from secc.session.outlet import ControlPilot, MeterReading
from secc.session.outputs import Output
from secc.session.ticket import Ticket
from secc.settings import (
    CompatConfig,
    EnergyConfig,
    Payment,
    PncConfig,
    SeccConfig,
    ServiceConfig,
)
from tests.support import requests
from tests.support.bench import DC_MODES, Bench
from tests.support.contracts import (
    NOW,
    UTC,
    CarWallet,
    crls,
    mobility_operator,
    provisioning_service,
    trusted,
    wallet,
)

BOTH = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))
PNC_AC = SeccConfig(evse_id="DE*AAA*E4", service=BOTH)
PNC_DC = SeccConfig(evse_id="DE*AAA*E5", service=BOTH, energy=EnergyConfig(modes=DC_MODES))
EVERYTHING = frozenset(Action)
METER = MeterReading("METER-1", 1000)


def with_pnc(config: SeccConfig, **pnc: object) -> SeccConfig:
    return dataclasses.replace(config, pnc=PncConfig(**pnc))  # type: ignore[arg-type]


def strict(config: SeccConfig) -> SeccConfig:
    return dataclasses.replace(config, compat=CompatConfig.strict())


def terms(**changes: object) -> ContractTerms:
    """By default nothing is known about revocation, and that is accepted."""
    policy = ContractPolicy(revocation=RevocationPolicy(mode=RevocationMode.PREFER))
    fields: dict[str, object] = {"trust": trusted(), "policy": policy, "provisions": EVERYTHING, **changes}
    return ContractTerms(**fields)  # type: ignore[arg-type]


REQUIRING = ContractPolicy()
"""Nothing known is a refusal."""


class PncBench(Bench):
    """A bench over TLS with a car that has a contract."""

    def __init__(
        self,
        config: SeccConfig = PNC_AC,
        *,
        car: CarWallet | None = None,
        contracts: ContractTerms | None = None,
        tls: bool = True,
        **extra: object,
    ) -> None:
        super().__init__(config, pilot=ControlPilot.B, tls=tls, contracts=contracts or terms(), **extra)
        self.car = car or wallet()
        self.outlet(utc=UTC, meter=METER)

    # --- inputs ---

    def signed(self, body: iso2.BodyElement, signature: Signature | None = None) -> iso2.BodyElement | None:
        """Send a request as the car signs it."""
        return self.request(body, signature=signature or self.car.sign(body))

    def select(self, option: PaymentOption = PaymentOption.CONTRACT) -> PncBench:
        self.request(requests.session_setup(), b"\0")
        self.request(requests.service_discovery())
        self.request(requests.payment_selection(option))
        return self

    def show(self, **changes: object) -> iso2.BodyElement | None:
        """PaymentDetailsReq."""
        return self.request(self.car.payment_details(**changes))

    def to_proof(self) -> PncBench:
        self.select().show()
        return self

    @property
    def challenge(self) -> bytes:
        assert self.session.pnc.claim is not None
        return self.session.pnc.claim.challenge

    def prove(self) -> iso2.BodyElement | None:
        """AuthorizationReq with the right signature."""
        return self.signed(self.car.authorization(self.challenge))

    def to_decision(self) -> PncBench:
        self.to_proof().prove()
        return self

    def decide(self, verdict: Verdict = Verdict.ACCEPTED) -> tuple[Output, ...]:
        return self.feed(ContractDecided(self._ticket(AuthorizeContract), verdict))

    def report_revocation(self, evidence: Evidence | None = None) -> tuple[Output, ...]:
        found = Evidence(crls=crls()) if evidence is None else evidence
        return self.feed(RevocationReported(self._ticket(AskRevocation), found))

    def provision(self, answer: ProvisioningAnswer) -> tuple[Output, ...]:
        return self.feed(ContractProvisioned(self._ticket(Provision), answer))

    # --- ways ---

    def to_granted(self) -> PncBench:
        self.to_decision().decide()
        self.request(requests.authorization())
        return self

    def to_loop_ac(self) -> PncBench:
        """Just before the first ChargingStatusReq."""
        self.to_granted()
        self.request(requests.ac_parameters())
        self.outlet(control_pilot=ControlPilot.C)
        self.request(requests.start())
        self.contactor()
        return self

    def to_loop_dc(self) -> PncBench:
        """Just before the first CurrentDemandReq."""
        self.to_granted()
        self.request(requests.dc_parameters())
        self.prepare()
        self.request(requests.start())
        return self

    # --- looking back ---

    def _ticket(self, kind: type[AskRevocation] | type[AuthorizeContract] | type[Provision]) -> Ticket:
        return [output.ticket for output in self.outputs if isinstance(output, kind)][-1]

    @property
    def refusals(self) -> list[ContractRefused]:
        return [output for output in self.outputs if isinstance(output, ContractRefused)]

    def receipt(self, **changes: object) -> iso2.MeteringReceiptReq:
        """The receipt that was asked for."""
        question = self.session.pnc.receipt_question
        assert question is not None
        fields: dict[str, object] = {
            "id": "id1",
            "session_id": self.session.session_id,
            "sa_schedule_tuple_id": question.schedule_id,
            "meter_info": meter_info_of(question.reading),
            **changes,
        }
        return iso2.MeteringReceiptReq(**fields)  # type: ignore[arg-type]


def bundle(action: Action = Action.INSTALL, car: CarWallet | None = None) -> bytes:
    """What a back end answers to the usual car."""
    car = car or wallet()
    receiver = car.oem if action is Action.INSTALL else car.contract
    contract = mobility_operator().issue(car.emaid, NOW)
    return provisioning_service().bundle(action, contract, receiver.key.public_key()).payload


def outputs_of(bench: PncBench, kind: type) -> list[object]:
    return [output for output in bench.outputs if isinstance(output, kind)]
