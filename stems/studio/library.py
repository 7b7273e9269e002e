"""The songs of a studio on disk: a folder for each, which no crash leaves half."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from itertools import count
from pathlib import Path
from threading import RLock
from typing import IO, Any

from stems.errors import AudioError, OptionError
from stems.files.destination import file_name, printable, whole
from stems.files.formats import READABLE_SUFFIXES
from stems.files.unfinished import remove_abandoned
from stems.hints import Hint, as_toml, read_hints
from stems.sensitivity import Sensitivity

LONGEST_NAME = 200  # characters that are kept of a song's name
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """What is known of a song before it is opened.

    Attributes:
        id: of 32 hexadecimal digits; also the name of its folder.
        name: of the song, as people read it, which is never part of a path here.
        suffix: of its file.
        added: seconds since 1970; the queue is in this order.
        status: "waiting" to be heard, "heard", "failed" or "cancelled".
        error: why it failed, one sentence.
        origin: the path that was given for it, if any.
        seconds: its length, once it was heard.
    """

    id: str
    name: str
    suffix: str
    added: float
    status: str = "waiting"
    error: str = ""
    origin: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Wishes:
    """What a listener wants of a song's separation.

    Attributes:
        hints: see `stems.hints`.
        sensitivity: see `stems.sensitivity`.
    """

    hints: tuple[Hint, ...] = ()
    sensitivity: Sensitivity = Sensitivity()  # noqa: RUF009


class Library:
    """The folder of a studio. One process may have it at a time; its methods may be called from any thread.

    Args:
        folder: is made where it is missing.

    Raises:
        OptionError: another studio has it, or it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._lock = folder, RLock()
        try:
            (folder / "songs").mkdir(parents=True, exist_ok=True)
            self._guard = _locked(folder / "lock")
        except BlockingIOError as error:
            raise OptionError(f"Another studio has the folder {folder}: close it, or give another --folder.") from error
        except OSError as error:
            raise OptionError(f"The folder {folder} cannot be used ({error.strerror}): give another.") from error
        remove_abandoned(folder / "songs")

    def close(self) -> None:
        """Lets another studio have the folder."""
        os.close(self._guard)

    def entries(self) -> list[Entry]:
        """All songs, the oldest first."""
        with self._lock:
            found = [self._read(path.name) for path in (self.folder / "songs").iterdir() if _ID.fullmatch(path.name)]
        return sorted((entry for entry in found if entry), key=lambda entry: (entry.added, entry.id))

    def entry(self, key: str) -> Entry | None:
        """The song of an id, if there is one."""
        return self._read(key) if _ID.fullmatch(key) else None

    def path(self, entry: Entry) -> Path:
        """The file of a song."""
        return self._folder(entry.id) / f"song{entry.suffix}"

    def add(self, path: Path, origin: str = "") -> Entry:
        """Takes in the song of a path, linked where the disk is the same, else copied; it waits to be heard.

        Args:
            origin: see `Entry`.

        Raises:
            AudioError: its suffix is none of a song, or there is no room for it.
        """
        with self._entering(path.name, origin) as (entry, place):
            _link_or_copy(path, place)
        return entry

    def is_outdated(self, entry: Entry, path: Path) -> bool:
        """Whether the file that a song was taken in from has been replaced since, as by a new bounce."""
        now, then = path.stat(), self.path(entry).stat()
        return now.st_size != then.st_size or now.st_mtime_ns > then.st_mtime_ns

    def renew(self, entry: Entry, path: Path) -> None:
        """Takes a song in again, whose file was replaced; it waits to be heard, and hints and faders stay.

        Raises:
            AudioError: there is no room for it.
        """
        with self._lock, whole(self.path(entry), AudioError) as unfinished:
            shutil.copyfile(path, unfinished)
        self.keep_settings(entry.id, {"estimate": None})
        self.change(entry.id, status="waiting", error="")

    @contextmanager
    def adding(self, name: str) -> Iterator[tuple[Entry, IO[bytes]]]:
        """A new song and the file to write it to; it is there once the block ends well, and waits to be heard.

        Args:
            name: of its file; the suffix says how it is decoded.

        Raises:
            AudioError: its suffix is none of a song, or there is no room for it.
        """
        with self._entering(name, "") as (entry, place), open(place, "wb") as file:
            yield entry, file

    @contextmanager
    def _entering(self, name: str, origin: str) -> Iterator[tuple[Entry, Path]]:
        shown = printable(name.replace("\\", "/").rpartition("/")[2])
        suffix = Path(shown).suffix.lower()
        if suffix not in READABLE_SUFFIXES:
            raise AudioError(f"{shown or 'A file without a name'} is no song: add wav, flac, mp3, m4a and the like.")
        entry = Entry(uuid.uuid4().hex, Path(shown).stem[:LONGEST_NAME], suffix, time.time(), origin=origin)
        with whole(self._folder(entry.id), AudioError, is_folder=True) as unfinished:
            yield entry, unfinished / f"song{suffix}"
            (unfinished / "song.json").write_text(json.dumps(asdict(entry)), encoding="utf-8")

    def change(self, key: str, **values: Any) -> Entry | None:
        """Notes what has become of a song, unless it was removed meanwhile."""
        with self._lock:
            entry = self._read(key)
            if entry is None:
                return None
            entry = replace(entry, **values)
            self._write(key, "song.json", json.dumps(asdict(entry)))
            return entry

    def remove(self, key: str) -> None:
        """Forgets a song with all that belongs to it."""
        with self._lock, suppress(FileNotFoundError):
            gone = self._folder(key).with_name(f".stems-{key}.partial")  # which the next start removes, if need be
            os.replace(self._folder(key), gone)
            shutil.rmtree(gone, ignore_errors=True)

    def wishes(self, key: str) -> Wishes:
        """The hints and sensitivities of a song; what cannot be read any more is left out."""
        with self._lock:
            hints: tuple[Hint, ...] = ()
            if self.hints_path(key).exists():
                with suppress(OptionError):
                    hints = read_hints(self.hints_path(key))
            try:
                return Wishes(hints, Sensitivity.of(self.settings(key).get("sensitivity", "1")))
            except (OptionError, TypeError, ValueError):
                return Wishes(hints)

    def hints_path(self, key: str) -> Path:
        """The TOML file of a song's hints, as `--hint` takes it; not there where there are none."""
        return self._folder(key) / "hints.toml"

    def keep_wishes(self, key: str, wishes: Wishes) -> None:
        """Keeps the hints and sensitivities of a song."""
        with self._lock:
            self._write(key, "hints.toml", as_toml(wishes.hints))
            self.keep_settings(key, {"sensitivity": str(wishes.sensitivity)})

    def settings(self, key: str) -> dict[str, Any]:
        """What else is kept of a song, such as its faders."""
        with suppress(OSError, ValueError):
            found = json.loads((self._folder(key) / "settings.json").read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}

    def keep_settings(self, key: str, changes: Mapping[str, Any]) -> None:
        """Keeps further settings of a song beside those that it has."""
        with self._lock:
            self._write(key, "settings.json", json.dumps(self.settings(key) | dict(changes)))

    def track(self, entry: Entry) -> str:
        """What the exports of a song are called by: its name, with a number where those of another are called so."""
        with self._lock:
            tracks = {each.id: self.settings(each.id).get("track") for each in self.entries()}
            if not tracks.get(entry.id):
                taken = {str(track).casefold() for track in tracks.values()}
                names = (file_name(entry.name, f" ({number})" if number > 1 else "") for number in count(1))
                tracks[entry.id] = next(name for name in names if name.casefold() not in taken)
                self.keep_settings(entry.id, {"track": tracks[entry.id]})
            return file_name(str(tracks[entry.id]))

    def _folder(self, key: str) -> Path:
        return self.folder / "songs" / key

    def _read(self, key: str) -> Entry | None:
        try:
            found = json.loads((self._folder(key) / "song.json").read_text(encoding="utf-8"))
            return Entry(**{field.name: found[field.name] for field in fields(Entry) if field.name in found})
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, key: str, name: str, text: str) -> None:
        if self._folder(key).is_dir():
            with whole(self._folder(key) / name, OptionError) as unfinished:
                unfinished.write_text(text, encoding="utf-8")


def _link_or_copy(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, place)


def _locked(path: Path) -> int:
    """A descriptor of a file that is locked until it is closed, or the process ends; BlockingIOError if it is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError from error
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
