"""The masks of a song, which its clusters give, applied block by block."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import torch
from torch import Tensor

from stems.cores import Cores
from stems.model import Model
from stems.song.clustered import ClusteredSong
from stems.song.encoded import EncodedSong, audio_of_frames
from stems.song.guidance import lean
from stems.song.landmarks import middles
from stems.song.level import Readable
from stems.spectrum import OVERLAP, Grid, OverlapAdd, analyse, apply_masks, synthesise

BLOCK_FRAMES = 32  # that are separated at once; the spectra of more of them no longer fit the processor's cache


class Masks:
    """The share of each stem in all cells of a song.

    Args:
        model: that embeds the cells.
        grid: of the song.
        encoded: what the recurrent layers know of the song.
        found: the clusters of the song.
        names: of the stems that are wanted; None wants all.
    """

    def __init__(
        self, model: Model, grid: Grid, encoded: EncodedSong, found: ClusteredSong, names: Collection[str] | None
    ) -> None:
        self.model, self.grid, self.encoded = model, grid, encoded
        self.clusters, self.leanings = found.clusters, found.leanings
        wanted = [index for index, name in enumerate(found.stems) if names is None or name in names]
        self.names = [found.stems[index] for index in wanted]
        self.are_all = len(wanted) == len(found.stems)
        self._masked = wanted[:-1] if self.are_all else wanted  # the last of all is what the others leave

    def apply(self, song: Readable, cores: Cores) -> Iterator[tuple[int, dict[str, np.ndarray], np.ndarray]]:
        """Blocks of a song: number of the first sample, stems (channels, samples) by name, and the mixture."""
        grid, total = self.grid, self.encoded.total
        blocks = (
            (first, audio_of_frames(song, grid, first, min(BLOCK_FRAMES, total - first)))
            for first in range(0, total, BLOCK_FRAMES)
        )
        add, start = OverlapAdd(grid), -(OVERLAP - 1) * grid.hop
        for mixture, cut in cores.map(lambda block: self.cut(*block), blocks):
            stems = add.join(cut)
            first, last = max(0, -start), min(stems.shape[-1], song.samples - start)
            if first < last:
                named = dict(zip(self.names, stems[..., first:last].cpu().numpy(), strict=True))
                yield start + first, named, mixture[:, first:last].cpu().numpy()
            start += stems.shape[-1]

    def shares(self, contexts: Tensor, frames: Tensor) -> Tensor:
        """The share of every stem in all cells of some frames, (frames, bands, stems).

        Args:
            contexts: of the frames, see `EncodedSong.context`.
            frames: their numbers.
        """
        shares = self.clusters.shares(self.model.network.embed(contexts))
        return lean(shares, middles(frames, self.grid), self.leanings) if self.leanings else shares

    def cut(self, first: int, audio: Tensor) -> tuple[Tensor, Tensor]:
        """What a block of frames from frame `first` on has of the mixture and of each stem.

        Args:
            audio: of the frames, see `audio_of_frames`.

        Returns:
            The mixture until the next block's turn, (channels, samples), and what the frames give of each stem,
            (stems, channels, samples), see `synthesise`.
        """
        audio = audio.to(self.encoded.kept_levels.device)
        mixture = analyse(audio, self.grid)
        count = mixture.shape[1]
        shares = self.shares(self.encoded.context(first, count), torch.arange(first, first + count))
        masked = apply_masks(mixture, shares[..., self._masked], self.model.design.bands, self.grid)
        cut = synthesise(masked, self.grid)
        skipped = self.grid.window - self.grid.synthesis_window  # which only the rise of the analysis window reaches
        own = audio[:, skipped : skipped + mixture.shape[1] * self.grid.hop]
        if not self.are_all:
            return own, cut
        rest = -cut.sum(0)
        rest[:, : own.shape[1]] += own
        return own, torch.cat([cut, rest[None]])
