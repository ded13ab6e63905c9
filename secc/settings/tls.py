"""Settings of TLS: `[tls]` and `[[tls.chains]]` in the station's file."""

import dataclasses
import enum
import pathlib

from secc.settings.checks import Settings, check, check_duration

__all__ = ["ClientAuth", "TlsChain", "TlsConfig", "TlsPolicy"]


class TlsPolicy(enum.Enum):
    """Transport security that the station offers."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class ClientAuth(enum.StrEnum):
    """Whether TLS 1.2 asks for a certificate of the EV; ISO 15118-2 does not require one."""

    NONE = "none"
    REQUEST = "request"
    """Optional; a valid chain becomes the identity of the connection, an invalid one is reported."""
    REQUIRE = "require"
    """Without a valid chain the handshake fails."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TlsChain(Settings, section="tls.chains"):
    """One more chain, for EVs that trust another V2G root."""

    certificate_chain: pathlib.Path
    """As in `[tls]`."""
    private_key: pathlib.Path
    """As in `[tls]`."""
    root: pathlib.Path
    """PEM of the V2G root above the chain; a private root makes it a private chain."""
    private_key_password: pathlib.Path | None = None
    """As in `[tls]`."""
    ocsp_response: pathlib.Path | None = None
    """As in `[tls]`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig(Settings, section="tls"):
    """Transport security; see `secc.sdp` for what each policy announces."""

    policy: TlsPolicy = TlsPolicy.OFF
    """`off`, `optional` (as the EV requests) or `required` (never plain TCP) [INV-21]."""
    certificate_chain: pathlib.Path | None = None
    """PEM: SECC leaf first, then its Sub-CAs, without the root."""
    private_key: pathlib.Path | None = None
    """PEM of the key of the leaf."""
    private_key_password: pathlib.Path | None = None
    """File with the password of the key; None if the key is not encrypted."""
    ocsp_response: pathlib.Path | None = None
    """DER of an OCSP response for the leaf, stapled if the EV requests it [V2G2-071]."""
    root: pathlib.Path | None = None
    """PEM of the V2G root above the chain, to find it in the EV's list of roots. Required with `chains`."""
    chains: tuple[TlsChain, ...] = ()
    """More chains, `[[tls.chains]]`, for EVs that name other roots [V2G2-871]; the chain above is the
    default."""
    client_auth: ClientAuth = ClientAuth.NONE
    """`none`, `request` or `require` a certificate of the EV, judged by the roots in `[trust]`."""
    ocsp_fetch: bool = False
    """Fetch OCSP responses for the leaf from the responder that it names, and refresh them before they
    expire."""
    ocsp_private_network: bool = False
    """Permit a responder in a local network: at loopback, link-local and private addresses."""
    watch_interval: float = 2.0
    """Interval at which the files above are checked for changes; new connections use the new files."""
    handshake_timeout: float = 5.0
    """Limit for the whole handshake (policy), well within the setup time."""
    key_log: pathlib.Path | None = None
    """File for TLS secrets, for a packet analyser; never in production."""

    def _check(self) -> None:
        check_duration(self.handshake_timeout, "tls.handshake_timeout", at_most=10.0)
        check_duration(self.watch_interval, "tls.watch_interval", at_most=3600.0)
        check(self.root is not None or not self.chains, "tls.root", "a file, as there are tls.chains")
        if self.policy is not TlsPolicy.OFF:
            check(self.certificate_chain is not None, "tls.certificate_chain", "a file, as TLS is on")
            check(self.private_key is not None, "tls.private_key", "a file, as TLS is on")
