"""A station with TLS in a separate thread, for clients that block: independent programs and libraries."""

import asyncio
import contextlib
import dataclasses
import datetime
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from secc.pki.authority import Authority
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import make_hierarchy, make_iso20_hierarchy, write_hierarchy
from secc.pki.keys import KeyType
from secc.pki.profiles import Kind
from secc.pki.responder import OcspResponder
from secc.records import LinkEvent, LinkRecord, Record
from secc.settings import (
    ClientAuth,
    Iso20Config,
    Iso20TlsConfig,
    NetworkConfig,
    ProtocolName,
    SeccConfig,
    TlsConfig,
    TlsPolicy,
    TrustConfig,
)
from secc.station.reporting import Chatter
from secc.station.station import Station
from secc.tls import CredentialFiles
from tests.support import certificates, tls13
from tests.support.certificates import Identity
from tests.support.wire import GrantingBackend, RecordingOutlet

PATIENCE = 8.0  # s


class Everything(Chatter):
    """No record is dropped."""

    def allow(self, now: float) -> bool:
        return True


@dataclasses.dataclass
class Served:
    """A station, its reports, and the place of its files."""

    station: Station
    records: list[Record]
    folder: Path
    files: CredentialFiles

    @property
    def port(self) -> int:
        endpoint = self.station.endpoint
        assert endpoint is not None
        assert endpoint.tls_port is not None
        return endpoint.tls_port

    @property
    def address(self) -> str:
        return f"[::1]:{self.port}"

    def connect(self) -> socket.socket:
        connected = socket.create_connection(("::1", self.port), timeout=PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def events(self, kind: LinkEvent) -> list[str]:
        return [r.text for r in list(self.records) if isinstance(r, LinkRecord) and r.event is kind]

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.records
            time.sleep(0.005)

    def until_idle(self) -> None:
        """Every slot is free again."""
        self.until(lambda: not self.station._sessions.links)


@dataclasses.dataclass
class Lab(Served):
    """A station of ISO 15118-2 under a separate root."""

    root: Identity


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    client_auth: ClientAuth = ClientAuth.NONE,
    stapling: bool = False,
    max_pending: int = 8,
    handshake_timeout: float = 1.0,
) -> Iterator[Lab]:
    """A station on the loopback interface until the block ends."""
    root = certificates.root()
    leaf = certificates.station(root)
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    staple = certificates.ocsp_response(leaf, this_update=now) if stapling else b""
    files = certificates.store(folder, leaf, "station", ocsp_response=staple)
    assert files.root is not None
    config = SeccConfig(
        interface="lo",
        network=NetworkConfig(max_pending=max_pending),
        tls=TlsConfig(
            policy=TlsPolicy.REQUIRED,
            certificate_chain=files.chain,
            private_key=files.key,
            ocsp_response=files.ocsp_response,
            client_auth=client_auth,
            handshake_timeout=handshake_timeout,
        ),
        trust=TrustConfig(v2g_roots=(files.root,)),
    )
    with _serving(config) as (station, records):
        yield Lab(station, records, folder, files, root)


@contextlib.contextmanager
def serving_iso20(
    folder: Path, *, keys: KeyType = KeyType.SECP521R1, laboratory: bool = False
) -> Iterator[Served]:
    """A station with both TLS profiles and a staple for the leaf of ISO 15118-20.

    Its hierarchies are in `folder`: of ISO 15118-2, and of ISO 15118-20 in `iso20`. The files of the `Lab`
    are those of ISO 15118-20, in the laboratory those of ISO 15118-2.
    """
    begin = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(days=1)
    write_hierarchy(make_hierarchy(not_before=begin, seed=b"lab"), folder, begin)
    write_hierarchy(make_iso20_hierarchy(keys, not_before=begin, seed=b"lab20"), folder / "iso20", begin)
    own = folder if laboratory else folder / "iso20"
    newer = dataclasses.replace(tls13.files(own), ocsp_response=_staple(own))
    config = SeccConfig(
        interface="lo",
        protocols=(ProtocolName.ISO15118_2, ProtocolName.ISO15118_20),
        tls=TlsConfig(
            policy=TlsPolicy.REQUIRED,
            certificate_chain=folder / "secc_chain.pem",
            private_key=folder / "secc_leaf_key.pem",
            root=folder / "v2g_root.pem",
            handshake_timeout=3.0,
        ),
        iso20=Iso20Config(
            tls=Iso20TlsConfig(
                certificate_chain=newer.chain,
                private_key=newer.key,
                root=newer.root,
                ocsp_response=newer.ocsp_response,
            ),
            insecure_lab=laboratory,
        ),
        trust=TrustConfig(v2g_roots=(own / "v2g_root.pem",), oem_roots=(own / "oem_root.pem",)),
    )
    with _serving(config) as (station, records):
        yield Served(station, records, folder, newer)


def _staple(folder: Path) -> Path:
    """An OCSP response for the station's leaf, of its issuer."""
    issuer = Authority(folder, Kind.CPO_SUB_CA_2)
    leaf = read_chain((folder / "secc_leaf.pem").read_bytes())[0].to_cryptography()
    builder = ocsp.OCSPRequestBuilder()
    asked = builder.add_certificate(leaf, issuer.certificate.to_cryptography(), hashes.SHA256()).build()
    answer = OcspResponder([issuer]).answer(
        asked.public_bytes(Encoding.DER), datetime.datetime.now(datetime.UTC)
    )
    path = folder / "secc_leaf.ocsp"
    path.write_bytes(answer)
    return path


@contextlib.contextmanager
def _serving(config: SeccConfig) -> Iterator[tuple[Station, list[Record]]]:
    records: list[Record] = []
    station = Station(config, RecordingOutlet(), GrantingBackend(), reporter=records.append, sdp_port=0)
    station._reports._chatter = Everything()  # every record counts here
    with _running(station):
        yield station, records


@contextlib.contextmanager
def _running(station: Station) -> Iterator[None]:
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with station:
            ready.set()
            await done.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
