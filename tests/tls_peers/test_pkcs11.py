"""The station's key in a PKCS#11 token (SoftHSM2): OpenSSL signs through its provider, the key stays."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from secc.errors import ConfigError
from secc.tls import TlsContext
from tests.support import certificates
from tests.tls_peers.token import key_file

PROVIDER = next(Path("/usr/lib").glob("*/ossl-modules/pkcs11.so"), None)
MODULE = next(Path("/usr/lib").rglob("libsofthsm2.so"), None)
TOOLS = shutil.which("softhsm2-util") is not None and shutil.which("pkcs11-tool") is not None

CONFIGURATION = """
openssl_conf = init
[init]
providers = providers
[providers]
default = default_provider
pkcs11 = pkcs11_provider
[default_provider]
activate = 1
[pkcs11_provider]
module = {provider}
pkcs11-module-path = {module}
pkcs11-module-token-pin = file:{pin}
activate = 1
"""


@pytest.mark.skipif(
    PROVIDER is None or MODULE is None or not TOOLS,
    reason="needs the packages pkcs11-provider, softhsm2 and opensc",
)
@pytest.mark.parametrize(("curve", "program"), [("prime256v1", "token"), ("secp521r1", "token20")])
def test_a_key_in_a_token_serves_handshakes(tmp_path: Path, curve: str, program: str) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "pin").write_text("1234")
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    text = CONFIGURATION.format(provider=PROVIDER, module=MODULE, pin=tmp_path / "pin")
    (tmp_path / "openssl.cnf").write_text(text)
    environment = {**os.environ, "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf")}
    tool = ["pkcs11-tool", "--module", str(MODULE), "--token-label", "secc"]
    make_key = ["--login", "--pin", "1234", "--keypairgen", "--key-type", f"EC:{curve}", "--id", "01"]

    def run(*command: str, **more: str) -> bytes:
        return subprocess.run(
            command, env={**environment, **more}, check=True, capture_output=True, timeout=30
        ).stdout

    run("softhsm2-util", "--init-token", "--free", "--label", "secc", "--pin", "1234", "--so-pin", "1234")
    run(*tool, *make_key)
    public = run(*tool, "--read-object", "--type", "pubkey", "--id", "01")
    (tmp_path / "public.der").write_bytes(public)
    pem = load_der_public_key(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    (tmp_path / "token.pem").write_bytes(key_file())
    said = run(
        sys.executable,
        "-m",
        f"tests.tls_peers.{program}",
        str(tmp_path),
        OPENSSL_CONF=str(tmp_path / "openssl.cnf"),
    )
    assert said.decode().split() == ["shaken", "refused"]


def test_without_the_provider_the_station_refuses_to_start_and_says_why(tmp_path: Path) -> None:
    files = certificates.store(tmp_path, certificates.station(certificates.root()), "station")
    files.key.write_bytes(key_file())
    with pytest.raises(ConfigError, match=r"station_key\.pem: OpenSSL cannot use the key in the token"):
        TlsContext.for_station([files])
