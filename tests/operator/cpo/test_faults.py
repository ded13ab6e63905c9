"""Faults around the service: nothing is lost or duplicated, and every caller gets an answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect

import secc.cli
from secc.errors import ConfigError
from secc.operator.cpo.access import new_token
from secc.operator.cpo.database import Database, StorageError
from secc.operator.cpo.engine import Queue
from secc.operator.cpo.journal import SessionRecord
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import CpoSettings, Roots, Tls, Token, check, load
from secc.pki.identifiers import EMAID as Emaid
from tests.operator.cpo.support import EMAID, ask, client_of, installation, make_service, with_car
from tests.operator.cpo.test_engine import QUICK, fill, totals
from tests.support.contracts import NOW
from tools.bench.postgres import Cluster, binaries, cluster


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Cluster]:
    """A server that a test may stop, and starts again."""
    if binaries() is None:
        pytest.skip("no PostgreSQL on this machine (apt install postgresql)")
    with cluster(durable=False) as running:
        yield running


# --- the database ---


def test_a_database_that_goes_away_and_comes_back(tmp_path: Path, own_postgres: Cluster) -> None:
    service = with_car(make_service(tmp_path, database=own_postgres.url))
    form = {"action": "Install", "request": base64.b64encode(installation()).decode()}
    with client_of(service) as client:
        first = ask(client, installation())
        own_postgres.stop()
        for _ in range(2):
            answer = client.post("/v1/provisioning", json=form)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/live").status_code == 200
        assert "The database is not available" in client.get("/contracts").text
        assert client.get("/metrics").status_code == 503
        own_postgres.start()
        assert ask(client, installation()) == first
        assert client.get("/health/ready").status_code == 200


async def test_jobs_go_on_when_the_database_is_back(tmp_path: Path, own_postgres: Cluster) -> None:
    url = own_postgres.make_database("jobs")
    service = make_service(tmp_path, database=url)
    queue = Queue(url, service.jobs, QUICK)
    await queue.prepare()
    async with queue.running():
        await asyncio.sleep(0.5)  # longer than the queue waits between two looks
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(own_postgres.start)
        fill(service, 10)
        while totals(service)[0] != 10:  # noqa: ASYNC110 - the database reports no changes
            await asyncio.sleep(0.1)
    assert totals(service) == (10, 10, 10, 10)
    service.close()


def test_a_full_disk_refuses_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    service = with_car(make_service(tmp_path))
    limit = {"pages": 0}

    @event.listens_for(service.database.engine, "begin")
    def full(connection: Any) -> None:
        if limit["pages"]:
            connection.exec_driver_sql(f"PRAGMA max_page_count={limit['pages']}")

    with client_of(service) as client:
        ask(client, installation())
        with service.database.read() as connection:
            limit["pages"] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        for number in range(2000, 2400):
            emaid = f"DEABC{number:09d}"
            answer = client.put(f"/v1/contracts/{emaid}", json={})
            if answer.status_code != 200:
                break
        assert answer.status_code == 503
        assert "full" in answer.json()["detail"]
        assert service.contracts.get(Emaid.parse(emaid)) is None
        assert ask(client, installation())["status"] == "Accepted"  # what is there is still answered
        limit["pages"] = 1_000_000
        assert client.put(f"/v1/contracts/{emaid}", json={}).status_code == 200


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with service.database.write() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = '99'")
    service.close()
    with pytest.raises(StorageError, match="version 99"):
        make_service(tmp_path)


def test_tables_of_the_version_before_are_brought_up_to_date(tmp_path: Path, changes: dict[str, Any]) -> None:
    service = make_service(tmp_path, **changes)
    report = SessionRecord(id="t", station="D-1", evse_id="1", emaid=EMAID, started_at=NOW)
    service.journal.put_session(report)
    with service.database.write() as connection:
        for index in (
            "session_outlet",
            "session_contract",
            "refusal_identity",
            "audit_subject",
            "foreign_car",
        ):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        for column in ("meter_start_wh", "meter_stop_wh", "doubt"):
            connection.exec_driver_sql(f"ALTER TABLE session DROP COLUMN {column}")
        connection.exec_driver_sql("ALTER TABLE foreign_bundle DROP COLUMN pcid")
        connection.exec_driver_sql("UPDATE meta SET value = '2'")
    service.close()
    again = make_service(tmp_path, **changes)
    assert again.journal.sessions() == (report,)
    with again.database.read() as connection:
        indexes = {one["name"] for one in inspect(connection).get_indexes("session")}
    assert {"session_start", "session_outlet", "session_contract"} == indexes
    again.close()


def test_a_database_that_is_not_there_is_a_storage_error() -> None:
    database = Database("postgresql://secc@127.0.0.1:9/none")
    assert not database.ready()
    with pytest.raises(StorageError):
        database.make_tables()


# --- the process ---


class Process:
    """`secc cpo serve` in a separate process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.token = ""
        if not (folder / "cpo.toml").exists():
            self.token = _init(folder).rsplit(" ", 1)[1].strip()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "secc", "cpo", "serve", str(folder / "cpo.toml"), "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        found = re.search(r"serving on ([\d.:]+)", self.process.stdout.readline())
        assert found is not None
        self.url = f"http://{found[1]}"

    def call(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        for _ in range(600):
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.loads(error.read() or b"null")
            except urllib.error.URLError:  # bound, and not serving yet
                time.sleep(0.05)
        pytest.fail("the service does not answer")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def _init(folder: Path) -> str:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert secc.cli.main(["cpo", "init", str(folder)]) == 0
    return told.getvalue()


def test_a_killed_service_has_kept_what_it_has_promised(tmp_path: Path) -> None:
    promised = []
    with Process(tmp_path / "ops") as first:
        token = first.token
        for number in range(20):
            status, answer = first.call("PUT", f"/v1/contracts/DEABC{number:09d}", {})
            assert status == 200
            promised.append(answer)
        first.end(signal.SIGKILL)
    with Process(tmp_path / "ops") as second:
        assert second.call("GET", "/v1/contracts", token=token) == (200, promised)
        assert second.call("GET", "/v1/contracts", token="another")[0] == 401
        assert second.end() == 0


def test_several_processes_need_postgresql_and_serve_one_port(
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _init(tmp_path / "ops")
    path = tmp_path / "ops" / "cpo.toml"
    assert secc.cli.main(["cpo", "serve", str(path), "--workers", "2"]) == 2
    assert "SQLite allows one process" in capsys.readouterr().err
    text = path.read_text().replace("sqlite:///cpo.db", postgres_url)
    path.write_text(re.sub(r"\[\[tokens\]\].*", "", text, flags=re.S))
    with Process(tmp_path / "ops", "--workers", "2", "--no-jobs") as process:
        assert process.call("PUT", f"/v1/contracts/{EMAID}", {})[0] == 200
        assert all(process.call("GET", f"/v1/contracts/{EMAID}")[0] == 200 for _ in range(10))


def test_the_commands_around_the_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "ops"

    def secc_cpo(*arguments: str) -> tuple[int, str]:
        code = secc.cli.main(["cpo", *arguments])
        return code, capsys.readouterr().out

    assert secc_cpo("init", str(folder))[0] == 0
    assert secc_cpo("init", str(folder))[0] == 2
    assert secc_cpo("audit", str(folder / "cpo.toml")) == (
        0,
        "0 rows match their seals, with a key; 0 are not sealed yet\n",
    )
    checkpoint = folder / "checkpoint"
    assert secc_cpo("audit", str(folder / "cpo.toml"), "--export", str(checkpoint))[0] == 0
    assert secc_cpo("audit", str(folder / "cpo.toml"), "--checkpoint", str(checkpoint))[0] == 0
    checkpoint.write_text("secc-audit-1 7 7 hmac:00 2026-01-01T00:00:00Z")
    assert secc_cpo("audit", str(folder / "cpo.toml"), "--checkpoint", str(checkpoint))[0] == 1
    assert secc_cpo("audit", str(folder / "cpo.toml"), "--checkpoint", str(folder / "none"))[0] == 2
    assert 'access = ["station"]' in secc_cpo("token", "csms", "station")[1]
    assert json.loads(secc_cpo("openapi")[1])["openapi"].startswith("3.")
    assert secc_cpo("serve", str(tmp_path / "none.toml"))[0] == 2
    worker = subprocess.Popen(
        [sys.executable, "-m", "secc", "cpo", "work", str(folder / "cpo.toml")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "working\n"
    worker.terminate()
    assert worker.wait(20) == 0
    worker.stdout.close()


# --- settings ---


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('host = "0.0.0.0"', "not loopback"),
        ("answer_within = 9.0", "answer_within"),
        ('unheard = "of"', "unheard"),
        ("[mo]\nchain = 'x.pem'\nkey = 'y.pem'", "expected mo and cps together"),
        ("[[tokens]]\nname = 'x'\nsha256 = 'short'\naccess = ['admin']", "sha256"),
        ("[[tokens]]\nname = 'x'\nsha256 = 'short'\naccess = ['king']", "access"),
        ("not toml", "cpo.toml"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "cpo.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load(path)


def test_other_hosts_need_tokens_and_tls(tmp_path: Path) -> None:
    tls = Tls(certificate=tmp_path / "c", key=tmp_path / "k")
    token = Token(name="x", sha256=new_token()[1], access=())
    assert check(CpoSettings(host="0.0.0.0", tls=tls, tokens=(token,))).host == "0.0.0.0"
    with pytest.raises(ConfigError):
        check(CpoSettings(host="0.0.0.0", tls=tls))


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = CpoSettings(database=f"sqlite:///{tmp_path}/x.db", roots=Roots(v2g=(tmp_path / "none.pem",)))
    with pytest.raises(ConfigError, match=r"none\.pem"):
        OperatorService(settings)


def test_a_station_loads_none_of_this() -> None:
    script = (
        "import sys, secc.station.station, secc.cli; "
        "heavy = ('fastapi', 'sqlalchemy', 'procrastinate', 'httpx2', 'jinja2'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_second_process_on_the_same_file_is_refused_by_the_id_of_the_first(tmp_path: Path) -> None:
    first = make_service(tmp_path)
    first.database.claim()
    second = make_service(tmp_path)  # looking is allowed: `secc cpo audit` beside `secc cpo serve`
    with pytest.raises(StorageError, match=f"is in use by process {os.getpid()}"):
        second.database.claim()
    first.close()
    second.database.claim()
    second.close()


def test_a_process_that_was_killed_claims_nothing(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/cpo.db"
    program = (
        "import os; from secc.operator.cpo.database import Database; "
        f"Database({database!r}).claim(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    service = make_service(tmp_path)
    service.database.claim()
    service.close()
