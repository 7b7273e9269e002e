"""A browser to open pages in; tests that need it are left out where Debian's `chromium-driver` is not installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage")  # as root, in a container


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A headless Chromium without a network: every host is unknown to it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options, Service(driver))
    yield window
    window.quit()


@pytest.fixture
def show(browser: Chrome) -> Callable[[Path], Chrome]:
    """Opens a page; what it complains of on its console fails the test that opened it."""

    def open_page(path: Path) -> Chrome:
        browser.get(path.resolve().as_uri())
        return browser

    yield open_page
    assert [entry["message"] for entry in browser.get_log("browser")] == []
