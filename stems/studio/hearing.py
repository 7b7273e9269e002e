"""The queue: songs are heard one after the other, in a thread, until all have been."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

from stems.batch.outcome import Result, failures_in
from stems.errors import Cancelled, StemsError
from stems.files.audio import open_song
from stems.files.spool import spooled
from stems.separator import Separator
from stems.song import tempo
from stems.studio.encodings import Encodings
from stems.studio.library import Entry, Library


class Hearing:
    """Hears the songs of a library that wait for it, the oldest first; the queue is what the library says.

    Attributes:
        progress: share that was heard of the songs that are being heard, by id.
    """

    def __init__(self, library: Library, encodings: Encodings, separator: Separator) -> None:
        self.library, self.encodings, self.separator = library, encodings, separator
        self.progress: dict[str, float] = {}
        self._first: list[str] = []  # that somebody wants to hear now
        self._stopped: set[str] = set()
        self._given_up: set[str] = set()
        self._ends = False
        self._news = Condition()
        self._thread = Thread(target=self._run, name="hearing", daemon=True)

    def start(self) -> None:
        """Begins with what waits."""
        self._thread.start()

    def wake(self) -> None:
        """Has it look for songs that wait."""
        with self._news:
            self._news.notify()

    def hear(self, key: str) -> None:
        """Puts a song at the front, whatever has become of it before."""
        with self._news:
            self._stopped.discard(key)
            self._given_up.discard(key)
            self._first.append(key)
            self.library.change(key, status="waiting", error="")
            self._news.notify()

    def cancel(self, key: str) -> None:
        """Takes a song out of the queue; one that is being heard stops at once."""
        with self._news:
            entry = self.library.entry(key)
            if entry is not None and entry.status == "waiting":
                self._stopped.add(key)
                self.library.change(key, status="cancelled")

    def close(self) -> None:
        """Ends the thread; what it was hearing waits for the next start."""
        with self._news:
            self._ends = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            try:
                self._hear(entry)
            except StemsError:  # a full disk, on which nothing can be noted: not again before the next start
                self._given_up.add(entry.id)
                self.progress.pop(entry.id, None)

    def _next(self) -> Entry | None:
        """The song that is to be heard next, once there is one; None at the end."""
        with self._news:
            while not self._ends:
                entries = self.library.entries()
                waiting = [each for each in entries if each.status == "waiting" and each.id not in self._given_up]
                waiting.sort(key=lambda entry: entry.id not in self._first)
                if waiting:
                    self._first = [key for key in self._first if key != waiting[0].id]
                    self._stopped.discard(waiting[0].id)
                    self.progress[waiting[0].id] = 0.0
                    return waiting[0]
                self._news.wait()
            return None

    def _hear(self, entry: Entry) -> None:
        path, result = self.library.path(entry), Result(self.library.path(entry))

        def report(share: float) -> None:
            self.progress[entry.id] = share

        with failures_in(result), open_song(path) as file, spooled(file) as song:
            result.seconds = song.samples / song.format.sample_rate
            if tempo.is_installed() and self.library.settings(entry.id).get("estimate") is None:
                self.library.keep_settings(entry.id, {"estimate": vars(tempo.estimate(song))})
            if not self.encodings.has(entry.id, path):
                with_stop: Callable[[], bool] = lambda: self._ends or entry.id in self._stopped  # noqa: E731
                encoded = self.separator.encode(song, song.format.sample_rate, report, with_stop)
                try:
                    if self.library.entry(entry.id) is None:
                        raise Cancelled("The song was removed.")
                    self.encodings.keep(entry.id, path, encoded)
                finally:
                    encoded.close()
        with self._news:
            if result.status == "done":
                self.library.change(entry.id, status="heard", error="", seconds=result.seconds)
            elif result.status == "failed":
                reason = result.error.replace(str(path), entry.name + entry.suffix)
                self.library.change(entry.id, status="failed", error=reason)
            self.progress.pop(entry.id, None)
