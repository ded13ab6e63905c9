"""The simulated EV of ISO 15118-20: AC, DC and megawatt charging, both directions, both control modes."""

from secc.sim.iso20.misbehaviour import Iso20Misbehaviour, misbehaving
from secc.sim.iso20.plan import Iso20Plan
from secc.sim.iso20.script import Iso20Script

__all__ = [
    "Iso20Misbehaviour",
    "Iso20Plan",
    "Iso20Script",
    "misbehaving",
]
