"""How loud a song is, as its separation needs to know."""

from __future__ import annotations

from typing import Protocol

import numpy as np

LOUDNESS_BLOCK = 2048  # samples
BLOCKS_AT_ONCE = 16  # which fit the processor's cache


class Readable(Protocol):
    """Audio that is read in blocks, as `stems.files.audio.Song` is: each from within the last one, or further on."""

    @property
    def samples(self) -> int:
        """Length of the audio."""

    def read(self, start: int, count: int) -> np.ndarray:
        """float32 (channels, count)."""


def loudness(song: Readable) -> float:
    """Root mean square over the parts of a song that sound, within 40 dB of the loudest; full scale is 1."""
    powers = []
    for start in range(0, song.samples, LOUDNESS_BLOCK * BLOCKS_AT_ONCE):
        audio = song.read(start, min(LOUDNESS_BLOCK * BLOCKS_AT_ONCE, song.samples - start))
        edges = np.arange(0, audio.shape[1], LOUDNESS_BLOCK)
        energy = np.add.reduceat(np.square(audio, dtype=np.float64), edges, axis=1).mean(0)
        powers.append(energy / np.diff(np.append(edges, audio.shape[1])))
    power = np.concatenate(powers)
    loud = power[power >= power.max() * 1e-4]
    return float(np.sqrt(loud.mean()))
