"""The pages for operators: their content, and what a screen reader finds in them."""

from __future__ import annotations

import datetime
import html.parser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from secc.operator.cpo.journal import RefusalRecord, SessionRecord
from secc.operator.cpo.rendering import PAGES
from secc.operator.cpo.service import OperatorService
from secc.pki.issuing import make_request, new_key, read_request
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action
from secc.site.store import Status
from tests.operator.cpo.support import EMAID, Clock, client_of, installation, make_service, with_car
from tests.support.contracts import NOW


def furnished(folder: Path, clock: Clock | None = None, **changes: Any) -> OperatorService:
    """A week in the life of an operator."""
    service = with_car(make_service(folder, clock, **changes))
    service.contracts.put("DEABC000000002X", Status.BLOCKED)
    assert service.delivery.answer(installation(), Action.INSTALL).refusal is None
    assert service.leaves is not None
    for number in (1, 2):
        key = new_key(str(number).encode())
        request = make_request(
            key, Kind.SECC_LEAF, common_name=f"DEABCS{number}", organization="Us", country="DE"
        )
        service.leaves.issue(read_request(request), f"DEPOT-{number}")
    service.journal.put_session(
        SessionRecord(
            id="s1",
            station="DEPOT-1",
            evse_id="DE*ABC*E1",
            emaid=EMAID,
            started_at=NOW - datetime.timedelta(hours=2),
            ended_at=NOW,
            energy_wh=22_150,
            reason="the EV stopped",
        )
    )
    refusal = RefusalRecord(
        id="r1",
        at=NOW,
        station="DEPOT-2",
        what="authorization",
        identity="DEABC000000002X",
        rule="blocked",
        code="FAILED",
        text="<script>the contract is blocked</script>",
    )
    service.journal.put_refusal(refusal)
    return service


class Outline(html.parser.HTMLParser):
    """What a screen reader finds: landmarks, headings, labels, tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For tests that only read."""
    with client_of(furnished(tmp_path_factory.mktemp("read"))) as made:
        yield made


@pytest.mark.parametrize("path", [path for path, _ in PAGES])
def test_every_page_has_landmarks_one_heading_and_named_tables(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    outline = Outline(answer.text)
    assert [len(outline.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    assert outline.all("html")[0]["lang"] == "en"
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all(one.get("scope") in ("col", "row") for one in outline.all("th"))
    fields = [one for tag in ("input", "select", "textarea") for one in outline.all(tag)]
    named = {one["id"] for one in fields if one.get("type") != "hidden"}
    assert {one["for"] for one in outline.all("label")} == named
    assert outline.all("script") == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    current = [one for one in outline.all("a") if one.get("aria-current") == "page"]
    assert [one["href"] for one in current] == [path]


def test_the_overview_counts_what_ends_and_what_was_refused(client: TestClient) -> None:
    text = client.get("/").text
    attention, _, totals = text.partition("<h2>Totals</h2>")
    assert "refusals in 24 hours" in attention
    assert "contracts ended" not in attention
    assert "<strong>1</strong> <span>contracts active" in totals
    assert "<strong>22</strong> <span>kWh in 24 hours" in totals
    assert "DEPOT-1" not in text  # ends in 90 days


def test_the_overview_begins_with_what_ends_and_what_is_doubtful(tmp_path: Path) -> None:
    clock = Clock()
    service = furnished(tmp_path, clock)
    report = SessionRecord(
        id="s2",
        station="DEPOT-1",
        evse_id="DE*ABC*E1",
        emaid=EMAID,
        started_at=NOW + datetime.timedelta(days=84),
        ended_at=NOW + datetime.timedelta(days=84, hours=1),
        energy_wh=10**9,
    )
    service.journal.put_session(report)
    clock.move(days=86)
    with client_of(service) as client:
        attention = client.get("/").text.partition("<h2>Totals</h2>")[0]
        doubtful = client.get("/sessions?doubtful=true").text
    assert "station certificates end in 7 days" in attention
    assert "sessions with doubtful readings in 7 days" in attention
    assert "1000000000 Wh, at most 501000 Wh are possible in 1:00:00" in doubtful


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("de-abc-0", "DEABC000000001G"),
        ("zzztest", "DEABC000000001G"),
        ("DEPOT-2", "/stations/DEPOT-2"),
        ("nothing", "Nothing begins with"),
        ("", "Enter an eMAID"),
    ],
)
def test_the_search_finds_contracts_cars_and_stations(client: TestClient, q: str, found: str) -> None:
    assert found in client.get("/search", params={"q": q}).text


def test_the_search_finds_a_certificate_by_its_serial_number(client: TestClient) -> None:
    (serial,) = {one["serial"] for one in client.get("/v1/stations/DEPOT-1/certificates").json()}
    assert serial in client.get("/search", params={"q": serial}).text


def test_a_contract_and_a_station_have_a_page_with_everything_about_them(client: TestClient) -> None:
    contract = client.get("/contracts/de-abc-000000001-g").text
    for text in ("ZZZTESTCAR0000001", "bundle made", "22.150", "DEPOT-1", "/revoke"):
        assert text in contract
    station = client.get("/stations/DEPOT-1").text
    assert EMAID in station
    for path in ("/contracts/DEABC000000009", "/stations/DEPOT-9", "/stations/role mo_sub_ca_2"):
        assert client.get(path).status_code in (404, 422)


def test_the_picture_shows_every_certificate_under_its_issuer(client: TestClient) -> None:
    text = client.get("/expiring").text
    places = [text.index(name) for name in ("V2GRootCA", "CPOSubCA1", "CPOSubCA2", "stations: 2, the first")]
    assert places == sorted(places)
    assert 'aria-label="Station certificates that end: September 2026 0' in text
    assert "December 2026 2" in text


def test_the_api_page_lists_every_call(client: TestClient) -> None:
    text, document = client.get("/api").text, client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}</code>" in text


def test_an_address_that_is_no_page_is_answered_with_a_page(client: TestClient) -> None:
    for path, status in (("/nothing", 404), ("/contracts/short", 422), ("/expiring?days=x", 422)):
        answer = client.get(path)
        assert answer.status_code == status
        assert "<h1>" in answer.text
    assert client.get("/v1/nothing").json() == {"detail": "Not Found"}


def test_a_contract_is_found_by_emaid_in_any_spelling_and_by_pcid(client: TestClient) -> None:
    for search in ("DE-ABC-000000001-G", "zzztestcar0000001"):
        text = client.get("/contracts", params={"search": search}).text
        assert EMAID in text
        assert "DEABC000000002X" not in text


def test_what_ends_soon_is_reported_with_the_days_left(tmp_path: Path) -> None:
    clock = Clock()
    service = furnished(tmp_path, clock)
    clock.move(days=85)
    with client_of(service) as client:
        text = client.get("/expiring").text
    assert "DEPOT-1" in text
    assert "4 days" in text


def test_refusals_show_their_reason_and_no_markup_of_others(client: TestClient) -> None:
    text = client.get("/refusals").text
    assert "&lt;script&gt;the contract is blocked" in text
    assert "<script" not in text
