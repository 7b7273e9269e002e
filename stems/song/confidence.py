"""How clearly the cells of a song fall into clusters, as an estimate of how well its stems are separated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from stems.song.clustered import ClusteredSong

AT_ONCE = 64  # landmarks
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
    from stems.cores import one_core  # not before: a batch hears from its workers how confident they were

    with one_core():
        return _confidence(found, range(len(found.seconds)))


def confidence_over_time(found: ClusteredSong, step_seconds: float = 1.0) -> list[Confidence]:
    """The confidence of every step of a song, the last of which may be shorter."""
    from stems.cores import one_core

    with one_core():
        steps = (found.seconds.clamp(min=0) / step_seconds).long()
        return [_confidence(found, (steps == step).nonzero()[:, 0].tolist()) for step in range(int(steps.max()) + 1)]


def _confidence(found: ClusteredSong, landmarks: Sequence[int]) -> Confidence:
    """The confidence of some landmarks, a few at a time, since all in double precision would be as large as a song."""
    pieces = [_sums(found, landmarks[first : first + AT_ONCE]) for first in range(0, len(landmarks), AT_ONCE)]
    weights, certain, separate, evenly = (sum(parts) for parts in zip(*pieces, strict=True))
    total = weights.sum()
    known = weights > BARELY_THERE * total
    posterior, apart = ((figure / weights).where(known, nan) for figure in (certain, separate))
    return Confidence(
        dict(zip(found.stems, posterior.clamp(min=0).tolist(), strict=True)),
        dict(zip(found.stems, apart.tolist(), strict=True)),
        float((evenly / total).where(total > 0, nan)),
    )


def _sums(found: ClusteredSong, landmarks: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums over cells, by stem: of weights, of certainties and of silhouettes with them; and of all certainties."""
    chosen = list(landmarks)
    embeddings = found.embeddings[chosen].flatten(0, 1)
    powers = found.powers[chosen].gather(1, found.loudest[chosen]).double().flatten()
    shares = found.clusters.shares(embeddings).double()
    given = powers[:, None] * shares  # power, because the distortion of a stem is measured in it
    certain = certainty(shares) * given
    separate = silhouette(embeddings, found.centroids).double() * given
    return given.sum(0), certain.sum(0), separate.sum(0), certain.sum()
