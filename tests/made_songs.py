"""Songs made on the spot, each stem with a sound of its own."""

import numpy as np


def made_song(rng: np.random.Generator, rate: int, seconds: float = 8.0) -> dict[str, np.ndarray]:
    """Clicks for drums, a low tone for bass, a gliding rich tone for vocals, chords for other: (samples, 2)."""
    time = np.arange(int(seconds * rate)) / rate
    beat = np.exp(-((time * rng.uniform(2, 4)) % 1) * 30)
    glide = 300 * 2 ** (0.2 * np.sin(2 * np.pi * rng.uniform(3, 6) * time) + rng.uniform(-0.3, 0.5))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    chord = sum(np.sin(2 * np.pi * f * rng.uniform(400, 500) * time) for f in (2, 2.5, 3, 4))
    mono = {
        "drums": beat * rng.standard_normal(len(time)),
        "bass": np.sin(2 * np.pi * rng.uniform(50, 90) * time),
        "vocals": sum(np.sin(k * phase) / k for k in range(1, 9)),
        "other": 0.3 * chord,
    }
    return {name: 0.1 * np.stack([audio, audio * rng.uniform(0.8, 1)], 1) for name, audio in mono.items()}
