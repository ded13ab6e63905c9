"""Certificates and keys of a simulated EV for contracts in ISO 15118-20, and misbehaviour for tests."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable, Sequence

import msgspec

from secc import exi
from secc.errors import CertificateError
from secc.messages import iso20_common as common
from secc.messages.xmldsig import Signature, X509IssuerSerial
from secc.pki.certificates import Certificate
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.installation import iso20_policy, signed_request, verify_installation, wrapped_key
from secc.pki.iso20_delivery import AssociatedData, unwrap_key
from secc.pki.issuing import Holder
from secc.pki.keys import KeyType, PrivateKey, new_private_key
from secc.pki.kinds import Generation
from secc.pki.profiles import Kind
from secc.pki.trust import TrustStore
from secc.pki.xmldsig import sign

__all__ = ["InstallationMisbehaviour", "InstalledContract", "Iso20Wallet"]


class InstallationMisbehaviour(enum.StrEnum):
    """What to do wrong when a contract is installed."""

    UNSIGNED = "install-unsigned"
    """No signature."""
    WRONG_KEY = "install-wrong-key"
    """Signed by another key."""
    CHANGED_CHAIN = "install-changed-chain"
    """Another Sub-CA after signing."""
    NO_SUB_CAS = "install-no-sub-cas"
    """Only the leaf of the chain."""
    OTHER_REQUEST = "install-other-request"
    """Another request while the answer is Ongoing."""
    AUTHORIZES_EARLY = "install-authorizes-early"
    """AuthorizationReq while the answer is Ongoing."""
    AGAIN = "install-again"
    """A further request after the last contract."""
    FLOOD = "install-flood"
    """A further request after each answer, a warning as well."""


@dataclasses.dataclass(frozen=True, slots=True)
class InstalledContract:
    """A contract with its decrypted key."""

    chain: tuple[Certificate, ...]
    """The contract and its Sub-CAs."""
    key: PrivateKey = dataclasses.field(repr=False)
    associated_data: AssociatedData | None = None
    """The alternative that the sender has used; None: not delivered in a message."""

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the contract."""
        return EMAID.parse(self.chain[0].subject.common_name)


@dataclasses.dataclass(slots=True)
class Iso20Wallet:
    """Keys and certificates of one car; changed by what it is given in a session."""

    oem: Holder
    """Provisioning certificate and key, from the factory."""
    oem_above: Sequence[Certificate]
    """The Sub-CAs of the provisioning certificate, starting with its issuer."""
    roots: Sequence[Certificate]
    """V2G roots the car trusts, also for what a CPS signs."""
    contracts: list[InstalledContract] = dataclasses.field(default_factory=list)
    """The most important first."""
    most: int = 1
    """How many contracts it has room for."""
    wanted: tuple[str, ...] = ()
    """eMAIDs it prefers."""
    clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    """The car's own clock."""
    misbehaviour: InstallationMisbehaviour | None = None
    installed: int = 0
    """How many contracts it has been given."""

    @property
    def pcid(self) -> PCID:
        """The PCID of the provisioning certificate."""
        return PCID.parse(self.oem.certificate.subject.common_name)

    def installation(self) -> tuple[common.CertificateInstallationReq, Signature | None]:
        """The request, and the signature for its header."""
        request = common.CertificateInstallationReq(
            header=common.MessageHeader(session_id=bytes(8), time_stamp=0),
            oem_provisioning_certificate_chain=self._chain(),
            list_of_root_certificate_ids=self._root_list(),
            maximum_contract_certificate_chains=self.most,
            prioritized_emai_ds=common.EMAIDList(emaid=self.wanted) if self.wanted else None,
        )
        match self.misbehaviour:
            case InstallationMisbehaviour.UNSIGNED:
                return request, None
            case InstallationMisbehaviour.WRONG_KEY:
                return request, self._sign(request, new_private_key(self._key_type))
            case InstallationMisbehaviour.CHANGED_CHAIN:
                return self._changed(request), self._sign(request, self.oem.key)
            case _:
                return request, self._sign(request, self.oem.key)

    def accept(self, response: common.CertificateInstallationRes) -> InstalledContract:
        """Verify a delivered contract, decrypt its key and keep both.

        Raises CertificateError and keeps what it had.
        """
        trust = TrustStore()
        for root in self.roots:
            trust = trust.with_anchor(root, Kind.V2G_ROOT)
        payload = exi.codec("iso20-common").encode(response)
        policy = iso20_policy(ContractPolicy())
        found = verify_installation(payload, trust, self.clock(), policy)
        leaf, data = found.contract.leaf, found.message.signed_installation_data
        opened = unwrap_key(wrapped_key(data), self.oem.key, self.pcid, leaf)
        made = InstalledContract(found.contract.certificates, opened.key, opened.associated_data)
        self.contracts = [one for one in self.contracts if not one.emaid.matches(made.emaid)]
        self.contracts.append(made)
        self.installed += 1
        return made

    # --- parts ---------------------------------------------------------------------------------------------

    @property
    def _key_type(self) -> KeyType:
        kind = self.oem.certificate.key_type
        if kind is None:
            raise CertificateError("the provisioning key has no type of ISO 15118", rule="curve")
        return kind

    def _chain(self) -> common.SignedCertificateChain:
        subs = tuple(one.der for one in self.oem_above)
        whole = bool(subs) and self.misbehaviour is not InstallationMisbehaviour.NO_SUB_CAS
        return common.SignedCertificateChain(
            id="id1",
            certificate=self.oem.certificate.der,
            sub_certificates=common.SubCertificates(certificate=subs) if whole else None,
        )

    def _changed(self, request: common.CertificateInstallationReq) -> common.CertificateInstallationReq:
        chain = request.oem_provisioning_certificate_chain
        alone = msgspec.structs.replace(chain, id="id2")
        return msgspec.structs.replace(request, oem_provisioning_certificate_chain=alone)

    def _sign(self, request: common.CertificateInstallationReq, key: PrivateKey) -> Signature:
        return sign((signed_request(request),), key, generation=Generation.ISO20)

    def _root_list(self) -> common.ListOfRootCertificateIDs:
        return common.ListOfRootCertificateIDs(
            root_certificate_id=tuple(
                X509IssuerSerial(x509_issuer_name=str(root.issuer), x509_serial_number=root.serial)
                for root in self.roots
            )
        )
