"""Charging-station side (SECC) of ISO 15118 and DIN SPEC 70121.

The names with which a charger is written; each module is loaded when one of its names is first used. Packages
with more: `secc.settings` the configuration, `secc.ports` what you implement, `secc.records` what a station
reports, `secc.messages` and `secc.exi` messages and codec, `secc.sim` simulated outlets and EVs,
`secc.testing` checks for your controller, `secc.pki` certificates, `secc.trace` recordings.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secc.connection import Connection
    from secc.errors import (
        CertificateError,
        CodecError,
        ConfigError,
        DecodeError,
        EncodeError,
        FramingError,
        IntegrationError,
        LinkError,
        SeccError,
    )
    from secc.exi.codec import Codec, codec
    from secc.pilot.signals import PilotSignal
    from secc.ports import Backend, ContractBackend, DrivesPilot, EvseController, Reporter, ReportsChanges
    from secc.records import Record
    from secc.session.contract_events import Verdict
    from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot, IsolationLevel, MeterReading
    from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
    from secc.settings.config import SeccConfig
    from secc.settings.energy import EnergyConfig, EnergyMode
    from secc.settings.loading import load
    from secc.settings.services import Payment, ServiceConfig
    from secc.settings.slac import SlacConfig
    from secc.settings.tls import TlsConfig, TlsPolicy
    from secc.station.plc import PlcStation
    from secc.station.station import Station

    __version__: str

_HOMES = {
    "secc.station.station": ("Station",),
    "secc.station.plc": ("PlcStation",),
    "secc.settings.config": ("SeccConfig",),
    "secc.settings.loading": ("load",),
    "secc.settings.energy": ("EnergyConfig", "EnergyMode"),
    "secc.settings.services": ("Payment", "ServiceConfig"),
    "secc.settings.slac": ("SlacConfig",),
    "secc.settings.tls": ("TlsConfig", "TlsPolicy"),
    "secc.ports": (
        "Backend",
        "ContractBackend",
        "DrivesPilot",
        "EvseController",
        "Reporter",
        "ReportsChanges",
    ),
    "secc.records": ("Record",),
    "secc.session.outlet": ("ControlPilot", "EvseFault", "EvseSnapshot", "IsolationLevel", "MeterReading"),
    "secc.session.schedules": ("EnergyNeed", "PowerSchedule", "PowerStep", "ScheduleOffer"),
    "secc.session.contract_events": ("Verdict",),
    "secc.pilot.signals": ("PilotSignal",),
    "secc.connection": ("Connection",),
    "secc.exi.codec": ("Codec", "codec"),
    "secc.errors": (
        "CertificateError",
        "CodecError",
        "ConfigError",
        "DecodeError",
        "EncodeError",
        "FramingError",
        "IntegrationError",
        "LinkError",
        "SeccError",
    ),
}
"""Module of each name."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Backend",
    "CertificateError",
    "Codec",
    "CodecError",
    "ConfigError",
    "Connection",
    "ContractBackend",
    "ControlPilot",
    "DecodeError",
    "DrivesPilot",
    "EncodeError",
    "EnergyConfig",
    "EnergyMode",
    "EnergyNeed",
    "EvseController",
    "EvseFault",
    "EvseSnapshot",
    "FramingError",
    "IntegrationError",
    "IsolationLevel",
    "LinkError",
    "MeterReading",
    "Payment",
    "PilotSignal",
    "PlcStation",
    "PowerSchedule",
    "PowerStep",
    "Record",
    "Reporter",
    "ReportsChanges",
    "ScheduleOffer",
    "SeccConfig",
    "SeccError",
    "ServiceConfig",
    "SlacConfig",
    "Station",
    "TlsConfig",
    "TlsPolicy",
    "Verdict",
    "codec",
    "load",
]

if not TYPE_CHECKING:  # a type checker knows the names above and reports others

    def __getattr__(name: str) -> object:
        """Load the module of a public name."""
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("secc")
        if name not in _HOME_OF:
            raise AttributeError(f"module 'secc' has no attribute {name!r}")
        found = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, "__version__"})
