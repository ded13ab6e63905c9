"""The simulated EV of ISO 15118-20: AC, DC and megawatt charging, both directions, both control modes."""

from secc.sim.iso20.contract import ContractFault, Iso20Contract
from secc.sim.iso20.metering_fault import MeteringFault
from secc.sim.iso20.misbehaviour import Iso20Misbehaviour, misbehaving
from secc.sim.iso20.plan import Iso20Plan
from secc.sim.iso20.script import Iso20Script
from secc.sim.iso20.wallet import InstallationMisbehaviour, InstalledContract, Iso20Wallet

__all__ = [
    "ContractFault",
    "InstallationMisbehaviour",
    "InstalledContract",
    "Iso20Contract",
    "Iso20Misbehaviour",
    "Iso20Plan",
    "Iso20Script",
    "Iso20Wallet",
    "MeteringFault",
    "misbehaving",
]
