"""`secc serve --backend tests.interop.contract_backend:local`: a site back end with the test hierarchy."""

from __future__ import annotations

from certs.testpki.make import NOT_AFTER, NOT_BEFORE
from secc.pki.hierarchy import Hierarchy, make_hierarchy
from secc.pki.profiles import Kind
from secc.site import ContractIssuer, ContractStore, LocalBackend, ProvisioningService


def hierarchy() -> Hierarchy:
    """The one in `certs/testpki`, with all keys."""
    return make_hierarchy(not_before=NOT_BEFORE, not_after=NOT_AFTER, seed=b"certs/testpki")


def local() -> LocalBackend:
    """Knows the contract and the car of the test hierarchy."""
    pki = hierarchy()
    store = ContractStore()
    contract = store.add_contract(pki[Kind.CONTRACT_LEAF].certificate.subject.common_name)
    store.add_car(pki[Kind.OEM_LEAF].certificate, contract.emaid)
    issuer = ContractIssuer(pki[Kind.MO_SUB_CA_2], [pki[Kind.MO_SUB_CA_1].certificate])
    above = [pki[Kind.CPS_SUB_CA_2].certificate, pki[Kind.CPS_SUB_CA_1].certificate]
    service = ProvisioningService(pki[Kind.CPS_LEAF], above)
    return LocalBackend(store, issuer=issuer, service=service)
