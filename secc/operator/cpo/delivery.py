"""Answers to requests of cars: CertificateInstallationReq and CertificateUpdateReq in, EXI out.

Requests for known contracts are answered from the database, or by the MO and CPS of this service; the
ecosystem is asked about other cars. The same request gets the same answer from every worker: a bundle is made
once for each generation of a contract, and a repeated request receives the stored bundle.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable
from typing import Any

from secc import exi
from secc.errors import CertificateError, DecodeError
from secc.messages import iso2
from secc.operator.cpo.asking import EcosystemQuestions, Unanswered
from secc.operator.cpo.contracts import ContractRecord, Contracts, NewBundle, is_due
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.cpo.register import CertificateRegister
from secc.operator.opcp.port import Ecosystem
from secc.pki.certificates import Certificate
from secc.pki.chains import verify_chain
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.provisioning import (
    REFUSAL_CODES,
    Action,
    ProvisioningRequest,
    Refusal,
    verify_request,
    verify_response,
)
from secc.pki.trust import Role, TrustStore
from secc.site.issuing import Bundle, ContractIssuer, IssuedContract, ProvisioningService
from secc.site.store import Status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContractAnswer:
    """The answer for the car: a complete V2G_Message as EXI, or the reason why there is none."""

    payload: bytes = dataclasses.field(default=b"", repr=False)
    refusal: Refusal | None = None
    identity: str = ""
    """eMAID or PCID, as far as known."""
    rule: str = ""
    text: str = ""
    source: str = ""
    """Origin of the answer: `stored`, `made`, `ecosystem`."""
    response_code: str = ""
    """Response code for the car, where it does not follow from the refusal."""

    @property
    def code(self) -> str:
        """Response code for the car."""
        if self.refusal is None:
            return "OK"
        return self.response_code or REFUSAL_CODES.get(self.refusal, "FAILED_NoCertificateAvailable")


@dataclasses.dataclass(frozen=True, slots=True)
class Roles:
    """The keys of this service; without both it makes no bundles."""

    issuer: ContractIssuer | None = None
    """The mobility operator."""
    service: ProvisioningService | None = None
    """The certificate provisioning service."""


class ContractService:
    """Answers requests; thread-safe, and all state is in the database."""

    def __init__(
        self,
        contracts: Contracts,
        register: CertificateRegister,
        journal: OperatorJournal,
        roles: Roles,
        trust: Callable[[], TrustStore],
        *,
        questions: EcosystemQuestions,
        clock: Callable[[], datetime.datetime],
        policy: ContractPolicy | None = None,
        ecosystem_renews: bool = False,
    ) -> None:
        """`ecosystem_renews`: the ecosystem makes the bundles, not the keys of this service."""
        self._contracts = contracts
        self._register = register
        self._journal = journal
        self._roles = roles
        self._trust = trust
        self._questions = questions
        self._clock = clock
        self._policy = policy or ContractPolicy()
        self._ecosystem_renews = ecosystem_renews

    def answer(self, payload: bytes, action: Action, *, who: str = "") -> ContractAnswer:
        """Verify a request and answer it; `who` is the caller for the audit log. Raises only StorageError."""
        now = self._clock()
        try:
            request = self._read(payload, action, now)
        except CertificateError as error:
            return ContractAnswer(
                refusal=Refusal.FAULTY,
                rule=error.rule or "certificate",
                text=str(error),
                response_code=error.response_code or "",
            )
        if request.action is Action.UPDATE:
            return self._update(request, who, now)
        return self._install(request, who, now)

    def make(
        self, of: ContractRecord, action: Action, receiver: Certificate, now: datetime.datetime
    ) -> NewBundle:
        """Return a new certificate and its bundle, not stored yet.

        Raises CertificateError with the reason.
        """
        issuer, service = self._roles.issuer, self._roles.service
        if issuer is None or service is None:
            raise CertificateError("this service has no issuer of contracts", rule="no_issuer")
        if service.signer.certificate.not_after <= now:
            raise CertificateError("the certificate of the CPS has expired", rule="cps_expired")
        issued: IssuedContract = issuer.issue(of.emaid, now)
        made: Bundle = service.bundle(action, issued, receiver.public_key)
        return NewBundle(
            contract=of,
            action=action,
            receiver=receiver.fingerprint,
            payload=made.payload,
            leaf=issued.leaf,
            until=made.usable_until,
            issuer=issuer.authority.certificate.fingerprint,
        )

    def prepare(self, of: ContractRecord, *, who: str) -> bool:
        """Make and store the bundle for the car of a contract, unless it is stored already; returns whether
        one was made. Raises CertificateError when it cannot be made."""
        now = self._clock()
        if of.status is not Status.ACTIVE:
            raise CertificateError(f"the contract is {of.status.value}", rule=of.status.value)
        _, car = (None, None) if of.pcid is None else self._contracts.of_car(PCID.parse(of.pcid))
        if car is None:
            raise CertificateError("no car is known for the contract", rule="no_car")
        stored = self._contracts.bundle(of, car.fingerprint)
        if stored is not None and stored.not_after > now and not is_due(of, now):
            return False
        made = self.make(of, Action.INSTALL, car, now)
        with self._contracts.changes():
            won = bool(self._contracts.store([made], now))
            if won:
                self._note_bundle(who, made, now)
        return won

    def _note_bundle(self, who: str, made: NewBundle, now: datetime.datetime) -> None:
        detail = f"serial {made.leaf.serial:x}, until {made.leaf.not_after:%Y-%m-%d}"
        self._journal.note(who, "bundle made", made.contract.emaid, detail, now)

    # --- installation and update ---------------------------------------------------------------------------

    def _install(self, request: ProvisioningRequest, who: str, now: datetime.datetime) -> ContractAnswer:
        assert request.pcid is not None
        contract, known = self._contracts.of_car(request.pcid)
        if contract is None or known is None:
            return self._ask_ecosystem(request, who, now)
        if known != request.leaf:
            text = "the car is known with another provisioning certificate"
            return _no(Refusal.UNKNOWN, request.pcid.normal, "other_certificate", text)
        if self._ecosystem_renews and contract.status is Status.ACTIVE:
            return self._ask_ecosystem(request, who, now)
        return self._deliver(contract, request, who, now)

    def _update(self, request: ProvisioningRequest, who: str, now: datetime.datetime) -> ContractAnswer:
        assert request.emaid is not None
        assert request.chain is not None
        contract = self._contracts.get(request.emaid)
        if contract is None:
            return _no(Refusal.UNKNOWN, request.emaid.normal, "unknown_contract", "no such contract")
        authority = request.chain.certificates[1] if len(request.chain.certificates) > 1 else None
        entry = None if authority is None else self._register.find(authority, request.leaf.serial)
        if entry is not None and entry.revocation is not None:
            return _no(
                Refusal.REVOKED,
                contract.emaid,
                "revoked",
                "the contract certificate in the request has been revoked",
            )
        if contract.status is Status.ACTIVE and entry is None and not self._may_replace(request, now):
            return self._renewed_elsewhere(contract, request.chain.certificates[0], now)
        return self._deliver(contract, request, who, now)

    def _may_replace(self, request: ProvisioningRequest, now: datetime.datetime) -> bool:
        """Return whether the car would accept an update from this service for a contract that is not in its
        register: the car must name the root of the CPS, or it discards the answer."""
        service = self._roles.service
        if service is None or self._roles.issuer is None or self._ecosystem_renews:
            return False
        try:
            chain = verify_chain(service.chain, Role.CPS, self._trust(), now, self._policy.chain)
        except CertificateError:
            return False
        return request.names(chain.anchor.certificate)

    def _renewed_elsewhere(
        self, contract: ContractRecord, shown: Certificate, now: datetime.datetime
    ) -> ContractAnswer:
        """Refuse an update of a contract of the ecosystem; there a renewal is another installation.

        The contract becomes due, so that the next installation gets a new certificate.
        """
        if self._ecosystem_renews:
            self._contracts.renew(contract.key, now)
        text = (
            f"the contract was issued by {shown.issuer}, and no key of this service can renew it for this "
            "car: it is renewed by an installation; set pnc.certificate_update = false at the stations"
        )
        return _no(Refusal.NOT_OFFERED, contract.emaid, "issued_elsewhere", text)

    def _deliver(
        self, contract: ContractRecord, request: ProvisioningRequest, who: str, now: datetime.datetime
    ) -> ContractAnswer:
        """Return the stored bundle or a new one; if two are made at the same time, one is stored."""
        if contract.status is not Status.ACTIVE:
            text = f"the contract is {contract.status.value}"
            return _no(Refusal.CANCELED, contract.emaid, contract.status.value, text)
        stored = self._contracts.bundle(contract, request.leaf.fingerprint)
        if stored is not None and stored.not_after > now and not is_due(contract, now):
            return ContractAnswer(payload=stored.payload, identity=contract.emaid, source="stored")
        try:
            made = self.make(contract, request.action, request.leaf, now)
        except CertificateError as error:
            return _no(Refusal.UNREACHABLE, contract.emaid, error.rule, str(error))
        with self._contracts.changes():
            if self._contracts.store([made], now):
                self._note_bundle(who, made, now)
                return ContractAnswer(payload=made.payload, identity=contract.emaid, source="made")
        again = self._contracts.get(EMAID.parse(contract.emaid))
        stored = None if again is None else self._contracts.bundle(again, request.leaf.fingerprint)
        if stored is not None:
            return ContractAnswer(payload=stored.payload, identity=contract.emaid, source="stored")
        return _no(Refusal.LATE, contract.emaid, "overtaken", "the contract was changed at the same time")

    # --- the ecosystem -------------------------------------------------------------------------------------

    def _ask_ecosystem(
        self, request: ProvisioningRequest, who: str, now: datetime.datetime
    ) -> ContractAnswer:
        car = request.pcid.normal if request.pcid is not None else ""
        stored = self._contracts.foreign(request.key, now)
        if stored is not None:
            return ContractAnswer(payload=stored, identity=car, source="stored")
        fetch = functools.partial(self._fetch, request=request, who=who, now=now)
        found = self._questions.ask(fetch, car, now)
        if isinstance(found, Unanswered):
            return _no(found.refusal, car, found.rule, found.text)
        return ContractAnswer(payload=found, identity=car, source="ecosystem")

    def _fetch(
        self, ecosystem: Ecosystem, request: ProvisioningRequest, who: str, now: datetime.datetime
    ) -> bytes:
        """Ask, verify and store; continues after the caller has stopped waiting."""
        payload = ecosystem.signed_contract_data(request.payload)
        bundle = verify_response(payload, request, self._trust(), now, self._policy)
        with self._contracts.changes():
            self._contracts.store_foreign(request.key, payload, now + _FOREIGN, request.pcid)
            leaf = bundle.contract.certificates[0]
            self._contracts.received(bundle.emaid, request.pcid, leaf, renew=self._ecosystem_renews)
            self._journal.note(who, "bundle of the ecosystem", str(request.pcid or ""), "", now)
        return payload

    def _read(self, payload: bytes, action: Action, now: datetime.datetime) -> ProvisioningRequest:
        wanted = iso2.CertificateInstallationReq if action is Action.INSTALL else iso2.CertificateUpdateReq
        if len(payload) > _MAX_REQUEST:
            raise CertificateError(
                f"request of {len(payload)} bytes, expected at most {_MAX_REQUEST}", rule="too_large"
            )
        try:
            message: Any = exi.ISO2.decode(payload)
        except DecodeError as error:
            raise CertificateError(f"the request cannot be decoded: {error}", rule="not_a_message") from error
        if not isinstance(message, iso2.V2GMessage) or not isinstance(message.body, wanted):
            found = type(getattr(message, "body", message)).__name__
            raise CertificateError(f"{found}, expected {wanted.__name__}", rule="another_message")
        body = message.body
        assert isinstance(body, iso2.CertificateInstallationReq | iso2.CertificateUpdateReq)
        return verify_request(body, message.header.signature, payload, self._trust(), now, self._policy)


_MAX_REQUEST = 16384
_FOREIGN = datetime.timedelta(hours=2)
"""How long an answer of the ecosystem is used for the same request: for repetitions by the car."""


def _no(refusal: Refusal, identity: str, rule: str, text: str) -> ContractAnswer:
    return ContractAnswer(refusal=refusal, identity=identity, rule=rule, text=text)
