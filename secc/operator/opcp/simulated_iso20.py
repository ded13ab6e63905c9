"""The pools of the simulated ecosystem for ISO 15118-20: the same rules, another PKI, several contracts.

A car receives every contract that is in the pool for it, the oldest first, each in a separate message.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from secc import exi
from secc.errors import CertificateError, SeccError
from secc.messages.iso20_common import CertificateInstallationReq
from secc.operator.opcp.faults import EcosystemFault
from secc.operator.opcp.pools import (
    Party,
    PooledContract,
    PooledVehicle,
    PoolError,
    check_manufacturer,
    check_provider,
)
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS, ChainPolicy, verify_chain
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.installation import iso20_policy, verify_installation_request
from secc.pki.issuing import Holder, Order, issue, serial_from
from secc.pki.keys import new_private_key
from secc.pki.kinds import Generation
from secc.pki.profiles import Kind
from secc.pki.trust import Role, TrustStore, trust
from secc.site.issuing import ContractIssuer, InstallationService

__all__ = ["Iso20Pools"]


class Iso20Pools:
    """Cars and contracts of ISO 15118-20, and the roles that make them."""

    def __init__(self, pki: Mapping[Kind, Holder], clock: Callable[[], datetime.datetime]) -> None:
        self.pki = pki
        self._clock = clock
        self.vehicles: dict[str, PooledVehicle] = {}
        self.contracts: dict[str, PooledContract] = {}
        self._issuer = ContractIssuer(pki[Kind.MO_SUB_CA_2], (self._leaf(Kind.MO_SUB_CA_1),))

    @property
    def trust(self) -> TrustStore:
        """The roots of the pool."""
        return trust([(kind, self._leaf(kind)) for kind in (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)])

    def add_vehicle(self, party: Party, chain: Sequence[Certificate]) -> PCID:
        """Add a car after checking chain, validity and manufacturer. Raises PoolError."""
        try:
            policy = ChainPolicy(generation=Generation.ISO20)
            verified = verify_chain(list(chain), Role.OEM, self.trust, self._clock(), policy)
        except CertificateError as error:
            raise PoolError(400, f"the chain is not valid: {error}") from error
        check_manufacturer(party, verified.pcid)
        self.vehicles[verified.pcid.normal] = PooledVehicle(verified.certificates)
        return verified.pcid

    def generate(self, party: Party, emaid: EMAID, pcid: PCID, ends: datetime.datetime) -> PooledContract:
        """Issue a contract, encrypt it for the car, sign it and add it to the pool; a repetition is a
        renewal.

        Raises PoolError for an eMAID of another operator, an unknown car, or an eMAID that another car uses.
        """
        check_provider(party, emaid)
        key, car = emaid.normal[:14], self.vehicles.get(pcid.normal)
        if car is None or car.revoked:
            raise PoolError(404, "no such car")
        known = self.contracts.get(key)
        if known is not None and known.pcid != pcid.normal:
            raise PoolError(409, "EMAID already used by another PCID")
        made = self._make(emaid, car.chain[0], min(ends, self._clock() + datetime.timedelta(days=730)))
        self.contracts[key] = made
        return made

    def signed_contracts(
        self, request: bytes, fault: EcosystemFault = EcosystemFault.NONE
    ) -> tuple[PooledContract, ...]:
        """Return the bundles for a request of a car, the oldest first; raises PoolError."""
        leaf = self._asked_by(request)
        pcid = leaf.subject.common_name.upper()
        car = self.vehicles.get(pcid)
        if car is None or car.revoked or car.chain[0] != leaf:
            raise PoolError(404, "not a certificate that is in the pool")
        found = tuple(one for one in self.contracts.values() if one.pcid == pcid)
        if not found:
            raise PoolError(404, "no contract for this car")
        return tuple(self._faulty(one, leaf, fault) for one in found)

    def make_car(self, pcid: str) -> Holder:
        """Return a provisioning certificate of the simulated manufacturer, with its key, for a simulated
        car."""
        authority = self.pki[Kind.OEM_SUB_CA_2]
        key_type = authority.certificate.key_type
        assert key_type is not None
        key = new_private_key(key_type)
        return Holder(issue(self._order(Kind.OEM_LEAF, pcid), key.public_key(), authority), key)

    def car_chain(self, car: Holder) -> tuple[Certificate, ...]:
        """Return the certificate with the Sub-CAs of its manufacturer."""
        return (car.certificate, *(self._leaf(kind) for kind in KINDS[Role.OEM][1:]))

    # --- parts ---------------------------------------------------------------------------------------------

    def _asked_by(self, request: bytes) -> Certificate:
        try:
            message: Any = exi.codec("iso20-common").decode(request)
            if not isinstance(message, CertificateInstallationReq):
                raise PoolError(400, "no CertificateInstallationReq")
            policy = iso20_policy(ContractPolicy())
            return verify_installation_request(message, request, self.trust, self._clock(), policy).leaf
        except PoolError:
            raise
        except SeccError as error:
            raise PoolError(400, f"the request is not valid: {error}") from error

    def _faulty(self, found: PooledContract, leaf: Certificate, fault: EcosystemFault) -> PooledContract:
        year = self._clock() + datetime.timedelta(days=365)
        if fault is EcosystemFault.OTHER_CAR:
            return self._make(
                EMAID.parse("DEXXX999999999"), self.make_car("ZZZOTHERCAR000001").certificate, year
            )
        if fault is EcosystemFault.EXPIRED_CPS:
            return self._make(found.emaid, leaf, year, self._expired_cps())
        return found

    def _make(
        self, emaid: EMAID, receiver: Certificate, ends: datetime.datetime, signer: Holder | None = None
    ) -> PooledContract:
        issued = self._issuer.issue(emaid.normal, self._clock(), not_after=ends.replace(microsecond=0))
        above = [self._leaf(kind) for kind in KINDS[Role.CPS][1:]]
        service = InstallationService(signer or self.pki[Kind.CPS_LEAF], above)
        made = service.bundle(issued, receiver)
        return PooledContract(emaid, receiver.subject.common_name.upper(), made.payload, issued.leaf)

    def _expired_cps(self) -> Holder:
        authority, day = self.pki[Kind.CPS_SUB_CA_2], datetime.timedelta(days=1)
        key_type = authority.certificate.key_type
        assert key_type is not None
        key = new_private_key(key_type)
        order = self._order(Kind.CPS_LEAF, "Expired CPS", country="DE", not_after=self._clock() - day)
        return Holder(issue(order, key.public_key(), authority), key)

    def _order(
        self, kind: Kind, name: str, *, country: str = "", not_after: datetime.datetime | None = None
    ) -> Order:
        begin = self._clock() - datetime.timedelta(days=2)
        return Order(
            kind=kind,
            generation=Generation.ISO20,
            common_name=name,
            organization="Simulated ecosystem",
            country=country,
            serial=serial_from(os.urandom(16)),
            not_before=begin.replace(microsecond=0),
            not_after=None if not_after is None else not_after.replace(microsecond=0),
            ocsp_url="http://ocsp.test.invalid:8080/",
        )

    def _leaf(self, kind: Kind) -> Certificate:
        return self.pki[kind].certificate
