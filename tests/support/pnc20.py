"""Plug and Charge of ISO 15118-20 on the bench: a car with a contract on secp521r1 or Ed448."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from typing import Any

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.contract import ContractPolicy, Evidence
from secc.pki.hierarchy import make_hierarchy, make_iso20_hierarchy
from secc.pki.issuing import Holder, Order, Revocation, issue, make_crl
from secc.pki.keys import KeyType, PrivateKey, new_private_key
from secc.pki.kinds import Generation
from secc.pki.profiles import Kind
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.pki.trust import Role, TrustStore, trust
from secc.pki.xmldsig import iso20_part, sign
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractGranted,
    ContractJudged,
    ContractRefused,
    ContractTerms,
    JudgeContract,
    RevocationReported,
    Verdict,
)
from secc.session.inputs import Received
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import MeterReading
from secc.session.outputs import Output
from secc.settings import Payment, PncConfig, SeccConfig, ServiceConfig
from tests.support import iso20 as r
from tests.support.contracts import DAY, NOW, UTC
from tests.support.iso20 import AC, DC, Bench20, addressed, code, said

BOTH = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))
PNC_DC = dataclasses.replace(DC, service=BOTH)
PNC_AC = dataclasses.replace(AC, service=BOTH)
METER = MeterReading("METER-1", 1000)
BEGIN = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)

Hierarchy = dict[Kind, Holder]


@functools.cache
def hierarchy(keys: KeyType = KeyType.SECP521R1, seed: bytes = b"pnc20 tests") -> Hierarchy:
    """Valid from 2024 to 2124; another seed makes another PKI with the same names."""
    if keys is KeyType.SECP256R1:
        return dict(make_hierarchy(not_before=BEGIN, not_after=END, seed=seed))
    return dict(make_iso20_hierarchy(keys, not_before=BEGIN, not_after=END, seed=seed))


@functools.cache
def trusted(keys: KeyType = KeyType.SECP521R1) -> TrustStore:
    """What the station trusts."""
    roots = (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)
    return trust([(kind, hierarchy(keys)[kind].certificate) for kind in roots])


def terms(keys: KeyType = KeyType.SECP521R1, **changes: object) -> ContractTerms:
    """By default nothing is known about revocation, and that is accepted."""
    policy = ContractPolicy(revocation=RevocationPolicy(mode=RevocationMode.PREFER))
    fields: dict[str, object] = {"trust": trusted(keys), "policy": policy, **changes}
    return ContractTerms(**fields)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class ContractCar:
    """Contract, key and Sub-CAs of a car of ISO 15118-20."""

    contract: Holder
    subs: tuple[Certificate, ...]
    generation: Generation = Generation.ISO20

    def mode(self, challenge: bytes, **changes: Any) -> m.PnCAReqAuthorizationMode:
        """What is signed."""
        chain = m.ContractCertificateChain(
            certificate=self.contract.certificate.der,
            sub_certificates=m.SubCertificates(certificate=tuple(one.der for one in self.subs)),
        )
        fields = {"id": "id1", "gen_challenge": challenge, "contract_certificate_chain": chain, **changes}
        return m.PnCAReqAuthorizationMode(**fields)

    def sign(self, mode: m.PnCAReqAuthorizationMode, key: PrivateKey | None = None) -> Signature:
        part = iso20_part("PnC_AReqAuthorizationMode", mode)
        signer = key or self.contract.key
        return sign((part,), signer, generation=self.generation, reproducible=True)

    def request(self, challenge: bytes, **changes: Any) -> m.AuthorizationReq:
        """Signed as it is; `changes` are made before the signature."""
        return signed(self.mode(challenge, **changes), self)


def signed(
    mode: m.PnCAReqAuthorizationMode, car: ContractCar, signature: Signature | None = None
) -> m.AuthorizationReq:
    """The request, with the car's signature or another one."""
    header = msgspec.structs.replace(r.HEAD, signature=signature or car.sign(mode))
    return m.AuthorizationReq(
        header=header,
        selected_authorization_service=m.Authorization.PNC,
        pnc_a_req_authorization_mode=mode,
    )


def car(
    keys: KeyType = KeyType.SECP521R1, contract: Holder | None = None, seed: bytes = b"pnc20 tests"
) -> ContractCar:
    """The usual car, or one with another contract or another hierarchy."""
    pki = hierarchy(keys, seed)
    subs = tuple(pki[kind].certificate for kind in KINDS[Role.CONTRACT][1:])
    generation = Generation.LAB if keys is KeyType.SECP256R1 else Generation.ISO20
    return ContractCar(contract or pki[Kind.CONTRACT_LEAF], subs, generation)


usual_car = car


def leaf(
    *,
    emaid: str = "DEABC000000002E",
    not_before: datetime.datetime = NOW - DAY,
    not_after: datetime.datetime = NOW + 365 * DAY,
    serial: int = 4711,
    keys: KeyType = KeyType.SECP521R1,
) -> Holder:
    """A separate contract below the usual MO Sub-CA 2."""
    key = new_private_key(keys, emaid.encode())
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        generation=Generation.ISO20,
        common_name=emaid,
        organization="Test only",
        country="",
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        ocsp_url="http://ocsp.test.invalid:8080/",
    )
    issuer = hierarchy(keys)[Kind.MO_SUB_CA_2]
    return Holder(issue(order, key.public_key(), issuer, reproducible=True), key)


def crls(*revoked: Certificate) -> tuple[bytes, ...]:
    """Complete lists of the three issuers of a contract chain, with these certificates on them."""
    made = []
    for kind in (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT):
        issuer = hierarchy()[kind]
        entries = [
            Revocation(one.serial, NOW - DAY)
            for one in revoked
            if one.issuer.same_as(issuer.certificate.subject)
        ]
        made.append(make_crl(issuer, entries, number=1, this_update=NOW - DAY, next_update=NOW + 5 * DAY))
    return tuple(made)


class PncBench20(Bench20):
    """A session over mutual TLS 1.3 with a car that has a contract."""

    def __init__(
        self,
        config: SeccConfig = PNC_DC,
        *,
        car: ContractCar | None = None,
        contracts: ContractTerms | None = None,
        **extra: object,
    ) -> None:
        super().__init__(config, **({"contracts": contracts or terms()} | extra))
        self.car = car or usual_car()
        self.verdict = Verdict.ACCEPTED
        """What the back end decides on the way into a state."""
        self.outlet(utc=UTC, meter=METER)

    @property
    def challenge(self) -> bytes:
        assert self.side.challenge is not None
        return self.side.challenge

    def send(self, request: m.AuthorizationReq) -> tuple[Output, ...]:
        """Send a request with its signature; nothing is judged yet."""
        message = addressed(request, self.session.session_id)
        header = msgspec.structs.replace(message.header, signature=request.header.signature)
        return self.feed(Received(msgspec.structs.replace(message, header=header), self.evse))

    def prove(self, request: m.AuthorizationReq | None = None) -> Any:
        """Send a request; the answer, after the judgement if one was asked for."""
        outputs = self.send(request or self.car.request(self.challenge))
        return said(outputs) or said(self.judge())

    def judge(self) -> tuple[Output, ...]:
        return self.feed(ContractJudged(self.asked(JudgeContract).ticket))

    def report_revocation(self, evidence: Evidence | None = None) -> tuple[Output, ...]:
        found = Evidence(crls=crls()) if evidence is None else evidence
        return self.feed(RevocationReported(self.asked(AskRevocation).ticket, found))

    def decide(self, verdict: Verdict = Verdict.ACCEPTED) -> tuple[Output, ...]:
        return self.feed(ContractDecided(self.asked(AuthorizeContract).ticket, verdict))

    def to_granted(self) -> PncBench20:
        self.to_authorization()
        self.prove()
        if self.count(AskRevocation):
            self.report_revocation()
        self.decide(self.verdict)
        self.prove()
        return self

    def to_services(self) -> PncBench20:
        """By contract instead of external identification."""
        return self.to_granted()

    def asked(self, kind: type[Any]) -> Any:
        """The latest output of a class."""
        return [output for output in self.outputs if isinstance(output, kind)][-1]

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(output, kind) for output in self.outputs)

    @property
    def refusals(self) -> list[ContractRefused]:
        return [output for output in self.outputs if isinstance(output, ContractRefused)]

    @property
    def grants(self) -> list[ContractGranted]:
        return [output for output in self.outputs if isinstance(output, ContractGranted)]


REQUIRING = ContractPolicy()
"""Nothing known about revocation is a refusal."""


def with_pnc(config: SeccConfig = PNC_DC, **pnc: object) -> SeccConfig:
    return dataclasses.replace(config, pnc=PncConfig(**pnc))  # type: ignore[arg-type]


def asked(bench: Bench20) -> m.AuthorizationSetupRes:
    """The offer."""
    bench.ask(r.session_setup(), bytes(8))
    response = bench.ask(r.authorization_setup())
    assert isinstance(response, m.AuthorizationSetupRes)
    return response


def at_authorization(**extra: object) -> PncBench20:
    bench = PncBench20(**extra)  # type: ignore[arg-type]
    bench.to_authorization()
    return bench


def one_refusal(bench: PncBench20, request: m.AuthorizationReq | None = None) -> tuple[str, str]:
    """Code and rule; nothing has reached the back end, and the state is that of another try."""
    response = bench.prove(request)
    assert bench.count(AuthorizeContract) == 0
    assert response.evse_processing is Processing.FINISHED
    assert bench.session.state is (S.ENDED if bench.ended else S.WAIT_AUTHORIZATION)
    (refusal,) = bench.refusals
    assert refusal.code == code(response)
    return code(response), refusal.rule
