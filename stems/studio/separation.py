"""One separation of a song that was heard, made block by block where somebody listens."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stems.daw.colours import colour_of
from stems.report import figures
from stems.report.explanation import embedding_map
from stems.song.clustered import ClusteredSong
from stems.song.confidence import confidence
from stems.song.encoded import BLOCK_FRAMES as CONTEXT_FRAMES
from stems.song.encoded import EncodedSong, audio_of_frames
from stems.song.masks import BLOCK_FRAMES, Masks
from stems.spectrum import OVERLAP, Grid, analyse, mid_and_side

if TYPE_CHECKING:
    from stems.cores import Cores
    from stems.studio.opened import OneAtATime

MOST_CUTS = 24  # blocks before their neighbours are added, that are kept: 30 MB of four stereo stems
MADE_AT_ONCE = 16  # of them, by all cores
PEAKS = 128  # of a waveform, in a block
FINEST = 16  # columns of a picture in a frame, at most
MOST_COLUMNS = 1600
ANALYSED_AT_ONCE = 256  # frames of a picture

Array = np.ndarray
Cut = tuple[Tensor, Tensor]
"""The mixture of a block, and what its frames give of each stem, see `stems.song.masks.Masks.cut`."""


class Separation:
    """The stems of a song under some hints and sensitivities.

    A block is `block_samples` long; the first begins `lead` samples before the song. Each is the same whenever it is
    made, and all of them together are what `Separator.separate` gives.

    Attributes:
        key: that tells it from others of the song, 16 hexadecimal digits.
        stems: their names.
        blocks: number of them.
        block_samples: length of a block.
        lead: samples of the first block before the song.
    """

    def __init__(
        self,
        key: str,
        song: OneAtATime,
        encoded: EncodedSong,
        masks: Masks,
        found: ClusteredSong,
        cores: Cores,
    ) -> None:
        self.key, self.stems, self.grid = hashlib.sha256(key.encode()).hexdigest()[:16], tuple(masks.names), masks.grid
        self._song, self._encoded, self._masks, self._cores = song, encoded, masks, cores
        self.blocks = -(-encoded.total // BLOCK_FRAMES)
        self.block_samples = BLOCK_FRAMES * self.grid.hop
        self.lead = (OVERLAP - 1) * self.grid.hop
        self._cuts: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()
        self._lock = Lock()
        self._loudest = float(np.percentile(_levels(found.powers.cpu(), masks.model, self.grid), 99.5))
        self.map = {
            "colours": [colour_of(name) for name in self.stems],
            **embedding_map(found, found.centroids).as_json(),
        }
        self.confidence = confidence(found).as_json()

    def block(self, number: int) -> Array:
        """A block of all stems, and of the song behind them: float32 (stems + 1, channels, samples)."""
        return self._joined(number, self._cut(self._with_one_before(number)))

    def peaks(self, first: int, last: int) -> Array:
        """The waveforms of some blocks: uint8 (stems + 1, blocks * PEAKS), square roots of what is loudest."""
        found: list[Array] = []
        for start in range(first, last, MADE_AT_ONCE):
            numbers = range(start, min(start + MADE_AT_ONCE, last))
            cuts = self._cut([*self._with_one_before(start), *numbers[1:]])
            found += self._cores.map(lambda number, cuts=cuts: self._loudest_of(number, cuts), numbers)  # type: ignore[misc]
        return np.concatenate(found, 1)

    def _loudest_of(self, number: int, cuts: dict[int, Cut]) -> Array:
        block = self._joined(number, cuts)
        loud = np.maximum(block.max(1), -block.min(1))
        before = self.lead if number == 0 else 0
        padded = np.pad(loud, ((0, 0), (before, max(0, self.block_samples - before - loud.shape[1]))))
        peaks = np.maximum.reduceat(padded, np.arange(PEAKS) * self.block_samples // PEAKS, axis=1)
        levels: Array = np.round(255 * np.sqrt(np.clip(peaks, 0, 1)))
        return levels.astype(np.uint8)

    def _joined(self, number: int, cuts: dict[int, Cut]) -> Array:
        """A block, of what it has itself and what the one before it adds."""
        begin = number * self.block_samples - self.lead
        first, last = max(0, -begin), min(self.block_samples, self._song.samples - begin)
        mixture, cut = cuts[number]
        stems = cut[..., : self.block_samples].clone()
        if number:
            rest = cuts[number - 1][1][..., self.block_samples :]
            stems[..., : rest.shape[-1]] += rest[..., : stems.shape[-1]]
        return torch.cat([stems[..., first:last], mixture[None, :, first:last]]).cpu().numpy()

    def _with_one_before(self, number: int) -> list[int]:
        return [each for each in (number - 1, number) if each >= 0]

    @torch.inference_mode()
    def picture(self, begin: float, end: float, columns: int) -> bytes:
        """A PNG of the song's spectrogram between two seconds, each cell in the colours of the stems that share it.

        Where frames are wider than columns, the song is analysed anew at as many places as there are columns.
        """
        first, last = (second / self.grid.frame_seconds + OVERLAP / 2 - 1 for second in (begin, end))
        columns = max(1, min(columns, MOST_COLUMNS, round((last - first) * FINEST)))
        places = np.clip(first + (last - first) * (np.arange(columns) + 0.5) / columns, 0, self._encoded.total - 1)
        nearest = np.round(places).astype(int)
        frames, back = np.unique(nearest, return_inverse=True)
        powers, shares = self._cells(frames)
        if last - first >= columns:
            levels = _levels(powers, self._masks.model, self.grid)[back]
        else:
            levels = _levels(self._analysed(places), self._masks.model, self.grid)
        colours = [colour_of(name) for name in self.stems]
        return figures.spectrogram(levels, shares.numpy()[back], colours, self._loudest)

    def _cut(self, numbers: list[int]) -> dict[int, Cut]:
        """What blocks have before their neighbours are added."""
        with self._lock:
            known = {number: self._cuts[number] for number in numbers if number in self._cuts}
        missing = [number for number in numbers if number not in known]
        for number, made in zip(missing, self._cores.map(self._make, missing), strict=True):
            known[number] = made
        with self._lock:
            for number in numbers:
                self._cuts[number] = known[number]
                self._cuts.move_to_end(number)
            while len(self._cuts) > MOST_CUTS:
                self._cuts.popitem(last=False)
        return known

    def _make(self, number: int) -> Cut:
        first = number * BLOCK_FRAMES
        count = min(BLOCK_FRAMES, self._encoded.total - first)
        return self._masks.cut(first, audio_of_frames(self._song, self.grid, first, count))

    def _cells(self, frames: Array) -> tuple[Tensor, Tensor]:
        """Powers and shares in all bands of some frames, (frames, bands) and (frames, bands, stems)."""
        bands, levels = self._masks.model.design.bands, self._encoded.levels
        assert levels is not None

        def look(first: int) -> tuple[Tensor, Tensor]:
            inside = frames[(frames >= first) & (frames < first + CONTEXT_FRAMES)]
            chosen = torch.from_numpy(inside - first)
            shares = self._masks.shares(self._encoded.context(first, CONTEXT_FRAMES)[chosen], torch.from_numpy(inside))
            found = levels.read(first, CONTEXT_FRAMES)[chosen].reshape(len(inside), 2, -1).transpose(0, 1)
            return bands.powers(found, self.grid), shares.cpu()

        blocks = sorted({int(frame) // CONTEXT_FRAMES * CONTEXT_FRAMES for frame in frames})
        powers, shares = zip(*self._cores.map(look, blocks), strict=True)
        return torch.cat(powers), torch.cat(shares)

    def _analysed(self, places: Array) -> Tensor:
        """Powers in all bands at fractional numbers of frames, (places, bands)."""
        grid, bands = self.grid, self._masks.model.design.bands
        ends = np.round((places + 1) * grid.hop).astype(int)
        begin, end = int(ends[0]) - grid.window, int(ends[-1])
        start, stop = min(max(0, begin), self._song.samples), min(end, self._song.samples)
        heard = torch.from_numpy(np.pad(self._song.read(start, stop - start), ((0, 0), (start - begin, end - stop))))
        windows = heard.unfold(-1, grid.window, 1)
        found = []
        for some in np.array_split(ends - grid.window - begin, -(-len(ends) // ANALYSED_AT_ONCE)):
            frames = windows[:, torch.from_numpy(some)] * self._encoded.gain
            spectra = analyse(mid_and_side(frames), grid)[:, :, 0]
            found.append(bands.powers(bands.levels_of_mid_and_side(spectra, grid), grid))
        return torch.cat(found)


def _levels(powers: Tensor, model: Any, grid: Grid) -> Array:
    """Levels in dB of cells of some powers, each relative to its width: (frames, bands)."""
    widths = model.design.bands.widths(grid).numpy()
    levels: Array = 10 * np.log10(powers.cpu().numpy() / widths + 1e-12)
    return levels
