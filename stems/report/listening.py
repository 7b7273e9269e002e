"""A stem as a page plays and shows it: an mp3 file, which every browser decodes, with its waveform."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from pedalboard.io import AudioFile, StreamResampler

COLUMNS = 1200  # of a waveform
RATES = (32_000, 44_100, 48_000)  # of mp3, Hz; audio of any other rate is resampled to the second
BIT_RATES = (128, 112, 96, 80, 64)  # kbit/s
LARGEST_AUDIO = 17_500_000  # bytes of all stems of a page, which become a third more in it


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
        rate = sample_rate if sample_rate in RATES else RATES[1]
        self._resampler = StreamResampler(sample_rate, rate, channels) if rate != sample_rate else None
        self._content = io.BytesIO()
        self._file = AudioFile(self._content, "w", rate, channels, format="mp3", quality=bit_rate)

    def write(self, audio: NDArray[np.floating]) -> None:
        """Adds a block, (channels, samples)."""
        count = audio.shape[1]
        columns = (self._done + np.arange(count)) * len(self.peaks) // self._samples
        starts = np.flatnonzero(np.diff(columns, prepend=-1))  # of the columns that the block touches
        touched = columns[starts]
        loudest = np.maximum.reduceat(np.abs(audio).max(0), starts)
        self.peaks[touched] = np.maximum(self.peaks[touched], loudest)
        self._done += count
        audio = np.clip(audio, -1, 1, dtype=np.float32)
        self._file.write(audio if self._resampler is None else self._resampler.process(audio))

    def finish(self) -> bytes:
        """The mp3 file."""
        if self._resampler is not None:
            self._file.write(self._resampler.process(None))
        self._file.close()
        return self._content.getvalue()


def bit_rate_for(seconds: float, stems: int) -> int:
    """The best bit rate at which a page stays small enough to be sent to somebody, kbit/s."""
    fitting = (rate for rate in BIT_RATES if stems * seconds * rate * 1000 / 8 <= LARGEST_AUDIO)
    return next(fitting, BIT_RATES[-1])
