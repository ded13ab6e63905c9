"""The settings of TLS: `[tls]` and `[[tls.chains]]` in the station's file."""

import dataclasses
import enum
import pathlib

from secc.settings.checks import Settings, check, check_duration

__all__ = ["ClientAuth", "TlsChain", "TlsConfig", "TlsPolicy"]


class TlsPolicy(enum.Enum):
    """How the station wants its sessions protected."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class ClientAuth(enum.StrEnum):
    """Whether an EV shows a certificate in the TLS handshake; the standard itself never asks for one."""

    NONE = "none"
    REQUEST = "request"
    """It may; a good chain becomes the identity of the connection, a bad one is reported."""
    REQUIRE = "require"
    """Without a good chain the handshake fails."""


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
    """`off`, `optional` (as the EV asks) or `required` (never plain, whatever happens) [INV-21]."""
    certificate_chain: pathlib.Path | None = None
    """PEM: SECC leaf first, then its Sub-CAs, without the root."""
    private_key: pathlib.Path | None = None
    """PEM of the leaf's key."""
    private_key_password: pathlib.Path | None = None
    """File that holds the password of the key; None when it has none."""
    ocsp_response: pathlib.Path | None = None
    """DER of an OCSP response for the leaf, stapled when the EV asks [V2G2-071]."""
    root: pathlib.Path | None = None
    """PEM of the V2G root above the chain, to know it in the EV's list of roots. Needed with `chains`."""
    chains: tuple[TlsChain, ...] = ()
    """More chains, `[[tls.chains]]`, for EVs that name other roots [V2G2-871]; the default is above."""
    client_auth: ClientAuth = ClientAuth.NONE
    """`none`, `request` or `require` a certificate of the EV, judged by the roots in `[trust]`."""
    ocsp_fetch: bool = False
    """Fetch OCSP responses for our leaf from the responder that it names, and refresh them in time."""
    ocsp_private_network: bool = False
    """The responder may lie in our own network: loopback, link-local and private addresses are asked too."""
    watch_interval: float = 2.0
    """How often the files above are looked at for new ones, which are taken for connections to come."""
    handshake_timeout: float = 5.0
    """One deadline for the whole handshake (policy), well inside the setup time."""
    key_log: pathlib.Path | None = None
    """Where to write TLS secrets for a packet analyser; never in production."""

    def _check(self) -> None:
        check_duration(self.handshake_timeout, "tls.handshake_timeout", at_most=10.0)
        check_duration(self.watch_interval, "tls.watch_interval", at_most=3600.0)
        check(self.root is not None or not self.chains, "tls.root", "a file, as there are tls.chains")
        if self.policy is not TlsPolicy.OFF:
            check(self.certificate_chain is not None, "tls.certificate_chain", "a file, as TLS is on")
            check(self.private_key is not None, "tls.private_key", "a file, as TLS is on")
