"""A recording beside the sum of others: a song and its stems, or one stem and those that it may be the sum of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stems.errors import StemsError
from stems.song.level import Readable

_AT_ONCE = 2**18  # samples
_TOLERANCE = 1e-3  # times full scale, which 16 bits or another decoder round
_ALIKE = 0.5  # times the energy of a recording: effects and codecs change a sum of stems that much, and no more
_SHARED = 0.1  # times the energy of a sum: what a song that has nothing to do with it shares by chance is less


@dataclass(frozen=True)
class Comparison:
    """How a recording differs from the sum of others.

    Attributes:
        farthest: the largest difference of samples, full scale being 1. Both are clipped there, since stems of integers
            were clipped with a song above full scale and others go above it like the song.
        apart: energy of the difference.
        energy: of the recording.
        total: of the sum.
    """

    farthest: float
    apart: float
    energy: float
    total: float

    @property
    def is_equal(self) -> bool:
        """Whether they are the same but for rounding."""
        return self.farthest <= _TOLERANCE

    @property
    def is_alike(self) -> bool:
        """Whether they are the same but for effects and codecs."""
        return self.apart <= _ALIKE * self.energy

    @property
    def is_part(self) -> bool:
        """Whether the sum sounds in the recording, by the product of the two."""
        return (self.energy + self.total - self.apart) / 2 >= _SHARED * self.total


def compare(whole: Readable, parts: Sequence[Readable], samples: int | None = None) -> Comparison:
    """Compares a recording with the sum of others that are as long and as wide, or their first samples.

    Raises AudioError where one cannot be read.
    """
    farthest = apart = energy = total = 0.0
    end = whole.samples if samples is None else min(samples, whole.samples)
    for start in range(0, end, _AT_ONCE):
        count = min(_AT_ONCE, end - start)
        one, other = whole.read(start, count), np.sum([part.read(start, count) for part in parts], axis=0)
        farthest = max(farthest, float(np.abs(np.clip(other, -1, 1) - np.clip(one, -1, 1)).max(initial=0.0)))
        apart += float(np.square(one - other).sum())
        energy += float(np.square(one).sum())
        total += float(np.square(other).sum())
    return Comparison(farthest, apart, energy, total)


def compare_files(whole: Path, parts: Sequence[Path], seconds: float | None = None) -> Comparison | None:
    """The same for files, or their first seconds; None where they differ in shape or cannot be read."""
    from stems.files.audio import open_song

    try:
        with ExitStack() as stack:
            song, *others = (stack.enter_context(open_song(path)) for path in (whole, *parts))
            if len({(each.format.sample_rate, each.format.channels, each.samples) for each in (song, *others)}) > 1:
                return None
            return compare(song, others, None if seconds is None else int(seconds * song.format.sample_rate))
    except StemsError:
        return None
