"""Scores without distortion filters: framewise SDR as in BSS Eval version 4, SI-SDR.

Without a permutation of the estimates, the SDR of a frame in BSS Eval version 4 involves no filter at all: the
filtered parts cancel, and what remains is the energy of the true stem over that of the error.

SI-SDR first scales the true stem to fit the estimate best, one gain for all channels of a frame, so that a wrong
level costs nothing (Le Roux, Wisdom, Erdogan, Hershey: "SDR, half-baked or well done?", ICASSP 2019; without its
removal of the mean, for music has none worth removing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from stems.evaluate.engine import Array, Engine, decibels


class Quick(Engine):
    """SDR and SI-SDR, framewise; arguments as in `Engine`."""

    metrics: ClassVar[tuple[str, ...]] = ("SDR", "SI-SDR")

    def _measure(
        self, estimates: list[NDArray[np.floating]], stems: list[int], frames: NDArray[np.intp]
    ) -> dict[str, Array]:
        truth, chosen = [self.references[stem] for stem in stems], [estimates[stem] for stem in stems]
        slices = [self.frames[frame] for frame in frames]
        signal, distortion = distortion_energies(truth, chosen, slices)
        return {"SDR": decibels(signal, distortion), "SI-SDR": scale_invariant_sdr(truth, chosen, slices)}


def distortion_energies(
    references: Sequence[NDArray[np.floating]], estimates: Sequence[NDArray[np.floating]], frames: Sequence[slice]
) -> tuple[Array, Array]:
    """Energies of the true stems and of the errors, each `(stems, frames)`, summed over channels."""
    signal = np.empty((len(references), len(frames)))
    distortion = np.empty_like(signal)
    for stem, (reference, estimate) in enumerate(zip(references, estimates, strict=True)):
        for index, frame in enumerate(frames):
            true = reference[:, frame].astype(float)
            error = true - estimate[:, frame]
            signal[stem, index] = _inner(true, true)
            distortion[stem, index] = _inner(error, error)
    return signal, distortion


def scale_invariant_sdr(
    references: Sequence[NDArray[np.floating]], estimates: Sequence[NDArray[np.floating]], frames: Sequence[slice]
) -> Array:
    """SI-SDR in dB, `(stems, frames)`; minus infinity where an estimate has nothing of its true stem."""
    wanted = np.empty((len(references), len(frames)))
    unwanted = np.empty_like(wanted)
    for stem, (reference, estimate) in enumerate(zip(references, estimates, strict=True)):
        for index, frame in enumerate(frames):
            true, estimated = reference[:, frame].astype(float), estimate[:, frame].astype(float)
            scaled = true * (_inner(true, estimated) / _inner(true, true))
            error = scaled - estimated
            wanted[stem, index] = _inner(scaled, scaled)
            unwanted[stem, index] = _inner(error, error)
    return decibels(wanted, unwanted)


def _inner(one: Array, other: Array) -> float:
    """The inner product over all channels, on one core: `np.vdot` shares it out, which for a second costs more."""
    return float(np.einsum("cs,cs->", one, other))
