"""Settings of a station: frozen dataclasses, one module per table of the TOML file.

Each module stands alone, so that the pure core imports only the settings it reads; the names here are loaded
when they are first used.
"""

import typing

from secc._lazy import loaded_on_use

if typing.TYPE_CHECKING:
    from secc.settings.compat import CompatConfig
    from secc.settings.config import SeccConfig
    from secc.settings.din import DinConfig
    from secc.settings.energy import AcConfig, DcConfig, EnergyConfig, EnergyMode
    from secc.settings.iso20 import (
        DischargeSign,
        IslandingDetection,
        Iso20Config,
        Iso20TlsConfig,
        Pricing,
        TimestampUnit,
        ToleranceRefused,
    )
    from secc.settings.loading import from_dict, load
    from secc.settings.network import NetworkConfig
    from secc.settings.ocpp import OcppConfig, OcppVersion
    from secc.settings.operation import OperationConfig, Sync
    from secc.settings.pnc import (
        ExpiryConfig,
        OfflinePolicy,
        PncConfig,
        RevocationCheck,
        SiteConfig,
        SiteIso20Config,
        TariffPolicy,
    )
    from secc.settings.protocols import ProtocolName
    from secc.settings.services import (
        CERTIFICATE_SERVICE,
        CHARGE_SERVICE,
        INTERNET_SERVICE,
        MOST_SERVICES,
        USE_CASE_SERVICE,
        Payment,
        ServiceConfig,
        ServiceKind,
        ServiceParameter,
        ServiceParameterSet,
        ValueAddedService,
    )
    from secc.settings.slac import Deviation, Fallback, KeyResult, LinkStatus, SlacConfig, Validation
    from secc.settings.soc import SocConfig, SocStep, SocThen
    from secc.settings.timing import TimingConfig
    from secc.settings.tls import ClientAuth, TlsChain, TlsConfig, TlsPolicy
    from secc.settings.trust import TrustConfig

_HOMES: dict[str, tuple[str, ...]] = {
    "compat": ("CompatConfig",),
    "config": ("SeccConfig",),
    "din": ("DinConfig",),
    "energy": ("AcConfig", "DcConfig", "EnergyConfig", "EnergyMode"),
    "iso20": (
        "DischargeSign",
        "IslandingDetection",
        "Iso20Config",
        "Iso20TlsConfig",
        "Pricing",
        "TimestampUnit",
        "ToleranceRefused",
    ),
    "loading": ("from_dict", "load"),
    "network": ("NetworkConfig",),
    "ocpp": ("OcppConfig", "OcppVersion"),
    "operation": ("OperationConfig", "Sync"),
    "pnc": (
        "ExpiryConfig",
        "OfflinePolicy",
        "PncConfig",
        "RevocationCheck",
        "SiteConfig",
        "SiteIso20Config",
        "TariffPolicy",
    ),
    "protocols": ("ProtocolName",),
    "services": (
        "CERTIFICATE_SERVICE",
        "CHARGE_SERVICE",
        "INTERNET_SERVICE",
        "MOST_SERVICES",
        "Payment",
        "ServiceConfig",
        "ServiceKind",
        "ServiceParameter",
        "ServiceParameterSet",
        "USE_CASE_SERVICE",
        "ValueAddedService",
    ),
    "slac": ("Deviation", "Fallback", "KeyResult", "LinkStatus", "SlacConfig", "Validation"),
    "soc": ("SocConfig", "SocStep", "SocThen"),
    "timing": ("TimingConfig",),
    "tls": ("ClientAuth", "TlsChain", "TlsConfig", "TlsPolicy"),
    "trust": ("TrustConfig",),
}

__all__ = [
    "AcConfig",
    "CERTIFICATE_SERVICE",
    "CHARGE_SERVICE",
    "ClientAuth",
    "CompatConfig",
    "DcConfig",
    "Deviation",
    "DinConfig",
    "DischargeSign",
    "EnergyConfig",
    "EnergyMode",
    "ExpiryConfig",
    "Fallback",
    "INTERNET_SERVICE",
    "IslandingDetection",
    "Iso20Config",
    "Iso20TlsConfig",
    "KeyResult",
    "LinkStatus",
    "MOST_SERVICES",
    "NetworkConfig",
    "OcppConfig",
    "OcppVersion",
    "OfflinePolicy",
    "OperationConfig",
    "Payment",
    "PncConfig",
    "Pricing",
    "ProtocolName",
    "RevocationCheck",
    "SeccConfig",
    "ServiceConfig",
    "ServiceKind",
    "ServiceParameter",
    "ServiceParameterSet",
    "SiteConfig",
    "SiteIso20Config",
    "SlacConfig",
    "SocConfig",
    "SocStep",
    "SocThen",
    "Sync",
    "TariffPolicy",
    "TimestampUnit",
    "TimingConfig",
    "TlsChain",
    "TlsConfig",
    "TlsPolicy",
    "ToleranceRefused",
    "TrustConfig",
    "USE_CASE_SERVICE",
    "Validation",
    "ValueAddedService",
    "from_dict",
    "load",
]

if not typing.TYPE_CHECKING:  # a type checker knows the names above and reports others
    __getattr__, __dir__ = loaded_on_use(__name__, _HOMES)
