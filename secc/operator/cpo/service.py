"""The complete service, built from its settings."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence

from secc.errors import ConfigError, IdentifierError
from secc.operator.cpo import keys
from secc.operator.cpo.anchors import Anchors
from secc.operator.cpo.asking import EcosystemQuestions
from secc.operator.cpo.contracts import ContractRecord, Contracts
from secc.operator.cpo.database import Database
from secc.operator.cpo.delivery import ContractService, Roles
from secc.operator.cpo.installation import InstallationAnswers, Iso20Roles
from secc.operator.cpo.iso20_contracts import Iso20Contracts
from secc.operator.cpo.jobs import Jobs
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.cpo.keys import KeyPlace
from secc.operator.cpo.leaves import LeafIssuer, StationCertificateNames
from secc.operator.cpo.metrics import CpoMetrics
from secc.operator.cpo.register import CertificateRegister, Issued, contract_key, contract_owner
from secc.operator.cpo.revocation import Revocations
from secc.operator.cpo.seals import Sealer
from secc.operator.cpo.settings import CpoSettings, Roots
from secc.operator.cpo.throttle import Throttle
from secc.operator.opcp.port import Ecosystem
from secc.pki.authority import IssuingPolicy
from secc.pki.certificates import Certificate, read_chain
from secc.pki.chains import KINDS
from secc.pki.identifiers import EMAID
from secc.pki.issuing import Holder, Identity
from secc.pki.profiles import FIELD, Generation, Kind, require
from secc.pki.trust import Role
from secc.site.issuing import ContractIssuer, InstallationService, ProvisioningService

__all__ = ["OperatorService", "utc_now"]


def utc_now() -> datetime.datetime:
    """The wall clock."""
    return datetime.datetime.now(datetime.UTC)


class OperatorService:
    """The service as one worker sees it.

    All lasting state is in the database, so there may be many workers.
    """

    def __init__(
        self,
        settings: CpoSettings,
        *,
        ecosystem: Ecosystem | None = None,
        clock: Callable[[], datetime.datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read keys and roots. Raises ConfigError or CertificateError, and StorageError for the database."""
        self.settings = settings
        self.clock = clock
        self.ecosystem = ecosystem
        self.metrics = CpoMetrics()
        self.database = Database(settings.database)
        self.database.make_tables()
        self.contracts = Contracts(self.database, settings.renewal)
        self.register = CertificateRegister(self.database)
        self.journal = OperatorJournal(
            self.database, Sealer.from_file(settings.audit_key), most_power=settings.most_power
        )
        self.throttle = Throttle(monotonic, limit=settings.wrong_per_minute)
        self.anchors = Anchors(self.database, monotonic)
        self.anchors.add(_roots(settings.roots), "settings", clock())
        self.leaves = self._leaf_issuer(settings.cpo)
        self.iso20_leaves = self._leaf_issuer(settings.iso20_cpo, Generation.ISO20)
        roles = self._roles(settings)
        self._signers = [roles.issuer.authority.certificate] if roles.issuer is not None else []
        self._signers += [roles.service.signer.certificate] if roles.service is not None else []
        renews = ecosystem is not None and settings.opcp is not None and settings.opcp.renews
        self._questions = EcosystemQuestions(ecosystem, self.journal, answer_within=settings.answer_within)
        self.delivery = ContractService(
            self.contracts,
            self.register,
            self.journal,
            roles,
            self.anchors.trust,
            questions=self._questions,
            clock=clock,
            ecosystem_renews=renews,
        )
        newer = self._iso20_roles(settings)
        self._signers += [newer.issuer.authority.certificate] if newer.issuer is not None else []
        self._signers += [newer.service.signer.certificate] if newer.service is not None else []
        self.installation = InstallationAnswers(
            Iso20Contracts(self.database, settings.renewal),
            self.contracts,
            self.journal,
            newer,
            self.anchors.trust,
            questions=self._questions,
            clock=clock,
            ecosystem_renews=renews,
        )
        self.jobs = Jobs(
            self.contracts,
            self.delivery,
            self.installation,
            self.journal,
            self.anchors,
            ecosystem=ecosystem,
            clock=clock,
            publish=renews,
            on_renewed=self.metrics.renewed,
        )
        self.hierarchy = _hierarchy(settings)
        """Certificates of the roles and the ones above them, without the roots."""
        issuers = self._authorities_with_keys(roles, newer)
        self.revocations = Revocations(issuers, self.register, self.contracts, self.installation.store, clock)

    def close(self) -> None:
        """Close database and connections."""
        self._questions.close()
        self.database.close()

    def renew(self, contract: ContractRecord) -> None:
        """Make a contract due now: the next job or the next request of its car makes new certificates, of
        each generation that it has."""
        now = self.clock()
        with self.database.write():
            self.contracts.renew(contract.key, now)
            self.installation.store.postpone([contract.key], now)

    def renew_everything(self) -> int:
        """Make every contract due now, see `Contracts.renew_everything`; returns the number of
        certificates."""
        now = self.clock()
        return self.contracts.renew_everything(now) + self.installation.store.renew_everything(now)

    def prepare(self, contract: ContractRecord, *, who: str) -> None:
        """Make the bundles for the cars of a contract, of each generation that it has a car of.

        Raises CertificateError when one cannot be made.
        """
        newer = self.installation.store.get(contract.key)
        if contract.pcid is not None or newer is None:
            self.delivery.prepare(contract, who=who)
        if newer is not None:
            self.installation.prepare(newer, who=who)

    def certificates_of(self, contract: ContractRecord) -> tuple[Issued, ...]:
        """Return the certificates of a contract, of both generations, newest first in each."""
        owners = (contract_owner(contract.key, one) for one in (Generation.ISO2, Generation.ISO20))
        return tuple(found for owner in owners for found in self.register.of_owner(owner))

    def name_of_owner(self, one: Issued) -> str:
        """Return the name that the audit log has for the owner of a certificate: the eMAID of a contract, or
        the station."""
        if one.kind is not Kind.CONTRACT_LEAF:
            return one.owner
        contract = self.contracts.get(EMAID.parse(contract_key(one.owner)))
        return one.owner if contract is None else contract.emaid

    def _authorities_with_keys(self, roles: Roles, newer: Iso20Roles) -> list[Holder]:
        """Return all authorities whose keys are here, and register the Sub-CAs that they have issued."""
        issuers: list[Holder] = []
        issuing = (roles.issuer, self.leaves, newer.issuer, self.iso20_leaves)
        issuers += [one.authority for one in issuing if one is not None]
        issuers += [keys.load(place)[0] for place in self.settings.authorities]
        for issuer in issuers:
            for kind, one in self.hierarchy:
                if one != issuer.certificate and issuer.certificate.has_signed(one):
                    self.register.add(one, kind, issuer.certificate, f"role {kind.value}", one.key)
        return issuers

    def _roles(self, settings: CpoSettings) -> Roles:
        if settings.mo is None or settings.cps is None:
            return Roles()
        authority, above = _identity(settings.mo, Kind.MO_SUB_CA_2)
        signer, subs = _identity(settings.cps, Kind.CPS_LEAF)
        return Roles(_issuer(settings, authority, above), ProvisioningService(signer, subs))

    def _iso20_roles(self, settings: CpoSettings) -> Iso20Roles:
        if settings.iso20_mo is None or settings.iso20_cps is None:
            return Iso20Roles()
        authority, above = _holder(settings.iso20_mo, Kind.MO_SUB_CA_2)
        signer, subs = _holder(settings.iso20_cps, Kind.CPS_LEAF)
        return Iso20Roles(_issuer(settings, authority, above), InstallationService(signer, subs))

    def leaves_for(self, generation: Generation) -> LeafIssuer | None:
        """Return the authority for stations of a generation."""
        return self.iso20_leaves if generation is Generation.ISO20 else self.leaves

    def _leaf_issuer(
        self, place: KeyPlace | None, generation: Generation = Generation.ISO2
    ) -> LeafIssuer | None:
        if place is None:
            return None
        authority: Holder
        read = _holder if generation is Generation.ISO20 else _identity
        authority, above = read(place, Kind.CPO_SUB_CA_2)
        validity = datetime.timedelta(days=self.settings.station_days)
        policy = IssuingPolicy(ocsp_url=self.settings.ocsp_url, validity=validity)
        names = StationCertificateNames(self.settings.certificate_names, self.settings.stations)
        return LeafIssuer(
            authority,
            above,
            self.register,
            policy=policy,
            names=names,
            taken=self._authorities,
            is_contract=self._is_contract,
            clock=self.clock,
        )

    def _is_contract(self, name: str) -> bool:
        try:
            return self.contracts.get(EMAID.parse(name)) is not None
        except IdentifierError:
            return False

    def _authorities(self) -> list[Certificate]:
        """Return the certificates whose keys no station may have."""
        return [*self._signers, *(root for _, root, _ in self.anchors.everything())]


def _hierarchy(settings: CpoSettings) -> tuple[tuple[Kind, Certificate], ...]:
    found: dict[str, tuple[Kind, Certificate]] = {}
    for place, kinds in (
        (settings.mo, KINDS[Role.CONTRACT][1:]),
        (settings.cps, KINDS[Role.CPS]),
        (settings.cpo, KINDS[Role.SECC][1:]),
    ):
        if place is not None:
            chain = read_chain(place.chain.read_bytes())
            found |= {one.fingerprint: (kind, one) for kind, one in zip(kinds, chain, strict=False)}
    return tuple(found.values())


def _issuer(settings: CpoSettings, authority: Holder, above: Sequence[Certificate]) -> ContractIssuer:
    return ContractIssuer(
        authority,
        above,
        ocsp_url=settings.ocsp_url or "".join(authority.certificate.ocsp_urls[:1]),
        validity=datetime.timedelta(days=settings.contract_days),
    )


def _identity(place: KeyPlace, kind: Kind) -> tuple[Identity, tuple[Certificate, ...]]:
    identity, above = keys.load(place)
    require(identity.certificate, kind, FIELD)
    return identity, above


def _holder(place: KeyPlace, kind: Kind) -> tuple[Holder, tuple[Certificate, ...]]:
    holder, above = keys.load_iso20(place)
    require(holder.certificate, kind, FIELD, Generation.ISO20)
    return holder, above


def _roots(roots: Roots) -> list[tuple[Kind, Certificate]]:
    found: list[tuple[Kind, Certificate]] = []
    for kind, paths in ((Kind.V2G_ROOT, roots.v2g), (Kind.MO_ROOT, roots.mo), (Kind.OEM_ROOT, roots.oem)):
        for path in paths:
            try:
                found += [(kind, one) for one in read_chain(path.read_bytes())]
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}") from error
    return found
