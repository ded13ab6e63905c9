"""Answers to CertificateInstallationReq of ISO 15118-20: one contract for each request, EXI in and out.

A contract exists once. Its certificates of ISO 15118-20 are made when its car asks, since the answer names
the number of contracts that follow, and only the request determines that. A car may receive several.

A request that comes again, octet by octet, gets the same answer. A further request of the same car within
`_SESSION` gets the next contract: neither the message nor OCPP says which ones the car has received.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update

from secc import exi
from secc.errors import CertificateError, DecodeError
from secc.messages.iso20_common import CertificateInstallationReq
from secc.operator.cpo.contracts import ContractRecord, contract_of_row, key_of
from secc.operator.cpo.database import (
    Database,
    certificate,
    contract,
    iso20_car,
    iso20_contract,
    iso20_delivery,
)
from secc.operator.cpo.delivery import ContractAnswer
from secc.operator.cpo.journal import OperatorJournal
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.installation import InstallationRequest, iso20_policy, verify_installation_request
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import Refusal
from secc.pki.trust import TrustStore
from secc.site.issuing import ContractIssuer, InstallationService, IssuedContract
from secc.site.store import Status


@dataclasses.dataclass(frozen=True, slots=True)
class Iso20Roles:
    """The keys of this service for ISO 15118-20; without both it delivers no contracts there."""

    issuer: ContractIssuer | None = None
    """The mobility operator."""
    service: InstallationService | None = None
    """The certificate provisioning service."""


class InstallationAnswers:
    """Answers requests; thread-safe, and all state is in the database."""

    def __init__(
        self,
        database: Database,
        journal: OperatorJournal,
        roles: Iso20Roles,
        trust: Callable[[], TrustStore],
        *,
        clock: Callable[[], datetime.datetime],
        policy: ContractPolicy | None = None,
    ) -> None:
        """`trust` returns the roots of vehicles."""
        self._db = database
        self._journal = journal
        self._roles = roles
        self._trust = trust
        self._clock = clock
        self._policy = iso20_policy(policy or ContractPolicy())

    # --- cars ----------------------------------------------------------------------------------------------

    def put_car(self, leaf: Certificate, emaid: str) -> ContractRecord:
        """Deliver a contract to a car, whose chain has been verified, beside the contracts it has already.

        A contract has one car. Raises IdentifierError, and CertificateError for an unknown contract.
        """
        pcid, key = PCID.parse(leaf.subject.common_name).normal, key_of(EMAID.parse(emaid))
        with self._db.write() as connection:
            row = connection.execute(select(contract).where(contract.c.key == key)).first()
            if row is None:
                raise CertificateError(f"there is no contract {emaid}", rule="no_contract")
            connection.execute(delete(iso20_contract).where(iso20_contract.c.key == key))
            last = select(func.max(iso20_contract.c.rank)).where(iso20_contract.c.pcid == pcid)
            rank = (connection.execute(last).scalar() or 0) + 1
            connection.execute(insert(iso20_contract).values(key=key, pcid=pcid, rank=rank))
            values = {"fingerprint": leaf.fingerprint, "der": leaf.der}
            changed = connection.execute(update(iso20_car).where(iso20_car.c.pcid == pcid).values(values))
            if not changed.rowcount:
                connection.execute(insert(iso20_car).values(pcid=pcid, **values))
            return contract_of_row(row)

    def contracts_of(self, pcid: PCID) -> tuple[ContractRecord, ...]:
        """Return the contracts of a car, in the order in which they were assigned."""
        query = (
            select(contract)
            .join(iso20_contract, iso20_contract.c.key == contract.c.key)
            .where(iso20_contract.c.pcid == pcid.normal)
            .order_by(iso20_contract.c.rank)
        )
        with self._db.read() as connection:
            return tuple(contract_of_row(row) for row in connection.execute(query))

    # --- answers -------------------------------------------------------------------------------------------

    def answer(self, payload: bytes, *, who: str = "") -> ContractAnswer:
        """Verify a request and answer it; `who` is the caller for the audit log. Raises only StorageError."""
        now = self._clock()
        try:
            request = self._read(payload, now)
        except CertificateError as error:
            rule = error.rule or "certificate"
            return ContractAnswer(refusal=Refusal.FAULTY, rule=rule, text=str(error), response_code=_NONE)
        stored = self._stored(payload, now)
        if stored is not None:
            return ContractAnswer(payload=stored, identity=str(request.pcid), source="stored")
        return self._deliver(request, who, now)

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

    def _stored(self, payload: bytes, now: datetime.datetime) -> bytes | None:
        """Return the answer to this request, if it was given within a session."""
        query = select(iso20_delivery.c.payload).where(
            iso20_delivery.c.request == _hash(payload), iso20_delivery.c.at > now - _SESSION
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else bytes(row.payload)

    def _deliver(self, request: InstallationRequest, who: str, now: datetime.datetime) -> ContractAnswer:
        pcid = request.pcid
        if (refused := self._unknown(request)) is not None:
            return refused
        found = self.contracts_of(pcid)
        usable = [one for one in found if one.status is Status.ACTIVE]
        if not usable:
            refusal = Refusal.CANCELED if found else Refusal.UNKNOWN
            return _no(refusal, pcid.normal, "no_contract", "the car has no active contract")
        given = self._given(pcid, now)
        queue = _in_order([one for one in usable if one.key not in given], request.wanted)
        queue = queue[: max(1, request.most) - len(given)]
        if not queue:
            return _no(Refusal.NOT_OFFERED, pcid.normal, "all_delivered", "no further contract for the car")
        try:
            issued, payload = self._make(queue[0], request, len(queue) - 1, now)
        except CertificateError as error:
            return _no(Refusal.UNREACHABLE, queue[0].emaid, error.rule, str(error))
        self._store(queue[0], request, issued, payload, who, now)
        return ContractAnswer(payload=payload, identity=queue[0].emaid, source="made")

    def _unknown(self, request: InstallationRequest) -> ContractAnswer | None:
        """The refusal of a car that is not known, or known with another certificate."""
        with self._db.read() as connection:
            known = connection.execute(
                select(iso20_car.c.der).where(iso20_car.c.pcid == request.pcid.normal)
            ).first()
        if known is None:
            return _no(Refusal.UNKNOWN, request.pcid.normal, "unknown_car", "unknown car")
        if read_certificate(known.der) != request.leaf:
            text = "the car is known with another provisioning certificate"
            return _no(Refusal.UNKNOWN, request.pcid.normal, "other_certificate", text)
        return None

    def _given(self, pcid: PCID, now: datetime.datetime) -> frozenset[str]:
        """Return the keys of the contracts that the car has received in this session."""
        query = select(iso20_delivery.c.key).where(
            iso20_delivery.c.pcid == pcid.normal, iso20_delivery.c.at > now - _SESSION
        )
        with self._db.read() as connection:
            return frozenset(row.key for row in connection.execute(query))

    def _make(
        self, of: ContractRecord, request: InstallationRequest, remaining: int, now: datetime.datetime
    ) -> tuple[IssuedContract, bytes]:
        issuer, service = self._roles.issuer, self._roles.service
        if issuer is None or service is None:
            raise CertificateError("this service has no issuer of ISO 15118-20", rule="no_issuer")
        if service.signer.certificate.not_after <= now:
            raise CertificateError("the certificate of the CPS has expired", rule="cps_expired")
        issued = issuer.issue(of.emaid, now)
        return issued, service.bundle(issued, request.leaf, remaining=remaining).payload

    def _store(
        self,
        of: ContractRecord,
        request: InstallationRequest,
        issued: IssuedContract,
        payload: bytes,
        who: str,
        now: datetime.datetime,
    ) -> None:
        leaf, owner = issued.leaf, owner_of(of)
        row = {
            "issuer": issued.chain[1].fingerprint,
            "serial": f"{leaf.serial:x}",
            "kind": Kind.CONTRACT_LEAF.value,
            "subject": leaf.subject.common_name,
            "owner": owner,
            "public_key": None,
            "der": leaf.der,
            "not_before": leaf.not_before,
            "not_after": leaf.not_after,
            "replaced": False,
        }
        given = {
            "request": _hash(request.payload),
            "pcid": request.pcid.normal,
            "key": of.key,
            "payload": payload,
            "at": now,
        }
        with self._db.write() as connection:
            older = and_(certificate.c.owner == owner, certificate.c.replaced.is_(False))
            connection.execute(update(certificate).where(older).values(replaced=True))
            connection.execute(insert(certificate).values(row))
            connection.execute(delete(iso20_delivery).where(iso20_delivery.c.at <= now - _SESSION))
            connection.execute(insert(iso20_delivery).values(given))
            detail = f"{Generation.ISO20}, serial {leaf.serial:x}, until {leaf.not_after:%Y-%m-%d}"
            self._journal.note(who, "bundle made", of.emaid, detail, now)


def owner_of(of: ContractRecord) -> str:
    """Return the owner of certificates of ISO 15118-20 in the register: those of ISO 15118-2 belong to the
    key of the contract alone, and are replaced independently."""
    return f"{of.key} {Generation.ISO20}"


_MAX_REQUEST = 16_384
_SESSION = datetime.timedelta(minutes=10)
_NONE = "WARNING_NoCertificateAvailable"


def _hash(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _in_order(contracts: Sequence[ContractRecord], wanted: Sequence[str]) -> list[ContractRecord]:
    """Return those that the car prefers first."""
    keys = [one.replace("-", "").upper()[:14] for one in wanted]
    return sorted(contracts, key=lambda one: keys.index(one.key) if one.key in keys else len(keys))


def _no(refusal: Refusal, identity: str, rule: str, text: str) -> ContractAnswer:
    code = "WARNING_NoContractMatchingPCIDFound" if refusal is Refusal.UNKNOWN else _NONE
    return ContractAnswer(refusal=refusal, identity=identity, rule=rule, text=text, response_code=code)
