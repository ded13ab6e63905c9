"""The other half of Plug and Charge: what stands behind a station, for tests and for small operators.

Issue contracts and provisioning answers (`issuing`), keep them (`store`), run a site without a network
(`local`), renew in time (`renewal`).
"""

from secc.pnc.issuing import Bundle, ContractIssuer, IssuedContract, ProvisioningService

__all__ = ["Bundle", "ContractIssuer", "IssuedContract", "ProvisioningService"]
