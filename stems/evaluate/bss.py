"""BSS Eval version 4: energy ratios of estimated stems after matching by distortion filters.

An estimate is split into what its own true stem explains, what the other true stems add to that, and the rest. To
explain is to project: the estimate's least-squares fit by the true stems' channels, each through a filter of
`filter_length` taps. Filters are fitted once on the whole track and applied frame by frame:

- SDR, signal to distortion: true stem against everything that differs from it. No filter is involved.
- ISR, image to spatial distortion: true stem against what filtering it changes.
- SIR, signal to interference: filtered true stem against what the other true stems add.
- SAR, signal to artifacts: all that true stems explain against the rest.

Vincent, Gribonval, Févotte: "Performance measurement in blind audio source separation", IEEE Transactions on Audio,
Speech and Language Processing 14(4), 2006. Version 4, with one set of filters for a track: Stöter, Liutkus, Ito: "The
2018 Signal Separation Evaluation Campaign", LVA/ICA 2018. The figures are those of the `museval` package.

Three things make it fast. The normal equations hold only correlations, which FFTs give; their matrix depends on the
true stems alone and is factorised once per track. The energies of filtered frames are summed over their spectra
(Parseval), so nothing filtered is ever transformed back. Correlations and frames are taken in blocks, so memory does
not grow with the track.

Where true stems lack a band altogether, as lossy files decoded to floating point do, the equations are singular to
double precision and SIR and SAR depend on rounding, in museval as here: museval's own change by up to several dB when
it is given the same stems in another order. Stems rounded to 16 bits, as musdb and `stems.evaluate.tracks` hand them
over, have noise enough in every band.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from stems.errors import AudioError
from stems.evaluate.engine import Array, Engine, decibels
from stems.evaluate.quick import distortion_energies

Signals = Sequence[NDArray[np.floating]]
Solver = Callable[[Array], Array]

CORRELATION_FFT_SIZE = 16384  # samples: short enough for the cache, long against the filters
RIDGES = (0.0, 1e-14, 1e-13, 1e-12, 1e-10)  # of the mean power on the diagonal
BLOCKS_AT_ONCE = 8
FRAMES_AT_ONCE = 8
BINS_AT_ONCE = 256  # all intermediate products of so many bins and FRAMES_AT_ONCE frames stay in the cache


class BssEval(Engine):
    """SDR, ISR, SIR and SAR of BSS Eval version 4, framewise; arguments as in `Engine`.

    filter_length: taps of the distortion filters.
    """

    metrics: ClassVar[tuple[str, ...]] = ("SDR", "ISR", "SIR", "SAR")

    def __init__(
        self,
        references: Signals,
        sample_rate: float,
        window_seconds: float = 1.0,
        hop_seconds: float = 1.0,
        filter_length: int = 512,
    ) -> None:
        super().__init__(references, sample_rate, window_seconds, hop_seconds)
        self.filter_length = filter_length
        self._basis = [self.references[stem] for stem in self.sounding]
        if not self._basis:
            return
        lagged = correlations(self._basis, self._basis, filter_length)
        self._solve_all = _solver(lagged)
        self._solve_own = {
            stem: _solver(lagged[channels, channels])
            for stem, channels in zip(self.sounding, self._channels_of(len(self._basis)), strict=True)
        }

    def _channels_of(self, stems: int) -> list[slice]:
        return [slice(start, stop) for start, stop in pairwise(range(0, (stems + 1) * self.channels, self.channels))]

    def _measure(
        self, estimates: list[NDArray[np.floating]], stems: list[int], frames: NDArray[np.intp]
    ) -> dict[str, Array]:
        chosen = [estimates[stem] for stem in stems]
        window = self.frames[0].stop - self.frames[0].start
        fft_size = next_fast_len(window + self.filter_length - 1, real=True)
        all_filters, own_filters = self._filters(chosen, stems)
        # Both kinds of filters side by side, so that one product per bin applies them all.
        filters = rfft(np.concatenate([all_filters, own_filters], axis=2), fft_size, axis=0)
        truth = [self.references[stem] for stem in stems]
        positions = np.array([self.sounding.index(stem) for stem in stems])
        own_channels = (self.channels * positions[:, None] + np.arange(self.channels)).ravel()

        columns = []
        for first in range(0, len(frames), FRAMES_AT_ONCE):
            batch = [self.frames[frame] for frame in frames[first : first + FRAMES_AT_ONCE]]
            basis_spectra = _frame_spectra(self._basis, batch, fft_size)
            estimate_spectra = _frame_spectra(chosen, batch, fft_size)
            energies = _explained_energies(basis_spectra, estimate_spectra, filters, own_channels)
            energies = energies.reshape(5, len(batch), len(stems), self.channels).sum(axis=3) * (2 / fft_size)
            spatial, own, interference, explained, artifacts = energies.swapaxes(1, 2)
            signal, distortion = distortion_energies(truth, chosen, batch)
            pairs = ((signal, distortion), (signal, spatial), (own, interference), (explained, artifacts))
            columns.append([decibels(numerator, denominator) for numerator, denominator in pairs])
        return dict(zip(self.metrics, np.concatenate(columns, axis=2), strict=True))

    def _filters(self, estimates: Signals, stems: list[int]) -> tuple[Array, Array]:
        """Filters on all true stems and on the own one, each `(taps, channels of true stems, of estimates)`."""
        lagged = correlations(self._basis, estimates, self.filter_length)
        inputs, outputs, taps = lagged.shape
        solved = self._solve_all(lagged.transpose(0, 2, 1).reshape(inputs * taps, outputs))
        all_filters = solved.reshape(inputs, taps, outputs).swapaxes(0, 1)
        own_filters = np.zeros_like(all_filters)
        for stem, columns in zip(stems, self._channels_of(len(stems)), strict=True):
            start = self.channels * self.sounding.index(stem)
            rows = slice(start, start + self.channels)
            right_side = lagged[rows, columns].transpose(0, 2, 1).reshape(self.channels * taps, self.channels)
            solved = self._solve_own[stem](right_side)
            own_filters[:, rows, columns] = solved.reshape(self.channels, taps, self.channels).swapaxes(0, 1)
        return all_filters, own_filters


def correlations(earlier: Signals, later: Signals, lags: int) -> Array:
    """Sums over n of `x[n] * y[n + lag]`: `(channels of all earlier, channels of all later, lags)`, lags from 0.

    earlier, later: arrays `(channels, samples)`. Blocks of the one are correlated with longer blocks of the other and
    their spectra summed, which keeps memory constant and the sums those of the whole signals.
    """
    size = max(CORRELATION_FFT_SIZE, next_fast_len(4 * lags, real=True))
    step = size - lags + 1
    samples = earlier[0].shape[1]
    total: NDArray[np.complex128] | float = 0.0
    for first in range(0, samples, step * BLOCKS_AT_ONCE):
        starts = range(first, min(first + step * BLOCKS_AT_ONCE, samples), step)
        one = rfft(np.stack([_block(earlier, start, start + step) for start in starts]), size)
        other = rfft(np.stack([_block(later, start, start + size) for start in starts]), size)
        one = np.ascontiguousarray(one.conj().transpose(2, 1, 0))
        other = np.ascontiguousarray(other.transpose(2, 0, 1))
        total = total + one @ other
    lagged: Array = irfft(np.ascontiguousarray(np.moveaxis(np.asarray(total), 0, -1)), size)[..., :lags]
    return lagged


def gram_matrix(lagged: Array) -> Array:
    """Inner products of all delayed channels: block-Toeplitz, `(channels * lags, channels * lags)`.

    lagged: `(channels, channels, lags)`, the channels' correlations with each other from lag 0.
    """
    channels, _, lags = lagged.shape
    gram = np.empty((channels, lags, channels, lags))
    for row in range(channels):
        for column in range(channels):
            # Channels delayed by a and b overlap as undelayed ones at lag a - b; negative lags swap the channels.
            both_ways = np.concatenate([lagged[column, row, :0:-1], lagged[row, column]])
            rows_reversed = np.lib.stride_tricks.sliding_window_view(both_ways[::-1], lags)
            gram[row, :, column] = rows_reversed[::-1]
    return gram.reshape(channels * lags, channels * lags)


def _solver(lagged: Array) -> Solver:
    """Solves the normal equations of channels with these correlations, for right sides `(channels * lags, any)`."""
    # Channels that are alike, as those of a mono stem, make the matrix singular to within rounding. How they share a
    # filter is then open and changes no projection, so the least addition to the diagonal that decides it will do.
    for ridge in RIDGES:
        gram = gram_matrix(lagged)
        # museval's guard against a channel of zeros comes first, so that both solve the same equations.
        gram[np.diag_indices_from(gram)] += np.finfo(float).eps + ridge * gram.trace() / len(gram)
        try:
            # The transpose of a symmetric matrix is itself, in the order that LAPACK overwrites without a copy.
            factor = cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            continue
        return lambda right_side: cho_solve(factor, right_side, check_finite=False)
    raise AudioError("The true stems of this track are too loud or too faint to be compared; scale them to within ±1.")


def _frame_spectra(signals: Signals, frames: Sequence[slice], fft_size: int) -> NDArray[np.complex128]:
    """`(frames, channels of all signals, bins)`, weighted so that energy is twice the sum over bins."""
    blocks = np.stack([_block(signals, frame.start, frame.stop) for frame in frames])
    spectra: NDArray[np.complex128] = rfft(blocks, fft_size)
    # All bins but the first, and the last of an even size, stand for themselves and their mirror image.
    spectra[..., 0] *= np.sqrt(0.5)
    if fft_size % 2 == 0:
        spectra[..., -1] *= np.sqrt(0.5)
    return spectra


def _explained_energies(
    basis: NDArray[np.complex128],
    estimates: NDArray[np.complex128],
    filters: NDArray[np.complex128],
    own_channels: NDArray[np.intp],
) -> Array:
    """Energies `(5, frames * channels of estimates)`: spatial, own, interference, explained, artifacts."""
    outputs = len(own_channels)
    energies = np.zeros((5, len(basis) * outputs))
    for first in range(0, basis.shape[2], BINS_AT_ONCE):
        bins = slice(first, first + BINS_AT_ONCE)
        true = np.ascontiguousarray(basis[..., bins].transpose(2, 0, 1))
        estimated = estimates[..., bins].transpose(2, 0, 1)
        projected = true @ filters[bins]
        explained, own = projected[..., :outputs], projected[..., outputs:]
        parts = (own - true[..., own_channels], own, explained - own, explained, estimated - explained)
        for energy, part in zip(energies, parts, strict=True):
            values = np.ascontiguousarray(part).view(float).reshape(len(part), -1)
            energy += np.einsum("bk,bk->k", values, values).reshape(-1, 2).sum(axis=1)
    return energies


def _block(signals: Signals, start: int, stop: int) -> Array:
    """All channels of all signals from start to stop, float64, with zeros beyond the end."""
    block = np.concatenate([signal[:, start:stop] for signal in signals], dtype=float)
    missing = stop - start - block.shape[1]
    return np.pad(block, [(0, 0), (0, missing)]) if missing else block
