"""What hints change in the clustering of a song: they add clusters, which start at what is special in their spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from stems.chunks import Heard
from stems.hints import Hint
from stems.landmarks import Cells, loudest_cells, middles
from stems.methods import Clusters, Start
from stems.model import Model
from stems.spectrum import REFERENCE_RATE, Bands, Grid

HINTED_FRAMES = 256  # of a hint, at most
NEARNESS = 8.0  # sharpness of the kernel by which cells of one kind are counted
SAMPLED = 1500  # cells that stand for a span, and for the song, when kinds are counted
LEAST_SPECIAL = 1e-3  # share of a span


@dataclass(frozen=True)
class Seed:
    """Where a further cluster starts.

    Attributes:
        direction: (dimensions,), of unit length.
        log_prior: of the cluster, see `stems.clustering.assign`.
    """

    direction: Tensor
    log_prior: Tensor


@dataclass(frozen=True)
class Grouped:
    """Clusters several of which may be one stem.

    Attributes:
        clusters: all of them.
        owners: number of the stem of each, (clusters,); the first cluster of a stem stands for it.
    """

    clusters: Clusters
    owners: tuple[int, ...]

    @property
    def firsts(self) -> list[int]:
        """The number of the first cluster of each stem."""
        return [self.owners.index(stem) for stem in range(max(self.owners) + 1)]

    @property
    def centroids(self) -> Tensor:
        return self.clusters.centroids[self.firsts]

    def shares(self, embeddings: Tensor) -> Tensor:
        shares = self.clusters.shares(embeddings)
        belongs = functional.one_hot(torch.tensor(self.owners, device=shares.device)).to(shares)
        return shares @ belongs


def seeds(hints: Sequence[Hint], heard: Heard, model: Model, grid: Grid, total: int, song: Cells) -> dict[str, Seed]:
    """A seed for each stem that hints name, in the order of their first hints.

    Args:
        hints: all inside of the song.
        heard: with the frames that `hinted_frames` gave kept.
        total: frames of the song.
        song: the cells of its landmarks.
    """
    found = {}
    for stem in dict.fromkeys(hint.stem for hint in hints):
        cells = [
            loudest_cells(heard, model, grid, hinted_frames([hint], grid, total), bands_of(hint, model.design.bands))
            for hint in hints
            if hint.stem == stem
        ]
        embeddings = torch.cat([each.points[0] for each in cells])
        weights = torch.cat(
            [each.points[1] / each.weights.sum().clamp(min=1e-12) for each in cells]
        )  # hints count alike
        found[stem] = seed_of(embeddings, weights, *song.points)
    return found


def further(start: Start, found: dict[str, Seed]) -> Start:
    """A start with a further cluster for each seed."""
    if not found:
        return start
    directions, log_priors = start.directions, start.directions.new_zeros(len(start.directions))
    return replace(
        start,
        directions=torch.stack([*directions, *(seed.direction for seed in found.values())]),
        log_priors=torch.stack([*log_priors, *(seed.log_prior for seed in found.values())]),
    )


def hinted_frames(hints: Sequence[Hint], grid: Grid, total: int) -> Tensor:
    """Numbers of some frames in the spans of hints, evenly spread over each, in order."""
    seconds = middles(torch.arange(total), grid)
    chosen = [torch.arange(0)]
    for hint in hints:
        inside = ((seconds >= hint.start) & (seconds < hint.end)).nonzero()[:, 0]
        chosen.append(inside[:: max(1, -(-len(inside) // HINTED_FRAMES))])
    return torch.from_numpy(np.unique(torch.cat(chosen).numpy()))


def bands_of(hint: Hint, bands: Bands) -> Tensor:
    """Which bands touch the band of a hint, (bands,)."""
    edges = torch.from_numpy(bands.edges) * (REFERENCE_RATE / bands.reference_window)
    inside = (edges[1:] > hint.low_hz) & (edges[:-1] < hint.high_hz)
    inside[-1] |= hint.high_hz > edges[-1]  # above 22.05 kHz bins belong to the last band
    return inside


def seed_of(hinted: Tensor, hinted_weights: Tensor, song: Tensor, song_weights: Tensor) -> Seed:
    """Where a cluster starts that holds what a hinted span has more of than the song.

    Other stems sound in the span as well, and are what sounds elsewhere too. So a cell counts by the share of cells of
    its kind that the song does not explain; how many these are is the prior of the cluster. A span that sounds as the
    whole song does tells nothing, and changes next to nothing.

    Args:
        hinted: embeddings of the cells in the span, (cells, dimensions).
        hinted_weights: how much each counts, (cells,).
        song: embeddings of the cells of the song, (points, dimensions).
        song_weights: how much each counts, (points,).
    """
    weights = hinted_weights / hinted_weights.sum().clamp(min=1e-12)
    there, everywhere = (_density(hinted, *cells) for cells in ((hinted, hinted_weights), (song, song_weights)))
    special = weights * (1 - everywhere / there.clamp(min=1e-12)).clamp(min=0)
    share = special.sum().clamp(LEAST_SPECIAL, 1)
    around = special if special.sum() > LEAST_SPECIAL else weights
    return Seed(functional.normalize(around @ hinted, dim=0), share.log())


def _density(places: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """How densely cells lie around places, (places, dimensions) -> (places,)."""
    chances = weights if weights.sum() > 0 else torch.ones_like(weights)
    drawn = chances.multinomial(SAMPLED, True, generator=Generator(weights.device).manual_seed(0))
    return (NEARNESS * (places @ cells[drawn].T - 1)).exp().mean(1)
