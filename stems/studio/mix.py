"""The mix of a studio's faders: what is heard, as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stems.batch.split import with_exact_mixture
from stems.errors import OptionError
from stems.files.audio import Song
from stems.files.clipping import clipping_note
from stems.files.formats import AudioFormat
from stems.files.spool import SpooledSong
from stems.files.writing import StemFiles

LOWEST_DB, HIGHEST_DB = -60.0, 12.0  # of a fader; at its lower end it is silent


@dataclass(frozen=True)
class Fader:
    """How one stem is heard.

    Attributes:
        db: level, from -60, which is silence, to 12 dB.
        pan: from -1, only the left channel of the stem, to 1, only the right.
        mute: whether it is silent.
        solo: whether only it and other such stems are heard.
    """

    db: float = 0.0
    pan: float = 0.0
    mute: bool = False
    solo: bool = False

    @classmethod
    def of(cls, data: Any) -> Fader:
        """A fader from plain data.

        Raises:
            OptionError: where it is none, or out of range.
        """
        try:
            fader = cls(float(data.get("db", 0)), float(data.get("pan", 0)), data.get("mute"), data.get("solo"))
        except (AttributeError, TypeError, ValueError) as error:
            raise OptionError("A fader has db, pan, mute and solo.") from error
        if not LOWEST_DB <= fader.db <= HIGHEST_DB or not -1 <= fader.pan <= 1:
            raise OptionError(f"A fader is from {LOWEST_DB:g} to {HIGHEST_DB:g} dB, and pan from -1 to 1.")
        return cls(fader.db, fader.pan, fader.mute is True, fader.solo is True)

    @property
    def gain(self) -> float:
        """Factor of its level."""
        return 0.0 if self.db <= LOWEST_DB else float(10 ** (self.db / 20))


def gains(faders: Mapping[str, Fader], stems: tuple[str, ...], channels: int, master: Fader) -> np.ndarray:
    """Factors of all stems: (stems, channels). Pan takes from one side and leaves the other as it is."""
    some_soloed = any(fader.solo for name, fader in faders.items() if name in stems)
    found = np.zeros((len(stems), channels))
    for row, name in zip(found, stems, strict=True):
        fader = faders.get(name, Fader())
        if fader.solo if some_soloed else not fader.mute:
            sides = (min(1, 1 - fader.pan), min(1, 1 + fader.pan)) if channels == 2 else (1,)
            row[:] = np.array(sides) * fader.gain * master.gain
    return found


def write_mix(
    path: Path,
    song: Song | SpooledSong,
    form: AudioFormat,
    separate: Callable[[], Any],
    factors: Callable[[tuple[str, ...]], np.ndarray],
) -> str:
    """Writes the sum of stems times their factors, as long as the song; returns a note on clipping.

    Args:
        form: of the file.
        separate: begins the separation, see `Separator.separate`.
        factors: of stems by name, see `gains`.

    Raises:
        StemsError: the file cannot be written, or the song cannot be separated.
    """
    with StemFiles({"mix": path}, form, song.samples) as files:
        for block in with_exact_mixture(separate(), song):
            found = factors(tuple(block.stems))
            stacked = np.stack(list(block.stems.values())).astype(float)
            mix = (found[:, :, None] * stacked).sum(0)
            files.write(mix, {"mix": mix})
    return clipping_note(files.samples_clipped, files.peak, 1.0)
