from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from split_songs import ODD_NAMES

from stems.daw import audacity
from stems.daw.session import Marker, session_in


def read(path: Path) -> list[tuple[float, float, str]]:
    """Read labels as Audacity documents them: two times in seconds and a name, tabs between, one label a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(float(start), float(end), name) for start, end, name in (line.split("\t") for line in lines)]


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_labels_are_the_markers_to_the_sample(make_split: Callable, tmp_path: Path, rate: int) -> None:
    markers = tuple(Marker(name, 7 * index, index % 2 * 1_001) for index, name in enumerate(ODD_NAMES))
    session = replace(session_in(make_split(rate=rate).folder), markers=markers, start=99_999)
    audacity.write(session, tmp_path / "labels.txt")
    song, *labels = read(tmp_path / "labels.txt")
    assert song == (0.0, pytest.approx(20_011 / rate, abs=1e-9), session.name)
    found = [Marker(name, round(start * rate), round(end * rate) - round(start * rate)) for start, end, name in labels]
    assert tuple(found) == markers
