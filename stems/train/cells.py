"""All that the losses need to know of a mix, per band and frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from torch import Tensor
from torch.nn import functional

from stems.running import RunningLoudness, loudness_hops
from stems.spectrum import FLOOR_DB, Bands, Grid, analyse
from stems.train.mixes import Mix

MATCHED_BANDS = 13  # over which a matching equalizer is smooth
MOST_MATCHED_DB = 15.0
UNMATCHED_DB = -60.0  # bands this far below the loudest of either are empty, as above a codec's lowpass


@dataclass
class Cells:
    """Sums over the bins of each band and over both channels, with `X` the mixture and `S` a part of it.

    Masking a cell with `m` leaves the error `|m X - S|^2 = m^2 |X|^2 - 2 m Re(X* S) + |S|^2`, so that these
    three sums give the error of any mask exactly, and spectra are not needed any more.

    Attributes:
        levels: (batch, 2, all frames, bands), dB, the network's input.
        frames: (batch, frames), numbers of the frames that count; the others are only heard.
        power: (batch, frames, bands), `|X|^2`.
        cross: (batch, parts, frames, bands), `Re(X* S)`.
        energy: (batch, parts, frames, bands), `|S|^2`.
        groups: (batch, parts, stems) of 0 and 1, see `stems.train.mixes.Mix`.
        alone: (batch, 2, all frames, bands), dB, the levels of the first part where it holds several stems, by which a
            teacher can tell them apart; else nothing is to be heard.
    """

    levels: Tensor
    frames: Tensor
    power: Tensor
    cross: Tensor
    energy: Tensor
    groups: Tensor
    alone: Tensor

    def to(self, device: torch.device | str) -> Cells:
        """The same on another device."""
        return Cells(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})

    def at(self, frames: np.ndarray) -> Cells:
        """Only some of the frames that count."""
        some = torch.from_numpy(frames)
        return Cells(
            self.levels,
            self.frames[:, some],
            self.power[:, some],
            self.cross[:, :, some],
            self.energy[:, :, some],
            self.groups,
            self.alone,
        )

    def equalized(self, curve_db: np.ndarray) -> Cells:
        """The same through an equalizer on the whole mix: (bands,) in dB."""
        curve = torch.from_numpy(curve_db.astype(np.float32))
        gain = 10 ** (curve / 10)
        levels, alone = (
            torch.where(levels > FLOOR_DB + 1, levels + curve, levels).clamp(min=FLOOR_DB)  # silence stays silence
            for levels in (self.levels, self.alone)
        )
        return Cells(levels, self.frames, self.power * gain, self.cross * gain, self.energy * gain, self.groups, alone)

    @classmethod
    def stack(cls, cells: list[Cells]) -> Cells:
        """One batch of several."""
        return cls(**{part.name: torch.cat([getattr(c, part.name) for c in cells]) for part in fields(cls)})


def cells_of(mix: Mix, bands: Bands, grid: Grid, known: float | None = None) -> Cells:
    """The cells of a mix, as a batch of one; all frames count.

    Args:
        known: the levels are those that a stream shows its network when the mix is the first that it hears: with
            silence before it, and brought to this root mean square as it goes, see `stems.running.RunningLoudness`.
            None takes the mix for an excerpt of something whose loudness is known.
    """
    top = grid.bins if mix.top_hz is None else round(mix.top_hz * grid.window / grid.sample_rate)

    def spectra(audio: np.ndarray) -> Tensor:
        heard = torch.from_numpy(np.ascontiguousarray(audio))
        if known is not None:
            heard = functional.pad(heard, (grid.window - grid.hop, 0))
        found = analyse(heard, grid)
        found[..., top:] = 0
        return found

    mixture = spectra(mix.mixture)
    gain = torch.ones(1, 1)
    if known is not None:
        audio = torch.from_numpy(mix.mixture[:, : mixture.shape[1] * grid.hop])
        gain = RunningLoudness(loudness_hops(grid), known).gains(audio, grid.hop).sqrt()
    levels = bands.levels(mixture * gain, grid)
    cross = levels.new_zeros(len(mix.parts), levels.shape[1], bands.count)
    energy, alone = torch.zeros_like(cross), torch.full_like(levels, FLOOR_DB)
    for index, audio in enumerate(mix.parts):
        if audio.any():
            part = spectra(audio)
            cross[index] = bands.sums(_product(mixture, part), grid)
            energy[index] = bands.sums(_product(part, part), grid)
            if index == 0 and mix.groups[0].sum() > 1:
                alone = bands.levels(part * gain, grid)
    cells = Cells(
        levels=levels[None],
        frames=torch.arange(levels.shape[1])[None],
        power=bands.sums(_product(mixture, mixture), grid)[None],
        cross=cross[None],
        energy=energy[None],
        groups=torch.from_numpy(mix.groups)[None],
        alone=alone[None],
    )
    if mix.reference is None:
        return cells
    reference = spectra(mix.reference)
    wanted = bands.sums(_product(reference, reference), grid).mean(0)
    return cells.equalized(_matching_db(wanted.numpy(), cells.power[0].mean(0).numpy(), mix.match))


def _matching_db(wanted: np.ndarray, power: np.ndarray, match: float) -> np.ndarray:
    """Gain of each band, dB, that brings a long-term spectrum towards another and leaves the whole as loud as it was.

    Args:
        wanted: (bands,), power of the one.
        power: (bands,), power of the other.
        match: how far, from 0 to 1.
    """
    heard = np.all([each > each.max() * 10 ** (UNMATCHED_DB / 10) for each in (wanted, power)], 0)
    if not heard.any():
        return np.zeros(len(power))
    smooth = uniform_filter1d(10 * np.log10(wanted[heard] / power[heard]), MATCHED_BANDS, mode="nearest")
    gain_db = np.zeros(len(power))
    gain_db[heard] = match * np.clip(smooth - np.median(smooth), -MOST_MATCHED_DB, MOST_MATCHED_DB)
    matching: np.ndarray = gain_db - 10 * np.log10((power * 10 ** (gain_db / 10)).sum() / power.sum())
    return matching


def _product(a: Tensor, b: Tensor) -> Tensor:
    """`Re(a* b)`, summed over channels: (channels, frames, bins) -> (frames, bins)."""
    return torch.addcmul(a.real * b.real, a.imag, b.imag).sum(0)
