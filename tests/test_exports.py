"""What the package promises to keep: its public names, and that importing it stays light."""

import subprocess
import sys

import secc

# What an embedded station must never load just by importing the package.
HEAVY = (
    "scapy",
    "pytest",
    "hypothesis",
    "cryptography",
    "OpenSSL",
    "asyncio",
    "ssl",
    "sqlite3",
    "http.server",
)


def test_the_public_names_are_these() -> None:
    assert secc.__all__ == [
        "SeccConfig",
        "load",
        "SeccError",
        "ConfigError",
        "FramingError",
        "CodecError",
        "DecodeError",
        "EncodeError",
        "CertificateError",
        "ChainError",
        "SignatureError",
        "IdentifierError",
        "IntegrationError",
        "InUseError",
        "LinkError",
    ]


def test_every_public_name_is_there() -> None:
    assert all(hasattr(secc, name) for name in secc.__all__)


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = f"import sys, secc; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_station_loads_no_tool_or_server_framework() -> None:
    names = ("scapy", "pytest", "hypothesis", "flask", "fastapi", "aiohttp", "django", "http.server")
    script = f"import sys, secc.station.station; print([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
