"""A browser for the tests of pages; they are left out where Debian's `chromium-driver` is not installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage")  # as root, in a container


@contextmanager
def chromium(hosts: str) -> Iterator[Chrome]:
    """A headless Chromium that knows some hosts (`--host-resolver-rules`) and keeps what pages complain of."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--host-resolver-rules={hosts}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options, Service(driver))
    try:
        yield window
    finally:
        window.quit()
