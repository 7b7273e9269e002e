"""The song that stems on disk were made of, where it still lies near by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from stems.errors import StemsError
from stems.files.formats import READABLE_SUFFIXES

_DEEPEST = 3  # folders that a song may lie in below what was split, as stems keep its place
_COMPARED_SECONDS = 10.0
_TOLERANCE = 1e-3  # times full scale, beyond what 16 bits or a lossy song of another decoder round


def found_song(folder: Path, stems: Mapping[str, Path]) -> Path | None:
    """The song of a folder of stems: one of its name, where the program runs or beside `--out`, that they add up to.

    Args:
        folder: of the stems.
        stems: their files, by name.
    """
    return next((song for song in _candidates(folder.absolute()) if _is_sum(song, stems)), None)


def _candidates(folder: Path) -> Iterator[Path]:
    seen = set()
    for depth in range(1, _DEEPEST + 1):
        place = Path(*folder.parts[-depth:])
        for base in (Path.cwd(), *folder.parents[depth : depth + 1]):
            for path in sorted(
                (*_named(base / place), *(song for each in _folders(base) for song in _named(each / place)))
            ):
                if path not in seen:
                    seen.add(path)
                    yield path


def _named(place: Path) -> Iterator[Path]:
    """Songs that are called so, with any suffix, in the folder of that path."""
    try:
        entries = list(place.parent.iterdir())
    except OSError:
        return
    for path in entries:
        if path.suffix.lower() in READABLE_SUFFIXES and place.name in (path.stem, path.name) and path.is_file():
            yield path


def _folders(base: Path) -> list[Path]:
    try:
        return [path for path in base.iterdir() if path.is_dir() and path.name[0] != "."]
    except OSError:
        return []


def _is_sum(song: Path, stems: Mapping[str, Path]) -> bool:
    from stems.files.audio import open_song

    try:
        with ExitStack() as stack:
            whole, *parts = (stack.enter_context(open_song(path)) for path in (song, *stems.values()))
            count = min(whole.samples, int(_COMPARED_SECONDS * whole.format.sample_rate))
            shapes = {(part.format.sample_rate, part.format.channels, part.samples) for part in parts}
            if shapes != {(whole.format.sample_rate, whole.format.channels, whole.samples)}:
                return False
            total = np.sum([part.read(0, count) for part in parts], axis=0)
            # Stems of integers were clipped with a song above full scale, others go above it like the song.
            apart = np.clip(total, -1, 1) - np.clip(whole.read(0, count), -1, 1)
            return bool(np.abs(apart).max(initial=0.0) <= _TOLERANCE)
    except StemsError:
        return False
