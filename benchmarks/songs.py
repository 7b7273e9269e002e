"""Songs of any length to measure with: the example song, over and over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

EXAMPLE = Path(__file__).parent.parent / "examples" / "song.ogg"
BLOCK = 16_384  # samples


def make_song(path: Path, seconds: float) -> Path:
    """Writes a 16-bit stereo wav file at 44.1 kHz, block by block.

    Returns:
        `path`.
    """
    music, rate = soundfile.read(EXAMPLE, dtype="float32", always_2d=True)
    left = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, music.shape[1], subtype="PCM_16") as file:
        start = 0
        while left > 0:
            block = np.take(music, range(start, start + min(BLOCK, left)), axis=0, mode="wrap")
            file.write(block)
            left -= len(block)
            start = (start + len(block)) % len(music)
    return path
