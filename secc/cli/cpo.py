"""`secc cpo`: the services of a charging point operator."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import getpass
import importlib.util
import logging
import os
import signal
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from secc.cli import cpo_client, misused, output, refused
from secc.cli.actions import add_action
from secc.errors import ConfigError, SeccError
from secc.private_files import write_private

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from secc.operator.cpo.engine import Engine
    from secc.operator.cpo.service import OperatorService
    from secc.operator.cpo.settings import CpoSettings, Tls

EXAMPLES = """examples:
  secc cpo init ops            create a folder with settings, a token and a test hierarchy
  secc cpo serve ops/cpo.toml  run the HTTP service
  secc cpo work ops/cpo.toml   run only its jobs, beside the service (PostgreSQL)
  secc cpo token csms station  create a token for the settings
  secc cpo login Ada admin     create a personal login for the pages; asks for the password
  secc cpo car DEABC000000001G oem_chain.pem
                               print the body of POST /v1/cars
  secc cpo enroll http://127.0.0.1:8470 DE-ABC-E1 --token-file token
                               get a certificate for a station, with a new key
  secc cpo audit ops/cpo.toml  check the audit log; --export and --checkpoint detect truncation
  secc cpo demo                run all roles with three cars, and print a table of the results
  secc cpo openapi             print the API of the service as OpenAPI

Needs `pip install secc[cpo]`.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
    for name, purpose, action in (
        ("serve", "serve over HTTP until a signal arrives", _serve),
        ("work", "run jobs until a signal arrives", _work),
        ("audit", "check the seals of the audit log", _audit),
    ):
        command = add_action(commands, name, purpose, action)
        command.add_argument("settings", type=Path, help="TOML file")
        if name == "serve":
            command.add_argument(
                "--port", type=int, help="port instead of the one in the file; 0 for a free one"
            )
            command.add_argument(
                "--workers", type=int, default=1, help="number of processes; more than one needs PostgreSQL"
            )
            command.add_argument("--no-jobs", action="store_true", help="leave jobs to `secc cpo work`")
        if name == "audit":
            command.add_argument("--checkpoint", type=Path, help="check against this earlier state")
            command.add_argument("--export", type=Path, help="write the present state to this file")
        if name == "work":
            command.add_argument("--at-once", type=int, default=2, help="number of concurrent jobs")
    init = add_action(commands, "init", "create a folder with settings, a token and a test hierarchy", _init)
    init.add_argument("folder", type=Path)
    token = add_action(
        commands, "token", "create a token; prints it once, with its entry for the settings", _token
    )
    token.add_argument("name", help="name of the holder; appears in the audit log")
    token.add_argument("access", nargs="+", choices=["station", "operator", "admin"])
    login = add_action(
        commands, "login", "create a personal login for the pages; prints its entry for the settings", _login
    )
    login.add_argument("name", help="name of the person; appears in the audit log")
    login.add_argument("access", nargs="*", choices=["operator", "admin"], default="operator")
    login.add_argument(
        "--password-file", type=Path, help="read the password from the first line of this file"
    )
    cpo_client.configure_car(
        add_action(commands, "car", "print the body of POST /v1/cars for a chain in PEM", cpo_client.car)
    )
    cpo_client.configure_enroll(
        add_action(commands, "enroll", "get a certificate for a station, with a new key", cpo_client.enroll)
    )
    demo = add_action(
        commands, "demo", "run ecosystem, service, CSMS, two stations and three cars on loopback", _demo
    )
    demo.add_argument("--quiet", "-q", action="store_true", help="print only the table at the end")
    add_action(commands, "openapi", "print the OpenAPI document", _openapi)


def run(arguments: argparse.Namespace) -> int:
    """Run one action; returns 0 (done), 1 (refused) or 2 (misused)."""
    if any(importlib.util.find_spec(one) is None for one in ("fastapi", "sqlalchemy", "argon2")):
        return misused("the services of an operator need more packages: pip install 'secc[cpo]'")
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.WARNING)
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        return action(arguments)
    except ConfigError as error:
        return misused(str(error))
    except SeccError as error:
        return refused(str(error))


# --- the service ------------------------------------------------------------------------------------------

_SETTINGS = "SECC_CPO_SETTINGS"
_NO_JOBS = "SECC_CPO_NO_JOBS"


def application() -> FastAPI:
    """Called by each worker process of `secc cpo serve`; the parent process passes the file name."""
    service = _service(Path(os.environ[_SETTINGS]))
    return _application(service, jobs=_NO_JOBS not in os.environ)


def _application(service: OperatorService, *, jobs: bool) -> FastAPI:
    from secc.operator.cpo.app import make_app

    return make_app(service, _engine(service) if jobs and service.settings.jobs else None)


def _service(path: Path) -> OperatorService:
    from secc.operator.cpo import settings
    from secc.operator.cpo.service import OperatorService
    from secc.operator.opcp.client import OpcpClient

    made = settings.load(path)
    return OperatorService(made, ecosystem=None if made.opcp is None else OpcpClient(made.opcp))


def _engine(service: OperatorService, at_once: int = 2) -> Engine:
    from secc.operator.cpo.engine import InProcess, Queue

    if service.database.is_postgresql:
        return Queue(service.database.url, service.jobs, concurrency=at_once)
    return InProcess(service.jobs)


def _serve(arguments: argparse.Namespace) -> int:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    service = _service(arguments.settings)
    settings = service.settings
    if arguments.workers > 1 and not service.database.is_postgresql:
        return misused("--workers: SQLite allows one process, more than one needs PostgreSQL")
    if arguments.workers > 1 and settings.session_key is None and not settings.open:
        return misused("--workers: a login must be valid in every process, which needs session_key")
    service.database.claim()
    options: dict[str, object] = {
        "host": settings.host,
        "port": settings.port if arguments.port is None else arguments.port,
        "log_level": "warning",
        "server_header": False,
    }
    options |= {} if settings.tls is None else tls_options(settings.tls)
    with contextlib.ExitStack() as stack:
        if arguments.workers > 1:
            service.close()
            os.environ[_SETTINGS] = str(arguments.settings)
            if arguments.no_jobs:
                os.environ[_NO_JOBS] = "1"
            figures = stack.enter_context(tempfile.TemporaryDirectory(prefix="secc-cpo-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
            config = uvicorn.Config(
                "secc.cli.cpo:application",
                factory=True,
                workers=arguments.workers,
                timeout_worker_healthcheck=30,  # a busy machine starts slowly; this is no reason to restart
                **options,  # type: ignore[arg-type]
            )
            listener = config.bind_socket()
            listener.listen()  # a connection that comes before the server runs waits
            output.say(start_line(settings, listener.getsockname()[1]))
            Multiprocess(config, sockets=[listener]).run()
            return 0
        app = _application(service, jobs=not arguments.no_jobs)
        config = uvicorn.Config(app, **options)  # type: ignore[arg-type]
        listener = config.bind_socket()
        listener.listen()
        output.say(start_line(settings, listener.getsockname()[1]))
        run_until_signal(uvicorn.Server(config), listener)
    return 0


def start_line(settings: CpoSettings, port: int) -> str:
    """Return where the service is, and how to log in to its pages."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls is None else "https"
    from secc.operator.cpo.settings import Access

    readers = [one for one in settings.tokens if set(one.access) & {Access.OPERATOR, Access.ADMIN}]
    ways = [f"as {one.name}" for one in settings.logins[:1]]
    ways += [f"with the token of {one.name}" for one in readers[:1]]
    how = f"log in {' or '.join(ways)}" if ways else "no login is needed on this machine"
    if not ways and not settings.open:
        how = "no login: `secc cpo login` creates one"
    return f"serving on {host}:{port}; pages for operators: {scheme}://{host}:{port}/ ({how})"


def tls_options(tls: Tls) -> dict[str, object]:
    """TLS options for uvicorn; with `client_roots` a client certificate under one of them is required."""
    options: dict[str, object] = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
    if tls.client_roots is not None:
        options |= {"ssl_ca_certs": str(tls.client_roots), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return options


def run_until_signal(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until a signal arrives, also one that arrives before the start; a signal is not a failure."""

    def end(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    server.run(sockets=[listener])


def _work(arguments: argparse.Namespace) -> int:
    service = _service(arguments.settings)
    service.database.claim()
    engine = _engine(service, arguments.at_once)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with engine.running():
            output.say("working")
            await stop.wait()

    asyncio.run(until_stopped())
    service.close()
    return 0


# --- other actions ----------------------------------------------------------------------------------------


def _audit(arguments: argparse.Namespace) -> int:
    from secc.operator.cpo.seals import Checkpoint

    service = _service(arguments.settings)
    try:
        text = "" if arguments.checkpoint is None else arguments.checkpoint.read_text(encoding="ascii")
        found = service.journal.check(service.clock(), Checkpoint.parse(text) if text else None)
        if found.problem:
            return refused(found.problem)
        if arguments.export is not None:
            arguments.export.write_text(f"{found.checkpoint}\n", encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        return misused(str(error))
    finally:
        service.close()
    kind = "with a key" if service.settings.audit_key else "without a key: see audit_key"
    print(f"{found.checkpoint.count} rows match their seals, {kind}; {found.unsealed} are not sealed yet")
    return 0


def _token(arguments: argparse.Namespace) -> int:
    from secc.operator.cpo.access import new_token

    token, digest = new_token()
    print(f"token (shown only once): {token}\n")
    print(_token_lines(arguments.name, digest, arguments.access))
    return 0


def _login(arguments: argparse.Namespace) -> int:
    from secc.operator.cpo.logins import hash_password

    try:
        if arguments.password_file is not None:
            password = arguments.password_file.read_text(encoding="utf-8").partition("\n")[0]
        else:
            password = getpass.getpass("password: ")
            if getpass.getpass("again: ") != password:
                return misused("the two passwords differ")
        digest = hash_password(password)
    except (OSError, ValueError) as error:
        return misused(str(error))
    access = [arguments.access] if isinstance(arguments.access, str) else arguments.access
    granted = ", ".join(f'"{one}"' for one in access)
    print(f'[[logins]]\nname = "{arguments.name}"\npassword = "{digest}"\naccess = [{granted}]')
    return 0


def _token_lines(name: str, digest: str, access: list[str]) -> str:
    granted = ", ".join(f'"{one}"' for one in access)
    return f'[[tokens]]\nname = "{name}"\nsha256 = "{digest}"\naccess = [{granted}]\n'


def _init(arguments: argparse.Namespace) -> int:
    from secc.operator.cpo.access import new_token
    from secc.pki.chains import KINDS
    from secc.pki.hierarchy import make_hierarchy, write_hierarchy
    from secc.pki.trust import Role

    folder: Path = arguments.folder
    if (folder / "cpo.toml").exists():
        return misused(f"{folder}/cpo.toml exists already")
    now = datetime.datetime.now(datetime.UTC)
    pki = make_hierarchy(not_before=now - datetime.timedelta(days=1), random_bytes=os.urandom(32))
    write_hierarchy(pki, folder / "pki", now)
    for name, kinds in (
        ("mo", KINDS[Role.CONTRACT][1:]),
        ("cps", KINDS[Role.CPS]),
        ("cpo", KINDS[Role.SECC][1:]),
    ):
        chain = b"".join(pki[kind].certificate.pem for kind in kinds)
        (folder / "pki" / f"{name}.pem").write_bytes(chain)
    for key in ("audit.key", "session.key"):
        write_private(folder / key, os.urandom(32).hex().encode() + b"\n")
    token, digest = new_token()
    lines = _token_lines("administrator", digest, ["admin"])
    (folder / "cpo.toml").write_text(_FIRST_SETTINGS + lines, encoding="utf-8")
    print(f"{folder}/cpo.toml: settings; {folder}/pki: a hierarchy for tests only, with all keys")
    print(f"start: secc cpo serve {folder}/cpo.toml; pages for operators: http://127.0.0.1:8470/")
    print(f"token of the administrator (shown only once): {token}")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("ocpp") is None or importlib.util.find_spec("websockets") is None:
        return misused("the demonstration needs pip install 'secc[cpo,ocpp]'")
    from secc.cli import demo_cpo

    return demo_cpo.run(arguments)


def _openapi(arguments: argparse.Namespace) -> int:
    import json

    from secc.operator.cpo.app import make_app
    from secc.operator.cpo.service import OperatorService
    from secc.operator.cpo.settings import CpoSettings

    with tempfile.TemporaryDirectory(prefix="secc-cpo-") as folder:
        service = OperatorService(CpoSettings(database=f"sqlite:///{folder}/cpo.db"))
        print(json.dumps(make_app(service).openapi(), indent=2))
        service.close()
    return 0


_FIRST_SETTINGS = """\
# Settings of `secc cpo`. File names are relative to this file.
database = "sqlite:///cpo.db"   # or "postgresql://user@host/name"

audit_key = "audit.key"         # seals the audit log; keep it from the administrators of the database
session_key = "session.key"     # signs the logins of the pages

[roots]
v2g = ["pki/v2g_root.pem"]
mo = ["pki/mo_root.pem"]
oem = ["pki/oem_root.pem"]

# Signing keys. For a key in a hardware security module write hsm = {module = ..., token = ...,
# label = ..., pin_file = ...} instead of key.
[mo]
chain = "pki/mo.pem"
key = "pki/mo_sub_ca_2_key.pem"

[cps]
chain = "pki/cps.pem"
key = "pki/cps_leaf_key.pem"

[cpo]
chain = "pki/cpo.pem"
key = "pki/cpo_sub_ca_2_key.pem"

# Authorities above these, for OCSP responses about the Sub-CAs. Only in a test hierarchy are all keys here.
[[authorities]]
chain = "pki/mo_sub_ca_1.pem"
key = "pki/mo_sub_ca_1_key.pem"

[[authorities]]
chain = "pki/mo_root.pem"
key = "pki/mo_root_key.pem"

[[authorities]]
chain = "pki/cpo_sub_ca_1.pem"
key = "pki/cpo_sub_ca_1_key.pem"

[[authorities]]
chain = "pki/v2g_root.pem"
key = "pki/v2g_root_key.pem"

"""
