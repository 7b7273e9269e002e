"""A studio for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

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
