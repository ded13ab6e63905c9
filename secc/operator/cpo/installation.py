"""Answers to CertificateInstallationReq of ISO 15118-20: one contract for each request, EXI in and out.

Requests of known cars are answered with a bundle that was made in advance, or by the MO and CPS of this
service; the ecosystem is asked about other cars. The number of contracts that follow is not signed and is
written when the bundle is delivered, as only the request determines it.

A request that comes again, octet by octet, gets the same answer. A further request of the same car within
`SESSION` gets the next contract: neither the message nor OCPP says which ones the car has received.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from secc import exi
from secc.errors import CertificateError, DecodeError
from secc.messages.iso20_common import CertificateInstallationReq
from secc.operator.cpo.asking import EcosystemQuestions, Unanswered
from secc.operator.cpo.contracts import ContractRecord, Contracts, key_of
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.iso20_contracts import Iso20Contracts, NewIso20Bundle
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.opcp.port import Ecosystem
from secc.pki.certificates import Certificate
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import PCID
from secc.pki.installation import (
    InstallationRequest,
    VerifiedInstallation,
    iso20_policy,
    verify_installation,
    verify_installation_request,
    with_remaining,
)
from secc.pki.profiles import Generation
from secc.pki.provisioning import Refusal
from secc.pki.trust import TrustStore
from secc.site.issuing import ContractIssuer, InstallationService
from secc.site.store import Status


@dataclasses.dataclass(frozen=True, slots=True)
class Iso20Roles:
    """The keys of this service for ISO 15118-20; without both it makes no bundles there."""

    issuer: ContractIssuer | None = None
    """The mobility operator."""
    service: InstallationService | None = None
    """The certificate provisioning service."""


class InstallationAnswers:
    """Answers requests; thread-safe, and all state is in the database."""

    def __init__(
        self,
        store: Iso20Contracts,
        contracts: Contracts,
        journal: OperatorJournal,
        roles: Iso20Roles,
        trust: Callable[[], TrustStore],
        *,
        questions: EcosystemQuestions,
        clock: Callable[[], datetime.datetime],
        policy: ContractPolicy | None = None,
        ecosystem_renews: bool = False,
    ) -> None:
        """`trust` returns the roots of vehicles; `ecosystem_renews`: the ecosystem makes the bundles, not the
        keys of this service."""
        self.store = store
        self._contracts = contracts
        self._journal = journal
        self._roles = roles
        self._trust = trust
        self._questions = questions
        self._clock = clock
        self._policy = iso20_policy(policy or ContractPolicy())
        self._ecosystem_renews = ecosystem_renews

    def answer(self, payload: bytes, *, who: str = "") -> ContractAnswer:
        """Verify a request and answer it; `who` is the caller for the audit log. Raises only StorageError."""
        now = self._clock()
        try:
            request = self._read(payload, now)
        except CertificateError as error:
            rule = error.rule or "certificate"
            return ContractAnswer(refusal=Refusal.FAULTY, rule=rule, text=str(error), response_code=_NONE)
        if (stored := self.store.delivered(_hash(payload), now)) is not None:
            return ContractAnswer(payload=stored, identity=str(request.pcid), source="stored")
        return self._install(request, who, now)

    def prepare(self, of: ContractRecord, *, who: str) -> bool:
        """Make and store the bundle for the car of a contract, unless it waits already; returns whether one
        was made. Raises CertificateError when it cannot be made."""
        now = self._clock()
        if of.status is not Status.ACTIVE:
            raise CertificateError(f"the contract is {of.status.value}", rule=of.status.value)
        car = None if of.pcid is None else self.store.car(PCID.parse(of.pcid))
        if car is None:
            raise CertificateError("no car is known for the contract", rule="no_car")
        if self.store.has_bundle(of, car.fingerprint, now):
            return False
        return self._keep(self.make(of, car, now), who, now)

    def make(self, of: ContractRecord, car: Certificate, now: datetime.datetime) -> NewIso20Bundle:
        """Return a new certificate and its bundle, not stored yet.

        Raises CertificateError with the reason.
        """
        issuer, service = self._roles.issuer, self._roles.service
        if issuer is None or service is None:
            raise CertificateError("this service has no issuer of ISO 15118-20", rule="no_issuer")
        if service.signer.certificate.not_after <= now:
            raise CertificateError("the certificate of the CPS has expired", rule="cps_expired")
        made = service.bundle(issuer.issue(of.emaid, now), car)
        authority = issuer.authority.certificate.fingerprint
        return NewIso20Bundle(contract=of, receiver=car.fingerprint, bundle=made, issuer=authority)

    # --- requests of cars ----------------------------------------------------------------------------------

    def _read(self, payload: bytes, now: datetime.datetime) -> InstallationRequest:
        if len(payload) > _MAX_REQUEST:
            text = f"request of {len(payload)} bytes, expected at most {_MAX_REQUEST}"
            raise CertificateError(text, rule="too_large")
        try:
            message: Any = exi.codec("iso20-common").decode(payload)
        except DecodeError as error:
            raise CertificateError(f"the request cannot be decoded: {error}", rule="not_a_message") from error
        if not isinstance(message, CertificateInstallationReq):
            raise CertificateError(f"{type(message).__name__} is no request", rule="another_message")
        return verify_installation_request(message, payload, self._trust(), now, self._policy)

    def _install(self, request: InstallationRequest, who: str, now: datetime.datetime) -> ContractAnswer:
        car, pcid = self.store.car(request.pcid), request.pcid
        found = self.store.contracts_of(pcid)
        if car is None or not found:
            return self._ask_ecosystem(request, who, now)
        if car != request.leaf:
            text = "the car is known with another provisioning certificate"
            return _no(Refusal.UNKNOWN, pcid.normal, "other_certificate", text)
        usable = [one for one in found if one.status is Status.ACTIVE]
        if not usable:
            return _no(Refusal.CANCELED, pcid.normal, "no_contract", "the car has no active contract")
        if self._ecosystem_renews:
            return self._ask_ecosystem(request, who, now)
        queue = self._queue([one.key for one in usable], request, now)
        if not queue:
            return _no(Refusal.NOT_OFFERED, pcid.normal, "all_delivered", "no further contract for the car")
        contract = next(one for one in usable if one.key == queue[0])
        return self._deliver(contract, request, len(queue) - 1, who, now)

    def _queue(self, keys: Sequence[str], request: InstallationRequest, now: datetime.datetime) -> list[str]:
        """Return the contracts that the car has not received in this session, those that it prefers first, as
        far as it has room for them."""
        given = self.store.given(request.pcid, now)
        queue = _in_order([one for one in keys if one not in given], request.wanted)
        return queue[: max(0, max(1, request.most) - len(given))]

    def _deliver(
        self,
        contract: ContractRecord,
        request: InstallationRequest,
        remaining: int,
        who: str,
        now: datetime.datetime,
    ) -> ContractAnswer:
        """Return the bundle that waits for the car, or a new one."""
        payload, source = self._taken(contract, request, remaining, now), "stored"
        if payload is None:
            try:
                made = self.make(contract, request.leaf, now)
            except CertificateError as error:
                return _no(Refusal.UNREACHABLE, contract.emaid, error.rule, str(error))
            self._keep(made, who, now)
            latest = self.store.get(contract.key)
            payload = None if latest is None else self._taken(latest, request, remaining, now)
            source = "made"
        if payload is None:
            text = "the contract was changed at the same time"
            return _no(Refusal.LATE, contract.emaid, "overtaken", text)
        return ContractAnswer(payload=payload, identity=contract.emaid, source=source)

    def _taken(
        self, contract: ContractRecord, request: InstallationRequest, remaining: int, now: datetime.datetime
    ) -> bytes | None:
        with self._contracts.changes():
            waiting = self.store.take(contract, request.leaf.fingerprint, now)
            if waiting is None:
                return None
            payload = with_remaining(waiting, remaining)
            return self.store.deliver(_hash(request.payload), request.pcid, contract.key, payload, now)

    def _keep(self, made: NewIso20Bundle, who: str, now: datetime.datetime) -> bool:
        leaf = made.bundle.leaf
        detail = f"{Generation.ISO20}, serial {leaf.serial:x}, until {leaf.not_after:%Y-%m-%d}"
        with self._contracts.changes():
            won = bool(self.store.store([made], now))
            if won:
                self._journal.note(who, "bundle made", made.contract.emaid, detail, now)
        return won

    # --- the ecosystem -------------------------------------------------------------------------------------

    def _ask_ecosystem(
        self, request: InstallationRequest, who: str, now: datetime.datetime
    ) -> ContractAnswer:
        car = request.pcid.normal
        stored = self._contracts.foreign(request.key, now)
        if stored is not None:
            bundles, source = msgspec.msgpack.decode(stored, type=list[tuple[str, bytes]]), "stored"
        else:
            fetch = functools.partial(self._fetch, request=request, who=who, now=now)
            found = self._questions.ask(fetch, car, now)
            if isinstance(found, Unanswered):
                return _no(found.refusal, car, found.rule, found.text)
            bundles, source = found, "ecosystem"
        by_key = dict(bundles)
        queue = self._queue(list(by_key), request, now)
        if not queue:
            return _no(Refusal.NOT_OFFERED, car, "all_delivered", "no further contract for the car")
        payload = with_remaining(by_key[queue[0]], len(queue) - 1)
        payload = self.store.deliver(_hash(request.payload), request.pcid, queue[0], payload, now)
        return ContractAnswer(payload=payload, identity=car, source=source)

    def _fetch(
        self, ecosystem: Ecosystem, request: InstallationRequest, who: str, now: datetime.datetime
    ) -> list[tuple[str, bytes]]:
        """Ask, verify and store; continues after the caller has stopped waiting. Returns the bundles with the
        keys of their contracts."""
        payloads = ecosystem.signed_contracts(request.payload)[:_MOST]
        good = self._verified(payloads, request, now)
        bundles = [(key_of(one.emaid), one.payload) for one in good]
        with self._contracts.changes():
            stored = msgspec.msgpack.encode(bundles)
            self._contracts.store_foreign(request.key, stored, now + _FOREIGN, request.pcid)
            for one in good:
                leaf = one.contract.leaf
                self.store.received(one.emaid, request.pcid, leaf, renew=self._ecosystem_renews)
            detail = f"{Generation.ISO20}, {len(good)} of {len(payloads)} valid"
            self._journal.note(who, "bundle of the ecosystem", request.pcid.normal, detail, now)
        return bundles

    def _verified(
        self, payloads: Sequence[bytes], request: InstallationRequest, now: datetime.datetime
    ) -> list[VerifiedInstallation]:
        """Return the valid bundles; the others are recorded. Raises CertificateError if none is valid."""
        good: list[VerifiedInstallation] = []
        wrong: list[CertificateError] = []
        for payload in payloads:
            try:
                good.append(verify_installation(payload, self._trust(), now, self._policy, request))
            except CertificateError as error:
                wrong.append(error)
        if wrong and not good:
            raise wrong[0]
        for one in wrong:
            rule, car = one.rule or "bundle", request.pcid.normal
            self._journal.refuse("installation", "ecosystem", car, rule, str(one), now)
        return good


_MAX_REQUEST = 16_384
_MOST = 32
"""Contracts of one car that are verified; the ecosystem may have any number."""
_NONE = "WARNING_NoCertificateAvailable"
_FOREIGN = datetime.timedelta(hours=2)
"""How long answers of the ecosystem are used for the same question, as for further contracts in a session."""


def _hash(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _in_order(keys: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return those that the car prefers first."""
    first = [one.replace("-", "").upper()[:14] for one in wanted]
    return sorted(keys, key=lambda one: first.index(one) if one in first else len(first))


def _no(refusal: Refusal, identity: str, rule: str, text: str) -> ContractAnswer:
    code = "WARNING_NoContractMatchingPCIDFound" if refusal is Refusal.UNKNOWN else _NONE
    return ContractAnswer(refusal=refusal, identity=identity, rule=rule, text=text, response_code=code)
