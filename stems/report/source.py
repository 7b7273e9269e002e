"""What a page is about: a song, and the stems that a split has made of it, if there are any yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from stems.daw.colours import usual_order
from stems.daw.comparison import Comparison, compare
from stems.daw.session import stems_and_mixture
from stems.daw.sums import without_sums
from stems.errors import AudioError, OptionError
from stems.files.audio import Song, open_song
from stems.files.broadcast_wav import Notes
from stems.files.formats import AudioFormat
from stems.files.tags import song_notes

READ_AT_ONCE = 2**18  # samples


class Sum:
    """Stems as the song that they add up to, read as a `stems.files.audio.Song` is."""

    def __init__(self, stems: Mapping[str, Song]) -> None:
        self._stems = tuple(stems.values())

    @property
    def format(self) -> AudioFormat:
        """Format of the stems."""
        return self._stems[0].format

    @property
    def samples(self) -> int:
        """Length, in samples of one channel."""
        return self._stems[0].samples

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self._stems[0].seconds

    def read(self, start: int, count: int) -> np.ndarray:
        """float32 (channels, count)."""
        return np.asarray(sum(stem.read(start, count) for stem in self._stems))


@dataclass(frozen=True)
class Source:
    """A song to look into.

    Attributes:
        name: of the song.
        song: its audio.
        stems: made of it earlier, by name, each as long and as wide as the song; None where it was not split yet.
        notes: what the song's file tells beside its audio.
        left_out: names of files of the folder that are sums of stems there.
    """

    name: str
    song: Song | Sum
    stems: Mapping[str, Song] | None = None
    notes: Notes = field(default_factory=Notes)
    left_out: Sequence[str] = ()

    @property
    def adds_up(self) -> bool:
        """Whether the stems to play are the song, so that a page needs not hold it beside them."""
        return self._comparison is None or self._comparison.is_equal

    @property
    def belongs(self) -> bool:
        """Whether the stems sound in the song; others were made of something else."""
        return self._comparison is None or self._comparison.is_part

    @cached_property
    def _comparison(self) -> Comparison | None:
        """Of the song with its stems; None where it is their sum, or where there are none."""
        if self.stems is None or isinstance(self.song, Sum):
            return None
        return compare(self.song, list(self.stems.values()))


def blocks(samples: int) -> Iterator[tuple[int, int]]:
    """Where blocks of audio of some samples start, and how many each has."""
    for start in range(0, samples, READ_AT_ONCE):
        yield start, min(READ_AT_ONCE, samples - start)


@contextmanager
def open_source(path: Path, song: Path | None = None) -> Iterator[Source]:
    """Opens a song, or a folder of stems that a split has made of one.

    Args:
        path: the song or the folder.
        song: what the stems of a folder were made of; by default its file `mixture`, alone or behind the folder's name,
            else the sum of the stems.

    Raises:
        AudioError: if a file cannot be read, or a stem does not belong to the song.
        OptionError: if a folder holds no stems, or a song is given for what is no folder.
    """
    with ExitStack() as stack:
        if not path.is_dir():
            if song is not None:
                raise OptionError(f"--song goes with a folder of stems, and {path} is none: leave it out.")
            yield Source(path.stem, stack.enter_context(open_song(path)), notes=song_notes(path))
            return
        files, mixture = stems_and_mixture(path)
        every = {name: file for name, file in files.items() if song is None or not _is_same(file, song)}
        files = without_sums(every)
        if not files:
            raise OptionError(f"{path} holds no stems: name a song, or the folder that a split has made of one.")
        stems = {name: stack.enter_context(open_song(files[name])) for name in sorted(files, key=usual_order)}
        if original := song or mixture:
            whole: Song | Sum = stack.enter_context(open_song(original))
        elif len(stems) == 1:
            raise OptionError(f"{path} holds one stem, not all of a song: name the song by --song.")
        else:
            whole, original = Sum(stems), files[next(iter(stems))]
        for stem in stems.values():
            if (stem.format.sample_rate, stem.samples) != (whole.format.sample_rate, whole.samples):
                raise AudioError(f"{stem.path} is not as long as {original}, or has another rate: keep one song's.")
            if stem.format.channels != whole.format.channels:
                raise AudioError(f"{stem.path} has not as many channels as {original}: keep one song's.")
        notes = song_notes(original)
        if isinstance(whole, Sum):  # a stem's title says which it is
            notes = replace(notes, tags={key: text for key, text in notes.tags.items() if key != "title"})
        yield Source(song.stem if song else path.resolve().name, whole, stems, notes, sorted({*every} - {*files}))


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
