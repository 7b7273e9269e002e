"""Songs that are read more than once: a compressed one is decoded a single time, into a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import numpy.typing as npt

from stems.errors import AudioError
from stems.files.audio import Song, in_single_precision
from stems.layout import interleaved, planar

COPIED_AT_ONCE = 2**18  # samples


class SpooledSong:
    """The samples of a song in a temporary file, where reading them at any position costs next to nothing.

    They are kept as they were decoded: in single precision where this holds all bits of the song, else in double. The
    file takes 20 MB for a minute of stereo, and no memory.

    Args:
        song: is read once, from its beginning to its end.

    Raises:
        AudioError: the song is damaged, or the disk of temporary files is full.
    """

    def __init__(self, song: Song) -> None:
        self.path, self.format, self.samples = song.path, song.format, song.samples
        self.reading = song.reading
        self.check_unchanged = song.check_unchanged
        self._kept = np.dtype(song.format.precision)
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            for start in range(0, self.samples, COPIED_AT_ONCE):
                block = song.read_exact(start, min(COPIED_AT_ONCE, self.samples - start))
                self._file.write(interleaved(block).data)
            self._file.flush()
        except OSError as error:
            self.close()
            place = f"{tempfile.gettempdir()}, where {self.path} is decoded to,"
            raise AudioError(f"{place} cannot be written ({error.strerror}): free some space there.") from error
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.format.sample_rate

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """See `stems.files.audio.Song.read`."""
        return in_single_precision(self.read_exact(start, count), self.format)

    def read_exact(self, start: int, count: int) -> npt.NDArray[np.floating]:
        """See `stems.files.audio.Song.read_exact`."""
        stop = min(start + count, self.samples)
        if not 0 <= start <= stop:
            raise ValueError(f"samples {start} to {start + count} are not inside a song of {self.samples} samples")
        channels = self.format.channels
        block = np.empty((stop - start, channels), self._kept)
        self._file.seek(start * channels * self._kept.itemsize)
        self._file.readinto(block.data.cast("B"))  # type: ignore[attr-defined]
        return planar(block)

    def close(self) -> None:
        """Forgets the samples."""
        self._file.close()


@contextmanager
def spooled(song: Song) -> Iterator[Song | SpooledSong]:
    """A song that can be read at any position as often as one likes: itself where it is not compressed."""
    if song.is_read_anywhere:
        yield song
        return
    spool = SpooledSong(song)
    try:
        yield spool
    finally:
        spool.close()
