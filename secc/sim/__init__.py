"""Simulated outlets, back end and EV, for tests, demonstrations and the tutorial."""

from typing import TYPE_CHECKING

from secc._lazy import loaded_on_use

if TYPE_CHECKING:
    from secc.sim.backend import PricingBackend, SimulatedBackend
    from secc.sim.cable import AutoPilot, SimulatedCable
    from secc.sim.evcc import EvResult, Exchange, ScriptedEvcc
    from secc.sim.evse import SimulatedAcEvse, SimulatedDcEvse
    from secc.sim.modem import (
        BridgedPowerLine,
        EvMatch,
        Noise,
        PowerLine,
        SimulatedModem,
        SimulatedPlc,
        SlacEv,
    )
    from secc.sim.moves import EvGivesUp
    from secc.sim.physics import Contactor, DcOutput, Load
    from secc.sim.pilot import PilotFromCable
    from secc.sim.script import EvScript, Plan
    from secc.sim.vehicle import Vehicle
    from secc.sim.wallet import Misbehaviour, Wallet

_HOMES = {
    "backend": (
        "PricingBackend",
        "SimulatedBackend",
    ),
    "cable": (
        "AutoPilot",
        "SimulatedCable",
    ),
    "evcc": (
        "EvResult",
        "Exchange",
        "ScriptedEvcc",
    ),
    "evse": (
        "SimulatedAcEvse",
        "SimulatedDcEvse",
    ),
    "modem": (
        "BridgedPowerLine",
        "EvMatch",
        "Noise",
        "PowerLine",
        "SimulatedModem",
        "SimulatedPlc",
        "SlacEv",
    ),
    "moves": ("EvGivesUp",),
    "physics": (
        "Contactor",
        "DcOutput",
        "Load",
    ),
    "pilot": ("PilotFromCable",),
    "script": (
        "EvScript",
        "Plan",
    ),
    "vehicle": ("Vehicle",),
    "wallet": (
        "Misbehaviour",
        "Wallet",
    ),
}

__all__ = [
    "AutoPilot",
    "BridgedPowerLine",
    "Contactor",
    "DcOutput",
    "EvGivesUp",
    "EvMatch",
    "EvResult",
    "EvScript",
    "Exchange",
    "Load",
    "Misbehaviour",
    "Noise",
    "PilotFromCable",
    "Plan",
    "PowerLine",
    "ScriptedEvcc",
    "SimulatedAcEvse",
    "PricingBackend",
    "SimulatedBackend",
    "SimulatedCable",
    "SimulatedDcEvse",
    "SimulatedModem",
    "SimulatedPlc",
    "SlacEv",
    "Vehicle",
    "Wallet",
]

if not TYPE_CHECKING:  # a type checker knows the names above and reports others
    __getattr__, __dir__ = loaded_on_use(__name__, _HOMES)
