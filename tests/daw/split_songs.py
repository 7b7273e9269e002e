"""Names and songs that every format of the DAW room is tested with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from stems.files.audio import open_song
from stems.files.broadcast_wav import Notes, chunks_for
from stems.files.wav import WavFile

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


def add_notes(path: Path, notes: Notes, description: str = "", created: datetime | None = None) -> None:
    """Write a wav once more, with notes."""
    with open_song(path) as song:
        form = song.format
    audio = soundfile.read(path, dtype=_READ_AS[form.encoding], always_2d=True)[0]
    file = WavFile(path, form, len(audio), chunks_for(notes, form, len(audio), description, created))
    file.write(audio)
    file.close()


_READ_AS = {"int16": "int16", "int24": "int32", "int32": "int32", "float32": "float32", "float64": "float64"}
