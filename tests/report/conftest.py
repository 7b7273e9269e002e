"""A browser to open pages in; tests that need it are left out where Debian's `chromium-driver` is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import axe_source, chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A headless Chromium without a network: every host is unknown to it."""
    with chromium("MAP * ~NOTFOUND") as window:
        yield window


@pytest.fixture
def show(browser: Chrome) -> Callable[[Path], Chrome]:
    """Opens a page; what it complains of on its console fails the test that opened it."""

    def open_page(path: Path) -> Chrome:
        browser.get(path.resolve().as_uri())
        return browser

    yield open_page
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    return axe_source(tmp_path_factory.mktemp("axe"))
