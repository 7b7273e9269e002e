"""A stem as a page plays and shows it: Opus in Ogg, which browsers decode, with its waveform."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stems.files.coded import CodedFile

COLUMNS = 1200  # of a waveform
BIT_RATES = (96, 80, 64, 60, 56, 48, 40, 32)  # kbit/s
LARGEST_AUDIO = 7_500_000  # bytes of all stems of a page, by bit rate; they become a tenth more, in the page a half
EFFORT = 3  # of the encoder, of 10, which takes half as long again


class Listening:
    """A stem while it is put into a page, block by block.

    Args:
        sample_rate: Hz.
        channels: 1 or 2.
        samples: length of the song.
        bit_rate: kbit/s, see `bit_rate_for`.
    """

    def __init__(self, sample_rate: int, channels: int, samples: int, bit_rate: int) -> None:
        self.peaks = np.zeros(min(COLUMNS, samples))
        self._samples, self._done = samples, 0
        self._folder = tempfile.TemporaryDirectory(prefix="stems-")
        self._path = Path(self._folder.name) / "stem.opus"
        self._file = CodedFile(self._path, "opus", sample_rate, channels=channels, kbps=bit_rate, effort=EFFORT)

    def write(self, audio: NDArray[np.floating]) -> None:
        """Adds a block, (channels, samples)."""
        count = audio.shape[1]
        columns = (self._done + np.arange(count)) * len(self.peaks) // self._samples
        starts = np.flatnonzero(np.diff(columns, prepend=-1))  # of the columns that the block touches
        touched = columns[starts]
        loudest = np.maximum.reduceat(np.abs(audio).max(0), starts)
        self.peaks[touched] = np.maximum(self.peaks[touched], loudest)
        self._done += count
        self._file.write([np.clip(audio, -1, 1, dtype=np.float32)])

    def finish(self) -> bytes:
        """The encoded file."""
        self._file.close()
        content = self._path.read_bytes()
        self._folder.cleanup()
        return content


def bit_rate_for(seconds: float, stems: int) -> int:
    """The best bit rate at which a page stays small enough to be sent to somebody, kbit/s."""
    fitting = (rate for rate in BIT_RATES if stems * seconds * rate * 1000 / 8 <= LARGEST_AUDIO)
    return next(fitting, BIT_RATES[-1])
