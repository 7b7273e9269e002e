"""Songs split into noise, which lines up with itself in one place only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from split_songs import Split


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
