"""A minimal root file system of a station: Debian packages, the wheel, a configuration, nothing to write to.

    python -m tools.release.image build dist/secc-*.whl       build/image, from the Debian of this Python
    python -m tools.release.image measure                     serve from it read-only, as another user

`build` needs root, mmdebstrap and a network; the Debian release must have the Python of this interpreter, as
the wheel is for it. `measure` mounts the tree read-only in a mount namespace of its own, starts a simulated
station as `nobody` without capabilities, lets a simulated EV charge, and prints sizes and memory.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "image"
PACKAGES = ("base-files", "base-passwd", "python3", "ca-certificates")
"""What a station needs of Debian, with their dependencies; `ca-certificates` for a central system."""
PLACE = "opt/secc"
NOBODY = 65534
_UNUSED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"),
    *("usr/share/bug", "usr/share/perl*", "usr/lib/*/perl*", "usr/bin/perl*", "usr/share/debconf"),
    *("usr/lib/*/gconv", "usr/lib/python3*/test", "usr/lib/python3*/lib2to3", "usr/lib/python3*/idlelib"),
    *("usr/lib/python3*/tkinter", "usr/lib/python3*/pydoc_data", "usr/lib/python3*/distutils"),
    *("usr/bin/openssl", "usr/bin/c_rehash", "usr/bin/pydoc*", "usr/bin/pdb*", "usr/bin/2to3*"),
    *("usr/lib/python3*/unittest", "usr/lib/python3*/ensurepip", "usr/lib/python3*/turtle*"),
    *("var/cache/*", "var/lib/apt", "var/lib/dpkg/info", "boot", "home", "media", "srv", "opt/secc/bin"),
)
"""Not needed at run time."""
ENTRY = "#!/usr/bin/python3 -s\nimport sys\n\nfrom secc.cli import main\n\nsys.exit(main())\n"
"""There is no shell in the tree."""


def build(wheel: pathlib.Path, release: str, extras: str = "") -> None:
    """Make the tree from nothing."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    packages = ",".join(PACKAGES)
    _run("mmdebstrap", "--quiet", "--variant=extract", f"--include={packages}", release, str(OUT))
    name = f"{wheel}[{extras}]" if extras else str(wheel)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
    _run(sys.executable, "-m", "pip", "install", *quiet, "--target", str(OUT / PLACE), name)
    (OUT / "usr/lib/python3/dist-packages/secc.pth").write_text(f"/{PLACE}\n", encoding="utf-8")
    entry = OUT / "usr/bin/secc"
    entry.write_text(ENTRY, encoding="utf-8")
    entry.chmod(0o755)
    trim(OUT)
    # A read-only tree cannot keep what Python compiles, so that is done here, once.
    compiled = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", f"/{PLACE}", "/usr/lib")
    subprocess.run(["chroot", str(OUT), "/usr/bin/python3", *compiled], check=False)
    for place in ("etc/secc", "var/lib/secc"):
        (OUT / place).mkdir(parents=True, exist_ok=True)


def trim(tree: pathlib.Path) -> None:
    """Remove what is not needed at run time."""
    for pattern in _UNUSED:
        for path in tree.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def measure() -> None:
    """Serve from the tree, read-only and without root, and charge once."""
    for name in ("", PLACE, "usr/lib", "usr/bin"):
        print(f"{name or 'whole tree':12} {_size(OUT / name) / 1e6:6.1f} MB")
    writable = ("tmp", "run", "var/lib/secc")
    steps = (
        "set -e",
        f"mount --bind {OUT} {OUT}",
        f"mount -o remount,ro,bind {OUT}",
        *(f"mount -t tmpfs -o size=4m,mode=1777 none {OUT}/{place}" for place in writable),
        f"mount -t proc proc {OUT}/proc",
        f"if touch {OUT}/etc/x 2>/dev/null; then echo 'not read-only'; exit 1; fi",
        "ip link set lo up",
        f"exec chroot --userspec={NOBODY}:{NOBODY} {OUT} "
        "/usr/bin/secc serve --sim ac --interface lo --health 9151 --quiet",
    )
    station = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", "\n".join(steps)])
    try:
        time.sleep(_START)
        _report(station.pid, "idle")
        ev = ("nsenter", f"--net=/proc/{station.pid}/ns/net", sys.executable, "-m", "secc", "ev")
        charged = subprocess.run([*ev, "--ac", "--interface", "lo", "--quiet"], check=False, cwd=ROOT)
        print(f"exit code of the EV: {charged.returncode}")
        _report(station.pid, "after a session")
    finally:
        station.terminate()
        station.wait(10.0)


_START = 4.0  # s


def _report(pid: int, when: str) -> None:
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    resident, shared = (_number(pattern, text) / 1024 for pattern, text in ((_RSS, status), (_PSS, rollup)))
    caps = _number(r"CapEff:\s+0*([0-9a-f]+)", status, base=16)
    user = _number(r"Uid:\s+(\d+)", status)
    print(
        f"{when}: {resident:.1f} MiB resident, {shared:.1f} MiB proportional, user {user}, "
        f"capabilities {caps:#x}"
    )


_RSS, _PSS = r"VmRSS:\s+(\d+)", r"Pss:\s+(\d+)"


def _number(pattern: str, text: str, *, base: int = 10) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit("the station does not run")
    return int(found[1], base)


def _size(path: pathlib.Path) -> int:
    return int(subprocess.run(["du", "-sb", str(path)], check=True, capture_output=True).stdout.split()[0])


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("build", help="make build/image")
    made.add_argument("wheel", type=pathlib.Path, help="the wheel to install")
    made.add_argument("--release", default="bookworm", help="release of Debian (bookworm)")
    made.add_argument("--extras", default="", help="of the wheel, for example ocpp")
    commands.add_parser("measure", help="serve from it and measure")
    options = parser.parse_args(arguments)
    if options.command == "measure":
        measure()
        return 0
    if not options.wheel.is_file():
        parser.error(f"{options.wheel}: no such file; `make build` makes a wheel")
    build(options.wheel.resolve(), options.release, options.extras)
    return 0


if __name__ == "__main__":
    sys.exit(main())
