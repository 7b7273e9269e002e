"""What every scoring engine shares: frames of one second, silence, ratios in dB.

An engine is made once per track from the true stems; its `score` is then called for each set of estimates,
so that whatever depends on the true stems alone is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from stems.errors import AudioError

Array = NDArray[np.float64]


class Engine:
    """Framewise scores of estimated stems against the true stems of one track.

    references: one array `(channels, samples)` per stem, all of the same shape, float.
    sample_rate: Hz.
    window_seconds, hop_seconds: length of a frame and distance between frames. A remainder at the end of the track
        that does not fill a frame is not scored; a track shorter than one frame is one frame.

    Silence follows museval's convention: a frame in which any true or any estimated stem is silent (its channels sum
    to zero throughout) is NaN for every stem. Two cases in which museval refuses a track are scored here: a true stem
    that is silent throughout is left out (its own scores are NaN), and so is an estimate that is silent throughout.

    Raises AudioError if the stems differ in shape, are empty, no floats, or hold NaN or infinite samples.
    """

    metrics: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        references: Sequence[NDArray[np.floating]],
        sample_rate: float,
        window_seconds: float = 1.0,
        hop_seconds: float = 1.0,
    ) -> None:
        self.references = [np.asarray(reference) for reference in references]
        shapes = {reference.shape for reference in self.references}
        if len(shapes) != 1:
            raise AudioError(f"The true stems of a track must have one shape (channels, samples), not {shapes}.")
        shape = shapes.pop()
        if len(shape) != 2 or 0 in shape:
            raise AudioError(f"The true stems must be arrays (channels, samples) that are not empty, not {shape}.")
        self.channels, self.samples = shape
        _check_floats(self.references)
        if not all(_finite(reference) for reference in self.references):
            raise AudioError("A true stem holds NaN or infinite samples; repair it or leave out this track.")
        window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
        if window < 1 or hop < 1:
            raise AudioError(f"Frames of {window_seconds} s every {hop_seconds} s hold no sample at {sample_rate} Hz.")
        if window < self.samples:
            count = (self.samples - window + hop) // hop
            self.frames = [slice(index * hop, index * hop + window) for index in range(count)]
        else:
            self.frames = [slice(0, self.samples)]
        silence = self._silence(self.references)
        self.sounding = [stem for stem in range(len(self.references)) if not _silent(self.references[stem])]
        self._without_signal = silence[self.sounding].any(axis=0)

    def score(self, estimates: Sequence[NDArray[np.floating]]) -> dict[str, Array]:
        """Metric name -> `(stems, frames)` in dB, NaN where a frame has no signal.

        estimates: one array `(channels, samples)` per stem, in the order of the true stems; zeros are appended to
            estimates shorter than the track, and the end of longer ones is left out.

        Raises AudioError if their number or their channels differ from those of the true stems, or if they are no
        floats or hold NaN or infinite samples.
        """
        estimates = [self._fitted(np.asarray(estimate)) for estimate in estimates]
        if len(estimates) != len(self.references):
            raise AudioError(f"{len(self.references)} true stems need as many estimates, not {len(estimates)}.")
        heard = [stem for stem in self.sounding if not _silent(estimates[stem])]
        silence = self._silence([estimates[stem] for stem in heard]).any(axis=0) | self._without_signal
        frames = np.flatnonzero(~silence)
        scores = {name: np.full((len(estimates), len(self.frames)), np.nan) for name in self.metrics}
        if heard and len(frames):
            for name, values in self._measure(estimates, heard, frames).items():
                scores[name][np.ix_(np.array(heard), frames)] = values
        return scores

    def _measure(
        self, estimates: list[NDArray[np.floating]], stems: list[int], frames: NDArray[np.intp]
    ) -> dict[str, Array]:
        """Metric name -> `(len(stems), len(frames))` in dB, for these stems and these frames."""
        raise NotImplementedError

    def _fitted(self, estimate: NDArray[np.floating]) -> NDArray[np.floating]:
        if estimate.ndim != 2 or len(estimate) != self.channels:
            raise AudioError(f"An estimate must be ({self.channels}, samples) as its true stem, not {estimate.shape}.")
        _check_floats([estimate])
        if not _finite(estimate):
            raise AudioError("An estimate holds NaN or infinite samples; separate this track anew or leave it out.")
        missing = self.samples - estimate.shape[1]
        return np.pad(estimate, [(0, 0), (0, missing)]) if missing > 0 else estimate[:, : self.samples]

    def _silence(self, stems: Sequence[NDArray[np.floating]]) -> NDArray[np.bool_]:
        """`(stems, frames)`: whether each stem is silent in each frame."""
        silence = np.zeros((len(stems), len(self.frames)), dtype=bool)
        for row, stem in zip(silence, stems, strict=True):
            row[:] = [_silent(stem[:, frame]) for frame in self.frames]
        return silence


def _check_floats(stems: Sequence[NDArray[np.floating]]) -> None:
    """Raises AudioError for integers, beside which stems of floats would score as noise."""
    for stem in stems:
        if stem.dtype.kind != "f":
            raise AudioError(f"Stems are scored as floats whose full scale is 1, not as {stem.dtype}: convert them.")


def _finite(stem: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(stem.min(initial=0)) and np.isfinite(stem.max(initial=0)))


def _silent(stem: NDArray[np.floating]) -> bool:
    # Most signals are heard at once, so the first samples spare a look at the rest.
    block = 4096
    return not any(stem[:, start : start + block].sum(axis=0).any() for start in range(0, stem.shape[1], block))


def decibels(numerator: Array, denominator: Array) -> Array:
    """Ratio of two energies in dB; infinite where the denominator is zero."""
    with np.errstate(divide="ignore"):
        ratio = np.divide(numerator, denominator, out=np.full_like(numerator, np.inf), where=denominator > 0)
        return 10 * np.log10(ratio)
