"""What a station or an EV needs to make engines: certificates, settings, and the choice between two profiles.

A station with a chain of ISO 15118-20 serves two profiles at one port: TLS 1.3 for an EV whose ClientHello
offers it, TLS 1.2 for all others (`secc.tls.profile`, `secc.tls.serving`). TLS 1.3 is offered only while its
chain can be used; otherwise an EV that offers both gets TLS 1.2 and charges by ISO 15118-2.

`TlsContext` is immutable but for its staples, and shared; renewed certificates mean a new context, running
sessions keep theirs. A context that cannot be used raises ConfigError and names the file: there is no
fallback to less.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL

from secc.tls.clock import Clock, utc_now
from secc.tls.credentials import CredentialFiles, Credentials, load_staple, read_certificates
from secc.tls.engine import OpenSslEngine, TlsOffer
from secc.tls.hello import ClientHello
from secc.tls.peers import station_judge
from secc.tls.profile import client_context
from secc.tls.serving import ClientPolicy, Iso2Side, Iso20Policy, Tls13Side
from secc.tls.verdict import complain_about_all, judge_in_callback

__all__ = ["TlsContext"]


class TlsContext:
    """Certificates and settings many connections share; made by `for_station`, `for_server`, `for_client`."""

    def __init__(
        self,
        client: TlsOffer | None = None,
        *,
        iso2: Iso2Side | None = None,
        iso20: Tls13Side | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Internal: use `for_station`, `for_server` or `for_client`."""
        self._client = client
        self._iso2 = iso2
        self._iso20 = iso20
        self._clock = clock
        self.on_handshake: Callable[[Credentials, str], None] = lambda _credentials, _failure: None
        """Called at the end of each handshake: with which chain, and why it failed if it did. In the thread
        in which the engine was fed."""

    @classmethod
    def for_station(
        cls,
        chains: Sequence[CredentialFiles],
        *,
        client: ClientPolicy | None = None,
        iso20: Iso20Policy | None = None,
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> TlsContext:
        """The station's side: one chain per V2G root, the default one first.

        `iso20` adds TLS 1.3. `key_log` collects the secrets of every session in a file: for a laboratory
        only. Raises ConfigError when a file is unreadable, a key does not belong to its leaf, or a
        certificate is outside its validity or profile.
        """
        beside = iso20 is not None
        older = Iso2Side(chains, client or ClientPolicy(), key_log, clock, beside_tls13=beside)
        newer = Tls13Side(iso20, key_log, clock) if iso20 is not None else None
        return cls(iso2=older, iso20=newer, clock=clock)

    @classmethod
    def for_server(
        cls,
        chain_file: Path,
        key_file: Path,
        *,
        password_file: Path | None = None,
        ocsp_file: Path | None = None,
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> TlsContext:
        """`for_station` with one chain and without client certificates."""
        files = CredentialFiles(
            chain=chain_file, key=key_file, password=password_file, ocsp_response=ocsp_file
        )
        return cls.for_station([files], key_log=key_log, clock=clock)

    @classmethod
    def for_client(
        cls,
        roots_file: Path | None,
        *,
        certificate: CredentialFiles | None = None,
        iso2: bool = True,
        iso20: bool = False,
        groups: str = "",
        key_log: Path | None = None,
        clock: Clock = utc_now,
    ) -> TlsContext:
        """The EV's side, for simulation and tests. Without `roots_file` any certificate is accepted.

        `iso2`, `iso20`: which profiles it offers, TLS 1.2 and TLS 1.3, or both in one hello. `certificate` is
        shown when the station asks for one; in TLS 1.3 it always does. `groups` replaces those of the profile
        in TLS 1.3, by OpenSSL's names. The station's chain is judged by our own rules.
        """
        context = client_context(key_log, iso2=iso2, iso20=iso20, groups=groups)
        if certificate is not None:
            context.use_certificate_chain_file(str(certificate.chain))
            context.use_privatekey_file(str(certificate.key))
        if roots_file is None:
            return cls(TlsOffer(context=context))
        context.set_verify(SSL.VERIFY_PEER, judge_in_callback)
        complain_about_all(context)
        judge = station_judge(read_certificates(roots_file), clock)
        return cls(TlsOffer(context=context, judge=judge))

    @property
    def credentials(self) -> tuple[Credentials, ...]:
        """What a station can present in TLS 1.2; the first is the default. Empty on the EV's side."""
        return self._iso2.credentials if self._iso2 is not None else ()

    @property
    def iso20_credentials(self) -> tuple[Credentials, ...]:
        """What a station can present in TLS 1.3; the first is the default. Empty where there is no TLS
        1.3."""
        return self._iso20.credentials if self._iso20 is not None else ()

    @property
    def all_credentials(self) -> tuple[Credentials, ...]:
        """Both."""
        return (*self.credentials, *self.iso20_credentials)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What is presented by default: leaf first; without the V2G root. Empty on the EV's side."""
        return self.credentials[0].chain if self.credentials else ()

    @property
    def expires(self) -> datetime.datetime | None:
        """When the last of our chains for TLS 1.2 ends, and with it TLS; None on the EV's side."""
        return max((one.expires for one in self.credentials), default=None)

    @property
    def iso20_problem(self) -> str | None:
        """Why TLS 1.3 is not offered now; empty while it is, None where it is not configured."""
        return self._iso20.problem(self._clock()) if self._iso20 is not None else None

    def engine(self) -> OpenSslEngine:
        """An engine for one connection."""
        if self._client is not None:
            return OpenSslEngine(self._client, server=False)
        return OpenSslEngine(self._choose, server=True, slow=self._iso20 is not None)

    def load_staples(self) -> None:
        """Read the OCSP responses of the files again; raises ConfigError and keeps what it has."""
        for one in self.all_credentials:
            load_staple(one, self._clock())

    def inherit_staples(self, old: TlsContext) -> None:
        """Take over the staples of the context that this one replaces, for leaves that are the same."""
        for one in self.all_credentials:
            for before in old.all_credentials:
                if one.fingerprint == before.fingerprint and one.staple.staple is None:
                    one.staple.staple = before.staple.staple

    def _choose(self, hello: ClientHello | None) -> TlsOffer:
        """The profile by the versions the EV offers, the newer one first; then the chain by its roots."""
        assert self._iso2 is not None  # a station has it
        at, report = self._clock(), self._report
        newer, wanted = self._iso20, hello is not None and hello.offers_tls13
        problem = newer.problem(at) if newer is not None else ""
        if newer is not None and hello is not None and wanted and not problem:
            offer = newer.offer(hello, at, report)
            if offer is not None:
                return offer
        sentinel = newer is not None and not problem and not wanted
        hint = f"TLS 1.3 is not offered: {problem}" if wanted and problem else ""
        return self._iso2.offer(hello, at, report, sentinel=sentinel, hint=hint)

    def _report(self, credentials: Credentials, failure: str) -> None:
        self.on_handshake(credentials, failure)
