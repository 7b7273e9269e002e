"""Landmarks of a song: evenly spread frames, whose loudest cells place its clusters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stems.model import Model
from stems.song.encoded import EncodedSong
from stems.spectrum import OVERLAP, Grid

LANDMARKS = 4096  # at most
CLUSTERED = 320_000  # cells of them, at most: more take memory and time, and move no centroid
FRAMES_AT_ONCE = 128


@dataclass(frozen=True)
class Cells:
    """The loudest cells of some frames.

    Attributes:
        contexts: what the recurrent layers know of each frame, (frames, size), in half precision.
        powers: of all bands of each frame, (frames, bands).
        loudest: numbers of the bands of the cells, (frames, cells).
        embeddings: of the cells, (frames, cells, dimensions).
        weights: how much each cell counts, (frames, cells).
    """

    contexts: Tensor
    powers: Tensor
    loudest: Tensor
    embeddings: Tensor
    weights: Tensor

    @property
    def points(self) -> tuple[Tensor, Tensor]:
        """Embeddings and weights as a method of clustering takes them, (points, dimensions) and (points,)."""
        return self.embeddings.flatten(0, 1), self.weights.flatten()


def landmarks(total: int, model: Model) -> Tensor:
    """Numbers of the landmarks among `total` frames: the fewer, the more cells of each are clustered."""
    cells = max(1, round(model.design.clustering.share * model.design.bands.count))
    return torch.arange(0, total, -(-total // min(LANDMARKS, CLUSTERED // cells)))


def middles(frames: Tensor, grid: Grid) -> Tensor:
    """Seconds of the song at which frames have their middles."""
    return (frames - (OVERLAP / 2 - 1)) * grid.frame_seconds


def loudest_cells(encoded: EncodedSong, model: Model, grid: Grid, frames: Tensor, bands: Tensor | None = None) -> Cells:
    """The loudest cells of frames that were kept.

    Args:
        frames: their numbers.
        bands: (bands,), true where cells may lie; everywhere by default.
    """
    places = torch.searchsorted(encoded.kept, frames).to(encoded.kept_contexts.device)
    contexts = encoded.kept_contexts if len(places) == len(encoded.kept) else encoded.kept_contexts[places]
    powers = model.design.bands.powers(encoded.kept_levels[:, places], grid)
    allowed = powers if bands is None else powers.masked_fill(~bands.to(powers.device), -1)
    count = powers.shape[1] if bands is None else int(bands.sum())
    chosen, loudest = allowed.topk(max(1, round(model.design.clustering.share * count)), dim=1)
    embeddings = contexts.new_empty(*loudest.shape, model.design.network.dimensions, dtype=powers.dtype)
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        some = slice(first, first + FRAMES_AT_ONCE)
        found = model.network.embed(contexts[some].float())
        embeddings[some] = found.gather(1, loudest[some, :, None].expand(-1, -1, found.shape[-1]))
    return Cells(contexts, powers, loudest, embeddings, model.weigh(chosen))
