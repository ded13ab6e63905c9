"""Plug and Charge behind a station, for tests and for small operators.

`issuing` issues contracts and provisioning answers, `store` stores them, `local` runs a site without a
network, `renewal` renews in time, and `site` builds all of it from the configuration.
"""

from secc.pki.expiry import Expiry
from secc.site.issuing import (
    Bundle,
    ContractIssuer,
    InstallationService,
    IssuedContract,
    ProvisioningService,
)
from secc.site.local import LocalBackend
from secc.site.log import Event, StoredReceipt
from secc.site.renewal import RenewalMonitor, WatchPolicy
from secc.site.site import SigningSite, Site, open_site
from secc.site.store import ContractStore, SiteCar, SiteContract, Status

__all__ = [
    "Bundle",
    "SiteCar",
    "SiteContract",
    "ContractIssuer",
    "ContractStore",
    "Event",
    "Expiry",
    "InstallationService",
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
