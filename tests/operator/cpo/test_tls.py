"""HTTPS, and mutual TLS: without a certificate of the operator the handshake fails."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secc.cli.cpo import tls_options
from secc.operator.cpo.app import make_app
from secc.operator.cpo.settings import Tls
from tests.operator.cpo.support import make_service
from tests.support.certificates import certified


def certificate(folder: Path, name: str) -> Path:
    """Self-signed, for loopback; certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    extensions = (x509.BasicConstraints(ca=True, path_length=None), True), (loopback, False)
    hour = datetime.timedelta(hours=1)
    made = certified(name, key.public_key(), key, *extensions, begin=now - hour, end=now + 24 * hour)
    path = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """Address, certificate of the server, certificate of a client that may come in."""
    server, client = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    options = tls_options(Tls(certificate=server, key=server, client_roots=client))
    app = make_app(make_service(tmp_path))
    config = uvicorn.Config(app, port=0, log_level="critical", **options)  # type: ignore[arg-type]
    running, listener = uvicorn.Server(config), config.bind_socket()
    listener.listen()  # a connection that comes before the server runs waits
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", server, client
    running.should_exit = True
    thread.join()
    listener.close()


def test_only_who_has_a_certificate_comes_in(service: tuple[str, Path, Path], tmp_path: Path) -> None:
    url, server, client = service
    context = ssl.create_default_context(cafile=str(server))
    with httpx2.Client(verify=context) as stranger, pytest.raises(httpx2.HTTPError):
        stranger.get(f"{url}/health/live")
    other = ssl.create_default_context(cafile=str(server))
    other.load_cert_chain(certificate(tmp_path, "other"))
    with httpx2.Client(verify=other) as stranger, pytest.raises(httpx2.HTTPError):
        stranger.get(f"{url}/health/live")
    context.load_cert_chain(client)
    with httpx2.Client(verify=context) as known:
        assert known.get(f"{url}/health/live").json() == {"status": "live"}
