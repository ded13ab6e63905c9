"""Simulated outlets, back end and EV, for tests, demonstrations and the tutorial."""

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
