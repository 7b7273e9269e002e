"""How clearly the cells of a song fall into clusters, as an estimate of how well its stems are separated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stems.clustering import assign

BARELY_THERE = 1e-6  # of all weight: a stem with less has no figure


@dataclass(frozen=True)
class Clustered:
    """What the clustering found in a song: its landmarks, evenly spread frames, and in each its loudest cells.

    Attributes:
        stems: names of the clusters, in the order of the centroids.
        anchors: (stems, dimensions), where the clusters started.
        centroids: (stems, dimensions), where they came to rest.
        sensitivity: with which cells are assigned, see `stems.clustering.assign`.
        seconds: of the middle of each landmark, (landmarks,).
        contexts: what the recurrent layers know of each landmark, (landmarks, size).
        powers: of all bands of each landmark, (landmarks, bands).
        loudest: numbers of the bands that were clustered, (landmarks, cells).
        embeddings: of these cells, (landmarks, cells, dimensions).
        weights: how much each of them counted, (landmarks, cells).
    """

    stems: tuple[str, ...]
    anchors: Tensor
    centroids: Tensor
    sensitivity: float
    seconds: Tensor
    contexts: Tensor
    powers: Tensor
    loudest: Tensor
    embeddings: Tensor
    weights: Tensor

    @property
    def shares(self) -> Tensor:
        """Of each stem in each of the loudest cells, (landmarks, cells, stems)."""
        return assign(self.embeddings, self.centroids, self.sensitivity)


@dataclass(frozen=True)
class Confidence:
    """How clearly a song, or a second of it, falls into stems: 0 not at all, 1 perfectly.

    Attributes:
        posterior: of each stem, see `certainty`; NaN for a stem that does not sound.
        silhouette: of each stem, see `silhouette`; NaN for a stem that owns no cell.
        song: the posterior of all stems together, each counted by how much of the song it gets.
    """

    posterior: dict[str, float]
    silhouette: dict[str, float]
    song: float


def certainty(shares: Tensor) -> Tensor:
    """By how much a cell's share exceeds an even one: 0 where all stems share evenly, 1 where one has it all.

    Below 0 where the stem has less than an even share. Any shape (..., stems).
    """
    stems = shares.shape[-1]
    return (stems * shares - 1) / (stems - 1)


def silhouette(embeddings: Tensor, centroids: Tensor) -> Tensor:
    """The simplified silhouette on the sphere: how much nearer the own centroid is than the next.

    Rousseeuw's silhouette (1987) compares mean distances to all points of two clusters; with distances to their
    centroids instead it ranks clusterings alike and needs no pairs of points (Hruschka et al. 2004).

    Args:
        embeddings: (..., dimensions), of unit length.
        centroids: (clusters, dimensions), of unit length.

    Returns:
        (...), from 0, as far from one as from the other, to 1, on a centroid.
    """
    distances = 1 - embeddings @ centroids.T
    nearest = distances.topk(2, dim=-1, largest=False).values.clamp(min=0)
    own, other = nearest[..., 0], nearest[..., 1]
    return (other - own) / other.clamp(min=torch.finfo(other.dtype).tiny)


def confidence(found: Clustered) -> Confidence:
    """The confidence of a whole song."""
    return _confidence(found, slice(None))


def confidence_over_time(found: Clustered, step_seconds: float = 1.0) -> list[Confidence]:
    """The confidence of every step of a song, the last of which may be shorter."""
    steps = (found.seconds.clamp(min=0) / step_seconds).long()
    return [_confidence(found, steps == step) for step in range(int(steps.max()) + 1)]


def _confidence(found: Clustered, landmarks: slice | Tensor) -> Confidence:
    shares, weights = found.shares[landmarks].double(), found.weights[landmarks].double()
    clear = silhouette(found.embeddings[landmarks].double(), found.centroids.double())
    owned = torch.nn.functional.one_hot(shares.argmax(-1), shares.shape[-1])
    given = (weights[..., None] * shares).flatten(0, 1)
    certain = _means(certainty(shares).flatten(0, 1), given)
    separate = _means(clear.flatten()[:, None], (weights[..., None] * owned).flatten(0, 1))
    song = _means(certainty(shares).flatten()[:, None], given.flatten()[:, None])
    return Confidence(
        dict(zip(found.stems, certain.clamp(min=0).tolist(), strict=True)),
        dict(zip(found.stems, separate.tolist(), strict=True)),
        float(song),
    )


def _means(figures: Tensor, weights: Tensor) -> Tensor:
    """Means over cells, (cells, some) -> (some,); NaN where there is next to no weight."""
    sums = weights.sum(0)
    means = (figures * weights).sum(0) / sums
    return means.where(sums > BARELY_THERE * weights.sum(), torch.nan)
