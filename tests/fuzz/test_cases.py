"""Odd, damaged and absurd input of every kind: no traceback, no leftover, no wrong exit code, and sums that hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.cases import run_all, small_weights

CASES = 500
AT_ONCE = 50


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_weights(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
def test_every_case_ends_well(first: int, weights: Path) -> None:
    assert run_all(range(first, first + AT_ONCE), weights) == {}
