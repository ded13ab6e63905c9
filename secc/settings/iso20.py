"""The settings of ISO 15118-20: `[iso20]` and its sub-tables in the station's file."""

import dataclasses
import pathlib

from secc.settings.checks import check
from secc.settings.tls import TlsChain

__all__ = ["Iso20Config", "Iso20TlsConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20TlsConfig:
    """The chain a station presents in TLS 1.3, beside the one of `[tls]`; the other keys of `[tls]` hold too.

    TLS 1.3 is offered while this chain can be used, at the same port as TLS 1.2. What the EV offers first
    decides between them.
    """

    certificate_chain: pathlib.Path | None = None
    """PEM: SECC leaf first, on secp521r1 or Ed448, then its Sub-CAs, without the root. None: no TLS 1.3."""
    private_key: pathlib.Path | None = None
    """PEM of the leaf's key."""
    private_key_password: pathlib.Path | None = None
    """File that holds the password of the key; None when it has none."""
    root: pathlib.Path | None = None
    """PEM of the V2G root above the chain, to recognise it among the roots the EV names [V2G20-1007]."""
    ocsp_response: pathlib.Path | None = None
    """DER of an OCSP response for the leaf; `tls.ocsp_fetch` fetches one for this chain too."""
    chains: tuple[TlsChain, ...] = ()
    """More chains, `[[iso20.tls.chains]]`, for EVs that name other roots; the default is above."""
    require_ocsp: bool = False
    """Offer TLS 1.3 only while there is an OCSP response to staple. For public stations: there an EV refuses
    a chain without one [V2G20-2388] and can still charge by ISO 15118-2."""

    def __post_init__(self) -> None:
        check(
            self.root is not None or not self.chains,
            "iso20.tls.root",
            "a file, as there are iso20.tls.chains",
        )
        both = (self.certificate_chain is None) == (self.private_key is None)
        check(both, "iso20.tls.private_key", "a file exactly where iso20.tls.certificate_chain is one")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Iso20Config:
    """ISO 15118-20. It is spoken over TLS 1.3 with a vehicle certificate only [V2G20-1235] [V2G20-2356]."""

    tls: Iso20TlsConfig = Iso20TlsConfig()
    """The chain for TLS 1.3."""
    insecure_lab: bool = False
    """Laboratory only: ISO 15118-20 also over plain TCP and TLS 1.2, and certificates of any curve in use
    (P-256 too) in TLS 1.3, as several test EVs have nothing better. Never at a station that people use."""
    iso2_over_tls13: bool = True
    """ISO 15118-2 may be chosen on a TLS 1.3 connection, as the text is read in the field."""
    common_in_8001: bool = True
    """Read CommonMessages in payload type 0x8001 too: one EV sends CertificateInstallationReq so."""
    max_payload: int = 65_536
    """Bytes of the largest request in ISO 15118-20: a power profile of 2048 entries, an energy offer. It
    holds in the states in which such a request may come; in all others `network.max_payload` does."""

    def __post_init__(self) -> None:
        check(8192 <= self.max_payload <= 131_072, "iso20.max_payload", "8192..131072 bytes")
