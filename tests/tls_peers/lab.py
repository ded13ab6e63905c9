"""A station with TLS in a thread of its own, for clients that block: programs and libraries of others."""

import asyncio
import contextlib
import dataclasses
import datetime
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from secc.records import LinkEvent, LinkRecord, Record
from secc.settings import ClientAuth, NetworkConfig, SeccConfig, TlsConfig, TlsPolicy, TrustConfig
from secc.station.reporting import Chatter
from secc.station.station import Station
from secc.tls import CredentialFiles
from tests.support import certificates
from tests.support.certificates import Identity
from tests.support.wire import GrantingBackend, RecordingOutlet

PATIENCE = 8.0  # s


class Everything(Chatter):
    """No record is dropped."""

    def allow(self, now: float) -> bool:
        return True


@dataclasses.dataclass
class Lab:
    """The station, what it told, and where its files are."""

    station: Station
    records: list[Record]
    folder: Path
    root: Identity
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
    records: list[Record] = []
    station = Station(config, RecordingOutlet(), GrantingBackend(), reporter=records.append, sdp_port=0)
    station._reports._chatter = Everything()  # every record counts here
    with _running(station):
        yield Lab(station, records, folder, root, files)


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
