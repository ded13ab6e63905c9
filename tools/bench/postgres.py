"""A separate PostgreSQL for tests and measurements: in a folder, on loopback, ended with the block.

It refuses to run as root, so root runs it as another user: `postgres`, which the package of distributions
makes, or `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PLACES = ("/usr/lib/postgresql", "/usr/local", "/usr")


class Cluster:
    """One running server; made by `cluster`."""

    def __init__(self, folder: Path, binaries: Path, *, durable: bool) -> None:
        self._folder = folder
        self._binaries = binaries
        self._durable = durable
        self.port = _free_port()
        self._user = _other_user()
        if self._user is not None:
            os.chown(folder, *_ids(self._user))
        data = str(folder / "data")
        self._run("initdb", "-D", data, "-U", "secc", "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C")

    @property
    def url(self) -> str:
        """For SQLAlchemy; the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Another database of the cluster."""
        return f"postgresql://secc@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
        options += "-c shared_buffers=512MB -c max_wal_size=4GB -c checkpoint_timeout=15min "
        if not self._durable:
            options += "-c fsync=off -c full_page_writes=off "
        log = str(self._folder / "log")
        self._run(
            "pg_ctl", "-D", str(self._folder / "data"), "-w", "-t", "60", "-l", log, "-o", options, "start"
        )

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop at once, as a power cut does; `fast` ends connections in order."""
        data = str(self._folder / "data")
        with contextlib.suppress(subprocess.CalledProcessError):  # not running
            self._run("pg_ctl", "-D", data, "-m", mode, "-w", "-t", "60", "stop")

    def make_database(self, name: str) -> str:
        """A new database; its address."""
        statement = f"CREATE DATABASE {name}"
        self._run(
            "psql", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "secc", "-c", statement, "postgres"
        )
        return self.url_of(name)

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = (str(self._binaries / program), *arguments)
        if self._user is not None:
            command = ("runuser", "-u", self._user, "--", *command)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)


def binaries() -> Path | None:
    """The folder with initdb and postgres; None when there is none."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    for place in PLACES:
        candidates += sorted((path.parent for path in Path(place).glob("*/bin/initdb")), reverse=True)
        candidates.append(Path(place) / "bin")
    whole = (one for one in candidates if all((one / name).exists() for name in ("initdb", "pg_ctl", "psql")))
    return next(whole, None)


@contextlib.contextmanager
def cluster(*, durable: bool = True, folder: Path | None = None) -> Iterator[Cluster]:
    """A running cluster; `durable` as in production, without it faster and good for tests."""
    where = binaries()
    if where is None:
        raise FileNotFoundError("no PostgreSQL: initdb, pg_ctl and psql are needed")
    with tempfile.TemporaryDirectory(prefix="secc-postgres-", dir=folder, ignore_cleanup_errors=True) as made:
        os.chmod(made, 0o755)
        running = Cluster(Path(made), where, durable=durable)
        running.start()
        try:
            yield running
        finally:
            running.stop()


def _other_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
