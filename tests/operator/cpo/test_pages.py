"""The pages for operators: content, access, and what a browser and a screen reader make of them."""

from __future__ import annotations

import datetime
import html.parser
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from secc.operator.cpo.access import new_token
from secc.operator.cpo.app import make_app
from secc.operator.cpo.journal import RefusalRecord, SessionRecord
from secc.operator.cpo.pages import PAGES
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Access, Token
from secc.pki.issuing import make_request, new_key, read_request
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action
from secc.site.store import Status
from tests.operator.cpo.support import EMAID, Clock, client_of, installation, make_service, with_car
from tests.support.contracts import NOW

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


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


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(furnished(tmp_path)) as made:
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
    assert {one["for"] for one in outline.all("label")} == {one["id"] for one in outline.all("input")}
    assert outline.all("script") == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    current = [one for one in outline.all("a") if one.get("aria-current") == "page"]
    assert [one["href"] for one in current] == [path]


def test_the_overview_counts_what_ends_and_what_was_refused(client: TestClient) -> None:
    text = client.get("/").text
    assert "Refused in 24 hours" in text
    assert "DEPOT-1" not in text  # ends in 90 days


def test_a_contract_is_found_by_emaid_in_any_spelling_and_by_pcid(client: TestClient) -> None:
    for search in ("DE-ABC-000000001-G", "zzztestcar0000001"):
        text = client.get("/contracts", params={"search": search}).text
        assert EMAID in text
        assert "DEABC000000002X" not in text


def test_what_ends_soon_is_told_with_the_days_left(tmp_path: Path) -> None:
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


def test_pages_ask_for_the_token_as_a_password(tmp_path: Path) -> None:
    token, digest = new_token()
    service = make_service(
        tmp_path,
        tokens=(
            Token(name="op", sha256=digest, access=(Access.OPERATOR,)),
            Token(name="box", sha256=new_token()[1], access=(Access.STATION,)),
        ),
    )
    with client_of(service) as client:
        answer = client.get("/contracts")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert client.get("/contracts", auth=("anybody", token)).status_code == 200
        assert client.get("/contracts", auth=("anybody", "wrong")).status_code == 401
        assert client.get("/contracts", headers={"Authorization": "Basic ???"}).status_code == 401


# --- in a browser ---


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = uvicorn.Config(
        make_app(furnished(tmp_path_factory.mktemp("pages"))), port=0, log_level="warning"
    )
    server, listener = uvicorn.Server(config), config.bind_socket()
    listener.listen()  # a connection that comes before the server runs waits
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("no Chromium with its driver on this machine (apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{option}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The same browser for all, as it was in the beginning."""
    yield chromium
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_browser_shows_the_pages_and_they_work_with_the_keyboard(
    address: str, browser: webdriver.Chrome
) -> None:
    browser.get(f"{address}/")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to content"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "main"

    browser.find_element(By.LINK_TEXT, "Contracts").click()
    assert browser.title.startswith("Contracts")
    field = browser.find_element(By.ID, "search")
    assert field.accessible_name == "Complete eMAID or PCID"
    field.send_keys(EMAID, Keys.ENTER)
    wait(lambda: "search=" in browser.current_url)
    rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == [EMAID]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(address: str, browser: webdriver.Chrome, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    for path, _ in PAGES:
        browser.get(address + path)
        poor: list[str] = browser.execute_script(_CONTRAST)
        assert poor == [], path


@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_does_not_scroll_sideways(address: str, browser: webdriver.Chrome, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    for path, _ in PAGES:
        browser.get(address + path)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path


def wait(reached: Any) -> None:
    for _ in range(100):
        if reached():
            return
        time.sleep(0.05)
    pytest.fail("the page did not come")


# Every element with text: contrast of at least 4.5 to 1 (WCAG 2, AA).
_CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = element => {
  for (let one = element; one; one = one.parentElement) {
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')]
  .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .filter(one => {
    const [a, b] = [luminance(parse(getComputedStyle(one).color)), luminance(ground(one))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map(one => one.tagName + ' ' + one.textContent.trim().slice(0, 40));
"""
