"""Which songs files, folders and patterns name, and what in the folders is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from stems.errors import OptionError
from stems.files.formats import READABLE_SUFFIXES
from stems.files.remote import Place, RemotePath, below, place

_UNREADABLE_SUFFIXES = ".aa3 .adts .aiffc .alac .nist .ofr .ra .sd2 .shn .sph"
KNOWN_SUFFIXES = READABLE_SUFFIXES | set(_UNREADABLE_SUFFIXES.split())
"""Suffixes, in lower case, of files that may be songs, whether they can be read or not."""

PassedOver = Callable[[Place, str], None]
"""Told of a file or folder that is not taken, and why."""

AnyPlace = TypeVar("AnyPlace", Path, RemotePath)


def songs_named(given: str, out: Place, passed_over: PassedOver) -> list[tuple[Place, Place]]:
    """The songs that a file, a folder (with all below it) or a pattern names, each with the folder of its place.

    All of these may lie elsewhere: `s3://bucket/album` or `s3://bucket/*/*.flac`.

    A file is taken whatever its name is, and if it is missing: it fails by itself, so that the rest is done. A folder
    is looked into once, whatever links lead to it. Hidden files and what lies in `out` are left alone.

    Raises:
        OptionError: where there is none, or `out` is where the songs are.
    """
    path = place(given)
    if isinstance(path, RemotePath):
        return _songs_elsewhere(path, out, passed_over)
    if os.path.isdir(path):
        root, found = path, list(_below(path, passed_over))
    elif os.path.lexists(path) or not has_magic(given):
        return [(path, path.parent)]
    else:
        root, pattern = _root_of(path)
        found = [each for match in _matches(root, pattern, passed_over) for each in _with_below(match, passed_over)]
    if isinstance(out, Path):
        results = out.resolve()
        if results == root.resolve() and (path == root or "**" in given):
            raise _among_songs(out)
        if root.resolve() in results.parents:
            found = [song for song in found if results not in song.resolve().parents]
    files = sorted({file for file in found if file.name[0] != "." and not file.is_dir()})
    return [(song, root) for song in _chosen(files, given, passed_over)]


def _songs_elsewhere(path: RemotePath, out: Place, passed_over: PassedOver) -> list[tuple[Place, Place]]:
    scheme, _, plain = path.url.partition("://")
    if scheme.lower().startswith("http") or (path.suffix.lower() in READABLE_SUFFIXES and not has_magic(plain)):
        return [(path, path.parent)]
    found = below(path)
    if found == [path]:
        return [(path, path.parent)]
    root = path
    while has_magic(root.url.partition("://")[2]):
        root = root.parent
    results = f"{str(out).rstrip('/')}/"
    if results == f"{root.url.rstrip('/')}/" and (path == root or "**" in plain):
        raise _among_songs(out)
    files = [file for file in found if not file.url.startswith(results)]
    start = len(root.url)
    files = [file for file in files if not any(part[:1] == "." for part in file.url[start:].split("/"))]
    return [(song, root) for song in _chosen(files, path.url, passed_over)]


def _among_songs(out: Place) -> OptionError:
    return OptionError(
        f"--out {out} is where the songs are, so that stems would be taken for songs: "
        f"name another folder, such as {out / 'separated'}."
    )


def _chosen(files: list[AnyPlace], given: str, passed_over: PassedOver) -> list[AnyPlace]:
    """Those of files that are songs."""
    for file in files:
        if file.suffix.lower() in KNOWN_SUFFIXES - READABLE_SUFFIXES:
            passed_over(file, "stems cannot read this format: convert it to wav, flac or m4a")
    songs = [file for file in files if file.suffix.lower() in READABLE_SUFFIXES and not _is_of_stems(file)]
    for file in filter(_is_of_stems, files):
        passed_over(file, "it holds stems already")
    if not songs:
        raise OptionError(f"{given} holds no songs ({', '.join(sorted(READABLE_SUFFIXES))}).")
    return songs


def _is_of_stems(file: Place) -> bool:
    return file.name.lower().endswith(".stem.mp4")


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
