"""The simulated ecosystem without HTTP: pools, keys and rules.

It has its own PKI with every role and creates real signatures. It follows the public documentation of OPCP as
far as that was available; docs/how-to/cpo.md lists what could not be compared with a real system.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from secc import exi
from secc.errors import CertificateError, SeccError
from secc.messages import iso2
from secc.operator.opcp.faults import EcosystemFault, EcosystemFaults, with_plain_emaid
from secc.operator.opcp.pools import (
    Party,
    PooledContract,
    PooledVehicle,
    PoolError,
    check_manufacturer,
    check_provider,
)
from secc.operator.opcp.responder import OcspBehavior
from secc.operator.opcp.simulated_iso20 import Iso20Pools
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chains import KINDS, verify_chain
from secc.pki.hierarchy import Hierarchy, HierarchyNames, make_hierarchy, make_iso20_hierarchy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.issuing import Holder, Identity, Order, issue, new_key, serial_from
from secc.pki.keys import PrivateKey
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import Action, verify_request
from secc.pki.trust import Role, TrustStore, trust
from secc.site.issuing import ContractIssuer, ProvisioningService

__all__ = ["EcosystemCall", "SimulatedEcosystem"]


@dataclasses.dataclass(frozen=True, slots=True)
class EcosystemCall:
    """One call as it is logged, without bodies."""

    at: datetime.datetime
    client: str
    method: str
    path: str
    status: int


class SimulatedEcosystem:
    """All state of the simulated ecosystem."""

    def __init__(
        self,
        *,
        seed: bytes | None = None,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        parties: Sequence[Party] = (),
        pki: Hierarchy | None = None,
        iso20_pki: Mapping[Kind, Holder] | None = None,
    ) -> None:
        """With a `seed` the keys are always the same: reproducible, and for tests only."""
        self._clock = clock
        self.offset = datetime.timedelta()
        """Offset to the clock, to simulate a later date."""
        day = datetime.timedelta(days=1)
        begin = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) if seed else clock() - 2 * day
        end, other = begin + 3650 * day, os.urandom(32)
        names = HierarchyNames(organization="Simulated ecosystem", suffix="Simulated")
        self.pki = pki or make_hierarchy(
            not_before=begin, not_after=end, seed=seed, random_bytes=other, names=names
        )
        newer = iso20_pki or make_iso20_hierarchy(
            not_before=begin, not_after=end, seed=seed, random_bytes=other, names=names
        )
        self.iso20 = Iso20Pools(newer, lambda: self.now)
        """The pools of ISO 15118-20."""
        self.parties = {one.client_id: one for one in parties}
        self.tokens: dict[str, tuple[Party, datetime.datetime]] = {}
        self.faults = EcosystemFaults()
        self.ocsp_behavior = OcspBehavior.GOOD
        self.vehicles: dict[str, PooledVehicle] = {}
        self.contracts: dict[str, PooledContract] = {}
        self.calls: deque[EcosystemCall] = deque(maxlen=1000)
        self.events: list[tuple[str, dict[str, str]]] = []
        """Webhook events, in order."""
        self.token_life = datetime.timedelta(hours=24)
        self._issuer = ContractIssuer(self.pki[Kind.MO_SUB_CA_2], (self._leaf(Kind.MO_SUB_CA_1),))

    @property
    def now(self) -> datetime.datetime:
        """Time in the simulated ecosystem, UTC."""
        return self._clock() + self.offset

    @property
    def trust(self) -> TrustStore:
        """The roots of the pool."""
        return trust([(kind, self._leaf(kind)) for kind in (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)])

    # --- tokens --------------------------------------------------------------------------------------------

    def new_token(self, client_id: str, secret: str) -> tuple[str, float]:
        """Return a token and its lifetime in seconds; raises PoolError."""
        party = self.parties.get(client_id)
        if party is None or not secrets.compare_digest(party.secret, secret):
            raise PoolError(401, "unknown client or wrong secret")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (party, self.now + self.token_life)
        return token, self.token_life.total_seconds()

    def party_of(self, token: str) -> Party | None:
        """Return the holder of a token that is still valid."""
        found = self.tokens.get(token)
        return found[0] if found is not None and found[1] > self.now else None

    # --- provisioning certificates -------------------------------------------------------------------------

    def add_vehicle(self, party: Party, chain: Sequence[Certificate]) -> PCID:
        """Add a car after checking chain, validity and manufacturer. Raises PoolError."""
        try:
            verified = verify_chain(list(chain), Role.OEM, self.trust, self.now)
        except CertificateError as error:
            raise PoolError(400, f"the chain is not valid: {error}") from error
        pcid = verified.pcid
        check_manufacturer(party, pcid)
        known = self.vehicles.get(pcid.normal)
        default = known.default if known is not None else None
        self.vehicles[pcid.normal] = PooledVehicle(verified.certificates, default)
        self.events.append(("oem.prov.cert.added", {"pcid": pcid.normal}))
        return pcid

    def vehicle(self, pcid: str) -> PooledVehicle:
        """Return a car of the pool; raises PoolError."""
        found = self.vehicles.get(pcid.upper())
        if found is None or found.revoked:
            raise PoolError(404, "no such car")
        return found

    def delete_vehicle(self, party: Party, pcid: str) -> None:
        """Remove a car and its contracts. Raises PoolError."""
        self.vehicle(pcid)
        check_manufacturer(party, PCID.parse(pcid))
        del self.vehicles[pcid.upper()]
        self.contracts = {key: one for key, one in self.contracts.items() if one.pcid != pcid.upper()}
        self.events.append(("mo.prov.cert.deleted", {"pcid": pcid.upper()}))

    # --- contracts -----------------------------------------------------------------------------------------

    def generate(self, party: Party, emaid: EMAID, pcid: PCID, ends: datetime.datetime) -> PooledContract:
        """Issue a contract, encrypt it for the car, sign it and add it to the pool; a repetition is a
        renewal.

        Raises PoolError for an eMAID of another operator, an unknown car, or an eMAID that another car uses.
        """
        check_provider(party, emaid)
        car, key = self.vehicle(pcid.normal), emaid.normal[:14]
        known = self.contracts.get(key)
        if known is not None and known.pcid != pcid.normal:
            raise PoolError(409, "EMAID already used by another PCID")
        made = self._make(emaid, car.chain[0], min(ends, self.now + datetime.timedelta(days=730)))
        self.contracts[key] = made
        if car.default is None:
            car.default = key
        event = "oem.contract.added" if known is None else "oem.contract.updated"
        self.events.append((event, {"pcid": pcid.normal, "emaid": emaid.normal}))
        return made

    def delete_contract(self, party: Party, emaid: EMAID) -> None:
        """Remove a contract; a car loses its default if that is the contract. Raises PoolError."""
        check_provider(party, emaid)
        found = self.contracts.pop(emaid.normal[:14], None)
        if found is None:
            raise PoolError(404, "no such contract")
        car = self.vehicles.get(found.pcid)
        if car is not None and car.default == emaid.normal[:14]:
            car.default = None
        self.events.append(("oem.contract.deleted", {"pcid": found.pcid, "emaid": emaid.normal}))

    def make_default(self, party: Party, pcid: str, emaid: EMAID) -> None:
        """Make this contract the one that the car receives. Raises PoolError."""
        check_provider(party, emaid)
        found = self.contracts.get(emaid.normal[:14])
        if found is None or found.pcid != pcid.upper():
            raise PoolError(404, "no such contract for this car")
        self.vehicle(pcid).default = emaid.normal[:14]

    def signed_contract_data(
        self, request: bytes, fault: EcosystemFault = EcosystemFault.NONE
    ) -> PooledContract:
        """Return the bundle for a request of a car; raises PoolError."""
        leaf = self._asked_by(request)
        car = self.vehicle(leaf.subject.common_name)
        if leaf != car.chain[0]:
            raise PoolError(404, "not the certificate that is in the pool")
        found = self.contracts.get(car.default or "")
        if found is None:
            raise PoolError(404, "no contract for this car")
        return self._faulty(found, leaf, fault)

    def _asked_by(self, request: bytes) -> Certificate:
        try:
            message = exi.ISO2.decode(request)
            body = message.body if isinstance(message, iso2.V2GMessage) else None
            if not isinstance(body, iso2.CertificateInstallationReq):
                raise PoolError(400, "no CertificateInstallationReq")
            assert isinstance(message, iso2.V2GMessage)
            verify_request(body, message.header.signature, request, self.trust, self.now)
            return read_certificate(body.oem_provisioning_cert)
        except PoolError:
            raise
        except SeccError as error:
            raise PoolError(400, f"the request is not valid: {error}") from error

    def _faulty(self, found: PooledContract, leaf: Certificate, fault: EcosystemFault) -> PooledContract:
        if fault is EcosystemFault.OTHER_CAR:
            # Made for another key: the car cannot decrypt it, and the eMAID is not the announced one.
            return self._make(EMAID.parse("DEXXX999999999"), self._leaf(Kind.CONTRACT_LEAF), self._year())
        if fault is EcosystemFault.EXPIRED_CPS:
            return self._make(found.emaid, leaf, self._year(), self._expired_cps())
        if fault is EcosystemFault.PLAIN_EMAID:
            payload = with_plain_emaid(found.payload, self.pki[Kind.CPS_LEAF].key)
            return dataclasses.replace(found, payload=payload)
        return found

    # --- keys ----------------------------------------------------------------------------------------------

    def make_car(self, pcid: str) -> Identity:
        """Return a provisioning certificate of the simulated manufacturer, with its key, for a simulated
        car."""
        key = new_key()
        order = Order(
            kind=Kind.OEM_LEAF,
            common_name=pcid,
            organization="Simulated ecosystem",
            country="",
            serial=serial_from(os.urandom(16)),
            not_before=(self.now - datetime.timedelta(days=1)).replace(microsecond=0),
        )
        return Identity(issue(order, key.public_key(), self.pki[Kind.OEM_SUB_CA_2]), key)

    def car_chain(self, car: Holder) -> tuple[Certificate, ...]:
        """Return the certificate with the Sub-CAs of its manufacturer."""
        return (car.certificate, *(self._leaf(kind) for kind in KINDS[Role.OEM][1:]))

    def new_car(
        self, pcid: PCID, generation: Generation, *, pool: bool
    ) -> tuple[tuple[Certificate, ...], PrivateKey]:
        """Return the provisioning certificate of a new simulated car with the Sub-CAs above it, and its key;
        with `pool` the manufacturer has put it into the pool."""
        pools = self.iso20 if generation is Generation.ISO20 else self
        car = pools.make_car(pcid.text)
        maker = frozenset({pcid.manufacturer})
        if pool:
            oem = Party(client_id="", secret="", roles=frozenset({"oem"}), manufacturers=maker)
            pools.add_vehicle(oem, pools.car_chain(car))
        return pools.car_chain(car), car.key

    def _make(
        self,
        emaid: EMAID,
        receiver: Certificate,
        ends: datetime.datetime,
        service: ProvisioningService | None = None,
    ) -> PooledContract:
        issued = self._issuer.issue(emaid.normal, self.now, not_after=ends.replace(microsecond=0))
        service = service or self._service(self.pki[Kind.CPS_LEAF])
        made = service.bundle(Action.INSTALL, issued, receiver.public_key)
        return PooledContract(emaid, receiver.subject.common_name.upper(), made.payload, issued.leaf)

    def _service(self, signer: Identity) -> ProvisioningService:
        return ProvisioningService(signer, [self._leaf(kind) for kind in KINDS[Role.CPS][1:]])

    def _expired_cps(self) -> ProvisioningService:
        key, day = new_key(), datetime.timedelta(days=1)
        order = Order(
            kind=Kind.CPS_LEAF,
            common_name="Expired CPS",
            organization="Simulated ecosystem",
            country="DE",
            serial=serial_from(os.urandom(16)),
            not_before=(self.now - 2 * day).replace(microsecond=0),
            not_after=(self.now - day).replace(microsecond=0),
            ocsp_url="http://ocsp.test.invalid:8080/",
        )
        certificate = issue(order, key.public_key(), self.pki[Kind.CPS_SUB_CA_2])
        return self._service(Identity(certificate, key))

    def _year(self) -> datetime.datetime:
        return self.now + datetime.timedelta(days=365)

    def _leaf(self, kind: Kind) -> Certificate:
        return self.pki[kind].certificate
