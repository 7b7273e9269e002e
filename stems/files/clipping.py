"""Songs above full scale in formats that end there: float and lossy songs may pass it, integers cannot."""

from __future__ import annotations

import math

from stems.files.audio import Song
from stems.files.formats import AudioFormat
from stems.files.spool import SpooledSong

CLIP_MODES = ("clamp", "rescale")
_AT_ONCE = 262_144  # samples


def gain_for(song: Song | SpooledSong, output: AudioFormat, clip_mode: str) -> float:
    """What a song and all its stems are multiplied by: 1, or with `rescale` what brings its peak to full scale.

    It is one gain for all stems, so that they go on adding up to the song, only quieter.
    """
    if clip_mode != "rescale" or output.is_float or song.format.is_integer:
        return 1.0
    peak = 0.0
    for start in range(0, song.samples, _AT_ONCE):
        block = song.read_exact(start, _AT_ONCE)
        peak = max(peak, float(abs(block).max(initial=0.0)))
    return 1.0 / peak if peak > 1.0 else 1.0


def clipping_note(samples_clipped: int, peak: float, gain: float, can_rescale: bool = True) -> str:
    """What a user is told of it, nothing where nothing was changed.

    Args:
        samples_clipped: see `stems.files.writing.StemFiles`.
        peak: of the song, full scale is 1.
        gain: from `gain_for`.
        can_rescale: whether the command has `--clip-mode`.
    """
    notes = []
    if gain < 1.0:
        notes.append(f"made {-20 * math.log10(gain):.1f} dB quieter, since the song passes full scale")
    if samples_clipped:
        over = f" (by up to {20 * math.log10(peak):.1f} dB)" if peak > 1.0 else ""
        remedy = "" if gain < 1.0 or not can_rescale else ", or --clip-mode rescale"
        notes.append(f"clipped {samples_clipped} samples above full scale{over}: write --bit-depth float{remedy}")
    return "; ".join(notes)
