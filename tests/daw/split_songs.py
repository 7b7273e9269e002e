"""Names and songs that every format of the DAW room is tested with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ODD_NAMES = [
    "two words",
    "it's",
    'say "hi"',
    "rock & roll <live>",
    "50% #1; -i $HOME",
    "🎵 été 歌",
    "n" * 240,
]


@dataclass(frozen=True)
class Split:
    """A song on disk and its stems."""

    folder: Path
    song: Path
    stems: dict[str, npt.NDArray[np.float64]]
    """`(samples, channels)` each, in the 24 bits of their files."""
    rate: int

    @property
    def mixture(self) -> npt.NDArray[np.float64]:
        return sum(self.stems.values(), np.zeros(()))
