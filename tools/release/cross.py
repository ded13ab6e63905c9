"""Builds a wheel for ARM on an x86-64 Debian machine and runs tests with it under emulation.

    python -m tools.release.cross aarch64              build/wheels/secc-…-manylinux_2_17_aarch64….whl
    python -m tools.release.cross aarch64 --try        the same, then the tests of the core under qemu-user
    python -m tools.release.cross armv7                a wheel for 32-bit ARM with hardware floating point

The Rust standard library of the target comes from Debian's packages (rustc-web and libstd-rust-web-dev), the
linker is zig (`pip install ziglang`), so nothing is installed on the machine itself: packages are unpacked
below build/cross. `--try` needs qemu-user.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "cross"
WHEELS = ROOT / "build" / "wheels"
PYTHON = "3.11"
"""The version that Debian 12 has, on both sides of the emulation."""

LIBC = "manylinux_2_17"
"""The oldest C library on which the wheel runs."""
COMPILER = ("rustc-web", "rust-web-llvm")
INTERPRETER = (
    *("python3.11", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("libc6", "libgcc-s1", "libssl3", "zlib1g", "libexpat1", "libffi8", "libsqlite3-0", "libuuid1"),
    *("libbz2-1.0", "liblzma5", "libcrypt1", "libtirpc3", "libnsl2", "libncursesw6", "libtinfo6"),
)


@dataclass(frozen=True)
class Processor:
    """One kind of processor: its names at Debian, in Rust, in Python's wheels and in qemu."""

    debian: str
    rust: str
    machine: str
    emulator: str


PROCESSORS = {
    "aarch64": Processor("arm64", "aarch64-unknown-linux-gnu", "aarch64", "qemu-aarch64"),
    "armv7": Processor("armhf", "armv7-unknown-linux-gnueabihf", "armv7l", "qemu-arm"),
}


class Packages:
    """Debian packages of two architectures, unpacked into folders; the machine's own apt is left alone."""

    def __init__(self, foreign: str) -> None:
        self.folder = BUILD / "apt"
        for name in ("lists/partial", "cache/archives/partial", "debs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        native = _output("dpkg", "--print-architecture").strip()
        self.options = [
            *("-o", f"APT::Architectures={native},{foreign}", "-o", f"Dir::State::lists={self.folder}/lists"),
            *("-o", f"Dir::Cache={self.folder}/cache", "-o", "APT::Sandbox::User=root"),
            *("-o", "Debug::NoLocking=1"),
        ]
        print(f"package lists of {native} and {foreign}", flush=True)
        _run("apt-get", *self.options, "update", "-qq")

    def needs(self, package: str, prefix: str) -> list[str]:
        """Direct dependencies of a package whose names begin with `prefix`."""
        lines = _output("apt-cache", *self.options, "depends", package).splitlines()
        names = [line.split()[-1] for line in lines if line.strip().startswith("Depends:")]
        return [name for name in names if name.startswith(prefix)]

    def unpack(self, packages: list[str], into: pathlib.Path) -> None:
        """Download packages (`name` or `name:architecture`) and unpack them into a folder."""
        into.mkdir(parents=True, exist_ok=True)
        for package in packages:
            held = into / f".{package.replace(':', '_')}"
            if held.exists():
                continue
            print(f"unpack {package}", flush=True)
            folder = self.folder / "debs" / package.replace(":", "_")
            folder.mkdir(parents=True, exist_ok=True)
            _run("apt-get", *self.options, "download", "-qq", package, cwd=folder)
            for file in folder.glob("*.deb"):
                _run("dpkg", "-x", str(file), str(into))
            held.touch()


def compiler(packages: Packages, processor: Processor) -> pathlib.Path:
    """A script that runs a Rust compiler with the standard library of the target."""
    into = BUILD / "rust"
    library = packages.needs("libstd-rust-web-dev", "libstd-rust-web-")
    names = [*COMPILER, *library, *packages.needs(library[0], "libllvm")]
    packages.unpack([*names, "libstd-rust-web-dev", f"libstd-rust-web-dev:{processor.debian}"], into)
    script = BUILD / "rustc"
    path = f"{into}/usr/lib/x86_64-linux-gnu:{into}/usr/lib"
    script.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH={path} exec {into}/usr/bin/rustc --sysroot {into}/usr "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script


def build(processor: Processor, rustc: pathlib.Path) -> pathlib.Path:
    """The wheel for the processor."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "RUSTC": str(rustc),
        "PYO3_CROSS": "1",
        "PYO3_CROSS_PYTHON_VERSION": PYTHON,
        "CARGO_TARGET_DIR": str(BUILD / "target"),
        "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    _run(
        *(sys.executable, "-m", "maturin", "build", "--release", "--locked", "--zig"),
        *("--target", processor.rust, "-i", f"python{PYTHON}", "--out", str(WHEELS)),
        *("--compatibility", LIBC),
        environment=environment,
    )
    wheels = sorted(WHEELS.glob(f"*{LIBC}_{processor.machine}.whl"), key=lambda path: path.stat().st_mtime)
    return wheels[-1]


def emulated(packages: Packages, processor: Processor, wheel: pathlib.Path, tests: list[str]) -> int:
    """Install the wheel for an emulated Python and run pytest there; its exit code."""
    emulator = shutil.which(processor.emulator)
    if emulator is None:
        sys.exit(f"{processor.emulator} is missing: install the Debian package qemu-user")
    system = BUILD / f"system-{processor.debian}"
    packages.unpack([f"{name}:{processor.debian}" for name in INTERPRETER], system)
    site = BUILD / f"site-{processor.debian}"
    libraries = (LIBC, "manylinux_2_28", "manylinux_2_34")
    platform = [part for libc in libraries for part in ("--platform", f"{libc}_{processor.machine}")]
    print("dependencies for the emulated Python", flush=True)
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"),
        *("--target", str(site), *platform, "--python-version", PYTHON, "--only-binary", ":all:"),
        *(f"{wheel}[capture]", "anyio", "hypothesis", "pytest", "pytest-timeout"),
    )
    shutil.rmtree(BUILD / "tests", ignore_errors=True)
    shutil.copytree(ROOT / "tests", BUILD / "tests" / "tests")
    shutil.copytree(ROOT / "exi_schemas", BUILD / "tests" / "exi_schemas")
    shutil.copy(ROOT / "pyproject.toml", BUILD / "tests")
    python = [emulator, "-L", str(system), f"{system}/usr/bin/python{PYTHON}"]
    environment = {"PYTHONPATH": str(site), "PATH": os.environ["PATH"], "HOME": str(BUILD), "CI": "true"}
    start = "import platform, secc, secc._exi; print(platform.machine(), secc._exi.__file__)"
    _run(*python, "-c", start, environment=environment, cwd=BUILD / "tests")
    command = [*python, "-m", "pytest", "-q", "--timeout=1800", *tests]
    return subprocess.run(command, env=environment, cwd=BUILD / "tests", check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("processor", choices=sorted(PROCESSORS))
    parser.add_argument(
        "--try", dest="tests", nargs="*", metavar="TEST", help="run these tests under emulation"
    )
    options = parser.parse_args(arguments)
    processor = PROCESSORS[options.processor]
    packages = Packages(processor.debian)
    wheel = build(processor, compiler(packages, processor))
    print(wheel.relative_to(ROOT))
    if options.tests is None:
        return 0
    return emulated(packages, processor, wheel, options.tests or CORE)


CORE = [
    "tests/exi/test_codec.py",
    "tests/exi/test_vectors.py",
    "tests/test_connection.py",
    "tests/session",
    "tests/slac",
    "tests/pki",
]
"""What `--try` without names runs: the codec and everything that decides."""


def _run(*command: str, cwd: pathlib.Path = ROOT, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd, env=environment)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
