"""Short-time spectra of audio on a grid fixed in Hz and seconds, bands of them, and masks over both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

REFERENCE_RATE = 44100  # Hz, at which window, hop and bands are defined
OVERLAP = 4  # synthesis windows that cover each sample
FLOOR_DB = -100.0  # lowest level; mono audio has its side there
FARTHEST = 0.002  # part by which bins may lie off, for the sake of a window that transforms fast
SMOOTH = 31  # largest prime factor of a window: larger ones make the transform slow


@dataclass(frozen=True)
class Grid:
    """Windows and hops of one sample rate, so that frames and bins lie at the same seconds and Hz at every rate.

    The audio is never resampled. Instead the window is scaled with the rate: to the nearest length that
    transforms fast if this moves bins by 0.2 % at the most, else to the nearest length.

    Args:
        sample_rate: Hz.
        reference_window: length of the analysis window in samples at 44.1 kHz.
        reference_synthesis: length of the synthesis window, which is the end of the analysis window, likewise; it
            divides it, and the hop is a quarter of it. 0 stands for the whole window. A short one has the latency of
            a short window at the frequency resolution of a long one (Mauler & Martin, "A low delay, variable
            resolution, perfect reconstruction spectral analysis-synthesis system", EUSIPCO 2007).
    """

    sample_rate: float
    reference_window: int = 4096
    reference_synthesis: int = 0

    @cached_property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        ideal = self.reference_window / self.windows / OVERLAP * self.sample_rate / REFERENCE_RATE
        nearest = max(1, round(ideal))
        reach = int(FARTHEST * ideal)
        fast = [hop for hop in range(nearest - reach, nearest + reach + 1) if _is_smooth(hop)]
        return min(fast or [nearest], key=lambda hop: abs(hop - ideal))

    @property
    def windows(self) -> int:
        """Synthesis windows in an analysis window."""
        return self.reference_window // (self.reference_synthesis or self.reference_window)

    @property
    def window(self) -> int:
        """Samples in a frame."""
        return self.windows * self.synthesis_window

    @property
    def synthesis_window(self) -> int:
        """Samples at the end of a frame that are added to the output, all of which must have come before any is."""
        return OVERLAP * self.hop

    @property
    def latency_samples(self) -> int:
        """Samples by which a stream is late: one short of a synthesis window, whose first sample waits for all."""
        return self.synthesis_window - 1

    @property
    def bins(self) -> int:
        """Frequencies in a frame, from 0 Hz to half the sample rate."""
        return self.window // 2 + 1

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop / self.sample_rate

    def frames(self, samples: int) -> int:
        """Number of frames that touch a signal; the first has only its last quarter in it."""
        return -(-samples // self.hop) + OVERLAP - 1

    @cached_property
    def taper(self) -> Tensor:
        """The analysis window, (window,): a long rise, then a fall as short as that of the synthesis window.

        Both are halves of periodic Hann windows, so it is one if the synthesis window is as long.
        """
        fall = self.synthesis_window // 2
        rise = self.window - fall
        rising = torch.hann_window(2 * rise, periodic=True)[:rise]
        return torch.cat([rising, torch.hann_window(2 * fall, periodic=True)[fall:]])

    @cached_property
    def synthesis_taper(self) -> Tensor:
        """What the end of a frame is multiplied with, (synthesis_window,), to undo `analyse` when frames are added up.

        Both windows make up a squared Hann window, which sums to 3/8 of the overlap; `analyse` scales by 4 / window.
        """
        wanted = torch.hann_window(self.synthesis_window, periodic=True).square()
        return wanted / self.taper[-self.synthesis_window :].clamp(min=1e-12) * (self.window / 4 / (0.375 * OVERLAP))


def _is_smooth(number: int) -> bool:
    for factor in range(2, SMOOTH + 1):
        while number % factor == 0:
            number //= factor
    return number == 1


def analyse(audio: Tensor, grid: Grid) -> Tensor:
    """Spectra of framed audio.

    Args:
        audio: (..., samples); the first frame begins with the first sample. For every sample to be in the end of
            `OVERLAP` frames, `window - hop` samples of silence must precede the signal, and `OVERLAP - 1` hops follow.

    Returns:
        (..., frames, bins), complex, scaled so that a full-scale sine is at 0 dB at every rate.
    """
    frames = audio.unfold(-1, grid.window, grid.hop)
    taper = grid.taper.to(audio) * (4 / grid.window)
    spectra: Tensor = torch.fft.rfft(frames * taper)
    return spectra


class OverlapAdd:
    """The inverse of `analyse`, fed with any number of frames at a time.

    Each call returns the samples that no later frame will touch: `hop` of them for every frame.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._tail: Tensor | None = None  # (..., synthesis_window - hop) samples that later frames will add to

    def __call__(self, spectra: Tensor) -> Tensor:
        """(..., frames, bins) complex -> (..., frames * hop) samples."""
        return self.join(synthesise(spectra, self.grid))

    def join(self, audio: Tensor) -> Tensor:
        """The same, of what `synthesise` made of the frames."""
        length = audio.shape[-1] - (OVERLAP - 1) * self.grid.hop
        if self._tail is not None:
            audio[..., : self._tail.shape[-1]] += self._tail
        self._tail = audio[..., length:]
        finished: Tensor = audio[..., :length]
        return finished


def synthesise(spectra: Tensor, grid: Grid) -> Tensor:
    """The audio of some frames: (..., frames, bins) complex -> (..., (frames + 3) * hop).

    Those before and after it add to its first and last three hops, see `OverlapAdd`.
    """
    taper = grid.synthesis_taper.to(spectra.real)
    frames = torch.fft.irfft(spectra, n=grid.window)[..., -grid.synthesis_window :]
    *batch, count, _ = frames.shape
    quarters = frames.reshape(*batch, count, OVERLAP, grid.hop)
    out = quarters.new_zeros(*batch, count + OVERLAP - 1, grid.hop)
    for quarter, part in enumerate(taper.reshape(OVERLAP, grid.hop)):
        out[..., quarter : quarter + count, :].addcmul_(quarters[..., quarter, :], part)
    audio: Tensor = out.reshape(*batch, -1)
    return audio


@dataclass(frozen=True)
class Bands:
    """Groups of neighbouring bins on which embeddings and masks live.

    Single bins at the bottom, where bass notes are a bin apart, then ever wider groups up to
    `top_hz`, and one last band for everything above.

    Args:
        count: number of bands.
        single_hz: up to here every bin is a band of its own.
        top_hz: lower edge of the last band.
        reference_window: length of the analysis window in samples at 44.1 kHz, see `Grid`.
        reference_synthesis: length of the synthesis window, likewise; 0 stands for the same.
    """

    count: int = 192
    single_hz: float = 700.0
    top_hz: float = 16000.0
    reference_window: int = 4096
    reference_synthesis: int = 0

    def grid(self, sample_rate: float) -> Grid:
        """The frames and bins of a sample rate."""
        return Grid(sample_rate, self.reference_window, self.reference_synthesis)

    @cached_property
    def edges(self) -> np.ndarray:
        """First reference bin of each band, and the end of the last: (count + 1,)."""
        synthesis = self.reference_synthesis or self.reference_window
        if synthesis < 0 or self.reference_window % synthesis:
            raise ValueError(f"{synthesis} does not divide the window of {self.reference_window} samples")
        bin_hz = REFERENCE_RATE / self.reference_window
        single, top = round(self.single_hz / bin_hz), round(self.top_hz / bin_hz)
        wide = self.count - 1 - single
        if single < 1 or wide < 1 or top - single < wide:
            raise ValueError(f"{self.count} bands do not fit between {self.single_hz} Hz and {self.top_hz} Hz")
        edges = np.concatenate([np.arange(single), np.round(np.geomspace(single, top, wide + 1)).astype(int)])
        for band in range(1, len(edges)):
            edges[band] = max(edges[band], edges[band - 1] + 1)
        return np.append(edges, self.reference_window // 2 + 1)

    def of_bins(self, grid: Grid) -> Tensor:
        """The band of every bin of a grid, (bins,); bins above 22.05 kHz belong to the last."""
        bin_ratio = grid.sample_rate / grid.window / (REFERENCE_RATE / self.reference_window)
        reference_bins = np.round(np.arange(grid.bins) * bin_ratio)
        return torch.from_numpy(np.searchsorted(self.edges[1:-1], reference_bins, side="right"))

    def at_multiples(self, multiples: Sequence[float]) -> Tensor:
        """The band at each multiple of each band's middle: (multiples, bands), `count` where it is beyond the last."""
        middles = (self.edges[:-1] + self.edges[1:] - 1) / 2
        bins = np.round(np.outer(multiples, middles))
        bands = np.searchsorted(self.edges[1:-1], bins, side="right")
        return torch.from_numpy(np.where(bins < self.edges[-1], bands, self.count))

    def sums(self, power: Tensor, grid: Grid) -> Tensor:
        """Adds up what is given per bin: (..., frames, bins) -> (..., frames, bands)."""
        lines = power.flatten(0, -2).T.contiguous()  # adding whole lines is several times as fast as single numbers
        sums = lines.new_zeros(self.count, lines.shape[1]).index_add_(0, self.of_bins(grid).to(power.device), lines)
        return sums.T.reshape(*power.shape[:-1], self.count)

    def levels(self, spectra: Tensor, grid: Grid) -> Tensor:
        """Levels of mid and side in dB, the network's input.

        Args:
            spectra: (channels, frames, bins) complex, of one or two channels.

        Returns:
            (2, frames, bands), at least `FLOOR_DB`.
        """
        return self.levels_of_mid_and_side(mid_and_side(spectra), grid)

    def levels_of_mid_and_side(self, spectra: Tensor, grid: Grid) -> Tensor:
        """The same, of what `mid_and_side` made of them or of the audio: (2, frames, bins) -> (2, frames, bands)."""
        power = self.sums(energy(spectra), grid)
        return power.div_(4 * self.widths(grid).to(power)).add_(10 ** (FLOOR_DB / 10)).log10_().mul_(10)

    def powers(self, levels: Tensor, grid: Grid) -> Tensor:
        """Powers of both channels together, (frames, bands), from the levels of mid and side."""
        power = (10 ** (levels / 10) - 10 ** (FLOOR_DB / 10)).clamp(min=0) * self.widths(grid).to(levels)
        return 2 * power.sum(0)

    def widths(self, grid: Grid) -> Tensor:
        """Bins in each band, (bands,); at least 1, though low sample rates leave the top bands empty."""
        return torch.bincount(self.of_bins(grid), minlength=self.count).clamp(min=1)

    def spread(self, masks: Tensor, grid: Grid) -> Tensor:
        """Gives every bin the mask of its band: (..., frames, bands) -> (..., frames, bins)."""
        of_bins = self.of_bins(grid).to(masks.device)
        return masks.gather(-1, of_bins.expand(*masks.shape[:-1], -1))  # many times as fast as index_select


def mid_and_side(channels: Tensor) -> Tensor:
    """Twice mid and side of audio or of its spectra, of one or two channels: (channels, ...) -> (2, ...)."""
    left, right = channels[0], channels[-1]
    return torch.stack([left + right, left - right])


def energy(spectra: Tensor) -> Tensor:
    """Squared magnitudes; any shape."""
    return torch.addcmul(spectra.real.square(), spectra.imag, spectra.imag)


def apply_masks(mixture: Tensor, shares: Tensor, bands: Bands, grid: Grid) -> Tensor:
    """Spectra of the stems; they sum to the mixture because the shares sum to one.

    Args:
        mixture: (channels, frames, bins), complex.
        shares: (frames, bands, stems), the assignments of the clustering.

    Returns:
        (stems, channels, frames, bins), complex.
    """
    masks = bands.spread(shares.permute(2, 0, 1).contiguous(), grid)  # (stems, frames, bins)
    return masks[:, None] * mixture
