"""The song that stems on disk were made of, where it still lies near by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from stems.daw.comparison import compare_files
from stems.files.formats import READABLE_SUFFIXES

_DEEPEST = 3  # folders that a song may lie in below what was split, as stems keep its place
_COMPARED_SECONDS = 10.0


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
    compared = compare_files(song, list(stems.values()), _COMPARED_SECONDS)
    return compared is not None and compared.is_equal
