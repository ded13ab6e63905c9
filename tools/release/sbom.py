"""Lists what an installation consists of, as CycloneDX: one file for the core and one for each extra.

    python -m tools.release.sbom WHEEL        build/sbom/secc.json, build/sbom/secc-ocpp.json, …

Each list is read from a fresh environment with the wheel and that extra, so it names the versions that pip
chose. The Rust crates inside the extension module are listed in the wheel itself (`*.dist-info/sboms`).
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "sbom"
EXTRAS = ("", "ocpp", "metrics", "hsm", "cpo")
"""The core, and what an integrator or operator installs; tools for development are not shipped."""


def write(wheel: pathlib.Path, extra: str) -> pathlib.Path:
    """The list for one extra; "" is the core."""
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / (f"secc-{extra}.json" if extra else "secc.json")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = pathlib.Path(folder) / "bin" / "python"
        name = f"{wheel}[{extra}]" if extra else str(wheel)
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, name], check=True)
        subprocess.run([python, "-m", "pip", "uninstall", *quiet, "--yes", "pip", "setuptools"], check=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "cyclonedx_py", "environment", str(python)),
                *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library"),
                *("--output-reproducible", "--output-file", str(file)),
            ],
            check=True,
        )
    return file


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=pathlib.Path, help="the wheel to install")
    options = parser.parse_args(arguments)
    if not options.wheel.is_file():
        parser.error(f"{options.wheel}: no such file; `make build` makes a wheel")
    for extra in EXTRAS:
        print(write(options.wheel.resolve(), extra).relative_to(ROOT), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
