"""The key of a station in a TPM: the provider tpm2-openssl, with the simulated TPM of swtpm.

What the station promises does not depend on the version of the provider: either it starts and its handshakes
are signed, or it refuses to start and says why. tpm2-openssl 1.1 of Debian 12 is of the second kind: OpenSSL
takes the signature algorithm of its own provider, which has no private key.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROVIDER = next(Path("/usr/lib").glob("*/ossl-modules/tpm2.so"), None)
PROGRAMS = ("swtpm", "openssl")

CONFIGURATION = """
openssl_conf = init
[init]
providers = providers
[providers]
default = default_provider
tpm2 = tpm2_provider
[default_provider]
activate = 1
[tpm2_provider]
module = {provider}
activate = 1
"""


@contextlib.contextmanager
def tpm(folder: Path) -> Iterator[dict[str, str]]:
    """A simulated TPM, and the environment of a program that uses it."""
    server, control = two_ports()
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}"]
    command += ["--server", f"type=tcp,port={server}", "--ctrl", f"type=tcp,port={control}"]
    command += ["--flags", "not-need-init,startup-clear"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield {**os.environ, "TPM2OPENSSL_TCTI": f"swtpm:host=127.0.0.1,port={server}"}
        finally:
            process.terminate()


def two_ports() -> tuple[int, int]:
    """Two free ports in a row: clients look for the control channel behind the port of the commands."""
    while True:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with socket.create_server(("127.0.0.1", port + 1)):
                return port, port + 1


def answered(command: list[str], environment: dict[str, str]) -> bytes:
    """What a program says; again while the TPM is not listening yet."""
    for _ in range(100):
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(done.stderr.decode())


@pytest.mark.skipif(
    PROVIDER is None or any(shutil.which(one) is None for one in PROGRAMS),
    reason="needs the packages swtpm and tpm2-openssl",
)
def test_a_key_in_a_tpm_signs_handshakes_or_the_station_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "openssl.cnf").write_text(CONFIGURATION.format(provider=PROVIDER))
    key, public = str(tmp_path / "token.pem"), str(tmp_path / "public.pem")
    providers = ["-provider", "tpm2", "-provider", "default"]
    with tpm(tmp_path) as environment:
        made = ["openssl", "genpkey", *providers, "-algorithm", "EC", "-pkeyopt", "group:P-521"]
        answered([*made, "-out", key], environment)
        answered(["openssl", "pkey", *providers, "-in", key, "-pubout", "-out", public], environment)
        loaded = {**environment, "OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
        said = answered([sys.executable, "-m", "tests.tls_peers.token20", str(tmp_path)], loaded)
    assert said.decode().split() in (["shaken", "refused"], ["cannot-sign"])
