"""The songs of a batch, each with where its files go: a hundred thousand take a few dozen megabytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from stems.errors import OptionError
from stems.files.remote import Place, place


@dataclass(frozen=True)
class Task:
    """One song to split: where it lies below the folder that named it, and what its files are called by."""

    song: Place
    folder: Path
    track: str


class Tasks(Sequence[Task]):
    """Tasks that are made when they are asked for.

    Args:
        songs: files, as they were named.
        folders: where each goes below the folder for the results.
        tracks: what its files are called by.
    """

    def __init__(self, songs: list[str], folders: list[str], tracks: list[str]) -> None:
        self._songs, self._folders, self._tracks = songs, folders, tracks

    def __len__(self) -> int:
        return len(self._songs)

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> Tasks: ...

    def __getitem__(self, index: int | slice) -> Task | Tasks:
        songs, folders, tracks = self._songs[index], self._folders[index], self._tracks[index]
        if isinstance(songs, str) and isinstance(folders, str) and isinstance(tracks, str):
            return Task(place(songs), Path(folders), tracks)
        return Tasks([*songs], [*folders], [*tracks])


def shard(part: str) -> slice:
    """Every so-manieth of some songs, for as many machines: `3/64` is the third of 64 parts, which have all together.

    Raises:
        OptionError: it is no such part.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count:
        raise OptionError(f"--shard {part} is no part: write 1/64 for the first of 64, up to 64/64 for the last.")
    return slice(number - 1, None, count)


def distinct_tracks(files: Sequence[tuple[str, str]]) -> list[str]:
    """What the files of songs, given by folder and name, are called by: without suffix where that is theirs alone."""
    stems = [Path(name).stem for _, name in files]
    tracks = [name if stem in ("", ".", "..") else stem for stem, (_, name) in zip(stems, files, strict=True)]
    while True:
        same = Counter((folder, track.casefold()) for (folder, _), track in zip(files, tracks, strict=True))
        apart = [
            name if same[folder, track.casefold()] > 1 else track
            for (folder, name), track in zip(files, tracks, strict=True)
        ]
        if apart == tracks:
            return tracks
        tracks = apart
