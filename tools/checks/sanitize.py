"""``python -m tools.checks.sanitize address|thread [argument of pytest ...]``: the codec with a sanitizer.

Builds the extension module for AddressSanitizer or ThreadSanitizer and lets pytest run with it instead of
the installed one; without arguments for pytest the tests of the codec, or those of many threads. Needs
nightly Rust and the sanitizer runtimes of gcc; without them it says so and does nothing. The interpreter is
not instrumented: its memory is watched because it takes it from `malloc`, its lock because it is of pthreads.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = "SECC_EXTENSION"


@dataclass(frozen=True)
class Sanitizer:
    """What a sanitizer needs: runtime, options in a variable, options of the build, and tests to run."""

    runtime: str
    variable: str
    options: str
    build: tuple[str, ...]
    tests: tuple[str, ...]


CODEC = tuple(
    f"tests/exi/test_{subject}.py"
    for subject in (
        "any_element",
        "codec",
        "explanation",
        "lists",
        "objects",
        "random_messages",
        "vectors",
    )
)
SANITIZERS = {
    # Python leaves much to the end of the process, so what is not freed says nothing.
    "address": Sanitizer("libasan.so", "ASAN_OPTIONS", "detect_leaks=0", (), CODEC),
    # The standard library must be built for it as well.
    "thread": Sanitizer(
        "libtsan.so",
        "TSAN_OPTIONS",
        "exitcode=66 suppressions={folder}/suppressions",
        ("-Zbuild-std",),
        ("tests/exi/test_codec.py", "-k", "threads"),
    ),
}
# The C library frees the memory of an ended thread in another one, behind an internal lock.
SUPPRESSIONS = "race:_dl_deallocate_tls\n"
# What LLVM calls and the runtime of gcc does not have.
SHIM = "".join(
    f"{kind} __tsan_{name}({kind} a, {second} b, unsigned long n) {{ return __builtin_{name}(a, b, n); }}\n"
    for kind, name, second in (
        ("void *", "memcpy", "const void *"),
        ("void *", "memmove", "const void *"),
        ("void *", "memset", "int"),
    )
)


def pytest_configure() -> None:
    """As a plugin of pytest: the module at SECC_EXTENSION is `secc._exi`."""
    path, name = os.environ[EXTENSION], "secc._exi"
    assert name not in sys.modules, "the installed module is in use already"
    spec = importlib.util.spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module


def main(name: str, *arguments: str) -> int:
    """The result of pytest, or 0 where the tools are missing."""
    sanitizer = SANITIZERS[name]
    if reason := missing(sanitizer):
        print(f"sanitizer skipped: {reason}")
        return 0
    folder = ROOT / "build" / "sanitize" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suppressions").write_text(SUPPRESSIONS, encoding="ascii")
    watched = {
        "LD_PRELOAD": f"{runtime(sanitizer)} {shim(folder)}",
        "PYTHONMALLOC": "malloc",
        EXTENSION: str(built(name, folder)),
        sanitizer.variable: sanitizer.options.format(folder=folder),
    }
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "tools.checks.sanitize", "--timeout=600"]
    command = [*pytest, *(arguments or sanitizer.tests)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | watched, check=False).returncode


def missing(sanitizer: Sanitizer) -> str:
    """What this machine lacks; empty if nothing."""
    try:
        root = subprocess.run(
            ["rustc", "+nightly", "--print=sysroot"], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "no nightly Rust"
    if (
        sanitizer.build
        and not (Path(root.stdout.strip()) / "lib/rustlib/src/rust/library/Cargo.lock").exists()
    ):
        return "no source of the standard library: rustup component add rust-src --toolchain nightly"
    return "" if Path(runtime(sanitizer)).is_absolute() else f"gcc has no {sanitizer.runtime}"


def runtime(sanitizer: Sanitizer) -> str:
    """The runtime library: a bare name where gcc does not have it."""
    command = ["gcc", f"-print-file-name={sanitizer.runtime}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def shim(folder: Path) -> Path:
    """The library with `SHIM`."""
    library = folder / "shim.so"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-"]
    subprocess.run(command, check=True, input=SHIM, text=True)
    return library


def built(name: str, folder: Path) -> Path:
    """The extension module, built for a sanitizer in `folder`, unoptimised and with all its checks."""
    version = subprocess.run(["rustc", "+nightly", "-vV"], check=True, capture_output=True, text=True).stdout
    host = version.split("host: ")[1].split()[0]
    command = ["cargo", "+nightly", "build", "--locked", "--quiet", "-p", "secc-exi", "--target", host]
    own = {
        "RUSTFLAGS": f"-Zsanitizer={name}",
        "PYO3_PYTHON": sys.executable,
        "CARGO_TARGET_DIR": str(folder),
    }
    subprocess.run([*command, *SANITIZERS[name].build], cwd=ROOT, env=os.environ | own, check=True)
    return folder / host / "debug" / "lib_exi.so"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
