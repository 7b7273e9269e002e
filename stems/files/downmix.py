"""More than two channels folded to two, as ITU-R BS.775-4 (annex 4) does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_REDUCED = 0.5**0.5  # 3 dB less
_SIDES = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_REDUCED, _REDUCED),
    "LFE": (0.0, 0.0),
    "BL": (_REDUCED, 0.0),
    "BR": (0.0, _REDUCED),
    "SL": (_REDUCED, 0.0),
    "SR": (0.0, _REDUCED),
    "BC": (0.5, 0.5),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
}
"""What each speaker, in FFmpeg's names, gives to the left and to the right."""
_USUAL = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""The order of channels where a file does not name them, that of wav and flac."""


def coefficients(speakers: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """What each speaker gives to left and right, `(speakers, 2)`; None where that is unknown.

    They are scaled so that no side passes full scale when all speakers are at it, which keeps 5.1 from clipping and
    makes it 7.7 dB quieter than the recommendation's own figures.
    """
    if any(speaker not in _SIDES for speaker in speakers):
        speakers = _USUAL.get(len(speakers), ())
    if not speakers:
        return None
    sides = np.array([_SIDES[speaker] for speaker in speakers])
    scaled: npt.NDArray[np.float64] = sides / max(1.0, sides.sum(0).max())
    return scaled
