"""Charging-station side (SECC) of ISO 15118 and DIN SPEC 70121.

The names with which a charger is written; each module is loaded when one of its names is first used. Packages
with more: `secc.settings` the configuration, `secc.ports` what you implement, `secc.records` what a station
reports, `secc.messages` and `secc.exi` messages and codec, `secc.sim` simulated outlets and EVs,
`secc.testing` checks for your controller, `secc.pki` certificates, `secc.trace` recordings.
"""

import importlib
from typing import TYPE_CHECKING

from secc._lazy import loaded_on_use

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
    "station.station": ("Station",),
    "station.plc": ("PlcStation",),
    "settings.config": ("SeccConfig",),
    "settings.loading": ("load",),
    "settings.energy": ("EnergyConfig", "EnergyMode"),
    "settings.services": ("Payment", "ServiceConfig"),
    "settings.slac": ("SlacConfig",),
    "settings.tls": ("TlsConfig", "TlsPolicy"),
    "ports": (
        "Backend",
        "ContractBackend",
        "DrivesPilot",
        "EvseController",
        "Reporter",
        "ReportsChanges",
    ),
    "records": ("Record",),
    "session.outlet": ("ControlPilot", "EvseFault", "EvseSnapshot", "IsolationLevel", "MeterReading"),
    "session.schedules": ("EnergyNeed", "PowerSchedule", "PowerStep", "ScheduleOffer"),
    "session.contract_events": ("Verdict",),
    "pilot.signals": ("PilotSignal",),
    "connection": ("Connection",),
    "exi.codec": ("Codec", "codec"),
    "errors": (
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
"""Names by module."""

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
    _load, __dir__ = loaded_on_use(__name__, _HOMES)

    def __getattr__(name: str) -> object:
        """Load the module of a public name."""
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("secc")
        return _load(name)
