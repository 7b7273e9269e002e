"""A folder watched for songs, by looking at it again and again: works on every system and every network drive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from threading import Event

from stems.errors import OptionError, StemsError
from stems.files.audio import READABLE_SUFFIXES
from stems.files.destination import whole

STATE_FILE = ".stems-watch.json"

Stamp = tuple[int, int]
"""Size in bytes and modification time in nanoseconds: what tells one state of a file from another."""


class Watch:
    """What has arrived in a folder, and what of it is done.

    Args:
        folder: whose songs, not those in folders below it, are looked at.
        settle_seconds: how long a file must stay as it is to count as copied whole.

    Raises:
        OptionError: the folder does not exist.
    """

    def __init__(self, folder: Path, settle_seconds: float = 2.0) -> None:
        if not folder.is_dir():
            raise OptionError(f"{folder} is not a folder; make it first.")
        self.folder = folder
        self.settle_seconds = settle_seconds
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        self._given: dict[Path, Stamp] = {}
        self._done = self._read_state()

    def arrived(self, now: float) -> list[Path]:
        """Return the songs that are neither done nor given out before and have settled, the oldest first.

        Args:
            now: seconds on any clock that only goes forward.
        """
        stamps = dict(self._stamps())
        self._seen = {
            path: self._seen[path] if path in self._seen and self._seen[path][0] == stamp else (stamp, now)
            for path, stamp in stamps.items()
        }
        settled = [path for path, (_, since) in self._seen.items() if now - since >= self.settle_seconds]
        # One that went away, with its drive maybe, and is not done is given again once it is back.
        self._given = {path: stamp for path, stamp in self._given.items() if path in stamps}
        fresh = [path for path in settled if stamps[path] not in (self._done.get(path.name), self._given.get(path))]
        self._given |= {path: stamps[path] for path in fresh}
        return sorted(fresh, key=lambda path: (stamps[path][1], path.name))

    def mark_done(self, path: Path) -> None:
        """Remember, also after a restart, that a song needs no more work as long as its file stays as it was given.

        Raises:
            OptionError: the state file cannot be written, or the folder is away.
        """
        if path in self._given:
            self._done[path.name] = self._given[path]
        try:
            present = {found.name for found in self.folder.iterdir()}
        except OSError as error:  # of which nothing may be forgotten, nor a folder be made in its place
            raise OptionError(
                f"{self.folder} is away ({error.strerror}), so that {path.name} cannot be noted as done: bring it back."
            ) from error
        self._done = {name: stamp for name, stamp in self._done.items() if name in present}
        with whole(self.folder / STATE_FILE, OptionError) as unfinished:
            unfinished.write_text(json.dumps({"done": self._done}, indent=1), encoding="utf-8")

    def _stamps(self) -> Iterator[tuple[Path, Stamp]]:
        with suppress(OSError):  # a network drive that is away for a while
            for path in self.folder.iterdir():
                if path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith("."):
                    with suppress(OSError):  # gone between the two looks
                        status = path.stat()
                        if S_ISREG(status.st_mode) and status.st_size:
                            yield path, (status.st_size, status.st_mtime_ns)

    def _read_state(self) -> dict[str, Stamp]:
        try:
            done = json.loads((self.folder / STATE_FILE).read_text(encoding="utf-8"))["done"]
            return {str(name): (int(size), int(time_ns)) for name, (size, time_ns) in done.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}  # none yet, or damaged: doing a song again is better than never doing it


def finished_files(watch: Watch, stop: Event, interval_seconds: float = 1.0) -> Iterator[Path]:
    """Yield each song once it has been copied whole, until `stop` is set.

    A song whose work went well is for the caller to `watch.mark_done`; one that failed is not yielded again
    before its file changes or the program restarts.
    """
    while not stop.is_set():
        for path in watch.arrived(time.monotonic()):
            if stop.is_set():
                return
            yield path
        stop.wait(interval_seconds)


def work_through(
    watch: Watch,
    action: Callable[[Path], None],
    failed: Callable[[Path, StemsError], None],
    stop: Event,
    interval_seconds: float = 1.0,
) -> None:
    """Carry out `action` on every song dropped into a folder, until `stop` is set.

    Args:
        watch: of the folder; `STATE_FILE` in it keeps what is done.
        action: is given a song that has been copied whole; where it returns, the song is done.
        failed: is told of each song on which `action` raised a `StemsError`, or that could not be noted as done.
        stop: ends the watch after the song in work. To end it at once, raise from `action`.
        interval_seconds: time between two looks.
    """
    for path in finished_files(watch, stop, interval_seconds):
        try:
            action(path)
            watch.mark_done(path)
        except StemsError as error:
            failed(path, error)
