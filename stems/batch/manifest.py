"""Lists of songs: text (also `.m3u8`), CSV, JSON lines or Parquet, read one song at a time."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from stems.errors import OptionError
from stems.files.remote import Place, RemotePath, fetch, is_remote, place

SONG, TRACK = "song", "track"
"""Columns: the song, and where its stems go below the folder for the results, such as `artist/album/title`."""


@dataclass(frozen=True)
class Entry:
    """One song of a manifest.

    Attributes:
        song: file or URL.
        root: the folder below which it keeps its place; empty for that which all without one share.
        track: what stands for `{track}`, with any folders before it; empty where the song's own name does.
    """

    song: str
    root: str
    track: str = ""


def entries(manifest: str) -> Iterator[Entry]:
    """The songs of a manifest, in its order.

    What is relative is so to the manifest's folder, as in playlists, and keeps its place below that. What is absolute,
    or a URL, keeps its place below the folder that all of these share.

    Raises:
        OptionError: the manifest is not there, is none of these formats, or names no song in a row.
        PlaceError: it lies elsewhere and cannot be fetched.
    """
    where = place(manifest)
    for song, track in _rows(where):
        if is_remote(song) or os.path.isabs(song):
            yield Entry(song, "", track)
        else:
            inside = not os.path.normpath(song).startswith(os.pardir)
            yield Entry(str(where.parent / song), str(where.parent) if inside else "", track)


def _rows(manifest: Place) -> Iterator[tuple[str, str]]:
    """Song and track of each row."""
    readers: dict[str, Callable[[Path], Iterator[Mapping[str, Any]]]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".json": _json_lines,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".parquet": _parquet,
    }
    with ExitStack() as stack:
        if isinstance(manifest, RemotePath):
            from tempfile import TemporaryDirectory

            path = Path(stack.enter_context(TemporaryDirectory(prefix="stems-"))) / "manifest"
            fetch(manifest, path)
        else:
            path = manifest
        try:
            for number, row in enumerate(readers.get(manifest.suffix.lower(), _text)(path), 1):
                yield _checked(row, f"{manifest}, song {number}")
        except OSError as error:
            raise OptionError(f"--manifest {manifest} cannot be read ({error.strerror}): check its name.") from error
        except (ValueError, csv.Error) as error:
            reason = " ".join(str(error).split())
            raise OptionError(f"--manifest {manifest} is not what its suffix says ({reason}).") from error


def _checked(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    song, track = row.get(SONG), row.get(TRACK) or ""
    if not isinstance(song, str) or not song:
        raise OptionError(f"{where}: there is no {SONG}; name it in a column or key of that name.")
    if not isinstance(track, str):
        raise OptionError(f"{where}: {TRACK} {track!r} is no text.")
    if track and (track[0] == "/" or {"..", ""} & set(track.split("/")) or os.path.isabs(track)):
        raise OptionError(f"{where}: {TRACK} {track!r} must be a place below --out, such as artist/album/title.")
    return song, track


def _text(path: Path) -> Iterator[Mapping[str, Any]]:
    """One song a line; empty lines and those that begin with # say nothing."""
    with _opened(path) as file:
        for line in file:
            if (text := line.rstrip("\r\n")).strip() and text[0] != "#":
                yield {SONG: text}


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path, newline="") as file:
        sample = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=sample.count)
        reader = csv.DictReader(file, delimiter=delimiter)
        if SONG not in (reader.fieldnames or ()):
            raise OptionError(f"--manifest {path} has no column {SONG!r} in its first line: name the columns there.")
        yield from reader


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path) as file:
        for line in filter(str.strip, file):
            row = json.loads(line)
            yield row if isinstance(row, dict) else {SONG: row}


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    if find_spec("pyarrow") is None:
        raise OptionError(f"{path} needs pyarrow: pip install 'openband-stems[parquet]'.")
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        columns = [column for column in (SONG, TRACK) if column in file.schema_arrow.names]
        if SONG not in columns:
            raise OptionError(f"--manifest {path} has no column {SONG!r}.")
        for batch in file.iter_batches(8192, columns=columns):
            yield from batch.to_pylist()


def _opened(path: Path, newline: str | None = None) -> TextIO:
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
