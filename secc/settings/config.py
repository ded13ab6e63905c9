"""The whole configuration of a station: frozen dataclasses, read from one TOML file.

Durations are seconds as float and are named after their timer of the standard; voltages V, currents A, powers
W. An unknown key is an error with its path, so a misspelt key cannot switch a limit off. Values are checked
when the object is created: an invalid configuration does not start.
"""

import dataclasses
import re

from secc.settings.checks import Settings, check
from secc.settings.compat import CompatConfig
from secc.settings.din import DinConfig
from secc.settings.energy import DcConfig, EnergyConfig, EnergyMode
from secc.settings.iso20 import Iso20Config
from secc.settings.network import NetworkConfig
from secc.settings.ocpp import OcppConfig
from secc.settings.operation import OperationConfig
from secc.settings.pnc import ExpiryConfig, PncConfig
from secc.settings.protocols import ProtocolName
from secc.settings.services import Payment, ServiceConfig
from secc.settings.slac import SlacConfig
from secc.settings.soc import SocConfig
from secc.settings.timing import TimingConfig
from secc.settings.tls import TlsConfig, TlsPolicy
from secc.settings.trust import TrustConfig

__all__ = ["SeccConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeccConfig(Settings, section=""):
    """Configuration of one outlet."""

    evse_id: str = "ZZ*000*E0"
    """EVSEID as sent to the EV, 7 to 37 characters."""
    interface: str = "eth1"
    """Network interface of the charging cable; sockets are bound to its link-local address only."""
    protocols: tuple[ProtocolName, ...] = (ProtocolName.ISO15118_2, ProtocolName.DIN70121)
    """Offered protocols, `iso15118-2`, `din70121` and `iso15118-20`; the ranking of the EV selects
    one. DIN SPEC 70121 needs DC and a connection without TLS, ISO 15118-20 mutual TLS 1.3."""
    network: NetworkConfig = NetworkConfig()
    """Sockets."""
    tls: TlsConfig = TlsConfig()
    """Transport security."""
    trust: TrustConfig = TrustConfig()
    """Roots for certificates of EVs."""
    timing: TimingConfig = TimingConfig()
    """Timers."""
    energy: EnergyConfig = EnergyConfig()
    """Limits of the outlet and the offer."""
    service: ServiceConfig = ServiceConfig()
    """The charge service and its payment options."""
    pnc: PncConfig = PncConfig()
    """Plug and Charge."""
    expiry: ExpiryConfig = ExpiryConfig()
    """Certificates that end soon."""
    din: DinConfig = DinConfig()
    """DIN SPEC 70121."""
    iso20: Iso20Config = Iso20Config()
    """ISO 15118-20."""
    compat: CompatConfig = CompatConfig()
    """Leniencies."""
    operation: OperationConfig = OperationConfig()
    """Journal, metrics, health."""
    slac: SlacConfig = SlacConfig()
    """Matching."""
    soc: SocConfig = SocConfig()
    """State of charge at an AC outlet."""
    ocpp: OcppConfig = OcppConfig()
    """Central system."""

    def _check(self) -> None:
        check(
            re.fullmatch(r"[A-Za-z0-9*]{7,37}", self.evse_id) is not None, "evse_id", "7..37 of A-Z, 0-9, *"
        )
        check(re.fullmatch(r"[^\s/]{1,15}", self.interface) is not None, "interface", "1..15 characters")
        if self.service.payment_options == (Payment.CONTRACT,):
            required = self.tls.policy is TlsPolicy.REQUIRED
            check(required, "tls.policy", "required, as there is no payment option without TLS")
        if self.tls.policy is TlsPolicy.OFF:
            off = self.iso20.tls.certificate_chain is None
            check(off, "tls.policy", "optional or required, as there is iso20.tls.certificate_chain")
        if self.soc.read:
            check(not self.energy.offers_dc, "soc.read", "false at a DC outlet, which reads it in any case")
            check(not self.slac.nominal_first, "soc.read", "false with slac.nominal_first")
        once = len(self.protocols) == len(set(self.protocols))
        check(self.protocols != () and once, "protocols", "one or more of the names, each once")
        if self.protocols == (ProtocolName.DIN70121,):
            plain = self.tls.policy is not TlsPolicy.REQUIRED
            words = "a DC mode, ExternalPayment and connections without TLS, as there is only DIN"
            check(self.offers_din and plain, "protocols", words)

    @property
    def offers_din(self) -> bool:
        """Whether DIN SPEC 70121 can be selected on a connection without TLS: DC with external payment."""
        external = Payment.EXTERNAL in self.service.payment_options
        return ProtocolName.DIN70121 in self.protocols and self.energy.offers_dc and external

    @property
    def for_soc(self) -> "SeccConfig":
        """The settings of a session that only reads the state of charge: DC that is never delivered, in both
        protocols that have it, with external payment."""
        service = dataclasses.replace(self.service, payment_options=(Payment.EXTERNAL,), value_added=())
        return dataclasses.replace(
            self,
            protocols=(ProtocolName.ISO15118_2, ProtocolName.DIN70121),
            energy=dataclasses.replace(self.energy, modes=_READ_MODES, dc=_READ_LIMITS),
            service=service,
            soc=dataclasses.replace(self.soc, read=False),
        )


_READ_MODES = (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)
_READ_LIMITS = DcConfig(max_voltage=1000.0, max_current=200.0, max_power=150_000.0)
"""As announced by a common DC outlet, so that no EV refuses it; nothing of it can flow."""
