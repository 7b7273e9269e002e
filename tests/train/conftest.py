"""A folder of songs to train on, made here: each stem has a sound of its own."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 44100


def song(rng: np.random.Generator, seconds: float = 8.0) -> dict[str, np.ndarray]:
    """Clicks for drums, a low tone for bass, a gliding rich tone for vocals, chords for other: (samples, 2)."""
    time = np.arange(int(seconds * RATE)) / RATE
    beat = np.exp(-((time * rng.uniform(2, 4)) % 1) * 30)
    glide = 300 * 2 ** (0.2 * np.sin(2 * np.pi * rng.uniform(3, 6) * time) + rng.uniform(-0.3, 0.5))
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    chord = sum(np.sin(2 * np.pi * f * rng.uniform(400, 500) * time) for f in (2, 2.5, 3, 4))
    mono = {
        "drums": beat * rng.standard_normal(len(time)),
        "bass": np.sin(2 * np.pi * rng.uniform(50, 90) * time),
        "vocals": sum(np.sin(k * phase) / k for k in range(1, 9)),
        "other": 0.3 * chord,
    }
    return {name: 0.1 * np.stack([audio, audio * rng.uniform(0.8, 1)], 1) for name, audio in mono.items()}


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `--data` folder with `songs/` in it."""
    folder = tmp_path_factory.mktemp("material")
    rng = np.random.default_rng(0)
    for number in range(3):
        place = folder / "songs" / f"song {number}"
        place.mkdir(parents=True)
        for name, audio in song(rng).items():
            soundfile.write(place / f"{name}.wav", audio, RATE)
    return folder
