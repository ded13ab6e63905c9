"""The pages in a browser: keyboard only, contrast, narrow screens, and no finding of axe-core."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from argon2 import PasswordHasher
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from secc.operator.cpo.app import make_app
from secc.operator.cpo.rendering import PAGES
from secc.operator.cpo.service import OperatorService
from secc.operator.cpo.settings import Access, PageLogin
from tests.operator.cpo.support import EMAID
from tests.operator.cpo.test_pages import furnished

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
PASSWORD = "correct horse battery staple"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
ALL_PAGES = (
    *(path for path, _ in PAGES),
    f"/contracts/{EMAID}",
    f"/contracts/{EMAID}/block",
    f"/contracts/{EMAID}/car",
    "/stations/DEPOT-1",
    "/new-contract",
    "/search?q=DE",
    "/nothing",
)
NARROW = ("/", "/expiring", "/sessions", f"/contracts/{EMAID}", "/block", "/login")
"""Pages that are checked on a narrow dark screen as well; the widths of all pages are."""


def serving(service: OperatorService) -> Iterator[str]:
    """The service in a thread."""
    config = uvicorn.Config(make_app(service), port=0, log_level="warning")
    server, listener = uvicorn.Server(config), config.bind_socket()
    listener.listen()  # a connection that comes before the server runs waits
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serving(furnished(tmp_path_factory.mktemp("pages")))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, OperatorService]]:
    login = PageLogin(name="Ada", password=QUICK.hash(PASSWORD), access=(Access.ADMIN,))
    service = furnished(tmp_path_factory.mktemp("guarded"), logins=(login,))
    for url in serving(service):
        yield url, service


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


def show_at(browser: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def tab_to(browser: webdriver.Chrome, name: str) -> None:
    """Press Tab until the element with this accessible name has the focus."""
    for _ in range(60):
        press(browser, Keys.TAB)
        if browser.switch_to.active_element.accessible_name == name:
            return
    pytest.fail(f"{name} cannot be reached with the keyboard")


def wait(reached: Callable[[], bool]) -> None:
    for _ in range(200):
        if reached():
            return
        time.sleep(0.05)
    pytest.fail("the page did not come")


def test_the_content_is_one_key_away(address: str, browser: webdriver.Chrome) -> None:
    browser.get(f"{address}/")
    press(browser, Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to content"
    press(browser, Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "main"


def test_a_contract_is_found_and_blocked_with_the_keyboard_alone(
    guarded: tuple[str, OperatorService], browser: webdriver.Chrome
) -> None:
    url, service = guarded
    browser.get(f"{url}/contracts")
    assert browser.title.startswith("Log in")
    tab_to(browser, "Name")
    press(browser, "Ada", Keys.TAB, PASSWORD, Keys.ENTER)
    wait(lambda: browser.title.startswith("Contracts"))
    tab_to(browser, "eMAID, PCID, station or serial number")
    press(browser, EMAID, Keys.ENTER)
    wait(lambda: browser.title.startswith("Search"))
    tab_to(browser, EMAID)
    press(browser, Keys.ENTER)
    wait(lambda: browser.title.startswith(f"Contract {EMAID}"))
    tab_to(browser, "Block")
    press(browser, Keys.ENTER)
    wait(lambda: browser.title.startswith("Block"))
    tab_to(browser, "Reason, for the audit log")
    press(browser, "the car was stolen", Keys.ENTER)
    wait(lambda: browser.title.startswith(f"Contract {EMAID}"))
    assert browser.find_element(By.CLASS_NAME, "notice").text == f"Block: done for {EMAID}."
    note = service.journal.notes(limit=1)[0]
    assert (note.who, note.what, note.detail) == ("Ada", "contract", "blocked: the car was stolen")
    tab_to(browser, "Log out")
    press(browser, Keys.ENTER)
    wait(lambda: browser.title.startswith("Log in"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    address: str, guarded: tuple[str, OperatorService], browser: webdriver.Chrome, width: int, scheme: str
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    show_at(browser, width)
    for url in (*(address + path for path in ALL_PAGES), f"{guarded[0]}/login"):
        browser.get(url)
        assert browser.execute_script(_WIDER) == [], url
        if width < 1000 and not url.endswith(NARROW):  # the other pages differ in nothing that is seen here
            continue
        found = Axe().run(browser)["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], url


_WIDER = """
return [...document.querySelectorAll('html, body *')]
  .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1
    && !one.closest('.hidden, .skip, thead'))
  .map(one => one.outerHTML.slice(0, 80));
"""
"""Elements that do not fit the window."""
