"""Which songs files, folders and patterns name, and what in the folders is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from glob import has_magic
from itertools import takewhile
from pathlib import Path

from stems.errors import OptionError
from stems.files.audio import READABLE_SUFFIXES

KNOWN_SUFFIXES = READABLE_SUFFIXES | {
    *(".3gp", ".aa3", ".aac", ".ac3", ".adts", ".aiffc", ".alac", ".amr", ".ape", ".au", ".avi", ".dff", ".dsf"),
    *(".dts", ".eac3", ".flv", ".m4a", ".m4b", ".m4r", ".mka", ".mkv", ".mov", ".mp2", ".mp4", ".mpc", ".mpg"),
    *(".ofr", ".ra", ".sd2", ".shn", ".snd", ".spx", ".tak", ".tta", ".voc", ".weba", ".webm", ".wma", ".wv"),
}
"""Suffixes, in lower case, of files that may be songs, whether they can be read or not."""

PassedOver = Callable[[Path, str], None]
"""Told of a file or folder that is not taken, and why."""


def songs_named(given: str, out: Path, passed_over: PassedOver) -> list[tuple[Path, Path]]:
    """The songs that a file, a folder (with all below it) or a pattern names, each with the folder of its place.

    A file is taken whatever its name is, and if it is missing: it fails by itself, so that the rest is done. A folder
    is looked into once, whatever links lead to it. Hidden files and what lies in `out` are left alone.

    Raises:
        OptionError: where there is none, or `out` is where the songs are.
    """
    path = Path(given)
    if os.path.isdir(path):
        root, found = path, list(_below(path, passed_over))
    elif os.path.lexists(path) or not has_magic(given):
        return [(path, path.parent)]
    else:
        root, pattern = _root_of(path)
        found = [each for match in _matches(root, pattern, passed_over) for each in _with_below(match, passed_over)]
    results = out.resolve()
    if results == root.resolve() and (path == root or "**" in given):
        raise OptionError(
            f"--out {out} is where the songs are, so that stems would be taken for songs: "
            f"name another folder, such as {out / 'separated'}."
        )
    if root.resolve() in results.parents:
        found = [song for song in found if results not in song.resolve().parents]
    files = sorted({file for file in found if file.name[0] != "." and not file.is_dir()})
    for file in files:
        if file.suffix.lower() in KNOWN_SUFFIXES - READABLE_SUFFIXES:
            passed_over(file, "stems cannot read this format: convert it to wav, aiff, flac, ogg or mp3")
    songs = [file for file in files if file.suffix.lower() in READABLE_SUFFIXES]
    if not songs:
        raise OptionError(f"{given} holds no songs ({', '.join(sorted(READABLE_SUFFIXES))}).")
    return [(song, root) for song in songs]


def _below(folder: Path, passed_over: PassedOver, folders_too: bool = False) -> Iterator[Path]:
    """All files below a folder; of folders that are reached twice, by links, only the first way is gone."""
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(place.iterdir())
        except OSError as error:
            passed_over(place, f"the folder cannot be read ({error.strerror}): check its permissions")
            continue
        if folders_too:
            yield place
        for entry in entries:
            if not os.path.isdir(entry):
                yield entry
            elif entry.name[0] != ".":
                waiting.append(entry)


def _with_below(match: Path, passed_over: PassedOver) -> Iterator[Path]:
    return _below(match, passed_over) if os.path.isdir(match) else iter([match])


def _root_of(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder in which a pattern looks, and the parts of the pattern below it."""
    plain = list(takewhile(lambda part: not has_magic(part), path.parts))
    while len(plain) < len(path.parts) and os.path.isdir(Path(*plain, path.parts[len(plain)])):
        plain.append(path.parts[len(plain)])  # a folder may be called "Album [2020]"
    return Path(*plain), path.parts[len(plain) :]


def _matches(folder: Path, pattern: tuple[str, ...], passed_over: PassedOver) -> Iterator[Path]:
    """What a pattern names below a folder, `**` standing for any folders."""
    if not pattern:
        yield folder
        return
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        for place in _below(folder, passed_over, folders_too=True):
            if not rest:
                yield place
            elif os.path.isdir(place):
                yield from _matches(place, rest, passed_over)
    elif not has_magic(first):
        if os.path.lexists(folder / first):
            yield from _matches(folder / first, rest, passed_over)
    elif os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if fnmatch(name, first) and (name[0] != "." or first[0] == "."):
                yield from _matches(folder / name, rest, passed_over)
