"""What a studio can do, whoever asks for it."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from stems.batch.plan import Settings
from stems.batch.presets import load_preset, shipped_presets
from stems.batch.songs import songs_named
from stems.clock import clock
from stems.cores import Cores
from stems.daw import FORMATS
from stems.daw.colours import colour_of
from stems.errors import AudioError, Cancelled, OptionError, StemsError
from stems.files.audio import open_song
from stems.files.tags import song_notes
from stems.hints import gather
from stems.report.song import RULER_SECONDS
from stems.separator import Separator
from stems.song.tempo import Estimate
from stems.spectrum import REFERENCE_RATE
from stems.studio.encodings import Encodings
from stems.studio.export import MIX, Heard, Order, command_of, export
from stems.studio.hearing import Hearing
from stems.studio.library import Entry, Library, Wishes
from stems.studio.opened import OpenSong
from stems.studio.separation import PEAKS, Separation

MOST_OPEN = 2  # songs at a time
MOST_HINTS = 500  # of a song


class NotThere(StemsError):
    """What was asked for is not there, or not any more."""


class Studio:
    """Songs, the queue in which they are heard, and those that are open.

    Args:
        folder: of the library and of what songs were heard as.
        out: folder for exports.
        separator: without hints.
        most_bytes: that encodings may take.
        model: of the separator, as the command line names it.

    Raises:
        OptionError: another studio has the folder, or it cannot be written to.
    """

    def __init__(
        self, folder: Path, out: Path, separator: Separator, most_bytes: int, model: str = Settings.model
    ) -> None:
        self.library, self.out, self.separator, self.model = Library(folder), out, separator, model
        self.encodings = Encodings(folder / "encodings", separator.model, most_bytes)
        self.hearing = Hearing(self.library, self.encodings, separator)
        self.exports: dict[str, float] = {}  # share that is written, by id
        self._cancelled: set[str] = set()
        self._cores, self._lock = Cores(separator.device), RLock()
        self._open: OrderedDict[str, OpenSong] = OrderedDict()

    def close(self) -> None:
        """Ends what it was at; what waits will wait for the next start."""
        self._cancelled.update(self.exports)
        self.hearing.close()
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
        self._cores.close()
        self.library.close()

    def add_paths(self, inputs: Iterable[str]) -> list[str]:
        """Takes in the songs that files, folders and globs name, unless they are there as they are now.

        Returns:
            Why some of what is in folders was passed over.

        Raises:
            AudioError: a file that was named cannot be read.
            OptionError: an input holds no songs.
        """
        refused: list[str] = []
        known = {entry.origin: entry for entry in self.library.entries()}
        for given in inputs:
            for path, _ in songs_named(given, self.out, lambda path, why: refused.append(f"{path}: {why}")):
                if not isinstance(path, Path):
                    raise OptionError(f"The studio plays files of this machine, which {path} is not: fetch it first.")
                origin = str(path.absolute())
                try:
                    open_song(path).close()
                except AudioError as error:
                    if path == Path(given):
                        raise
                    refused.append(str(error))
                    continue
                if origin not in known:
                    known[origin] = self.library.add(path, origin)
                elif self.library.is_outdated(known[origin], path):
                    self._close(known[origin].id)
                    self.library.renew(known[origin], path)
        self.hearing.wake()
        return refused

    def songs(self) -> list[dict[str, Any]]:
        """What a list of all songs shows."""
        found = []
        for entry in self.library.entries():
            state, progress = entry.status, self.hearing.progress.get(entry.id)
            if state == "waiting" and progress is not None:
                state = "hearing"
            shown = {"id": entry.id, "name": entry.name, "state": state, "error": entry.error, "progress": progress}
            shown |= {"seconds": entry.seconds, "exporting": self.exports.get(entry.id)}
            found.append(shown)
        return found

    def remove(self, key: str) -> None:
        """Forgets a song."""
        self.hearing.cancel(self._entry(key).id)
        self._close(key)
        self.library.remove(key)
        self.encodings.remove(key)

    def _close(self, key: str) -> None:
        with self._lock:
            if key in self._open:
                self._open.pop(key).close()

    def describe(self, key: str) -> dict[str, Any]:
        """What the page needs to know of an open song.

        Raises:
            NotThere: it has not been heard.
        """
        entry, opened = self._entry(key), self.opened(key)
        form, bands = opened.song.format, opened.model.design.bands
        wishes, note = self._kept_wishes(key)
        edges = bands.edges * REFERENCE_RATE / bands.reference_window
        notes, settings = song_notes(opened.path), self.library.settings(key)
        return {
            "id": key,
            "name": notes.tags.get("title") or entry.name,
            "artist": notes.tags.get("artist", ""),
            "tempo_bpm": notes.tempo_bpm,
            "estimate": vars(Estimate.of(settings.get("estimate"))),
            "sample_rate": form.sample_rate,
            "channels": form.channels,
            "samples": opened.song.samples,
            "facts": f"{clock(int(opened.song.seconds))} · {form.sample_rate / 1000:g} kHz · "
            f"{'mono' if form.channels == 1 else 'stereo'}",
            "known": list(opened.model.design.stems),
            "edges": edges.round(2).tolist(),
            "peaks": PEAKS,
            "ruler": RULER_SECONDS,
            "mixer": settings.get("mixer", {}),
            "note": note,
            **self.answer(entry, wishes),
        }

    def answer(self, entry: Entry, wishes: Wishes) -> dict[str, Any]:
        """A separation as the page needs to know it."""
        made = self.opened(entry.id).separation(wishes)
        return {
            "separation": {
                "key": made.key,
                "stems": [{"name": name, "colour": colour_of(name)} for name in made.stems],
                "blocks": made.blocks,
                "block_samples": made.block_samples,
                "lead": made.lead,
                "confidence": made.confidence,
            },
            "wishes": {
                "hints": [
                    {
                        "text": str(hint),
                        "stem": hint.stem,
                        "start": hint.start,
                        "end": hint.end,
                        "low": hint.low_hz if hint.high_hz < float("inf") else None,
                        "high": hint.high_hz if hint.high_hz < float("inf") else None,
                    }
                    for hint in wishes.hints
                ],
                "sensitivity": {"song": wishes.sensitivity.song, "stems": dict(wishes.sensitivity.stems)},
            },
            "command": command_of(entry, wishes, self.model),
        }

    def wish(self, key: str, hints: Iterable[str], sensitivity: str) -> dict[str, Any]:
        """Keeps the hints and sensitivities of a song and separates it so.

        Raises:
            OptionError: they contradict each other, or do not fit the song; the earlier ones are kept then.
        """
        from stems.sensitivity import Sensitivity

        entry = self._entry(key)
        texts = [text for text in hints if not text.lower().endswith(".toml")]  # of which a page has none to read
        if len(texts) > MOST_HINTS:
            raise OptionError(f"A song has at most {MOST_HINTS} hints.")
        wishes = Wishes(gather(texts, self.separator.model.design.stems), Sensitivity.of(sensitivity))
        answer = self.answer(entry, wishes)
        self.library.keep_wishes(key, wishes)
        return answer

    def separation(self, key: str, name: str) -> Separation:
        """A separation of a song by its key.

        Raises:
            NotThere: it is not known any more: the page asks for it again.
        """
        opened = self.opened(key)
        found = opened.known(name) or opened.separation(self._kept_wishes(key)[0])
        if found.key != name:
            raise NotThere("This separation is not known any more.")
        return found

    def opened(self, key: str) -> OpenSong:
        """A song that was heard, open.

        Raises:
            NotThere: it has not been heard, or what it was heard as had to make room: it is heard again then.
        """
        entry = self._entry(key)
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
            if entry.status != "heard":
                raise NotThere(f"{entry.name} has not been heard yet.")
            encoded = self.encodings.open(key, self.library.path(entry))
            if encoded is None:
                self.hearing.hear(key)
                raise NotThere(f"{entry.name} is being heard again.")
            self._open[key] = OpenSong(self.library.path(entry), encoded, self.separator, self._cores)
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            return self._open[key]

    def choices(self) -> dict[str, Any]:
        """What can be exported."""
        known = self.separator.model.design.stems
        presets = [{"name": MIX, "about": "The mix of the faders, as it is heard."}]
        for name in shipped_presets():
            presets.append({"name": name, "about": load_preset(name, (), known).about})
        return {
            "presets": presets,
            "daw": [{"name": form.name, "opened_by": form.opened_by} for form in FORMATS.values()],
            "out": str(self.out.absolute()),
        }

    def export(self, key: str, order: Order) -> dict[str, Any]:
        """Writes what was ordered of a song, and says where it is.

        Raises:
            StemsError: it cannot be written.
        """
        entry, opened = self._entry(key), self.opened(key)
        wishes = self._kept_wishes(key)[0]
        with self._lock:
            if key in self.exports:
                raise OptionError(f"{entry.name} is being exported already.")
            self.exports[key] = 0.0
        try:
            encoded = self.encodings.open(key, self.library.path(entry))
            if encoded is None:
                raise NotThere(f"{entry.name} is not kept any more.")
            try:
                result = export(
                    self.library.path(entry),
                    wishes,
                    order,
                    self.out,
                    Heard(opened.separator_for(wishes), encoded),
                    self.library.track(entry),
                    lambda share: self.exports.update({key: share}),
                    lambda: key in self._cancelled,
                )
            finally:
                encoded.close()
        finally:
            self.exports.pop(key, None)
            self._cancelled.discard(key)
        if result.status == "cancelled":
            raise Cancelled("The export was cancelled.")
        if result.status != "done":
            raise AudioError(result.error.replace(str(self.library.path(entry)), entry.name))
        paths = [*result.outputs.values(), *result.exports]
        return {"written": [str(Path(str(path)).absolute()) for path in paths], "note": result.note}

    def cancel(self, key: str) -> None:
        """Stops what a song is waiting for: to be heard, or exported."""
        self.hearing.cancel(self._entry(key).id)
        if key in self.exports:
            self._cancelled.add(key)

    def room_for(self, size: int) -> bool:
        """Whether the disk has room for a song of so many bytes."""
        return shutil.disk_usage(self.library.folder).free > size

    def keep_mixer(self, key: str, mixer: Mapping[str, Any]) -> None:
        """Keeps the faders of a song."""
        self.library.keep_settings(self._entry(key).id, {"mixer": mixer})

    def _kept_wishes(self, key: str) -> tuple[Wishes, str]:
        """The hints and sensitivities of a song, and what is to be said where they cannot be followed any more."""
        wishes = self.library.wishes(key)
        try:
            self.opened(key).separation(wishes)
        except OptionError as error:
            return Wishes(), f"The hints of this song are left out: {error}"
        return wishes, ""

    def _entry(self, key: str) -> Entry:
        entry = self.library.entry(key)
        if entry is None:
            raise NotThere("There is no such song.")
        return entry
