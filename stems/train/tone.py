"""The long-term spectrum of recordings, and how one is given that of another."""

from __future__ import annotations

import numpy as np
from scipy.signal import oaconvolve, welch

from stems.spectrum import REFERENCE_RATE
from stems.train.augment import loudness

TONE_HZ = np.geomspace(90, 14000, 16)  # edges of half octaves: wide enough that notes do not show
TONE_WINDOW = 4096  # samples
MOST_TONED_DB = 12.0  # more would raise the noise of recordings that have nothing there


def tone_db(audio: np.ndarray) -> np.ndarray:
    """Level of (channels, samples) in each of the bands between `TONE_HZ`."""
    frequencies, power = welch(audio, REFERENCE_RATE, nperseg=TONE_WINDOW)
    powers = np.bincount(np.digitize(frequencies, TONE_HZ), power.mean(0))[1:-1]
    level_db: np.ndarray = 10 * np.log10(powers + 1e-12)
    return level_db


def toned(audio: np.ndarray, reference: np.ndarray, amount: float) -> np.ndarray:
    """Equalizes a recording towards the long-term spectrum of another.

    Args:
        audio: (channels, samples), at least `TONE_WINDOW` of them; silence stays silence.
        reference: likewise; a silent one changes nothing.
        amount: how far, from 0 to 1.
    """
    if not loudness(audio) or not loudness(reference):
        return audio
    difference_db = tone_db(reference) - tone_db(audio)
    gain_db = amount * np.clip(difference_db - np.median(difference_db), -MOST_TONED_DB, MOST_TONED_DB)
    centres = np.sqrt(TONE_HZ[1:] * TONE_HZ[:-1])
    frequencies = np.fft.rfftfreq(TONE_WINDOW, 1 / REFERENCE_RATE)
    gain = 10 ** (np.interp(np.log(frequencies.clip(1)), np.log(centres), gain_db) / 20)
    response = np.fft.fftshift(np.fft.irfft(gain))[1:] * np.hanning(TONE_WINDOW - 1)
    out: np.ndarray = oaconvolve(audio, response[None].astype(np.float32), mode="same", axes=-1)
    return out
