"""A studio for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from browsers import axe_source, chromium
from pages import Page
from studios import Running, running

from stems.separator import Separator


@pytest.fixture(scope="session")
def separator(small_weights: Path) -> Separator:
    return Separator(small_weights)


@pytest.fixture
def studio(tmp_path: Path, separator: Separator, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    """An empty studio, which must have nothing to complain of."""
    with caplog.at_level(logging.WARNING), running(tmp_path / "studio", separator) as started:
        yield started
    assert not [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")]


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A headless Chromium that knows this machine and no other."""
    with chromium("MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as window:
        yield window


@pytest.fixture
def page(browser: Chrome, studio: Running) -> Iterator[Page]:
    """The page of an empty studio; what it complains of on its console fails the test."""
    found = Page(browser, studio)
    yield found
    browser.get("about:blank")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    return axe_source(tmp_path_factory.mktemp("axe"))
