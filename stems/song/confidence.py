"""How clearly the cells of a song fall into clusters, as an estimate of how well its stems are separated."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from stems.song.clustered import ClusteredSong

BARELY_THERE = 1e-6  # of all weight: a stem with less has no figure


@dataclass(frozen=True)
class Confidence:
    """How clearly a song, or a part of it, falls into stems: from 0, not at all, to 1.

    All figures are means over the loudest cells, each of which counts for a stem by the power that the stem gets
    there. They are NaN for a stem that gets next to nothing.

    Attributes:
        posterior: of each stem, 0 to 1, see `certainty`.
        silhouette: of each stem, -1 to 1, see `silhouette`.
        song: the posterior of all stems together.
    """

    posterior: dict[str, float]
    silhouette: dict[str, float]
    song: float

    def as_json(self) -> dict[str, dict[str, float | None]]:
        """Plain data, with None for NaN, which JSON lacks."""
        figures = {"confidence": {"song": self.song, **self.posterior}, "silhouette": self.silhouette}
        return {
            measure: {name: None if isnan(figure) else round(figure, 4) for name, figure in named.items()}
            for measure, named in figures.items()
        }


def certainty(shares: Tensor) -> Tensor:
    """By how much a cell's share exceeds an even one: 0 where all stems share evenly, 1 where one has it all.

    Below 0 where the stem has less than an even share. Any shape (..., stems).
    """
    stems = shares.shape[-1]
    return (stems * shares - 1) / (stems - 1)


def silhouette(embeddings: Tensor, centroids: Tensor) -> Tensor:
    """The simplified silhouette on the sphere: how much nearer to each centroid than to the nearest other one.

    Rousseeuw's silhouette (1987) compares mean distances to all points of two clusters; distances to the centroids
    take their place here, which need no pairs of points (Hruschka et al. 2004).

    Args:
        embeddings: (..., dimensions), of unit length.
        centroids: (stems, dimensions), of unit length.

    Returns:
        (..., stems): 1 on a stem's own centroid, 0 half-way to another, -1 on another.
    """
    import torch  # not before: a batch hears from its workers how confident they were, and separates nothing itself

    own = (1 - embeddings @ centroids.T).clamp(min=0)
    two, nearest = own.topk(2, dim=-1, largest=False)
    is_nearest = torch.arange(len(centroids), device=own.device) == nearest[..., :1]
    other = torch.where(is_nearest, two[..., 1:], two[..., :1])
    return (other - own) / torch.maximum(other, own).clamp(min=torch.finfo(own.dtype).tiny)


def confidence(found: ClusteredSong) -> Confidence:
    """The confidence of a whole song."""
    return _confidence(found, slice(None))


def confidence_over_time(found: ClusteredSong, step_seconds: float = 1.0) -> list[Confidence]:
    """The confidence of every step of a song, the last of which may be shorter."""
    steps = (found.seconds.clamp(min=0) / step_seconds).long()
    return [_confidence(found, steps == step) for step in range(int(steps.max()) + 1)]


def _confidence(found: ClusteredSong, landmarks: slice | Tensor) -> Confidence:
    embeddings = found.embeddings[landmarks].flatten(0, 1)
    powers = found.powers[landmarks].gather(1, found.loudest[landmarks]).double().flatten()
    shares = found.clusters.shares(embeddings).double()
    given = powers[:, None] * shares  # power, because the distortion of a stem is measured in it
    certain = certainty(shares)
    posterior = _means(certain, given).clamp(min=0)
    separate = _means(silhouette(embeddings, found.centroids).double(), given)
    return Confidence(
        dict(zip(found.stems, posterior.tolist(), strict=True)),
        dict(zip(found.stems, separate.tolist(), strict=True)),
        float(_means(certain.flatten(), given.flatten())),
    )


def _means(figures: Tensor, weights: Tensor) -> Tensor:
    """Means over cells; NaN where there is next to no weight."""
    sums = weights.sum(0)
    means = (figures * weights).sum(0) / sums
    return means.where(sums > BARELY_THERE * weights.sum(), nan)
