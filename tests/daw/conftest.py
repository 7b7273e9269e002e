"""Songs split into noise, which lines up with itself in one place only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

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


@pytest.fixture
def make_split(tmp_path: Path) -> Callable[..., Split]:
    """Return a function that writes a split song."""

    def make(
        names: Iterable[str] = ("drums", "bass", "vocals", "other"),
        song: str = "song",
        rate: int = 44_100,
        channels: int = 2,
        samples: int = 20_011,
        suffix: str = ".wav",
    ) -> Split:
        folder = tmp_path / "separated" / song
        folder.mkdir(parents=True)
        noise = np.random.default_rng(7)
        stems = {name: noise.integers(-(2**19), 2**19, (samples, channels)) / 2**23 for name in names}
        for name, samples_of_stem in stems.items():
            soundfile.write(folder / f"{name}{suffix}", samples_of_stem, rate, subtype="PCM_24")
        original = tmp_path / f"original{suffix}"
        soundfile.write(original, sum(stems.values()), rate, subtype="PCM_24")
        return Split(folder, original, stems, rate)

    return make
