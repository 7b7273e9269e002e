"""Arrays of audio in either layout, as pedalboard takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stems.errors import AudioError
from stems.limits import FAINTEST, LOUDEST

MOST_CHANNELS = 2


@dataclass(frozen=True)
class Layout:
    """How a caller's array is laid out, so that results go back the same way.

    Attributes:
        shape: of the caller's array.
        dtype: of the caller's array; results are float32 unless it was float64.
        samples_first: the array was (samples, channels).
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    samples_first: bool

    def restore(self, audio: np.ndarray) -> np.ndarray:
        """(channels, samples) -> the caller's layout."""
        audio = audio[0] if len(self.shape) == 1 else audio.T if self.samples_first else audio
        return audio.astype(np.float64 if self.dtype == np.float64 else np.float32, copy=False)


def channels_first(audio: np.ndarray) -> tuple[np.ndarray, Layout]:
    """Any layout -> float32 (channels, samples), and how to go back.

    One dimension is mono. Of two, the shorter is the channels, as in pedalboard; two samples of two channels
    are taken as (channels, samples). Integers become fractions of their full scale.

    Raises:
        AudioError: where the array is not mono or stereo audio, is empty, or holds NaN, infinite or absurd values.
    """
    audio = np.asarray(audio)
    if audio.ndim not in (1, 2) or audio.size == 0:
        raise AudioError(
            f"Expected audio of shape (channels, samples), (samples, channels) or (samples,), not {audio.shape}."
        )
    samples_first = audio.ndim == 2 and audio.shape[0] > audio.shape[1]
    layout = Layout(audio.shape, audio.dtype, samples_first)
    planes = audio[None] if audio.ndim == 1 else audio.T if samples_first else audio
    if planes.shape[0] > MOST_CHANNELS:
        raise AudioError(f"Audio of shape {audio.shape} has {planes.shape[0]} channels: mix it down to mono or stereo.")
    if np.issubdtype(audio.dtype, np.signedinteger):
        planes = planes / -float(np.iinfo(audio.dtype).min)
    elif not np.issubdtype(audio.dtype, np.floating):
        raise AudioError(f"Audio must be of floats or signed integers, not {audio.dtype}.")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused below
        planes = np.ascontiguousarray(planes, np.float32)
    if not np.isfinite(planes).all():
        raise AudioError("The audio holds NaN or infinite values: replace them before it is separated.")
    magnitudes = np.abs(planes)
    if magnitudes.max() > LOUDEST:
        raise AudioError("The audio holds samples far beyond full scale, which is 1: scale it before it is separated.")
    if (is_faint := magnitudes < FAINTEST).any():
        planes = np.where(is_faint, np.float32(0), planes)
    return planes, layout


def interleaved(audio: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(channels, samples) -> a copy (samples, channels), which lies in memory as files have it."""
    copy = np.empty(audio.shape[::-1], audio.dtype)
    for channel, samples in enumerate(audio):  # line by line, which is five times as fast as numpy's own transposing
        copy[:, channel] = samples
    return copy


def planar(audio: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(samples, channels) -> a copy (channels, samples), which lies in memory channel after channel."""
    copy = np.empty(audio.shape[::-1], audio.dtype)
    for channel, samples in enumerate(copy):
        samples[:] = audio[:, channel]
    return copy
