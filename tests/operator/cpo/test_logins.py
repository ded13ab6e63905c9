"""Logins to the pages: passwords and tokens, cookies, forms of other sites, too many attempts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

import secc.cli
from secc.errors import ConfigError
from secc.operator.cpo import logins
from secc.operator.cpo.access import new_token
from secc.operator.cpo.logins import hash_password, local_target
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Access, CpoSettings, PageLogin, Token, check
from secc.operator.cpo.throttle import Throttle
from tests.operator.cpo.support import EMAID, Clock, client_of, make_service

PASSWORD = "correct horse battery staple"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
TOKEN, DIGEST = new_token()
READER, READER_DIGEST = new_token()


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_HASHER", QUICK)


def guarded(folder: Path, clock: Clock | None = None, **changes: Any) -> OperatorService:
    return make_service(
        folder,
        clock,
        logins=(
            PageLogin(name="Ada", password=QUICK.hash(PASSWORD), access=(Access.ADMIN,)),
            PageLogin(name="Bob", password=QUICK.hash(PASSWORD)),
        ),
        tokens=(
            Token(name="back office", sha256=DIGEST, access=(Access.ADMIN,)),
            Token(name="box", sha256=READER_DIGEST, access=(Access.STATION,)),
        ),
        **changes,
    )


@pytest.fixture
def service(tmp_path: Path) -> OperatorService:
    return guarded(tmp_path)


@pytest.fixture
def client(service: OperatorService) -> Iterator[TestClient]:
    with client_of(service) as made:
        yield made


def secret_of(text: str) -> str:
    found = re.search(r'name="secret" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def log_in(client: TestClient, name: str = "Ada", password: str = PASSWORD, to: str = "/contracts") -> Any:
    secret = secret_of(client.get("/login").text)
    form = {"secret": secret, "name": name, "password": password, "to": to}
    return client.post("/login", data=form, follow_redirects=False)


def test_a_page_leads_to_the_login_and_the_login_to_the_page(client: TestClient) -> None:
    sent = client.get("/contracts?search=DE", follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?to=%2Fcontracts%3Fsearch%3DDE")
    assert "<td" not in client.get("/contracts").text
    answer = log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/contracts")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "Ada" in client.get("/contracts").text


def test_the_audit_log_names_the_person(client: TestClient, service: OperatorService) -> None:
    log_in(client, "Bob")
    (note,) = service.journal.notes()
    assert (note.who, note.what, note.detail) == ("Bob", "login", "from testclient")


def test_a_token_logs_in_as_its_holder_and_one_of_a_station_may_not_read(client: TestClient) -> None:
    assert log_in(client, "", TOKEN).status_code == 303
    assert "back office" in client.get("/").text
    assert log_in(client, "", READER).status_code == 303
    assert client.get("/").status_code == 403


@pytest.mark.parametrize("name", ["Ada", "nobody", ""])
def test_a_wrong_password_is_refused_with_the_same_text(client: TestClient, name: str) -> None:
    answer = log_in(client, name, "wrong")
    assert answer.status_code == 401
    assert "Name and password do not match." in answer.text
    assert client.get("/contracts", follow_redirects=False).status_code == 303


def test_a_login_ends_with_its_time_with_the_password_and_with_the_person(tmp_path: Path) -> None:
    clock = Clock()
    key = tmp_path / "session.key"
    key.write_text("ab" * 32)
    service = guarded(tmp_path, clock, session_key=key)
    changed = guarded(tmp_path, clock, session_key=key)  # every hash has a new salt
    with client_of(service) as client:
        log_in(client)
        cookies = dict(client.cookies)
        assert client.get("/", follow_redirects=False).status_code == 200
        clock.move(hours=8.1)
        assert client.get("/", follow_redirects=False).status_code == 303
        clock.move(hours=-8)
    with client_of(changed) as other:
        other.cookies.update(cookies)
        assert other.get("/", follow_redirects=False).status_code == 303


def test_logging_out_ends_the_login(client: TestClient) -> None:
    log_in(client)
    secret = secret_of(client.get("/").text)
    assert client.post("/logout", data={"secret": secret}, follow_redirects=False).status_code == 303
    assert client.get("/", follow_redirects=False).status_code == 303


def test_a_cookie_that_was_changed_is_worth_nothing(client: TestClient) -> None:
    log_in(client)
    value = client.cookies["secc_cpo"]
    client.cookies.clear()
    client.cookies.set("secc_cpo", "A" + value[1:])
    assert client.get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"secret": "guessed"}, {}),
        ({"secret": "right"}, {"Origin": "http://elsewhere.example"}),
        ({"secret": "right"}, {"Origin": "null"}),
    ],
    ids=["without the secret", "a guessed secret", "another site", "a hidden site"],
)
def test_a_form_of_another_site_changes_nothing(
    client: TestClient, service: OperatorService, fields: dict[str, str], headers: dict[str, str]
) -> None:
    service.contracts.put(EMAID)
    log_in(client)
    right = secret_of(client.get(f"/contracts/{EMAID}/block").text)
    body = {"reason": "an attack", **fields}
    if fields.get("secret") == "right":
        body["secret"] = right
    answer = client.post(f"/contracts/{EMAID}/block", data=body, headers=headers)
    assert answer.status_code == 403
    assert client.get(f"/v1/contracts/{EMAID}", headers={"Authorization": f"Bearer {TOKEN}"}).json()[
        "status"
    ] == ("active")


def test_who_may_only_read_gets_no_form_and_changes_nothing(
    client: TestClient, service: OperatorService
) -> None:
    service.contracts.put(EMAID)
    log_in(client, "Bob")
    assert "/block" not in client.get(f"/contracts/{EMAID}").text
    secret = secret_of(client.get("/").text)
    body = {"reason": "curiosity", "secret": secret}
    for path in (f"/contracts/{EMAID}/block", "/new-contract", "/certificates/ab/revoke"):
        assert client.get(path).status_code == 403
        assert client.post(path, data=body).status_code == 403


@pytest.mark.parametrize("target", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere", "x"])
def test_a_login_continues_on_this_site_only(client: TestClient, target: str) -> None:
    assert local_target(target) == "/"
    assert log_in(client, to=target).headers["location"] == "/"


def test_wrong_passwords_are_slowed_down_and_recorded_once(tmp_path: Path) -> None:
    ticks = Ticks()
    service = guarded(tmp_path)
    service.throttle = Throttle(ticks)
    with client_of(service) as client:
        codes = [log_in(client, "Ada", "wrong").status_code for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2
        waiting = log_in(client)
        assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "60")
        (refused,) = service.journal.refusals()
        assert (refused.what, refused.identity, refused.rule) == ("login", "Ada", "too_many")
        ticks.now = 61.0
        assert log_in(client).status_code == 303


def test_wrong_tokens_are_slowed_down_and_right_ones_are_not(tmp_path: Path) -> None:
    service = guarded(tmp_path)
    service.throttle = Throttle(Ticks())
    with client_of(service) as client:
        codes = [
            client.get("/v1/contracts", headers={"Authorization": "Bearer guess"}).status_code
            for _ in range(12)
        ]
        assert codes == [401] * 10 + [429] * 2
        assert client.get("/v1/contracts", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/v1/contracts").status_code == 401
        assert [one.what for one in service.journal.refusals()] == ["token"]


def test_the_failures_of_the_oldest_caller_are_forgotten_first() -> None:
    throttle = Throttle(Ticks(), limit=1)
    for number in range(10_001):
        throttle.failed(f"{number}")
    assert [throttle.wait(one) > 0 for one in ("0", "1", "10000")] == [False, True, True]
    throttle.succeeded("1")
    assert throttle.wait("1") == 0.0


def test_without_tokens_and_logins_there_is_no_login(tmp_path: Path) -> None:
    with client_of(make_service(tmp_path)) as client:
        assert client.get("/login", follow_redirects=False).headers["location"] == "/"
        assert "Log out" not in client.get("/").text


# --- settings and command ---


def test_the_command_makes_a_login_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    command = ["cpo", "login", "Ada", "--password-file", str(tmp_path / "password")]
    assert secc.cli.main(command) == 0
    printed = capsys.readouterr().out
    assert PASSWORD not in printed
    path = tmp_path / "cpo.toml"
    path.write_text(printed)
    from secc.operator.cpo.settings import load

    (login,) = load(path).logins
    assert (login.name, login.access) == ("Ada", (Access.OPERATOR,))
    assert QUICK.verify(login.password, PASSWORD)
    (tmp_path / "password").write_text("short\n")
    assert secc.cli.main(command) == 2
    with pytest.raises(ValueError, match="at least 12"):
        hash_password("short")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"logins": (PageLogin(name="Ada", password="plain"),)}, "no Argon2id hash"),
        ({"login_hours": 0.0}, "login_hours"),
        (
            {
                "logins": (PageLogin(name="x", password="$argon2id$"),),
                "tokens": (Token(name="x", sha256=DIGEST, access=()),),
            },
            "x appears twice",
        ),
    ],
)
def test_settings_of_logins_that_cannot_be_used_are_named(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        check(CpoSettings(**changes))
