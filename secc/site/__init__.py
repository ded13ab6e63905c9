"""The other half of Plug and Charge: what stands behind a station, for tests and for small operators.

Issue contracts and provisioning answers (`issuing`), keep them (`store`), run a site without a network
(`local`), renew in time (`renewal`), all of it as the configuration says (`site`).
"""

from secc.pki.expiry import Expiry
from secc.site.issuing import Bundle, ContractIssuer, IssuedContract, ProvisioningService
from secc.site.local import LocalBackend
from secc.site.renewal import RenewalMonitor, WatchPolicy
from secc.site.site import SigningSite, Site, open_site
from secc.site.store import Car, Contract, ContractStore, Event, Status, StoredReceipt

__all__ = [
    "Bundle",
    "Car",
    "Contract",
    "ContractIssuer",
    "ContractStore",
    "Event",
    "Expiry",
    "IssuedContract",
    "LocalBackend",
    "ProvisioningService",
    "RenewalMonitor",
    "SigningSite",
    "Site",
    "Status",
    "StoredReceipt",
    "WatchPolicy",
    "open_site",
]
