"""The other half of Plug and Charge: what stands behind a station, for tests and for small operators.

Issue contracts and provisioning answers (`issuing`), keep them (`store`), run a site without a network
(`local`), renew in time (`renewal`).
"""

from secc.pnc.issuing import Bundle, ContractIssuer, IssuedContract, ProvisioningService
from secc.pnc.local import LocalBackend
from secc.pnc.renewal import Expiry, RenewalMonitor, WatchPolicy
from secc.pnc.store import Contract, ContractStore, Event, Status, StoredReceipt

__all__ = [
    "Bundle",
    "Contract",
    "ContractIssuer",
    "ContractStore",
    "Event",
    "Expiry",
    "IssuedContract",
    "LocalBackend",
    "ProvisioningService",
    "RenewalMonitor",
    "Status",
    "StoredReceipt",
    "WatchPolicy",
]
